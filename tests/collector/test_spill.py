"""Spilled records: stored before the answer when Kinesis takes none, and put back; nothing is dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors import dependencies_of
from event_strategies import NOON_S, client_event
from tapstack import spill
from tapstack.aws.kinesis import KinesisWriter
from tapstack.collector import objects
from tapstack.collector.drain import READ_AT_ONCE, DrainDependencies, Report, drain
from tapstack.collector.publish import PUT_BYTES_MAX, PUT_RECORDS_MAX, RETRY_BUDGET_MS
from tapstack.entrypoints.collector_request import take
from tapstack.errors import OutcomeUnknown, Throttled, Unavailable
from tapstack.ports import StreamEntry
from tapstack.retry_budget import MARGIN_MS
from tapstack_emulator import FaultScript, ManualClock, MemoryBucket, MemoryKinesis, RandomFaults
from tapstack_emulator.faults.policy import Crash, FaultyApi

NOW_MS = NOON_S * 1_000
PLENTY_MS = 10**9


class Stream:
    """A stream whose shards refuse, or which does not answer; keeps what it takes."""

    def __init__(self, *answers: Sequence[bool] | Exception) -> None:
        self.taken: list[bytes] = []
        self.answers = list(answers)
        self.calls = 0

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else [True] * len(entries)
        if isinstance(answer, Exception):
            raise answer
        self.taken += [entry.data for entry, is_taken in zip(entries, answer, strict=True) if is_taken]
        return answer


def post(
    stream: Any, bucket: MemoryBucket, count: int = 3, path: str = "/v1/events", **changes: Any
) -> dict[str, Any]:
    events = [client_event(event_id=f"e-{number}") for number in range(count)]
    body: Any = events
    if path == "/v1/batch":
        body = {
            "batch": [
                {"type": "track", "event": "x", "userId": "u", "messageId": str(n)} for n in range(count)
            ]
        }
    event = {"httpMethod": "POST", "path": path, "headers": {}, "body": msgspec.json.encode(body).decode()}
    given = {"clock": ManualClock(NOW_MS), "spill": bucket, **changes}
    return take(
        event, dependencies_of(stream, **given), request_bytes_max=1_000_000, event_bytes_max=32_768
    ).answer


def down() -> Stream:
    return Stream(*[Unavailable("down")] * 99)


# The collector.


@pytest.mark.parametrize("error", [Throttled("slow"), Unavailable("down"), OutcomeUnknown("no answer")])
@pytest.mark.parametrize(("path", "success"), [("/v1/events", "results"), ("/v1/batch", "success")])
def test_what_the_stream_does_not_take_is_spilled_and_answered_as_stored(
    error: Exception, path: str, success: str
) -> None:
    bucket = MemoryBucket()
    answer = post(Stream(*[error] * 99), bucket, path=path)
    assert answer["statusCode"] == 200
    assert success in msgspec.json.decode(answer["body"])
    assert "retry" not in answer["body"]
    ((key, body),) = bucket.objects.items()
    assert spill.spilled_at_ms(key) >= NOW_MS
    assert [entry.partition_key for entry in spill.decode(body)] == [
        "ann" if path == "/v1/events" else "u"
    ] * 3


def test_only_what_the_stream_does_not_take_is_spilled() -> None:
    stream, bucket = Stream(*[[True, False, True], *[[False]] * 99]), MemoryBucket()
    assert post(stream, bucket)["statusCode"] == 200
    ((_, body),) = bucket.objects.items()
    ids = [msgspec.json.decode(entry.data)["event_id"] for entry in spill.decode(body)]
    assert ids == ["e-1"]


def test_nothing_is_spilled_that_the_stream_took() -> None:
    bucket = MemoryBucket()
    post(Stream(), bucket)
    assert bucket.objects == {}


@pytest.mark.parametrize("path", ["/v1/events", "/v1/batch"])
def test_if_both_fail_the_sender_is_asked_to_send_again(path: str) -> None:
    bucket = MemoryBucket(RandomFaults(1, {"internal_error": 1.0}))
    answer = post(down(), bucket, path=path)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "1")
    assert bucket.objects == {}


def test_an_object_has_a_name_of_its_own_even_within_a_millisecond() -> None:
    bucket = MemoryBucket()
    for _ in range(50):
        post(down(), bucket, count=1)
    assert len(bucket.objects) == 50


def test_the_answer_comes_in_time_however_long_calls_take() -> None:
    clock, call_ms = ManualClock(NOW_MS), 4_000  # two seconds to connect, two to answer

    class Hanging(Stream):
        def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
            clock.advance_ms(call_ms)
            raise OutcomeUnknown("no answer")

    class HangingBucket(MemoryBucket):
        def put(self, key: str, body: bytes) -> None:
            clock.advance_ms(call_ms)
            raise OutcomeUnknown("no answer")

    answer = post(Hanging(), HangingBucket(), count=5 * PUT_RECORDS_MAX, clock=clock)
    assert answer["statusCode"] == 503
    assert clock.now_ms() - NOW_MS <= RETRY_BUDGET_MS + objects.RETRY_BUDGET_MS + 2 * call_ms


# Keys.


@given(st.lists(st.integers(0, 4 * 10**12), max_size=20))
def test_keys_stand_in_the_order_of_time_and_say_it(times: list[int]) -> None:
    keys = [spill.object_key(at_ms, "0a") for at_ms in sorted(times)]
    assert keys == sorted(keys)
    assert [spill.spilled_at_ms(key) for key in keys] == sorted(times)


# The drainer.


def entries_of(number: int, count: int = 2) -> list[StreamEntry]:
    return [StreamEntry(partition_key="u", data=b"%d-%d" % (number, each)) for each in range(count)]


def spilled(objects_count: int = 3, policy: Any = None, count: int = 2) -> MemoryBucket:
    bucket = MemoryBucket(policy)
    for number in range(objects_count):
        key = spill.object_key(NOW_MS - 60_000 + number, "0a")
        bucket.objects[key] = spill.encode(entries_of(number, count))
    return bucket


def drained(stream: Any, bucket: MemoryBucket, remaining_ms: int = PLENTY_MS) -> Report:
    clock = ManualClock(NOW_MS)
    dependencies = DrainDependencies(stream=stream, spill=bucket, clock=clock, jitter=lambda: 0.5)
    return drain(dependencies, lambda: remaining_ms - (clock.now_ms() - NOW_MS))


def test_what_is_spilled_is_put_on_the_stream_in_order_and_deleted() -> None:
    stream, bucket = Stream(), spilled()
    assert drained(stream, bucket) == Report(oldest_age_s=60, objects=3, events=6)
    assert stream.taken == [b"0-0", b"0-1", b"1-0", b"1-1", b"2-0", b"2-1"]
    assert bucket.objects == {}


def test_an_empty_bucket_is_nothing_to_do() -> None:
    stream = Stream()
    assert drained(stream, MemoryBucket()) == Report()
    assert stream.calls == 0


def test_every_page_of_the_bucket_is_drained() -> None:
    stream, bucket = Stream(), spilled(2_100, count=1)
    report = drained(stream, bucket)
    assert (report.objects, report.events) == (2_100, 2_100)
    assert bucket.objects == {}


def test_objects_that_hold_no_records_are_read_once_wherever_they_stand() -> None:
    bucket = spilled(2_100, count=1)
    odd = [key for place, key in enumerate(bucket.objects) if place in {0, 40, 999, 1_000, 2_099}]
    bucket.objects.update(dict.fromkeys(odd, b"{}"))
    report = drained(Stream(), bucket)
    assert (report.objects, report.unreadable) == (2_095, 5)
    assert list(bucket.objects) == odd


def test_what_another_run_took_meanwhile_keeps_nothing_else_in_the_bucket() -> None:
    class Shared(MemoryBucket):
        def get_each(self, keys: Sequence[str]) -> Sequence[bytes | None]:
            self.objects.pop(keys[0], None)
            return super().get_each(keys)

    bucket = Shared()
    bucket.objects.update(spilled(3).objects)
    assert drained(Stream(), bucket).objects == 2
    assert bucket.objects == {}


@pytest.mark.parametrize(("age_ms", "age_s"), [(0, 1), (1_999, 1), (2_000, 2), (60_000, 60)])
def test_the_age_of_the_oldest_object_is_told_in_seconds_and_is_never_none(age_ms: int, age_s: int) -> None:
    bucket = MemoryBucket()
    bucket.objects[spill.object_key(NOW_MS - age_ms, "0a")] = spill.encode(entries_of(0))
    assert drained(Stream(), bucket).oldest_age_s == age_s


@pytest.mark.parametrize("answer", [[True, False], [False, False], Throttled("slow")], ids=str)
def test_an_object_stays_until_the_stream_has_confirmed_all_of_it(answer: Any) -> None:
    still: Any = answer if isinstance(answer, Exception) else [False] * answer.count(False)
    bucket = spilled(1)
    report = drained(Stream(answer, *[still] * 10_000), bucket)
    assert (report.objects, len(bucket.objects)) == (0, 1)
    assert report.reason == "Throttled: the stream did not take all spilled records"


def test_a_stream_that_takes_one_record_a_call_is_asked_until_it_has_all() -> None:
    class Slow(Stream):
        def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
            super().put(entries[:1])
            return [True] + [False] * (len(entries) - 1)

    bucket, stream = spilled(1, count=100), Slow()
    assert drained(stream, bucket, remaining_ms=900_000).reason is None
    assert stream.taken == [entry.data for entry in entries_of(0, 100)]
    assert bucket.objects == {}


def test_objects_of_a_call_are_put_together_and_stay_together() -> None:
    bucket = spilled(5, count=200)
    assert drained(Stream([True] * 400, *[Throttled("slow")] * 10_000), bucket).objects == 2
    assert len(bucket.objects) == 3


@pytest.mark.parametrize(
    ("last_bytes", "objects_count"), [(PUT_BYTES_MAX // 2, 2), (PUT_BYTES_MAX // 2 + 1, 1)]
)
def test_objects_of_a_call_fill_it_to_the_byte(last_bytes: int, objects_count: int) -> None:
    bucket, data = MemoryBucket(), b"x" * (PUT_BYTES_MAX // 4)
    body = spill.encode([StreamEntry(partition_key="u", data=data)])
    for number, length in enumerate([PUT_BYTES_MAX // 2, last_bytes]):
        bucket.objects[spill.object_key(NOW_MS - 60_000 + number, "0a")] = body.ljust(length, b"\n")
    stream = Stream([True] * objects_count, *[Throttled("slow")] * 10_000)
    assert drained(stream, bucket).objects == objects_count


def test_objects_of_a_call_fill_it_to_the_record() -> None:
    bucket = spilled(3, count=PUT_RECORDS_MAX // 2)
    stream = Stream([True] * PUT_RECORDS_MAX, *[Throttled("slow")] * 10_000)
    assert drained(stream, bucket).objects == 2


@given(st.lists(st.integers(1, 600), max_size=80))
@example([1, 501, 1, 501, 1])
def test_objects_of_any_length_are_drained_in_order_in_few_calls(lengths: list[int]) -> None:
    bucket, stream = MemoryBucket(), Stream()
    for number, count in enumerate(lengths):
        key = spill.object_key(NOW_MS - 60_000 + number, "0a")
        bucket.objects[key] = spill.encode(entries_of(number, count))
    assert drained(stream, bucket).objects == len(lengths)
    assert stream.taken == [e.data for n, count in enumerate(lengths) for e in entries_of(n, count)]
    # Two neighbours that do not fit one call need two; an object that is too long by itself needs one more.
    too_long = sum([count > PUT_RECORDS_MAX for count in lengths])
    assert stream.calls <= 2 * (sum(lengths) // PUT_RECORDS_MAX + len(lengths) // READ_AT_ONCE + 1) + too_long
    assert bucket.objects == {}


def test_when_time_is_nearly_over_the_rest_is_left() -> None:
    bucket = spilled()
    report = drained(Stream(), bucket, remaining_ms=MARGIN_MS - 1)
    assert report.reason == "OutOfTime: the invocation's time is nearly over"
    assert len(bucket.objects) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"\xff",
        b'{"partition_key":"\xff","data":""}',
        b'{"partition_key":"u","data":"","x":' + b"[" * 100_000,
        b'{"partition_key":"","data":"e30="}',
        b'{"partition_key":"' + b"u" * 257 + b'","data":"e30="}',
    ],
    ids=["no record", "no text", "no text inside", "brackets", "no key", "a long key"],
)
def test_what_holds_no_records_stays_and_is_reported_and_the_others_are_drained(body: bytes) -> None:
    bucket = spilled()
    bucket.objects["spill/1-odd"] = body
    report = drained(Stream(), bucket)
    assert (report.objects, report.unreadable, report.oldest_age_s) == (3, 1, 86_400)
    assert list(bucket.objects) == ["spill/1-odd"]


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_whatever_fails_and_wherever_a_run_ends_each_record_comes_to_the_stream(seed: int, runs: int) -> None:
    kinds = ("throttle", "internal_error", "lost_response", "crash_before", "crash_after")
    bucket = spilled(4, RandomFaults(seed, dict.fromkeys(kinds, 0.05)))
    kinesis = MemoryKinesis(ManualClock(NOW_MS))
    kinesis.create_stream("events", 1)
    faults: Any = RandomFaults(seed + 1, {**dict.fromkeys(kinds, 0.05), "partial_put": 0.3})
    stream = KinesisWriter(FaultyApi(kinesis, faults), "events")
    wanted = {entry.data for number in range(4) for entry in entries_of(number)}
    for _ in range(runs):
        with contextlib.suppress(Crash):
            drained(stream, bucket)
        held = {entry.data for body in bucket.objects.values() for entry in spill.decode(body)}
        assert {record.data for record in kinesis.records("events")} | held == wanted


def test_two_runs_at_once_lose_nothing() -> None:
    bucket = spilled(1)
    first = Stream()

    class Between(Stream):
        def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
            if not first.calls:
                drained(first, bucket)  # another run does all of it meanwhile
            return super().put(entries)

    second = Between()
    assert drained(second, bucket).reason is None
    assert first.taken == second.taken == [b"0-0", b"0-1"]
    assert bucket.objects == {}


def test_a_bucket_that_fails_for_a_while_is_asked_again() -> None:
    bucket = spilled(2, FaultScript(dict.fromkeys((1, 3, 5), "internal_error")))
    assert drained(Stream(), bucket).objects == 2
