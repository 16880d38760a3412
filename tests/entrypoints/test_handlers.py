"""The Lambda functions as they are, on in-memory services behind HTTP: events, answers, log lines."""

from __future__ import annotations

import base64
import gc
import gzip
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection
from types import ModuleType
from typing import Any

import msgspec
import pytest

from event_strategies import client_event
from local_aws import LocalAws, serving
from tapstack.collector.collect import Result
from tapstack.consumer.patience import MARGIN_MS
from tapstack.entrypoints.collector_request import respond
from tapstack.entrypoints.consumer_batch import stream_records
from tapstack.ports import Row, StreamEntry
from tapstack.testing import FaultScript, FaultyApi, Injection, ManualClock, MemoryDynamoDB, MemoryKinesis

NOW_S = int(time.time())  # the functions run on the machine's clock
SEQUENCE = "4959033827149025660855969253836157109592157598913658"
LONG_AGO = "2024-03-10T12:00:00Z"
ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "TAPSTACK_TABLE": "behaviour",
    "TAPSTACK_STREAM": "events",
    "TAPSTACK_QUARANTINE_BUCKET": "quarantine-bucket",
    "TAPSTACK_LATE_BUCKET": "late-bucket",
    "TAPSTACK_LANES": "2",
    "TAPSTACK_ROW_TTL_DAYS": "30",
    "TAPSTACK_EVENT_AGE_MAX_DAYS": "29",
    "TAPSTACK_EVENT_BYTES_MAX": "2048",
    "TAPSTACK_REQUEST_BYTES_MAX": "65536",
}


class Context:
    """What Lambda tells an invocation."""

    aws_request_id = "7b0a7f2e-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Cloud:
    """The functions, each imported anew as in a cold start, and what is behind them."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.dynamodb = MemoryDynamoDB(ManualClock(NOW_S * 1_000))
        self.dynamodb.create_table("behaviour", ttl_attribute="ttl")
        self.kinesis = MemoryKinesis(ManualClock(NOW_S * 1_000))
        self.kinesis.create_stream("events", 1)
        aws.services |= {"DynamoDB": self.dynamodb, "Kinesis": self.kinesis}

    def function(self, name: str) -> ModuleType:
        module = f"tapstack.entrypoints.{name}"
        sys.modules.pop(module, None)
        return importlib.import_module(module)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    threshold = gc.get_threshold()
    with serving(LocalAws({})) as aws:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": aws.url}.items():
            monkeypatch.setenv(name, value)
        yield Cloud(aws)
    # In Lambda these last as long as the process: what the consumer's import set, and connections.
    gc.set_threshold(*threshold)
    gc.unfreeze()
    for connection in [found for found in gc.get_objects() if isinstance(found, HTTPConnection)]:
        connection.close()


def mapped(*data: bytes, first: int = 1) -> dict[str, Any]:
    """Lambda's event, in the form of https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": f"{SEQUENCE}{number:04d}",
                    "data": base64.b64encode(each).decode(),
                    "approximateArrivalTimestamp": NOW_S + 0.651,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000006:{SEQUENCE}{number:04d}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
                "awsRegion": "us-east-2",
                "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream",
            }
            for number, each in enumerate(data, first)
        ]
    }


def request(method: str, path: str, body: object = None, **changes: Any) -> dict[str, Any]:
    text = None if body is None else msgspec.json.encode(body).decode()
    return {
        "httpMethod": method, "path": path, "queryStringParameters": {}, "headers": {},
        "body": text, "isBase64Encoded": False, **changes,
    }  # fmt: skip


def event(number: int, **changes: Any) -> bytes:
    now = datetime.fromtimestamp(NOW_S, tz=UTC).isoformat()
    said = client_event(event_id=f"e-{number}", user_id="secret-user", occurred_at=now)
    return json.dumps({**said, "received_at": now, "clock_skew_ms": 0, **changes}).encode()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in capsys.readouterr().out.splitlines()]


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (found,) = lines(capsys)
    return found


# The consumer.


