"""Whatever a request of another format holds: its cost, its records and its answer are bounded."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from format_world import Answered, ask

from tapstack.collector.bodies import EVENTS_MAX
from tapstack.collector.translation.reading import SHARED_BYTES_MAX

REQUEST_BYTES_MAX = 1_000_000
ANSWER_BYTES_MAX = 1_000_000  # of the function's answer, as tests/entrypoints/test_collector_bounds.py has it
COST_TIMES_MAX = 30  # 12 on a quiet machine, for items of which no field fits
RECORDS_BYTES_MAX = SHARED_BYTES_MAX + 2 * REQUEST_BYTES_MAX


def times(event: dict[str, Any], name: str = "batch", **shared: Any) -> bytes:
    """As many of an event as a request may hold."""
    text = json.dumps(event)
    room = REQUEST_BYTES_MAX - len(json.dumps({name: [], **shared}))
    count = min(EVENTS_MAX, room // (len(text) + 2))
    return json.dumps({name: [event] * count, **shared}).encode()


ORDER = {"type": "track", "event": "Order Completed", "userId": "u"}
VIEW = {"type": "track", "event": "Product Viewed", "userId": "u"}
UNFIT = {"product_id": "a", "price": [1], "quantity": "x", "name": [1], "brand": [2], "position": "z"}
PAGE = {"type": "page", "userId": "u"}
SEGMENT, SNOWPLOW = "/v1/batch", "/com.snowplowanalytics.snowplow/tp2"
GOOD = times({**ORDER, "properties": {"products": [{"product_id": "mug", "price": 1}] * 5, "a": "text" * 20}})
COSTLY: dict[str, tuple[str, bytes]] = {
    "items of which no field fits": (SEGMENT, times({**ORDER, "properties": {"products": [UNFIT] * 100}})),
    "items that are none": (SEGMENT, times({**ORDER, "properties": {"products": [{}] * 5_000}})),
    "more items than an event has": (SEGMENT, times({**ORDER, "properties": {"products": [1] * 9_000}})),
    "many notes": (
        SEGMENT,
        times({**VIEW, "properties": {"product_id": 1, "price": "x", "name": [1], "brand": [1]}}),
    ),
    "names that are taken": (
        SEGMENT,
        times({**PAGE, "channel": 1, "context": {"channel" + "_" * n: n for n in range(200)}}),
    ),
    "nothing": (SEGMENT, times({})),
    "a long name": (SEGMENT, times({**VIEW, "event": "aB" * 15_000})),
    "a long id": (SEGMENT, times({**PAGE, "messageId": "m" * 30_000})),
    "a long time": (SEGMENT, times({**PAGE, "timestamp": "1" * 30_000})),
    "context that each event shares": (SEGMENT, times(PAGE, context={"a": "x" * 30_000})),
    "a time that each event shares": (SEGMENT, times(PAGE, sentAt="x" * 500_000)),
    "another that each event shares": ("/batch", times({"event": "x"}, sent_at="x" * 500_000)),
    "properties that each event shares": (
        "/mp/collect",
        times({"name": "x"}, "events", client_id="u", user_properties={f"k{n}": n for n in range(2_000)}),
    ),
    "no numbers": (SEGMENT, b'{"batch":[' + b"NaN," * 240_000 + b"1]}"),
    "halves of emojis": (SEGMENT, b'{"batch":["' + rb"\ud83d" * 160_000 + b'"]}'),
    "quotes, and half an emoji": (SEGMENT, b'{"batch":["' + rb"\"" * 490_000 + rb'\ud83d"]}'),
    "brackets": (SEGMENT, b"[" * REQUEST_BYTES_MAX),
    "events of no user": (SNOWPLOW, times({"e": "pv"}, "data")),
    "no base64": (SNOWPLOW, times({"e": "ue", "uid": "u", "ue_px": "%" * 30_000}, "data")),
    "a form": ("/e", b"data=" + b"%7B" * 300_000),
    "users of long names": ("/users", times({"userId": "u" * 300}, "users")),
}


def cost(path: str, body: bytes) -> tuple[float, Answered]:
    """The least CPU seconds of two tries, and the answer."""
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        answer = ask("POST", path, body, is_checked=False)
        best = min(best, time.process_time() - began)
    return best, answer


@pytest.fixture(scope="module")
def good_cpu_s() -> float:
    return cost(SEGMENT, GOOD)[0] * REQUEST_BYTES_MAX / len(GOOD)


@pytest.mark.parametrize(("path", "body"), COSTLY.values(), ids=COSTLY)
def test_no_request_costs_or_becomes_many_times_what_good_events_of_its_length_do(
    path: str, body: bytes, good_cpu_s: float
) -> None:
    assert len(body) <= REQUEST_BYTES_MAX
    cpu_s, answer = cost(path, body)
    assert cpu_s < COST_TIMES_MAX * good_cpu_s
    assert sum(map(len, answer.data)) < RECORDS_BYTES_MAX
    assert len(json.dumps(answer.body.decode())) < ANSWER_BYTES_MAX
    assert answer.results


def test_what_events_share_may_be_as_long_as_the_contexts_of_libraries_are() -> None:
    calls = [{**PAGE, "messageId": f"m-{n}"} for n in range(1_000)]
    assert len(ask("POST", SEGMENT, {"batch": calls, "context": {"a": "x" * 4_000}}).data) == 1_000


def test_a_base64_text_is_no_longer_than_its_event() -> None:
    packed = base64.b64encode(b'{"data": {"data": "' + b"x" * 33_000 + b'"}}').decode()
    answer = ask("POST", SNOWPLOW, {"data": [{"e": "ue", "uid": "u", "ue_px": packed}]})
    assert answer.json["rejected"][0]["reason"].startswith("expected at most 32768 bytes, got 44")
