"""What one commit did: rows before and after, read generically from MessagePack, against the events.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from itertools import combinations, islice, product
from typing import Any, NamedTuple

import msgspec

from tapstack.local.simulation.checker_memory import guess_counted
from tapstack.local.simulation.facts import INTEREST, Amounts, Fact, Name, Part, difference, merge

WINDOWS = (("5m", 300, 12), ("1h", 3_600, 24), ("1d", 86_400, 7))
USER_ROW_BYTES_MAX = 12_000  # 16 clients of 16 gaps and 64 ids at once; 2 KB is the bound at p99.9
CLIENTS_MAX, GAPS_MAX, IDS_MAX, PARTS_MAX, RECENT_MAX, SESSIONS_MAX = 16, 16, 64, 17, 20, 3
VIEWED_WITH_MAX, BOUGHT_WITH_MAX, BOARD_MAX = 32, 16, 64

_unpack = msgspec.msgpack.Decoder().decode


class Violation(AssertionError):  # noqa: N818 - a finding, not an error of the program
    """An invariant is broken.

    Parameters
    ----------
    invariant
        Its number in the design, 1 to 12; 0 for a failure outside of the list.
    text
        How.
    """

    def __init__(self, invariant: int, text: str) -> None:
        super().__init__(f"invariant {invariant}: {text}")
        self.invariant = invariant


class Image(NamedTuple):
    """A row as the table holds it."""

    version: int
    ttl_s: int
    state: Any
    packed: bytes


Key = tuple[str, str]
Counting = tuple[Fact, Part]
COMBINATIONS_MAX = 60_000
EMPTY_USER: list[Any] = [[{}, -1, {}, -1, []], [0, 0, None, {}, 0, []], {}, [], [[], 0, -1], 0]
EMPTY_ITEM: list[Any] = [[{}, [{}, {}, {}], 0], {}, {}]


class Change(NamedTuple):
    """A row's change in a commit."""

    key: Key
    before: Image | None
    after: Image

    def states(self) -> tuple[Any, Any]:
        """Tell the states before and after."""
        if self.before is not None:
            return self.before.state, self.after.state
        kind = self.key[0][0]
        empty: Any = {} if kind == "T" else EMPTY_ITEM if kind == "I" else EMPTY_USER
        return empty, self.after.state


def read_image(item: dict[str, Any]) -> Image:
    """Read a row from the wire."""
    packed = base64.b64decode(item["s"]["B"])
    ttl_s = int(item["ttl"]["N"]) if "ttl" in item else 0
    return Image(int(item["v"]["N"]), ttl_s, _unpack(packed), packed)


def known_names(state: Any) -> dict[Name, None]:
    """List the events a user's row remembers."""
    names: dict[Name, None] = {}
    for client, (low, top, gaps) in state[0][0].items():
        missing = {n for a, b in gaps for n in range(a, b + 1)}
        names.update((("n", client, n), None) for n in range(low, top + 1) if n not in missing)
    names.update((("o", digest, 0), None) for digest in state[0][2])
    return names


class Counted(NamedTuple):
    """What a user's row counted in a commit.

    Parameters
    ----------
    parts
        The parts that it newly remembers.
    forgotten
        What else may have been counted: sets of parts that were counted and forgotten at once, one of which
        is the truth. One empty set if there is nothing to explain.
    """

    parts: list[Counting]
    forgotten: list[tuple[Counting, ...]]


