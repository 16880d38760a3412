"""The final tables: a plain fold over the distinct events, and what each row remembers of its clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tapstack_simulation.checking.facts import Amounts, Fact, Name, difference, merge, named
from tapstack_simulation.checking.rows import EMPTY_USER, Image, Key, Violation, knows, new_names

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
        The parts that were counted.
    rows
        The table.
    planted
        What rows held before the run.
    gone
        Partition keys of which TTL deleted a row.

    Raises
    ------
    Violation
        If they differ.
    """
    wanted: dict[str, Amounts] = {pk: dict(amounts) for pk, amounts in planted.items()}
    for fact in facts:
        for part in fact.parts:
            if (fact.pk, part.name) in applied:
                merge(wanted.setdefault(fact.pk, {}), part.user)
                for item_id, amounts in part.items.items():
                    merge(wanted.setdefault(f"I#{item_id}", {}), amounts)
    lanes: dict[str, list[Amounts]] = {}
    for (pk, _), image in rows.items():
        if pk[0] != "T":
            lanes.setdefault(pk, []).append(image.state[0][0] if pk[0] == "I" else image.state[2])
    for pk in {**wanted, **lanes}:
        maps = lanes.get(pk, [])
        held: Amounts = {}
        for counters in maps:
            merge(held, counters)
        if pk not in gone and difference(named(held, maps), named(wanted.get(pk, {}), maps)):
            raise Violation(2, f"{pk} holds {held}; its events make {wanted.get(pk)}")


def check_gaps(applied: Applied, rows: Mapping[Key, Image], gone: Mapping[str, None]) -> None:
    """Check that each client's numbers are known where they were counted, and are gaps elsewhere (1).

    Raises
    ------
    Violation
        If a number is taken for counted that was not, or the other way round.
    """
    counted: dict[str, list[Name]] = {}
    for pk, name in applied:
        counted.setdefault(pk, []).append(name)
    for (pk, _), image in rows.items():
        if pk[0] not in "UA" or pk in gone:
            continue
        clients = image.state[0][0]
        for name in new_names(EMPTY_USER, image.state):
            if (pk, name) not in applied:
                raise Violation(1, f"{pk} takes {name} for counted")
        for name in counted.get(pk, ()):
            client = name[1]
            if client in clients and name[2] >= clients[client][0] and not knows(image.state, name):
                raise Violation(1, f"{pk} shows a gap at {name}, which was counted")
