"""Enrichments: what each finds or takes out; none changes an event's id, and a person keeps one row."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from format_world import Answered, Stream, ask
from hypothesis import assume, given
from hypothesis import strategies as st

from collectors import dependencies_of
from event_strategies import NOON, client_event, client_event_dicts, rfc3339
from tapstack.collector.enrichment.addresses import network
from tapstack.collector.enrichment.bots import is_bot
from tapstack.collector.enrichment.campaign import campaign_of, referrer_of
from tapstack.collector.enrichment.clock_skew import IGNORED, shift_ms
from tapstack.collector.enrichment.order import STEPS, Arrival, Enrichment
from tapstack.collector.enrichment.pseudonyms import Pseudonymise, is_field, pseudonym
from tapstack.collector.enrichment.user_agent import user_agent_of
from tapstack.collector.intake import Result
from tapstack.core.client_events import decode_client_event
from tapstack.core.events import decode_event
from tapstack.core.identity import client_time_s, identify, partition_key
from tapstack.entrypoints.collector_request import take
from tapstack.errors import Unavailable
from tapstack_emulator import MemoryBucket

KEY = b"a key that is long enough for it"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/129.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
ANDROID = "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36 Chrome/121.0.0.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def on(*steps: str, fields: tuple[str, ...] = ()) -> Enrichment:
    pseudonymise = Pseudonymise(fields) if fields else None
    return Enrichment(steps=frozenset(steps), pseudonymise=pseudonymise, key=KEY)


EVERYTHING = on(*STEPS, fields=("user_id", "anonymous_id", "traits.email", "context.ip"))


def native(enrichment: Enrichment | None = None, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    answered = ask("POST", "/v1/events", client_event(**fields), headers or {}, enrichment=enrichment)
    return answered.events[0]


def test_a_user_agent_is_read_from_the_event_else_from_the_browser_that_sent_it() -> None:
    chrome = {"browser": "Chrome", "browser_version": "129.0.0.0", "os": "Windows", "os_version": "10"}
    for context in ({"user_agent": CHROME}, {"userAgent": CHROME}):
        found = native(on("ua"), {"user-agent": IPHONE}, context=context)
        assert found.ua == {**chrome, "device": "computer"}
    assert native(on("ua"), {"user-agent": CHROME}).ua == {**chrome, "device": "computer"}
    assert native(on("ua"), {"user-agent": "python-requests/2.32"}).ua is None
    assert native(on("ua")).ua is None


@pytest.mark.parametrize(
    ("text", "device"),
    [
        (IPHONE, "phone"),
        (IPHONE.replace("iPhone", "iPad"), "tablet"),
        (f"{ANDROID} Safari/537.36", "tablet"),
        (f"{ANDROID} Mobile Safari/537.36", "phone"),
        (CHROME, "computer"),
    ],
)  # fmt: skip
def test_a_device_is_a_computer_a_phone_or_a_tablet(text: str, device: str) -> None:
    found = user_agent_of(text)
    assert found is not None
    assert found["device"] == device


@given(st.text(max_size=600) | st.from_regex(r"Mozilla/5\.0 \([ -~]{0,200}\) [ -~]{0,200}", fullmatch=True))
def test_any_text_may_be_a_user_agent(text: str) -> None:
    found = user_agent_of(text)
    assert found is None or all(0 < len(value) <= 64 for value in found.values())
    assert isinstance(is_bot(text), bool)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOGLEBOT, True),
        ("facebookexternalhit/1.1", True),
        (CHROME.replace("Chrome", "HeadlessChrome"), True),
        ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", True),
        (CHROME, False),
        (IPHONE, False),
        ("Mozilla/5.0 (X11; Linux x86_64) CUBOT X70 Chrome/129.0", True),  # a phone's name; nobody is perfect
        ("python-requests/2.32", False),
    ],
)
def test_a_bot_says_that_it_is_one(text: str, expected: bool) -> None:
    assert is_bot(text) is expected
    assert native(on("bots"), context={"user_agent": text}).is_bot is expected


def test_a_campaign_is_in_the_address_of_the_page() -> None:
    url = "https://shop.example/a?utm_source=news&utm_medium=e-mail&utm_campaign=May%20sale&gclid=abc#utm_term=x"
    expected = {
        "source": "news",
        "medium": "e-mail",
        "name": "May sale",
        "click_id": "abc",
        "click_network": "google",
    }
    found = native(on("campaign"), context={"page": {"url": url}})
    assert found.campaign == expected
    assert campaign_of({"page": {"search": "?" + url.partition("?")[2]}}) == expected
    assert native(on("campaign"), context={"page": {"url": "https://shop.example/?q=shoes"}}).campaign is None
    long = campaign_of({"page": {"url": "https://shop.example/?utm_source=" + "x" * 9_000}})
    assert long == {"source": "x" * 256}


@pytest.mark.parametrize(
    ("referrer", "expected"),
    [
        ("https://www.google.co.uk/search?q=x", {"host": "www.google.co.uk", "kind": "search"}),
        ("https://t.co/abc", {"host": "t.co", "kind": "social"}),
        ("https://m.facebook.com/", {"host": "m.facebook.com", "kind": "social"}),
        ("https://www.shop.example/b", {"host": "www.shop.example", "kind": "internal"}),
        ("https://blog.example/", {"host": "blog.example", "kind": "other"}),
        ("https://[broken", None),
        ("", None),
        (7, None),
    ],
)
def test_a_referrer_is_a_search_a_network_the_shop_itself_or_another_page(
    referrer: Any, expected: dict[str, str] | None
) -> None:
    page = {"url": "https://shop.example/a", "referrer": referrer}
    assert referrer_of({"page": page}) == expected
    assert native(on("campaign"), context={"page": page}).referrer == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.77", "203.0.113.0"),
        (" 203.0.113.77 ", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("[2001:db8:1:2::6]", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("localhost", None),
        ("203.0.113", None),
        ("", None),
    ],
)
def test_an_address_is_cut_to_its_network(text: str, expected: str | None) -> None:
    assert network(text) == expected


def test_addresses_are_cut_wherever_they_stand() -> None:
    found = native(
        on("ip"),
        context={
            "ip": "203.0.113.77",
            "device": {"ipAddress": "2001:db8:1:2::3"},
            "page": {"url": "/203.0.113.77"},
        },
        properties={"$ip": "203.0.113.77, 198.51.100.9", "hops": [{"remote_addr": "203.0.113.77"}], "n": 1},
        traits={"ip": "somewhere"},
    )
    assert found.context == {
        "ip": "203.0.113.0",
        "device": {"ipAddress": "2001:db8:1::"},
        "page": {"url": "/203.0.113.77"},
    }
    assert found.properties == {
        "$ip": "203.0.113.0, 198.51.100.0",
        "hops": [{"remote_addr": "203.0.113.0"}],
        "n": 1,
    }
    assert found.traits == {}


@given(st.ip_addresses())
def test_what_is_left_of_an_address_is_the_same_for_its_whole_network(address: Any) -> None:
    assume(address.version == 4 or address.ipv4_mapped is None)
    bits = 8 if address.version == 4 else 80
    last = type(address)(int(address) | (2**bits - 1))
    assert network(str(address)) == network(str(last))


def segment(*calls: dict[str, Any], sent_at: datetime | None = None, **options: Any) -> Answered:
    sent = {} if sent_at is None else {"sentAt": sent_at.isoformat()}
    return ask("POST", "/v1/batch", {"batch": list(calls), **sent}, **options)


def view(**fields: Any) -> dict[str, Any]:
    return {"type": "page", "userId": "ann", "messageId": "m-1", "timestamp": rfc3339(NOON), **fields}


@given(st.integers(min_value=-(10**11), max_value=10**11))
def test_a_clock_that_is_wrong_is_set_right_and_the_client_s_own_time_stays_known(skew_ms: int) -> None:
    """What the client said is what makes copies equal, so it must follow from the record."""
    said = NOON - timedelta(minutes=5) + timedelta(milliseconds=skew_ms)
    sent_at = NOON + timedelta(milliseconds=skew_ms)
    call = view(timestamp=said.isoformat())
    answered = segment(call, sent_at=sent_at, enrichment=on("clock_skew"))
    (record,) = answered.data
    event = decode_event(record)
    is_wrong = abs(skew_ms) > IGNORED / timedelta(milliseconds=1)
    if is_wrong:
        assert event.occurred_at == NOON - timedelta(minutes=5)
        assert event.clock_skew_ms == -skew_ms
        assert answered.results == [Result("ok")], "no note on a time that is set right"
    (plain,) = segment(call, sent_at=sent_at).data
    assert client_time_s(event) == max(1, int(said.timestamp() // 1)) == client_time_s(decode_event(plain))
    assert identify(event).digest == identify(decode_event(plain)).digest  # type: ignore[union-attr]


def test_a_time_beyond_all_calendars_is_not_corrected() -> None:
    for said, sent in (
        ("9999-12-31T00:00:00Z", "2000-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z"),
    ):
        answered = segment(
            view(timestamp=said), sent_at=datetime.fromisoformat(sent), enrichment=on("clock_skew")
        )
        assert [result.status for result in answered.results] == ["ok"]


def test_the_way_of_a_request_is_no_skew() -> None:
    now = datetime(2026, 3, 10, tzinfo=UTC)
    assert shift_ms(None, now) == 0
    assert shift_ms(now - IGNORED, now) == 0
    assert shift_ms(now - IGNORED - timedelta(milliseconds=1), now) == 10_001


def test_named_fields_become_keyed_hashes_and_equal_values_equal_ones() -> None:
    fields = ("user_id", "anonymous_id", "traits.email", "properties.a.b", "context.n")
    found = native(
        on(fields=fields),
        user_id="ann",
        anonymous_id="visitor",
        traits={"email": "ann", "plan": "pro"},
        properties={"a": {"b": ["x", 1], "c": 2}, "previousId": "visitor"},
        context={"n": 7},
    )
    ann, visitor = pseudonym(b"ann", KEY), pseudonym(b"visitor", KEY)
    assert (found.user_id, found.anonymous_id) == (ann, visitor)
    assert found.traits == {"email": ann, "plan": "pro"}
    assert found.properties == {"a": {"b": pseudonym(b'["x",1]', KEY), "c": 2}, "previousId": visitor}
    assert found.context == {"n": pseudonym(b"7", KEY)}
    assert pseudonym(b"ann", KEY) != pseudonym(b"ann", KEY + b"2")


def test_the_stream_is_partitioned_by_the_pseudonym() -> None:
    answered = ask("POST", "/v1/events", client_event(user_id="ann"), enrichment=EVERYTHING)
    (data,) = answered.data
    assert partition_key(msgspec.json.decode(data, type=type(answered.events[0]))) == pseudonym(b"ann", KEY)
    assert b"ann" not in data


def test_what_a_batch_shares_is_hashed_once() -> None:
    """The second event must not get the hash of the first one's."""
    shared = {"context": {"traits": {"id": "ann"}, "ip": "203.0.113.77", "device": {"ip": "203.0.113.77"}}}
    body = {"batch": [view(messageId=f"m-{n}") for n in range(3)], **shared}
    answered = ask("POST", "/v1/batch", body, enrichment=EVERYTHING)
    contexts = [event.context for event in answered.events]
    assert [each["traits"]["id"] for each in contexts if each] == [pseudonym(b"ann", KEY)] * 3
    assert {each["device"]["ip"] for each in contexts if each} == {"203.0.113.0"}


