"""Requests as SDKs sent them (recorded/): each event's type, user, item, value and time."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from format_world import Answered, ask

from tapstack.core.events import StreamEvent
from tapstack.spill import decode
from tapstack_emulator import MemoryBucket

RECORDINGS = {
    path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "recorded").glob("*"))
}
AT_S = 1_795_968_840  # a minute after the recordings were made
SHOPS = [name for name in RECORDINGS if not name.startswith("boto3")]
Row = tuple[Any, ...]


def answers(recording: dict[str, Any]) -> list[Answered]:
    found = []
    for request in recording["requests"]:
        body = request["body"].encode()
        if "gzip" in request["headers"].get("content-encoding", ""):
            body = gzip.compress(body)
        found.append(ask(request["method"], request["path"], body, request["headers"], now_s=AT_S))
    return found


def said(n: int, event: StreamEvent) -> Row:
    """What tests/sdk/clients/ says in its n-th event, as far as it reached the stream."""
    (item,) = event.items or (None,)
    bought = event.event_type == "purchase"
    value = event.value if bought else None
    return event.event_type, event.user_id, item and (item.item_id, item.price, item.quantity), value


def expected(n: int, *, snowplow: bool = False) -> Row:
    kind = ["item_view", "cart_add", "purchase", "page_view"][n % 4]
    if snowplow and n % 8 == 7:
        kind = "custom"
    price = 10 + n % 5
    item = None if n % 4 == 3 else (f"item-{n % 7}", price, 2)
    return kind, f"user-{n % 10}", item, 2 * price if kind == "purchase" else None


@pytest.mark.parametrize("name", SHOPS)
def test_a_recorded_request_is_the_events_that_the_shop_said(name: str) -> None:
    found = answers(RECORDINGS[name])
    events = [event for answer in found for event in answer.events]
    assert [said(n, event) for n, event in enumerate(events)] == [
        expected(n, snowplow=name.startswith("snowplow-tracker")) for n in range(len(events))
    ]
    assert len(events) in {4, 8}
    for event in events:
        assert event.clock_skew_ms == 0  # so it has a time of the client
        assert f"{event.occurred_at:%FT%H:%M}" == "2026-11-29T16:13"
        assert event.event_id
        if event.items:
            assert "EUR" in {event.currency, event.items[0].currency}
    assert len({event.event_id for event in events}) == len(events)
    for answer in found:
        assert answer.status == 200
        assert {result.status for result in answer.results} == {"ok"}
        assert not any(result.notes for result in answer.results)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_request_that_is_sent_again_is_the_same_events(name: str) -> None:
    first, again = answers(RECORDINGS[name]), answers(RECORDINGS[name])
    assert [answer.data for answer in first] == [answer.data for answer in again]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_request_is_to_be_sent_again_if_nothing_takes_it(name: str) -> None:
    for request in RECORDINGS[name]["requests"]:
        headers = {key: value for key, value in request["headers"].items() if key != "content-encoding"}
        answer = ask(request["method"], request["path"], request["body"].encode(), headers, is_open=False)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert {"code", "message"} <= set(answer.json)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_request_is_answered_as_ever_if_its_events_are_spilled(name: str) -> None:
    for request in RECORDINGS[name]["requests"]:
        headers = {key: value for key, value in request["headers"].items() if key != "content-encoding"}
        asked = request["method"], request["path"], request["body"].encode(), headers
        bucket = MemoryBucket()
        usual, answer = ask(*asked), ask(*asked, is_open=False, spill=bucket)
        assert (answer.status, answer.headers, answer.body) == (200, usual.headers, usual.body)
        (spilled,) = map(decode, bucket.objects.values())
        assert len(spilled) == len(answer.results)
