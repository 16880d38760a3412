"""Requests that nobody sends on purpose: recorded ones of every wire format, spoiled at random.

``make fuzz`` sends 100,000 of them to the collector in this process, a short run is among the tests. Each
request follows from the seed and its number alone, and a failure says how to send that one again. Checked:

- no exception leaves the collector, and an answer of 5xx comes only with events that are to be sent again;
- each event of a request has one fate: what is ``ok`` is on the stream or spilled, once and as the
  consumer reads it; what is refused has its reason, and is in quarantine unless nothing was said;
- an answer is no larger than the load balancer passes on, and memory does not grow with what was sent.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import resource
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from collectors import dependencies_of
from tapstack.collector.enrichment.order import CONSENTS, STEPS, Enrichment
from tapstack.collector.enrichment.pseudonyms import Pseudonymise
from tapstack.collector.formats import FORMATS
from tapstack.core.events import EVENT_BYTES_MAX, decode_event
from tapstack.entrypoints.alb import read_request
from tapstack.entrypoints.collector_request import Taken, take
from tapstack.errors import Unavailable
from tapstack.http import RequestError
from tapstack.ports import StreamEntry
from tapstack.spill import decode as decode_spilled
from tapstack_emulator import ManualClock
from tapstack_local.traffic import generate

REQUESTS = 100_000
HASHED = Pseudonymise(("user_id", "traits.email", "context.ip", "properties.a.b"))
NOW_MS = 1_795_968_840_000  # a minute after the recordings were made
REQUEST_BYTES_MAX = 1_000_000
ANSWER_BYTES_MAX = 1_000_000  # of a function behind a load balancer
MEMORY_GROWTH_MIB_MAX = 64
RECORDED = Path(__file__).parent / "recorded"
# What JSON, our fields and other programs make of odd values.
VALUES: Sequence[Any] = (
    None,
    True,
    False,
    "",
    " ",
    "null",
    "undefined",
    "\u0000",
    "\ufeff",
    "é" * 300,
    "x" * 40_000,
    0,
    -1,
    1.5,
    "1.5",
    2**53,
    2**63,
    2**64,
    -(2**80),
    1e308,
    -0.0,
    "NaN",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"b": ["c"]}},
    "2026-11-29T16:13:11Z",
    "9999-12-31T23:59:59.999999-23:59",
    "0000-00-00",
    1_795_968_791,
    "purchase",
    "EUR",
)
TOKENS = (
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"\\ud83d",
    b"\xff\xfe",
    b"\x00",
    b'"',
    b"{",
    b"}",
    b"[" * 70,
    b"]",
    b",",
    b"\\",
    b":",
    b"\xef\xbb\xbf",
    b"data=",
    b"%00",
    b"\n",
    b'{"event_type":"custom"}',
)  # fmt: skip
NAMES = (
    "event_id",
    "user_id",
    "items",
    "occurred_at",
    "received_at",
    "batch",
    "properties",
    "context",
    "n",
    "",
)
HEADERS = ("content-type", "content-encoding", "authorization", "ce-id", "ce-type", "ce-source")
HEADER_VALUES = ("", "gzip", "br", "deflate, gzip", "Basic x", "%ff", "application/json")
ORIGINS = ("https://shop.example", "null")


CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "com.shop.item.viewed.v1",
    "time": "2026-11-29T16:13:11Z",
    "data": {"userId": "u", "items": [{"id": "i"}]},
}
PURCHASE = {"currency": "EUR", "value": 9.5, "items": [{"item_id": "i", "price": 9.5, "quantity": 1}]}
BODIES: Sequence[tuple[str, Any]] = (
    ("/v1/cloudevents", [{**CLOUD_EVENT, "id": str(n)} for n in range(4)]),
    ("/v1/cloudevents", CLOUD_EVENT),
    ("/mp/collect?api_secret=k", {"client_id": "c", "events": [{"name": "purchase", "params": PURCHASE}]}),
    ("/e/", {"event": "$pageview", "properties": {"distinct_id": "u", "token": "k"}}),
    ("/v1/track", {"userId": "u", "event": "Product Added", "properties": {"product_id": "i"}}),
    ("/v1/page", {"anonymousId": "u"}),
    ("/items", {"datasetArn": "d", "items": [{"itemId": "i"}]}),
    ("/users", {"datasetArn": "d", "users": [{"userId": "u", "properties": '{"a": 1}'}]}),
)
GETS = (
    "/pixel/v1/track?userId=u&event=x&writeKey=k&properties={}",
    "/i?e=pv&uid=u&eid=1&dtm=1795968791000",
    "/e?data=eyJldmVudCI6IngiLCJkaXN0aW5jdF9pZCI6InUifQ%3D%3D",
    "/v1/projects/k/settings",
)


class Request:
    """A request that can be spoiled."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.path, _, query = target.partition("?")
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        self.headers = headers
        self.body = body

    def event(self) -> dict[str, Any]:
        """Return it as the load balancer hands it on."""
        return {
            "httpMethod": self.method,
            "path": self.path,
            "queryStringParameters": self.query,
            "headers": self.headers,
            "body": base64.b64encode(self.body).decode(),
            "isBase64Encoded": True,
        }


