"""Both ways to the stream: what they send, and what they make of the answers."""

from __future__ import annotations

import json
import os
from typing import Any

import msgspec
import pytest
from producer_world import NOW_MS, producer
from served_collector import Reply, Served, served

from local_aws import LocalAws, serving
from tapstack.collector.intake import Result, collect
from tapstack.collector.publish import Dependencies
from tapstack.core.events import StreamEvent
from tapstack.errors import Misconfigured, OutcomeUnknown, Unavailable
from tapstack.ports import StreamEntry
from tapstack.producer import Collector, Item, Purchase, Search, Stream, TooLarge
from tapstack_emulator import ManualClock, MemoryKinesis

EVENTS = [b'{"event_type":"search","user_id":"u","event_id":"%d"}' % n for n in range(3)]


def answering(status: int, body: object = b"", **headers: str) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda path, sent: Served(status, data, pairs)


def statuses(*names: str) -> dict[str, Any]:
    return {"results": [{"status": name} for name in names]}


def test_a_batch_is_one_request_of_the_native_format() -> None:
    requests: list[tuple[str, Any]] = []

    def reply(path: str, body: bytes) -> Served:
        requests.append((path, json.loads(body)))
        return Served(200, json.dumps(statuses("ok", "duplicate", "ok")).encode())

    with served(reply) as url:
        transport = Collector(url + "/")
        answer = transport.send(EVENTS)
        transport.close()
        assert transport.send(EVENTS).results == answer.results  # it connects again
        transport.close()
    assert requests == [("/v1/events", [json.loads(each) for each in EVENTS])] * 2
    assert [result.status for result in answer.results] == ["ok", "duplicate", "ok"]
    assert (answer.retry_after_ms, answer.problem) == (0, "")


ALL_AGAIN = [Result("retry")] * 3
MIXED = {
    "results": [
        {"status": "ok", "notes": ["a note"]},
        {"status": "retry"},
        {"status": "invalid", "field": "items", "reason": "is required", "later": 1},
    ]
}


@pytest.mark.parametrize(
    ("reply", "results", "retry_after_ms", "problem"),
    [
        pytest.param(
            answering(503, MIXED, retry_after="7"),
            [Result("ok", notes=["a note"]), Result("retry"), Result("invalid", "items", "is required")],
            7_000,
            "answered 503",
            id="some again",
        ),
        pytest.param(
            answering(400, statuses("invalid", "invalid", "invalid")),
            [Result("invalid")] * 3,
            0,
            "",
            id="none valid",
        ),
        pytest.param(
            answering(503, b"<html>", retry_after="2"), ALL_AGAIN, 2_000, "answered 503", id="a proxy's"
        ),
        pytest.param(answering(502, b""), ALL_AGAIN, 0, "answered 502", id="the function failed"),
        pytest.param(answering(200, statuses("ok")), ALL_AGAIN, 0, "answered 200", id="too few results"),
        pytest.param(answering(200, b"welcome"), ALL_AGAIN, 0, "answered 200", id="another server"),
        pytest.param(
            answering(200, statuses("ok", "ok", "new")), ALL_AGAIN, 0, "answered 200", id="another status"
        ),
        pytest.param(
            answering(400, b"plain HTTP to an HTTPS port"), ALL_AGAIN, 0, "answered 400", id="a proxy's 400"
        ),
        pytest.param(answering(404, b""), ALL_AGAIN, 0, "answered 404", id="wrong address"),
        pytest.param(answering(403, b""), ALL_AGAIN, 0, "answered 403", id="no right"),
        pytest.param(answering(301, b"", location="/"), ALL_AGAIN, 0, "answered 301", id="redirect"),
        pytest.param(
            answering(429, b"", retry_after="99999"), ALL_AGAIN, 300_000, "answered 429", id="a long wait"
        ),
        pytest.param(
            answering(503, b"", retry_after="Fri, 31 Dec 2027 23:59:59 GMT"),
            ALL_AGAIN,
            0,
            "answered 503",
            id="a date",
        ),
    ],
)
def test_an_answer_says_of_each_event_what_became_of_it_or_all_are_sent_again(
    reply: Reply, results: list[Result], retry_after_ms: int, problem: str
) -> None:
    with served(reply) as url:
        transport = Collector(url)
        answer = transport.send(EVENTS)
        transport.close()
    assert list(answer.results) == results
    assert (answer.retry_after_ms, answer.problem) == (retry_after_ms, problem)