@given(client_event_dicts())
def test_enrichment_changes_neither_an_event_s_id_nor_what_is_counted_of_it(said: dict[str, Any]) -> None:
    event = decode_client_event(json.dumps(said).encode())
    enriched = EVERYTHING.apply(event, Arrival(NOON), browser=CHROME)
    assert enriched is not None
    assert enriched == EVERYTHING.apply(event, Arrival(NOON), browser=CHROME)
    for name in ("event_id", "client_id", "n", "event_type", "items", "value", "currency", "occurred_at"):
        assert getattr(enriched.event, name) == getattr(event, name)
    steps = on(*STEPS).apply(event, Arrival(NOON))
    assert steps is not None
    assert partition_key(steps.event) == partition_key(event)


def test_an_id_that_was_made_of_what_an_event_says_is_no_way_round_the_key() -> None:
    def ids(enrichment: Enrichment | None, **fields: Any) -> list[str | None]:
        call = {name: value for name, value in view(**fields).items() if value is not None}
        return [event.event_id for event in segment(call, enrichment=enrichment).events]

    hidden = on(fields=("user_id",))
    assert ids(hidden) == ids(None) == ["m-1"]
    assert ids(on(*STEPS), messageId=None) == ids(None, messageId=None)
    assert ids(hidden, messageId=None) != ids(None, messageId=None)
    assert ids(hidden, messageId=None) == ids(hidden, messageId=None)


@pytest.mark.parametrize(
    "name", ["user_id", "session_id", "traits.email", "context.page.url", "properties.$x"]
)
def test_fields_that_can_be_hashed(name: str) -> None:
    assert is_field(name)


@pytest.mark.parametrize(
    "name", ["event_id", "items", "traits", "traits.", "value", "context..a", "user_id.a", ""]
)
def test_fields_that_cannot_be_hashed(name: str) -> None:
    assert not is_field(name)


def test_while_the_key_cannot_be_read_everything_is_to_be_sent_again() -> None:
    def unknown() -> Enrichment:
        raise Unavailable("secretsmanager: no")

    stream, quarantine = Stream(is_open=True), MemoryBucket()
    taken = take(
        {
            "httpMethod": "POST",
            "path": "/v1/events",
            "headers": {},
            "body": json.dumps([client_event(), {}]),
            "isBase64Encoded": False,
        },
        dependencies_of(stream, quarantine=quarantine),
        request_bytes_max=1_000_000,
        event_bytes_max=32_768,
        enrichment=unknown,
    )
    assert (taken.answer["statusCode"], taken.answer["headers"]["retry-after"]) == (503, "1")
    assert (stream.data, quarantine.objects) == ([], {})
