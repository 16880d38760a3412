"""What the API answers about an item: its stripes added up, and the rates that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from tapstack.core.aggregates import (
    MICROS,
    WINDOWS,
    Counters,
    Window,
    may_lack_currencies,
    merge_counts,
    sums,
)
from tapstack.core.amounts import RATINGS, RATINGS_SUM, UNITS_REFUNDED, UNITS_SOLD
from tapstack.core.cooccurrence import BOUGHT_WITH_MAX, VIEWED_WITH_MAX
from tapstack.core.events import TYPE_CODE
from tapstack.core.impressions import SHOP, Showings
from tapstack.core.item_facts import Facts, newest
from tapstack.core.rows import ITEM_ROWS, SHOWING_ROWS, ItemState, item_partition, showings_partition
from tapstack.insights.answers import Item, Partner, Partners, Rates, Ratings, Refunds, WindowCounts
from tapstack.insights.freshness import Freshness
from tapstack.insights.striped_rows import StripedRows
from tapstack.insights.views import bodies, describe_counters, describe_freshness, time_text
from tapstack.ports import RowReader

_VIEW, _CART, _PURCHASE = (TYPE_CODE[name] for name in ("item_view", "cart_add", "purchase"))


def item_view(reader: RowReader, item_id: str, now_s: int, fresh: Freshness) -> Item | None:
    """Return what is known of an item, over its lifetime and in the current windows.

    Parameters
    ----------
    reader
        The table.
    item_id
        The item.
    now_s
        Unix seconds.
    fresh
        As of when its rows are; read before.

    Returns
    -------
    Item or None
        None if nothing is known.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    items = _stripes(reader, item_id, now_s)
    if not items:
        return None
    lifetime = _total(item.counters.lifetime for item in items)
    amounts = _total(item.amounts.lifetime for item in items if item.amounts is not None)
    counted = describe_counters(lifetime)
    refunded = {currency: amount / MICROS for currency, amount in sums(amounts).items()}
    net = _total((sums(lifetime), {currency: -amount for currency, amount in sums(amounts).items()}))
    return Item(
        item_id=item_id,
        **describe_facts(facts_of_stripes(items)),
        **counted,
        value_incomplete=any(_may_lack_currencies(item) for item in items),
        units=amounts.get(UNITS_SOLD, 0),
        refunds=Refunds(units=amounts.get(UNITS_REFUNDED, 0), value=refunded),
        net_value={str(currency): amount / MICROS for currency, amount in net.items()},
        ratings=_ratings(amounts),
        rates=_rates(lifetime),
        windows={window.name: _window(items, position, now_s) for position, window in enumerate(WINDOWS)},
        **describe_freshness(fresh),
    )


def partners_view(
    reader: RowReader,
    rows: StripedRows,
    item_id: str,
    now_s: int,
    fresh: Freshness,
    *,
    bought: bool,
    n: int,
) -> Partners | None:
    """Return the items most often viewed, or bought, in one session with an item; see `item_view`.

    `rows` is where the partners and the shop are read, for support and lift.
    """
    items = _stripes(reader, item_id, now_s)
    if not items:
        return None
    maps = [item.bought_with if bought else item.viewed_with for item in items]
    ranked, count_error_max = _merge_partners(maps, BOUGHT_WITH_MAX if bought else VIEWED_WITH_MAX)
    code = _PURCHASE if bought else _VIEW
    events = _events(rows, [name for name, _ in ranked[:n]], code)
    own = sum([item.counters.lifetime.get(code, 0) for item in items])
    shop = 0 if fresh.since_s else events.pop(SHOP, 0)  # else it lacks what was counted before
    return Partners(
        item_id=item_id,
        items=[
            Partner(
                item_id=name,
                count=count,
                support=count / shop if shop else None,
                lift=count * shop / chance if (chance := own * events[name]) and shop else None,
            )
            for name, count in ranked[:n]
        ],
        count_error_max=count_error_max,
        **describe_freshness(fresh),
    )


