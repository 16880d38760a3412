"""Behaviour recorded on real AWS, one test for each recording, named after it.

Source: localstack/localstack tests/aws/services/lambda_/event_source_mapping/
test_lambda_integration_kinesis.snapshot.json (`aws.validated`), read 2026-11-23; their history, which holds
the recordings from 2024-09-11 on, 2026-11-29.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from mapping_driver import (
    BUCKET_ARN,
    FUNCTION_ARN,
    QUEUE_ARN,
    SHARD,
    STREAM_ARN,
    Driver,
    config,
    fail,
    failing_items,
)
from mapping_driver import numbers as numbers_of

from tapstack.ports import AwsError
from tapstack_emulator.event_source_mapping import InvokeResult, create
from tapstack_emulator.event_source_mapping.control import describe, refuse_duplicate
from tapstack_emulator.event_source_mapping.model import Deliver, Disable, Invoke


def body(driver: Driver, index: int = 0) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(driver.of(Deliver)[index].body)
    return parsed


def test_create_kinesis_event_source_mapping() -> None:
    answer = describe(create(config(starting_position="LATEST"), now_ms=0))
    assert answer == {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {}},
        "EventSourceArn": STREAM_ARN,
        "EventSourceMappingArn": answer["EventSourceMappingArn"],
        "FunctionArn": FUNCTION_ARN,
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "StartingPosition": "LATEST",
        "State": "Creating",
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
        "UUID": answer["UUID"],
    }


def test_kinesis_empty_provided_reports_enabled_and_ok() -> None:
    driver = Driver()
    driver.put()
    answer = describe(driver.run().state)
    assert (answer["State"], answer["LastProcessingResult"]) == ("Enabled", "OK")


def test_duplicate_event_source_mappings() -> None:
    first = config()
    with pytest.raises(AwsError, match="already exists") as caught:
        refuse_duplicate([first], config(starting_position="LATEST"))
    assert (caught.value.code, caught.value.status) == ("ResourceConflictException", 409)
    refuse_duplicate([first], config(function_arn=FUNCTION_ARN + "2"))


@pytest.mark.parametrize(
    "payload",
    [b'""', b"null", b"[]", b"{}", b'{"batchItemFailures":[]}', b'{"batchItemFailures":null}', b""],
    ids=[
        "empty_string_success",
        "null_success",
        "empty_list_success",
        "empty_dict_success",
        "empty_batch_item_failure_success",
        "null_batch_item_failure_success",
        "nothing_at_all",
    ],
)
def test_kinesis_report_batch_item_success_scenarios(payload: bytes) -> None:
    driver = Driver(config(batch_size=1, report_batch_item_failures=True, retry_attempts_max=2))
    number = driver.put()
    driver.run(lambda invoke: InvokeResult.success(payload))
    assert driver.invocations() == [[number]]
    assert driver.checkpoint() == number


@pytest.mark.parametrize(
    ("result", "function_error"),
    [
        (failing_items(""), None),
        (InvokeResult.success(b'{"batchItemFailures":[{"itemIdentifier":null}]}'), None),
        (InvokeResult.success(b'{"batchItemFailures":[{"foo":123}]}'), None),
        (InvokeResult.success(b'{"batchItemFailures":[{"itemIdentifier":123}]}'), None),
        (failing_items("123"), None),
        (InvokeResult.success(b'{"batchItemFailures":[{}]}'), None),
        (InvokeResult.failed(), "Unhandled"),
    ],
    ids=[
        "empty_string_item_identifier_failure",
        "null_item_identifier_failure",
        "invalid_key_foo_failure",
        "item_identifier_not_present_failure (number)",
        "item_identifier_not_present_failure (string)",
        "item_identifier_missing",
        "unhandled_exception_in_function",
    ],
)
def test_kinesis_report_batch_item_failure_scenarios(
    result: InvokeResult, function_error: str | None
) -> None:
    driver = Driver(
        config(batch_size=1, report_batch_item_failures=True, retry_attempts_max=2, destination_arn=QUEUE_ARN)
    )
    number = driver.put()
    driver.run(lambda invoke: result)
    assert driver.invocations() == [[number]] * 3
    parcel = body(driver)
    assert parcel["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert parcel["requestContext"]["approximateInvokeCount"] == 3
    assert parcel["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": function_error,
    }
    assert (parcel["KinesisBatchInfo"]["batchSize"], parcel["KinesisBatchInfo"]["shardId"]) == (1, SHARD)


def test_kinesis_report_batch_item_failures() -> None:
    # Five deliveries of the sixth record, one each of the others and a count of 4: so AWS answered on
    # 2024-09-11, 2024-10-12 and 2025-11-25, and so it does for streams of DynamoDB (four recordings).
    driver = Driver(
        config(batch_size=3, report_batch_item_failures=True, retry_attempts_max=3, destination_arn=QUEUE_ARN)
    )
    written = driver.put_many(6)
    driver.run(
        lambda invoke: (
            failing_items(written[5]) if written[5] in numbers_of(invoke) else InvokeResult.success()
        )
    )
    assert driver.invocations() == [written[:3], written[3:], *[[written[5]]] * 4]
    parcel = body(driver)
    assert parcel["requestContext"]["approximateInvokeCount"] == 4
    assert parcel["KinesisBatchInfo"]["batchSize"] == 1
    assert parcel["KinesisBatchInfo"]["startSequenceNumber"] == written[5]
    assert parcel["responseContext"]["functionError"] is None


def test_kinesis_event_source_mapping_with_on_failure_destination_config() -> None:
    driver = Driver(
        config(batch_size=1, batching_window_s=1, retry_attempts_max=1, destination_arn=QUEUE_ARN)
    )
    number = driver.put()
    driver.run(fail)
    assert len(driver.invocations()) == 2  # 1 + MaximumRetryAttempts
    parcel = body(driver)
    assert list(parcel) == ["requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"]
    assert parcel["requestContext"]["approximateInvokeCount"] == 2
    assert parcel["responseContext"]["functionError"] == "Unhandled"
    assert driver.checkpoint() == number


def test_kinesis_event_source_mapping_with_s3_on_failure_destination() -> None:
    driver = Driver(config(batch_size=1, retry_attempts_max=1, destination_arn=BUCKET_ARN, uuid="the-uuid"))
    driver.put(key="custom", data=b'{"input": "hello"}')
    driver.run(fail)
    parcel = body(driver)
    assert parcel["requestContext"]["approximateInvokeCount"] == 2
    event = json.loads(parcel["payload"])
    assert event["Records"][0]["kinesis"]["partitionKey"] == "custom"
    key = driver.of(Deliver)[0].key
    assert key is not None
    assert key.startswith(f"aws/lambda/the-uuid/{SHARD}/2026/01/01/2026-01-01T00.00.0")


@pytest.mark.parametrize(
    ("settings", "first_wait_ms", "invocations"),
    [
        ({"retry_attempts_max": -1}, 0, 1),
        ({"retry_attempts_max": 0}, 61_000, 0),
    ],
    ids=["expire-while-retrying", "expire-before-ingestion"],
)
def test_kinesis_maximum_record_age_exceeded(
    settings: dict[str, int], first_wait_ms: int, invocations: int
) -> None:
    driver = Driver(config(batch_size=1, record_age_max_s=60, destination_arn=QUEUE_ARN, **settings))
    number = driver.put()
    driver.now_ms += first_wait_ms

    def slow_failure(invoke: Invoke) -> InvokeResult:
        driver.now_ms += 61_000
        return InvokeResult.failed()

    driver.run(slow_failure, for_ms=200_000)
    assert len(driver.invocations()) == invocations
    parcel = body(driver)
    assert parcel["requestContext"]["condition"] == "RecordAgeExceeded"
    assert parcel["requestContext"]["approximateInvokeCount"] == 1
    assert parcel["requestContext"]["requestId"]
    assert "responseContext" not in parcel
    assert driver.checkpoint() == number


def test_kinesis_maximum_record_age_exceeded_discard_records() -> None:
    driver = Driver(
        config(batch_size=10, record_age_max_s=60, retry_attempts_max=0, destination_arn=QUEUE_ARN)
    )
    old = driver.put(arrival_ms=driver.now_ms - 61_000)
    young = driver.put_many(5)
    driver.run()
    assert driver.invocations() == [young]
    parcel = body(driver)
    assert parcel["KinesisBatchInfo"]["batchSize"] == 1
    assert (
        parcel["KinesisBatchInfo"]["startSequenceNumber"]
        == parcel["KinesisBatchInfo"]["endSequenceNumber"]
        == old
    )
    assert len(driver.of(Deliver)) == 1
    assert driver.checkpoint() == young[-1]


def test_kinesis_event_source_trim_horizon_delivers_what_was_there_in_batches() -> None:
    driver = Driver(config(batch_size=10))
    written = driver.put_many(20)
    driver.run()
    written += driver.put_many(10)
    driver.run()
    assert driver.invocations() == [written[:10], written[10:20], written[20:]]


def test_disable_kinesis_event_source_mapping_delivers_nothing_more() -> None:
    driver = Driver(config(batch_size=10))
    written = driver.put_many(10)
    driver.run()
    driver.send(Disable(driver.now_ms))
    driver.put_many(10)
    driver.run()
    assert driver.invocations() == [written]
