"""What of enrichment is turned on, and the key of its hashes."""

from __future__ import annotations

import pytest

from tapstack.collector.enrichment.consent import CATEGORIES
from tapstack.collector.enrichment.order import STEPS
from tapstack.entrypoints.enrichment import enrichment_of, enrichment_settings
from tapstack.errors import Misconfigured, Unavailable

KEY = b"0123456789abcdef0123456789abcdef"


class Secret:
    """A secret that fails at first, and counts its reads."""

    def __init__(self, text: bytes = KEY, failures: int = 0) -> None:
        self.reads = 0
        self._text = text
        self._failures = failures

    def read(self) -> bytes:
        self.reads += 1
        if self.reads <= self._failures:
            raise Unavailable("secretsmanager: no")
        return self._text


def test_nothing_is_turned_on_by_default() -> None:
    settings = enrichment_settings({})
    assert settings.is_off
    assert enrichment_of(settings, Secret().read) is None


def test_what_is_set_is_read() -> None:
    settings = enrichment_settings(
        {
            "TAPSTACK_ENRICHMENT": " ua, ip ,clock_skew",
            "TAPSTACK_CONSENT": "anonymous",
            "TAPSTACK_CONSENT_CATEGORIES": "Mesure d'audience,C0002",
            "TAPSTACK_PSEUDONYMISED_FIELDS": "user_id,traits.email",
            "TAPSTACK_PSEUDONYM_KEY": "name",
        }
    )
    assert settings.steps == {"ua", "ip", "clock_skew"}
    assert settings.categories == {"mesure d'audience", "c0002"}
    assert (settings.consent, settings.fields, settings.key) == (
        "anonymous", ("user_id", "traits.email"), "name",
    )  # fmt: skip
    assert enrichment_settings({"TAPSTACK_CONSENT": "refused"}).categories == set(CATEGORIES)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("TAPSTACK_ENRICHMENT", "geo", f"expected some of {', '.join(STEPS)}, got 'geo'"),
        ("TAPSTACK_CONSENT", "yes", "expected one of off, anonymous, refused, got 'yes'"),
        ("TAPSTACK_PSEUDONYMISED_FIELDS", "event_id", "got 'event_id'"),
        ("TAPSTACK_PSEUDONYMISED_FIELDS", ",".join(f"traits.a{n}" for n in range(51)), "at most 50"),
    ],
)
def test_an_odd_value_is_named(name: str, value: str, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason) as caught:
        enrichment_settings({name: value, "TAPSTACK_PSEUDONYM_KEY": "name"})
    assert caught.value.variable == name


@pytest.mark.parametrize(
    "needing", [{"TAPSTACK_PSEUDONYMISED_FIELDS": "user_id"}, {"TAPSTACK_CONSENT": "anonymous"}]
)
def test_what_hashes_needs_a_key(needing: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="TAPSTACK_PSEUDONYM_KEY"):
        enrichment_settings(needing)


def test_the_key_is_read_until_it_has_been_once() -> None:
    settings = enrichment_settings(
        {"TAPSTACK_PSEUDONYMISED_FIELDS": "user_id", "TAPSTACK_PSEUDONYM_KEY": "x"}
    )
    secret = Secret(KEY + b"\n", failures=1)
    get = enrichment_of(settings, secret.read)
    assert get is not None
    with pytest.raises(Unavailable):
        get()
    assert get().key == KEY
    assert get() is get()
    assert secret.reads == 2


def test_a_key_that_can_be_guessed_is_none() -> None:
    settings = enrichment_settings({"TAPSTACK_CONSENT": "anonymous", "TAPSTACK_PSEUDONYM_KEY": "x"})
    get = enrichment_of(settings, Secret(b"secret").read)
    assert get is not None
    with pytest.raises(Unavailable, match="fewer than 32 bytes"):
        get()


def test_no_key_is_read_where_nothing_is_hashed() -> None:
    secret = Secret()
    get = enrichment_of(enrichment_settings({"TAPSTACK_CONSENT": "refused"}), secret.read)
    assert get is not None
    assert get().key == b""
    assert secret.reads == 0