def test_lambdas_event_is_read_record_by_record() -> None:
    records = stream_records(mapped(b"one", b"two"))
    assert [record.data for record in records] == [b"one", b"two"]
    assert records[0].shard_id == "shardId-000000000006"
    assert records[0].sequence_number == "49590338271490256608559692538361571095921575989136580001"
    assert records[0].arrived_at_s == NOW_S


def test_a_batch_that_is_done_has_no_failures(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    consumer = cloud.function("consumer")
    assert consumer.handler(mapped(event(1), event(2), event(1)), Context()) == {"batchItemFailures": []}
    said = line(capsys)
    assert said["level"] == "INFO"
    assert {name: said[name] for name in ("records", "events_applied", "events_duplicate")} == {
        "records": 3, "events_applied": 2, "events_duplicate": 1,
    }  # fmt: skip
    assert (said["request_id"], said["shard_id"]) == (Context.aws_request_id, "shardId-000000000006")
    assert said["resume_from"] is None


def test_the_first_record_not_done_is_named(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    refusals = FaultScript({("TransactWriteItems", n): Injection("access_denied") for n in range(1, 99)})
    consumer = cloud.function("consumer")
    consumer.handler(mapped(event(1)), Context())
    capsys.readouterr()
    cloud.aws.services["DynamoDB"] = FaultyApi(cloud.dynamodb, refusals)
    batch = mapped(event(2), event(3), first=2)

    class Hurried(Context):
        def get_remaining_time_in_millis(self) -> int:
            return MARGIN_MS + 1  # enough to try once, not enough to wait

    answer = consumer.handler(batch, Hurried())
    expected = batch["Records"][0]["kinesis"]["sequenceNumber"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": expected}]}
    said = line(capsys)
    assert (said["level"], said["resume_from"]) == ("WARNING", expected)
    assert "AccessDeniedException" in said["reason"]


def test_poison_and_late_events_go_to_their_buckets(cloud: Cloud) -> None:
    consumer = cloud.function("consumer")
    old = event(2, occurred_at=LONG_AGO)
    assert consumer.handler(mapped(b"?", old), Context()) == {"batchItemFailures": []}
    paths = sorted(path.rpartition("/")[0] for path in cloud.aws.objects)
    assert paths == [
        "/late-bucket/late/shardId-000000000006",
        "/quarantine-bucket/quarantine/shardId-000000000006",
    ]


def test_each_quarantined_record_has_a_line_that_names_its_object_up_to_a_bound(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    consumer = cloud.function("consumer")
    consumer.handler(mapped(*[b"?"] * 25), Context())
    *each, last = lines(capsys)
    assert [said["quarantined"] for said in each] == [
        path.removeprefix("/quarantine-bucket/") for path in sorted(cloud.aws.objects)
    ][: consumer.QUARANTINED_LOGGED_MAX]
    assert last["events_quarantined"] == 25


def test_an_event_that_is_no_batch_fails_the_invocation(cloud: Cloud) -> None:
    with pytest.raises(msgspec.ValidationError):
        cloud.function("consumer").handler({"Records": [{"eventID": "x"}]}, Context())


def test_what_the_consumer_logs_names_no_user_and_no_payload(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    consumer = cloud.function("consumer")
    secret = event(1, traits={"mail": "secret-mail"}, items=[{"item_id": "secret-item"}])
    broken = b'{"event_type":"secret-type","user_id":"secret-user"}'
    old = event(3, occurred_at=LONG_AGO)
    consumer.handler(mapped(secret, broken, old), Context())
    cloud.aws.services["DynamoDB"] = FaultyApi(
        cloud.dynamodb, FaultScript({n: Injection("access_denied") for n in range(1, 99)})
    )

    class Hurried(Context):
        def get_remaining_time_in_millis(self) -> int:
            return MARGIN_MS + 1

    consumer.handler(mapped(event(9)), Hurried())
    said = capsys.readouterr().out
    assert said
    assert "secret" not in said


# The log line.


@pytest.mark.parametrize("function", ["consumer", "collector"])
def test_the_line_is_cloudwatchs_embedded_metric_format(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    module = cloud.function(function)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", f"stack-{function}")
    asked = mapped(event(1)) if function == "consumer" else request("POST", "/v1/events", client_event())
    module.handler(asked, Context())
    said = line(capsys)
    assert said["FunctionName"] == f"stack-{function}"
    (directive,) = said["_aws"]["CloudWatchMetrics"]
    assert isinstance(said["_aws"]["Timestamp"], int)
    assert directive["Namespace"] == "Tapstack"
    assert directive["Dimensions"] == [["FunctionName"]]
    assert [metric["Name"] for metric in directive["Metrics"]] == list(module.METRICS)
    for metric in directive["Metrics"]:
        assert metric["Unit"] == "Count"
        assert isinstance(said[metric["Name"]], int)


@pytest.mark.parametrize(
    ("threshold", "level", "is_written"),
    [("INFO", "INFO", True), ("INFO", "DEBUG", False), ("ERROR", "WARNING", False), ("DEBUG", "DEBUG", True)],
)
def test_lines_below_the_level_are_left_out_unless_they_carry_metrics(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    threshold: str,
    level: str,
    is_written: bool,
) -> None:
    from tapstack.entrypoints.log import write_line

    monkeypatch.setenv("TAPSTACK_LOG_LEVEL", threshold)
    write_line(level, {"n": 1}, now_ms=1)
    assert bool(capsys.readouterr().out) is is_written
    write_line(level, {"n": 1}, metrics=("n",), now_ms=1)
    assert "_aws" in line(capsys)


def test_the_consumers_line_tells_how_long_it_took(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, clock = cloud.function("consumer"), ManualClock(NOW_S * 1_000)
    monkeypatch.setattr(consumer, "_world", msgspec.structs.replace(consumer._world, clock=clock))

    class Slow(Context):
        asked = 0

        def get_remaining_time_in_millis(self) -> int:
            Slow.asked += 1
            clock.advance_ms(7)
            return 60_000

    consumer.handler(mapped(event(1)), Slow())
    assert Slow.asked
    assert line(capsys)["duration_ms"] == 7 * Slow.asked


@pytest.mark.parametrize(
    ("asked", "status", "duration_ms"),
    [
        (request("POST", "/v1/events", client_event()), 200, 7),
        (request("POST", "/v1/events", client_event(user_id=None)), 400, 0),
        (request("POST", "/v1/events"), 400, 0),
        (request("POST", "/v1/secret", client_event()), 404, 0),
        (request("GET", "/v1/events"), 405, 0),
    ],
    ids=["taken", "invalid", "no batch", "no such path", "not the method"],
)
def test_each_request_of_the_collector_has_one_line_with_status_and_duration(
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, Any],
    status: int,
    duration_ms: int,
) -> None:
    collector, clock = cloud.function("collector"), ManualClock(NOW_S * 1_000)

    class Slow:
        def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
            clock.advance_ms(7)
            return [True] * len(entries)

    world = msgspec.structs.replace(collector._world, stream=Slow(), clock=clock)
    monkeypatch.setattr(collector, "_world", world)
    assert collector.handler(asked, None)["statusCode"] == status
    said = [found for found in lines(capsys) if "rejected" not in found]
    assert [(found["status"], found["duration_ms"]) for found in said] == [(status, duration_ms)]
    assert "secret" not in json.dumps(said)


READS: dict[str, tuple[str, str, str, str, int]] = {
    "a user": ("GET", "/v1/users/secret", "GET", "/v1/users/{id}", 404),
    "an item": ("GET", "/v1/items/secret", "GET", "/v1/items/{id}", 404),
    "partners": ("GET", "/v1/items/secret/also-bought", "GET", "/v1/items/{id}/also-bought", 404),
    "trending": ("GET", "/v1/trending", "GET", "/v1/trending", 200),
    "health": ("GET", "/healthz", "GET", "/healthz", 200),
    "an id with a slash": ("GET", "/v1/users/secret%2Fsecret", "GET", "/v1/users/{id}", 404),
    "no such path": ("GET", "/v1/secret/secret", "GET", "none", 404),
    "a write": ("POST", "/v1/users/secret", "POST", "/v1/users/{id}", 405),
    "a word that is no method": ("SECRET", "/v1/users/secret", "other", "/v1/users/{id}", 405),
}


@pytest.mark.parametrize(("method", "path", "logged", "route", "status"), READS.values(), ids=READS)
def test_each_read_has_one_line_with_its_route_and_without_its_id(
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    logged: str,
    route: str,
    status: int,
) -> None:
    insights, clock = cloud.function("insights"), ManualClock(NOW_S * 1_000)
    queries: list[str] = []

    class Slow:
        def query(self, pk: str) -> Sequence[Row]:
            queries.append(pk)
            clock.advance_ms(7)
            return []

    monkeypatch.setattr(insights, "_clock", clock)
    monkeypatch.setattr(insights, "_reader", Slow())
    assert insights.handler(request(method, path), None)["statusCode"] == status
    said = line(capsys)
    assert (said["level"], said["method"], said["route"]) == ("INFO", logged, route)
    assert (said["status"], said["duration_ms"]) == (status, 7 * len(queries))
    assert "secret" not in json.dumps(said).lower()


# The collector.


def test_events_are_taken_over_http(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    collector = cloud.function("collector")
    batch = [client_event(), client_event(), client_event(user_id="")]
    answer = collector.handler(request("POST", "/v1/events", batch), None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {
        "results": [
            {"status": "ok"},
            {"status": "duplicate"},
            {"status": "invalid", "field": "user_id", "reason": "expected `str` of length >= 1"},
        ]
    }
    assert len(cloud.kinesis.records("events")) == 1
    rejected, said = lines(capsys)
    assert (rejected["rejected"], rejected["reason"]) == ("user_id", "expected `str` of length >= 1")
    assert [said[f"events_{name}"] for name in ("ok", "duplicate", "invalid", "retry")] == [1, 1, 1, 0]
    assert "ann" not in json.dumps({key: value for key, value in said.items() if key != "_aws"})


def test_each_rejected_event_has_a_line_up_to_twenty_and_none_holds_a_value(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    changes: list[dict[str, Any]] = [
        {"event_type": "secret-type"},
        {"event_type": "secret - at `$.x"},
        {"event_id": "secret" * 20},
        {"user_id": "secret" * 99},
        {"user_id": "secret" + "😀" * 126},
        {"client_id": "secret-client-of-thirty-six-letters-", "n": 1},
        {"occurred_at": "secret"},
        {"items": [{"item_id": "i", "currency": "secret"}]},
        {"items": [{"item_id": "i", "price": "secret"}]},
        {"context": "secret"},
        {"x" * 1_000: "secret"},
    ]
    bad = [client_event(**change) for change in changes]
    batch = [*bad, *bad, *bad, "secret", client_event(user_id="secret-user")]
    collector = cloud.function("collector")
    assert collector.handler(request("POST", "/v1/events", batch), None)["statusCode"] == 200
    *rejected, said = lines(capsys)
    assert len(rejected) == collector.REJECTED_LOGGED_MAX == 20
    assert "secret" not in json.dumps([rejected, said])
    for each in rejected:
        assert set(each) == {"level", "FunctionName", "rejected", "reason"}
        assert each["level"] == "WARNING"
        assert each["rejected"]
        assert each["reason"]
        assert len(json.dumps(each)) < 512
    assert (said["events_invalid"], said["events_ok"]) == (len(batch) - 1, 1)


LOGGED_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "a known one": ({"user_id": ""}, "user_id"),
    "a known one in an item": ({"items": [{"item_id": "i"}, {"item_id": ""}]}, "items[1].item_id"),
    "one the collector sets": ({"received_at": LONG_AGO}, "received_at"),
    "an unknown one": ({"secret@example.com": 1}, "unknown field"),
    "an unknown one in an item": ({"items": [{"item_id": "i", "secret": 1}]}, "unknown field"),
    "one that looks like a path": ({"user_id.secret": 1}, "unknown field"),
    "one that looks like a place": ({"x` - at `$.secret": 1}, "unknown field"),
    "one that looks like another's end": ({"secret` - at `$.items[0].name": 1}, "unknown field"),
    "one that begins like a known one": ({"user_id\nsecret": 1}, "unknown field"),
    "none": ({"": 1}, "event"),
}


@pytest.mark.parametrize(("change", "logged"), LOGGED_FIELDS.values(), ids=LOGGED_FIELDS)
def test_of_a_field_that_the_schema_does_not_name_the_log_tells_no_name(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], change: dict[str, Any], logged: str
) -> None:
    answer = cloud.function("collector").handler(request("POST", "/v1/events", client_event(**change)), None)
    (result,) = json.loads(answer["body"])["results"]
    assert result["status"] == "invalid"
    rejected, said = lines(capsys)
    assert rejected["rejected"] == logged
    assert "secret" not in json.dumps([rejected, said])


def test_what_is_no_object_is_rejected_as_an_event(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.function("collector").handler(request("POST", "/v1/events", [7]), None)
    rejected, _ = lines(capsys)
    assert (rejected["rejected"], rejected["reason"]) == ("event", "expected `object`, got `int`")


def test_half_an_emoji_harms_its_own_event_only(cloud: Cloud) -> None:
    whole = [msgspec.json.encode(client_event(event_id=name)).decode() for name in ("e-1", "e-2")]
    half = json.dumps(client_event(event_id="e-3", query="\ud83d"))  # escaped, as JavaScript does
    answer = cloud.function("collector").handler(
        request("POST", "/v1/events") | {"body": f"[{whole[0]},{half},{whole[1]}]"}, None
    )
    assert answer["statusCode"] == 200
    results = json.loads(answer["body"])["results"]
    assert [result["status"] for result in results] == ["ok", "invalid", "ok"]
    assert results[1]["reason"] == "expected JSON"


def test_a_compressed_batch_is_taken(cloud: Cloud) -> None:
    body = base64.b64encode(gzip.compress(msgspec.json.encode([client_event()]))).decode()
    asked = request("POST", "/v1/events", headers={"content-encoding": "gzip"}, isBase64Encoded=True) | {
        "body": body
    }
    assert cloud.function("collector").handler(asked, None)["statusCode"] == 200


BAD_BODIES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"body": None}, "expected a JSON object, or an array of objects"),
    "not JSON": ({"body": "<xml/>"}, "expected a JSON object, or an array of objects"),
    "too large": ({"body": " " * 65_537}, "expected a body of at most 65536 bytes"),
    "not base64": ({"body": "%", "isBase64Encoded": True}, "the body is not base64"),
    "nested without end": ({"body": "[" * 60_000}, "expected a JSON object, or an array of objects"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_no_batch_is_answered_400(cloud: Cloud, changes: dict[str, Any], message: str) -> None:
    answer = cloud.function("collector").handler(request("POST", "/v1/events") | changes, None)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"]) == {"code": "invalid_request", "message": message}


ELSEWHERE: dict[str, tuple[str, str, int, str | None]] = {
    "a read": ("GET", "/v1/events", 405, "POST"),
    "a replacement": ("PUT", "/v1/events", 405, "POST"),
    "a method in small letters": ("post", "/v1/events", 405, "POST"),
    "another path": ("POST", "/v1/event", 404, None),
    "a path below": ("POST", "/v1/events/1", 404, None),
    "another version": ("POST", "/v2/events", 404, None),
    "the root": ("POST", "/", 404, None),
    "a slash that is encoded": ("POST", "/v1%2Fevents", 404, None),
    "another path, read": ("GET", "/v1/users/ann", 404, None),
}


@pytest.mark.parametrize(("method", "path", "status", "allowed"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_events_are_taken_by_one_method_at_one_path_only(
    cloud: Cloud, method: str, path: str, status: int, allowed: str | None
) -> None:
    answer = cloud.function("collector").handler(request(method, path, client_event()), None)
    assert (answer["statusCode"], answer["headers"].get("allow")) == (status, allowed)
    assert set(json.loads(answer["body"])) == {"code", "message"}
    assert cloud.kinesis.records("events") == []


OK, DUPLICATE, RETRY = Result("ok"), Result("duplicate"), Result("retry")
INVALID, NOT_JSON = Result("invalid", "user_id", "is required"), Result("invalid", None, "expected JSON")
STATUSES: dict[str, tuple[list[Result], int, str | None]] = {
    "all stored": ([OK, OK], 200, None),
    "stored and known": ([OK, DUPLICATE], 200, None),
    "some invalid": ([INVALID, OK], 200, None),
    "all invalid": ([INVALID, NOT_JSON], 400, "user_id: is required"),
    "all invalid, of no field": ([NOT_JSON], 400, "expected JSON"),
    "some to be sent again": ([OK, RETRY, INVALID], 503, "send the events marked retry again, unchanged"),
    "all to be sent again": ([RETRY], 503, "send the events marked retry again, unchanged"),
}


@pytest.mark.parametrize(("results", "status", "message"), STATUSES.values(), ids=STATUSES)
def test_the_answers_status_says_what_the_sender_should_do(
    results: list[Result], status: int, message: str | None
) -> None:
    answer = respond(results)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == status
    assert len(body["results"]) == len(results)
    assert body.get("message") == message
    assert ("code" in body) == (status != 200)
    assert ("retry-after" in answer["headers"]) == (status == 503)


# The insights API.


def test_what_was_consumed_is_read_over_http(cloud: Cloud) -> None:
    cloud.function("consumer").handler(mapped(event(1)), Context())
    answer = cloud.function("insights").handler(request("GET", "/v1/users/secret-user"), None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["counts"] == {"item_view": 1}


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no such user": (request("GET", "/v1/users/nobody"), 404, "not_found"),
    "no such path": (request("GET", "/v2"), 404, "not_found"),
    "a bad parameter": (
        request("GET", "/v1/trending", queryStringParameters={"n": "0"}),
        400,
        "invalid_request",
    ),
    "a write": (request("POST", "/v1/users/ann"), 405, "method_not_allowed"),
}


@pytest.mark.parametrize(("asked", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_answered_is_refused_with_a_code(
    cloud: Cloud, asked: dict[str, Any], status: int, code: str
) -> None:
    answer = cloud.function("insights").handler(asked, None)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (status, code)


def test_a_table_that_does_not_answer_is_a_503(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.aws.services["DynamoDB"] = FaultyApi(cloud.dynamodb, FaultScript({1: Injection("throttle")}))
    answer = cloud.function("insights").handler(request("GET", "/v1/users/secret-user"), None)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "1")
    said = line(capsys)
    assert (said["level"], said["status"], said["route"]) == ("WARNING", 503, "/v1/users/{id}")
    assert said["error"]
    assert "secret" not in json.dumps(said)


# Imports.


@pytest.mark.parametrize("function", ["consumer", "collector", "insights"])
def test_a_function_imports_its_own_stage_and_no_boto3(function: str) -> None:
    others = {"consumer", "collector", "insights"} - {function}
    script = f"import sys, tapstack.entrypoints.{function}; print(*sys.modules)"
    environment = {**ENVIRONMENT, "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {name.partition(".")[0] for name in loaded}.isdisjoint(
        {"boto3", "botocore", "aiohttp", "click", "rich"}
    )
    assert not {f"tapstack.{stage}" for stage in (*others, "testing", "local")} & loaded


@pytest.mark.parametrize("function", ["consumer", "collector", "insights"])
def test_a_missing_variable_fails_the_import_with_its_name(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    name = "TAPSTACK_STREAM" if function == "collector" else "TAPSTACK_TABLE"
    monkeypatch.delenv(name)
    with pytest.raises(Exception, match=f"^{name}: is required$"):
        cloud.function(function)
