"""The checker on tables built by hand: it is silent when all is well, and it notices."""

from collections import Counter

import msgspec
import pytest
from reconcile_world import (
    AT,
    AT_S,
    CLIENT,
    EVENTS,
    PURCHASE,
    RAW,
    VIEW,
    ByHand,
    accepted_of,
    hundred,
    named,
    outcome,
    purchase,
    view,
)

from tapstack_local.reconciliation.accepted_events import digest, effect_of, number_digest
from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.interactions import hashed
from tapstack_local.reconciliation.links import check_links

NOT_HERE = {  # looked for, and there is none
    "rows that are none of ours",
    "accepted events among the dead letters",
    "invalid records in quarantine",
    "searches for terms",
    "categories",
    "search terms that are stored as they are",
    "refused events in quarantine",
    "links of users and visitors",
}


def found(rows, *events):
    result = reconcile(accepted_of(*(events or EVENTS)), rows.tables())
    return {finding.name for finding in result.findings if finding.short or finding.over}


def test_when_all_is_well_nothing_is_found():
    result = reconcile(accepted_of(*EVENTS, view(1, "b")), ByHand().tables())
    assert (result.lost, result.overcounted, result.applied, result.duplicates) == (0, 0, 4, 1)
    assert all(
        finding.compared and not finding.examples
        for finding in result.findings
        if finding.name not in NOT_HERE
    )


def test_an_event_that_was_accepted_and_is_nowhere_is_lost_and_named():
    result = reconcile(accepted_of(*EVENTS, view(3, "b")), ByHand().tables())
    assert (result.lost, result.overcounted) == (1, 0)
    examples = [example for finding in result.findings for example in finding.examples]
    assert "U#u item_view: 3 instead of 4" in examples
    assert f"U#u client {CLIENT} n 3: accepted, and never seen" in examples


def test_an_event_that_was_never_accepted_is_overcounted():
    assert outcome(ByHand(), *EVENTS[:-1]) == (0, 1)


def test_an_event_counted_twice_is_overcounted():
    rows = ByHand()
    rows.user[2][VIEW] += 1
    for counters in [rows.items["b", "0000"][0][0], *rows.items["b", "0000"][0][1][0].values()]:
        counters[VIEW] += 1
    assert outcome(rows) == (0, 1)
    assert {"users' counters", "items' lifetime counters", "items' counters in windows of 5m"} <= found(rows)


def test_a_number_that_is_missing_in_the_row_is_lost():
    rows = ByHand()
    rows.user[0][0][RAW] = [2, [[1, 1]], 0]
    assert outcome(rows) == (1, 0)


def test_an_amount_that_is_off_by_a_millionth_is_found():
    rows = ByHand()
    rows.user[2]["EUR"] += 1
    assert outcome(rows) == (0, 1)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("by", [1, -1])
def test_a_window_that_is_off_by_one_is_found(position, by):
    rows = ByHand()
    rows.items["b", "0000"][0][1][position][rows.numbers[position]][VIEW] += by
    assert outcome(rows) == ((0, 1) if by > 0 else (1, 0))


def test_an_event_counted_in_the_wrong_window_is_found():
    rows = ByHand()
    windows = rows.items["b", "0000"][0][1][0]
    windows[rows.numbers[0] + 1] = windows.pop(rows.numbers[0])
    assert outcome(rows) > (0, 0)
    assert "items' counters in windows of 5m" in found(rows)


def test_a_window_that_is_no_longer_kept_is_not_compared():
    rows = ByHand()
    for state in rows.items.values():
        state[0][2] = AT_S + 3_600 * 2  # later arrivals: the windows of five minutes are forgotten
        del state[0][1][0][rows.numbers[0]]
    assert outcome(rows) == (0, 0)


def test_a_missing_stripe_is_found():
    rows = ByHand()
    del rows.items["a", "0001"]
    assert outcome(rows)[0] > 0
    assert {"items' lifetime counters", "pairs of items", "leaderboards"} <= found(rows)


def test_a_missing_pair_is_found():
    rows = ByHand()
    rows.items["a", "0000"][1] = {}
    assert outcome(rows) == (1, 0)
    assert found(rows) == {"pairs of items"}


B = {VIEW: {0: 1}, PURCHASE: {0: 1}}


@pytest.mark.parametrize(
    "board",
    [
        [{"a": {VIEW: {0: 1}}}, {}],
        [{"a": {VIEW: {0: 1}}, "b": {VIEW: {0: 1}}}, {}],
        [{"a": {VIEW: {1: 1}}, "b": B}, {}],
        [{"a": {VIEW: {0: 1}}, "b": B, "c": {VIEW: {0: 1}}}, {}],
        [{"a": {VIEW: {0: 1}}}, {VIEW: {0: 1}, PURCHASE: {0: 1}, -1: {0: 10}}],
        [{"a": {VIEW: {0: 1}}}, {VIEW: {0: 1}, PURCHASE: {1: 1}, -1: {0: 11}}],
    ],
    ids=["an item less", "a type less", "another age", "an item more", "a low bound", "a late bound"],
)
def test_a_wrong_leaderboard_is_found(board):
    rows = ByHand()
    rows.boards["0000"] = board
    assert found(rows) == {"leaderboards"}
    assert outcome(rows) != (0, 0)


