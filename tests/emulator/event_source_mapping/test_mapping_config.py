"""The mapping's parameters: ranges, defaults, and the JSON of the Lambda API."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from mapping_driver import FUNCTION_ARN, STREAM_ARN, config
from msgspec.structs import replace

from tapstack_emulator.event_source_mapping import MappingConfig

API: dict[str, Any] = {
    "EventSourceArn": STREAM_ARN,
    "FunctionName": FUNCTION_ARN,
    "StartingPosition": "TRIM_HORIZON",
}


def test_defaults_are_those_of_aws() -> None:
    assert MappingConfig.from_api(API) == config()
    assert (config().batch_size, config().retry_attempts_max, config().record_age_max_s) == (100, -1, -1)


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("BatchSize", [1, 10_000], [0, 10_001]),
        ("MaximumBatchingWindowInSeconds", [0, 300], [-1, 301]),
        ("ParallelizationFactor", [1, 10], [0, 11]),
        ("MaximumRetryAttempts", [-1, 0, 10_000], [-2, 10_001]),
        ("MaximumRecordAgeInSeconds", [-1, 60, 604_800], [-2, 0, 59, 604_801]),
        ("TumblingWindowInSeconds", [0, 900], [-1, 901]),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_parameters_name(
    parameter: str, good: list[int], bad: list[int]
) -> None:
    for value in good:
        assert MappingConfig.from_api(API | {parameter: value}).to_api()[parameter] == value
    for value in bad:
        with pytest.raises(ValueError, match=f"{parameter} must be .* not {value}"):
            MappingConfig.from_api(API | {parameter: value})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"StartingPosition": "SOMEWHERE"}, "StartingPosition"),
        ({"StartingPosition": None}, "StartingPosition"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "StartingPositionTimestamp"),
        ({"StartingPositionTimestamp": 1}, "StartingPositionTimestamp"),
        ({"EventSourceArn": None}, "EventSourceArn"),
        ({"FunctionName": None}, "FunctionName"),
        ({"FunctionResponseTypes": ["Other"]}, "FunctionResponseTypes"),
        ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:kafka:::t"}}}, "DestinationConfig"),
    ],
)
def test_an_odd_parameter_is_refused_by_its_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        MappingConfig.from_api(API | change)


def test_a_mapping_survives_its_description() -> None:
    full = config(
        starting_position="AT_TIMESTAMP",
        starting_position_timestamp_ms=1_545_084_650_987,
        batch_size=7,
        bisect_batch_on_function_error=True,
        report_batch_item_failures=True,
        destination_arn="arn:aws:s3:::dead",
        filter_patterns=('{"data":{"a":[1]}}',),
        event_count_metrics=True,
        uuid="u",
    )
    assert MappingConfig.from_api(msgspec.json.encode(full.to_api())) == full


def test_a_timestamp_may_be_text() -> None:
    change = {
        "StartingPosition": "AT_TIMESTAMP",
        "StartingPositionTimestamp": "2018-12-17T22:10:50.987+00:00",
    }
    assert MappingConfig.from_api(API | change).starting_position_timestamp_ms == 1_545_084_650_987


def test_an_update_leaves_what_it_does_not_name() -> None:
    before = config(batch_size=7, role_arn="arn:aws:iam::1:role/r")
    assert before.updated({"ParallelizationFactor": 2}) == replace(before, parallelization_factor=2)


def test_names_come_from_the_stream_s_arn() -> None:
    assert (config().region, config().stream_name) == ("us-east-2", "lambda-stream")
    consumer = config(event_source_arn=STREAM_ARN + "/consumer/c:1")
    assert consumer.stream_name == "lambda-stream"
