"""What one commit did to items' rows and leaderboards, against what the users' rows counted in it.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

from tapstack_simulation.checking.behaviour import BOUGHT, VIEWED, Turn
from tapstack_simulation.checking.facts import INTEREST, Amounts, difference, merge, named
from tapstack_simulation.checking.rows import (
    BOARD_MAX,
    BOUGHT_WITH_MAX,
    VIEWED_WITH_MAX,
    WINDOWS,
    Change,
    Key,
    Violation,
)
from tapstack_simulation.checking.users import Way

AHEAD_MAX_S = 2 * 86_400
PLACES = {VIEWED: VIEWED_WITH_MAX, BOUGHT: BOUGHT_WITH_MAX}  # of an item's maps of partners

Lanes = list[dict[str, str]]  # by user, the lane of its derived rows; as often as that may be


def check_derived(items: list[Change], boards: list[Change], users: list[Way], lanes: Lanes) -> None:
    """Check that what the users' rows counted explains the items' rows and the leaderboards as well.

    Parameters
    ----------
    items, boards
        The derived rows of the commit.
    users
        What each user's row counted.
    lanes
        The lanes of the users' events, as they may be.

    Raises
    ------
    Violation
        If it does not.
    """
    wrong: Violation | None = None
    for lane in lanes:
        try:
            _check(items, boards, users, lane)
        except Violation as violation:
            wrong = violation
        else:
            return
    raise wrong or AssertionError("there is always one way to choose lanes")


def _check(items: list[Change], boards: list[Change], users: list[Way], lane: dict[str, str]) -> None:
    _check_sums(items, users, lane)
    for change in items:
        _check_kept(change)
    for change in boards:
        if len(change.after.state) > BOARD_MAX:
            raise Violation(8, f"{change.key} is longer than a leaderboard may be")
    if any(way.turns is None for way in users):
        return  # it is not known which copies were counted, and so when they happened and arrived
    turns = [turn for way in users for turn in way.turns or ()]
    for change in items:
        item_id, its_lane = change.key[0][2:], change.key[1]
        mine = [t for t in turns if item_id in t.part.items and lane[t.fact.pk] == its_lane]
        _check_windows(change, mine)
    _check_partners(items, users, lane)
    _check_boards(items, boards, max((turn.arrived_s for turn in turns), default=0))


def _check_sums(items: list[Change], users: list[Way], lane: dict[str, str]) -> None:
    expected: dict[Key, Amounts] = {}
    for way in users:
        for fact, part in way.counted:
            for item_id, amounts in part.items.items():
                merge(expected.setdefault((f"I#{item_id}", lane[fact.pk]), {}), amounts)
    grown: dict[Key, Amounts] = {}
    for change in items:
        before, after = change.states()
        grown[change.key] = difference(after[0][0], before[0][0])
        expected[change.key] = named(expected.get(change.key, {}), [after[0][0]])
    for key in {**expected, **grown}:
        wanted = {name: amount for name, amount in expected.get(key, {}).items() if amount}
        got = grown.get(key, {})
        if wanted != got:
            raise Violation(2, f"{key} moves by {got}, its newly counted events add {wanted}")


def _check_kept(change: Change) -> None:
    _, after = change.states()
    for (_, length_s, kept), numbered in zip(WINDOWS, after[0][1], strict=True):
        if numbered and min(numbered) < after[0][2] // length_s - kept:
            raise Violation(8, f"{change.key} keeps a window longer than it may")


def _check_windows(change: Change, turns: list[Turn]) -> None:
    """Hold an item's windows against the events' own times."""
    before, after = change.states()
    arrived_s = max([before[0][2], *(turn.arrived_s for turn in turns)])
    if after[0][2] != arrived_s:
        raise Violation(2, f"{change.key} says that its last event arrived at {after[0][2]}, not {arrived_s}")
    for position, (name, length_s, kept) in enumerate(WINDOWS):
        wanted = {number: {**amounts} for number, amounts in before[0][1][position].items()}
        for turn in turns:
            number = turn.at_ms // 1000 // length_s
            if number in wanted or number <= (turn.arrived_s + AHEAD_MAX_S) // length_s:
                amounts = named(turn.part.items[change.key[0][2:]], [after[0][0]])
                merge(wanted.setdefault(number, {}), amounts)
        wanted = {n: amounts for n, amounts in wanted.items() if n >= arrived_s // length_s - kept}
        if after[0][1][position] != wanted:
            got = after[0][1][position]
            raise Violation(2, f"{change.key} holds {got} in windows of {name}, not {wanted}")


def _check_partners(items: list[Change], users: list[Way], lane: dict[str, str]) -> None:
    """Hold the maps of partners against the pairs that the users' events made."""
    added: dict[tuple[str, str, int], Amounts] = {}
    for way in users:
        for pair in way.pairs or ():
            merge(added.setdefault((f"I#{pair.item_id}", lane[way.pk], pair.kind), {}), {pair.partner: 1})
    for change in items:
        before, after = change.states()
        for kind in PLACES:
            wrong = misfit(kind, before[kind], after[kind], added.pop((*change.key, kind), {}))
            if wrong:
                raise Violation(2, f"{change.key} {wrong}")
    if added:
        raise Violation(2, f"the pairs of {next(iter(added))} went into no row")


