"""What folding effects does to an item's row, computed anew.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from tapstack_simulation.checking.behaviour import BOUGHT, VIEWED, Effect
from tapstack_simulation.checking.facts import CODES, Amounts, difference, merge, named
from tapstack_simulation.checking.item_facts import Known, check_amounts, check_known
from tapstack_simulation.checking.rows import (
    BOUGHT_WITH_MAX,
    VIEWED_WITH_MAX,
    WINDOWS,
    Change,
    Violation,
)

PLACES = {VIEWED: VIEWED_WITH_MAX, BOUGHT: BOUGHT_WITH_MAX}  # of an item's maps of partners
Kept = tuple[tuple[str, ...], tuple[str, ...]]
NAMES = {code: name for name, code in CODES.items()}


def check_item(change: Change, effects: Sequence[Effect], said: Sequence[Known]) -> None:
    """Check an item's row against the effects that were folded into it, and what their events say of it.

    Raises
    ------
    Violation
        If it is not what they make of the row before.
    """
    item_id = change.key[0][2:]
    counted = [effect for effect in effects for each in effect.item_ids if each == item_id]
    before, after = change.states()
    expected: Amounts = {}
    for effect in counted:
        merge(expected, effect.amounts())
    wanted = {key: amount for key, amount in named(expected, [after[0][0]]).items() if amount}
    grown = difference(after[0][0], before[0][0])
    if wanted != grown:
        raise Violation(2, f"{change.key} moves by {grown}, the journal adds {wanted}")
    _check_windows(change, counted)
    check_known(change, said)
    found = [
        (effect.numbers.amounts(NAMES[effect.code]), effect.at_s, effect.arrived_s) for effect in counted
    ]
    check_amounts(change, [each for each in found if each[0]])
    for kind in PLACES:
        if wrong := misfit(kind, before[kind], after[kind], _partners(kind, item_id, effects)):
            raise Violation(2, f"{change.key} {wrong}")


def _partners(kind: int, item_id: str, effects: Sequence[Effect]) -> Amounts:
    """Return an item's pairs by partner: each pair counts for both of its items."""
    added: Amounts = {}
    for effect in effects:
        for partner in effect.partners[kind - 1]:
            first = effect.item_ids[0]
            if first == item_id:
                merge(added, {partner: 1})
            if partner == item_id:
                merge(added, {first: 1})
    return added


def _check_windows(change: Change, counted: Sequence[Effect]) -> None:
    """Hold an item's windows against the events' own times."""
    before, after = change.states()
    arrived_s = max([before[0][2], *(effect.arrived_s for effect in counted)])
    if after[0][2] != arrived_s:
        raise Violation(2, f"{change.key} says that its last event arrived at {after[0][2]}, not {arrived_s}")
    added = [(effect.at_s, named(effect.amounts(), [after[0][0]])) for effect in counted]
    for position, (name, length_s, kept) in enumerate(WINDOWS):
        wanted = {number: {**amounts} for number, amounts in before[0][1][position].items()}
        for at_s, amounts in added:
            merge(wanted.setdefault(at_s // length_s, {}), amounts)
        wanted = {n: amounts for n, amounts in wanted.items() if n >= arrived_s // length_s - kept}
        if after[0][1][position] != wanted:
            got = after[0][1][position]
            raise Violation(2, f"{change.key} holds {got} in windows of {name}, not {wanted}")


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
