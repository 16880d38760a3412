"""Write keys: where SDKs put them, whose they are, and what is answered to the others."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from format_world import Stream

from collectors import dependencies_of
from event_strategies import NOON, NOON_S
from tapstack.collector.admission import BURST_S, Admission
from tapstack.collector.formats import FORMATS
from tapstack.collector.known_sources import KnownSources
from tapstack.collector.write_keys import KEYS_OF_QUERIES
from tapstack.core.sources import Key, Source, Sources, hash_of, write_sources
from tapstack.entrypoints.collector_request import Taken, take
from tapstack.errors import Unavailable
from tapstack_emulator import ManualClock

RECORDINGS = {
    path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "recorded").glob("*"))
}
EVENT = {"event_type": "page_view", "event_id": "e", "user_id": "u"}
SHOP = "https://shop.example"


def source(name: str = "web", key: str = "key", **fields: Any) -> Source:
    return Source(id=name, keys=(Key(hash=hash_of(key), created_at=NOON),), **fields)


class Collector:
    """A collector that knows some sources, and its stream."""

    def __init__(self, *sources: Source) -> None:
        self.clock = ManualClock(NOON_S * 1_000)
        self.stream = Stream(is_open=True)
        self.document: bytes | None = write_sources(Sources(sources=sources))
        self.admission = Admission(KnownSources(self._read, self.clock), self.clock)

    def change(self, *sources: Source) -> None:
        self.document = write_sources(Sources(sources=sources))

    def _read(self) -> bytes:
        if self.document is None:
            raise Unavailable("secretsmanager: no answer")
        return self.document

    def ask(
        self,
        path: str = "/v1/events",
        body: object = EVENT,
        *,
        method: str = "POST",
        query: dict[str, str] | None = None,
        **headers: str,
    ) -> Taken:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return take(
            {
                "httpMethod": method,
                "path": path,
                "queryStringParameters": query or {},
                "headers": {name.replace("_", "-"): value for name, value in headers.items()},
                "body": base64.b64encode(raw).decode(),
                "isBase64Encoded": True,
            },
            dependencies_of(self.stream, clock=self.clock),
            request_bytes_max=100_000,
            event_bytes_max=32_768,
            admission=self.admission,
        )

    def status(self, *arguments: Any, **keywords: Any) -> int:
        status: int = self.ask(*arguments, **keywords).answer["statusCode"]
        return status

    @property
    def sources(self) -> list[str | None]:
        return [msgspec.json.decode(each).get("source") for each in self.stream.data]


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("name", RECORDINGS)
def test_each_sdk_brings_its_key_where_it_is_looked_for(name: str) -> None:
    no_key = name.startswith("snowplow")
    key = "tracker" if name.startswith("boto3") else "key"
    theirs = (
        Source(id="theirs", sends_no_key=True, formats=("snowplow",)) if no_key else source("theirs", key)
    )
    known, others = Collector(theirs), Collector(source("other", "another-key"))
    for request in RECORDINGS[name]["requests"]:
        body = request["body"].encode()
        if "gzip" in request["headers"].get("content-encoding", ""):
            body = gzip.compress(body)
        path, _, rest = request["path"].partition("?")
        query = dict(part.partition("=")[::2] for part in rest.split("&") if part)
        asked: dict[str, Any] = {"method": request["method"], "query": query, **request["headers"]}
        assert known.status(path, body, **asked) == 200
        refused = others.ask(path, body, **asked)
        assert refused.answer["statusCode"] == 401
        assert json.loads(refused.answer["body"]).keys() == {"code", "message"}
    assert set(known.sources) == {"theirs"}
    assert others.stream.data == []


PAGE = {"type": "page", "userId": "u"}
SEEN = {"event": "x", "distinct_id": "u"}
PUT_USERS = {"trackingId": "key", "users": [{"userId": "u"}]}
PLACES: dict[str, dict[str, Any]] = {
    "Basic user": {"authorization": basic("key:")},
    "Basic user with a password": {"authorization": basic("key:secret")},
    "Bearer": {"authorization": "Bearer key"},
    "header": {"x_write_key": "key"},
    "query writeKey": {"query": {"writeKey": "key"}},
    "query api_secret": {"query": {"api_secret": "key"}},
    "body writeKey": {"path": "/v1/batch", "body": {"batch": [PAGE], "writeKey": "key"}},
    "body api_key": {"path": "/batch/", "body": {"batch": [SEEN], "api_key": "key"}},
    "body token": {"path": "/e/", "body": {**SEEN, "properties": {"token": "key"}}},
    "list of bodies": {"path": "/e/", "body": [{**SEEN, "properties": {"token": "key"}}]},
    "body trackingId": {"path": "/users", "body": PUT_USERS},
    "AWS's signature says none": {
        "path": "/users",
        "body": PUT_USERS,
        "authorization": "AWS4-HMAC-SHA256 Credential=a/20261129/eu-west-1/personalize/aws4_request",
    },
}


@pytest.mark.parametrize("asked", PLACES.values(), ids=PLACES)
def test_a_key_may_stand_in_several_places(asked: dict[str, Any]) -> None:
    collector = Collector(source())
    taken = collector.ask(**asked)
    assert (taken.answer["statusCode"], taken.source, collector.sources) == (200, "web", ["web"])


NO_KEYS: dict[str, dict[str, Any]] = {
    "none": {},
    "empty": {"authorization": basic(":"), "x_write_key": ""},
    "another": {"x_write_key": "ke"},
    "no base64": {"authorization": "Basic key"},
    "a number": {"path": "/v1/batch", "body": {"batch": [PAGE], "writeKey": 7}},
}


@pytest.mark.parametrize("asked", NO_KEYS.values(), ids=NO_KEYS)
def test_without_a_key_nothing_is_stored(asked: dict[str, Any]) -> None:
    collector = Collector(source())
    assert collector.status(**asked) == 401
    assert collector.stream.data == []


def test_a_source_may_use_its_formats() -> None:
    collector = Collector(source(formats=("segment",)))
    assert collector.status(x_write_key="key") == 403
    assert collector.status("/v1/page", {"userId": "u"}, x_write_key="key") == 200


def test_a_source_may_be_used_by_pages_of_its_origins() -> None:
    collector = Collector(source(origins=(SHOP,)))
    assert collector.status(x_write_key="key") == 200  # no browser
    granted = collector.ask(x_write_key="key", origin=SHOP).answer
    assert granted["headers"]["access-control-allow-origin"] == SHOP
    assert collector.status(x_write_key="key", origin="https://other.example") == 403
    preflight = {"method": "OPTIONS", "access_control_request_method": "POST"}
    asked = collector.ask(origin=SHOP, **preflight).answer
    assert asked["headers"]["access-control-allow-origin"] == SHOP
    asked = collector.ask(origin="https://other.example", **preflight).answer
    assert "access-control-allow-origin" not in asked["headers"]


def test_an_event_that_a_source_may_not_send_harms_no_other() -> None:
    collector = Collector(source(event_types=("page_view",)))
    taken = collector.ask(body=[EVENT, {**EVENT, "event_type": "custom", "event_id": "f"}], x_write_key="key")
    assert [result.status for result in taken.results] == ["ok", "invalid"]
    assert taken.results[1].field == "event_type"


REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no key": (
        {},
        401,
        "unauthorized",
        "expected a write key: as the user of Basic, as Bearer, in x-write-key, in the query or in the body",
    ),
    "another key": ({"x_write_key": "lost"}, 401, "unauthorized", "the write key is that of no source"),
    "another format": (
        {"path": "/v1/page", "body": {"userId": "u"}, "x_write_key": "key"},
        403,
        "forbidden",
        "the source web may not send in the format segment",
    ),
    "another origin": (
        {"x_write_key": "key", "origin": "https://other.example"},
        403,
        "forbidden",
        "the source web may not be used by web pages of this origin",
    ),
}


@pytest.mark.parametrize(("asked", "status", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_a_refused_request_is_told_why(asked: dict[str, Any], status: int, code: str, message: str) -> None:
    answer = Collector(source(formats=("native",), origins=(SHOP,))).ask(**asked).answer
    assert answer["statusCode"] == status
    assert json.loads(answer["body"]) == {"code": code, "message": message}


def test_a_key_names_the_source_though_another_may_send_without_one() -> None:
    collector = Collector(Source(id="anybody", sends_no_key=True, formats=("native",)), source())
    assert collector.status(x_write_key="key") == 200
    assert collector.status(body={**EVENT, "event_id": "f"}) == 200
    assert collector.sources == ["web", "anybody"]


def test_a_source_that_sends_too_fast_is_told_when_to_send_again() -> None:
    collector = Collector(source(events_per_s_max=2), source("fast", "other"))
    for n in range(2 * BURST_S):
        assert collector.status(body={**EVENT, "event_id": f"e{n}"}, x_write_key="key") == 200
    refused = collector.ask(x_write_key="key").answer
    assert (refused["statusCode"], refused["headers"]["retry-after"]) == (429, "1")
    said = {"code": "rate_limited", "message": "web may send 2 events a second here"}
    assert json.loads(refused["body"]) == said
    assert collector.status(x_write_key="other") == 200
    collector.clock.advance_ms(500)
    assert collector.status(x_write_key="key") == 200
    assert collector.status(x_write_key="key") == 429


def test_a_request_that_is_larger_than_a_burst_leaves_a_debt_that_the_next_one_waits_for() -> None:
    collector = Collector(source(events_per_s_max=1))
    many = [{**EVENT, "event_id": f"e{n}"} for n in range(10)]
    assert collector.status(body=many, x_write_key="key") == 200
    collector.clock.advance_ms(8_000)
    assert collector.status(body=many, x_write_key="key") == 429
    collector.clock.advance_ms(1)
    assert collector.status(body=many, x_write_key="key") == 200


def test_what_cannot_be_split_into_events_counts_as_one() -> None:
    collector = Collector(source(events_per_s_max=1))
    for _ in range(BURST_S):
        assert collector.status(body=b"no json", x_write_key="key") == 400
    assert collector.status(body=b"no json", x_write_key="key") == 429


def test_a_new_key_is_let_in_after_some_seconds_and_an_old_one_refused_after_a_minute() -> None:
    collector = Collector(source(key="old"))
    assert collector.status(x_write_key="old") == 200
    collector.change(source(key="new"))
    collector.clock.advance_ms(5_001)
    assert collector.status(x_write_key="new") == 200
    assert collector.status(x_write_key="old") == 401


def test_a_format_that_a_source_was_just_given_is_not_refused_by_older_sources() -> None:
    collector = Collector(source(formats=("segment",)))
    assert collector.status(x_write_key="key") == 403
    collector.change(source())
    collector.clock.advance_ms(5_001)
    assert collector.status(x_write_key="key") == 200


def test_without_the_sources_everything_is_to_be_sent_again() -> None:
    collector = Collector()
    collector.document = None
    taken = collector.ask(x_write_key="key")
    assert (taken.answer["statusCode"], taken.answer["headers"]["retry-after"]) == (503, "1")
    assert taken.error == "secretsmanager: no answer"
    assert collector.status(x_write_key="key", origin=SHOP) == 503
    assert collector.stream.data == []


ASKED_IN_QUERIES: dict[str, tuple[str, str, dict[str, str], object]] = {
    "snowplow, a pixel": ("GET", "/i", {"e": "pv", "uid": "u", "eid": "e"}, None),
    "snowplow": ("POST", "/com.snowplowanalytics.snowplow/tp2", {}, {"data": [{"e": "pv", "uid": "u"}]}),
    "segment, a pixel": ("GET", "/v1/pixel/track", {"event": "x", "userId": "u"}, None),
    "google": ("POST", "/mp/collect", {}, {"client_id": "u", "events": [{"name": "view_item"}]}),
    "posthog, a query": ("GET", "/e", {"data": json.dumps({"event": "x", "distinct_id": "u"})}, None),
    "native": ("POST", "/v1/events", {}, EVENT),
}


@pytest.mark.parametrize("name", KEYS_OF_QUERIES)
@pytest.mark.parametrize("asked", ASKED_IN_QUERIES.values(), ids=ASKED_IN_QUERIES)
def test_no_record_holds_the_key_of_a_query(
    asked: tuple[str, str, dict[str, str], object], name: str
) -> None:
    method, path, query, body = asked
    collector = Collector(source(key="tops3cret"))
    assert collector.status(path, body, method=method, query={**query, name: "tops3cret"}) == 200
    (record,) = collector.stream.data
    assert b"tops3cret" not in record
    assert name.encode() not in record


def test_what_holds_no_event_needs_no_key() -> None:
    collector = Collector(source())
    assert collector.status("/v1/projects/key/settings", b"", method="GET") == 200
    assert collector.status(method="OPTIONS") == 204


def test_no_path_takes_events_without_a_key() -> None:
    collector = Collector(source())
    for route in (route for each in FORMATS for route in each.ROUTES):
        for method in route.methods:
            collector.ask(route.path, EVENT, method=method, query={"e": "pv", "uid": "u", "userId": "u"})
    assert collector.stream.data == []