def misfit(kind: int, before: dict[str, int], after: dict[str, int], added: Amounts) -> str:
    """Describe what is wrong with an item's map of partners; empty if nothing is.

    While there is room a map is exact. A full one is a Space-Saving summary (Metwally, Agrawal and El
    Abbadi, 2005), in which the order of pairs matters; then its laws are checked: no count is too low,
    none is too high by more than the lowest, and who is missing has no more than that.

    Parameters
    ----------
    kind
        Which map.
    before, after
        The map.
    added
        By partner, the pairs that came.
    """
    exact: Amounts = dict(before.items())
    merge(exact, added)
    if len(exact) <= PLACES[kind]:
        return "" if after == exact else f"holds {after}, its pairs make {exact}"
    if len(after) != PLACES[kind] or sum(after.values()) != sum(exact.values()):
        return f"holds {len(after)} partners of {sum(after.values())} pairs, not {sum(exact.values())}"
    lowest = min(after.values())
    for partner, count in exact.items():
        least = count if partner in after else 0
        most = max(before.get(str(partner), 0), lowest) + added.get(partner, 0)
        if not least <= after.get(str(partner), 0) <= most or (partner not in after and count > lowest):
            return f"holds {after.get(str(partner), 0)} of {partner}, whose pairs make {count}"
    return "" if after.keys() <= exact.keys() else "holds a partner that no pair had"


def _check_boards(items: list[Change], boards: list[Change], newest_s: int) -> None:
    """Check that a window which a reader may still ask for shows what its items have."""
    moved: dict[Key, dict[str, int]] = {}
    for change in items:
        before, after = change.states()
        for position, (name, length_s, kept) in enumerate(WINDOWS):
            for number, amounts in after[0][1][position].items():
                score = _interest(amounts)
                unchanged = score == _interest(before[0][1][position].get(number, {}))
                if not unchanged and number >= newest_s // length_s - kept:
                    key = (f"T#{name}#{number}", change.key[1])
                    moved.setdefault(key, {})[change.key[0][2:]] = score
    for change in boards:
        before, after = change.states()
        scores = {**before, **moved.pop(change.key, {})}
        ranked = sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))
        if after != dict(ranked[:BOARD_MAX]):
            raise Violation(2, f"{change.key} shows {after}; its items score {dict(ranked)}")
    if moved:
        raise Violation(2, f"no leaderboard shows {next(iter(moved.items()))}")


def _interest(amounts: Amounts) -> int:
    return sum(amounts.get(code, 0) for code in INTEREST)
