"""The final tables: a plain fold over the distinct events, and what each row remembers of its clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tapstack_simulation.checking.facts import Amounts, Fact, Name, difference, merge, named
from tapstack_simulation.checking.rows import (
    EMPTY_USER,
    Image,
    Key,
    Violation,
    is_beside,
    is_page,
    knows,
    new_names,
)

Applied = Mapping[tuple[str, Name], int]


def check_fold(
    facts: Iterable[Fact],
    applied: Applied,
    rows: Mapping[Key, Image],
    planted: Mapping[str, Amounts],
    gone: Mapping[str, None],
) -> None:
    """Check that the rows hold what the counted events make, each once (invariants 2 and 3).

    Parameters
    ----------
    facts
        Every event that was on the stream.
    applied
        The events that were counted.
    rows
        The table.
    planted
        What rows held before the run.
    gone
        Partition keys that lost a row to TTL.

    Raises
    ------
    Violation
        If they differ.
    """
    wanted: dict[str, Amounts] = {pk: dict(amounts) for pk, amounts in planted.items()}
    for fact in facts:
        if (fact.pk, fact.name) in applied:
            merge(wanted.setdefault(fact.pk, {}), fact.user)
            for item_id, amounts in fact.items.items():
                merge(wanted.setdefault(f"I#{item_id}", {}), amounts)
    stripes: dict[str, list[Amounts]] = {}
    for (pk, sk), image in rows.items():
        if pk[0] in "UAI" and not is_beside((pk, sk)):
            stripes.setdefault(pk, []).append(image.state[0][0] if pk[0] == "I" else image.state[2])
    for pk in {**wanted, **stripes}:
        maps = stripes.get(pk, [])
        held: Amounts = {}
        for counters in maps:
            merge(held, counters)
        if pk not in gone and difference(named(held, maps), named(wanted.get(pk, {}), maps)):
            raise Violation(2, f"{pk} holds {held}; its events make {wanted.get(pk)}")


def check_memory(
    facts: Iterable[Fact],
    applied: Applied,
    rows: Mapping[Key, Image],
    gone: Mapping[str, None],
    pages_gone: Mapping[str, None],
    keep_days: int,
) -> None:
    """Check that the rows and their pages know each event that was counted, and no other (invariant 1).

    Parameters
    ----------
    facts, applied, rows, gone
        As for `check_fold`.
    pages_gone
        Partition keys that lost a page to TTL: its events are too old to come again.
    keep_days
        A client that is idle for longer may lose its place, and begin anew when it comes again.

    Raises
    ------
    Violation
        If an event is taken for counted that was not, or the other way round.
    """
    counted: dict[str, list[Fact]] = {}
    for fact in facts:
        if (fact.pk, fact.name) in applied:
            counted.setdefault(fact.pk, []).append(fact)
    pages: dict[str, list[bytes]] = {}
    for key, image in rows.items():
        if is_page(key):
            pages.setdefault(key[0], []).append(image.state)
    for (pk, sk), image in rows.items():
        if pk[0] in "UA" and pk not in gone and not is_beside((pk, sk)):
            is_whole = image.state[0][3:5] == [-1, -1] and pk not in pages_gone
            oldest_s = (image.state[0][5] - keep_days) * 86_400
            mine = counted.get(pk, [])
            _check_row(pk, image.state, pages.get(pk, []), mine, oldest_s if is_whole else None)


def _check_row(pk: str, state: Any, pages: list[bytes], counted: list[Fact], oldest_s: int | None) -> None:
    names: dict[Name, int] = {}
    for fact in counted:
        alias: Name = ("o", fact.alias, 0)
        names[alias if fact.alias and knows(state, alias, pages) else fact.name] = min(fact.arrivals_s)
    for name in new_names(EMPTY_USER, state, pages):
        if name not in names:
            raise Violation(1, f"{pk} takes {name} for counted")
    if oldest_s is None:
        return
    for name, arrived_s in names.items():
        is_kept = name[0] == "o" or (name[1] in state[0][0] and arrived_s >= oldest_s)
        if is_kept and not knows(state, name, pages):
            raise Violation(1, f"{pk} does not know {name}, which was counted")