class _Stream:
    """A stream that refuses some entries, and at times all."""

    def __init__(self, random: Random) -> None:
        self.data: list[bytes] = []
        self._random = random
        self._refuses = random.choice([0.0, 0.0, 0.0, 0.3, 1.0])

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        stored = [self._random.random() >= self._refuses for _ in entries]
        self.data += [entry.data for entry, is_stored in zip(entries, stored, strict=True) if is_stored]
        return stored


class _Bucket:
    """A bucket, or none that answers."""

    def __init__(self, *, is_there: bool) -> None:
        self.objects: list[bytes] = []
        self._is_there = is_there

    def put(self, _key: str, body: bytes) -> None:
        if not self._is_there:
            raise Unavailable("s3: no answer")
        self.objects.append(body)


def originals() -> list[Request]:
    """Return requests of every format: recorded ones, the shop's in the native one, and some by hand."""
    recorded = [json.loads(path.read_text()) for path in sorted(RECORDED.glob("*.json"))]
    found = [
        Request(said["method"], said["path"], said["headers"], said["body"].encode())
        for recording in recorded
        for said in recording["requests"]
    ]
    shop = [event for request in generate(1, 400, base_ms=NOW_MS - 60_000) for event in request.events]
    for size in (1, 5, 30):
        events = [event for event in shop[:size] if isinstance(event, dict)]
        found.append(Request("POST", "/v1/events", {}, msgspec.json.encode(events)))
        found.append(Request("POST", "/v1/events", {}, b"\n".join(map(msgspec.json.encode, events))))
    found += [Request("POST", target, {}, msgspec.json.encode(body)) for target, body in BODIES]
    found += [Request("GET", target, {}, b"") for target in GETS]
    denied = [{**event, "consent": {"analytics": False}} for event in shop[:5] if isinstance(event, dict)]
    found.append(Request("POST", "/v1/events", {}, msgspec.json.encode(denied)))
    return found


def spoiled(original: Request, others: Sequence[Request], random: Random) -> Request:
    """Return a request made of another."""
    request = Request(original.method, original.path, dict(original.headers), original.body)
    request.query = dict(original.query)
    request.headers.pop("content-encoding", None)
    for _ in range(random.choice([0, 1, 1, 2, 4])):
        random.choice(_SPOILERS)(request, others, random)
    _encode(request, random)
    if random.random() < 0.1:
        request.headers["origin"] = random.choice(ORIGINS)
    return request


def _spoil_value(request: Request, _others: Sequence[Request], random: Random) -> None:
    try:
        said = json.loads(request.body)
    except (ValueError, RecursionError):
        return
    place, key = _place(said, random)
    if place is None:
        said = random.choice(VALUES)
    elif isinstance(place, dict) and random.random() < 0.3:
        place[random.choice(NAMES)] = place.pop(key)
    elif random.random() < 0.2:
        del place[key]
    elif isinstance(place, list) and random.random() < 0.3:
        place *= random.choice([2, 20])
    else:
        place[key] = random.choice(VALUES)
    request.body = json.dumps(said).encode(errors="surrogatepass")[: 4 * REQUEST_BYTES_MAX]


def _place(said: Any, random: Random) -> tuple[Any, Any]:
    """Draw a place in JSON: what holds it, and its key; None for the whole."""
    holder, key = None, None
    while isinstance(said, dict | list) and said and (holder is None or random.random() < 0.75):
        holder = said
        key = random.choice(list(said)) if isinstance(said, dict) else random.randrange(len(said))
        said = holder[key]
    return holder, key


def _spoil_bytes(request: Request, _others: Sequence[Request], random: Random) -> None:
    body = request.body
    at = random.randrange(len(body) + 1)
    end = min(len(body), at + random.choice([0, 1, 1, 10, 1_000]))
    request.body = body[:at] + random.choice([*TOKENS, bytes([random.randrange(256)]), b""]) + body[end:]


def _cut(request: Request, _others: Sequence[Request], random: Random) -> None:
    request.body = request.body[: random.randrange(len(request.body) + 1)]


def _splice(request: Request, others: Sequence[Request], random: Random) -> None:
    other = random.choice(others)
    request.body = request.body[: random.randrange(len(request.body) + 1)] + other.body
    if random.random() < 0.5:
        request.path = other.path


def _spoil_query(request: Request, _others: Sequence[Request], random: Random) -> None:
    name = random.choice([*request.query, "e", "data", "dtm", "userId", "co", "ue_px"])
    request.query[name] = str(random.choice(VALUES))[:2_000]


def _spoil_line(request: Request, others: Sequence[Request], random: Random) -> None:
    if random.random() < 0.5:
        request.method = random.choice(["GET", "POST", "HEAD", "OPTIONS", "PUT", "post", ""])
    else:
        other = random.choice(others).path
        request.path = random.choice([other, request.path + "/", "/", "/v1/%ff", "/v1//events"])


