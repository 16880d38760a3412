"""The collector: each event's own fate, and ok only for what the stream holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import dependencies_of
from event_strategies import (
    BAD_VALUES,
    NOON,
    NOON_S,
    broken_events,
    canonical,
    client_event,
    client_event_dicts,
    rfc3339,
)
from tapstack.aws.kinesis import KinesisWriter
from tapstack.collector.bodies import split
from tapstack.collector.formats import native
from tapstack.collector.intake import AHEAD, Result, collect, is_too_old
from tapstack.collector.publish import (
    ATTEMPTS_MAX,
    PUT_BYTES_MAX,
    PUT_RECORDS_MAX,
    RETRY_BUDGET_MS,
)
from tapstack.collector.records import FUTURE_MAX, Records
from tapstack.collector.wire_format import Limits
from tapstack.core.client_events import decode_client_event
from tapstack.core.events import EVENT_BYTES_MAX, ClientEvent, StreamEvent, decode_event
from tapstack.core.identity import client_time_s
from tapstack.errors import InvalidEvent, OutcomeUnknown, Throttled, Unavailable
from tapstack.http import Request
from tapstack.ports import AwsApi, StreamEntry
from tapstack_emulator import (
    FaultPolicy,
    FaultScript,
    FaultyApi,
    Injection,
    ManualClock,
    MemoryKinesis,
    RandomFaults,
)


class Pipeline:
    """A collector in front of a stream in memory."""

    def __init__(self, faults: FaultPolicy | None = None, shard_count: int = 2) -> None:
        self.clock = ManualClock(NOON_S * 1_000)
        self.kinesis = MemoryKinesis(self.clock)
        self.kinesis.create_stream("events", shard_count)
        api: AwsApi = self.kinesis if faults is None else FaultyApi(self.kinesis, faults)
        self.dependencies = dependencies_of(KinesisWriter(api, "events"), clock=self.clock)

    def collect(self, *events: dict[str, Any] | bytes, bytes_max: int = EVENT_BYTES_MAX) -> list[Result]:
        encoded = [event if isinstance(event, bytes) else msgspec.json.encode(event) for event in events]
        return collect(encoded, self.dependencies, event_bytes_max=bytes_max)

    def stored(self) -> list[StreamEvent]:
        return [
            msgspec.json.decode(record.data, type=StreamEvent) for record in self.kinesis.records("events")
        ]


class ScriptedStream:
    """A stream whose answers are written down; keeps what it was asked."""

    def __init__(self, *answers: Sequence[bool] | Exception) -> None:
        self.asked: list[list[StreamEntry]] = []
        self._answers = list(answers)

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        self.asked.append(list(entries))
        answer = self._answers.pop(0) if self._answers else [True] * len(entries)
        if isinstance(answer, Exception):
            raise answer
        return answer


def statuses(results: Sequence[Result]) -> list[str]:
    return [result.status for result in results]


def numbered(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [client_event(event_id=f"e-{number}", **changes) for number in range(count)]


# Laws.


@given(st.lists(client_event_dicts() | st.binary(max_size=20), max_size=8))
def test_each_event_has_its_own_fate_and_the_good_ones_are_on_the_stream(said: list[Any]) -> None:
    pipeline = Pipeline()
    results = pipeline.collect(*said)
    assert len(results) == len(said)
    for event, result in zip(said, results, strict=True):
        if isinstance(event, bytes):
            assert result.status == "invalid"
            assert result.reason
        else:
            assert result.status in {"ok", "duplicate"}
            assert (result.field, result.reason) == (None, None)
            assert all(note == AHEAD or note.startswith("traits: ") for note in result.notes)
    stored = pipeline.stored()
    assert len(stored) == statuses(results).count("ok")
    is_ahead = [AHEAD in result.notes for result in results if result.status == "ok"]
    shifted = sum(bool(event.clock_skew_ms) for event in stored)  # of less than a millisecond it says 0
    assert shifted <= sum(is_ahead) <= sum(event.occurred_at > event.received_at for event in stored)


@given(st.lists(client_event_dicts().map(msgspec.json.encode) | broken_events(), min_size=1, max_size=8))
def test_events_that_are_read_together_fare_as_one_by_one(said: list[bytes]) -> None:
    together, one_by_one = ScriptedStream(), ScriptedStream()
    given_with = {"event_bytes_max": EVENT_BYTES_MAX, "event_age_max": timedelta(hours=12)}
    results = collect(said, dependencies_of(together, clock=ManualClock(NOON_S * 1_000)), **given_with)
    too_long = b" " * (EVENT_BYTES_MAX + 1)  # beside which each is read by itself
    alone = collect(
        [*said, too_long], dependencies_of(one_by_one, clock=ManualClock(NOON_S * 1_000)), **given_with
    )
    assert results == alone[:-1]
    assert together.asked == one_by_one.asked


@given(
    st.lists(client_event_dicts().map(msgspec.json.encode) | broken_events(), min_size=1, max_size=8),
    st.sampled_from([100, 1_024, EVENT_BYTES_MAX]),
)
def test_a_body_that_is_read_at_once_fares_as_its_parts(said: list[bytes], bytes_max: int) -> None:
    at_once, in_parts = ScriptedStream(), ScriptedStream()
    body = b"[" + b",".join(said) + b"]"
    request = Request(method="POST", path=("v1", "events"), raw_body=body)
    try:
        parts = split(body)
    except InvalidEvent:
        with pytest.raises(InvalidEvent):
            native.parse(request, Limits(len(body), bytes_max))
        return
    events = native.parse(request, Limits(len(body), bytes_max))
    fates = [
        collect(each, dependencies_of(stream, clock=ManualClock(NOON_S * 1_000)), event_bytes_max=bytes_max)
        for each, stream in ((events, at_once), (parts, in_parts))
    ]
    assert fates[0] == fates[1]
    assert at_once.asked == in_parts.asked


@given(broken_events() | st.sampled_from(sorted(BAD_VALUES.values())).filter(bool))
def test_an_event_that_is_no_json_harms_no_other(bad: bytes) -> None:
    first, last = map(msgspec.json.encode, numbered(2))
    pipeline = Pipeline()
    results = pipeline.collect(*map(bytes, split(b"[" + b",".join([first, bad, last]) + b"]")))
    assert statuses(results) == ["ok", "invalid", "ok"]
    assert results[1].reason
    assert [event.event_id for event in pipeline.stored()] == ["e-0", "e-1"]


@given(client_event_dicts())
def test_what_is_stored_is_what_was_said_and_when_it_came(said: dict[str, Any]) -> None:
    pipeline = Pipeline()
    pipeline.collect(said)
    (event,) = pipeline.stored()
    assert event.received_at == NOON
    for name in ClientEvent.__struct_fields__:
        if name != "occurred_at":
            assert getattr(event, name) == getattr(decode_client_event(msgspec.json.encode(said)), name)


@given(
    st.integers(1, 12),
    st.integers(0, 2**32),
    st.sampled_from(
        [
            {"partial_put": 0.6},
            {"throttle": 0.5},
            {"lost_response": 0.3, "lost_request": 0.3},
            {"internal_error": 0.3, "internal_error_applied": 0.3},
        ]
    ),
)
def test_ok_is_only_said_of_what_the_stream_holds(count: int, seed: int, weights: Any) -> None:
    pipeline = Pipeline(RandomFaults(seed, weights))
    events = numbered(count)
    results = pipeline.collect(*events)
    held = {event.event_id for event in pipeline.stored()}
    for event, result in zip(events, results, strict=True):
        assert result.status in {"ok", "retry"}
        assert result.status == "retry" or event["event_id"] in held


@given(occurred_at=st.timedeltas(-timedelta(days=400), timedelta(days=400)).map(lambda offset: NOON + offset))
def test_a_time_ahead_is_moved_to_a_day_from_now_and_remembered(occurred_at: datetime) -> None:
    event = decode_client_event(msgspec.json.encode(client_event(occurred_at=rfc3339(occurred_at))))
    found, latest = canonical(event, NOON), NOON + FUTURE_MAX
    said = occurred_at - timedelta(microseconds=occurred_at.microsecond % 1_000)
    assert found.occurred_at == min(said, latest)
    assert found.clock_skew_ms == min(latest - said, timedelta()) / timedelta(milliseconds=1)
    assert client_time_s(found) == int(said.timestamp() // 1)


@given(client_event_dicts(), st.none() | st.just("segment"), st.none() | st.just(NOON))
def test_a_record_says_what_the_sender_said_and_what_was_added(
    said: dict[str, Any], protocol: str | None, sent_at: datetime | None
) -> None:
    event = decode_client_event(msgspec.json.encode(said))
    record = Records(NOON).record(event, protocol=protocol, sent_at=sent_at)
    found = msgspec.json.decode(record, type=StreamEvent)
    for name in set(ClientEvent.__struct_fields__) - {"occurred_at"}:
        assert getattr(found, name) == getattr(event, name)
    assert (found.received_at, found.protocol, found.sent_at) == (NOON, protocol, sent_at)
    names = [name for name, _ in json.loads(record, object_pairs_hook=list)]
    assert len(names) == len(set(names))


# Cases.


def test_without_a_time_an_event_happened_when_it_came() -> None:
    event = canonical(decode_client_event(msgspec.json.encode(client_event())), NOON)
    assert (event.occurred_at, event.clock_skew_ms) == (NOON, None)


def test_a_local_time_is_stored_as_utc() -> None:
    pipeline = Pipeline()
    pipeline.collect(client_event(occurred_at="2026-03-10T12:30:00.1239+05:30"))
    (record,) = pipeline.kinesis.records("events")
    assert msgspec.json.decode(record.data)["occurred_at"] == "2026-03-10T07:00:00.123000Z"


def test_a_record_goes_to_its_users_shard() -> None:
    pipeline = Pipeline(shard_count=4)
    pipeline.collect(
        client_event(user_id="ann", anonymous_id="x"), client_event(user_id=None, anonymous_id="x")
    )
    assert sorted(record.partition_key for record in pipeline.kinesis.records("events")) == ["ann", "x"]


TWINS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "twice": ([{}, {}], ["ok", "duplicate"]),
    "thrice": ([{}, {}, {}], ["ok", "duplicate", "duplicate"]),
    "another user": ([{}, {"user_id": "bob"}], ["ok", "ok"]),
    "another id": ([{}, {"event_id": "e-2"}], ["ok", "ok"]),
    "numbered twice": (
        [{"client_id": "01890a5d-ac96-774b-bcce-b302099a8057", "n": 1}] * 2,
        ["ok", "duplicate"],
    ),
    "numbered on": (
        [{"client_id": "01890a5d-ac96-774b-bcce-b302099a8057", "n": n} for n in (1, 2)],
        ["ok", "ok"],
    ),
    "another visitor": (
        [{"user_id": None, "anonymous_id": "x"}, {"user_id": None, "anonymous_id": "y"}],
        ["ok", "ok"],
    ),
    "a visitor and a user of one name": ([{}, {"user_id": None, "anonymous_id": "ann"}], ["ok", "ok"]),
    "another client": (
        [{"client_id": f"01890a5d-ac96-774b-bcce-b302099a805{n}", "n": 1} for n in range(2)],
        ["ok", "ok"],
    ),
    "numbered twice, and called otherwise": (
        [{"client_id": "01890a5d-ac96-774b-bcce-b302099a8057", "n": 1, "event_id": f"e-{n}"} for n in "ab"],
        ["ok", "duplicate"],
    ),
    "numbered, and of the same id": (
        [{"client_id": "01890a5d-ac96-774b-bcce-b302099a8057", "n": 1}, {}],
        ["ok", "ok"],
    ),
    "spelled otherwise": ([{}, {"anonymous_id": " ", "value": "1.0"}], ["ok", "duplicate"]),
    "an invalid one between": ([{}, {"user_id": ""}, {}], ["ok", "invalid", "duplicate"]),
    "an invalid one before": ([{"user_id": ""}, {}], ["invalid", "ok"]),
}


@pytest.mark.parametrize(("changes", "fates"), TWINS.values(), ids=TWINS)
def test_twins_in_one_request_are_stored_once(changes: list[dict[str, Any]], fates: list[str]) -> None:
    pipeline = Pipeline()
    assert statuses(pipeline.collect(*(client_event(**change) for change in changes))) == fates
    assert len(pipeline.stored()) == fates.count("ok")


def test_a_twin_fares_as_the_first() -> None:
    dependencies = dependencies_of(ScriptedStream(*[[False]] * ATTEMPTS_MAX))
    event = msgspec.json.encode(client_event())
    assert statuses(collect([event, event], dependencies, event_bytes_max=EVENT_BYTES_MAX)) == [
        "retry",
        "retry",
    ]


def test_only_the_refused_entries_are_put_again() -> None:
    stream = ScriptedStream([True, False, True, False], [False, True])
    clock = ManualClock()
    events = [msgspec.json.encode(event) for event in numbered(4)]
    results = collect(events, dependencies_of(stream, clock=clock), event_bytes_max=EVENT_BYTES_MAX)
    assert statuses(results) == ["ok"] * 4
    asked = [[decode_event(entry.data).event_id for entry in entries] for entries in stream.asked]
    assert asked == [["e-0", "e-1", "e-2", "e-3"], ["e-1", "e-3"], ["e-1"]]
    assert len(clock.slept_ms) == 2
    assert all(clock.slept_ms)


@pytest.mark.parametrize("kind", [Throttled, Unavailable, OutcomeUnknown])
def test_a_stream_that_stays_away_is_asked_a_few_times_and_then_the_sender_is(kind: type[Exception]) -> None:
    stream, clock = ScriptedStream(*[kind("away")] * 99), ManualClock()
    events = [msgspec.json.encode(event) for event in numbered(2)]
    results = collect(events, dependencies_of(stream, clock=clock), event_bytes_max=EVENT_BYTES_MAX)
    assert statuses(results) == ["retry", "retry"]
    assert len(stream.asked) == ATTEMPTS_MAX
    assert len(clock.slept_ms) == ATTEMPTS_MAX - 1


@pytest.mark.parametrize(
    ("call_ms", "calls"),
    [(0, ATTEMPTS_MAX), (400, ATTEMPTS_MAX), (1_000, 3), (RETRY_BUDGET_MS + 1, 1)],
)
def test_a_stream_that_is_slow_to_refuse_is_left_when_the_retry_budget_is_spent(
    call_ms: int, calls: int
) -> None:
    clock = ManualClock()

    class Slow(ScriptedStream):
        def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
            clock.advance_ms(call_ms)
            return super().put(entries)

    stream = Slow(*[OutcomeUnknown("no answer")] * 99)
    dependencies = dependencies_of(stream, clock=clock, jitter=lambda: 1.0)
    began_ms = clock.now_ms()
    results = collect([msgspec.json.encode(client_event())], dependencies, event_bytes_max=EVENT_BYTES_MAX)
    assert statuses(results) == ["retry"]
    assert len(stream.asked) == calls
    assert len(clock.slept_ms) == calls - 1
    assert clock.now_ms() - began_ms <= RETRY_BUDGET_MS + call_ms + max(clock.slept_ms, default=0)


def test_what_some_of_several_calls_refuse_is_put_again_and_nothing_else() -> None:
    count = 2 * PUT_RECORDS_MAX + 3
    refused = {0, PUT_RECORDS_MAX - 1, PUT_RECORDS_MAX, 2 * PUT_RECORDS_MAX + 2}
    taken = [number not in refused for number in range(count)]
    stream = ScriptedStream(
        taken[:PUT_RECORDS_MAX], taken[PUT_RECORDS_MAX:-3], taken[-3:], [True, False, True, True],
        *[[False]] * ATTEMPTS_MAX,
    )  # fmt: skip
    events = [msgspec.json.encode(event) for event in numbered(count)]
    dependencies = dependencies_of(stream)
    results = collect(events, dependencies, event_bytes_max=EVENT_BYTES_MAX)
    assert [n for n, result in enumerate(results) if result.status == "retry"] == [PUT_RECORDS_MAX - 1]
    assert Counter(statuses(results)) == {"ok": count - 1, "retry": 1}
    asked = [{decode_event(entry.data).event_id for entry in entries} for entries in stream.asked[3:]]
    assert asked[0] == {f"e-{number}" for number in refused}
    assert asked[1:] == [{f"e-{PUT_RECORDS_MAX - 1}"}] * (ATTEMPTS_MAX - 2)


@pytest.mark.parametrize("answer", [[], [True], [True] * 3], ids=len)
def test_a_stream_that_answers_for_more_or_fewer_records_acknowledges_none(answer: list[bool]) -> None:
    dependencies = dependencies_of(ScriptedStream(answer))
    with pytest.raises(ValueError, match="zip"):
        collect(
            [msgspec.json.encode(event) for event in numbered(2)],
            dependencies,
            event_bytes_max=EVENT_BYTES_MAX,
        )


def test_what_was_not_taken_as_it_was_said_is_noted_whatever_becomes_of_the_event() -> None:
    note = ("currency: not in ISO 4217, counted as XXX",)
    said = msgspec.json.encode(client_event(currency="ABC"))
    dependencies = dependencies_of(ScriptedStream())
    assert collect([said, said], dependencies, event_bytes_max=EVENT_BYTES_MAX) == [
        Result("ok", notes=note), Result("duplicate", notes=note),
    ]  # fmt: skip
    away = dependencies_of(ScriptedStream(*[[False]] * ATTEMPTS_MAX))
    assert collect([said], away, event_bytes_max=EVENT_BYTES_MAX) == [Result("retry", notes=note)]


AGE_MAX = timedelta(days=30)


@pytest.mark.parametrize(
    ("age", "is_noted"),
    [
        (AGE_MAX, False),
        (AGE_MAX + timedelta(milliseconds=1), True),
        (timedelta(days=9_000), True),
        (None, False),
    ],
    ids=["as old as it may be", "older", "of 2001", "without a time"],
)
def test_an_event_that_will_not_be_counted_is_accepted_with_a_note_that_says_so(
    age: timedelta | None, is_noted: bool
) -> None:
    pipeline = Pipeline()
    occurred_at = None if age is None else rfc3339(datetime.fromtimestamp(NOON_S, UTC) - age)
    said = msgspec.json.encode(client_event(occurred_at=occurred_at, currency="ABC"))
    results = collect(
        [said, said], pipeline.dependencies, event_bytes_max=EVENT_BYTES_MAX, event_age_max=AGE_MAX
    )
    note = (
        "too_old: occurred_at is more than 30 days ago; the event is stored as a dead letter and not counted"
    )
    notes = (*[note] * is_noted, "currency: not in ISO 4217, counted as XXX")
    assert results == [Result("ok", notes=notes), Result("duplicate", notes=notes)]
    assert [is_too_old(result) for result in results] == [is_noted, is_noted]
    assert len(pipeline.stored()) == 1


@pytest.mark.parametrize(
    ("ahead", "is_noted"),
    [(FUTURE_MAX, False), (FUTURE_MAX + timedelta(milliseconds=1), True), (timedelta(days=9_000), True)],
    ids=["as far as it may be", "further", "of 2051"],
)
def test_a_time_that_is_set_to_another_is_noted(ahead: timedelta, is_noted: bool) -> None:
    pipeline = Pipeline()
    said = client_event(occurred_at=rfc3339(datetime.fromtimestamp(NOON_S, UTC) + ahead))
    (result,) = collect([msgspec.json.encode(said)], pipeline.dependencies, event_bytes_max=EVENT_BYTES_MAX)
    note = "occurred_at: more than 24 hours in the future, set to 24 hours after receipt"
    assert result == Result("ok", notes=(note,) if is_noted else ())


def test_one_call_that_fails_does_not_fail_the_others() -> None:
    stream = ScriptedStream([True] * PUT_RECORDS_MAX, *[Unavailable("down")] * 99)
    events = [msgspec.json.encode(event) for event in numbered(PUT_RECORDS_MAX + 3)]
    dependencies = dependencies_of(stream)
    results = collect(events, dependencies, event_bytes_max=EVENT_BYTES_MAX)
    assert Counter(statuses(results)) == {"ok": PUT_RECORDS_MAX, "retry": 3}


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=6), st.integers(1, 250))
def test_calls_stay_within_the_limits_of_put_records(paddings: list[int], times: int) -> None:
    stream = ScriptedStream()
    events = [
        msgspec.json.encode(client_event(event_id=f"e-{number}", properties={"pad": "x" * padding}))
        for number, padding in enumerate(paddings * times)
    ]
    dependencies = dependencies_of(stream)
    assert set(statuses(collect(events, dependencies, event_bytes_max=EVENT_BYTES_MAX))) == {"ok"}
    assert sum(map(len, stream.asked)) == len(events)
    for entries in stream.asked:
        assert 1 <= len(entries) <= PUT_RECORDS_MAX
        assert sum(len(entry.data) + len(entry.partition_key.encode()) for entry in entries) <= PUT_BYTES_MAX


def test_nothing_is_put_when_nothing_is_valid() -> None:
    pipeline = Pipeline()
    assert statuses(pipeline.collect(b"?", b"[]", b"7")) == ["invalid"] * 3
    assert pipeline.kinesis.calls.get("PutRecords", 0) == 0


def test_an_invalid_event_is_told_its_field_and_reason() -> None:
    (result,) = Pipeline().collect(client_event(user_id=""))
    assert result == Result("invalid", "user_id", "user_id or anonymous_id is required")


def test_the_configured_size_is_the_limit() -> None:
    event = msgspec.json.encode(client_event(properties={"pad": "x" * 1_024}))
    pipeline = Pipeline()
    assert statuses(pipeline.collect(event, bytes_max=len(event))) == ["ok"]
    (refused,) = pipeline.collect(event, bytes_max=len(event) - 1)
    assert refused.reason == f"expected at most {len(event) - 1} bytes, got {len(event)}"


def test_one_event_that_is_too_large_makes_no_other_too_large() -> None:
    event = msgspec.json.encode(client_event())
    kept: dict[int, InvalidEvent] = {}

    def keep(refused: Mapping[int, InvalidEvent], _: int) -> bool:
        kept.update(refused)
        return True

    results = collect([event, event + b" "], Pipeline().dependencies, event_bytes_max=len(event), keep=keep)
    assert [result.status for result in results] == ["ok", "invalid"]
    assert [(each.field, each.code) for each in kept.values()] == [("", "too_many_bytes")]


SPELLINGS: dict[str, bytes] = {
    "as large as allowed": b'"' + b"x" * 32_600 + b'"',
    "numbers that are longer in our spelling": b"[" + b",".join([b"1e15"] * 6_000) + b"]",
    "as deep as allowed": b"[" * 62 + b"]" * 62,
    "integers of any length": b"1" + b"0" * 4_000,
    "every escape": b'"' + b"\\u0001\\ud83d\\ude00\\/" * 300 + b'"',
}


@pytest.mark.parametrize("value", SPELLINGS.values(), ids=SPELLINGS)
def test_what_is_accepted_is_no_poison_to_the_consumer(value: bytes) -> None:
    pipeline = Pipeline()
    event = b'{"event_type":"page_view","event_id":"e","user_id":"u","properties":{"a":%s}}' % value
    assert statuses(pipeline.collect(event)) == ["ok"]
    assert pipeline.stored()[0].user_id == "u"


def test_a_scripted_answer_of_a_partial_failure_leaves_the_rest_stored() -> None:
    pipeline = Pipeline(FaultScript({("PutRecords", n): Injection("partial_put", (0,)) for n in range(1, 9)}))
    results = pipeline.collect(*numbered(3))
    assert Counter(statuses(results)) == {"retry": 1, "ok": 2}
    assert len(pipeline.stored()) == statuses(results).count("ok")
