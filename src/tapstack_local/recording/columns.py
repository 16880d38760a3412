"""Which column holds what: by its name without case, spaces and punctuation, or as ``--map`` says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tapstack.errors import UsageError
from tapstack_local.recording.event_types import squashed
from tapstack_local.recording.problems import BadRow


class Column(NamedTuple):
    """What a canonical name stands for.

    Parameters
    ----------
    names
        Of columns that hold it, the first found in this order.
    meaning
        For the reference page.
    """

    names: tuple[str, ...]
    meaning: str


COLUMNS: Mapping[str, Column] = {
    "user_id": Column(("user_id", "user", "customer_id", "uid"), "a known user"),
    "anonymous_id": Column(
        ("anonymous_id", "visitor_id", "user_pseudo_id", "domain_userid", "device_id"),
        "an unknown one; without both, the session's id",
    ),
    "session_id": Column(
        ("session_id", "session", "user_session", "ga_session_id", "domain_sessionid"), "the visit"
    ),
    "item_id": Column(("item_id", "product_id", "item", "article_id", "movie_id", "aid", "sku"), "the item"),
    "items": Column(
        ("items", "products"),
        "several items: a JSON array of ids, or of objects with the names of this table",
    ),
    "event_type": Column(
        ("event_type", "event_name", "event", "type", "action", "behavior", "behavior_type"),
        "`item_view` by default; a row without an item says it",
    ),
    "occurred_at": Column(
        ("occurred_at", "event_timestamp", "timestamp", "event_time", "ts", "datetime", "derived_tstamp"),
        "when it happened: see below",
    ),
    "date": Column(("event_date", "date"), "the day, as 2026-01-31 or 20260131"),
    "offset_ms": Column(("offset_ms", "timeframe"), "milliseconds since the session began"),
    "price": Column(("price",), "of the item"),
    "quantity": Column(("quantity",), "of the item, a whole number; `2.0` is one"),
    "value": Column(("value", "event_value"), "of the event"),
    "currency": Column(("currency",), "three letters"),
    "query": Column(("query", "search_term"), "what was searched"),
    "event_id": Column((), "its identity, only by `--map`: copies count once; otherwise rows are numbered"),
}
ITEM_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "item_id": (*COLUMNS["item_id"].names, "id"),
    "name": ("name", "item_name", "product_name"),
    "price": ("price",),
    "quantity": ("quantity",),
    "currency": ("currency",),
    "category": ("category", "item_category"),
    "brand": ("brand", "item_brand"),
    "variant": ("variant", "item_variant"),
}
_WHO = frozenset({"user_id", "anonymous_id", "session_id"})
_WHAT = frozenset({"item_id", "items", "event_type"})
Names = Mapping[str, str]  # canonical names and the columns that hold them


def check_mapped(overrides: Names) -> None:
    """Refuse a ``--map`` of something that is no canonical name."""
    if wrong := set(overrides) - set(COLUMNS):
        raise UsageError(f"--map: cannot map {min(wrong)!r}; there are {', '.join(COLUMNS)}")


def recognise(columns: Sequence[str], overrides: Names) -> Names:
    """Return which column holds what.

    Raises
    ------
    BadRow
        If no column names the user or the item, if a column is there twice, or one of ``--map`` is missing.
    """
    names: dict[str, str] = {}
    by_name: dict[str, list[str]] = {}
    for column in columns:
        by_name.setdefault(squashed(column), []).append(column)
    for canonical, column in overrides.items():
        if column not in columns:
            there = ", ".join(name if name.isprintable() else repr(name) for name in columns)
            raise BadRow(f": no column {column!r} for {canonical}; there are {there}")
        names[canonical] = _only([found for found in columns if found == column])
    for canonical, (aliases, _) in COLUMNS.items():
        if canonical in names:
            continue
        if found := _first(by_name, aliases):
            names[canonical] = _only(found, "; see --map")
    if not _WHO & names.keys():
        raise BadRow(": expected a user_id, anonymous_id or session_id column; see --map")
    if not _WHAT & names.keys():
        raise BadRow(": expected an item_id or event_type column; see --map")
    return names


def looks_like_header(cells: Iterable[str]) -> bool:
    """Return whether the cells of a row are names of columns."""
    return sum(squashed(cell) in _ALL_NAMES for cell in cells) >= 2


def _first(by_name: Mapping[str, list[str]], aliases: Iterable[str]) -> list[str]:
    return next((by_name[squashed(alias)] for alias in aliases if squashed(alias) in by_name), [])


def _only(found: list[str], advice: str = "") -> str:
    if len(found) > 1:
        shown = " and ".join(map(repr, dict.fromkeys(found)))
        raise BadRow(f": expected one column {shown}, got {len(found)}{advice}")
    return found[0]


_ALL_NAMES = frozenset(squashed(name) for column in COLUMNS.values() for name in column.names)
