"""Events of Snowplow's trackers: page views and pings, structured, self-describing, and transactions."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from format_world import ask, query

from tapstack.collector.formats.snowplow import KINDS

TP2 = "/com.snowplowanalytics.snowplow/tp2"
BASE = {"eid": "m-1", "uid": "ann", "duid": "d-1", "dtm": "1773143940000", "p": "web"}
OURS = {
    "event_id": "m-1", "user_id": "ann", "anonymous_id": "d-1", "occurred_at": "2026-03-10T11:59:00Z",
}  # fmt: skip
ECOMMERCE = "iglu:com.snowplowanalytics.snowplow.ecommerce"
ACTION = f"{ECOMMERCE}/snowplow_ecommerce_action/jsonschema/1-0-2"
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"


def wrapped(kind: str, data: object) -> str:
    return json.dumps({"schema": f"{SNOWPLOW}/{kind}/jsonschema/1-0-0", "data": data})


def described(schema: str, data: object) -> dict[str, str]:
    return {"e": "ue", "ue_pr": wrapped("unstruct_event", {"schema": schema, "data": data})}


def entities(*said: tuple[str, object]) -> dict[str, str]:
    return {"co": wrapped("contexts", [{"schema": schema, "data": data} for schema, data in said])}


def product(**more: Any) -> tuple[str, dict[str, Any]]:
    return f"{ECOMMERCE}/product/jsonschema/1-0-0", {"id": "mug", "price": 9.5, "currency": "EUR", **more}


MUG = {"item_id": "mug", "price": 9.5, "currency": "EUR"}
LINK = "iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1"
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a page view": (
        {"e": "pv", "url": "https://x/", "page": "Home", "refr": "https://y/", "lang": "de", "res": "1x1"},
        {
            "event_type": "page_view",
            "context": {
                "page": {"url": "https://x/", "title": "Home", "referrer": "https://y/"}, "locale": "de",
                "p": "web", "res": "1x1",
            },
        },
    ),
    "a page ping": (
        {"e": "pp", "pp_miy": "0", "pp_may": "900"},
        {
            "event_type": "custom", "event_name": "page_ping", "context": {"p": "web"},
            "properties": {"pp_miy": "0", "pp_may": "900"},
        },
    ),
    "a structured event": (
        {"e": "se", "se_ca": "checkout", "se_ac": "coupon", "se_la": "SUMMER", "se_pr": "x", "se_va": "3.5"},
        {
            "event_type": "custom", "event_name": "coupon", "context": {"p": "web"},
            "properties": {"category": "checkout", "label": "SUMMER", "property": "x", "value": "3.5"},
        },
    ),
    "a product view": (
        {**described(ACTION, {"type": "product_view"}), **entities(product(size="XL"))},
        {
            "event_type": "item_view", "event_name": "product_view", "items": [MUG],
            "context": {
                "schema": ACTION, "p": "web",
                "entities": [{"schema": product()[0], "data": {"size": "XL"}}],
            },
        },
    ),
    "a purchase": (
        {
            **described(ACTION, {"type": "transaction", "name": "shop"}),
            **entities(
                (f"{ECOMMERCE}/transaction/jsonschema/1-0-0", {"revenue": 19, "currency": "EUR"}),
                product(quantity=2), product(id="lamp"),
            ),
        },
        {
            "event_type": "purchase", "event_name": "transaction", "value": 19.0, "currency": "EUR",
            "items": [{**MUG, "quantity": 2}, {**MUG, "item_id": "lamp"}],
            "properties": {"name": "shop"}, "context": {"schema": ACTION, "p": "web"},
        },
    ),
    "a refund": (
        {
            **described(ACTION, {"type": "refund"}),
            **entities((f"{ECOMMERCE}/refund/jsonschema/1-0-0", {"refund_amount": 5, "currency": "EUR"})),
        },
        {
            "event_type": "refund", "event_name": "refund", "value": 5.0, "currency": "EUR",
            "context": {"schema": ACTION, "p": "web"},
        },
    ),
    "a later step of a checkout": (
        {
            **described(ACTION, {"type": "checkout_step"}),
            **entities((f"{ECOMMERCE}/checkout_step/jsonschema/1-0-0", {"step": 2})),
        },
        {
            "event_type": "custom", "event_name": "checkout_step",
            "context": {
                "schema": ACTION, "p": "web",
                "entities": [{"schema": f"{ECOMMERCE}/checkout_step/jsonschema/1-0-0", "data": {"step": 2}}],
            },
        },
    ),
    "an old cart event": (
        described(
            f"{SNOWPLOW}/add_to_cart/jsonschema/1-0-0",
            {"sku": "mug", "unitPrice": 9.5, "quantity": 1, "currency": "EUR"},
        ),
        {
            "event_type": "cart_add", "event_name": "add_to_cart", "currency": "EUR",
            "items": [{"item_id": "mug", "price": 9.5, "quantity": 1}],
            "context": {"schema": f"{SNOWPLOW}/add_to_cart/jsonschema/1-0-0", "p": "web"},
        },
    ),
    "a search": (
        described(f"{SNOWPLOW}/site_search/jsonschema/1-0-0", {"terms": ["blue", "mug"], "totalResults": 3}),
        {
            "event_type": "search", "event_name": "site_search", "query": "blue mug",
            "properties": {"totalResults": 3},
            "context": {"schema": f"{SNOWPLOW}/site_search/jsonschema/1-0-0", "p": "web"},
        },
    ),
    "an unknown schema": (
        described("iglu:com.shop/add_to_cart/jsonschema/2-0-0", {"sku": "mug", "n": [1]}),
        {
            "event_type": "custom", "event_name": "add_to_cart", "properties": {"sku": "mug", "n": [1]},
            "context": {"schema": "iglu:com.shop/add_to_cart/jsonschema/2-0-0", "p": "web"},
        },
    ),
    "an unknown entity, and a session": (
        {
            "e": "pv",
            **entities(
                ("iglu:com.shop/user/jsonschema/1-0-0", {"id": "bob"}),
                (f"{SNOWPLOW}/client_session/jsonschema/1-0-2", {"sessionId": "s-1", "userId": "d-2"}),
            ),
        },
        {
            "event_type": "page_view", "session_id": "s-1",
            "context": {
                "p": "web",
                "entities": [
                    {"schema": "iglu:com.shop/user/jsonschema/1-0-0", "data": {"id": "bob"}},
                    {"schema": f"{SNOWPLOW}/client_session/jsonschema/1-0-2", "data": {"userId": "d-2"}},
                ],
            },
        },
    ),
    "a legacy transaction": (
        {"e": "tr", "tr_id": "o-1", "tr_tt": "21.50", "tr_tx": "2.50", "tr_cu": "EUR"},
        {
            "event_type": "custom", "event_name": "transaction", "value": 21.5, "currency": "EUR",
            "properties": {"order_id": "o-1", "tr_tx": "2.50"}, "context": {"p": "web"},
        },
    ),
    "an item of a legacy transaction": (
        {
            "e": "ti", "ti_id": "o-1", "ti_sk": "mug", "ti_nm": "Mug", "ti_pr": "9.5", "ti_qu": "2",
            "ti_cu": "EUR",
        },
        {
            "event_type": "purchase", "event_name": "transaction_item", "currency": "EUR",
            "items": [{"item_id": "mug", "name": "Mug", "price": 9.5, "quantity": 2}],
            "properties": {"order_id": "o-1"}, "context": {"p": "web"},
        },
    ),
    "a self-describing event and entities that are empty": (
        {"e": "ue", "ue_px": "", "cx": ""}, {"event_type": "custom", "context": {"p": "web"}},
    ),
    "a kind that we do not know": (
        {"e": "ad", "ad_ba": "b"},
        {"event_type": "custom", "event_name": "ad", "context": {"p": "web", "ad_ba": "b"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "event"), EVENTS.values(), ids=EVENTS)
def test_an_event_is_ours_by_post_and_by_get_and_in_base64(
    said: dict[str, Any], event: dict[str, Any]
) -> None:
    payload = {"schema": f"{SNOWPLOW}/payload_data/jsonschema/1-0-4", "data": [{**BASE, **said}]}
    posted = ask("POST", TP2, payload, {"content-type": "application/json"})
    assert (posted.status, posted.json) == (200, {"success": True})
    assert posted.event == {**OURS, **event}
    got = ask("GET", "/i?" + query(**BASE, **said), headers={})
    assert (got.status, got.headers["content-type"], len(got.body)) == (200, "image/gif", 43)
    assert got.data == posted.data
    packed = dict(said)
    for plain, name in (("ue_pr", "ue_px"), ("co", "cx")):
        if plain in packed:
            packed[name] = base64.urlsafe_b64encode(packed.pop(plain).encode()).decode()
    assert ask("POST", TP2, {"data": [{**BASE, **packed}]}).data == posted.data


CUT = base64.urlsafe_b64encode(b'{"schema": "iglu:a/contexts/jsonschema/1-0-0", "data": [{"sche').decode()
UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "entities that are cut off": ({"cx": CUT}, "cx: expected JSON: it ends too early"),
    "and in plain text": ({"co": '{"data": ['}, "co: expected JSON: it ends too early"),
    "entities that are not in base64": ({"cx": "%%%"}, "cx: expected base64"),
    "entities that are no list": ({"co": '{"data": {"a": 1}}'}, "co: expected an array as its data"),
    "entities without data": ({"co": '{"schema": "iglu:a"}'}, "co: expected an array as its data"),
    "entities in both ways": ({"co": '{"data": []}', "cx": CUT}, "cx: expected none beside co"),
    "entities that are a number": ({"co": "7"}, "co: expected a JSON object"),
    "an event that is cut off": ({"e": "ue", "ue_px": CUT}, "ue_px: expected JSON: it ends too early"),
    "an event that is a list": (
        {"e": "ue", "ue_pr": '{"data": [1]}'},
        "ue_pr: expected an object as its data",
    ),
}


@pytest.mark.parametrize(("said", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_event_is_refused_if_what_it_packs_cannot_be_read(said: dict[str, Any], reason: str) -> None:
    """Nobody knows what to count: it may name items, a user, or a denied consent."""
    spoken = {**BASE, "e": "pv", **said}
    posted = ask("POST", TP2, {"data": [{**BASE, "e": "pv"}, spoken]})
    got = ask("GET", "/i?" + query(**spoken), headers={})
    for answer, stored in ((posted, 1), (got, 0)):
        assert (answer.status, len(answer.data), len(answer.kept)) == (200, stored, 1)
        assert answer.kept[0].detail == reason
    assert (got.headers["content-type"], len(got.body)) == ("image/gif", 43)


def test_an_event_is_refused_if_what_it_packs_is_no_string() -> None:
    (letter,) = ask("POST", TP2, {"data": [{**BASE, "e": "pv", "co": {"data": []}}]}).kept
    assert letter.detail == "co: expected JSON in a string"


def test_every_kind_has_an_example() -> None:
    assert {said["e"] for said, _ in EVENTS.values()} >= set(KINDS)


BAD: dict[str, object] = {
    "no JSON": b"{", "no data": {}, "no events": {"data": [7]}, "no user": {"data": [{"e": "pv"}]},
    "no kind": {"data": [{"uid": "ann"}]}, "too large": {"data": [{**BASE, "e": "pv", "ua": "x" * 40_000}]},
    "a body that is too large": b" " * 1_000_001,
}  # fmt: skip


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_trackers_are_told_200_of_what_is_refused_or_they_would_repeat_it(body: object) -> None:
    answer = ask("POST", TP2, body)
    assert (answer.status, answer.data) == (200, [])
    (rejected,) = answer.json["rejected"]
    assert rejected["reason"]
    assert [result.status for result in answer.results] == ["invalid"]


def test_when_it_was_sent_does_not_change_an_event_without_an_id() -> None:
    said = {"e": "pv", "uid": "ann", "dtm": "1773143940000"}
    first, again = (ask("POST", TP2, {"data": [{**said, "stm": stm}]}).events[0] for stm in ("1", "2"))
    assert first.event_id == again.event_id
    assert first.sent_at != again.sent_at
