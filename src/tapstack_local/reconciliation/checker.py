"""The checker: every accepted event is counted exactly once, whichever way the tables are looked at.

It compares what ought to be there (`accepted_events`) with what was read back (`tables`), and shares no code
with the pipeline but the format of dead letters. Late events need not be counted, if the checker sees why
they are late (`dead_letters`): whether one had been counted before is found out from its user's counters.
Events that were sent and never answered for may count or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tapstack.dead_letters import DeadLetter
from tapstack_local.reconciliation.accepted_events import (
    WINDOW_LENGTHS_S,
    AcceptedEvents,
    Effect,
    Fold,
    Identity,
)
from tapstack_local.reconciliation.boards import WINDOW_NAMES, WINDOWS_KEPT, check_boards
from tapstack_local.reconciliation.categories import check_categories
from tapstack_local.reconciliation.counters import (
    TAKEN,
    Counters,
    Names,
    add,
    bounds,
    certain_names,
    pooled,
    total,
)
from tapstack_local.reconciliation.dead_letters import (
    check_dead_letters,
    check_invalid_records,
    check_refused,
    stored_effect,
)
from tapstack_local.reconciliation.finding import EXAMPLES_MAX, Finding, compare, type_name
from tapstack_local.reconciliation.history import check_histories, entries
from tapstack_local.reconciliation.identities import check_identities
from tapstack_local.reconciliation.impressions import DAY_S, DAYS_KEPT, kept, read_place
from tapstack_local.reconciliation.item_facts import check_numbers, check_said
from tapstack_local.reconciliation.journal import check_journal
from tapstack_local.reconciliation.limits import check_limits
from tapstack_local.reconciliation.links import check_links
from tapstack_local.reconciliation.search_terms import check_searches
from tapstack_local.reconciliation.tables import ItemRow, Tables

Row = TypeVar("Row")
Value = TypeVar("Value")


@dataclass(slots=True)
class Reconciliation:
    """The result.

    Parameters
    ----------
    applied
        Events that the users' rows count.
    duplicates
        Accepted events that are copies of accepted ones.
    late
        Distinct events that are dead letters.
    quarantined
        Records in quarantine.
    gaps
        Numbers missing in the clients' sequences, as the rows say; those of rejected events among them.
    lost, overcounted
        Accepted, and neither counted nor stored as late for a reason that the checker can see; counted
        more often than accepted. An accepted event in quarantine that is not counted is lost, and so is an
        invalid record or a refused event that is not there.
    findings
        All comparisons.
    """

    accepted: int
    applied: int
    duplicates: int
    late: int
    quarantined: int
    gaps: int
    lost: int
    overcounted: int
    findings: list[Finding]


@dataclass(slots=True)
class _Expected:
    """The accepted events' fold, and by how much each figure may differ from it."""

    accepted: AcceptedEvents
    removed: Fold  # late for a reason, and surely not counted
    optional: Fold  # late for a reason, and perhaps counted before
    doubted: Fold  # sent, and never answered for
    late: set[Identity]  # late for a reason
    least: Counter[int] = field(default_factory=Counter)  # what items may have more than users, by type,
    most: Counter[int] = field(default_factory=Counter)  # by the events that may be counted or not

    def vary(self, copies: Sequence[tuple[int, int]]) -> None:
        """Take note of what one of several copies of an event may change, or none."""
        for kind in {kind for kind, _ in copies}:
            changes = [change for other, change in copies if other == kind]
            self.least[kind] += min(0, *changes)
            self.most[kind] += max(0, *changes)

    def folds(self) -> tuple[Fold, Fold, Fold, Fold]:
        """Return all four, in the order in which `compare` takes them."""
        return self.accepted.fold, self.removed, self.optional, self.doubted


def reconcile(
    accepted: AcceptedEvents,
    tables: Tables,
    age_max_s: int = 30 * 86_400,
    invalid_records: Sequence[bytes] = (),
    search_users_min: int = 5,
    more: Sequence[Finding] = (),
    *,
    refused_as_sent: bool = True,
) -> Reconciliation:
    """Compare everything.

    Parameters
    ----------
    accepted
        What was accepted.
    tables
        What was read back after the pipeline was drained.
    age_max_s
        How old the consumer lets an event be when it arrives.
    invalid_records
        The other records of the stream, which are not events.
    search_users_min
        How many different users there must have been before a search term is stored as it is.
    more
        What was found elsewhere.
    refused_as_sent
        Whether refused events are kept as they were sent.
    """
    dead_letters, late = check_dead_letters(accepted, tables, age_max_s)
    expected = _expect(accepted, tables, late)
    events, gaps = check_identities(accepted, tables, expected.late)
    against_events = [
        _check_users(expected, tables),
        events,
        *_check_derived(expected, tables, search_users_min),
        _check_histories(expected, tables),
        check_links(tables.to_visitors, tables.to_users, [fold.links for fold in expected.folds()]),
        _check_strange(tables),
        check_limits(tables),
        check_journal(tables.journal),
        dead_letters,
        check_invalid_records(tables, invalid_records),
        check_refused(accepted, tables, as_sent=refused_as_sent),
        *more,
    ]
    against_each_other = [_check_sums(expected, tables), _check_pairs(tables), check_boards(tables)]
    lost, overcounted = _totals(against_events)
    if lost == overcounted == 0:
        lost, overcounted = _totals(against_each_other)
    return Reconciliation(
        accepted=accepted.accepted_count,
        applied=sum(_events(row.counters) for row in tables.users.values()),
        duplicates=accepted.accepted_count - accepted.distinct_count,
        late=len({effect.identity for effect in _stored_effects(tables.late)}),
        quarantined=len(tables.quarantined),
        gaps=gaps,
        lost=lost,
        overcounted=overcounted,
        findings=against_events + against_each_other,
    )


