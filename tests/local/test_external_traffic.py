"""Others who use the API while a run is under way: what they send may count, and spoils no verdict."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from reconcile_world import letter

from tapstack_local.external_traffic import ExternalTraffic
from tapstack_local.reconciliation.accepted_events import AcceptedEvents, digest
from tapstack_local.reconciliation.tables import Tables, UserRow

EVENT = {
    "event_type": "item_view",
    "event_id": "e",
    "user_id": "me",
    "occurred_at": "2026-11-27T12:00:00Z",
    "items": [{"item_id": "i"}],
}


def put_body(*events: Mapping[str, Any]) -> bytes:
    data = [base64.b64encode(json.dumps(event).encode()).decode() for event in events]
    return json.dumps(
        {"StreamName": "s", "Records": [{"Data": each, "PartitionKey": "k"} for each in data]}
    ).encode()


@pytest.mark.parametrize(
    ("method", "headers", "doubted"),
    [
        ("POST", {"User-Agent": "curl/8"}, 1),
        ("POST", {}, 1),
        ("POST", {"User-Agent": "own"}, 0),
        ("GET", {"User-Agent": "curl/8"}, 0),
    ],
)
def test_what_is_put_is_in_doubt_once_somebody_else_has_posted(
    method: str, headers: dict[str, str], doubted: int
) -> None:
    ledger = AcceptedEvents()
    external = ExternalTraffic(ledger, "own")
    external.request(method, headers)
    external.put(put_body(EVENT))
    assert (len(ledger.doubted()), external.request_count) == (doubted, doubted)


def test_a_record_of_another_wire_format_is_in_doubt_though_it_came_by_get() -> None:
    ledger = AcceptedEvents()
    external = ExternalTraffic(ledger, "own")
    external.request("GET", {"User-Agent": "a browser"})
    external.put(put_body({**EVENT, "event_id": "own"}, {**EVENT, "protocol": "snowplow"}))
    assert [identity[2] for identity in ledger.doubted()] == ["e"]


def test_what_the_sender_gets_an_answer_for_is_not_in_doubt() -> None:
    ledger = AcceptedEvents()
    external = ExternalTraffic(ledger, "own")
    external.request("POST", {})
    external.put(put_body(EVENT, {**EVENT, "event_id": "f"}))
    ledger.accept(EVENT)
    assert [identity[2] for identity in ledger.doubted()] == ["f"]


def test_what_came_of_events_of_others_is_told_apart() -> None:
    accepted = AcceptedEvents()
    external = ExternalTraffic(accepted, "own")
    external.request("POST", {})
    old = {**EVENT, "event_id": "old"}
    external.put(put_body(EVENT, {**EVENT, "event_id": "own"}, {**EVENT, "event_id": "on its way"}, old))
    accepted.accept({**EVENT, "event_id": "own"})
    ids = {digest("e"): 1, digest("own"): 1}
    row = UserRow({}, ids, floor_s=0, floor_day=0, counters={1: 2}, pairs_count=0)
    stored = letter(json.dumps(old).encode())
    assert external.counted(Tables(users={"U#me": row}, late=[stored, stored])) == (1, 1)
    assert external.counted(Tables()) == (0, 0)


def test_what_is_counted_is_counted_by_source() -> None:
    external = ExternalTraffic(AcceptedEvents(), "own")
    web, app = ({**EVENT, "event_id": name, "source": name} for name in ("web", "app"))
    external.put(put_body(web, app, web, {**app, "event_id": "on its way"}, {**EVENT, "event_id": "none"}))
    ids = {digest(name): 1 for name in ("web", "app", "none")}
    row = UserRow({}, ids, floor_s=0, floor_day=0, counters={1: 3}, pairs_count=0)
    assert external.by_source(Tables(users={"U#me": row})) == {"app": 1, "web": 1}
    assert external.by_source(Tables()) == {}
