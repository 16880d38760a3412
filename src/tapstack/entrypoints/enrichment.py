"""The collector's enrichment: what is turned on, and the key for its hashes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

import msgspec

from tapstack.collector.enrichment.consent import CATEGORIES
from tapstack.collector.enrichment.order import CONSENTS, STEPS, ConsentMode, Enrichment
from tapstack.collector.enrichment.pseudonyms import IDS, KEY_BYTES_MIN, Pseudonymise, is_field
from tapstack.errors import Misconfigured, Unavailable

FIELDS_MAX = 50


class EnrichmentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What of enrichment is turned on, and where the key is."""

    steps: frozenset[str]
    consent: ConsentMode
    categories: frozenset[str]
    fields: tuple[str, ...]
    key: str

    @property
    def needs_key(self) -> bool:
        """Return whether something is hashed."""
        return bool(self.fields) or self.consent == "anonymous"

    @property
    def is_off(self) -> bool:
        """Return whether events stay as they are."""
        return not (self.steps or self.fields) and self.consent == "off"


def enrichment_settings(env: Mapping[str, str] = os.environ) -> EnrichmentSettings:
    """Read what of enrichment is turned on; raises `Misconfigured`."""
    steps = _names(env, "TAPSTACK_ENRICHMENT")
    for step in steps:
        if step not in STEPS:
            raise Misconfigured("TAPSTACK_ENRICHMENT", f"expected some of {', '.join(STEPS)}, got {step!r}")
    consent = env.get("TAPSTACK_CONSENT") or "off"
    if consent not in CONSENTS:
        raise Misconfigured("TAPSTACK_CONSENT", f"expected one of {', '.join(CONSENTS)}, got {consent!r}")
    fields = _names(env, "TAPSTACK_PSEUDONYMISED_FIELDS")
    for field in fields:
        if not is_field(field):
            raise Misconfigured(
                "TAPSTACK_PSEUDONYMISED_FIELDS",
                f"expected some of {', '.join(IDS)}, or paths such as traits.email, got {field!r}",
            )
    if len(fields) > FIELDS_MAX:
        raise Misconfigured("TAPSTACK_PSEUDONYMISED_FIELDS", f"expected at most {FIELDS_MAX} fields")
    settings = EnrichmentSettings(
        steps=frozenset(steps),
        consent=consent,  # type: ignore[arg-type] # checked above
        categories=frozenset(name.lower() for name in _names(env, "TAPSTACK_CONSENT_CATEGORIES"))
        or frozenset(CATEGORIES),
        fields=fields,
        key=env.get("TAPSTACK_PSEUDONYM_KEY", ""),
    )
    if settings.needs_key and not settings.key:
        raise Misconfigured(
            "TAPSTACK_PSEUDONYM_KEY", "is required by TAPSTACK_PSEUDONYMISED_FIELDS and by anonymous consents"
        )
    return settings


def enrichment_of(
    settings: EnrichmentSettings, read_key: Callable[[], bytes]
) -> Callable[[], Enrichment] | None:
    """Return how an execution environment gets its enrichment; None if events stay as they are.

    Parameters
    ----------
    settings
        What is turned on.
    read_key
        Returns the key; raises `Unavailable`. It is asked until it has answered once, and only if there is
        something to hash: another key would make another person of each user.
    """
    if settings.is_off:
        return None
    ready: list[Enrichment] = []

    def get() -> Enrichment:
        if not ready:
            key = _key(read_key()) if settings.needs_key else b""
            ready.append(
                Enrichment(
                    steps=settings.steps,
                    consent=settings.consent,
                    categories=settings.categories,
                    pseudonymise=Pseudonymise(settings.fields) if settings.fields else None,
                    key=key,
                )
            )
        return ready[0]

    return get


def _key(text: bytes) -> bytes:
    key = text.strip()
    if len(key) < KEY_BYTES_MIN:
        raise Unavailable(f"pseudonyms: the key has fewer than {KEY_BYTES_MIN} bytes")
    return key


def _names(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys([part for part in re.split(r"\s*,\s*", env.get(name, "").strip()) if part]))
