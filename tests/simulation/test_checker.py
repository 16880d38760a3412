"""The checker notices each kind of violation; a checker that is never wrong proves nothing."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tapstack_simulation.checking.behaviour import BOUGHT, Turn, refold
from tapstack_simulation.checking.checker import Checker
from tapstack_simulation.checking.contents import misquoted
from tapstack_simulation.checking.derived import misfit
from tapstack_simulation.checking.facts import lane_of, native_name, opaque_name, read_event
from tapstack_simulation.checking.rows import EMPTY_USER, Violation
from tapstack_simulation.checking.stored import Promises

DAY_S = 86_400
NOW_S = 1_767_225_600
DAY = NOW_S // DAY_S
CLIENT = "019b76da-a800-7c10-9500-fb0de834a1bc"
SHARD = "shardId-000000000000"
BATCH = [(SHARD, "100"), (SHARD, "101"), (SHARD, "102")]
USER = ("U#a", "-")
LANE = lane_of("U#a", 4)
ITEM = ("I#p", LANE)
TTL_S = NOW_S + 30 * DAY_S


def body(n: int, *, at: str = "2026-01-01", user: str = "a") -> bytes:
    return msgspec.json.encode(
        {
            "event_type": "item_view",
            "user_id": user,
            "client_id": CLIENT,
            "n": n,
            "items": [{"item_id": "p"}],
            "occurred_at": f"{at}T00:00:00Z",
            "received_at": "2026-01-01T00:00:00Z",
            "clock_skew_ms": 0,
        }
    )


def user_state(count: int, *, top: int = 0, gaps: Any = ()) -> Any:
    client = bytes.fromhex(CLIENT.replace("-", ""))
    seen = [{client: [top, [list(gap) for gap in gaps], DAY]}, {}, {}, -1, -1, DAY, []]
    session = [None, NOW_S, NOW_S, {1: count}, ["p"], []]
    recent = [[NOW_S, 1, "p", 0]] * count
    return [seen, [NOW_S, NOW_S, None, {}, 0, []], {1: count}, recent, [[session], 0, -1], 0]


def item_state(count: int) -> Any:
    windows = [{NOW_S // length: {1: count}} for length in (300, 3_600, 86_400)]
    return [[{1: count}, windows, NOW_S], {}, {}]


def rows(count: int, version: int, **seen: Any) -> dict[tuple[str, str], Any]:
    boards = {
        (f"T#{name}#{NOW_S // length}", LANE): {"p": count}
        for name, length in (("5m", 300), ("1h", 3_600), ("1d", 86_400))
    }
    states = {USER: user_state(count, **seen), ITEM: item_state(count), **boards}
    return {key: [version, TTL_S, state] for key, state in states.items()}


def actions(wanted: dict[tuple[str, str], Any]) -> list[dict[str, Any]]:
    return [{"Put": {"Item": wire(key, *row)}} for key, row in wanted.items()]


def wire(key: tuple[str, str], version: int, ttl_s: int, state: Any) -> dict[str, Any]:
    packed = base64.b64encode(msgspec.msgpack.encode(state)).decode()
    return {
        "pk": {"S": key[0]},
        "sk": {"S": key[1]},
        "v": {"N": str(version)},
        "s": {"B": packed},
        "ttl": {"N": str(ttl_s)},
    }


def checker(*records: bytes) -> Checker:
    made = Checker(Promises(age_max_s=14 * DAY_S, row_ttl_s=30 * DAY_S, retention_s=7 * DAY_S))
    made.lanes.add(4)
    made.expect_poison(b"poison")
    for number, data in enumerate(records):
        if data != b"poison":
            said = {**msgspec.json.decode(data)}
            del said["received_at"], said["clock_skew_ms"]
            made.said(f"U#{said['user_id']}", native_name(CLIENT, said["n"]), msgspec.json.encode(said))
        made.stored(SHARD, str(100 + number), data, "a", NOW_S * 1000)
    return made


def after_one() -> Checker:
    made = checker(body(0), body(1), body(2))
    made.committed(actions(rows(1, 1)), BATCH)
    return made


def test_what_is_right_is_no_violation() -> None:
    made = after_one()
    made.committed(actions(rows(3, 2, top=2)), BATCH)
    made.acknowledged("U#a", native_name(CLIENT, 1))
    made.responded(SHARD, ["100", "101", "102"])
    made.polled("m", SHARD, ["100", "101", "102"])
    made.checkpoint("m", SHARD, "102", NOW_S)
    made.finish([wire(key, *row) for key, row in rows(3, 2, top=2).items()], {})


Change = Callable[[dict[tuple[str, str], Any]], None]


def change(path: str, value: Any, key: tuple[str, str] = USER) -> Change:
    def apply(wanted: dict[tuple[str, str], Any]) -> None:
        place = wanted[key]
        *steps, last = [int(step) if step.lstrip("-").isdigit() else step for step in path.split(".")]
        for step in steps:
            place = place[step]
        place[last] = value

    return apply


def drop(key: tuple[str, str]) -> Change:
    return lambda wanted: wanted.pop(key) and None


def floor(wanted: dict[tuple[str, str], Any]) -> None:
    wanted[USER][2][0][0] = {}


def page(*digests: int) -> Change:
    packed = b"".join(digest.to_bytes(8, "big", signed=True) for digest in digests)

    def apply(wanted: dict[tuple[str, str], Any]) -> None:
        wanted["U#a", f"seen#d{DAY}#0000"] = [1, TTL_S, packed]

    return apply


def other_lane(wanted: dict[tuple[str, str], Any]) -> None:
    wanted["I#p", "0009"] = wanted.pop(ITEM)


# The second of three events is counted in a second commit; what is wrong with it, and who must notice.
WRONG_COMMITS: dict[str, tuple[Change, str]] = {
    "an event counted twice": (change("2.2.1", 3), "counters move"),
    "an event known and not counted": (change("2.2.1", 1), "counters move"),
    "an event nobody sent": (
        change("2.0.0", {bytes.fromhex(CLIENT.replace("-", "")): [7, [], DAY]}),
        "not on the",
    ),
    "an item above its events": (change("2.0.0.1", 3, ITEM), "moves by {1: 2}"),
    "an item below its events": (drop(ITEM), "moves by {}"),
    "a window off": (change("2.0.1.1", {}, ITEM), "windows of 1h"),
    "a leaderboard off": (change("2.p", 7, (f"T#5m#{NOW_S // 300}", LANE)), "items score {'p': 2}"),
    "a leaderboard with a stranger": (
        change("2.q", 1, (f"T#5m#{NOW_S // 300}", LANE)),
        "items score {'p': 2}",
    ),
    "a leaderboard forgotten": (drop((f"T#1d#{NOW_S // 86400}", LANE)), "no leaderboard shows"),
    "a leaderboard that expires": (change("1", NOW_S + 86_400, (f"T#1d#{NOW_S // 86400}", LANE)), "expire"),
    "a session off": (change("2.4.0.0.2", NOW_S + 1), "has sessions"),
    "an event in no session": (change("2.4.0.0.3", {1: 1}), "has sessions"),
    "a session without its item": (change("2.4.0.0.4", []), "has sessions"),
    "a recent item off": (change("2.3.1.2", "q"), "has recent"),
    "a profile off": (change("2.1.0", NOW_S - 1), "has profile"),
    "an arrival off": (change("2.0.2", NOW_S + 1, ITEM), "last event arrived at"),
    "a pair that nobody made": (change("2.1", {"q": 1}, ITEM), "its pairs make {}"),
    "a pair without items": (change("2.5", 2), "has pairs_count"),
    "a version skipped": (change("0", 3), "went from version"),
    "a version overwritten": (change("0", 1), "went from version"),
    "an expiry brought forward": (change("1", TTL_S - 1), "expire earlier"),
    "a row that never expires": (change("1", 0), "expire"),
    "a client forgotten": (floor, "forgot events"),
    "a gap that opens again": (
        change("2.0.0", {bytes.fromhex(CLIENT.replace("-", "")): [1, [[0, 0]], DAY]}),
        "forgot",
    ),
    "a gap of nothing": (
        change("2.0.0", {bytes.fromhex(CLIENT.replace("-", "")): [1, [[2, 1]], DAY]}),
        "remembers",
    ),
    "a floor raised for nothing": (change("2.0.3", 5), "remembers"),
    "a day closed that is not too old": (change("2.0.3", NOW_S - DAY_S), "closed a day"),
    "an id that no event has": (change("2.0.1", {17: NOW_S}), "not on the stream"),
    "a page of an id that no event has": (page(17), "not on the stream"),
    "a page for nothing": (page(), "writes"),
    "too many recent items": (change("2.3", [[0, 1, "p", 0]] * 21), "bounds"),
    "another user's lane": (other_lane, "lane of no user"),
}


@pytest.mark.parametrize(("wrong", "words"), WRONG_COMMITS.values(), ids=WRONG_COMMITS)
def test_a_wrong_commit_is_noticed_as_it_happens(wrong: Change, words: str) -> None:
    made = after_one()
    wanted = copy.deepcopy(rows(2, 2, top=1))
    wrong(wanted)
    with pytest.raises(Violation, match=words):
        made.committed(actions(wanted), BATCH)


def test_an_event_that_its_sender_did_not_have_at_hand_is_noticed() -> None:
    with pytest.raises(Violation, match="did not have at hand"):
        after_one().committed(actions(rows(2, 2, top=1)), BATCH[:1])


def test_an_old_event_must_not_be_counted() -> None:
    made = checker(body(0, at="2025-12-01"))
    old = {USER: rows(1, 1)[USER], ITEM: [1, TTL_S, [[{1: 1}, [{}, {}, {}], NOW_S], {}, {}]]}
    with pytest.raises(Violation, match="did not have at hand"):  # as anything that was too old to be counted
        made.committed(actions(old), BATCH[:1])


Record = dict[str, Any]


def record(**changes: Any) -> Record:
    made = {**msgspec.json.decode(body(0)), **changes}
    return {key: value for key, value in made.items() if value is not None}


AHEAD = {"occurred_at": "2026-01-02T01:00:00.001Z"}
# What a client said, what stands on the stream, and what is wrong with it.
QUOTES: dict[str, tuple[Record, Record, str]] = {
    "as it was said": ({}, {}, ""),
    "another type": ({}, {"event_type": "page_view"}, "event_type is 'page_view'"),
    "an item less": ({}, {"items": []}, "items is"),
    "a field dropped": ({"value": 7}, {}, "value is None"),
    "a field invented": ({}, {"value": 7}, "value is 7"),
    "another time": ({}, {"occurred_at": "2026-01-01T00:00:00.001Z"}, "occurred_at is"),
    "microseconds dropped": ({"occurred_at": "2026-01-01T00:00:00.000999Z"}, {}, ""),
    "a skew nobody has": ({}, {"clock_skew_ms": -1}, "moved by -1 ms"),
    "a wild clock": (AHEAD, {"occurred_at": "2026-01-02T00:00:00Z", "clock_skew_ms": -3_600_001}, ""),
    "a wild clock believed": (AHEAD, AHEAD, "expected 2026-01-02 00:00:00+00:00 moved by -3600001"),
    "no time": ({"occurred_at": None}, {"clock_skew_ms": None}, ""),
    "no time, yet a skew": ({"occurred_at": None}, {}, "moved by 0 ms, expected"),
    "received tomorrow": ({"occurred_at": None}, {"received_at": "2026-01-02T00:00:00Z"}, "after it arrived"),
}


@pytest.mark.parametrize(("said", "stored", "words"), QUOTES.values(), ids=QUOTES)
def test_a_record_must_be_what_its_client_said(said: Record, stored: Record, words: str) -> None:
    wrong = misquoted(record(**stored), record(**said), NOW_S * 1000)
    assert words in wrong
    assert bool(words) == bool(wrong)


def test_a_record_that_no_client_said_and_one_under_anothers_key_are_noticed() -> None:
    with pytest.raises(Violation, match="no client said it"):
        checker().stored(SHARD, "100", body(0), "a", NOW_S * 1000)
    with pytest.raises(Violation, match="not keyed by its user"):
        checker(body(0)).stored(SHARD, "101", body(0), "b", NOW_S * 1000)


def test_a_full_map_of_partners_keeps_the_laws_of_its_summary() -> None:
    full = {f"p{number}": 2 for number in range(15)} | {"rare": 1}
    assert misfit(BOUGHT, full, {**full, "p0": 3}, {"p0": 1}) == ""
    taken = {name: count for name, count in full.items() if name != "rare"} | {"new": 2}
    assert misfit(BOUGHT, full, taken, {"new": 1}) == ""
    frequent = {name: count for name, count in full.items() if name != "p0"} | {"new": 3}
    assert "holds 0 of p0" in misfit(BOUGHT, full, frequent, {"new": 1})
    assert "partners of" in misfit(BOUGHT, full, {**taken, "new": 1}, {"new": 1})
    stranger = {name: count for name, count in full.items() if name != "rare"} | {"nobody": 2}
    assert misfit(BOUGHT, full, stranger, {"new": 1})


def test_an_acknowledgement_without_a_record_is_noticed() -> None:
    with pytest.raises(Violation, match="invariant 4"):
        checker().acknowledged("U#a", native_name(CLIENT, 0))


def test_an_entry_put_again_after_it_was_confirmed_is_noticed() -> None:
    made = checker()
    made.entries_put("c1", [b"x", b"y"], [True, False])
    made.entries_put("c2", [b"x"], [True])
    with pytest.raises(Violation, match="confirmed"):
        made.entries_put("c1", [b"x"], [True])


def test_a_success_that_is_none_is_noticed() -> None:
    with pytest.raises(Violation, match="invariant 9"):
        after_one().responded(SHARD, ["100", "101"])


def test_a_checkpoint_over_open_work_is_noticed() -> None:
    made = after_one()
    made.polled("m", SHARD, ["100", "101"])
    made.checkpoint("m", SHARD, "100", NOW_S)
    with pytest.raises(Violation, match="invariant 5"):
        made.checkpoint("m", SHARD, "101", NOW_S)


def test_what_is_kept_beside_the_table_must_be_there_for_a_reason() -> None:
    made = checker(body(0), b"poison")
    with pytest.raises(Violation, match="neither too old nor forgotten"):
        made.kept("late", (SHARD, "100", 0), body(0))
    with pytest.raises(Violation, match="is an event"):
        made.kept("quarantine", (SHARD, "100", 0), body(0))
    with pytest.raises(Violation, match="does not hold"):
        made.kept("quarantine", (SHARD, "101", 0), b"other")
    with pytest.raises(Violation, match="no record"):
        made.kept("late", (SHARD, "999", 0), body(0))


@pytest.mark.parametrize("found", [True, False])
def test_a_dead_letter_must_stay(found: bool) -> None:
    made = checker(body(0), b"poison")
    made.kept("quarantine", (SHARD, "101", 0), b"poison")
    if found:
        made.reread("quarantine", {(SHARD, "101", 0)})
    else:
        with pytest.raises(Violation, match="was stored and is gone"):
            made.reread("quarantine", set())
    made.reread("late", set())


def test_a_lost_record_is_noticed_at_the_end() -> None:
    made = after_one()
    final = [wire(key, *row) for key, row in rows(1, 1).items()]
    with pytest.raises(Violation, match="neither counted"):
        made.finish(final, {})
    made.finish(final, {(SHARD, "101"): None, (SHARD, "102"): None})


def test_a_table_that_is_not_what_was_committed_is_noticed() -> None:
    made = after_one()
    final = [wire(key, *row) for key, row in rows(1, 2).items()]
    with pytest.raises(Violation, match="differ from what was committed"):
        made.finish(final, {})


def test_names_are_the_products_names() -> None:
    from tapstack.core.events import decode_event
    from tapstack.core.identity import identify, identify_part

    event = decode_event(body(3))
    native, part = identify(event), identify_part(event, 1)
    assert native_name(CLIENT, 3) == ("n", native.client, native.n)
    assert opaque_name(f"{CLIENT}:3", 1, b"native")[1] == part.digest


def late_copy(made: Checker, n: int, number: str) -> tuple[tuple[str, str, int], bytes]:
    """A copy of an event, on the stream again when it is too old to be judged by its row."""
    made.stored(SHARD, number, body(n), "a", (NOW_S + 15 * DAY_S) * 1000)
    return (SHARD, number, 0), body(n)


@pytest.mark.parametrize(
    ("began_at", "n", "is_wrong"),
    [
        pytest.param(1, 0, True, id="counted before the invocation began"),
        pytest.param(0, 0, False, id="counted while it ran"),
        pytest.param(None, 0, False, id="its reads may be stale"),
        pytest.param(1, 1, False, id="not counted"),
    ],
)
def test_an_event_that_is_counted_and_known_must_not_be_late_as_well(
    began_at: int | None, n: int, is_wrong: bool
) -> None:
    made = after_one()
    name, stored = late_copy(made, n, "200")
    if is_wrong:
        with pytest.raises(Violation, match="was counted and not forgotten"):
            made.kept("late", name, stored, began_at)
    else:
        made.kept("late", name, stored, began_at)


def test_an_event_that_was_counted_and_whose_row_ttl_deleted_may_be_late() -> None:
    made = after_one()
    made.deleted(*USER)
    made.kept("late", *late_copy(made, 0, "200"), 1)


def test_recent_items_have_the_milliseconds_of_the_copy_that_is_counted() -> None:
    fact = read_event(body(0)).fact
    state = copy.deepcopy(EMPTY_USER)
    refold(state, [Turn(fact, fact.parts[0], NOW_S * 1000 + 676, NOW_S)])
    assert state[3] == [[NOW_S, 1, "p", 676]]
