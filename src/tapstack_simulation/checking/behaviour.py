"""What counted events make of a user's row, and what they add to items, computed anew.

Written from docs/reference/table.md and the decisions, sharing no code with the product: sessions and
pairs depend on the order in which a user's events are counted, so the order has to be known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from tapstack_simulation.checking import attributes
from tapstack_simulation.checking.attributes import NOTHING, Counted, Declared
from tapstack_simulation.checking.facts import CODES, Amounts, Fact, count, item_amounts
from tapstack_simulation.checking.item_facts import Numbers, category_of, numbers_of

GAP_S = 30 * 60
VISITS_MAX, VISIT_ITEMS_MAX, PREDECESSORS = 3, 8, 2
RECENT_MAX, ALIASES_MAX, TRAITS_MAX, TEXT_MAX, PARTNER_BYTES_MAX = 20, 4, 16, 64, 64
ID_BYTES_MAX = 256
VIEWED, BOUGHT = 1, 2  # where an item's row has its maps
LABEL, START, END, COUNTS, SEEN, TAKEN, ATTRIBUTES = range(7)  # of a session

# Positions in a user's row after its memory, as messages name them.
FIELDS = {
    1: "profile", 2: "counters", 3: "recent", 4: "sessions", 5: "pairs_count", 7: "attributes",
}  # fmt: skip


class Effect(NamedTuple):
    """What an event adds to items, as the journal has it: to each the same; with partners, to one.

    Parameters
    ----------
    item_ids
        The items.
    code
        The event's type.
    at_s, arrived_s
        When it happened, at the latest when its record arrived; and when that was.
    bought
        What was bought.
    partners
        For `VIEWED` and `BOUGHT`, the items that it makes pairs with.
    numbers
        What it says in numbers.
    categories
        Of each item; empty if no event says one.
    """

    item_ids: tuple[str, ...]
    code: int
    at_s: int
    arrived_s: int
    bought: tuple[tuple[str, int], ...]
    partners: tuple[tuple[str, ...], tuple[str, ...]]
    numbers: Numbers = Numbers()
    categories: tuple[str, ...] = ()

    def amounts(self) -> Amounts:
        """Return what each item counts."""
        return {self.code: 1, **dict(self.bought)}


class Turn(NamedTuple):
    """An event, the millisecond it is counted at by its record, and when that arrived."""

    fact: Fact
    at_ms: int
    arrived_s: int


def refold(state: Any, turns: Iterable[Turn], declared: Declared = NOTHING) -> list[Effect]:
    """Fold events into a user's row in place, except its memory, and return what they add to items.

    Parameters
    ----------
    state
        The row before, decoded; changed in place.
    turns
        What is counted, in the order in which it is.
    declared
        The attributes that whoever counted it keeps.
    """
    return [effect for turn in turns for effect in _take(state, turn, declared)]


def _take(state: Any, turn: Turn, declared: Declared) -> list[Effect]:
    fact, at_ms, arrived_s = turn
    at_s, ms = divmod(at_ms, 1000)
    event = fact.event
    _, profile, counters, recent, visits, *_ = state
    visit = _visit(visits, at_s, event.get("session_id"))
    count([counters] if visit is None else [counters, visit[COUNTS]], fact.user)
    _describe(profile, event, at_s)
    _fold_attributes(state, visit, turn, declared)
    kind = event["event_type"]
    code = CODES[kind]
    counted_s = min(at_s, arrived_s)
    if kind == "item_list_view":
        named = tuple(category_of(item) for item in event.get("items", []))
        named = named if any(named) else ()
        shown = tuple(fact.item_ids)
        return [Effect(shown, code, counted_s, arrived_s, (), ((), ()), categories=named)]
    effects: list[Effect] = []
    for item in event.get("items", []):
        item_id = item["item_id"]
        if len(item_id.encode()) <= ID_BYTES_MAX:
            recent.append([at_s, code, item_id, ms])
        partners = _company(visit, kind, item_id)
        bought = tuple((key, n) for key, n in item_amounts(event, item).items() if isinstance(key, str))
        numbers, category = numbers_of(event, item), category_of(item)
        categories = (category,) if category else ()
        effects.append(Effect((item_id,), code, counted_s, arrived_s, bought, partners, numbers, categories))
        state[5] += 2 * sum(map(len, partners))
    recent.sort(key=lambda entry: (-entry[0], -entry[3], -entry[1], entry[2]))
    del recent[RECENT_MAX:]
    return effects


def _fold_attributes(state: Any, visit: Any, turn: Turn, declared: Declared) -> None:
    """Fold an event into what is declared; whoever declares nothing drops what there is."""
    at_ms = turn.at_ms if turn.at_ms // 1000 <= turn.arrived_s else turn.arrived_s * 1000
    counted = Counted(turn.fact.event, at_ms, turn.arrived_s)
    state[7] = attributes.refold(state[7], declared.users, counted, is_first=_is_first(state[2]))
    if not declared.users:
        for each in state[4][0]:
            each[ATTRIBUTES] = {}
    elif visit is not None and visit[LABEL] is not None:
        is_first = _is_first(visit[COUNTS])
        before = visit[ATTRIBUTES]
        visit[ATTRIBUTES] = attributes.refold(before, declared.sessions, counted, is_first=is_first)


def _is_first(counters: Amounts) -> bool:
    return sum(amount for key, amount in counters.items() if isinstance(key, int)) == 1


def _company(visit: Any, kind: str, item_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the partners that an item meets for the first time in a visit: by viewing, by buying."""
    if visit is None or kind not in {"item_view", "purchase"} or len(item_id.encode()) > PARTNER_BYTES_MAX:
        return (), ()
    field = SEEN if kind == "item_view" else TAKEN
    before = visit[field]
    if item_id in before:
        if field == SEEN:
            visit[field] = [*(other for other in before if other != item_id), item_id]
        return (), ()
    visit[field] = [*before, item_id][-VISIT_ITEMS_MAX:]
    return (tuple(before[-PREDECESSORS:]), ()) if field == SEEN else ((), tuple(before))