def test_a_leaderboard_need_not_show_what_it_has_no_place_for():
    rows = ByHand()
    rows.boards["0000"] = [{"a": {VIEW: {0: 1}}}, {VIEW: {0: 1}, PURCHASE: {0: 1}, -1: {0: 11}}]
    assert found(rows) == set()


def test_a_missing_leaderboard_is_found():
    rows = ByHand()
    del rows.boards["0001"]
    assert found(rows) == {"leaderboards"}


def test_a_row_that_nobody_should_have_written_is_found():
    tables = ByHand().tables()
    tables.add("X#1", "-", msgspec.msgpack.encode({}))
    assert reconcile(accepted_of(*EVENTS), tables).overcounted == 1


def test_an_event_that_was_never_answered_for_may_count_or_not():
    for events in ([*EVENTS[:-1]], [*EVENTS]):
        accepted = accepted_of(*events)
        accepted.doubt(purchase())
        accepted.doubt(view(3, "b"))
        result = reconcile(accepted, ByHand().tables())
        assert (result.lost, result.overcounted) == (0, 0)


def test_any_copy_of_an_event_that_was_never_answered_for_may_count_but_only_one():
    other = {**purchase(), "occurred_at": "2027-01-14T07:59:59.500Z"}
    for copies in ([purchase(), other], [other, purchase()]):
        accepted = accepted_of(*EVENTS[:-1])
        for copy in copies:
            accepted.doubt(copy)
        result = reconcile(accepted, ByHand().tables())
        assert (result.lost, result.overcounted) == (0, 0), result.findings
        rows = ByHand()
        rows.user[2] = {VIEW: 3, PURCHASE: 2, "EUR": 12_000_000}
        assert reconcile(accepted, rows.tables()).overcounted == 1


def test_of_events_that_were_never_answered_for_any_may_count_and_not_the_others():
    more, less = view(3) | {"items": [{"item_id": "a"}] * 2}, view(4) | {"items": []}
    accepted = accepted_of(*EVENTS)
    accepted.doubt(more)
    accepted.doubt(less)
    rows = ByHand()
    rows.user[0][0][RAW] = [2, [[4, 4]], 0]
    rows.user[2][VIEW] += 1
    assert reconcile(accepted, rows.tables()).lost == 0
    rows.user[0][0][RAW] = [2, [[3, 4]], 0]  # the other as well, of which the items know nothing
    rows.user[2][VIEW] += 1
    result = reconcile(accepted, rows.tables())
    assert result.lost == 1
    assert named(result, "items' sums").short == 1


def test_a_time_ahead_of_its_arrival_counts_at_the_arrival_and_stands_in_the_history():
    later = f"{AT[:8]}16{AT[10:]}"
    effect = effect_of(view(0) | {"occurred_at": later, "received_at": AT, "clock_skew_ms": -5})
    assert (effect.at_s, effect.interactions) == (AT_S, (hashed((AT_S + 86_400) * 1_000, VIEW, "a"),))


def test_a_long_event_is_one_event():
    effect = effect_of(hundred())
    assert len(effect.items) == 100
    assert effect.delta == {PURCHASE: 1, "EUR": 100_000_000}
    assert set(accepted_of(hundred()).ids["U#u"]) == {digest("e-1")}


def test_what_left_the_row_for_a_page_is_known():
    rows = ByHand()
    rows.user[0][1] = {}
    assert outcome(rows) == (1, 0)
    tables = rows.tables()
    page = digest("e-1").to_bytes(8, "big", signed=True)
    tables.add("U#u", "seen#d20833#0000", msgspec.msgpack.encode(page))
    assert reconcile(accepted_of(*EVENTS), tables).lost == 0


def test_a_numbered_event_that_is_kept_as_an_id_is_known_and_no_gap():
    rows = ByHand()
    rows.user[0][0][RAW] = [2, [[1, 1]], 0]
    rows.user[0][1][number_digest(CLIENT, 1)] = AT_S
    assert outcome(rows) == (0, 0)
    assert reconcile(accepted_of(*EVENTS), rows.tables()).gaps == 0