def _spoil_headers(request: Request, _others: Sequence[Request], random: Random) -> None:
    request.headers[random.choice(HEADERS)] = random.choice(HEADER_VALUES)


def _encode(request: Request, random: Random) -> None:
    how = random.random()
    if how < 0.15:
        request.body = gzip.compress(request.body, 1)
    elif how < 0.2:
        request.body = zlib.compress(request.body, 1)
        request.headers["content-encoding"] = "deflate"
    elif how < 0.22:
        request.body = gzip.compress(b" " * 30_000_000, 1)
        request.headers["content-encoding"] = "gzip"


_Spoiler = Callable[[Request, Sequence[Request], Random], None]
_SPOILERS: Sequence[_Spoiler] = (
    _spoil_value,
    _spoil_value,
    _spoil_value,
    _spoil_bytes,
    _cut,
    _splice,
    _spoil_query,
    _spoil_line,
    _spoil_headers,
)


def send(number: int, seed: int, requests: Sequence[Request]) -> tuple[Taken, str]:
    """Send a request and check what came of it; return its answer and its format's name."""
    random = Random(f"{seed} {number}")
    request = spoiled(random.choice(requests), requests, random)
    stream = _Stream(random)
    quarantine = _Bucket(is_there=random.random() < 0.9)
    spill = _Bucket(is_there=random.random() < 0.5)
    enrichment = _enrichment(Random(f"{seed} {number} enrichment"))
    taken = take(
        request.event(),
        dependencies_of(stream, quarantine=quarantine, spill=spill, clock=ManualClock(NOW_MS)),
        request_bytes_max=REQUEST_BYTES_MAX,
        event_bytes_max=EVENT_BYTES_MAX,
        allowed_origins=ORIGINS[:1],
        enrichment=None if enrichment is None else lambda: enrichment,
    )
    spilled = [entry.data for body in spill.objects for entry in decode_spilled(body)]
    _check(taken, [*stream.data, *spilled])
    keeps_all = enrichment is None or enrichment.consent == "off"  # else what may deny is withheld
    if keeps_all and any(result.status == "invalid" for result in taken.results):
        assert quarantine.objects or _says_nothing(request), "an event was refused and not kept"
    return taken, request.path


def _enrichment(random: Random) -> Enrichment | None:
    """Return what half of the collectors do to events before they are stored."""
    if random.random() < 0.5:
        return None
    return Enrichment(
        steps=frozenset(step for step in STEPS if random.random() < 0.7),
        consent=random.choice(CONSENTS),  # type: ignore[arg-type] # one of its values
        pseudonymise=random.choice((None, HASHED)),
        key=b"k" * 32,
    )


def _says_nothing(request: Request) -> bool:
    """Return whether there was nothing to keep: no body, and no pixel's query."""
    if request.method == "GET" and request.query:
        return False
    try:
        return not request.body or not read_request(request.event()).body(REQUEST_BYTES_MAX).strip()
    except RequestError:
        return False


def _check(taken: Taken, stored: Sequence[bytes]) -> None:
    answer, fates = taken.answer, Counter(result.status for result in taken.results)
    status = answer["statusCode"]
    assert status in {200, 204, 400, 404, 405, 503}, status
    assert (status == 503) == (fates["retry"] > 0), (status, fates)
    assert fates["ok"] == len(stored) == len(set(stored)), fates
    assert len(json.dumps(answer)) <= ANSWER_BYTES_MAX, "the answer is too large"
    assert all(result.reason for result in taken.results if result.status == "invalid")
    for record in stored:
        decode_event(record)


def run(count: int, seed: int, *, first: int = 0) -> Counter[str]:
    """Send requests; return how many events had which fate, and how many answers which status."""
    requests, found = originals(), Counter[str]()
    memory_kib = 0
    began_s = time.monotonic()
    for number in range(first, first + count):
        try:
            taken, _ = send(number, seed, requests)
        except Exception as error:
            again = (
                f"PYTHONPATH=tests python -m tests.collector.fuzz --seed {seed} --first {number} --requests 1"
            )
            raise AssertionError(f"{type(error).__name__}: {error}; again: {again}") from error
        found.update(f"events {result.status}" for result in taken.results)
        found[f"answers {taken.answer['statusCode']}"] += 1
        if number - first == count // 10:
            memory_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if sys.stderr.isatty() and number % 500 == 0:
            print(f"\r{number - first:,} of {count:,} requests", end="", file=sys.stderr)  # noqa: T201
    growth_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_kib) / 1024
    assert growth_mib <= MEMORY_GROWTH_MIB_MAX, f"memory grew by {growth_mib:.0f} MiB"
    found["seconds"] = round(time.monotonic() - began_s)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.collector.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first request")
    options = parser.parse_args()
    for name, count in sorted(run(options.requests, options.seed, first=options.first).items()):
        print(f"{name:20}{count:>12,}")  # noqa: T201
    print(f"{len(FORMATS)} wire formats; no unplanned answer")  # noqa: T201


if __name__ == "__main__":
    main()
