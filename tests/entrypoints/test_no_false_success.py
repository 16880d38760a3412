"""Whatever breaks beneath a function, its entry point never answers that all is well."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from functions_world import NOW_S, Cloud, Context, event, mapped, request

from collectors import dependencies_of
from event_strategies import client_event
from tapstack import spill
from tapstack.collector.intake import (
    Dependencies as CollectorDependencies,
)
from tapstack.consumer.consume import Dependencies as ConsumerWorld
from tapstack.consumer.consume import Limits
from tapstack.consumer.journal_lag import JournalLag
from tapstack.entrypoints.collector_request import take
from tapstack.entrypoints.consumer_batch import handle
from tapstack.errors import InvalidEvent, Misconfigured, OutcomeUnknown, Throttled, Unavailable
from tapstack.ports import AwsError
from tapstack_emulator import ManualClock, MemoryBucket

PASSING = (Unavailable("away"), Throttled("slower"), OutcomeUnknown("cut off"))
FATAL = (
    AssertionError("impossible"),
    AwsError("ValidationException", "not translated"),
    InvalidEvent("user_id", "not of a record"),
    KeyError("pk"),
    MemoryError(),
    Misconfigured("AWS_REGION", "is required"),
    OSError("no socket left"),
    RecursionError("too deep"),
    RuntimeError("broken"),
    StopIteration(),
    TimeoutError("too late"),
    TypeError("none"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    ValueError("odd"),
    KeyboardInterrupt(),
    SystemExit(0),
)
LIMITS = Limits(lanes=2, row_ttl_s=30 * 86_400, age_max_s=29 * 86_400)
EACH_FATAL = pytest.mark.parametrize("error", FATAL, ids=lambda error: type(error).__name__)
EACH_PASSING = pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)


class Broken:
    """A table, a stream or a bucket whose methods raise, from the n-th call on; before, nothing is there."""

    def __init__(self, error: BaseException, healthy_calls: int = 0) -> None:
        self._error = error
        self._left = healthy_calls

    def _call(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._error

    def read(self, keys: Sequence[Any], *, consistent: bool = False) -> tuple[dict[Any, Any], list[Any]]:
        self._call()
        return {}, []

    def commit(self, writes: Sequence[Any]) -> None:
        self._call()

    def put(self, *_: Any) -> Sequence[bool]:
        self._call()
        return []


class Healthy(Broken):
    def __init__(self) -> None:
        super().__init__(AssertionError("healthy"), 1_000_000)


class Hurried(Context):
    """An invocation that has time for one attempt."""

    def __init__(self) -> None:
        self._left = [60_000] * 12

    def get_remaining_time_in_millis(self) -> int:
        return self._left.pop() if self._left else 0


def consumer_world(**broken: Broken) -> ConsumerWorld:
    services: Any = {"table": Healthy(), "quarantine": Healthy(), "late": Healthy(), **broken}
    return ConsumerWorld(**services, lag=JournalLag(), clock=ManualClock(NOW_S * 1_000), jitter=lambda: 0.5)


LONG_AGO = "2024-03-10T12:00:00Z"
# What breaks, after how many calls, and the batch that needs it; the second record alone where it says so.
BREAKS: dict[str, tuple[str, int, list[bytes]]] = {
    "the first read": ("table", 0, [event(1), event(2)]),
    "the commit": ("table", 1, [event(1), event(2)]),
    "quarantine": ("quarantine", 0, [b"?", event(1)]),
    "quarantine, behind what is done": ("quarantine", 0, [event(1), b"?"]),
    "the late bucket": ("late", 0, [event(1, occurred_at=LONG_AGO), event(2)]),
    "the late bucket, behind what is done": ("late", 0, [event(1), event(2, occurred_at=LONG_AGO)]),
}
EACH_BREAK = pytest.mark.parametrize(("service", "calls", "batch"), BREAKS.values(), ids=BREAKS)


@EACH_BREAK
@EACH_FATAL
def test_what_the_consumer_does_not_expect_fails_the_invocation(
    service: str, calls: int, batch: list[bytes], error: BaseException
) -> None:
    with pytest.raises(type(error)) as caught:
        handle(mapped(*batch), consumer_world(**{service: Broken(error, calls)}), LIMITS, Context())
    assert caught.value is error


@EACH_BREAK
@EACH_PASSING
def test_what_passes_is_reported_at_or_before_the_first_record_that_is_not_done(
    service: str, calls: int, batch: list[bytes], error: BaseException
) -> None:
    asked = mapped(*batch)
    handled = handle(asked, consumer_world(**{service: Broken(error, calls)}), LIMITS, Hurried())
    (failure,) = handled.answer["batchItemFailures"]
    numbers = [record["kinesis"]["sequenceNumber"] for record in asked["Records"]]
    poison_is_last = service != "table" and calls == 0 and batch[0] == event(1)
    assert failure["itemIdentifier"] == numbers[1 if poison_is_last else 0]


def collector_world(error: BaseException, **buckets: Any) -> CollectorDependencies:
    stream: Any = Broken(error)
    return dependencies_of(stream, clock=ManualClock(NOW_S * 1_000), **buckets)


@EACH_FATAL
def test_what_the_collector_does_not_expect_fails_the_invocation(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        take(
            request("POST", "/v1/events", [client_event()]),
            collector_world(error),
            request_bytes_max=65_536,
            event_bytes_max=2_048,
        )
    assert caught.value is error


@EACH_PASSING
def test_what_neither_stream_nor_spill_bucket_takes_is_asked_for_again(error: BaseException) -> None:
    taken = take(
        request("POST", "/v1/events", [client_event(), client_event(event_id="e-2")]),
        collector_world(error, spill=Broken(error)),
        request_bytes_max=65_536,
        event_bytes_max=2_048,
    )
    assert taken.answer["statusCode"] == 503
    assert [result["status"] for result in json.loads(taken.answer["body"])["results"]] == ["retry", "retry"]


@EACH_PASSING
def test_what_the_spill_bucket_holds_is_accepted(error: BaseException) -> None:
    bucket = MemoryBucket()
    taken = take(
        request("POST", "/v1/events", [client_event(), client_event(event_id="e-2")]),
        collector_world(error, spill=bucket),
        request_bytes_max=65_536,
        event_bytes_max=2_048,
    )
    assert taken.answer["statusCode"] == 200
    assert [result.status for result in taken.results] == ["ok", "ok"]
    (spilled,) = bucket.objects.values()
    assert len(spill.decode(spilled)) == 2


@EACH_FATAL
def test_what_the_spill_bucket_does_not_expect_fails_the_invocation(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        take(
            request("POST", "/v1/events", [client_event()]),
            collector_world(Unavailable("away"), spill=Broken(error)),
            request_bytes_max=65_536,
            event_bytes_max=2_048,
        )
    assert caught.value is error


# The handlers themselves, on a service that answers what no service of AWS answers.


class Nonsense:
    """An AWS service that answers, but not what it should."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def call(self, operation: str, body: bytes) -> bytes:
        return self._body


FUNCTIONS: dict[str, tuple[str, str, Callable[[], tuple[Any, Any]]]] = {
    "consumer": ("consumer", "DynamoDB", lambda: (mapped(event(1)), Context())),
    "collector": ("collector", "Kinesis", lambda: (request("POST", "/v1/events", [client_event()]), None)),
    "insights": ("insights", "DynamoDB", lambda: (request("GET", "/v1/users/ann"), None)),
    "health": ("insights", "DynamoDB", lambda: (request("GET", "/healthz"), None)),
}
NONSENSE = {"no JSON": b"<html>", "nothing": b"", "a list": b"[]", "null": b"null", "cut off": b'{"Items":[{'}


@pytest.mark.parametrize(("function", "service", "asked"), FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
def test_an_answer_that_makes_no_sense_is_never_a_success(
    cloud: Cloud, function: str, service: str, asked: Callable[[], tuple[Any, Any]], body: bytes
) -> None:
    handler = cloud.function(function).handler
    cloud.aws.services[service] = Nonsense(body)
    try:
        answer = handler(*asked())
    except Exception:  # noqa: BLE001 - the invocation fails, which is right
        return
    assert answer.get("batchItemFailures") or answer["statusCode"] >= 500
