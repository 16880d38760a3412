"""What one commit did to a user's row: the row before and after, against the events counted in it.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import combinations, islice
from typing import Any, NamedTuple

import msgspec

from tapstack_simulation.checking.behaviour import FIELDS, Pair, Turn, refold
from tapstack_simulation.checking.facts import Amounts, Fact, Name, Part, difference, merge, named
from tapstack_simulation.checking.intervals import without
from tapstack_simulation.checking.memory import Memory, guess_counted
from tapstack_simulation.checking.rows import Change, Violation, new_names

USER_ROW_BYTES_MAX = 12_000  # 16 clients of 16 gaps and 64 ids at once; 2 KB is the bound at p99.9
CLIENTS_MAX, GAPS_MAX, IDS_MAX, PARTS_MAX, RECENT_MAX, SESSIONS_MAX = 16, 16, 64, 17, 20, 3
COMBINATIONS_MAX = 60_000
Counting = tuple[Fact, Part]

_unpack = msgspec.msgpack.Decoder().decode


class AtHand(NamedTuple):
    """A part that the sender of a commit had at hand.

    Parameters
    ----------
    position, part
        Of its record in the batch, and the part's in its event.
    at_ms
        The moment it is counted at, Unix milliseconds; None if it is not known which of several copies was
        counted.
    arrived_s
        When its record arrived at the stream.
    """

    position: int
    part: int
    at_ms: int | None
    arrived_s: int


Turns = dict[tuple[str, Name], AtHand]


class Way(NamedTuple):
    """What a user's row may have counted in a commit, such that it explains the row.

    Parameters
    ----------
    pk
        The row.
    counted
        The parts.
    turns
        The same in the order in which they were counted; None if that is not known.
    pairs
        The pairs they add to items' maps; None if the order is not known.
    """

    pk: str
    counted: list[Counting]
    turns: list[Turn] | None
    pairs: list[Pair] | None


def check_user(change: Change, unapplied: dict[Name, Counting], turns: Turns) -> list[Way]:
    """Check a user's row and return what it may have counted.

    Parameters
    ----------
    change
        The row.
    unapplied
        The parts of this user's events on the stream that are not counted yet.
    turns
        What the sender of the commit was working on.

    Returns
    -------
    list[Way]
        One way at least; several if the row remembers too little to tell which one it was.

    Raises
    ------
    Violation
        If the row counts what it must not, forgets without a floor, or is not what its events make of it.
    """
    pk = change.key[0]
    before, after = change.states()
    _check_memory(pk, before, after)
    _check_bounds(pk, after, len(change.after.packed))
    wrong: Violation | None = None
    ways = []
    for counted in _guesses(change, unapplied, [name for owner, name in turns if owner == pk]):
        try:
            ways.append(_explain(change, counted, turns))
        except Violation as violation:
            wrong = violation
    if not ways:
        raise wrong or AssertionError("there is always one guess")
    return ways


def _guesses(
    change: Change, unapplied: dict[Name, Counting], at_hand: list[Name]
) -> Iterable[list[Counting]]:
    """Return what a row may have counted, by its memory and its counters."""
    pk = change.key[0]
    before, after = change.states()
    counted: list[Counting] = []
    for name in new_names(before, after):
        found = unapplied.get(name)
        if found is None:
            raise Violation(3, f"{pk} counts {name}, which is not on the stream or was counted before")
        counted.append(found)
    moved = difference(after[2], before[2])
    missing = difference(moved, named(_total(counted), [after[2]]))
    if not missing:
        return [[*counted, *_followers(pk, before, after, counted, unapplied)]]
    batch = [unapplied[name] for name in at_hand if name in unapplied]
    names = {part.name: None for _, part in counted}
    beginnings = guess_counted(before[0], after[0], batch)
    guesses = [tuple(pair for pair in counted if pair[1].name not in names) for counted in beginnings]
    ways = [guess for guess in guesses if guess and _named_total(guess, after) == missing]
    if not ways:
        ways = _hidden(pk, missing, after, [pair for pair in batch if pair[1].name not in names])
    return ([*counted, *way, *_followers(pk, before, after, [*counted, *way], unapplied)] for way in ways)


def _explain(change: Change, counted: list[Counting], turns: Turns) -> Way:
    """Hold a row against what its events make of it, in the order in which they were counted."""
    pk = change.key[0]
    placed: list[tuple[AtHand, Fact, Part]] = []
    for fact, part in counted:
        turn = turns.get((pk, part.name))
        if turn is None:
            raise Violation(
                3, f"{pk} counts {part.name}, which the sender of the commit did not have at hand"
            )
        placed.append((turn, fact, part))
    placed.sort(key=lambda entry: entry[0][:2])
    ordered = [
        Turn(fact, part, turn.at_ms, turn.arrived_s) for turn, fact, part in placed if turn.at_ms is not None
    ]
    if len(ordered) < len(placed):
        return Way(pk, counted, None, None)
    before, after = change.states()
    expected = copy.deepcopy(before) if change.before is None else _unpack(change.before.packed)
    _hold_memory(pk, expected[0], after[0], ordered)
    pairs = refold(expected, ordered)
    for position, field in enumerate(FIELDS, 1):
        if expected[position] != after[position]:
            message = f"{pk} has {field} {after[position]}; its events make {expected[position]}"
            raise Violation(2, message)
    return Way(pk, counted, ordered, pairs)


def _hold_memory(pk: str, before: Any, after: Any, turns: list[Turn]) -> None:
    """Check that a row remembers its events as documented, and forgets no sooner."""
    memory = Memory(before)
    for turn in turns:
        memory.take_part(turn.fact, turn.part)
    clients, *rest = memory.stored()
    if [list(clients.items()), *rest] != [list(after[0].items()), *after[1:]]:  # in order of last use
        raise Violation(8, f"{pk} remembers {after}; its events make {[clients, *rest]}")


def _followers(
    pk: str, before: Any, after: Any, counted: list[Counting], unapplied: dict[Name, Counting]
) -> list[Counting]:
    """Return the further parts of long events that were counted: those expected before and no more."""
    expected: dict[Name, None] = dict.fromkeys([("o", digest, 0) for digest in before[0][4]])
    expected.update((part.name, None) for fact, first in counted if first.user for part in fact.parts[1:])
    waiting: dict[Name, None] = dict.fromkeys([("o", digest, 0) for digest in after[0][4]])
    if strange := [name for name in waiting if name not in expected]:
        raise Violation(3, f"{pk} expects parts {strange} of events that it did not count")
    followers = []
    for name in expected:
        if name in waiting:
            continue
        if name not in unapplied:
            raise Violation(3, f"{pk} counts part {name}, which is not on the stream or was counted before")
        followers.append(unapplied[name])
    return followers


def _total(parts: Iterable[Counting]) -> Amounts:
    total: Amounts = {}
    for _, part in parts:
        merge(total, part.user)
    return {key: amount for key, amount in total.items() if amount}


def _named_total(parts: Iterable[Counting], after: Any) -> Amounts:
    return difference(named(_total(parts), [after[2]]), {})


def _hidden(pk: str, missing: Amounts, after: Any, others: list[Counting]) -> list[tuple[Counting, ...]]:
    """Find events that were counted and forgotten in the same commit, which a floor must show."""
    candidates = [(fact, part) for fact, part in others if part.user and _below_floor(part.name, fact, after)]
    events = sum(amount for key, amount in missing.items() if isinstance(key, int))
    found: list[tuple[Counting, ...]] = []
    if 0 < events <= len(candidates):
        chosen = islice(combinations(candidates, events), COMBINATIONS_MAX)
        found = [parts for parts in chosen if _named_total(parts, after) == missing]
    if not found:
        raise Violation(3, f"{pk}: the counters move by {missing} more than newly remembered events explain")
    return found


def _below_floor(name: Name, fact: Fact, state: Any) -> bool:
    clients, clients_floor, ids, ids_floor, *_ = state[0]
    if name[0] == "o":
        return name[1] not in ids and fact.client_ms <= ids_floor
    client = name[1]
    if client in clients:
        return bool(name[2] < clients[client][0])
    return isinstance(client, bytes) and int.from_bytes(client[:6], "big") <= clients_floor


def _check_memory(pk: str, before: Any, after: Any) -> None:
    clients, clients_floor, ids, ids_floor, *_ = after[0]
    for client, (low, top, gaps) in before[0][0].items():
        now = clients.get(client)
        if now is None:
            if int.from_bytes(client[:6], "big") > clients_floor:
                raise Violation(8, f"{pk} forgot client {client.hex()} without raising its floor")
            continue
        unknown_before = [(-1, low - 1), *gaps, (top + 1, max(top + 1, now[1]))]
        lost = without(now[2], unknown_before)
        if now[0] < low or now[1] < top or lost:
            raise Violation(8, f"{pk} forgot events {lost} of client {client.hex()}")
    for digest, at_s in before[0][2].items():
        if digest not in ids and at_s > ids_floor:
            raise Violation(8, f"{pk} forgot id {digest} without raising its floor")
    if clients_floor < before[0][1] or ids_floor < before[0][3]:
        raise Violation(8, f"{pk} lowered a floor")


def _check_bounds(pk: str, state: Any, size: int) -> None:
    clients, ids = state[0][0], state[0][2]
    if (
        len(clients) > CLIENTS_MAX
        or any(len(gaps) > GAPS_MAX for _, _, gaps in clients.values())
        or len(ids) > IDS_MAX
        or len(state[0][4]) > PARTS_MAX
        or len(state[3]) > RECENT_MAX
        or len(state[4][0]) > SESSIONS_MAX
        or size > USER_ROW_BYTES_MAX
    ):
        raise Violation(8, f"{pk} is beyond its bounds, {size} bytes")
