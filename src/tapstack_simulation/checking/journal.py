"""The journal as the commits make it, and what folding it may do to derived rows.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tapstack_simulation.checking import catalogue_attributes
from tapstack_simulation.checking.attributes import Counted as CountedEvent
from tapstack_simulation.checking.behaviour import BOUGHT, VIEWED, Effect
from tapstack_simulation.checking.boards import check_board, moves
from tapstack_simulation.checking.categories import check_categories
from tapstack_simulation.checking.categories import windows_of as windows_of_categories
from tapstack_simulation.checking.derived import Kept, check_item
from tapstack_simulation.checking.facts import INTEREST
from tapstack_simulation.checking.impressions import (
    Counted,
    Showing,
    add_showings,
    check_showings,
    read_showings,
)
from tapstack_simulation.checking.item_facts import Known, Numbers, read_facts, said_of, together
from tapstack_simulation.checking.rows import Change, Image, Key, Violation
from tapstack_simulation.checking.search_terms import (
    GRAIN_S,
    Search,
    Searchers,
    check_terms,
    search_of,
    windows_of,
)
from tapstack_simulation.checking.users import Way

ENTRY_TTL_S = 30 * 86_400
LANES_A_STRIPE = 4
ITEMS, LEADERBOARDS, SEARCH_TERMS, IMPRESSIONS, CATEGORIES = PROJECTIONS = (
    "items", "leaderboards", "search_terms", "impressions", "categories",
)  # fmt: skip
PROJECTION_OF = {
    "I": ITEMS,
    "T": LEADERBOARDS,
    "Q": SEARCH_TERMS,
    "P": IMPRESSIONS,
    "C": CATEGORIES,
}  # by what its rows' keys begin with


class Entry(NamedTuple):
    """An entry of a lane.

    Parameters
    ----------
    effects
        What its events add to items.
    arrived_s
        When the newest of their records arrived.
    committed_ms
        When it was written.
    searches
        What its events search for.
    said
        What its events say of items.
    shown
        What they say of lists, recommendations and the shop.
    declared
        What they say to declared attributes of items and categories.
    """

    effects: Sequence[Effect]
    arrived_s: int
    committed_ms: int
    searches: Sequence[Search] = ()
    said: Mapping[str, Known] = {}
    shown: Mapping[Showing, tuple[int, Counter[int]]] = {}
    declared: catalogue_attributes.Declared = catalogue_attributes.Declared()


class Journal:
    """The lanes of the journal, and how far each projection was held against them.

    Parameters
    ----------
    search_users_min
        How many different users there must have been before a search term may be stored as it is.

    Attributes
    ----------
    lanes : dict[int, list[Entry]]
        Every entry there ever was, by lane.
    marks : dict[str, dict[int, int]]
        The watermarks of each projection.
    since_s : dict[str, int]
        What was counted before is not in its rows, or not all of it.
    ended : dict
        The entries that a row held when TTL deleted it: one that begins anew holds none of them.
    """

    def __init__(self, search_users_min: int) -> None:
        self.searchers = Searchers(search_users_min)
        self.lanes: dict[int, list[Entry]] = {}
        self.marks: dict[str, dict[int, int]] = {}
        self.since_s: dict[str, int] = {}
        self._begun: dict[str, Mapping[int, int]] = {}  # where a definition began
        self.ended: dict[Key, Mapping[int, int]] = {}
        self._checked: dict[tuple[str, int], int] = {}
        self._known_touched: dict[tuple[str, int], Iterable[str]] = {}

    def commit(self, entries: list[Change], heads: list[Change], ways: list[Way], now_ms: int) -> None:
        """Check the entry of a commit: it holds what the events that the commit counts add, and no more.

        Parameters
        ----------
        entries, heads
            What the commit writes of the journal.
        ways
            What each user's row counted in it.
        now_ms
            When it takes effect.
        """
        effects = [effect for way in ways for effect in way.effects]
        searches = _searches(ways)
        shown = _showings(ways)
        if len(entries) != len(heads) or len(entries) != bool(effects or searches or shown):
            raise Violation(
                2,
                f"{len(entries)} entries and {len(heads)} heads for {len(effects)} effects, "
                f"{len(searches)} searches, {len(shown)} showings",
            )
        for entry, head in zip(entries, heads, strict=True):
            lane, number = int(entry.key[0][2:]), int(entry.key[1])
            known = self.lanes.setdefault(lane, [])
            last = head.before.version if head.before is not None else 0
            if head.key != ("L#", f"{lane:04d}") or (last, head.after.version, number) != (
                len(known), len(known) + 1, len(known) + 1,
            ):  # fmt: skip
                raise Violation(2, f"{head.key} goes from {last} to {head.after.version} with {entry.key}")
            if entry.before is not None:
                raise Violation(2, f"{entry.key} was written before")
            found = read_entry(entry.after.state)
            if Counter(found.effects) != Counter(effects):
                raise Violation(2, f"{entry.key} holds {found.effects}; its events add {effects}")
            self.searchers.check(entry.key, [search for _, search, _ in searches], found.searches)
            _check_said(entry.key, found, _said(ways), shown)
            declared = catalogue_attributes.check_entry(
                entry.key[0], _attributes(entry.after.state), found.arrived_s, *_counted(ways)
            )
            newest_s = max(turn.arrived_s for way in ways for turn in way.turns)
            if found.arrived_s != newest_s or entry.after.ttl_s < newest_s + ENTRY_TTL_S:
                raise Violation(12, f"{entry.key} expires at {entry.after.ttl_s}")
            if head.after.ttl_s:
                raise Violation(12, f"{head.key} expires, and its lane would begin anew")
            known.append(found._replace(committed_ms=now_ms, declared=declared))
        for pk, search, _ in searches:
            self.searchers.note(pk, search)

    def fold(self, change: Change, sources: Mapping[Key, Image], row_ttl_s: int) -> None:
        """Check what a projection made of a derived row: the fold of the entries that it says are new in it.

        Parameters
        ----------
        change
            The row.
        sources
            The table.
        row_ttl_s
            How long a row lives at least.
        """
        is_declared = change.key[0][0] == "F"
        projection = (
            catalogue_attributes.projection_of(change.key[0])
            if is_declared
            else PROJECTION_OF[change.key[0][0]]
        )
        fresh = self._fresh(change, self._begun.get(projection, {}))
        touching = [entry for entry in fresh if change.key[0] in self._touched(projection, entry)]
        newest_s = max((entry.arrived_s for entry in touching), default=0)
        if change.after.ttl_s < newest_s + ENTRY_TTL_S + 7 * 86_400:
            raise Violation(12, f"{change.key} expires before the entries that it holds")
        if (projection == ITEMS or is_declared) and change.after.ttl_s < newest_s + row_ttl_s:
            raise Violation(12, f"{change.key} expires too early")
        self._hold(change, touching, projection, sources)

    def _touched(self, projection: str, entry: Entry) -> Iterable[str]:
        """Return the partitions that an entry of a lane touches: asked again for each row that holds it."""
        key = (projection, id(entry))  # lanes keep every entry, so no other one gets its number
        if key not in self._known_touched:
            self._known_touched[key] = touched(projection, entry)
        return self._known_touched[key]

    def _fresh(self, change: Change, begun: Mapping[int, int]) -> list[Entry]:
        """Return the entries that a row says are new in it."""
        held = {} if change.before is None else change.before.applied
        before = {**self.ended.get(change.key, {}), **held}
        fresh: list[Entry] = []
        for lane, number in change.after.applied.items():
            first = before.get(lane, 0)
            if lane // LANES_A_STRIPE != int(change.key[1]):
                raise Violation(7, f"{change.key} holds lane {lane} of another stripe")
            if not first <= number <= len(self.lanes.get(lane, ())):
                raise Violation(3, f"{change.key} went from entry {first} of lane {lane} to {number}")
            fresh += self.lanes[lane][max(first, begun.get(lane, 0)) : number]
        if missing := held.keys() - change.after.applied.keys():
            raise Violation(3, f"{change.key} no longer knows what it holds of lanes {sorted(missing)}")
        return fresh

    def _hold(
        self, change: Change, fresh: Sequence[Entry], projection: str, sources: Mapping[Key, Image]
    ) -> None:
        """Hold a row against what the new entries that touch it make of the one before."""
        if projection.startswith(catalogue_attributes.PREFIX):
            catalogue_attributes.check_row(change, [entry.declared for entry in fresh])
            return
        effects = [effect for entry in fresh for effect in entry.effects]
        if projection == ITEMS:
            item_id = change.key[0][2:]
            check_item(change, effects, [entry.said[item_id] for entry in fresh if item_id in entry.said])
            return
        if projection == IMPRESSIONS:
            check_showings(change, [(dict(entry.shown), entry.arrived_s) for entry in fresh])
            return
        if projection == CATEGORIES:
            check_categories(change, effects)
            return
        if projection == SEARCH_TERMS:
            found = [(search, entry.arrived_s) for entry in fresh for search in entry.searches]
            check_terms(change, [search for search, at in found if change.key[0] in windows_of(search, at)])
            return
        ends = {
            lane: len(known)
            for lane, known in self.lanes.items()
            if f"{lane // LANES_A_STRIPE:04d}" == change.key[1]
        }
        check_board(change, effects, self._all_of(change.after.applied), self._all_of(ends), sources)

    def _all_of(self, applied: Mapping[int, int]) -> list[Effect]:
        return [
            effect
            for lane, number in applied.items()
            for entry in self.lanes[lane][:number]
            for effect in entry.effects
        ]

    def mark(
        self, projection: str, state: Any, rows: Mapping[Key, Image], gone: Callable[[Key], bool]
    ) -> None:
        """Check a watermark: every row that the entries up to it touch says that it holds them.

        Parameters
        ----------
        projection
            Whose.
        state
            The watermark.
        rows
            The table.
        gone
            Whether TTL deleted a row.
        """
        marks, since_s = state
        if projection.startswith(catalogue_attributes.PREFIX):
            self._begun.setdefault(projection, marks)  # what was there before is no part of it
        self.marks[projection] = marks
        self.since_s[projection] = since_s
        for lane, mark in marks.items():
            entries = self.lanes.get(lane, [])
            if mark > len(entries):
                raise Violation(
                    3, f"{projection} is at entry {mark} of lane {lane}, which has {len(entries)}"
                )
            start = self._checked.get((projection, lane), 0)
            if projection.startswith(catalogue_attributes.PREFIX):
                passed = [(entry.declared, entry.arrived_s) for entry in entries[start:mark]]
                catalogue_attributes.check_since(projection, since_s, passed)
                start = max(start, self._begun[projection].get(lane, 0))
            for number, entry in enumerate(entries[start:mark], start + 1):
                for pk in self._touched(projection, entry):
                    key = (pk, f"{lane // LANES_A_STRIPE:04d}")
                    row = rows.get(key)
                    if not gone(key) and (row is None or row.applied.get(lane, 0) < number):
                        raise Violation(
                            3, f"{projection} passes entry {number} of lane {lane}; {key} lacks it"
                        )
            self._checked[projection, lane] = max(start, mark)

    def is_folded(self) -> bool:
        """Return whether all projections have come to the end of every lane."""
        return all(
            self.marks.get(projection, {}).get(lane, 0) == len(entries)
            for projection in self._projections()
            for lane, entries in self.lanes.items()
        )

    def _projections(self) -> Iterable[str]:
        """Return those that must come to the end: of definitions those that began."""
        return dict.fromkeys([*PROJECTIONS, *self.marks])

    def oldest_unfolded_s(self) -> int | None:
        """Return when the newest record of the oldest unfolded entry arrived: it expires 30 days later."""
        waiting = [
            entries[mark].arrived_s
            for projection in self._projections()
            for lane, entries in self.lanes.items()
            if (mark := self.marks.get(projection, {}).get(lane, 0)) < len(entries)
        ]
        return min(waiting, default=None)

    def counted_before(self, item_id: str, at_s: int) -> Counter[int]:
        """Return what was counted of an item, by type, before a moment."""
        return Counter(
            effect.code
            for entries in self.lanes.values()
            for entry in entries
            if entry.committed_ms < at_s * 1000
            for effect in entry.effects
            for each in effect.item_ids
            if each == item_id
        )

    def interest(self, from_s: int, to_s: int, before_ms: int) -> dict[str, Counter[int]]:
        """Return what was counted of items before a moment, by type, of what happened in a time."""
        found: dict[str, Counter[int]] = {}
        for entries in self.lanes.values():
            for entry in entries:
                for effect in entry.effects if entry.committed_ms < before_ms else ():
                    if effect.code in INTEREST and from_s <= effect.at_s < to_s:
                        for item_id in effect.item_ids:
                            found.setdefault(item_id, Counter())[effect.code] += 1
        return found

    def of_categories(self, from_s: int, to_s: int, before_ms: int) -> dict[str, Counter[int]]:
        """Return what was counted of categories before a moment, by type, of what happened in a time."""
        found: dict[str, Counter[int]] = {}
        for entries in self.lanes.values():
            for entry in entries:
                for effect in entry.effects if entry.committed_ms < before_ms else ():
                    for name in effect.categories if from_s <= effect.at_s < to_s else ():
                        if name:
                            found.setdefault(name, Counter())[effect.code] += 1
        return found


def _check_said(key: Key, found: Entry, said: Mapping[str, Known], shown: Counted) -> None:
    if found.said != said:
        raise Violation(2, f"{key} says {found.said} of items; its events say {said}")
    if found.shown != shown:
        raise Violation(2, f"{key} says {found.shown} was shown; its events say {shown}")


def touched(projection: str, entry: Entry) -> Iterable[str]:
    """Return the partitions of the rows that an entry touches."""
    if projection.startswith(catalogue_attributes.PREFIX):
        return catalogue_attributes.touched(projection, entry.declared)
    if projection == LEADERBOARDS:
        return {f"T#{name}" for effect in entry.effects for name in moves(effect)}
    if projection == CATEGORIES:
        return {pk for effect in entry.effects for pk in windows_of_categories(effect)}
    if projection == SEARCH_TERMS:
        return {pk for search in entry.searches for pk in windows_of(search, entry.arrived_s)}
    if projection == IMPRESSIONS:
        return {f"P#{showing.place}" for showing in entry.shown}
    return {
        f"I#{item_id}"
        for effect in entry.effects
        for item_id in (*effect.item_ids, *effect.partners[0], *effect.partners[1])
    }


def read_entry(state: Any) -> Entry:
    """Read an entry as it is stored."""
    arrived_s, stored, *more = state
    effects = []
    said, categories = read_facts(more[1] if more[1:] else [], arrived_s)
    in_turn = iter(categories or [""] * sum(len(effect[0]) for effect in stored))
    for item_ids, code, age_s, before_s, *rest in stored:
        bought = tuple(rest[0].items()) if rest else ()
        partners: Kept = (tuple(rest[1]) if rest[1:] else (), tuple(rest[2]) if rest[2:] else ())
        own_s = arrived_s - before_s
        given = Numbers(*rest[3:4], *(tuple(money.items()) for money in rest[4:5]), *rest[5:6])
        named = tuple(next(in_turn) for _ in item_ids)
        named = named if any(named) else ()
        effects.append(Effect(tuple(item_ids), code, own_s - age_s, own_s, bought, partners, given, named))
    kept = more[0] if more else []
    if kept != sorted(kept):
        raise Violation(13, "an entry's searches stand in the order in which they were counted")
    searches = [
        Search(digest, place, arrived_s // GRAIN_S - before, *term) for digest, place, before, *term in kept
    ]
    shown = read_showings(more[2] if more[2:] else (), arrived_s)
    return Entry(effects, arrived_s, 0, searches, said, shown)


def _attributes(state: Any) -> Sequence[Any]:
    return state[5] if state[5:] else ()


def _counted(ways: Iterable[Way]) -> tuple[int, list[CountedEvent]]:
    """Return which file of declared attributes a commit's writer knew, and its events as attributes count."""
    files = {way.file for way in ways}
    if len(files) != 1:
        raise Violation(2, f"a commit's rows are of the files {sorted(files)}")
    return files.pop(), [
        CountedEvent(
            turn.fact.event,
            turn.at_ms if turn.at_ms // 1000 <= turn.arrived_s else turn.arrived_s * 1000,
            turn.arrived_s,
        )
        for way in ways
        for turn in way.turns
    ]


def _said(ways: Iterable[Way]) -> dict[str, Known]:
    """Return what a commit's events say of items."""
    said: dict[str, Known] = {}
    for turn in (turn for way in ways for turn in way.turns):
        for item_id, known in said_of(turn.fact.event, min(turn.at_ms // 1000, turn.arrived_s)).items():
            said[item_id] = together([said.get(item_id, {}), known])
    return said


def _showings(ways: Iterable[Way]) -> Counted:
    found: Counted = {}
    for way in ways:
        for turn in way.turns:
            add_showings(found, turn.fact.event, turn.at_ms // 1000, turn.arrived_s)
    return found


def _searches(ways: Iterable[Way]) -> list[tuple[str, Search, int]]:
    """Return what a commit's events search for, whose they are, and when their records arrived."""
    found = [
        (way.pk, search_of(turn.fact.event, way.pk, turn.at_ms, turn.arrived_s), turn.arrived_s)
        for way in ways
        for turn in way.turns
    ]
    return [(pk, search, arrived_s) for pk, search, arrived_s in found if search is not None]


assert (VIEWED, BOUGHT) == (1, 2), "partners stand in the order of the maps"  # noqa: S101 - of two tables
