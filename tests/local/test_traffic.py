"""The generated clickstream: reproducible, valid but for its stated defects, in the stated proportions."""

from collections import Counter
from datetime import datetime
from itertools import chain
from statistics import mean

import msgspec
import pytest

from tapstack.core.client_events import decode_client_event
from tapstack.core.events import EVENT_BYTES_MAX
from tapstack.core.identity import partition_key
from tapstack.errors import InvalidEvent
from tapstack_local.traffic import EVENTS_PER_MIN, NO_DEFECTS, Defects, Request, generate
from tapstack_local.traffic.generate import BASE_MS

EVENTS = 30_000


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    return list(generate(7, EVENTS))


@pytest.fixture(scope="module")
def payloads(requests):
    return events_of(requests)


@pytest.fixture(scope="module")
def valid(payloads):
    return [payload for payload in payloads if is_valid(payload)]


@pytest.fixture(scope="module")
def invalid(payloads):
    return [payload for payload in payloads if not is_valid(payload)]


def events_of(requests):
    return list(chain.from_iterable(request.events for request in requests))


def encoded(payload):
    return payload if isinstance(payload, bytes) else msgspec.json.encode(payload)


def is_valid(payload):
    try:
        decode_client_event(encoded(payload))
    except InvalidEvent:
        return False
    return True