def _totals(findings: list[Finding]) -> tuple[int, int]:
    """Return the numbers of events: as the users' views say, which tell them exactly, else as the worst."""
    short, over = ([getattr(finding, side) for finding in findings] for side in ("short", "over"))
    return max(short[:2]) or max(short), max(over[:2]) or max(over)


def _expect(accepted: AcceptedEvents, tables: Tables, late: list[Effect]) -> _Expected:
    """Excuse what is late for a reason, and nothing else."""
    expected = _Expected(accepted, Fold(), Fold(), Fold(), {effect.identity for effect in late})
    by_user: dict[str, list[Effect]] = {}
    for effect in late:
        by_user.setdefault(effect.user, []).append(effect)
    for user, excused in by_user.items():
        into = _fate(accepted, tables, user, excused)
        for effect in excused:
            if into == "removed":
                expected.removed.add(effect)
            elif into == "optional":
                expected.optional.add(effect)
                kind, more = _surplus(effect)
                expected.vary([(kind, -more)])
    for copies in accepted.doubted().values():
        expected.doubted.add_any(copies)
        expected.vary([_surplus(copy) for copy in copies])
    return expected


def _surplus(effect: Effect) -> tuple[int, int]:
    """Return an event's type, and how many more it adds to items than to its user."""
    (kind,) = (key for key in effect.delta if isinstance(key, int))
    return kind, len(effect.items) - 1


def _fate(accepted: AcceptedEvents, tables: Tables, user: str, late: list[Effect]) -> str:
    """Return whether a user's late events were counted as well: if their counters say it, all or none."""
    row = tables.users.get(user)
    actual: Counters = {} if row is None else row.counters
    maps = [actual, accepted.fold.users.get(user, {}), total(effect.delta for effect in late)]
    names = certain_names([actual])
    actual, whole, less = maps if names is None else [pooled(counters, names) for counters in maps]
    if _fits(actual, whole, less):
        return "removed"
    return "counted" if _fits(actual, whole, {}) else "optional"


def _fits(actual: Counters, whole: Counters, less: Counters) -> bool:
    keys = actual.keys() | {key for key in whole if not str(key).startswith(TAKEN)}
    limits = {key: bounds(key, whole, less, {}, {}) for key in keys}
    return all(low <= actual.get(key, 0) <= high for key, (low, high) in limits.items())


def _stored_effects(letters: Iterable[DeadLetter]) -> Iterator[Effect]:
    return (effect for effect in map(stored_effect, letters) if effect is not None)


def _check_derived(expected: _Expected, tables: Tables, search_users_min: int) -> list[Finding]:
    """Compare the rows that projections write."""
    folds, arrived_s = expected.folds(), tables.journal.arrived_s
    return [
        _check_items(expected, tables),
        *_check_windows(expected, tables),
        check_numbers(tables.items, [fold.numbers for fold in folds]),
        check_said(tables.items, [fold.said for fold in folds]),
        _check_places(expected, tables),
        check_categories(tables.categories, [fold.categories for fold in folds], arrived_s),
        *check_searches([fold.searches for fold in folds], tables.terms, arrived_s, search_users_min),
    ]


def _check_users(expected: _Expected, tables: Tables) -> Finding:
    finding = Finding("users' counters")
    actual = {user: row.counters for user, row in tables.users.items()}
    compare(
        finding,
        actual,
        [fold.users for fold in expected.folds()],
        _full(tables.users, lambda row: [row.counters]),
    )
    return finding


def _check_histories(expected: _Expected, tables: Tables) -> Finding:
    rows = {
        user: (
            entries(row.recent, row.history, tables.history_pages.get(user, {})),
            row.history is not None and row.history[4] >= 0,
        )
        for user, row in tables.users.items()
    }
    return check_histories(rows, [fold.histories for fold in expected.folds()])


