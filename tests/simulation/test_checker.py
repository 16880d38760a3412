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
from tapstack_simulation.checking.facts import native_name, opaque_name, read_event
from tapstack_simulation.checking.pseudonyms import PLAN, Pseudonyms
from tapstack_simulation.checking.rows import EMPTY_USER, Violation
from tapstack_simulation.checking.stored import Promises

DAY_S = 86_400
NOW_S = 1_767_225_600
DAY = NOW_S // DAY_S
CLIENT = "019b76da-a800-7c10-9500-fb0de834a1bc"
SHARD = "shardId-000000000000"
BATCH = [(SHARD, "100"), (SHARD, "101"), (SHARD, "102")]
USER = ("U#a", "-")
HEAD = ("L#", "0000")
ENTRY = ("J#0000", f"{2:020d}")
ITEM = ("I#p", "0000")
LENGTHS = {"5m": 300, "1h": 3_600, "1d": 86_400}
BOARDS = {(f"T#{name}", "0000"): NOW_S // length for name, length in LENGTHS.items()}
BOARD = ("T#5m", "0000")
TTL_S = NOW_S + 30 * DAY_S
DERIVED_TTL_S = NOW_S + 38 * DAY_S
NOW_MS = NOW_S * 1000


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
    seen = [{client: [top, [list(gap) for gap in gaps], DAY]}, {}, {}, -1, -1, DAY]
    session = [None, NOW_S, NOW_S, {1: count}, ["p"], [], {}]
    recent = [[NOW_S, 1, "p", 0]] * count
    return [seen, [NOW_S, NOW_S, None, {}, 0, [], {}], {1: count}, recent, [[session], 0, -1], 0, None, {}]


EFFECT = [["p"], 1, 0, 0]


def rows(count: int, version: int, *, new: int = 1, **seen: Any) -> dict[tuple[str, str], Any]:
    """The rows of a commit after which the user has so many events, the last of which are new."""
    return {
        USER: [version, TTL_S, user_state(count, **seen)],
        ("J#0000", f"{version:020d}"): [1, TTL_S, [NOW_S, [EFFECT] * new, [], [], [["", 1, 0, new]]]],
        HEAD: [version, 0, []],
    }


def item_row(count: int, version: int = 1, applied: int = 1) -> list[Any]:
    windows = [{NOW_S // length: {1: count}} for length in (300, 3_600, 86_400)]
    return [version, DERIVED_TTL_S, [{0: applied}, [[{1: count}, windows, NOW_S], {}, {}]]]


def shop_row(count: int, version: int = 1, applied: int = 1) -> list[Any]:
    windows = [{NOW_S // length: {1: count}} for length in (300, 3_600, 86_400)]
    return [version, DERIVED_TTL_S, [{0: applied}, [[{1: count}, windows, NOW_S], {}]]]


def board_row(count: int, version: int = 1, applied: int = 1, key: tuple[str, str] = BOARD) -> list[Any]:
    return [version, DERIVED_TTL_S, [{0: applied}, [BOARDS[key], {"p": {1: {0: count}}}, {}]]]


def actions(wanted: dict[tuple[str, str], Any]) -> list[dict[str, Any]]:
    return [{"Put": {"Item": wire(key, *row)}} for key, row in wanted.items()]


def wire(key: tuple[str, str], version: int, ttl_s: int, state: Any) -> dict[str, Any]:
    packed = base64.b64encode(msgspec.msgpack.encode(state)).decode()
    item: dict[str, Any] = {
        "pk": {"S": key[0]},
        "sk": {"S": key[1]},
        "v": {"N": str(version)},
        "l": {"N": "1"},
        "s": {"B": packed},
    }
    return item | ({"ttl": {"N": str(ttl_s)}} if ttl_s else {})


def checker(*records: bytes) -> Checker:
    made = Checker(Promises(age_max_s=14 * DAY_S, row_ttl_s=30 * DAY_S, retention_s=7 * DAY_S))
    made.expect_poison(b"poison")
    for number, data in enumerate(records):
        if data != b"poison":
            said = {**msgspec.json.decode(data)}
            del said["received_at"], said["clock_skew_ms"]
            made.collected.said(
                f"U#{said['user_id']}", native_name(CLIENT, said["n"]), msgspec.json.encode(said)
            )
        made.stored(SHARD, str(100 + number), data, "a", NOW_S * 1000)
    return made


def after_one() -> Checker:
    made = checker(body(0), body(1), body(2))
    made.committed(actions(rows(1, 1)), BATCH, NOW_MS)
    return made


def folded() -> Checker:
    """One event is counted, and in every derived row."""
    made = after_one()
    for key, row in [(ITEM, item_row(1)), *((board, board_row(1, key=board)) for board in BOARDS)]:
        made.projected(wire(key, *row))
    return made


def test_what_is_right_is_no_violation() -> None:
    made = folded()
    made.projected(wire(("W#", "items"), 1, 0, [{0: 1}, 0]))
    made.projected(wire(("W#", "leaderboards"), 1, 0, [{0: 1}, 0]))
    made.committed(actions(rows(3, 2, new=2, top=2)), BATCH, NOW_MS)
    made.collected.acknowledged("U#a", native_name(CLIENT, 1))
    made.responded(SHARD, ["100", "101", "102"])
    made.polled("m", SHARD, ["100", "101", "102"])
    made.checkpoint("m", SHARD, "102", NOW_S)
    assert not made.journal.is_folded()
    for key, row in [(ITEM, item_row(3, 2, 2)), *((board, board_row(3, 2, 2, board)) for board in BOARDS)]:
        made.projected(wire(key, *row))
    made.projected(wire(("P#", "0000"), *shop_row(3, 1, 2)))
    later = ("search_terms", "impressions", "categories")
    for version, name in ((2, "items"), (2, "leaderboards"), *((1, name) for name in later)):
        made.projected(wire(("W#", name), version, 0, [{0: 2}, 0]))
    assert made.journal.is_folded()
    final = [wire(key, image.version, image.ttl_s, stored(image)) for key, image in made.rows.items()]
    made.finish(final, {})


def stored(image: Any) -> Any:
    return [image.applied, image.state] if image.applied else image.state


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


def put(key: tuple[str, str], row: Any) -> Change:
    return lambda wanted: wanted.update({key: row})


def floor(wanted: dict[tuple[str, str], Any]) -> None:
    wanted[USER][2][0][0] = {}


def page(*digests: int) -> Change:
    packed = b"".join(digest.to_bytes(8, "big", signed=True) for digest in digests)

    def apply(wanted: dict[tuple[str, str], Any]) -> None:
        wanted["U#a", f"seen#d{DAY}#0000"] = [1, TTL_S, packed]

    return apply


# The second of three events is counted in a second commit; what is wrong with it, and who must notice.
WRONG_COMMITS: dict[str, tuple[Change, str]] = {
    "an event counted twice": (change("2.2.1", 3), "counters move"),
    "an event known and not counted": (change("2.2.1", 1), "counters move"),
    "an event nobody sent": (
        change("2.0.0", {bytes.fromhex(CLIENT.replace("-", "")): [7, [], DAY]}),
        "not on the",
    ),
    "no entry": (drop(ENTRY), "0 entries and 1 heads for 1 effects"),
    "no head": (drop(HEAD), "1 entries and 0 heads"),
    "an entry of too much": (change("2.1", [EFFECT, EFFECT], ENTRY), "its events add"),
    "an entry of another item": (change("2.1.0.0", ["q"], ENTRY), "its events add"),
    "an entry of another type": (change("2.1.0.1", 2, ENTRY), "its events add"),
    "an entry of another time": (change("2.1.0.2", 5, ENTRY), "its events add"),
    "an entry with a pair that nobody made": (
        change("2.1.0", [["p"], 1, 0, 0, {}, ["q"]], ENTRY),
        "its events add",
    ),
    "an entry that expires early": (change("1", TTL_S - 1, ENTRY), "expires at"),
    "a head that expires": (change("1", TTL_S, HEAD), "lane would begin anew"),
    "a head that skips a number": (change("0", 3, HEAD), "goes from 1 to 3|went from version 1 to 3"),
    "a derived row": (put(ITEM, item_row(2)), "in a transaction of users"),
    "a watermark": (put(("W#", "items"), [1, 0, [{0: 2}, 0]]), "in a transaction of users"),
    "a session off": (change("2.4.0.0.2", NOW_S + 1), "has sessions"),
    "an event in no session": (change("2.4.0.0.3", {1: 1}), "has sessions"),
    "a session without its item": (change("2.4.0.0.4", []), "has sessions"),
    "a recent item off": (change("2.3.1.2", "q"), "has recent"),
    "a profile off": (change("2.1.0", NOW_S - 1), "has profile"),
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
}


@pytest.mark.parametrize(("wrong", "words"), WRONG_COMMITS.values(), ids=WRONG_COMMITS)
def test_a_wrong_commit_is_noticed_as_it_happens(wrong: Change, words: str) -> None:
    made = after_one()
    wanted = copy.deepcopy(rows(2, 2, top=1))
    wrong(wanted)
    with pytest.raises(Violation, match=words):
        made.committed(actions(wanted), BATCH, NOW_MS)


ROW_CHANGES: dict[str, tuple[tuple[str, str], list[Any], Change, str]] = {
    "an item above its events": (ITEM, item_row(2, 2, 2), change("2.1.0.0.1", 3, ITEM), "moves by {1: 2}"),
    "an item that moved for nothing": (ITEM, item_row(2, 2, 2), change("2.0", {0: 1}, ITEM), "moves by"),
    "an item below its events": (ITEM, item_row(1, 2, 2), change("0", 2, ITEM), "moves by {}"),
    "an item of an entry that is not there": (ITEM, item_row(2, 2, 3), change("0", 2, ITEM), "to 3"),
    "an item that goes back": (ITEM, item_row(1, 2, 0), change("0", 2, ITEM), "from entry 1 of lane 0 to 0"),
    "an item that forgets a lane": (ITEM, item_row(1, 2), change("2.0", {}, ITEM), "no longer knows"),
    "another stripe's lane": (ITEM, item_row(2, 2, 2), change("2.0", {0: 2, 9: 0}, ITEM), "another stripe"),
    "a window off": (ITEM, item_row(2, 2, 2), change("2.1.0.1.1", {}, ITEM), "windows of 1h"),
    "an arrival off": (ITEM, item_row(2, 2, 2), change("2.1.0.2", NOW_S + 1, ITEM), "last event arrived at"),
    "a pair that nobody made": (
        ITEM,
        item_row(2, 2, 2),
        change("2.1.1", {"q": 1}, ITEM),
        "its pairs make {}",
    ),
    "an item that expires too early": (ITEM, item_row(2, 2, 2), change("1", NOW_S, ITEM), "expire"),
    "a version skipped": (ITEM, item_row(2, 3, 2), change("0", 3, ITEM), "went from version"),
    "a leaderboard above its item": (BOARD, board_row(7, 2, 2), change("0", 2, BOARD), "shows .*7.* of p"),
    "a leaderboard below its entries": (
        BOARD,
        board_row(1, 2, 2),
        change("0", 2, BOARD),
        "shows .* of p, which had .*2",
    ),
    "a leaderboard with a stranger": (
        BOARD,
        board_row(2, 2, 2),
        change("2.1.1.q", {1: {0: 1}}, BOARD),
        "'q'",
    ),
    "a leaderboard that forgets": (BOARD, board_row(2, 2, 2), change("2.1.1", {}, BOARD), "lacks p"),
    "a leaderboard of another time": (
        BOARD,
        board_row(2, 2, 2),
        change("2.1.0", 7, BOARD),
        "has ages from 7",
    ),
    "a leaderboard that bounds what it shows": (
        BOARD,
        board_row(2, 2, 2),
        change("2.1.2", {1: {0: 1}}, BOARD),
        "others have 1 by 1 up to age 0",
    ),
    "a leaderboard that expires": (BOARD, board_row(2, 2, 2), change("1", NOW_S, BOARD), "expire"),
    "a user's row": (USER, rows(2, 2)[USER], change("0", 2), "is written by a projection"),
}


@pytest.mark.parametrize(("key", "row", "wrong", "words"), ROW_CHANGES.values(), ids=ROW_CHANGES)
def test_a_wrong_row_of_a_projection_is_noticed_as_it_is_written(
    key: tuple[str, str], row: list[Any], wrong: Change, words: str
) -> None:
    made = folded()
    made.committed(actions(rows(2, 2, top=1)), BATCH, NOW_MS)
    if key in BOARDS:
        made.projected(wire(ITEM, *item_row(2, 2, 2)))
    wanted = {key: copy.deepcopy(row)}
    wrong(wanted)
    with pytest.raises(Violation, match=words):
        made.projected(wire(key, *wanted[key]))


def test_a_row_that_ttl_deleted_begins_with_what_came_since() -> None:
    made = folded()
    made.committed(actions(rows(2, 2, top=1)), BATCH, NOW_MS)
    made.deleted(*ITEM)
    with pytest.raises(Violation, match=r"moves by \{1: 2\}"):
        made.projected(wire(ITEM, *item_row(2, 9, 2)))
    made.projected(wire(ITEM, *item_row(1, 9, 2)))


@pytest.mark.parametrize(("mark", "words"), [(2, "lacks it"), (3, "which has 2")])
def test_a_watermark_ahead_of_its_rows_is_noticed(mark: int, words: str) -> None:
    made = folded()
    made.committed(actions(rows(2, 2, top=1)), BATCH, NOW_MS)
    with pytest.raises(Violation, match=words):
        made.projected(wire(("W#", "items"), 1, 0, [{0: mark}, 0]))


def test_an_event_that_its_sender_did_not_have_at_hand_is_noticed() -> None:
    with pytest.raises(Violation, match="did not have at hand"):
        after_one().committed(actions(rows(2, 2, top=1)), BATCH[:1], NOW_MS)


def test_an_old_event_must_not_be_counted() -> None:
    made = checker(body(0, at="2025-12-01"))
    with pytest.raises(Violation, match="did not have at hand"):  # as anything that was too old to be counted
        made.committed(actions(rows(1, 1)), BATCH[:1], NOW_MS)


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
        checker().collected.acknowledged("U#a", native_name(CLIENT, 0))


def test_an_entry_put_again_after_it_was_confirmed_is_noticed() -> None:
    made = checker()
    made.collected.entries_put("c1", [b"x", b"y"], [True, False])
    made.collected.entries_put("c2", [b"x"], [True])
    with pytest.raises(Violation, match="confirmed"):
        made.collected.entries_put("c1", [b"x"], [True])


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
        made.kept("late", (SHARD, "100"), body(0))
    with pytest.raises(Violation, match="is an event"):
        made.kept("quarantine", (SHARD, "100"), body(0))
    with pytest.raises(Violation, match="does not hold"):
        made.kept("quarantine", (SHARD, "101"), b"other")
    with pytest.raises(Violation, match="no record"):
        made.kept("late", (SHARD, "999"), body(0))


@pytest.mark.parametrize("found", [True, False])
def test_a_dead_letter_must_stay(found: bool) -> None:
    made = checker(body(0), b"poison")
    made.kept("quarantine", (SHARD, "101"), b"poison")
    if found:
        made.reread("quarantine", {(SHARD, "101")})
    else:
        with pytest.raises(Violation, match="was stored and is gone"):
            made.reread("quarantine", set())
    made.reread("late", set())


def test_a_lost_record_is_noticed_at_the_end() -> None:
    made = after_one()
    made.projected(wire(ITEM, *item_row(1)))
    final = [wire(key, *row) for key, row in {**rows(1, 1), ITEM: item_row(1)}.items()]
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
    from tapstack.core.identity import Native, identify, number_digest

    native = identify(decode_event(body(3)))
    assert isinstance(native, Native)
    assert native_name(CLIENT, 3) == ("n", native.client, native.n)
    assert opaque_name(f"{CLIENT}:3", b"native")[1] == number_digest(native)


def late_copy(made: Checker, n: int, number: str) -> tuple[tuple[str, str], bytes]:
    """A copy of an event, on the stream again when it is too old to be judged by its row."""
    made.stored(SHARD, number, body(n), "a", (NOW_S + 15 * DAY_S) * 1000)
    return (SHARD, number), body(n)


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
    refold(state, [Turn(fact, NOW_S * 1000 + 676, NOW_S)])
    assert state[3] == [[NOW_S, 1, "p", 676]]


def _promises() -> Promises:
    return Promises(age_max_s=14 * DAY_S, row_ttl_s=30 * DAY_S, retention_s=7 * DAY_S)


@pytest.mark.parametrize(("who", "fields"), [("unwelcome-1", ()), ("user1", ("user_id", "anonymous_id"))])
def test_what_may_be_stored_nowhere_is_seen_wherever_it_is_stored(who: str, fields: tuple[str, ...]) -> None:
    data = body(0, user=who)
    entry, row = wire(ENTRY, 1, TTL_S, [who]), wire((f"U#{who}", "-"), 1, TTL_S, user_state(1))
    places: dict[str, Callable[[Checker], None]] = {
        "the stream": lambda checker: checker.stored(SHARD, "100", data, who, NOW_MS),
        "spill": lambda checker: checker.collected.spilled("spill/1", [(who, data)], NOW_MS),
        "quarantine": lambda checker: checker.collected.refusal_kept("c1", ("r", "0"), data),
        "a reason": lambda checker: checker.collected.refusal_kept("c1", ("r", "0"), b"", f"user_id: {who}"),
        "a row": lambda checker: checker.committed([{"Put": {"Item": row}}], [], NOW_MS),
        "the journal": lambda checker: checker.committed([{"Put": {"Item": entry}}], [], NOW_MS),
    }
    promises = msgspec.structs.replace(_promises(), pseudonyms=Pseudonyms(fields, b"key"))
    for place, store in places.items():
        checker = Checker(promises)
        with pytest.raises(Violation, match="invariant 14"):
            store(checker)
        assert checker.records == {}, place
        assert checker.rows == {}, place


def test_pseudonyms_are_keyed_and_cover_what_is_refused() -> None:
    pseudonyms = Pseudonyms(("user_id", "anonymous_id", PLAN), b"Jefe")
    name = "what do ya want for nothing?"  # a case of RFC 4231
    assert pseudonyms.of(name) == "5bdcc146bf60754e6a042426089575c7"
    said = {"user_id": name, "traits": {"plan": name, "t": 1}, "n": 1}
    hidden = pseudonyms.of(name)
    assert pseudonyms.event(said) == {"user_id": hidden, "traits": {"plan": hidden, "t": 1}, "n": 1}
    refused = [{"userId": name, "Anonymous_ID": name, "item_id": "p"}]
    kept = [{"userId": hidden, "Anonymous_ID": hidden, "item_id": "p"}]
    assert pseudonyms.kept(msgspec.json.encode(refused)) == msgspec.json.encode(kept)
    assert pseudonyms.kept(b'{"user_id":"user1"') == b""
    assert Pseudonyms().event(said) is said


def test_an_event_carries_the_source_of_its_key() -> None:
    checker = Checker(msgspec.structs.replace(_promises(), source="shop"))
    fact = read_event(body(0)).fact
    checker.collected.said(fact.pk, fact.name, body(0))
    with pytest.raises(Violation, match="source is None, its client said 'shop'"):
        checker.stored(SHARD, "100", body(0), "a", NOW_MS)