def test_the_same_seed_gives_the_same_requests_and_another_seed_others():
    first, again, other = (list(generate(seed, 500)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("events", [0, 1, 2, 3, 999, 1000])
def test_exactly_as_many_events_as_asked_for(events):
    assert len(events_of(generate(1, events))) == events


def test_moving_the_base_moves_times_and_nothing_else():
    here, there = (
        events_of(generate(1, 300, base_ms=base, defects=NO_DEFECTS)) for base in (10**12, 2 * 10**12)
    )
    for one, other in zip(here, there, strict=True):
        moving = {"occurred_at", "client_id"}
        assert {k: v for k, v in one.items() if k not in moving} == {
            k: v for k, v in other.items() if k not in moving
        }
        assert one["occurred_at"] < other["occurred_at"]


def test_requests_come_in_order_at_the_stated_rate(requests):
    times = [request.at_ms for request in requests]
    assert times == sorted(times)
    assert times[0] >= 0
    per_min = EVENTS / (times[-1] / 60_000)
    assert per_min == pytest.approx(EVENTS_PER_MIN, rel=0.15)


def test_without_sins_every_event_is_valid_and_numbered_without_gaps():
    numbers: dict[str, list[int]] = {}
    keys: dict[str, set[str]] = {}
    for payload in events_of(generate(2, 5_000, defects=NO_DEFECTS)):
        event = decode_client_event(encoded(payload))
        if event.client_id is not None:
            numbers.setdefault(event.client_id, []).append(event.n)
            keys.setdefault(event.client_id, set()).add(partition_key(event))
    assert all(ns == list(range(len(ns))) for ns in numbers.values())
    assert all(len(users) == 1 for users in keys.values()), "a client's numbers belong to one user"


def test_an_event_sent_twice_is_sent_unchanged(valid):
    seen: dict[tuple[object, ...], object] = {}
    copies = 0
    for payload in valid:
        name = (payload.get("client_id"), payload.get("n"), payload.get("event_id"))
        copies += name in seen
        assert seen.setdefault(name, payload) == payload
    defects = Defects()
    assert copies == pytest.approx(EVENTS * (defects.resent + defects.doubled), rel=0.3)


def test_the_bad_ones_come_in_the_stated_proportion(invalid):
    oversize = [payload for payload in invalid if len(encoded(payload)) > EVENT_BYTES_MAX]
    defects = Defects()
    assert len(invalid) == pytest.approx(EVENTS * (defects.malformed + defects.oversize), rel=0.4)
    assert len(oversize) == pytest.approx(EVENTS * defects.oversize, rel=0.8)


def test_what_is_invalid_is_known_by_its_type_and_nothing_else_is(valid, invalid):
    assert {type(payload) for payload in invalid} == {bytes}
    assert {type(payload) for payload in valid} == {dict}


def test_what_is_not_json_stands_alone(requests):
    for request in requests:
        if len(request.events) > 1:
            msgspec.json.decode(b"[" + b",".join(map(encoded, request.events)) + b"]")


def test_events_come_late_and_out_of_order_in_the_stated_proportion():
    defects = Defects(resent=0, doubled=0, malformed=0, oversize=0)
    highest: dict[str, int] = {}
    overtaken = 0
    for event in events_of(generate(5, EVENTS, defects=defects)):
        n = event.get("n")
        if n is not None:
            overtaken += n < highest.get(event["client_id"], -1)
            highest[event["client_id"]] = max(n, highest.get(event["client_id"], -1))
    assert EVENTS * 0.001 < overtaken < EVENTS * defects.overtaken


def test_some_events_are_ancient_in_the_stated_proportion():
    defects = Defects(ancient=0.01, late=0)
    ages = [
        (BASE_MS + request.at_ms) / 1_000 - datetime.fromisoformat(event["occurred_at"]).timestamp()
        for request in generate(9, 10_000, defects=defects)
        for event in request.events
        if isinstance(event, dict)
    ]
    ancient = [age_s for age_s in ages if age_s > 30 * 86_400]
    assert len(ancient) == pytest.approx(100, rel=0.5)
    assert max(ages) < 91 * 86_400


def test_it_looks_like_a_shop(valid):
    types = Counter(event["event_type"] for event in valid)
    assert types["item_view"] > types["cart_add"] > types["checkout_start"] > types["purchase"] > 0
    assert {"page_view", "item_list_view", "search", "item_click", "identify"} <= set(types)
    views = Counter(e["items"][0]["item_id"] for e in valid if e["event_type"] == "item_view")
    assert sum(count for _, count in views.most_common(50)) > 0.2 * types["item_view"]
    assert len(views) > 1_000


def test_identify_joins_an_anonymous_visitor_to_a_user_under_a_new_client(valid):
    clients: dict[str, set[str]] = {}
    for event in valid:
        if "client_id" in event:
            clients.setdefault(event["client_id"], set()).add(event.get("user_id") or event["anonymous_id"])
        if event["event_type"] == "identify":
            assert event["user_id"].startswith("u-")
            assert event["anonymous_id"].startswith("a-")
    assert all(len(keys) == 1 for keys in clients.values())


def test_a_thousand_events_come_from_some_hundreds_of_users(valid):
    distinct = [
        len({event.get("user_id") or event.get("anonymous_id") for event in valid[at : at + 1_000]})
        for at in range(0, len(valid) - 1_000, 1_000)
    ]
    assert 400 <= mean(distinct) <= 500


def test_one_event_in_ten_has_an_event_id_alone(valid):
    third_party = sum("event_id" in event for event in valid)
    assert third_party == pytest.approx(0.1 * EVENTS, rel=0.3)
    assert all(("event_id" in event) != ("client_id" in event) for event in valid)


def views_by_session(payloads):
    sessions: dict[str, list[str]] = {}
    for event in payloads:
        if event["event_type"] == "item_view" and "session_id" in event:
            items = sessions.setdefault(event["session_id"], [])
            if event["items"][0]["item_id"] not in items:
                items.append(event["items"][0]["item_id"])
    return sessions


@pytest.mark.parametrize("seed", [1, 7, 42, 1_000])
def test_after_ten_thousand_events_there_is_something_to_see(seed):
    payloads = [payload for payload in events_of(generate(seed, 10_000)) if is_valid(payload)]
    partners: dict[str, Counter[str]] = {}
    for items in views_by_session(payloads).values():
        for place, item in enumerate(items):
            for other in items[max(0, place - 2) : place]:
                partners.setdefault(item, Counter())[other] += 1
                partners.setdefault(other, Counter())[item] += 1
    repeated = [sum(count > 1 for count in counts.values()) for counts in partners.values()]
    assert max(repeated) >= 3, "also-viewed shows several partners that are more than chance"
    trending = Counter(e["items"][0]["item_id"] for e in payloads if e["event_type"] == "item_view")
    scores = [count for _, count in trending.most_common(3)]
    assert scores[0] > scores[2] > 20
    assert sum(len(event["items"]) > 1 for event in payloads if event["event_type"] == "purchase") >= 5


def test_what_is_bought_was_viewed_before_and_most_of_a_session_is_about_one_category():
    # Ten minutes: in one, most buyers are in the middle of their sessions when it begins.
    payloads = events_of(generate(3, 10_000, defects=NO_DEFECTS, events_per_min=1_000))
    first_seen: dict[tuple[str, str], int] = {}
    categories: dict[str, set[str]] = {}
    for place, event in enumerate(payloads):
        session = event.get("session_id")
        if event["event_type"] == "item_view" and session is not None:
            [item] = event["items"]
            first_seen.setdefault((session, item["item_id"]), place)
            categories.setdefault(session, set()).add(item["category"])
    bought = [
        (place, (event["session_id"], item["item_id"]))
        for place, event in enumerate(payloads)
        if event["event_type"] == "purchase" and "session_id" in event
        for item in event["items"]
    ]
    known = [first_seen[name] < place for place, name in bought if name in first_seen]
    assert all(known)
    assert len(known) > 0.7 * len(bought) > 20
    seen = views_by_session(payloads)
    several = [session for session, items in seen.items() if len(items) >= 3]
    assert len(several) > 50
    assert mean(len(categories[session]) for session in several) < 2