def _check_items(expected: _Expected, tables: Tables) -> Finding:
    finding = Finding("items' lifetime counters")
    actual = {item: total(row.lifetime for row in stripes.values()) for item, stripes in tables.items.items()}
    compare(
        finding,
        _prefixed(actual),
        [_prefixed(fold.items) for fold in expected.folds()],
        _prefixed(_full(tables.items, _lifetimes)),
    )
    return finding


def _check_windows(expected: _Expected, tables: Tables) -> Iterator[Finding]:
    """Compare the windows that every stripe of an item still keeps."""
    full = _full(tables.items, _lifetimes)  # a stripe's lifetime decides for its windows
    for position, name in enumerate(WINDOW_NAMES):
        finding = Finding(f"items' counters in windows of {name}")
        for item, stripes in tables.items.items():
            oldest = max(_oldest_kept(row, position) for row in stripes.values())
            actual: dict[int, Counters] = {}
            for row in stripes.values():
                for number, counters in row.windows[position].items():
                    add(actual.setdefault(number, {}), counters)
            kept: list[dict[str, Counters]] = [
                {f"I#{item} {name}#{n}": counters for n, counters in numbered.items() if n >= oldest}
                for numbered in (
                    actual,
                    *(fold.windows[position].get(item, {}) for fold in expected.folds()),
                )
            ]
            names = {where: full[item] for fold in kept for where in fold} if item in full else {}
            compare(finding, kept[0], kept[1:], names)
        yield finding


def _lifetimes(stripes: Mapping[str, ItemRow]) -> list[Counters]:
    return [row.lifetime for row in stripes.values()]


def _full(rows: Mapping[str, Row], maps: Callable[[Row], list[Counters]]) -> dict[str, Names]:
    """Return the currencies that rows with full counters have by name."""
    found = ((key, certain_names(maps(row))) for key, row in rows.items())
    return {key: names for key, names in found if names is not None}


def _prefixed(by_item: Mapping[str, Value]) -> dict[str, Value]:
    return {f"I#{item}": value for item, value in by_item.items()}


def _check_places(expected: _Expected, tables: Tables) -> Finding:
    """Compare what was shown and what came of it, of the days that every stripe still keeps."""
    finding = Finding("impressions and steps")
    oldest = {
        place: max(body[0][2] // DAY_S - DAYS_KEPT for body in stripes.values())
        for place, stripes in tables.places.items()
        if not place.startswith("R#")
    }
    actual: dict[str, Counters] = {}
    for place, stripes in tables.places.items():
        for body in stripes.values():
            for name, counters in read_place(place, body, oldest.get(place, 0)).items():
                add(actual.setdefault(name, {}), counters)
    compare(finding, actual, [kept(fold.showings, oldest) for fold in expected.folds()], {})
    return finding


def _check_sums(expected: _Expected, tables: Tables) -> Finding:
    """Compare what the items have more than the users, by type, with what the events say."""
    finding = Finding("items' sums against users' sums")
    users = total(row.counters for row in tables.users.values())
    items = total(row.lifetime for stripes in tables.items.values() for row in stripes.values())
    fold = expected.accepted.fold
    whole_users, whole_items = total(fold.users.values()), total(fold.items.values())
    removed_users = total(expected.removed.users.values())
    removed_items = total(expected.removed.items.values())
    for key in sorted(key for key in whole_users | users | items if isinstance(key, int)):
        surplus = whole_items.get(key, 0) - whole_users.get(key, 0)
        surplus -= removed_items.get(key, 0) - removed_users.get(key, 0)
        actual = items.get(key, 0) - users.get(key, 0)
        finding.judge(type_name(key), actual, surplus + expected.least[key], surplus + expected.most[key])
    return finding


def _check_pairs(tables: Tables) -> Finding:
    """Compare the pairs that users made with those that items hold."""
    finding = Finding("pairs of items")
    made = sum(row.pairs_count for row in tables.users.values())
    held = sum(
        sum(row.viewed_with.values()) + sum(row.bought_with.values())
        for stripes in tables.items.values()
        for row in stripes.values()
    )
    finding.judge("pairs held by items, against those made by users", held, made, made)
    return finding


def _check_strange(tables: Tables) -> Finding:
    finding = Finding("rows that are none of ours")
    finding.compared = len(tables.strange)
    finding.over = len(tables.strange)
    finding.examples = tables.strange[:EXAMPLES_MAX]
    return finding


def _oldest_kept(row: ItemRow, position: int) -> int:
    return row.arrived_s // WINDOW_LENGTHS_S[position] - WINDOWS_KEPT[position]


def _events(counters: Counters) -> int:
    return sum(amount for key, amount in counters.items() if isinstance(key, int))
