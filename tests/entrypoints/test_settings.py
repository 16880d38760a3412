"""Settings: what is missing or odd is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tapstack.core.events import TYPE_CODE
from tapstack.core.history import HistoryBounds
from tapstack.core.journal import DERIVED_TTL_MIN_S, JOURNAL_TTL_S, LAG_MAX_S
from tapstack.core.ranking import DEFAULT_WEIGHTS
from tapstack.entrypoints.enrichment import enrichment_settings
from tapstack.entrypoints.settings import (
    DAY_S,
    VARIABLES,
    AwsSettings,
    CollectorSettings,
    ConsumerSettings,
    InsightsSettings,
    ProjectorSettings,
    aws_settings,
    collector_settings,
    consumer_settings,
    drainer_settings,
    insights_settings,
    projector_settings,
)
from tapstack.errors import Misconfigured

Read = Callable[[Mapping[str, str]], object]
CONSUMER = {
    "TAPSTACK_TABLE": "behaviour",
    "TAPSTACK_QUARANTINE_BUCKET": "q",
    "TAPSTACK_LATE_BUCKET": "l",
    "TAPSTACK_LANES": "4",
    "TAPSTACK_ROW_TTL_DAYS": "30",
    "TAPSTACK_EVENT_AGE_MAX_DAYS": "29",
    "TAPSTACK_SEARCH_USERS_MIN": "5",
    "TAPSTACK_HISTORY_INTERACTIONS": "100",
    "TAPSTACK_HISTORY_DAYS": "29",
}
COLLECTOR = {
    "TAPSTACK_STREAM": "events",
    "TAPSTACK_QUARANTINE_BUCKET": "quarantine",
    "TAPSTACK_SPILL_BUCKET": "spill",
    "TAPSTACK_EVENT_BYTES_MAX": "32768",
    "TAPSTACK_EVENT_AGE_MAX_DAYS": "29",
    "TAPSTACK_REQUEST_BYTES_MAX": "512000",
}
DRAINER = {"TAPSTACK_STREAM": "events", "TAPSTACK_SPILL_BUCKET": "spill"}
PROJECTOR = {"TAPSTACK_TABLE": "behaviour", "TAPSTACK_ROW_TTL_DAYS": "400"}
INSIGHTS = {
    "TAPSTACK_TABLE": "behaviour",
    "TAPSTACK_HISTORY_INTERACTIONS": "100",
    "TAPSTACK_HISTORY_DAYS": "29",
}
AWS = {"AWS_REGION": "eu-central-1"}


def collector(env: Mapping[str, str]) -> object:
    return collector_settings(env), enrichment_settings(env)


READERS: dict[str, tuple[Read, dict[str, str]]] = {
    "consumer": (consumer_settings, CONSUMER),
    "collector": (collector, COLLECTOR),
    "drainer": (drainer_settings, DRAINER),
    "projector": (projector_settings, PROJECTOR),
    "insights": (insights_settings, INSIGHTS),
    "aws": (aws_settings, AWS),
}
REQUIRED = [(function, name) for function, (_, env) in READERS.items() for name in env]


def test_what_is_set_is_read() -> None:
    assert consumer_settings(CONSUMER) == ConsumerSettings(
        table="behaviour",
        quarantine_bucket="q",
        late_bucket="l",
        lanes=4,
        row_ttl_s=30 * DAY_S,
        age_max_s=29 * DAY_S,
        search_users_min=5,
        history=HistoryBounds(interactions=100, days=29),
        attributes="",
    )
    assert collector_settings(COLLECTOR) == CollectorSettings(
        stream="events",
        quarantine_bucket="quarantine",
        spill_bucket="spill",
        event_bytes_max=32_768,
        event_age_max_days=29,
        request_bytes_max=512_000,
        allowed_origins=frozenset(),
        schemas="",
        sources="",
        log_interval_s=10,
    )
    assert projector_settings(PROJECTOR) == ProjectorSettings(
        table="behaviour", row_ttl_s=400 * DAY_S, attributes=""
    )
    assert insights_settings(INSIGHTS) == InsightsSettings(
        table="behaviour",
        readers="",
        history=HistoryBounds(interactions=100, days=29),
        attributes="",
        trending_weights=DEFAULT_WEIGHTS,
        log_interval_s=10,
    )
    assert aws_settings(AWS) == AwsSettings(
        region="eu-central-1", dynamodb_url=None, kinesis_url=None, s3_url=None, secrets_url=None
    )


def test_weights_are_given_by_type() -> None:
    read = insights_settings({**INSIGHTS, "TAPSTACK_TRENDING_WEIGHTS": "purchase=1000, item_view=1,share=0"})
    assert read.trending_weights == {TYPE_CODE["purchase"]: 1_000, TYPE_CODE["item_view"]: 1}


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ("purchase=10,", "got ''"),
        ("purchase=1001", "integers from 0 to 1000; got 'purchase=1001'"),
        ("purchase=-1", "got 'purchase=-1'"),
        ("purchase=1.5", "got 'purchase=1.5'"),
        ("purchase=٣", "got 'purchase=٣'"),
        ("purchase", "got 'purchase'"),
        ("page_view=1", "expected each of item_view, .* at most once.*; got 'page_view=1'"),
        ("purchase=1,purchase=2", "got 'purchase=2'"),
        ("purchase=0,item_view=0", "expected a weight above 0"),
    ],
)
def test_a_weight_that_is_none_is_refused(weights: str, reason: str) -> None:
    with pytest.raises(Misconfigured, match=f"TAPSTACK_TRENDING_WEIGHTS.*{reason}"):
        insights_settings({**INSIGHTS, "TAPSTACK_TRENDING_WEIGHTS": weights})


def test_origins_stand_between_commas() -> None:
    read = collector_settings(
        {**COLLECTOR, "TAPSTACK_ALLOWED_ORIGINS": "https://shop.example, http://[::1]:80"}
    )
    assert read.allowed_origins == {"https://shop.example", "http://[::1]:80"}


@pytest.mark.parametrize(
    "origins", ["*", "shop.example", "https://shop.example/", "https://Shop.example", "https://a,b"]
)
def test_an_origin_that_no_browser_would_send_is_refused(origins: str) -> None:
    with pytest.raises(Misconfigured, match="expected origins such as"):
        collector_settings({**COLLECTOR, "TAPSTACK_ALLOWED_ORIGINS": origins})


def test_a_derived_row_outlives_every_entry_of_the_journal_however_short_other_rows_live() -> None:
    short = projector_settings({**PROJECTOR, "TAPSTACK_ROW_TTL_DAYS": "2"})
    assert short.row_ttl_s == DERIVED_TTL_MIN_S > JOURNAL_TTL_S + LAG_MAX_S


@pytest.mark.parametrize(("function", "name"), REQUIRED, ids=lambda value: value)
@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
def test_a_variable_that_is_not_there_is_named(function: str, name: str, empty: bool) -> None:
    read, env = READERS[function]
    without = {**env, name: ""} if empty else {key: value for key, value in env.items() if key != name}
    with pytest.raises(Misconfigured) as caught:
        read(without)
    assert (caught.value.variable, str(caught.value)) == (name, f"{name}: is required")


ODD: list[tuple[str, str, str]] = [
    *[
        ("consumer", "TAPSTACK_LANES", value)
        for value in ("0", "1001", "-1", "1.5", "four", " 4", "٤", "9" * 5_000)
    ],
    *[
        (function, "TAPSTACK_ROW_TTL_DAYS", value)
        for function in ("consumer", "projector")
        for value in ("1", "3651", "30d")
    ],
    *[("consumer", "TAPSTACK_EVENT_AGE_MAX_DAYS", value) for value in ("0", "30", "31", "x")],
    *[("consumer", "TAPSTACK_SEARCH_USERS_MIN", value) for value in ("0", "1", "13", "all")],
    *[("collector", "TAPSTACK_EVENT_AGE_MAX_DAYS", value) for value in ("0", "3651", "x")],
    *[
        (function, "TAPSTACK_HISTORY_INTERACTIONS", value)
        for function in ("consumer", "insights")
        for value in ("19", "2001", "all")
    ],
    *[("consumer", "TAPSTACK_HISTORY_DAYS", value) for value in ("0", "30", "31")],
    *[("insights", "TAPSTACK_HISTORY_DAYS", value) for value in ("0", "3651", "90d")],
    *[("collector", "TAPSTACK_EVENT_BYTES_MAX", value) for value in ("1023", "32769", "32k")],
    *[("collector", "TAPSTACK_REQUEST_BYTES_MAX", value) for value in ("1023", "5242881", "")],
    *[(function, "TAPSTACK_LOG_LEVEL", value) for function in VARIABLES for value in ("info", "TRACE", "")],
    *[
        (function, "TAPSTACK_LOG_INTERVAL_S", value)
        for function in ("collector", "insights")
        for value in ("", "-1", "301", "10s", "0.5")
    ],
    *[("aws", "AWS_REGION", value) for value in ("", " eu-west-1", "EU", "eu-west-1\r\nX-Injected: 1")],
    *[
        ("aws", f"AWS_ENDPOINT_URL{service}", value)
        for service in ("", "_DYNAMODB", "_KINESIS", "_S3")
        for value in (
            "localhost:4566",
            "ftp://host",
            "http://",
            "http://host:port",
            "http://[::1",
            "http://h:0",
        )
    ],
]


@pytest.mark.parametrize(("function", "name", "value"), ODD, ids=lambda value: value[:24])
def test_a_variable_with_an_odd_value_is_named(function: str, name: str, value: str) -> None:
    read, env = READERS[function]
    with pytest.raises(Misconfigured) as caught:
        read({**env, name: value})
    assert caught.value.variable == name


EDGES: list[tuple[str, str, str]] = [
    ("consumer", "TAPSTACK_LANES", "1"),
    ("consumer", "TAPSTACK_LANES", "1000"),
    ("consumer", "TAPSTACK_ROW_TTL_DAYS", "3650"),
    ("consumer", "TAPSTACK_EVENT_AGE_MAX_DAYS", "1"),
    ("consumer", "TAPSTACK_SEARCH_USERS_MIN", "2"),
    ("consumer", "TAPSTACK_SEARCH_USERS_MIN", "12"),
    ("consumer", "TAPSTACK_HISTORY_INTERACTIONS", "20"),
    ("consumer", "TAPSTACK_HISTORY_INTERACTIONS", "2000"),
    ("consumer", "TAPSTACK_HISTORY_DAYS", "1"),
    ("collector", "TAPSTACK_EVENT_BYTES_MAX", "1024"),
    ("collector", "TAPSTACK_REQUEST_BYTES_MAX", "5242880"),
    ("collector", "TAPSTACK_LOG_INTERVAL_S", "0"),
    ("insights", "TAPSTACK_LOG_INTERVAL_S", "300"),
    ("insights", "TAPSTACK_LOG_LEVEL", "ERROR"),
    ("aws", "AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
    ("aws", "AWS_ENDPOINT_URL", "https://vpce-1.dynamodb.eu-central-1.vpce.amazonaws.com"),
]


@pytest.mark.parametrize(("function", "name", "value"), EDGES)
def test_the_edges_of_a_range_are_within_it(function: str, name: str, value: str) -> None:
    read, env = READERS[function]
    read({**env, name: value})


@pytest.mark.parametrize("function", VARIABLES)
def test_the_list_that_terraform_and_docs_follow_is_what_is_read(function: str) -> None:
    asked = set()

    class Asked(dict[str, str]):
        def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
            asked.add(key)
            return super().get(key, default)

    read, env = READERS[function]
    read(Asked(env))
    assert asked == set(VARIABLES[function])


URLS: dict[str, tuple[dict[str, str], tuple[str | None, str | None, str | None]]] = {
    "AWS itself": ({}, (None, None, None)),
    "one for all": ({"AWS_ENDPOINT_URL": "http://a"}, ("http://a", "http://a", "http://a")),
    "one is elsewhere": (
        {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"},
        ("http://a", "http://a", "http://b"),
    ),
    "each its own": (
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://d", "AWS_ENDPOINT_URL_KINESIS": "http://k"},
        ("http://d", "http://k", None),
    ),
    "an empty one is none": (
        {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": ""},
        ("http://a", "http://a", "http://a"),
    ),
}


@pytest.mark.parametrize(("env", "expected"), URLS.values(), ids=URLS)
def test_endpoints_are_named_as_every_aws_sdk_names_them(
    env: dict[str, str], expected: tuple[str | None, str | None, str | None]
) -> None:
    found = aws_settings({**AWS, **env})
    assert (found.dynamodb_url, found.kinesis_url, found.s3_url) == expected