JOURNALS = {
    "a hole": (lambda rows: rows.entries.remove((0, 1)), "lane 0000: entries: 1 instead of 2", 1, 0),
    "no last entry": (
        lambda rows: rows.entries.remove((4, 2)), "lane 0004: last entry: 1 instead of 2", 2, 0
    ),
    "an entry above the head": (
        lambda rows: rows.heads.update({0: 1}), "lane 0000: entries: 2 instead of 1", 0, 13
    ),
    "no head": (lambda rows: rows.heads.pop(4), "lane 0004: entries: 2 instead of 0", 0, 22),
    "what is not folded": (
        lambda rows: rows.marks["items"].update({0: 0}), "lane 0000: entries in items: 0 instead of 2", 2, 0
    ),
    "a projection that never began": (
        lambda rows: rows.marks.pop("leaderboards"),
        "lane 0000: entries in leaderboards: 0 instead of 2", 4, 0,
    ),
    "a watermark ahead": (
        lambda rows: rows.marks["items"].update({0: 3}), "lane 0000: entries in items: 3 instead of 2", 0, 1
    ),
    "a projection that is not whole": (
        lambda rows: setattr(rows, "since_s", AT_S),
        f"items: counted since, in Unix seconds: {AT_S} instead of 0", 0, 5,
    ),
    "a row ahead of its lane": (
        lambda rows: rows.applied.update({"0001": 3}),
        "I#a 0001: applied of lane 0004: 3 instead of 0 to 2", 0, 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "example", "short", "over"), JOURNALS.values(), ids=JOURNALS)
def test_what_is_wrong_with_the_journal_is_found_and_named(damage, example, short, over):
    rows = ByHand()
    damage(rows)
    finding = named(reconcile(accepted_of(*EVENTS), rows.tables()), "journal")
    assert example in finding.examples
    assert (finding.short, finding.over) == (short, over)
    assert outcome(rows) == (short, over)


def test_a_row_that_holds_another_stripes_lane_is_found():
    tables = ByHand().tables()
    tables.journal.applied["I#a", "0001"] = {0: 1}
    assert named(reconcile(accepted_of(*EVENTS), tables), "journal").over == 1


def test_an_interaction_that_is_missing_in_a_history_is_found():
    rows = ByHand()
    rows.user[3].pop()
    assert found(rows) == {"users' histories"}
    assert outcome(rows) == (1, 0)


def test_an_interaction_that_is_twice_in_a_history_is_found():
    rows = ByHand()
    rows.user[3].append(rows.user[3][0])
    assert found(rows) == {"users' histories"}
    assert outcome(rows) == (0, 1)


LINKED = view(2) | {"anonymous_id": "v"}
POINTERS = (("U#u", "was#v"), ("A#v", "is#u"))


def linked(*pointers):
    tables = ByHand().tables()
    for pk, sk in pointers:
        tables.add(pk, sk, msgspec.msgpack.encode([]))
    finding = named(reconcile(accepted_of(*EVENTS[:2], LINKED, EVENTS[3]), tables), "links")
    return finding.short, finding.over


def test_a_link_has_a_pointer_each_way():
    assert linked(*POINTERS) == (0, 0)
    assert linked(POINTERS[0]) == linked(POINTERS[1]) == (1, 0)
    assert linked() == (2, 0)


def test_a_pointer_that_no_event_makes_is_found():
    assert linked(*POINTERS, ("U#u", "was#w")) == (0, 1)
    assert linked(*POINTERS, ("A#v", "is#w")) == (0, 1)


def test_a_user_has_a_bounded_number_of_links():
    events = [view(n) | {"anonymous_id": f"v{n}"} for n in range(66)]
    pairs = [("U#u", f"v{n}") for n in range(66)]
    folds = [accepted_of(*events).fold.links, Counter(), Counter(), Counter()]
    assert check_links(pairs[:64], pairs[:64], folds).over == 0
    assert check_links(pairs[:65], pairs[:65], folds).over == 1


def test_a_history_is_the_row_what_waits_and_the_pages_that_are_listed():
    rows = ByHand()
    first, second, third, *recent = rows.user[3]
    rows.user[3] = recent
    rows.user.append([msgspec.msgpack.encode(first), 1, 3, [[3, AT_S, 0, 2], [2, AT_S, 0, 1]], -1])
    tables = rows.tables()
    tables.add("U#u", "hist#0000", msgspec.msgpack.encode([second, third]), 3)
    tables.add("U#u", "hist#0001", msgspec.msgpack.encode([first]), 1)  # of an earlier row: not listed
    result = reconcile(accepted_of(*EVENTS), tables)
    assert not named(result, "histories").examples
    tables.history_pages["U#u"]["hist#0000"] = (2, [second, third])
    assert named(reconcile(accepted_of(*EVENTS), tables), "histories").short == 2


def test_what_may_be_missing_by_the_row_is_not_looked_for():
    rows = ByHand()
    rows.user[3].pop()
    rows.user.append([b"", 0, 0, [], AT_S])
    assert outcome(rows) == (0, 0)
