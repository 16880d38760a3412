"""Settings, read once at import from the environment.

`VARIABLES` is the list that Terraform and the docs must match (tested).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from tapstack.core.events import TYPE_CODE
from tapstack.errors import Misconfigured

if TYPE_CHECKING:  # what knows rows is imported where it is used: the collector starts without
    from tapstack.core.history import HistoryBounds
    from tapstack.core.ranking import Weights

DAY_S = 86_400
WEIGHT_MAX = 1_000
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

VARIABLES: Mapping[str, Mapping[str, str]] = {
    "consumer": {
        "TAPSTACK_TABLE": "name of the behaviour table",
        "TAPSTACK_QUARANTINE_BUCKET": "bucket for records that are not events",
        "TAPSTACK_LATE_BUCKET": "bucket for late events: they may have been counted, or are too large",
        "TAPSTACK_LANES": "lanes of the journal; about the number of shards, 1 to 1000",
        "TAPSTACK_ROW_TTL_DAYS": "days a row lives after the last event that changed it",
        "TAPSTACK_EVENT_AGE_MAX_DAYS": "days an event may be old when it arrives; fewer than the row's",
        "TAPSTACK_SEARCH_USERS_MIN": "different users after whose searches a term's text is kept, 2 to 12",
        "TAPSTACK_HISTORY_INTERACTIONS": "of a user's newest interactions so many are kept, 20 to 2000",
        "TAPSTACK_HISTORY_DAYS": "days an interaction is kept in the history; fewer than the row's",
        "TAPSTACK_ATTRIBUTES": "file of declared attributes beside the code; empty: none are declared",
        "TAPSTACK_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
    },
    "collector": {
        "TAPSTACK_STREAM": "name of the stream",
        "TAPSTACK_QUARANTINE_BUCKET": "bucket for events that are refused",
        "TAPSTACK_SPILL_BUCKET": "bucket for events that the stream does not take",
        "TAPSTACK_EVENT_BYTES_MAX": "bytes an event may have, 1024 to 32768",
        "TAPSTACK_EVENT_AGE_MAX_DAYS": "as the consumer has it; an older event is accepted with a note",
        "TAPSTACK_REQUEST_BYTES_MAX": "bytes a request's body may have after decompression",
        "TAPSTACK_ALLOWED_ORIGINS": "origins of web pages that may send events, with commas between",
        "TAPSTACK_SCHEMAS": "folder of the schemas that events are held to, in the zip; empty: none",
        "TAPSTACK_SOURCES": "secret with the sources (ARN or name), or file:/PATH; empty: no key is checked",
        "TAPSTACK_ENRICHMENT": "what is found out about events: some of ua, bots, campaign, ip, clock_skew",
        "TAPSTACK_CONSENT": "off, anonymous or refused: what becomes of events whose user denied analytics",
        "TAPSTACK_CONSENT_CATEGORIES": "what analytics is called in consents, with commas between",
        "TAPSTACK_PSEUDONYMISED_FIELDS": "fields that are hashed: user_id,traits.email",
        "TAPSTACK_PSEUDONYM_KEY": "secret with the key of these hashes (ARN or name), or file:/PATH",
        "TAPSTACK_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
        "TAPSTACK_LOG_INTERVAL_S": "seconds for which requests are summed into a line, 0 to 300; 0: none",
    },
    "drainer": {
        "TAPSTACK_STREAM": "name of the stream",
        "TAPSTACK_SPILL_BUCKET": "bucket for events that the stream did not take",
        "TAPSTACK_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
    },
    "projector": {
        "TAPSTACK_TABLE": "name of the behaviour table",
        "TAPSTACK_ROW_TTL_DAYS": "days a derived row lives after its last change",
        "TAPSTACK_ATTRIBUTES": "as the consumer has it",
        "TAPSTACK_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
    },
    "insights": {
        "TAPSTACK_TABLE": "name of the behaviour table",
        "TAPSTACK_READERS": "who may read, JSON: by id key_hashes and scopes; empty: no keys are asked for",
        "TAPSTACK_HISTORY_INTERACTIONS": "as the consumer has it; no more are shown",
        "TAPSTACK_HISTORY_DAYS": "as the consumer has it; none older is shown",
        "TAPSTACK_ATTRIBUTES": "as the consumer has it",
        "TAPSTACK_TRENDING_WEIGHTS": "what an event adds to a trend's score: item_view=1,purchase=10",
        "TAPSTACK_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
        "TAPSTACK_LOG_INTERVAL_S": "seconds for which requests are summed into a line, 0 to 300; 0: none",
    },
}


class ConsumerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the consumer is told."""

    table: str
    quarantine_bucket: str
    late_bucket: str
    lanes: int
    row_ttl_s: int
    age_max_s: int
    search_users_min: int
    history: HistoryBounds
    attributes: str


class ProjectorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the projector is told."""

    table: str
    row_ttl_s: int
    attributes: str


class DrainerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the drainer is told."""

    stream: str
    spill_bucket: str


class CollectorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the collector is told."""

    stream: str
    quarantine_bucket: str
    spill_bucket: str
    event_bytes_max: int
    event_age_max_days: int
    request_bytes_max: int
    allowed_origins: frozenset[str]
    schemas: str
    sources: str
    log_interval_s: int


class InsightsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the insights API is told."""

    table: str
    readers: str
    history: HistoryBounds
    attributes: str
    trending_weights: Weights
    log_interval_s: int


class AwsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where AWS is. The names are AWS's own, as every SDK reads them [1]_.

    References
    ----------
    .. [1] https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html, read 2026-11-23
    """

    region: str
    dynamodb_url: str | None
    kinesis_url: str | None
    s3_url: str | None
    secrets_url: str | None


def consumer_settings(env: Mapping[str, str] = os.environ) -> ConsumerSettings:
    """Read the consumer's settings.

    Raises
    ------
    Misconfigured
        Naming the variable.
    """
    _check_log_level(env)
    row_ttl_days = _number(env, "TAPSTACK_ROW_TTL_DAYS", 2, 3_650)
    age_max_days = _number(env, "TAPSTACK_EVENT_AGE_MAX_DAYS", 1, 3_650)
    if age_max_days >= row_ttl_days:
        raise Misconfigured(
            "TAPSTACK_EVENT_AGE_MAX_DAYS", f"must be below TAPSTACK_ROW_TTL_DAYS ({row_ttl_days})"
        )
    history = _history(env)
    if history.days >= row_ttl_days:  # the row lists the pages
        raise Misconfigured("TAPSTACK_HISTORY_DAYS", f"must be below TAPSTACK_ROW_TTL_DAYS ({row_ttl_days})")
    return ConsumerSettings(
        table=_text(env, "TAPSTACK_TABLE"),
        quarantine_bucket=_text(env, "TAPSTACK_QUARANTINE_BUCKET"),
        late_bucket=_text(env, "TAPSTACK_LATE_BUCKET"),
        lanes=_number(env, "TAPSTACK_LANES", 1, 1_000),
        row_ttl_s=row_ttl_days * DAY_S,
        age_max_s=age_max_days * DAY_S,
        search_users_min=_number(env, "TAPSTACK_SEARCH_USERS_MIN", 2, 12),
        history=history,
        attributes=env.get("TAPSTACK_ATTRIBUTES", ""),
    )


def projector_settings(env: Mapping[str, str] = os.environ) -> ProjectorSettings:
    """Read the projector's settings; raises `Misconfigured`.

    A derived row lives longer than any journal entry, or one that has expired would begin anew and fold an
    entry twice.
    """
    from tapstack.core.journal import DERIVED_TTL_MIN_S

    _check_log_level(env)
    days = _number(env, "TAPSTACK_ROW_TTL_DAYS", 2, 3_650)
    row_ttl_s = max(days * DAY_S, DERIVED_TTL_MIN_S)
    return ProjectorSettings(
        table=_text(env, "TAPSTACK_TABLE"),
        row_ttl_s=row_ttl_s,
        attributes=env.get("TAPSTACK_ATTRIBUTES", ""),
    )


def collector_settings(env: Mapping[str, str] = os.environ) -> CollectorSettings:
    """Read the collector's settings; raises `Misconfigured`."""
    _check_log_level(env)
    return CollectorSettings(
        stream=_text(env, "TAPSTACK_STREAM"),
        quarantine_bucket=_text(env, "TAPSTACK_QUARANTINE_BUCKET"),
        spill_bucket=_text(env, "TAPSTACK_SPILL_BUCKET"),
        event_bytes_max=_number(env, "TAPSTACK_EVENT_BYTES_MAX", 1_024, 32_768),
        event_age_max_days=_number(env, "TAPSTACK_EVENT_AGE_MAX_DAYS", 1, 3_650),
        request_bytes_max=_number(env, "TAPSTACK_REQUEST_BYTES_MAX", 1_024, 5 * 1024 * 1024),
        allowed_origins=_origins(env, "TAPSTACK_ALLOWED_ORIGINS"),
        schemas=env.get("TAPSTACK_SCHEMAS", ""),
        sources=env.get("TAPSTACK_SOURCES", ""),
        log_interval_s=_log_interval_s(env),
    )


def drainer_settings(env: Mapping[str, str] = os.environ) -> DrainerSettings:
    """Read the drainer's settings; raises `Misconfigured`."""
    _check_log_level(env)
    return DrainerSettings(
        stream=_text(env, "TAPSTACK_STREAM"), spill_bucket=_text(env, "TAPSTACK_SPILL_BUCKET")
    )


