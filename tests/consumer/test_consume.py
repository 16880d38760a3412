"""The consumer counts every event once, whatever happens to it and around it."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from typing import Any

import msgspec
import pytest
from consumer_world import LIMITS, SHARD, TABLE, Pipeline, counts, expected, record
from hypothesis import given, settings
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S, rfc3339, stream_events
from tapstack.consumer.consume import Report
from tapstack.consumer.patience import ATTEMPTS_MAX, MARGIN_MS
from tapstack.consumer.records import StreamRecord
from tapstack.core.events import EVENT_TYPES, Event
from tapstack.core.ranking import BOARD_PLACES
from tapstack.core.rows import ItemState, encode_state, item_partition, lane_sort_key
from tapstack.ports import Key, RowWrite
from tapstack.testing import Crash, FaultScript, Injection, RandomFaults


def name_of(event: Event) -> tuple[object, ...]:
    identity = (event.event_id,) if event.client_id is None else (event.client_id, event.n)
    return event.user_id, None if event.user_id else event.anonymous_id, *identity


@st.composite
def streams(draw: st.DrawFn, *, size_max: int = 10) -> list[StreamRecord]:
    """Records of a few events, some in several copies: the same identity is the same event."""
    pool = draw(st.lists(stream_events(), min_size=1, max_size=size_max, unique_by=name_of))
    events = [*pool, *draw(st.lists(st.sampled_from(pool), max_size=3))]
    return [record(number, event) for number, event in enumerate(events)]


batches = streams()


def view(number: int, **changes: Any) -> StreamRecord:
    event = {"event_id": f"e-{number}", "occurred_at": "2026-03-10T11:59:00Z", **changes}
    return record(number, event)


NATIVE = {"client_id": "01890a5d-ac96-774b-bcce-b302099a8057", "n": 5}
VIEWS = [view(n, user_id=f"user-{n % 7}", items=[{"item_id": f"i{n % 11}"}]) for n in range(30)]


def counted(pipeline: Pipeline, records: Sequence[StreamRecord]) -> None:
    found, truth = counts(pipeline), expected(records)
    sizes = Counter(board for board, _ in truth["boards"])
    if any(size > BOARD_PLACES for size in sizes.values()):  # which of the equal ones stay is not our matter
        assert found.pop("boards") <= truth.pop("boards")
    assert found == truth


def drain(pipeline: Pipeline, records: Sequence[StreamRecord], runs_max: int = 200) -> Report:
    """Redeliver from where the consumer says until it is done, as the event source mapping does."""
    left = list(records)
    for _ in range(runs_max):
        try:
            report = pipeline.run(left)
        except Crash:
            continue
        if report.resume_from is None:
            return report
        numbers = [each.sequence_number for each in left]
        left = left[numbers.index(report.resume_from) :]
    raise AssertionError("never done")


# Laws.


@given(batches)
def test_the_rows_are_what_a_plain_fold_of_the_distinct_events_gives(records: list[StreamRecord]) -> None:
    pipeline = Pipeline()
    report = pipeline.run(records)
    assert report.resume_from is None
    assert report.applied + report.duplicates == len(records)
    assert report.late == report.quarantined == 0
    counted(pipeline, records)


@given(batches)
def test_consuming_again_changes_no_row(records: list[StreamRecord]) -> None:
    pipeline = Pipeline()
    pipeline.run(records)
    before = pipeline.dynamodb.items(TABLE)
    report = pipeline.run(records)
    assert (report.applied, report.transactions, report.resume_from) == (0, 0, None)
    assert pipeline.dynamodb.items(TABLE) == before


@st.composite
def regrouped(draw: st.DrawFn) -> tuple[list[StreamRecord], list[list[StreamRecord]]]:
    """A stream, and one way it may be delivered: cut anywhere, batches and tails of batches again."""
    records = draw(batches)
    groups = []
    start = 0
    while start < len(records):
        end = draw(st.integers(start + 1, len(records)))
        again_from = draw(st.integers(0, start))
        groups.append(records[again_from:end])
        start = end
    return records, groups


@given(regrouped())
def test_how_the_stream_is_cut_and_redelivered_changes_no_state(
    delivery: tuple[list[StreamRecord], list[list[StreamRecord]]],
) -> None:
    records, groups = delivery
    at_once, piecemeal = Pipeline(), Pipeline()
    at_once.run(records)
    for group in groups:
        assert piecemeal.run(group).resume_from is None
    assert piecemeal.rows() == at_once.rows()


@given(batches, st.randoms(use_true_random=False))
def test_the_order_of_delivery_changes_no_count(records: list[StreamRecord], random: Any) -> None:
    pipeline, shuffled = Pipeline(), list(records)
    random.shuffle(shuffled)
    for each in shuffled:
        pipeline.run([each])
    counted(pipeline, records)


@given(
    records=streams(size_max=16),
    cut=st.tuples(st.integers(0, 16), st.integers(0, 16)),
    moments=st.lists(st.integers(1, 6), max_size=3, unique=True),
)
def test_invocations_may_interrupt_each_other_anywhere(
    records: list[StreamRecord], cut: tuple[int, int], moments: list[int]
) -> None:
    """Before chosen transactions of one invocation another runs as a whole, on an overlapping batch."""
    pipeline = Pipeline()
    mine, others = records[: max(cut)], records[min(cut) :]
    for moment in moments:
        pipeline.watched.before_transaction[moment] = lambda: pipeline.run(others)
    report = pipeline.run(mine)
    assert report.resume_from is None
    if not moments:
        pipeline.run(others)
    drain(pipeline, others)
    counted(pipeline, records)


LIES: dict[str, dict[Any, float]] = {
    "throttled": {"throttle": 0.1, "throttle_api": 0.1, "throttle_transaction": 0.2},
    "connections lost": {"lost_request": 0.15, "lost_response": 0.2},
    "servers failing": {"internal_error": 0.1, "internal_error_applied": 0.2},
    "stale reads": {"stale_read": 0.6, "unprocessed": 0.2},
    "contended": {"transaction_conflict": 0.4, "stale_read": 0.2},
    "crashes": {"crash_before": 0.1, "crash_after": 0.15},
    "everything": {
        "throttle": 0.05, "lost_request": 0.05, "lost_response": 0.1, "internal_error_applied": 0.05,
        "stale_read": 0.2, "unprocessed": 0.1, "transaction_conflict": 0.1, "crash_after": 0.05,
    },
}  # fmt: skip


@pytest.mark.parametrize("weights", LIES.values(), ids=LIES)
@given(records=batches, seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_under_faults_every_event_is_counted_once_in_the_end(
    weights: dict[Any, float], records: list[StreamRecord], seed: int
) -> None:
    pipeline = Pipeline(faults=RandomFaults(seed, weights), seed=seed)
    drain(pipeline, records)
    drain(pipeline, records)  # and by a replay
    counted(pipeline, records)


@given(records=batches, seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_counts_are_never_above_the_truth_even_for_a_moment(records: list[StreamRecord], seed: int) -> None:
    pipeline = Pipeline(faults=RandomFaults(seed, LIES["everything"]), seed=seed)
    truth = expected(records)
    for _ in range(4):
        with suppress(Crash):
            pipeline.run(records)
        for kind, found in counts(pipeline).items():
            assert found <= truth[kind]


@given(records=batches, refused_from=st.integers(1, 6))
def test_the_record_to_resume_from_is_the_first_that_is_not_done(
    records: list[StreamRecord], refused_from: int
) -> None:
    refusals = {("TransactWriteItems", call): Injection("throttle_api") for call in range(refused_from, 60)}
    pipeline = Pipeline(faults=FaultScript(refusals))
    report = pipeline.run(records)
    if report.resume_from is None:
        return
    first = [each.sequence_number for each in records].index(report.resume_from)
    again = Pipeline(on_table_of=pipeline)
    assert first == 0 or again.run(records[:first]).applied == 0
    assert again.run(records[first : first + 1]).applied >= 1
    assert again.run(records).resume_from is None
    counted(pipeline, records)


# Time.


def countdown(clock: Any, until_ms: int) -> Callable[[], int]:
    return lambda: until_ms - clock.now_ms()


def test_nothing_is_begun_when_time_is_nearly_over() -> None:
    pipeline = Pipeline()
    report = pipeline.run(VIEWS, lambda: MARGIN_MS - 1)
    assert report.resume_from == VIEWS[0].sequence_number
    assert report.reason == "Unavailable: the invocation's time is nearly over"
    assert pipeline.rows() == {}


@given(st.integers(0, 25))
def test_an_invocation_cut_short_says_where_it_stopped_and_the_rest_follows(calls: int) -> None:
    pipeline = Pipeline()
    asked = iter([60_000] * calls)
    report = pipeline.run(VIEWS, lambda: next(asked, 0))
    if report.resume_from is not None:
        first = [each.sequence_number for each in VIEWS].index(report.resume_from)
        assert pipeline.run(VIEWS[:first]).applied == 0
        assert drain(pipeline, VIEWS[first:]).resume_from is None
    counted(pipeline, VIEWS)


def test_waiting_for_a_throttled_table_never_uses_up_the_invocation() -> None:
    always = {number: Injection("throttle") for number in range(1, 500)}
    pipeline = Pipeline(faults=FaultScript(always))
    end_ms = pipeline.clock.now_ms() + MARGIN_MS + 300
    report = pipeline.run(VIEWS, countdown(pipeline.clock, end_ms))
    assert report.resume_from == VIEWS[0].sequence_number
    assert end_ms - pipeline.clock.now_ms() >= MARGIN_MS


# Faults one by one.


FAULTS: dict[str, tuple[dict[Any, Any], dict[str, int]]] = {
    "a read throttled": ({("BatchGetItem", 1): "throttle"}, {}),
    "a read unfinished": ({("BatchGetItem", 1): Injection("unprocessed", (0, 1))}, {}),
    "a commit throttled": ({("TransactWriteItems", 1): "throttle_transaction"}, {}),
    "a commit contended": (
        {("TransactWriteItems", 1): Injection("transaction_conflict", (0,))},
        {"conflicts": 1},
    ),
    "a commit lost on its way": ({("TransactWriteItems", 1): "lost_request"}, {}),
    "a commit whose answer is lost": (
        {("TransactWriteItems", 1): "lost_response"},
        {"applied": 0, "duplicates": 1},
    ),
    "a commit applied by a failing server": (
        {("TransactWriteItems", 1): "internal_error_applied"},
        {"applied": 0, "duplicates": 1},
    ),
}


@pytest.mark.parametrize(("faults", "differs"), FAULTS.values(), ids=FAULTS)
def test_a_passing_fault_is_waited_out(faults: dict[Any, Any], differs: dict[str, int]) -> None:
    pipeline = Pipeline(faults=FaultScript(faults))
    report = pipeline.run(VIEWS[:1])
    usual = {"resume_from": None, "applied": 1, "duplicates": 0, "conflicts": 0, **differs}
    assert {name: getattr(report, name) for name in usual} == usual
    assert pipeline.clock.slept_ms
    counted(pipeline, VIEWS[:1])


@pytest.mark.parametrize("operation", ["BatchGetItem", "TransactWriteItems"])
def test_a_lasting_fault_ends_in_an_honest_report(operation: str) -> None:
    pipeline = Pipeline(
        faults=FaultScript({(operation, n): Injection("access_denied") for n in range(1, 99)})
    )
    report = pipeline.run(VIEWS)
    assert report.resume_from == VIEWS[0].sequence_number
    assert report.reason is not None
    assert report.reason.startswith("Unavailable: dynamodb: AccessDeniedException")
    assert len(pipeline.clock.slept_ms) == ATTEMPTS_MAX - 1
    assert (report.applied, report.transactions) == (0, 0)


def test_a_loser_decides_again_from_the_rows_that_won() -> None:
    pipeline = Pipeline()
    pipeline.watched.before_transaction[1] = lambda: pipeline.run([view(1)])
    report = pipeline.run([view(1), view(2)])
    assert (report.applied, report.duplicates, report.conflicts) == (1, 1, 1)
    counted(pipeline, [view(1), view(2)])


def test_a_row_deleted_by_ttl_in_between_is_begun_anew() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1)])
    pipeline.clock.advance_ms((LIMITS.row_ttl_s + 1) * 1_000)
    pipeline.watched.before_transaction[2] = pipeline.dynamodb.sweep
    later_s = pipeline.clock.now_ms() // 1_000
    event = {"event_id": "e-2", "received_at": NOON + timedelta(seconds=later_s - NOON_S)}
    report = pipeline.run([record(2, event, later_s)])
    assert (report.applied, report.resume_from) == (1, None)
    assert counts(pipeline)["users"] == {("U#ann", "item_view"): 1}


# Chunks.


def test_a_chunk_fills_a_transaction_and_the_next_begins() -> None:
    pipeline = Pipeline()
    records = [
        view(number, user_id=f"u-{number}", items=[{"item_id": f"i-{number}"}]) for number in range(300)
    ]
    report = pipeline.run(records)
    assert report.applied == 300
    assert report.transactions == len(pipeline.watched.transactions) < 20
    assert report.rows_written == sum(map(len, pipeline.watched.transactions))
    counted(pipeline, records)


def test_a_chunk_of_large_rows_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Pipeline().run(VIEWS)
    monkeypatch.setattr("tapstack.consumer.consume.BYTES_MAX", 700)
    pipeline = Pipeline()
    report = pipeline.run(VIEWS)
    assert (report.applied, report.resume_from) == (len(VIEWS), None)
    assert usual.transactions < report.transactions < len(VIEWS)
    assert max(pipeline.watched.state_bytes) <= 700
    counted(pipeline, VIEWS)


def test_an_event_whose_rows_no_transaction_holds_is_set_aside_and_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tapstack.consumer.consume.BYTES_MAX", 1)
    pipeline = Pipeline()
    report = pipeline.run(VIEWS)
    assert (report.applied, report.late, report.resume_from) == (0, len(VIEWS), None)
    assert len(pipeline.late.objects) == len(VIEWS)


@pytest.mark.parametrize("event_type", ["item_view", "purchase"])
def test_two_reads_find_all_that_an_event_touches(event_type: str) -> None:
    pipeline = Pipeline()
    records = [
        view(number, event_type=event_type, user_id="ann", items=[{"item_id": f"i{number}"}])
        for number in range(3)
    ]
    pipeline.run(records[:2])
    pipeline.watched.reads.clear()
    pipeline.run(records[2:])
    user, derived = pipeline.watched.reads
    assert user == [("U#ann", "-")]
    assert {*user, *derived} == set(pipeline.watched.transactions[-1])
    assert {f"I#i{number}" for number in range(3)} < {pk for pk, _ in derived}
    counted(pipeline, records)


def test_rows_of_more_than_a_transaction_admits_are_written_in_several() -> None:
    pipeline = Pipeline()
    names = [f"i{number}" for number in range(90)]
    seen = {f"{number:05d}" * 200: 1 for number in range(50)}  # 50 KB, as no row should be
    large = encode_state(ItemState(viewed_with=seen))
    for lane in range(LIMITS.lanes):
        for start in range(0, len(names), 45):
            pipeline.world.table.commit(
                [
                    RowWrite(
                        key=Key(item_partition(name), lane_sort_key(lane)),
                        version=1, state=large, expires_at_s=NOON_S + 86_400, seen_version=0,
                    )
                    for name in names[start : start + 45]
                ]
            )  # fmt: skip
    records = [
        view(number, user_id="ann", items=[{"item_id": name} for name in names[number * 45 :][:45]])
        for number in range(2)
    ]
    report = pipeline.run(records)
    assert (report.applied, report.transactions, report.resume_from) == (2, 2, None)
    counted(pipeline, records)


@pytest.mark.parametrize("event_type", ["item_view", "purchase", "item_list_view", "custom"])
@pytest.mark.parametrize("identity", [{}, NATIVE], ids=["id", "native"])
def test_an_event_of_a_hundred_items_is_applied_whole_and_once(
    event_type: str, identity: dict[str, Any]
) -> None:
    pipeline = Pipeline()
    items = [{"item_id": f"i-{number:03}", "price": 2} for number in range(100)]
    before = [view(number, event_type=event_type, items=[{"item_id": f"b-{number}"}]) for number in range(9)]
    full = view(50, event_type=event_type, items=items, **identity)
    pipeline.run(before)
    report = pipeline.run([full])
    assert (report.applied, report.transactions) == (2, 2)  # two parts
    assert pipeline.run([full, full]).applied == 0
    counted(pipeline, [*before, full])


def test_when_only_the_first_part_is_committed_the_record_is_not_done() -> None:
    items = [{"item_id": f"i-{number:03}"} for number in range(100)]
    full = view(1, items=items)
    pipeline = Pipeline(faults=FaultScript({("TransactWriteItems", n): "throttle_api" for n in range(2, 99)}))
    report = pipeline.run([full])
    assert (report.applied, report.resume_from) == (1, full.sequence_number)
    again = Pipeline(on_table_of=pipeline)
    assert again.run([full]).applied == 1
    counted(pipeline, [full])


# Poison and late events.


POISON = {
    "not JSON": (b"\x00\xff", "expected JSON"),
    "no event": (b"{}", "event_type: is required"),
    "of the future": (b'{"event_type":"teleport"}', f"event_type: expected one of {', '.join(EVENT_TYPES)}"),
    "nothing": (b"", "expected JSON"),
}


@pytest.mark.parametrize(("data", "reason"), POISON.values(), ids=POISON)
def test_poison_is_kept_whole_with_its_reason_and_harms_nobody(data: bytes, reason: str) -> None:
    pipeline = Pipeline()
    records = [view(0), record(1, data), view(2)]
    report = pipeline.run(records)
    assert (report.applied, report.quarantined, report.resume_from) == (2, 1, None)
    ((key, body),) = pipeline.quarantine.objects.items()
    assert key == f"quarantine/{SHARD}/{records[1].sequence_number}-0.json"
    kept = msgspec.json.decode(body)
    assert base64.b64decode(kept.pop("data")) == data
    assert kept == {
        "reason": reason,
        "shard_id": SHARD,
        "sequence_number": records[1].sequence_number,
        "arrived_at_s": NOON_S,
    }
    counted(pipeline, [records[0], records[2]])


def test_poison_that_comes_again_is_kept_once() -> None:
    pipeline = Pipeline()
    for _ in range(3):
        pipeline.run([record(1, b"?")])
    assert len(pipeline.quarantine.objects) == 1


@pytest.mark.parametrize("fault", ["throttle", "internal_error", "lost_request"])
def test_poison_that_cannot_be_kept_is_not_done_and_holds_up_no_counting(fault: Any) -> None:
    refusals = FaultScript({n: Injection(fault) for n in range(1, 99)})
    pipeline = Pipeline(bucket_faults=refusals)
    records = [view(0), record(1, b"?"), view(2)]
    report = pipeline.run(records)
    assert report.resume_from == records[1].sequence_number
    assert (report.quarantined, report.applied) == (0, 2)
    assert not pipeline.quarantine.objects
    counted(pipeline, [records[0], records[2]])


@pytest.mark.parametrize("fault", ["throttle", "internal_error", "lost_request", "lost_response"])
def test_a_bucket_that_fails_once_is_asked_again(fault: Any) -> None:
    pipeline = Pipeline(bucket_faults=FaultScript({1: Injection(fault)}))
    assert pipeline.run([record(1, b"?")]).quarantined == 1
    assert len(pipeline.quarantine.objects) == 1


def old(number: int, days: float, **changes: Any) -> StreamRecord:
    return view(number, occurred_at=rfc3339(NOON - timedelta(days=days)), **changes)


def test_an_event_older_than_rows_remember_is_kept_and_not_counted() -> None:
    pipeline = Pipeline()
    records = [old(0, 20.5), old(1, 19.5)]
    report = pipeline.run(records)
    assert (report.late, report.applied, report.resume_from) == (1, 1, None)
    ((key, body),) = pipeline.late.objects.items()
    assert key == f"late/{SHARD}/{records[0].sequence_number}-0.json"
    kept = msgspec.json.decode(body)
    assert base64.b64decode(kept["data"]) == records[0].data
    assert "no longer remembered" in kept["reason"]
    counted(pipeline, [records[1]])


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
@pytest.mark.parametrize("identity", [{}, NATIVE], ids=["id", "native"])
def test_a_clock_that_never_was_set_makes_an_event_late(text: str, identity: dict[str, Any]) -> None:
    pipeline = Pipeline()
    assert pipeline.run([view(1, occurred_at=text, **identity)]).late == 1


def test_a_burst_of_third_party_events_in_order_is_counted_whole() -> None:
    """More ids in one second than a row remembers: none may push out its own second."""
    pipeline = Pipeline()
    records = [
        view(n, occurred_at=rfc3339(NOON - timedelta(seconds=1) + timedelta(milliseconds=4 * n)))
        for n in range(200)
    ]
    report = pipeline.run(records)
    assert (report.applied, report.late) == (200, 0)


def test_an_old_event_that_the_row_knows_is_a_duplicate() -> None:
    pipeline = Pipeline()
    event = old(0, 19.9)
    pipeline.run([event])
    again = msgspec.structs.replace(event, arrived_at_s=NOON_S + 86_400)
    assert pipeline.run([again]).duplicates == 1


def test_a_late_event_that_cannot_be_kept_is_not_done_though_its_neighbours_are() -> None:
    pipeline = Pipeline(bucket_faults=FaultScript({n: Injection("internal_error") for n in range(1, 99)}))
    records = [view(0), old(1, 30), view(2)]
    report = pipeline.run(records)
    assert report.resume_from in {each.sequence_number for each in records[:2]}
    assert report.late == 0
    again = Pipeline(on_table_of=pipeline)
    report = again.run(records)
    assert (report.applied, report.late, report.resume_from) == (0, 1, None)
    counted(again, [records[0], records[2]])


def test_every_record_ends_up_counted_known_late_or_in_quarantine() -> None:
    pipeline = Pipeline()
    records = [view(0), record(1, b"?"), old(2, 40), view(3), view(0), *VIEWS]
    records = [msgspec.structs.replace(each, sequence_number=str(n)) for n, each in enumerate(records)]
    report = pipeline.run(records)
    assert (
        report.applied + report.duplicates + report.late + report.quarantined
        == report.records
        == len(records)
    )


def test_an_empty_batch_is_done() -> None:
    assert Pipeline().run([]) == Report(records=0)


# Rows live long enough.


def test_rows_live_as_long_after_their_last_event_as_configured() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1)])
    later = [record(2, {"event_id": "e-2"}, NOON_S + 1_000), record(1, {"event_id": "e-3"}, NOON_S - 1_000)]
    pipeline.run(later)
    expiry = {item["pk"]["S"]: int(item["ttl"]["N"]) for item in pipeline.dynamodb.items(TABLE)}
    assert expiry["U#ann"] == expiry["I#item-1"] == NOON_S + 1_000 + LIMITS.row_ttl_s


def test_a_board_lives_as_long_as_every_other_row() -> None:
    # Seed 78: a board written a day late was deleted and begun anew with its old version, and a stale image
    # of the old one met the condition. Now no record that was there when it began is left when it is deleted.
    pipeline = Pipeline()
    pipeline.run([view(0)])
    boards = [item for item in pipeline.dynamodb.items(TABLE) if item["pk"]["S"].startswith("T#")]
    assert len(boards) == 3
    assert {int(item["ttl"]["N"]) for item in boards} == {NOON_S + LIMITS.row_ttl_s}  # beyond retention


def test_write_units_are_counted_as_the_table_counts_them() -> None:
    pipeline = Pipeline()
    report = pipeline.run(VIEWS)
    assert report.write_units == 2 * report.rows_written  # all rows are below one KiB here


def test_users_of_one_item_and_lane_share_its_transactions() -> None:
    pipeline = Pipeline()
    records = [view(number, user_id=f"u-{number}", items=[{"item_id": "hot"}]) for number in range(150)]
    pipeline.run(records)
    touched = Counter(chain.from_iterable(pipeline.watched.transactions))
    hot = {key: count for key, count in touched.items() if key[0] == "I#hot"}
    assert sum(hot.values()) <= len(pipeline.watched.transactions) + LIMITS.lanes
