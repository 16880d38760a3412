"""What events say in numbers beside what was bought: units sold, what came back, ratings.

They are kept as counters of their own, in the same windows: a key that is an integer is one of those below,
and one that is a string a currency, with what was refunded in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapstack.core.aggregates import MICROS, Counters, item_cost, millionths
from tapstack.core.events import AMOUNT_MAX, TYPE_CODE, CountedItem, Event
from tapstack.core.journal import Effect

UNITS_SOLD, UNITS_REFUNDED, RATINGS, RATINGS_SUM = range(4)  # the sum in millionths

RATING_MAX = 100.0  # what a shop means by more is no rating; sums keep far from 64 bits
_LINE_MAX = int(AMOUNT_MAX) * MICROS  # of one item of a refund: what a purchase may have in all
_PURCHASE, _REFUND, _RATE = (TYPE_CODE[name] for name in ("purchase", "refund", "rate"))
OF_AMOUNTS = frozenset({_PURCHASE, _REFUND, _RATE})  # types whose events may say amounts of their items


def units_of(event: Event, item: CountedItem) -> int:
    """Return how many of an item were bought, or given back; 0 of other events."""
    if event.event_type not in {"purchase", "refund"}:
        return 0
    return 1 if item.quantity is None else item.quantity


def refunded_of(event: Event, item: CountedItem) -> Mapping[str, int]:
    """Return what was paid back for one of an event's items, in millionths by currency."""
    if event.event_type != "refund":
        return {}
    refunded = item_cost(event, item)
    return refunded if all(-_LINE_MAX <= amount <= _LINE_MAX for amount in refunded.values()) else {}


def rating_of(event: Event) -> int | None:
    """Return the rating that an event gives to its items, in millionths; None if it gives none."""
    if event.event_type != "rate" or event.value is None or not -RATING_MAX <= event.value <= RATING_MAX:
        return None
    return millionths(event.value)


def counts_of(effect: Effect) -> Counters:
    """Return what an effect adds to the counters of each of its items, and of their categories."""
    counts: Counters = {effect.code: 1}
    if effect.bought:  # of purchases alone
        counts.update(effect.bought.items())
    return counts


def amounts_of(effect: Effect) -> Counters:
    """Return what an effect adds to the amounts of each of its items; empty if nothing."""
    if effect.code == _PURCHASE:
        return {UNITS_SOLD: effect.units} if effect.units else {}
    if effect.code == _REFUND:
        amounts: Counters = {UNITS_REFUNDED: effect.units} if effect.units else {}
        amounts.update(effect.refunded.items())
        return amounts
    if effect.code == _RATE and effect.rating is not None:
        return {RATINGS: 1, RATINGS_SUM: effect.rating}
    return {}