def check_user(change: Change, unapplied: dict[Name, Counting], at_hand: dict[Name, None]) -> Counted:
    """Check a user's row and tell which parts it counted.

    Parameters
    ----------
    change
        The row.
    unapplied
        The parts of this user's events on the stream that are not counted yet.
    at_hand
        The parts that the sender of the commit was working on.

    Raises
    ------
    Violation
        If the row counts what it must not, or forgets without a floor.
    """
    pk = change.key[0]
    before, after = change.states()
    _check_memory(pk, before, after)
    _check_bounds(pk, after, len(change.after.packed))
    old = known_names(before)
    fresh = [name for name in known_names(after) if name not in old]
    counted: list[Counting] = []
    for name in fresh:
        found = unapplied.get(name)
        if found is None:
            raise Violation(3, f"{pk} counts {name}, which is not on the stream or was counted before")
        counted.append(found)
    missing = difference(difference(after[2], before[2]), _total(counted))
    if not missing:
        return Counted([*counted, *_followers(pk, before, after, counted, unapplied)], [()])
    batch = [unapplied[name] for name in at_hand if name in unapplied]
    names = dict.fromkeys(fresh)
    beginnings = guess_counted(before[0], after[0], batch)
    guesses = [tuple(pair for pair in counted if pair[1].name not in names) for counted in beginnings]
    ways = [guess for guess in guesses if guess and _total(guess) == missing]
    if not ways:
        ways = _hidden(pk, missing, after, [pair for pair in batch if pair[1].name not in names])
    return Counted(
        counted, [(*way, *_followers(pk, before, after, [*counted, *way], unapplied)) for way in ways]
    )


def _expected_parts(state: Any) -> list[int]:
    parts: list[int] = state[0][4] if len(state[0]) > 4 else []
    return parts


def _followers(
    pk: str, before: Any, after: Any, counted: list[Counting], unapplied: dict[Name, Counting]
) -> list[Counting]:
    """Tell the further parts of long events that were counted: those expected before and no more."""
    if len(after[0]) < 5:
        return []  # a row of the older layout remembers parts as it does ids
    expected: dict[Name, None] = dict.fromkeys([("o", digest, 0) for digest in _expected_parts(before)])
    expected.update((part.name, None) for fact, first in counted if first.user for part in fact.parts[1:])
    waiting: dict[Name, None] = dict.fromkeys([("o", digest, 0) for digest in _expected_parts(after)])
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


def _hidden(pk: str, missing: Amounts, after: Any, others: list[Counting]) -> list[tuple[Counting, ...]]:
    """Find events that were counted and forgotten in the same commit, which a floor must show."""
    candidates = [(fact, part) for fact, part in others if part.user and _below_floor(part.name, fact, after)]
    events = sum(amount for key, amount in missing.items() if isinstance(key, int))
    found: list[tuple[Counting, ...]] = []
    if 0 < events <= len(candidates):
        chosen = islice(combinations(candidates, events), COMBINATIONS_MAX)
        found = [parts for parts in chosen if _total(parts) == missing]
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
        missing = {n for a, b in gaps for n in range(a, b + 1)}
        missing_now = {n for a, b in now[2] for n in range(a, b + 1)}
        lost = {n for n in missing_now if low <= n <= top} - missing
        if now[0] < low or now[1] < top or lost:
            raise Violation(8, f"{pk} forgot events {sorted(lost)} of client {client.hex()}")
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
        or len(_expected_parts(state)) > PARTS_MAX
        or len(state[3]) > RECENT_MAX
        or len(state[4][0]) > SESSIONS_MAX
        or size > USER_ROW_BYTES_MAX
    ):
        raise Violation(8, f"{pk} is beyond its bounds, {size} bytes")


def explain(items: list[Change], boards: list[Change], users: list[Counted]) -> list[list[Counting]]:
    """Tell what each user's row counted, such that it explains the items' rows as well.

    Raises
    ------
    Violation
        If nothing does.
    """
    last: Violation | None = None
    for chosen in islice(product(*(user.forgotten for user in users)), COMBINATIONS_MAX):
        counted = [[*user.parts, *more] for user, more in zip(users, chosen, strict=True)]
        try:
            check_items(items, boards, [pair for parts in counted for pair in parts])
        except Violation as violation:
            last = violation
        else:
            return counted
    raise last or AssertionError("there is always one way to choose nothing")


