"""Where accepted events are stored with pseudonyms, refused ones are kept with them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from format_world import ask, query
from hypothesis import given
from hypothesis import strategies as st

from tapstack.collector.enrichment.order import Enrichment
from tapstack.collector.enrichment.pseudonyms import Pseudonymise, pseudonym
from tapstack.collector.enrichment.refused_names import RefusedNames
from tapstack.collector.formats import FORMATS
from tapstack.collector.translation.reading import from_base64

NAME = "ann@example.org"
KEY = b"k" * 32
PSEUDONYM = pseudonym(NAME.encode(), KEY)
FIELDS = ("user_id", "session_id", "traits.email")
HASHED = Enrichment(pseudonymise=Pseudonymise(FIELDS), key=KEY)
without_names = RefusedNames(FIELDS, [each.FIELDS for each in FORMATS], KEY)


def packed(said: object) -> str:
    return base64.b64encode(json.dumps(said).encode()).decode()


SNOWPLOW = "/com.snowplowanalytics.snowplow/tp2"
CALL = {"event": "y", "properties": {"$set": {"email": NAME}}}
HOLDS_NAME: dict[str, tuple[str, str, object]] = {
    "native": ("POST", "/v1/events", [{"user_id": NAME, "anonymous_id": NAME, "session_id": NAME}]),
    "native, misspelled": ("POST", "/v1/events", {"userId": NAME, "E-Mail": NAME, "USER_ID": NAME}),
    "native, not a string": ("POST", "/v1/events", {"user_id": [NAME], "traits": {"email": {"a": NAME}}}),
    "segment": ("POST", "/v1/batch", {"batch": [{"userId": NAME, "anonymousId": NAME}]}),
    "segment, shared": ("POST", "/v1/batch", {"batch": [{}, {}], "context": {"traits": {"email": NAME}}}),
    "segment, a packed pixel": (
        "GET", f"/v1/pixel/track?{query(data=packed({'event': 'y', 'traits': {'email': NAME}}))}", None
    ),
    "snowplow": ("POST", SNOWPLOW, {"data": [{"uid": NAME, "duid": NAME, "sid": NAME}]}),
    "snowplow, packed": (
        "POST", SNOWPLOW, {"data": [{"cx": packed({"data": [{"data": {"userId": NAME}}]})}]}
    ),
    "snowplow, JSON in a string": (
        "POST", SNOWPLOW, {"data": [{"co": json.dumps({"data": [{"data": {"userId": NAME}}]})}]}
    ),
    "snowplow, a pixel": ("GET", f"/i?{query(uid=NAME)}", None),
    "posthog": ("POST", "/batch/", {"batch": [CALL]}),
    "posthog, a form": ("POST", "/e/", urlencode({"data": packed(CALL)}).encode()),
    "personalize": ("POST", "/events", {"userId": NAME, "sessionId": NAME, "eventList": [7]}),
    "cloudevents": ("POST", "/v1/cloudevents", {"id": "1", "userid": NAME, "data": {"email": NAME}}),
    "google": ("POST", "/mp/collect", {"user_id": NAME, "client_id": NAME, "events": [7]}),
}  # fmt: skip


def opened(data: bytes) -> str:
    """Return a payload with what is packed in it."""
    try:
        said: Any = json.loads(data)
    except ValueError:
        said = dict(parse_qsl(data.decode()))
    first = said["data"][0] if isinstance(said.get("data"), list) else said
    inside = [
        from_base64(first[name]).decode() for name in ("data", "cx") if isinstance(first.get(name), str)
    ]
    return "".join([json.dumps(said), *inside])


@pytest.mark.parametrize(("method", "target", "body"), HOLDS_NAME.values(), ids=HOLDS_NAME)
def test_no_letter_holds_a_name(method: str, target: str, body: object) -> None:
    letters = ask(method, target, body, enrichment=HASHED).kept
    assert letters
    for letter in letters:
        assert NAME not in opened(letter.data)
    plain = ask(method, target, body).kept
    assert len(plain) == len(letters)
    assert all(NAME in opened(each.data) for each in plain)


def test_every_format_is_asked_for_its_names() -> None:
    assert {name.partition(",")[0] for name in HOLDS_NAME} == {spoken.NAME for spoken in FORMATS}


# What begins as JSON does and cannot be read is not kept: it may hold a name.
members = st.text(max_size=3).map("zz".__add__)  # the names of none
texts = st.text(max_size=3).filter(lambda text: text.lstrip()[:1] not in {"[", "{"})
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(members, inside, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["user_id", "userId", "uid", "$device_id", "email", "SESSIONID"]))
def test_a_named_member_is_replaced_at_any_depth_and_the_rest_stays(inside: Any, name: str) -> None:
    said = {"a": [inside, {name: NAME, "b": inside}]}
    assert json.loads(without_names(json.dumps(said).encode())) == {
        "a": [inside, {name: PSEUDONYM, "b": inside}]
    }


def test_what_is_not_among_the_fields_stays() -> None:
    only_email = RefusedNames(("traits.email",), [each.FIELDS for each in FORMATS], KEY)
    said = {"user_id": NAME, "id": 7, "data": [1, {"price": 1.5}], "co": "{", "note": NAME}
    assert json.loads(only_email(json.dumps(said).encode())) == {**said, "co": ""}


CUTS = Enrichment(steps=frozenset({"ip"}))
ADDRESS, NETWORK = "203.0.113.77", "203.0.113.0"
HOLDS_ADDRESS: dict[str, tuple[str, str, object]] = {
    "native": ("POST", "/v1/events", {"context": {"ip": ADDRESS}}),
    "native, a list": ("POST", "/v1/events", {"properties": {"a": [{"X-Forwarded-For": [ADDRESS]}]}}),
    "native, with others": ("POST", "/v1/events", {"traits": {"ip_address": f"{ADDRESS}, {ADDRESS}"}}),
    "segment": ("POST", "/v1/batch", {"batch": [{}], "context": {"ip": ADDRESS}}),
    "segment, a packed pixel": (
        "GET", f"/v1/pixel/track?{query(data=packed({'context': {'ip': ADDRESS}}))}", None
    ),
    "snowplow, a pixel": ("GET", f"/i?{query(ip=ADDRESS)}", None),
    "posthog": ("POST", "/batch/", {"batch": [{"properties": {"$ip": ADDRESS}}]}),
    "google": ("POST", "/mp/collect", {"ip_override": "", "user_ip": ADDRESS, "events": [7]}),
}  # fmt: skip


@pytest.mark.parametrize(("method", "target", "body"), HOLDS_ADDRESS.values(), ids=HOLDS_ADDRESS)
def test_where_addresses_are_cut_no_letter_holds_one(method: str, target: str, body: object) -> None:
    (letter,) = ask(method, target, body, enrichment=CUTS).kept
    assert ADDRESS not in opened(letter.data)
    assert NETWORK in opened(letter.data)
    (plain,) = ask(method, target, body).kept
    assert ADDRESS in opened(plain.data)


def test_what_is_called_an_address_and_is_none_is_not_kept() -> None:
    said = {"ip": "no address", "clientIp": {"a": ADDRESS}, "n": 1}
    (letter,) = ask("POST", "/v1/events", said, enrichment=CUTS).kept
    assert json.loads(letter.data) == {"n": 1}


def test_an_address_with_a_pseudonym_is_cut_first_as_in_accepted_events() -> None:
    both = Enrichment(steps=frozenset({"ip"}), pseudonymise=Pseudonymise(("context.ip",)), key=KEY)
    (letter,) = ask("POST", "/v1/events", {"context": {"ip": ADDRESS}}, enrichment=both).kept
    assert json.loads(letter.data) == {"context": {"ip": pseudonym(NETWORK.encode(), KEY)}}


UNREADABLE = {
    "cut off": b'[{"user_id": "%s"' % NAME.encode(),
    "not JSON at all": b"user_id: " + NAME.encode(),
    "a form that may hold JSON": b'a=1,{"user_id": "%s"}' % NAME.encode(),
    "another encoding": json.dumps({"user_id": NAME}).encode("utf-16"),
    "compressed": gzip.compress(json.dumps({"user_id": NAME}).encode())[:-9],
    "a string": json.dumps(NAME).encode(),
    "nested too deep": b"[" * 5_000 + b"]" * 5_000,
}


@pytest.mark.parametrize("enrichment", [HASHED, CUTS], ids=["pseudonyms", "addresses"])
@pytest.mark.parametrize("payload", UNREADABLE.values(), ids=UNREADABLE)
def test_of_what_cannot_be_read_the_reason_is_kept_alone(payload: bytes, enrichment: Enrichment) -> None:
    (letter,) = ask("POST", "/v1/events", payload, enrichment=enrichment).kept
    assert (letter.data, bool(letter.detail)) == (b"", True)


@pytest.mark.parametrize("deep", [1, 2, 3, 30])
def test_what_is_packed_deep_is_read_or_left_out(deep: int) -> None:
    said: object = {"user_id": NAME}
    for _ in range(deep):
        said = {"data": packed(said)}
    found: Any = json.loads(without_names(json.dumps(said).encode()))
    while isinstance(found.get("data"), str) and found["data"]:
        found = json.loads(from_base64(found["data"]))
    assert found == ({"user_id": PSEUDONYM} if deep <= 2 else {"data": ""})
