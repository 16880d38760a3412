"""Counters, and counters in windows of the events' own time.

Amounts are integers of millionths, so that a sum does not depend on the order of its terms. A row's integers
have 64 bits, which end at 9 * 10**12 of a currency: what a sum has of whole `LARGE` is counted by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from tapstack.core.currencies import NO_CURRENCY
from tapstack.core.events import CountedItem, Event

MICROS = 1_000_000
EXACT_MAX = 2**53  # integers up to this are floats too
LARGE = 10**12 * MICROS
LARGE_SUFFIX = "e12"  # of a currency's key, if what it counts is 10**12 of the currency

# An event type's code -> how often; an ISO 4217 currency -> how much was bought, in millionths, and with
# `LARGE_SUFFIX` in `LARGE`: {"IRR": 5 * MICROS, "IRRe12": 2} is 2,000,000,000,005 rials.
Counters = dict[int | str, int]


Numbered = dict[int, Counters]  # counters by window number
Numbers = tuple[int, int, int]  # a window number for each of `WINDOWS`


class Window(NamedTuple):
    """A granularity of counting: windows are aligned to multiples of `length_s`."""

    name: str
    length_s: int
    kept: int  # how many windows back a reader may ask for; bounds the row

    def number(self, at_s: int) -> int:
        """Return the number of the window that contains a moment."""
        return at_s // self.length_s

    def oldest_kept(self, arrived_s: int) -> int:
        """Return the number of the oldest window still kept when records arrive at `arrived_s`."""
        return arrived_s // self.length_s - self.kept

    def keeps(self, number: int, newest_s: int, arrived_s: int) -> bool:
        """Return whether a record that arrives at `arrived_s` may be counted in a window.

        `newest_s` is the latest arrival of a record that the row has seen, or the same moment.
        """
        return self.oldest_kept(newest_s) <= number <= self.number(arrived_s)


WINDOWS = (Window("5m", 300, 12), Window("1h", 3_600, 24), Window("1d", 86_400, 7))
_SHORTEST_S = WINDOWS[0].length_s


class Windowed(msgspec.Struct, gc=False, array_like=True):
    """Counters over a lifetime and in the windows of `WINDOWS`.

    A window is forgotten once records arrive more than its kept time later, and none is begun that is later
    than a record's arrival. The moment of arrival is the stream's, not the worker's and not the event's: so
    what is kept depends neither on the order of processing, nor on a client's clock.
    """

    lifetime: Counters
    windows: tuple[Numbered, Numbered, Numbered]
    arrived_s: int


def new_counters() -> Windowed:
    """Return counters that have counted nothing."""
    return Windowed({}, ({}, {}, {}), 0)


# That a row calls by their names; what a further currency bought counts as XXX. A row has such a map for each
# window, and whoever sends purchases chooses the currencies.
CURRENCIES_MAX = 8


def count_bought(counted: Sequence[Counters], bought: Mapping[str, int]) -> None:
    """Count what was bought, in millionths by currency, in each of some counters, in place.

    The first of them, the user's or the lifetime's, tells for all whether a currency is counted by its name:
    it holds those that the others do (but for XXX, where sessions of very many currencies were merged).
    """
    for currency, amount in bought.items():
        place = _place(counted[0], currency)
        for counters in counted:
            _add_money(counters, place, amount)


def add_counts(into: Counters, other: Counters) -> None:
    """Add counters to others, in place."""
    is_bought = False
    for key, amount in other.items():
        if isinstance(key, int):
            into[key] = into.get(key, 0) + amount
        else:
            is_bought = True
    for currency, amount in sums(other).items() if is_bought else ():
        _add_money(into, _place(into, currency), amount)


def merge_counts(into: Counters, other: Counters) -> None:
    """Add counters of another stripe for a reader, in place: each currency by the name that it has there."""
    for key, amount in other.items():
        into[key] = into.get(key, 0) + amount


def sums(counters: Counters) -> dict[str, int]:
    """Return what was bought, in millionths by currency."""
    bought: dict[str, int] = {}
    for key, amount in counters.items():
        if isinstance(key, str):
            currency = key.removesuffix(LARGE_SUFFIX)
            bought[currency] = bought.get(currency, 0) + amount * (1 if currency == key else LARGE)
    return bought


def may_lack_currencies(counters: Counters) -> bool:
    """Return whether amounts of further currencies may be among those without one, XXX."""
    return NO_CURRENCY in counters and _named_count(counters) >= CURRENCIES_MAX


def _place(into: Counters, currency: str) -> str:
    if currency in into or currency == NO_CURRENCY:
        return currency
    return currency if _named_count(into) < CURRENCIES_MAX else NO_CURRENCY


def _named_count(counters: Counters) -> int:
    names = [key for key in counters if isinstance(key, str) and not key.endswith(LARGE_SUFFIX)]
    return len(names) - (NO_CURRENCY in counters)


def _add_money(into: Counters, currency: str, amount: int) -> None:
    amount += into.get(currency, 0)
    large_key = currency + LARGE_SUFFIX
    if -LARGE < amount < LARGE and large_key not in into:
        into[currency] = amount  # the usual case
        return
    amount += into.pop(large_key, 0) * LARGE
    large, rest = divmod(abs(amount), LARGE)
    sign = -1 if amount < 0 else 1
    into[currency] = rest * sign
    if large:
        into[large_key] = large * sign


def window_numbers(at_s: int) -> Numbers:
    """Return the number of each window that contains a moment."""
    return at_s // 300, at_s // 3_600, at_s // 86_400


def kept_at(numbers: Numbers, arrived: Numbers) -> list[int]:
    """Return the positions in `WINDOWS` of the windows of an event's own time that are kept at its arrival.

    Parameters
    ----------
    numbers
        The windows of the event's own time.
    arrived
        Those of its arrival.
    """
    return [
        position
        for position, window in enumerate(WINDOWS)
        if arrived[position] - window.kept <= numbers[position] <= arrived[position]
    ]


def add_in_windows(state: Windowed, amounts: Counters, numbers: Numbers, arrived_s: int) -> None:
    """Add amounts at the own time of an event, or of several whose windows are the same, in place.

    Parameters
    ----------
    state
        The counters.
    amounts
        What the events add: how many there are of a type, and what was bought in all, by currency.
    numbers
        The windows of the events' own time.
    arrived_s
        When the newest of their records arrived at the stream, Unix seconds: to which window it is counted
        does not depend on the others' arrivals, since none of them is before its event.
    """
    counted = counters_at(state, numbers, arrived_s)
    for key, amount in amounts.items():
        if isinstance(key, int):
            for counters in counted:
                counters[key] = counters.get(key, 0) + amount
        else:
            place = _place(counted[0], key)
            for counters in counted:
                _add_money(counters, place, amount)


def counters_at(state: Windowed, numbers: Numbers, arrived_s: int) -> list[Counters]:
    """Return what an event counts in: the lifetime, and the windows that are kept; see `add_in_windows`."""
    if arrived_s > state.arrived_s:
        turned = arrived_s // _SHORTEST_S > state.arrived_s // _SHORTEST_S
        state.arrived_s = arrived_s
        if turned:  # all lengths are multiples of the shortest: nothing grows old in between
            _forget_old(state)
    in_5m, in_1h, in_1d = state.windows
    number_5m, number_1h, number_1d = numbers
    if number_5m in in_5m and number_1h in in_1h and number_1d in in_1d:  # the usual case
        return [state.lifetime, in_5m[number_5m], in_1h[number_1h], in_1d[number_1d]]
    return [state.lifetime, *_begin_windows(state, numbers, arrived_s)]


def _begin_windows(state: Windowed, numbers: Numbers, arrived_s: int) -> Iterator[Counters]:
    """Return the counters of the windows that are kept; create those that are missing."""
    for window, windows, number in zip(WINDOWS, state.windows, numbers, strict=True):
        if number in windows or window.keeps(number, state.arrived_s, arrived_s):
            yield windows.setdefault(number, {})


def _forget_old(state: Windowed) -> None:
    for window, counted in zip(WINDOWS, state.windows, strict=True):
        oldest = window.oldest_kept(state.arrived_s)
        if counted and min(counted) < oldest:
            for number in [number for number in counted if number < oldest]:
                del counted[number]


def item_bought(event: Event, item: CountedItem) -> Mapping[str, int]:
    """Return what an event says was bought of one of its items, in millionths by currency."""
    return item_cost(event, item) if event.event_type == "purchase" else {}


def user_bought(event: Event) -> Mapping[str, int]:
    """Return what an event says that its user bought, in millionths by currency."""
    if event.event_type != "purchase":
        return {}
    if event.value is not None:
        return {event.currency or NO_CURRENCY: millionths(event.value)}
    return _bought(event, event.items)


def millionths(amount: float) -> int:
    """Return an amount in millionths: of a large one, which floats hold less finely, as it was written."""
    product = amount * MICROS
    return round(product) if -EXACT_MAX < product < EXACT_MAX else round(Decimal(repr(amount)) * MICROS)


def item_cost(event: Event, item: CountedItem) -> dict[str, int]:
    """Return an item's price times its quantity, in millionths by currency; empty without a price."""
    if item.price is None:
        return {}
    quantity = 1 if item.quantity is None else item.quantity
    return {item.currency or event.currency or NO_CURRENCY: millionths(item.price) * quantity}


def _bought(event: Event, items: Sequence[CountedItem]) -> dict[str, int]:
    bought: dict[str, int] = {}
    for item in items:
        for currency, amount in item_cost(event, item).items():
            bought[currency] = bought.get(currency, 0) + amount
    return bought
