"""Consent is honoured before anything is stored: on the stream, in the spill bucket, in quarantine."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from format_world import Answered, ask
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S, client_event
from tapstack.collector.enrichment.consent import ANONYMOUS, CATEGORIES, REFUSED, anonymous, denies
from tapstack.collector.enrichment.order import Enrichment
from tapstack.collector.enrichment.withholding import may_deny
from tapstack.core.client_events import decode_client_event
from tapstack.core.events import ClientEvent
from tapstack.core.identity import partition_key
from tapstack.spill import decode as decode_spilled
from tapstack_emulator import MemoryBucket

REFUSE = Enrichment(consent="refused")
KEY = b"k" * 32
COUNT = Enrichment(consent="anonymous", key=KEY)
NOON = "2026-03-10T12:00:00Z"
WHO = "zz-somebody"  # in whatever tells of the person
SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
SEGMENT_DENIES = {"consent": {"categoryPreferences": {"Advertising": True, "Analytics": False}}}
RUDDER_DENIES = {"consentManagement": {"allowedConsentIds": ["ads"], "deniedConsentIds": ["C0002"]}}


def packed(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def call(**fields: Any) -> dict[str, Any]:
    said = {"type": "track", "event": "Product Viewed", "userId": WHO, "messageId": f"{WHO}-1"}
    return {**said, "timestamp": NOON, "properties": {"product_id": "mug", "email": WHO}, **fields}


def tracked(data: dict[str, Any], name: str = "consent_preferences") -> dict[str, Any]:
    entity = {"schema": f"{SNOWPLOW}/{name}/jsonschema/1-0-0", "data": data}
    contexts = {"schema": f"{SNOWPLOW}/contexts/jsonschema/1-0-1", "data": [entity]}
    return {"e": "pv", "uid": WHO, "eid": f"{WHO}-1", "dtm": str(NOON_S * 1_000), "cx": packed(contexts)}


def payload(*events: dict[str, Any]) -> dict[str, Any]:
    return {"schema": f"{SNOWPLOW}/payload_data/jsonschema/1-0-4", "data": list(events)}


TP2 = "/com.snowplowanalytics.snowplow/tp2"
PREFERENCES = {"basisForProcessing": "consent", "consentUrl": "https://shop.example", "consentVersion": "1"}
SELF_DESCRIBING = {
    "schema": f"{SNOWPLOW}/unstruct_event/jsonschema/1-0-0",
    "data": {
        "schema": f"{SNOWPLOW}/consent_preferences/jsonschema/1-0-0",
        "data": {**PREFERENCES, "eventType": "withdrawn", "consentScopes": []},
    },
}
# A request with one event of somebody who denied, as each SDK sends it: path, and body.
DENIED: dict[str, tuple[str, object]] = {
    "native": ("/v1/events", client_event(user_id=WHO, consent={"analytics": False})),
    "native, in words": ("/v1/events", client_event(user_id=WHO, consent={"Analytics": " Denied "})),
    "native, deeper": (
        "/v1/events",
        client_event(user_id=WHO, consent={"purposes": [{"statistics": {"granted": False}}]}),
    ),
    "native, in the context": ("/v1/events", client_event(user_id=WHO, context=SEGMENT_DENIES)),
    "segment, a batch": ("/v1/batch", {"batch": [call(context=SEGMENT_DENIES)], "sentAt": NOON}),
    "segment, for all": ("/v1/batch", {"batch": [call()], "sentAt": NOON, "context": SEGMENT_DENIES}),
    "segment, a call": ("/v1/track", call(context={"consent": "denied"})),
    "segment, no object": ("/v1/track", call(context={"consent": False})),
    "rudder": ("/v1/track", call(context=RUDDER_DENIES)),
    "snowplow, an entity": (TP2, payload(tracked({**PREFERENCES, "eventType": "deny_all"}))),
    "snowplow, others": (
        TP2,
        payload(tracked({**PREFERENCES, "eventType": "allow_selected", "consentScopes": ["necessary"]})),
    ),
    "snowplow, the old entity": (TP2, payload(tracked({"all": True}, "consent_withdrawn"))),
    "snowplow, an event": (
        TP2,
        payload({**tracked({}), "e": "ue", "cx": "", "ue_px": packed(SELF_DESCRIBING)}),
    ),
    "posthog": (
        "/e/",
        {"event": "x", "distinct_id": WHO, "timestamp": NOON, "properties": {"$consent": {"analytics": 0}}},
    ),
    "cloudevents": (
        "/v1/cloudevents",
        {
            "specversion": "1.0", "id": WHO, "source": "s", "type": "page_view", "userid": WHO, "time": NOON,
            "data": {"consent": {"analytics": "no"}},
        },
    ),
    "google": (
        "/mp/collect",
        {
            "client_id": WHO, "timestamp_micros": str(NOON_S * 1_000_000),
            "consent": {"analytics_storage": "DENIED"}, "events": [{"name": "page_view"}],
        },
    ),
}  # fmt: skip
CLOUD = {"content-type": "application/cloudevents+json"}
GRANTED: dict[str, tuple[str, object]] = {
    "nothing said": ("/v1/events", client_event()),
    "granted": ("/v1/events", client_event(consent={"analytics": True, "advertising": False})),
    "a version of 0": ("/v1/events", client_event(properties={"consent_version": 0, "analytics": False})),
    "segment": ("/v1/track", call(context={"consent": {"categoryPreferences": {"Analytics": True}}})),
    "rudder": ("/v1/track", call(context={"consentManagement": {"deniedConsentIds": ["ads"]}})),
    "snowplow": (
        TP2,
        payload(tracked({**PREFERENCES, "eventType": "allow_selected", "consentScopes": ["Statistics"]})),
    ),
    "snowplow, pending": (TP2, payload(tracked({**PREFERENCES, "eventType": "pending"}))),
    "google": (
        "/mp/collect",
        {
            "client_id": "c", "timestamp_micros": str(NOON_S * 1_000_000),
            "consent": {"ad_user_data": "DENIED"}, "events": [{"name": "page_view"}],
        },
    ),
}  # fmt: skip


def stored(answered: Answered, spill: MemoryBucket) -> bytes:
    """Return everything that anything of a request could be in."""
    spilled = [entry for body in spill.objects.values() for entry in decode_spilled(body)]
    return b"\n".join(
        [
            *answered.data,
            *[entry.data + entry.partition_key.encode() for entry in spilled],
            *[letter.data + repr(letter).encode() for letter in answered.kept],
        ]
    )


def shown(text: bytes) -> bytes:
    """Return a text with all that is in base64 in it written out."""
    pieces = [text]
    for part in text.replace(b'"', b" ").replace(b"=", b" ").split():
        try:
            pieces.append(base64.b64decode(part + b"=" * (-len(part) % 4)))
        except ValueError:
            continue
    return b"\n".join(pieces)


@pytest.mark.parametrize("is_open", [True, False], ids=["stream", "spill"])
@pytest.mark.parametrize("name", DENIED)
def test_nothing_is_kept_of_an_event_whose_user_denied(name: str, is_open: bool) -> None:
    path, body = DENIED[name]
    spill = MemoryBucket()
    answered = ask("POST", path, body, CLOUD, is_open=is_open, spill=spill, enrichment=REFUSE)
    assert [result.status for result in answered.results] == ["denied"]
    assert stored(answered, spill) == b""
    assert answered.status == 200
    assert REFUSED in answered.body.decode()


@pytest.mark.parametrize("is_open", [True, False], ids=["stream", "spill"])
@pytest.mark.parametrize("name", DENIED)
def test_an_event_that_is_counted_as_nobodys_says_nothing_of_its_user(name: str, is_open: bool) -> None:
    path, body = DENIED[name]
    spill = MemoryBucket()
    answered = ask("POST", path, body, CLOUD, is_open=is_open, spill=spill, enrichment=COUNT)
    assert [(result.status, tuple(result.notes)) for result in answered.results] == [("ok", (ANONYMOUS,))]
    assert WHO.encode() not in shown(stored(answered, spill))
    assert (answered.status, ANONYMOUS in answered.body.decode()) == (200, True)


def test_an_event_of_nobody_does_not_tell_its_batch_by_when_that_was_sent() -> None:
    batch = {"batch": [call(context=SEGMENT_DENIES), call(messageId="m-2")], "sentAt": NOON}
    nobody, somebody = map(json.loads, ask("POST", "/v1/batch", batch, enrichment=COUNT).data)
    assert "sent_at" not in nobody
    assert somebody["sent_at"] == NOON


def test_one_event_whose_user_denied_keeps_no_other_from_being_stored() -> None:
    denied = call(context={"consent": "denied"})
    others = [call(userId="ann", messageId=f"m-{number}", properties={}) for number in range(2)]
    answered = ask("POST", "/v1/batch", {"batch": [others[0], denied, others[1]]}, enrichment=REFUSE)
    assert [result.status for result in answered.results] == ["ok", "denied", "ok"]
    assert [json.loads(record)["event_id"] for record in answered.data] == ["m-0", "m-1"]


@pytest.mark.parametrize("name", DENIED)
def test_what_is_denied_is_stored_whole_while_consent_is_not_honoured(name: str) -> None:
    path, body = DENIED[name]
    answered = ask("POST", path, body, CLOUD, enrichment=Enrichment())
    assert [result.status for result in answered.results] == ["ok"]
    assert answered.data == ask("POST", path, body, CLOUD).data


@pytest.mark.parametrize("name", GRANTED)
def test_what_nobody_denied_is_stored_as_it_is(name: str) -> None:
    path, body = GRANTED[name]
    answered = ask("POST", path, body, enrichment=REFUSE)
    assert [result.status for result in answered.results] == ["ok"]
    assert answered.data == ask("POST", path, body).data


SPOILED: dict[str, Any] = {
    "an item is missing": {"items": []},
    "a wrong number": {"value": "9,90"},
    "an unknown field": {"nobody": WHO},
    "no user": {"user_id": None, "properties": {"email": WHO}},
    "too large": {"properties": {"text": "x" * 40_000}},
}


@pytest.mark.parametrize("enrichment", [REFUSE, COUNT], ids=["refused", "anonymous"])
@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_refused_event_whose_user_denied_is_not_in_quarantine(spoiled: str, enrichment: Enrichment) -> None:
    bad = {**client_event(user_id=WHO, consent={"analytics": False}), **SPOILED[spoiled]}
    good = client_event(event_id="good")
    other = {**good, "event_id": "other", "items": [{"item_id": 7}]}
    spill = MemoryBucket()
    answered = ask("POST", "/v1/events", [good, bad, other], spill=spill, enrichment=enrichment)
    assert [result.status for result in answered.results] == ["ok", "invalid", "invalid"]
    assert WHO.encode() not in stored(answered, spill)
    assert [letter.index for letter in answered.kept] == [2]


UNREADABLE: dict[str, tuple[str, bytes]] = {
    "broken JSON": ("/v1/events", b'{"user_id":"' + WHO.encode() + b'","consent":{"analytics":false'),
    "broken JSON among others": (
        "/v1/events",
        b'[{"event_type":"search","user_id":"' + WHO.encode() + b'","consent":{"analytics":fals}}]',
    ),
    "a batch that is cut off": (
        "/v1/batch",
        json.dumps({"batch": [call(context=SEGMENT_DENIES)]}).encode()[:-3],
    ),
    "no event at all": (TP2, json.dumps(payload({**tracked({"eventType": "deny_all"}), "e": 7})).encode()),
    "cut off": (TP2, json.dumps(payload(tracked({"eventType": "deny_all"}))).encode()[:-3]),
    "compressed and spoiled": ("/v1/events", b"\x1f\x8b\x08" + WHO.encode()),
    "posthog's form": (
        "/e/",
        b"data=" + quote(packed({"event": "x", "$consent": {"analytics": False}, "email": WHO})).encode(),
    ),
}


@pytest.mark.parametrize("enrichment", [REFUSE, COUNT], ids=["refused", "anonymous"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_and_may_deny_is_not_in_quarantine(name: str, enrichment: Enrichment) -> None:
    path, body = UNREADABLE[name]
    answered = ask("POST", path, body, enrichment=enrichment)
    assert {result.status for result in answered.results} == {"invalid"}
    assert answered.kept == []
    assert ask("POST", path, body).kept, "it is kept while consent is not honoured"


def test_a_query_that_denies_is_not_in_quarantine() -> None:
    target = "/i?" + "&".join(
        f"{k}={quote(v, safe='')}" for k, v in tracked({"eventType": "deny_all"}).items()
    )
    answered = ask("GET", target.replace("e=pv&", ""), enrichment=REFUSE)
    assert [result.status for result in answered.results] == ["invalid"]
    assert answered.kept == []


DENIES = json.dumps(call(context=SEGMENT_DENIES))
CUT = DENIES[:-9]  # no JSON, though it says all of it
HIDDEN: dict[str, dict[str, str]] = {
    "packed, and cut before": {"data": base64.b64encode(CUT.encode()).decode()},
    "packed, and cut after": {"data": packed(call(context=SEGMENT_DENIES))[:-7]},
    "packed, and cut within a character": {"cx": packed(call(context=SEGMENT_DENIES)).rstrip("=")[:-6] + "A"},
    "packed, and compressed": {"data": base64.b64encode(gzip.compress(DENIES.encode())).decode()},
    "as JSON, and cut": {"co": CUT},
    "said twice": {"context": json.dumps(SEGMENT_DENIES), "userId": WHO},
}


@pytest.mark.parametrize("said", HIDDEN.values(), ids=HIDDEN)
def test_what_is_packed_and_cannot_be_read_is_not_in_quarantine(said: dict[str, str]) -> None:
    form = urlencode([*said.items(), *[("context", "{}")] * ("context" in said)])
    assert may_deny(form.encode(), CATEGORIES)
    if "context" not in said:
        assert may_deny(json.dumps({"event": "x", "inside": [said]}).encode(), CATEGORIES)


def test_what_is_packed_and_says_nothing_of_consent_is_kept() -> None:
    cut = base64.b64encode(json.dumps(call()).encode()).decode()[:-7]
    for said in ({"data": cut}, {"data": "a text"}, {"cx": "7"}, {"co": json.dumps(call())[:-9]}):
        assert not may_deny(urlencode(said).encode(), CATEGORIES)
        assert not may_deny(json.dumps(said).encode(), CATEGORIES)


def test_a_pixel_that_was_cut_off_and_denied_is_not_in_quarantine() -> None:
    target = f"/v1/pixel/track?data={packed(call(context=SEGMENT_DENIES))[:-7]}"
    answered = ask("GET", target, enrichment=REFUSE)
    assert [result.status for result in answered.results] == ["invalid"]
    assert answered.kept == []
    assert ask("GET", target).kept


def test_a_refused_event_that_says_nothing_of_consent_is_kept() -> None:
    answered = ask("POST", "/v1/events", {"event_type": "search", "event_id": "b"}, enrichment=REFUSE)
    assert [letter.index for letter in answered.kept] == [0]
    assert ask("POST", "/v1/events", b"no json", enrichment=REFUSE).kept


def test_the_names_of_categories_are_a_setting() -> None:
    french = Enrichment(consent="refused", categories=frozenset({"mesure"}))
    said = client_event(consent={"Mesure": False, "analytics": True})
    assert [r.status for r in ask("POST", "/v1/events", said, enrichment=french).results] == ["denied"]
    assert [r.status for r in ask("POST", "/v1/events", said, enrichment=REFUSE).results] == ["ok"]


def event(**fields: Any) -> ClientEvent:
    return decode_client_event(json.dumps(client_event(**fields)).encode())


def test_a_copy_of_an_event_of_nobody_is_the_same_event() -> None:
    said = client_event(user_id=WHO, consent={"analytics": False})
    answered = ask("POST", "/v1/events", [said, said], enrichment=COUNT)
    assert [result.status for result in answered.results] == ["ok", "duplicate"]


def test_no_two_events_of_a_person_are_of_one_visitor() -> None:
    numbered = {"client_id": "01890a5d-ac96-774b-bcce-b302099a8057", "event_id": None}
    made = [anonymous(event(user_id=WHO, n=n, **numbered), KEY) for n in range(3)]
    assert len({partition_key(each) for each in made}) == 3
    assert {each.client_id for each in made} == {None}


@given(
    st.sampled_from(CATEGORIES).flatmap(lambda name: st.sampled_from([name, name.upper(), name.title()])),
    st.sampled_from([False, 0, "false", "DENIED", " no "]),
    st.lists(st.sampled_from(["consent", "context", "list"]), max_size=4),
)
def test_whatever_denies_in_an_event_is_found_in_its_text(name: str, no: Any, around: list[str]) -> None:
    consent: Any = {name: no}
    for place in around:
        consent = [consent] if place == "list" else {place: consent}
    said = client_event(consent=consent if isinstance(consent, dict) else {"all": consent})
    assert denies(decode_client_event(json.dumps(said).encode()), frozenset(CATEGORIES))
    assert may_deny(json.dumps(said).encode(), frozenset(CATEGORIES))
