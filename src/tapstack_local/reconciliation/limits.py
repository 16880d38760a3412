"""The limits that docs/reference/table.md states, held against every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tapstack_local.reconciliation.counters import CURRENCIES_MAX, Counters, named_count
from tapstack_local.reconciliation.finding import Finding
from tapstack_local.reconciliation.history import SLOTS_MAX, WAITING_MAX
from tapstack_local.reconciliation.search_terms import TERMS_MAX
from tapstack_local.reconciliation.searches import TERM_BYTES_MAX
from tapstack_local.reconciliation.tables import ItemRow, Tables, UserRow

CLIENTS_MAX, GAPS_MAX, IDS_MAX = 16, 64, 64
RECENT_MAX, TRAITS_MAX, TEXT_CHARS_MAX, ALIASES_MAX = 20, 16, 64, 4
SESSIONS_MAX, SESSION_ITEMS_MAX = 3, 8
VIEWED_WITH_MAX, BOUGHT_WITH_MAX, PARTNER_BYTES_MAX = 32, 16, 64

_Figure = tuple[str, int, int]  # of what, how many or how long, and the most that may be


def check_limits(tables: Tables) -> Finding:
    """Check that no row is larger than it may grow; each figure too large counts as one event too many."""
    finding = Finding("rows within their limits")
    for key, user in tables.users.items():
        _judge(finding, key, _of_user(user))
    for item, stripes in tables.items.items():
        for stripe, row in stripes.items():
            _judge(finding, f"I#{item} {stripe}", _of_item(row))
    for (window, number, stripe), terms in tables.terms.items():
        _judge(finding, f"Q#{window}#{number} {stripe}", _of_terms(terms))
    return finding


def _judge(finding: Finding, where: str, figures: Iterator[_Figure]) -> None:
    for what, figure, most in figures:
        finding.judge(f"{where} {what}", figure, 0, most, at_most=1)


def _of_user(row: UserRow) -> Iterator[_Figure]:
    yield "clients", len(row.clients), CLIENTS_MAX
    yield "gaps of a client", max((len(gaps) for _, gaps, *_ in row.clients.values()), default=0), GAPS_MAX
    yield "ids", len(row.ids), IDS_MAX
    yield from _of_counters("", row.counters)
    yield "recent interactions", len(row.recent), RECENT_MAX
    if row.history is not None:
        yield "interactions that wait", row.history[1], WAITING_MAX
        yield "pages of history", len(row.history[3]), SLOTS_MAX
    yield "traits", len(row.traits), TRAITS_MAX
    yield "characters of a trait", _longest(_texts(row)), TEXT_CHARS_MAX
    yield "aliases", len(row.aliases), ALIASES_MAX
    yield "sessions", len(row.sessions), SESSIONS_MAX
    for _, _, _, counters, viewed, bought in row.sessions:
        yield from _of_counters(" of a session", counters)
        yield "items of a session", max(len(viewed), len(bought)), SESSION_ITEMS_MAX


def _of_item(row: ItemRow) -> Iterator[_Figure]:
    yield from _of_counters("", row.lifetime)
    for numbered in row.windows:
        for counters in numbered.values():
            yield from _of_counters(" of a window", counters)
    yield "items viewed with it", len(row.viewed_with), VIEWED_WITH_MAX
    yield "items bought with it", len(row.bought_with), BOUGHT_WITH_MAX
    partners = [partner.encode() for partner in (*row.viewed_with, *row.bought_with)]
    yield "bytes of a partner", max(map(len, partners), default=0), PARTNER_BYTES_MAX


def _of_terms(terms: Mapping[int, Sequence[Any]]) -> Iterator[_Figure]:
    yield "search terms", len(terms), TERMS_MAX
    yield (
        "bytes of a search term",
        max((len(text.encode()) for _, _, text in terms.values()), default=0),
        TERM_BYTES_MAX,
    )


def _of_counters(where: str, counters: Counters) -> Iterator[_Figure]:
    if count := named_count(counters):
        yield f"currencies{where}", count, CURRENCIES_MAX


def _texts(row: UserRow) -> list[str]:
    return [*row.traits, *(value for value in row.traits.values() if isinstance(value, str))]


def _longest(texts: list[str]) -> int:
    return max(map(len, texts), default=0)