def check_items(items: list[Change], boards: list[Change], counted: list[Counting]) -> None:
    """Check the items' rows and the leaderboards against the parts counted in the same commit.

    Raises
    ------
    Violation
        If they differ from what the parts add.
    """
    expected: dict[str, Amounts] = {}
    for _, part in counted:
        for item_id, amounts in part.items.items():
            merge(expected.setdefault(item_id, {}), amounts)
    grown: dict[str, Amounts] = {}
    for change in items:
        before, after = change.states()
        merge(grown.setdefault(change.key[0][2:], {}), difference(after[0][0], before[0][0]))
        if len(after[1]) > VIEWED_WITH_MAX or len(after[2]) > BOUGHT_WITH_MAX:
            raise Violation(8, f"{change.key} holds too many partners")
        _check_windows(change)
    for item_id in {**expected, **grown}:
        wanted = {key: amount for key, amount in expected.get(item_id, {}).items() if amount}
        got = {key: amount for key, amount in grown.get(item_id, {}).items() if amount}
        if wanted != got:
            raise Violation(2, f"item {item_id} moves by {got}, its newly counted events add {wanted}")
    _check_window_sums(items, counted)
    newest_s = max((arrived_s for fact, _ in counted for arrived_s in fact.arrivals_s), default=0)
    _check_boards(items, boards, newest_s)


def _check_windows(change: Change) -> None:
    _, after = change.states()
    for (_, length_s, kept), numbered in zip(WINDOWS, after[0][1], strict=True):
        if numbered and min(numbered) < after[0][2] // length_s - kept:
            raise Violation(8, f"{change.key} keeps a window longer than it may")


def _check_window_sums(items: list[Change], counted: list[Counting]) -> None:
    """Hold windows against the events' own times; where copies disagree on the time, only their sum."""
    for position, (name, length_s, kept) in enumerate(WINDOWS):
        for item_id, rows in _by_item(items).items():
            oldest = max(change.after.state[0][2] for change in rows) // length_s - kept
            wanted: dict[int, int] = {}
            vague = False
            for fact, part in counted:
                events = sum(a for key, a in part.items.get(item_id, {}).items() if isinstance(key, int))
                if not events:
                    continue
                numbers = {at_s // length_s for at_s in fact.times_s}
                vague |= len(numbers) > 1
                number = min(numbers)
                if number >= oldest:
                    wanted[number] = wanted.get(number, 0) + events
            got = _window_growth(rows, position, oldest)
            if not vague and got != wanted:
                raise Violation(2, f"item {item_id} moves by {got} in windows of {name}, not by {wanted}")


def _by_item(items: list[Change]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {}
    for change in items:
        found.setdefault(change.key[0][2:], []).append(change)
    return found


def _window_growth(rows: list[Change], position: int, oldest: int) -> dict[int, int]:
    got: dict[int, int] = {}
    for change in rows:
        before, after = change.states()
        for sign, numbered in ((1, after[0][1][position]), (-1, before[0][1][position])):
            for number, amounts in numbered.items():
                if number >= oldest:
                    events = sum(amount for key, amount in amounts.items() if isinstance(key, int))
                    got[number] = got.get(number, 0) + sign * events
    return {number: count for number, count in got.items() if count}


def _check_boards(items: list[Change], boards: list[Change], newest_s: int) -> None:
    """Check that a window which a reader may still ask for shows what its items have."""
    by_key = {change.key: change.after.state for change in boards}
    for change in items:
        before, after = change.states()
        for position, (name, length_s, kept) in enumerate(WINDOWS):
            for number, amounts in after[0][1][position].items():
                score = _interest(amounts)
                unchanged = score == _interest(before[0][1][position].get(number, {}))
                if unchanged or number < newest_s // length_s - kept:
                    continue
                board = by_key.get((f"T#{name}#{number}", change.key[1]))
                shown = None if board is None else board.get(change.key[0][2:])
                full = board is not None and len(board) >= BOARD_MAX
                if shown != score and not (full and shown is None):
                    raise Violation(2, f"{change.key} scores {score} in {name} {number}; shown is {shown}")
    for change in boards:
        if len(change.after.state) > BOARD_MAX:
            raise Violation(8, f"{change.key} is longer than a leaderboard may be")


def _interest(amounts: Amounts) -> int:
    return sum(amounts.get(code, 0) for code in INTEREST)


def check_pairs(users: list[Change], items: list[Change]) -> None:
    """Check that pairs are conserved: what users made is what items hold.

    Raises
    ------
    Violation
        If the sums differ.
    """
    made = sum(after[5] - before[5] for before, after in (change.states() for change in users))
    held = sum(
        sum(after[index].values()) - sum(before[index].values())
        for before, after in (change.states() for change in items)
        for index in (1, 2)
    )
    if made != held:
        raise Violation(2, f"users made {made} pairs in a commit in which items gained {held}")
