"""What the API answers: rows read, stripes added up, names put in place of codes.

Rows that have expired and are not deleted yet are as good as gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import TypedDict, TypeVar

from tapstack.core.aggregates import MICROS, Counters, Window, sums
from tapstack.core.events import EVENT_TYPES
from tapstack.core.journal import is_of_a_definition
from tapstack.core.rows import TERM_ROWS, DerivedKind, terms_partition
from tapstack.core.search_terms import Terms, merge_terms
from tapstack.insights.answers import Health, ProjectionStatus, SearchTerm, SearchTerms, Status
from tapstack.insights.freshness import Freshness, Progress
from tapstack.ports import Row, RowReader

S = TypeVar("S")
HEALTH_PARTITION = "H#"  # no row has a key of this kind, see `tapstack.core.rows`


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


def status_view(
    progress: Progress, fresh: Callable[[str], Freshness], version: str, declared: Collection[str] = ()
) -> Status:
    """Return how far each projection has come that ever folded anything, if it is declared still."""
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
            if not is_of_a_definition(name) or name in declared
        },
    )


def _terms(reader: RowReader, window: Window, number: int, now_s: int) -> list[Terms]:
    return bodies(reader, TERM_ROWS, terms_partition(window, number), now_s)


def bodies(reader: RowReader, kind: DerivedKind[S], partition: str, now_s: int) -> list[S]:
    """Return what a projection keeps in a partition, a body a stripe."""
    rows = alive(reader.query(partition, consistent=True), now_s)
    return [kind.body(row.state) for row in rows]


def alive(rows: Iterable[Row], now_s: int) -> list[Row]:
    """Leave out rows that have expired."""
    return [row for row in rows if not 0 < row.expires_at_s <= now_s]


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
    counts = {type_name(key): amount for key, amount in counters.items() if isinstance(key, int)}
    value = {currency: amount / MICROS for currency, amount in sums(counters).items()}
    return {"events": sum(counts.values()), "counts": counts, "value": value}


def type_name(code: int) -> str:
    """Return the name of an event type; its number, if only a later release knows it, which wrote the row."""
    return EVENT_TYPES[code] if code < len(EVENT_TYPES) else f"type_{code}"


def time_text(at_s: int, ms: int | None = None) -> str:
    """Return a time as answers have it, RFC 3339."""
    moment = datetime.fromtimestamp(at_s, tz=UTC)
    if ms is None:
        return moment.isoformat().replace("+00:00", "Z")
    return moment.replace(microsecond=ms * 1000).isoformat(timespec="milliseconds").replace("+00:00", "Z")