def _events(rows: StripedRows, item_ids: Iterable[str], code: int) -> dict[str, int]:
    """Return how many events of a type there were of each item, and under `SHOP` of all of them."""
    partitions = {item_id: item_partition(item_id) for item_id in item_ids}
    shop = showings_partition(SHOP)
    found = rows.states([*partitions.values(), shop])
    events = {
        item_id: sum([_lifetime(ITEM_ROWS.body(state), code) for state in found.get(partition, ())])
        for item_id, partition in partitions.items()
    }
    events[SHOP] = sum([_lifetime(SHOWING_ROWS.body(state), code) for state in found.get(shop, ())])
    return events


def _lifetime(row: ItemState | Showings, code: int) -> int:
    return row.counters.lifetime.get(code, 0)


class _Described(TypedDict):
    category: str | None
    brand: str | None
    name: str | None
    price: float | None
    currency: str | None


def facts_of_stripes(items: Iterable[ItemState]) -> Facts:
    """Return what is known of an item: the newest that any stripe has."""
    return newest([item.facts for item in items if item.facts is not None])


def describe_facts(facts: Facts) -> _Described:
    """Return how an answer says what an item is."""
    return {
        "category": facts.category and facts.category[1],
        "brand": facts.brand and facts.brand[1],
        "name": facts.name and facts.name[1],
        "price": None if facts.price is None else facts.price[1] / MICROS,
        "currency": facts.price and facts.price[2],
    }


def rate(counters: Mapping[int | str, int | float], code: int) -> float | None:
    """Return how many events of a type there were for each view; None without views."""
    views = counters.get(_VIEW, 0)
    return counters.get(code, 0) / views if views else None


def _rates(counters: Counters) -> Rates:
    return Rates(cart=rate(counters, _CART), purchase=rate(counters, _PURCHASE))


def _ratings(amounts: Counters) -> Ratings:
    count = amounts.get(RATINGS, 0)
    return Ratings(count=count, mean=amounts[RATINGS_SUM] / MICROS / count if count else None)


def _may_lack_currencies(item: ItemState) -> bool:
    refunded = {} if item.amounts is None else item.amounts.lifetime
    return may_lack_currencies(item.counters.lifetime) or may_lack_currencies(refunded)


def _total(parts: Iterable[Mapping[str, int] | Counters]) -> Counters:
    total: Counters = {}
    for part in parts:
        merge_counts(total, dict(part.items()))
    return total


def _stripes(reader: RowReader, item_id: str, now_s: int) -> list[ItemState]:
    return bodies(reader, ITEM_ROWS, item_partition(item_id), now_s)


def _window(items: Sequence[ItemState], position: int, now_s: int) -> list[WindowCounts]:
    """Add up the stripes' windows of one length, newest first."""
    window = WINDOWS[position]
    oldest = _oldest_served(window, now_s)
    counted: dict[int, Counters] = {}
    units: dict[int, int] = {}
    for item in items:
        for number, counters in item.counters.windows[position].items():
            if number >= oldest:
                merge_counts(counted.setdefault(number, {}), counters)
        for number, amounts in item.amounts.windows[position].items() if item.amounts is not None else ():
            units[number] = units.get(number, 0) + amounts.get(UNITS_SOLD, 0)
    return [
        WindowCounts(
            start=time_text(number * window.length_s),
            **describe_counters(counted[number]),
            units=units.get(number, 0),
            rates=_rates(counted[number]),
        )
        for number in sorted(counted, reverse=True)
    ]


def _oldest_served(window: Window, now_s: int) -> int:
    """Leave out the oldest window kept: a stripe may have dropped it a moment ago."""
    return window.oldest_kept(now_s) + 1


def _merge_partners(maps: Iterable[Mapping[str, int]], places: int) -> tuple[list[tuple[str, int]], int]:
    """Add up the maps of all stripes.

    A full Space-Saving map has forgotten no partner of more pairs than its lowest count, and whoever took
    another's place inherited no more than that: the lowest count only rises. So a stripe misses a partner by
    at most that much, either way; see `tapstack.core.cooccurrence`.
    """
    total: dict[str, int] = {}
    error = 0
    for partners in maps:
        for partner, count in partners.items():
            total[partner] = total.get(partner, 0) + count
        if len(partners) >= places:
            error += min(partners.values())
    return sorted(total.items(), key=lambda entry: (-entry[1], entry[0])), error
