"""Packing: every delivery once, each user's in order, and users together who touch the same items."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import msgspec
import pytest
from consumer_world import DAY_S, record
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import stream_events
from tapstack.collector.intake import (
    canonical,
)
from tapstack.consumer import packing
from tapstack.consumer.packing import CANDIDATES_MAX, ROWS_PLANNED, pack
from tapstack.consumer.records import Delivery, parse
from tapstack.core.events import Event, decode_client_event, encode_event
from tapstack.errors import InvalidEvent
from tapstack_local.traffic.generate import BASE_MS, generate

contents = st.lists(stream_events(items_max=2) | st.binary(max_size=30), max_size=12)


def deliveries_of(data: list[Event | bytes | dict[str, Any]], lanes: int = 1) -> list[Delivery]:
    records = [record(number, each) for number, each in enumerate(data)]
    return parse(records, lanes=lanes, age_max_s=20 * DAY_S)[0]


def view(user: str, *item_ids: str) -> dict[str, Any]:
    return {"event_id": f"{user}-{item_ids}", "user_id": user, "items": [{"item_id": i} for i in item_ids]}


def rows_count(ordered: list[Delivery]) -> int:
    """Count users' and items' rows, cut into transactions as they come."""
    total, users, items = 0, set[Any](), set[Any]()
    for user, group in groupby(ordered, key=lambda each: each.user_key):
        touched = {(item_id, each.lane) for each in group for item_id in each.item_ids}
        if users and len(users) + 1 + len(items | touched) > ROWS_PLANNED:
            total += len(users) + len(items)
            users, items = set(), set()
        users.add(user)
        items |= touched
    return total + len(users) + len(items)


@given(contents, st.integers(1, 4))
def test_every_delivery_is_there_and_each_users_in_their_order(data: list[Event | bytes], lanes: int) -> None:
    deliveries = deliveries_of(list(data), lanes)
    ordered = pack(deliveries)
    assert sorted(ordered, key=lambda each: (each.position, each.part)) == deliveries
    users = [key for key, _ in groupby(ordered, key=lambda each: each.user_key)]
    assert len(users) == len(set(users))
    for key in users:
        assert [d for d in ordered if d.user_key == key] == [d for d in deliveries if d.user_key == key]
    found = [delivery.lane for delivery in ordered]
    assert found == sorted(found)


@given(st.permutations([(family, member) for family in range(6) for member in range(8)]))
def test_families_that_touch_the_same_items_stay_together(people: list[tuple[int, int]]) -> None:
    """Six families of eight, each around five items of its own: no row is written twice."""
    said = [
        view(f"u-{family}-{member}", *[f"i-{family}-{n}" for n in (member % 5, (member + 1) % 5)])
        for family, member in people
    ]
    ordered = pack(deliveries_of(list(said)))
    families = [key for key, _ in groupby(ordered, key=lambda each: str(each.user_key.pk).split("-")[1])]
    assert len(families) == 6


def test_generated_traffic_needs_few_more_rows_than_it_has_users_and_items() -> None:
    received_at = datetime.fromtimestamp(BASE_MS / 1_000, tz=UTC)
    data: list[bytes] = []
    for said in [event for request in generate(7, 1_100) for event in request.events]:
        with suppress(InvalidEvent):
            event = decode_client_event(said if isinstance(said, bytes) else msgspec.json.encode(said))
            data.append(encode_event(canonical(event, received_at)))
    deliveries = deliveries_of(list(data))
    least = len({each.user_key for each in deliveries})
    least += len({item_id for each in deliveries for item_id in each.item_ids})
    assert least > 500
    assert rows_count(pack(deliveries)) < 1.1 * least


@pytest.mark.parametrize("users_count", [50, 400])
def test_what_everybody_touches_costs_each_user_the_same(users_count: int) -> None:
    shared = {f"i-{n}" for n in range(30)}
    waiting = packing._Waiting([shared | {f"own-{user}"} for user in range(users_count)])
    for user in range(users_count):
        assert len(waiting.take(user, shared)) <= CANDIDATES_MAX * len(shared)
    assert not waiting.users


def test_users_without_items_are_packed_too() -> None:
    said = [
        {"event_type": "page_view", "event_id": str(n), "user_id": f"u-{n}", "items": None}
        for n in range(300)
    ]
    assert len(pack(deliveries_of(list(said)))) == 300
