"""What the API answers: rows read, stripes added up, names put in place of codes.

Rows that have expired and are not deleted yet are as good as gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
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
from tapstack.core.cooccurrence import BOUGHT_WITH_MAX, VIEWED_WITH_MAX
from tapstack.core.events import EVENT_TYPES
from tapstack.core.rows import (
    ItemState,
    decode_derived,
    decode_item,
    decode_terms,
    item_partition,
    terms_partition,
)
from tapstack.core.search_terms import Terms, merge_terms
from tapstack.insights.answers import (
    Health,
    Item,
    Partners,
    ProjectionStatus,
    RankedItem,
    SearchTerm,
    SearchTerms,
    Status,
    WindowCounts,
)
from tapstack.insights.freshness import Freshness, Progress
from tapstack.ports import Row, RowReader

HEALTH_PARTITION = "H#"  # no row has a key of this kind, see `tapstack.core.rows`


def item_view(reader: RowReader, item_id: str, now_s: int, fresh: Freshness) -> Item | None:
    """Return an item's counters over its lifetime and in the current windows; see `tapstack.insights.users`.

    `fresh` was read before, as in every view of derived rows.
    """
    items = _item_stripes(reader, item_id, now_s)
    if not items:
        return None
    lifetime: Counters = {}
    for item in items:
        merge_counts(lifetime, item.counters.lifetime)
    windows = {window.name: _window(items, position, now_s) for position, window in enumerate(WINDOWS)}
    return Item(
        item_id=item_id,
        **describe_counters(lifetime),
        value_incomplete=any(may_lack_currencies(item.counters.lifetime) for item in items),
        windows=windows,
        **describe_freshness(fresh),
    )


def _window(items: Iterable[ItemState], position: int, now_s: int) -> list[WindowCounts]:
    """Add up the stripes' windows of one length, newest first."""
    window = WINDOWS[position]
    counted: dict[int, Counters] = {}
    for item in items:
        for number, counters in item.counters.windows[position].items():
            if number >= _oldest_served(window, now_s):
                merge_counts(counted.setdefault(number, {}), counters)
    return [
        WindowCounts(start=time_text(number * window.length_s), **describe_counters(counted[number]))
        for number in sorted(counted, reverse=True)
    ]


def partners_view(
    reader: RowReader, item_id: str, now_s: int, fresh: Freshness, *, bought: bool, n: int
) -> Partners | None:
    """Return the items most often viewed, or bought, in one session with an item; see `item_view`."""
    items = _item_stripes(reader, item_id, now_s)
    if not items:
        return None
    maps = [item.bought_with if bought else item.viewed_with for item in items]
    ranked, count_error_max = _merge_partners(maps, BOUGHT_WITH_MAX if bought else VIEWED_WITH_MAX)
    return Partners(
        item_id=item_id,
        items=_listed(ranked[:n]),
        count_error_max=count_error_max,
        **describe_freshness(fresh),
    )


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


def search_terms_view(reader: RowReader, window: Window, now_s: int, fresh: Freshness, n: int) -> SearchTerms:
    """Return the terms searched for most in the current window; if there were no searches, in the last."""
    number = window.number(now_s)
    rows = _terms(reader, window, number, now_s)
    if not any(rows):
        number -= 1
        rows = _terms(reader, window, number, now_s)
    ranked, count_error_max = merge_terms(rows)
    return SearchTerms(
        window=window.name,
        start=time_text(number * window.length_s),
        end=time_text((number + 1) * window.length_s),
        searches=sum([term.count for terms in rows for term in terms.values()]),
        terms=[SearchTerm(term=term, count=count) for term, count in ranked[:n]],
        count_error_max=count_error_max,
        **describe_freshness(fresh),
    )


def health_view(reader: RowReader) -> Health:
    """Ask the table for a partition that never has a row, consistently: of the replica that takes the writes.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    reader.query(HEALTH_PARTITION, consistent=True)
    return Health(status="ok")


def status_view(progress: Progress, fresh: Callable[[str], Freshness], version: str) -> Status:
    """Return how far each projection has come that ever folded anything."""
    return Status(
        version=version,
        as_of=time_text(progress.read_s),
        heads=progress.heads,
        projections={
            name: ProjectionStatus(
                **describe_freshness(told := fresh(name)),
                lag_s=progress.read_s - told.as_of_s,
                entries_behind=sum(
                    progress.heads[lane] - first + 1 for lane, first in progress.unfolded(name).items()
                ),
                folded=mark.marks,
            )
            for name, mark in sorted(progress.watermarks.items())
        },
    )


def _terms(reader: RowReader, window: Window, number: int, now_s: int) -> list[Terms]:
    return [decode_terms(body) for body in bodies(reader, terms_partition(window, number), now_s)]


def _item_stripes(reader: RowReader, item_id: str, now_s: int) -> list[ItemState]:
    return [decode_item(body) for body in bodies(reader, item_partition(item_id), now_s)]


def bodies(reader: RowReader, partition: str, now_s: int) -> list[bytes]:
    """Return what a projection keeps in a partition, a body a stripe."""
    rows = alive(reader.query(partition, consistent=True), now_s)
    return [bytes(decode_derived(row.state).body) for row in rows]


def alive(rows: Iterable[Row], now_s: int) -> list[Row]:
    """Leave out rows that have expired."""
    return [row for row in rows if not 0 < row.expires_at_s <= now_s]


def _oldest_served(window: Window, now_s: int) -> int:
    """Leave out the oldest window kept: a stripe may have dropped it a moment ago."""
    return window.oldest_kept(now_s) + 1


def _listed(ranked: Iterable[tuple[str, int]]) -> list[RankedItem]:
    return [RankedItem(item_id=name, count=count) for name, count in ranked]


class _Fresh(TypedDict):
    as_of: str
    since: str | None


def describe_freshness(fresh: Freshness) -> _Fresh:
    """Return how an answer says how fresh it is."""
    return {"as_of": time_text(fresh.as_of_s), "since": time_text(fresh.since_s) if fresh.since_s else None}


class _Counted(TypedDict):
    events: int
    counts: dict[str, int]
    value: dict[str, float]


def describe_counters(counters: Counters) -> _Counted:
    """Return how an answer says what was counted."""
    counts = {EVENT_TYPES[key]: amount for key, amount in counters.items() if isinstance(key, int)}
    value = {currency: amount / MICROS for currency, amount in sums(counters).items()}
    return {"events": sum(counts.values()), "counts": counts, "value": value}


def time_text(at_s: int, ms: int | None = None) -> str:
    """Return a time as answers have it, RFC 3339."""
    moment = datetime.fromtimestamp(at_s, tz=UTC)
    if ms is None:
        return moment.isoformat().replace("+00:00", "Z")
    return moment.replace(microsecond=ms * 1000).isoformat(timespec="milliseconds").replace("+00:00", "Z")