def _visit(visits: Any, at_s: int, label: str | None) -> Any:
    """Find or begin the visit of a moment; None if it lies before what is remembered."""
    newest, _, forgotten_end_s = visits
    last = newest[-1] if newest else None
    goes_on = last is not None and last[START] <= at_s and _is_part_of(last, at_s, label)
    if not goes_on and at_s <= forgotten_end_s:
        return None
    joined = [visit for visit in newest if _is_part_of(visit, at_s, label)]
    whole: Any = [label, at_s, at_s, {}, [], [], {}]
    for visit in joined:
        if label is not None:
            whole[ATTRIBUTES] = visit[ATTRIBUTES]
        whole[START] = min(whole[START], visit[START])
        whole[END] = max(whole[END], visit[END])
        count([whole[COUNTS]], visit[COUNTS])
        for field in (SEEN, TAKEN):
            whole[field] = list(dict.fromkeys(whole[field] + visit[field]))[-VISIT_ITEMS_MAX:]
    kept = [visit for visit in newest if not any(visit is other for other in joined)]
    kept = sorted([*kept, whole], key=lambda visit: (visit[END], visit[START], visit[LABEL] or ""))
    while len(kept) > VISITS_MAX:
        visits[2] = max(visits[2], kept.pop(0)[END])
        visits[1] += 1
    visits[0] = kept
    return whole if any(visit is whole for visit in kept) else None


def join_visits(parts: Iterable[Any]) -> list[Any]:
    """Join the parts of visits that several rows have, in order of their ends."""
    whole: list[Any] = []
    for part in sorted(parts, key=lambda visit: (visit[START], visit[END])):
        for visit in whole:
            if _is_part_of(visit, part[START], part[LABEL]):
                visit[END] = max(visit[END], part[END])
                count([visit[COUNTS]], part[COUNTS])
                for field in (SEEN, TAKEN):
                    visit[field] = list(dict.fromkeys(visit[field] + part[field]))[-VISIT_ITEMS_MAX:]
                break
        else:
            whole.append(part)
    return sorted(whole, key=lambda visit: (visit[END], visit[START], visit[LABEL] or ""))


def _is_part_of(visit: Any, at_s: int, label: str | None) -> bool:
    if label is None and visit[LABEL] is None:
        return bool(visit[START] - GAP_S <= at_s <= visit[END] + GAP_S)
    return bool(visit[LABEL] == label)


def _describe(profile: Any, event: dict[str, Any], at_s: int) -> None:
    first_s, last_s, _, traits, traits_at_s, aliases, *_ = profile
    locale = (event.get("context") or {}).get("locale")
    if isinstance(locale, str) and at_s >= last_s:
        profile[2] = locale[:TEXT_MAX]
    profile[0] = at_s if not first_s else min(first_s, at_s)
    profile[1] = max(last_s, at_s)
    if event.get("traits") and at_s >= traits_at_s:
        said = {key[:TEXT_MAX]: _short(value) for key, value in event["traits"].items() if _is_plain(value)}
        profile[3] = dict(list({**traits, **said}.items())[:TRAITS_MAX])
        profile[4] = at_s
    alias = event.get("anonymous_id") if event.get("user_id") is not None else None
    if alias is not None and alias not in aliases and len(alias.encode()) <= ID_BYTES_MAX:
        profile[5] = [*aliases, alias][-ALIASES_MAX:]


def _is_plain(value: object) -> bool:
    if isinstance(value, int):
        return -(2**63) < value < 2**63
    return isinstance(value, str | float)


def _short(value: Any) -> Any:
    return value[:TEXT_MAX] if isinstance(value, str) else value
