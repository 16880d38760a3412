"""The collector as the load balancer calls it: requests, answers, and what it logs of rejected events."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import msgspec
import pytest
from functions_world import LONG_AGO, Cloud, line, lines, request

from event_strategies import client_event
from tapstack.collector.bodies import NO_BATCH
from tapstack.collector.formats.native import reply
from tapstack.collector.intake import (
    Result,
)
from tapstack.http import Request
from tapstack_emulator import FaultScript, FaultyApi, Injection


def test_events_are_taken_over_http(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    collector = cloud.function("collector")
    batch = [client_event(), client_event(), client_event(user_id="")]
    answer = collector.handler(request("POST", "/v1/events", batch), None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {
        "results": [
            {"status": "ok"},
            {"status": "duplicate"},
            {"status": "invalid", "field": "user_id", "reason": "user_id or anonymous_id is required"},
        ]
    }
    assert len(cloud.kinesis.records("events")) == 1
    rejected, said = lines(capsys)
    assert (rejected["rejected"], rejected["reason"]) == ("user_id", "user_id or anonymous_id is required")
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
        {"items": [{"item_id": "secret\n"}]},
        {"items": [{"item_id": "i", "price": "secret"}]},
        {"context": "secret"},
        {"x" * 1_000: "secret"},
    ]
    bad = [client_event(**change) for change in changes]
    batch = [*bad, *bad, *bad, "secret", client_event(user_id="secret-user")]
    collector = cloud.function("collector")
    assert collector.handler(request("POST", "/v1/events", batch), None)["statusCode"] == 200
    *rejected, said = lines(capsys)
    assert len(rejected) == 20
    assert "secret" not in json.dumps([rejected, said])
    for each in rejected:
        assert set(each) == {"level", "FunctionName", "rejected", "reason"}
        assert each["level"] == "WARNING"
        assert each["rejected"]
        assert each["reason"]
        assert len(json.dumps(each)) < 512
    assert (said["events_invalid"], said["events_ok"]) == (len(batch) - 1, 1)
    assert said["warnings_left_out"] == len(batch) - 1 - 20


def test_a_request_to_be_sent_again_has_a_line_at_once(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    collector = cloud.function("collector")
    collector.handler(request("POST", "/v1/events", client_event()), None)
    capsys.readouterr()
    cloud.aws.services["Kinesis"] = FaultyApi(
        cloud.kinesis, FaultScript({number: Injection("internal_error") for number in range(1, 100)})
    )
    spilled = collector.handler(request("POST", "/v1/events", client_event()), None)
    assert (spilled["statusCode"], len(cloud.aws.objects)) == (200, 1)
    capsys.readouterr()
    cloud.aws.takes_objects = False
    answer = collector.handler(request("POST", "/v1/events", [client_event(), client_event()]), None)
    assert answer["statusCode"] == 503
    assert line(capsys) == {"level": "WARNING", "FunctionName": "", "status": 503, "events": 2}


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


@pytest.mark.parametrize("path", ["/v1/events", "/v1/batch", "/batch/", "/mp/collect"])
def test_a_header_that_cannot_be_read_is_in_no_line(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    asked = request("POST", path, {}, headers={"content-encoding": "secret@example.com"})
    assert cloud.function("collector").handler(asked, None)["statusCode"] == 400
    rejected, said = lines(capsys)
    assert rejected["reason"]
    assert "secret" not in json.dumps([rejected, said])


def test_what_is_no_object_is_rejected_as_an_event(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.function("collector").handler(request("POST", "/v1/events", [7]), None)
    rejected, _ = lines(capsys)
    assert (rejected["rejected"], rejected["reason"]) == ("event", "expected an object, got a number")


def test_half_an_emoji_harms_its_own_event_only(cloud: Cloud) -> None:
    whole = [msgspec.json.encode(client_event(event_id=name)).decode() for name in ("e-1", "e-2")]
    half = json.dumps(client_event(event_id="e-3", query="\ud83d"))  # escaped, as JavaScript does
    answer = cloud.function("collector").handler(
        request("POST", "/v1/events") | {"body": f"[{whole[0]},{half},{whole[1]}]"}, None
    )
    assert answer["statusCode"] == 200
    results = json.loads(answer["body"])["results"]
    assert [result["status"] for result in results] == ["ok", "invalid", "ok"]
    assert results[1]["reason"].startswith("expected JSON: half of a surrogate pair")


def test_a_compressed_batch_is_taken(cloud: Cloud) -> None:
    body = base64.b64encode(gzip.compress(msgspec.json.encode([client_event()]))).decode()
    asked = request("POST", "/v1/events", headers={"content-encoding": "gzip"}, isBase64Encoded=True) | {
        "body": body
    }
    assert cloud.function("collector").handler(asked, None)["statusCode"] == 200


BAD_BODIES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"body": None}, f"{NO_BATCH}; the body is empty"),
    "not JSON": ({"body": "<xml/>"}, f"{NO_BATCH}; line 1, column 1 (byte 0): invalid character"),
    "too large": ({"body": " " * 65_537}, "expected a body of at most 65536 bytes"),
    "not base64": ({"body": "%", "isBase64Encoded": True}, "the body is not base64"),
    "nested without end": ({"body": "[" * 60_000}, f"{NO_BATCH}; it is nested too deep"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_no_batch_is_answered_400(cloud: Cloud, changes: dict[str, Any], message: str) -> None:
    answer = cloud.function("collector").handler(request("POST", "/v1/events") | changes, None)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"]) == {"code": "invalid_request", "message": message}


ELSEWHERE: dict[str, tuple[str, str, int, str | None]] = {
    "a read of the head": ("HEAD", "/v1/events", 405, "POST, OPTIONS"),
    "a read": ("GET", "/v1/events", 405, "POST, OPTIONS"),
    "a replacement": ("PUT", "/v1/events", 405, "POST, OPTIONS"),
    "a method in small letters": ("post", "/v1/events", 405, "POST, OPTIONS"),
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
    assert (
        (set(json.loads(answer["body"])) == {"code", "message"}) if method != "HEAD" else not answer["body"]
    )
    assert cloud.kinesis.records("events") == []


def test_options_names_the_methods(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    answer = cloud.function("collector").handler(request("OPTIONS", "/v1/events/"), None)
    assert (answer["statusCode"], answer["headers"], answer["body"]) == (204, {"allow": "POST, OPTIONS"}, "")
    assert (line(capsys)["answers"], cloud.kinesis.records("events")) == ({"204": 1}, [])


REQUEST = Request(method="POST", path=("v1", "events"))
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
    answer = reply(REQUEST, results)
    body = json.loads(answer.body)
    assert answer.status == status
    assert len(body["results"]) == len(results)
    assert body.get("message") == message
    assert ("code" in body) == (status != 200)
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)