def test_a_body_that_is_too_large_is_said_to_be() -> None:
    with served(answering(413)) as url:
        transport = Collector(url)
        with pytest.raises(TooLarge, match=r"^answered 413 to 3 events$"):
            transport.send(EVENTS)
        transport.close()


def test_no_connection_and_no_answer_are_different_things() -> None:
    with served(lambda path, body: None) as url:
        transport = Collector(url)
        with pytest.raises(OutcomeUnknown, match=r"^no answer "):
            transport.send(EVENTS)
        transport.close()
    with pytest.raises(Unavailable, match=r"^no connection ") as caught:
        transport.send(EVENTS)
    assert not isinstance(caught.value, OutcomeUnknown)
    transport.close()


def test_headers_are_sent_with_every_request() -> None:
    seen: list[dict[str, str]] = []
    with served(answering(200, statuses("ok", "ok", "ok")), seen) as url:
        transport = Collector(url, {"X-Write-Key": "k"})
        transport.send(EVENTS)
        transport.close()
    assert [(each["x-write-key"], each["content-type"]) for each in seen] == [("k", "application/json")]


class ListStream:
    def __init__(self, refuse: int = 0) -> None:
        self.entries: list[StreamEntry] = []
        self._refuse = refuse

    def put(self, entries: Any) -> list[bool]:
        confirmed = [place >= self._refuse for place in range(len(entries))]
        self.entries += [entry for entry, is_stored in zip(entries, confirmed, strict=True) if is_stored]
        return confirmed


def test_straight_to_the_stream_is_what_the_collector_would_put_there() -> None:
    straight, collected = ListStream(), ListStream()
    stream = Stream("events", writer=straight, clock=ManualClock(NOW_MS), jitter=lambda: 0.0)
    with producer(stream) as events:
        events.send(Purchase(user_id="u", items=[Item(item_id="i", price=9.9, currency="EUR")]))
        events.send(Search(anonymous_id="a", query="shoes"))
    sent = [
        msgspec.json.encode(
            {
                name: value
                for name, value in msgspec.json.decode(entry.data).items()
                if name not in {"received_at", "clock_skew_ms", "schema"}
            }
        )
        for entry in straight.entries
    ]
    collect(
        sent,
        Dependencies(stream=collected, clock=ManualClock(NOW_MS), jitter=lambda: 0.0),
        event_bytes_max=32_768,
    )
    assert straight.entries == collected.entries
    records = [msgspec.json.decode(entry.data, type=StreamEvent) for entry in straight.entries]
    assert [record.user_id for record in records] == ["u", None]
    assert [entry.partition_key for entry in straight.entries] == ["u", "a"]


def test_what_kinesis_refuses_is_sent_again() -> None:
    stream = Stream("events", writer=ListStream(refuse=1), clock=ManualClock(NOW_MS), jitter=lambda: 0.0)
    answer = stream.send(EVENTS)
    # The first of what is left is refused in each of the attempts.
    assert [result.status for result in answer.results] == ["retry", "ok", "ok"]
    assert answer.problem == "Kinesis did not take all records"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("environment")
def test_requests_to_kinesis_are_signed_with_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    kinesis = MemoryKinesis(ManualClock(NOW_MS))
    kinesis.create_stream("events", 1)
    with serving(LocalAws({"Kinesis": kinesis})) as aws:
        stream = Stream("events", region="eu-central-1", url=aws.url)
        with pytest.raises(Misconfigured, match=r"^AWS_ACCESS_KEY_ID: "):
            stream.send(EVENTS)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        assert [result.status for result in stream.send(EVENTS).results] == ["ok"] * 3
        stream.close()
    assert kinesis.record_count("events") == 3


@pytest.mark.usefixtures("environment")
def test_a_stream_needs_a_region() -> None:
    with pytest.raises(Misconfigured, match=r"^AWS_REGION: is required, or the argument region$"):
        Stream("events")