def insights_settings(env: Mapping[str, str] = os.environ) -> InsightsSettings:
    """Read the insights API's settings; raises `Misconfigured`."""
    _check_log_level(env)
    return InsightsSettings(
        table=_text(env, "TAPSTACK_TABLE"),
        readers=env.get("TAPSTACK_READERS", ""),
        history=_history(env),
        attributes=env.get("TAPSTACK_ATTRIBUTES", ""),
        trending_weights=_weights(env, "TAPSTACK_TRENDING_WEIGHTS"),
        log_interval_s=_log_interval_s(env),
    )


def aws_settings(env: Mapping[str, str] = os.environ) -> AwsSettings:
    """Read where AWS is; raises `Misconfigured`."""
    everywhere = _url(env, "AWS_ENDPOINT_URL")
    return AwsSettings(
        region=_region(env),
        dynamodb_url=_url(env, "AWS_ENDPOINT_URL_DYNAMODB") or everywhere,
        kinesis_url=_url(env, "AWS_ENDPOINT_URL_KINESIS") or everywhere,
        s3_url=_url(env, "AWS_ENDPOINT_URL_S3") or everywhere,
        secrets_url=_url(env, "AWS_ENDPOINT_URL_SECRETS_MANAGER") or everywhere,
    )


def _history(env: Mapping[str, str]) -> HistoryBounds:
    from tapstack.core.history import INTERACTIONS_MAX, RECENT_MAX, HistoryBounds

    return HistoryBounds(
        interactions=_number(env, "TAPSTACK_HISTORY_INTERACTIONS", RECENT_MAX, INTERACTIONS_MAX),
        days=_number(env, "TAPSTACK_HISTORY_DAYS", 1, 3_650),
    )


def _text(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise Misconfigured(name, "is required")
    return value


def _region(env: Mapping[str, str]) -> str:
    region = _text(env, "AWS_REGION")
    if not re.fullmatch(r"[a-z0-9-]+", region):  # it is part of a header of every request
        raise Misconfigured("AWS_REGION", f"expected a region such as eu-central-1, got {region!r}")
    return region


def _url(env: Mapping[str, str], name: str) -> str | None:
    value = env.get(name) or None
    if value is None:
        return None
    if not _is_address(value):
        raise Misconfigured(name, f"expected http(s)://host[:port], got {value!r}")
    return value


def _origins(env: Mapping[str, str], name: str) -> frozenset[str]:
    """Return a list of origins as browsers write them: in small letters, without a path."""
    origins = frozenset(part.strip() for part in env.get(name, "").split(",")) - {""}
    for origin in origins:
        if not re.fullmatch(r"https?://[a-z0-9.:\[\]-]+", origin) or not _is_address(origin):
            raise Misconfigured(name, f"expected origins such as https://shop.example, got {origin!r}")
    return origins


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket left open
        return False


def _check_log_level(env: Mapping[str, str]) -> None:
    """Refuse an odd level at import; `tapstack.entrypoints.log` reads it, and uses INFO by default."""
    value = env.get("TAPSTACK_LOG_LEVEL", "INFO")
    if value not in LOG_LEVELS:
        raise Misconfigured("TAPSTACK_LOG_LEVEL", f"expected one of {', '.join(LOG_LEVELS)}, got {value!r}")


def _weights(env: Mapping[str, str], name: str) -> Weights:
    """Read weights such as ``item_view=1,purchase=10``; a type that is left out has none."""
    from tapstack.core.ranking import DEFAULT_WEIGHTS

    text = env.get(name, "")
    if not text:
        return DEFAULT_WEIGHTS
    codes = {kind: code for kind, code in TYPE_CODE.items() if code in DEFAULT_WEIGHTS}
    weights: dict[int, int] = {}
    for part in text.split(","):
        kind, _, weight = part.strip().partition("=")
        is_new = kind in codes and codes[kind] not in weights
        if not is_new or not re.fullmatch(r"[0-9]{1,4}", weight) or int(weight) > WEIGHT_MAX:
            raise Misconfigured(
                name,
                f"expected each of {', '.join(codes)} at most once, such as item_view=1,purchase=10, "
                f"with integers from 0 to {WEIGHT_MAX}; got {part!r}",
            )
        weights[codes[kind]] = int(weight)
    if not any(weights.values()):
        raise Misconfigured(name, "expected a weight above 0")
    return {code: weight for code, weight in weights.items() if weight}


def _log_interval_s(env: Mapping[str, str]) -> int:
    """Return the interval; like the level, it need not be set."""
    value = env.get("TAPSTACK_LOG_INTERVAL_S", "10")
    return _number({"TAPSTACK_LOG_INTERVAL_S": value}, "TAPSTACK_LOG_INTERVAL_S", 0, 300)


def _number(env: Mapping[str, str], name: str, low: int, high: int) -> int:
    value = _text(env, name)
    if not value.isascii() or not value.isdigit() or len(value) > 12 or not low <= int(value) <= high:
        raise Misconfigured(name, f"expected a whole number from {low} to {high}, got {value!r}")
    return int(value)
