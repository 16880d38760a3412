"""What one commit did to a user's row: the row before and after, against the events counted in it.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from tapstack_simulation.checking.attributes import declared_of, file_of, take_fingerprints
from tapstack_simulation.checking.behaviour import ATTRIBUTES, FIELDS, Effect, Turn, refold
from tapstack_simulation.checking.facts import Amounts, Fact, Name, difference, merge, named
from tapstack_simulation.checking.intervals import without
from tapstack_simulation.checking.links import take_links
from tapstack_simulation.checking.memory import DAY_S, Memory
from tapstack_simulation.checking.rows import Change, Key, Violation, new_names, page_digests
from tapstack_simulation.checking.stored import Promises

USER_ROW_BYTES_MAX = 12_000  # several clients of many gaps at once; 2 KB is the bound at p99.9
RECENT_MAX, SESSIONS_MAX = 20, 3

_unpack = msgspec.msgpack.Decoder().decode


class AtHand(NamedTuple):
    """An event that the sender of a commit had at hand.

    Parameters
    ----------
    position
        Of its record in the batch.
    at_ms
        When it is counted.
    arrived_s
        When its record arrived at the stream.
    received_s
        When the collector had it.
    """

    position: int
    at_ms: int
    arrived_s: int
    received_s: int


Turns = dict[tuple[str, Name], AtHand]


class Way(NamedTuple):
    """What a user's row counted in a commit.

    Parameters
    ----------
    pk
        The row.
    turns
        The events in the order in which they were counted.
    effects
        What they add to items.
    pointers
        Those that they make, each with when the record arrived that does.
    file
        Which file of declared attributes whoever counted them knew.
    """

    pk: str
    turns: list[Turn]
    effects: list[Effect]
    pointers: dict[Key, int]
    file: int = 0

    @property
    def counted(self) -> list[Fact]:
        """The events."""
        return [turn.fact for turn in self.turns]


def check_user(
    change: Change, pages: list[Change], unapplied: dict[Name, Fact], turns: Turns, promises: Promises
) -> Way:
    """Check a user's row with the pages written beside it, and return what it counted.

    Parameters
    ----------
    change
        The row.
    pages
        The pages of this user in the same commit.
    unapplied
        This user's events on the stream that are not counted yet.
    turns
        What the sender of the commit was working on.
    promises
        The configuration.

    Raises
    ------
    Violation
        If the row counts what it must not, forgets without a floor, or is not what its events make of it.
    """
    pk = change.key[0]
    before, after = change.states()
    written = {page.key[1]: page.after.state for page in pages}
    keep_days = promises.row_ttl_s // DAY_S - 2
    _check_memory(pk, before, after, written, keep_days)
    _check_bounds(pk, after, len(change.after.packed), promises)
    counted = _counted(pk, new_names(before, after, written.values()), unapplied)
    moved = difference(after[2], before[2])
    missing = difference(moved, named(_total(counted), [after[2]]))
    if missing:
        raise Violation(3, f"{pk}: the counters move by {missing} more than newly remembered events explain")
    return _explain(change, counted, turns, promises, written)


def _check_memory(pk: str, before: Any, after: Any, written: dict[str, bytes], keep_days: int) -> None:
    """Check that all is kept, in the row or on a page, but for what is too old."""
    clients, ids, _, floor_s, floor_day, day = after[0]
    if floor_s < before[0][3] or floor_day < before[0][4] or day < before[0][5]:
        raise Violation(8, f"{pk} lowered a floor")
    if floor_s >= (day - keep_days) * DAY_S or floor_day >= max(day - keep_days, 0):
        raise Violation(8, f"{pk} closed a day that is not too old")
    for client, (top, gaps, used) in before[0][0].items():
        now = clients.get(client, (-1, ()))
        had = without([(0, top)], gaps)
        lost = without(had, without([(0, now[0])], now[1]))
        # One that was idle may have lost its place, and come again in the same commit.
        if lost and (used >= day - keep_days or (client in clients and lost != had)):
            raise Violation(8, f"{pk} forgot events {lost} of client {client.hex()}")
    paged = {digest for page in written.values() for digest in page_digests(page)}
    for digest, when in before[0][1].items():
        if digest not in ids and digest not in paged and not 0 < when <= floor_s:
            raise Violation(8, f"{pk} forgot id {digest} without raising a floor")


def _counted(pk: str, fresh: Iterable[Name], unapplied: dict[Name, Fact]) -> list[Fact]:
    """Return the events of names; a numbered event may be remembered as an id."""
    aliases: dict[Name, Fact] = {("o", fact.alias, 0): fact for fact in unapplied.values()}
    counted = []
    for name in fresh:
        found = unapplied.get(name) or aliases.get(name)
        if found is None:
            raise Violation(3, f"{pk} counts {name}, which is not on the stream or was counted before")
        counted.append(found)
    return counted


def _explain(
    change: Change, counted: list[Fact], turns: Turns, promises: Promises, written: dict[str, bytes]
) -> Way:
    """Hold a row against what its events make of it, in the order in which they were counted."""
    pk = change.key[0]
    placed: list[tuple[AtHand, Fact]] = []
    for fact in counted:
        turn = turns.get((pk, fact.name))
        if turn is None:
            raise Violation(
                3, f"{pk} counts {fact.name}, which the sender of the commit did not have at hand"
            )
        placed.append((turn, fact))
    placed.sort(key=lambda entry: entry[0].position)
    before, after = change.states()
    memory = Memory(before[0], promises)
    for turn, fact in placed:
        memory.take(fact, turn.arrived_s, turn.received_s)
    _hold_memory(pk, memory, after[0], written)
    told = copy.deepcopy(before) if change.before is None else _unpack(change.before.packed)
    ordered = [Turn(fact, turn.at_ms, turn.arrived_s) for turn, fact in placed]
    effects = refold(told, ordered, declared_of(pk, after[7]))
    _take_fingerprints(told, after)
    pointers = take_links(told, pk, ordered, promises.row_ttl_s // DAY_S)
    for position, field in FIELDS.items():
        if told[position] != after[position]:
            message = f"{pk} has {field} {after[position]}; its events make {told[position]}"
            raise Violation(2, message)
    return Way(pk, ordered, effects, pointers, file_of(pk, after[7]))


def _take_fingerprints(told: Any, after: Any) -> None:
    take_fingerprints(told[7], after[7])
    for one, other in zip(told[4][0], after[4][0], strict=False):
        take_fingerprints(one[ATTRIBUTES], other[ATTRIBUTES])


def _hold_memory(pk: str, memory: Memory, after: Any, written: dict[str, bytes]) -> None:
    """Check that a row remembers its events as documented, in the documented order, and its pages too."""
    wanted = memory.stored()
    for position in (0, 1):  # in order of last use, and of arrival
        if list(wanted[position].items()) != list(after[position].items()):
            raise Violation(8, f"{pk} remembers {after[position]}; its events make {wanted[position]}")
    if wanted[2:] != after[2:]:
        raise Violation(8, f"{pk} remembers {after[2:]}; its events make {wanted[2:]}")
    if memory.written != {key: page_digests(page) for key, page in written.items()}:
        raise Violation(8, f"{pk} writes {sorted(written)}; its events make {sorted(memory.written)}")


def _total(facts: Iterable[Fact]) -> Amounts:
    total: Amounts = {}
    for fact in facts:
        merge(total, fact.user)
    return {key: amount for key, amount in total.items() if amount}


def _check_bounds(pk: str, state: Any, size: int, promises: Promises) -> None:
    clients, ids, *_ = state[0]
    if (
        len(clients) > promises.clients
        or any(len(known[1]) > promises.gaps for known in clients.values())
        or len(ids) > promises.hot_ids
        or len(state[3]) > RECENT_MAX
        or len(state[4][0]) > SESSIONS_MAX
        or size > USER_ROW_BYTES_MAX
    ):
        raise Violation(8, f"{pk} is beyond its bounds, {size} bytes")
