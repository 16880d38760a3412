"""The exact JSON that leaves the mapping (section 7 of the semantics, and AWS's own examples)."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from mapping_driver import config

from tapstack_emulator.event_source_mapping.payload import (
    Envelope,
    Record,
    ResponseContext,
    failure_record,
    invocation_event,
    s3_key,
)

RECORD = Record(
    sequence_number="49590338271490256608559692538361571095921575989136588898",
    partition_key="u1",
    data="SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
    arrival_ms=1_545_084_650_987,
)
GOLDEN_EVENT = (  # docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, read 2026-11-23
    '{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"u1",'
    '"sequenceNumber":"49590338271490256608559692538361571095921575989136588898",'
    '"data":"SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==","approximateArrivalTimestamp":1545084650.987},'
    '"eventSource":"aws:kinesis","eventVersion":"1.0",'
    '"eventID":"shardId-000000000006:49590338271490256608559692538361571095921575989136588898",'
    '"eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::123456789012:role/lambda-role",'
    '"awsRegion":"us-east-2","eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"}]}'
)
CONFIG = config(
    role_arn="arn:aws:iam::123456789012:role/lambda-role",
    function_arn="arn:aws:lambda:us-east-2:123456789012:function:f",
    uuid="3d3f1c2a-0000-4000-8000-000000000001",
)


def test_the_invocation_event_is_the_documented_one() -> None:
    assert invocation_event(CONFIG, "shardId-000000000006", [RECORD]).decode() == GOLDEN_EVENT


@given(
    st.lists(
        st.builds(
            Record,
            sequence_number=st.integers(0, 10**56).map(str),
            partition_key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
            data=st.sampled_from(["", "e30=", "eA=="]),
            arrival_ms=st.integers(0, 4 * 10**12),
        ),
        max_size=5,
    )
)
def test_the_event_weighs_what_is_measured_and_parses_to_what_went_in(records: list[Record]) -> None:
    event = invocation_event(CONFIG, "shardId-000000000006", records)
    assert Envelope(CONFIG, "shardId-000000000006").event_bytes(records) == len(event)
    parsed = json.loads(event)["Records"]
    assert [item["kinesis"]["partitionKey"] for item in parsed] == [
        record.partition_key for record in records
    ]
    assert [round(item["kinesis"]["approximateArrivalTimestamp"] * 1000) for item in parsed] == [
        record.arrival_ms for record in records
    ]


def failure(*, with_payload: bool = False, condition: str = "RetryAttemptsExhausted") -> str:
    last = Record(sequence_number="9", partition_key="k", data="e30=", arrival_ms=1_573_691_885_580)
    first = Record(sequence_number="8", partition_key="k", data="e30=", arrival_ms=1_573_691_884_835)
    return failure_record(
        CONFIG,
        "shardId-000000000001",
        [first, last],
        condition=condition,  # type: ignore[arg-type]
        invoke_count=3,
        response=ResponseContext(function_error="Unhandled"),
        request_id="c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
        now_ms=1_573_691_886_021,
        with_payload=with_payload,
    ).decode()


def test_the_failure_record_is_the_documented_one() -> None:
    assert failure() == (  # kinesis-on-failure-destination.html, read 2026-11-23
        '{"requestContext":{"requestId":"c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",'
        '"functionArn":"arn:aws:lambda:us-east-2:123456789012:function:f",'
        '"condition":"RetryAttemptsExhausted","approximateInvokeCount":3},'
        '"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},'
        '"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z",'
        '"KinesisBatchInfo":{"shardId":"shardId-000000000001","startSequenceNumber":"8","endSequenceNumber":"9",'
        '"approximateArrivalOfFirstRecord":"2019-11-14T00:38:04.835Z",'
        '"approximateArrivalOfLastRecord":"2019-11-14T00:38:05.580Z","batchSize":2,'
        '"streamArn":"arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"}}'
    )


def test_a_record_that_grew_too_old_has_no_response_context() -> None:
    assert "responseContext" not in json.loads(failure(condition="RecordAgeExceeded"))


def test_for_a_bucket_the_payload_is_the_event_as_an_escaped_string() -> None:
    payload = json.loads(failure(with_payload=True))["payload"]
    assert isinstance(payload, str)
    assert [item["kinesis"]["sequenceNumber"] for item in json.loads(payload)["Records"]] == ["8", "9"]


def test_the_key_of_an_object_names_mapping_shard_and_time() -> None:
    key = s3_key(CONFIG, "shardId-000000000001", now_ms=1_573_691_886_021, object_id="the-object")
    assert key == (
        "aws/lambda/3d3f1c2a-0000-4000-8000-000000000001/shardId-000000000001/2019/11/14/"
        "2019-11-14T00.38.06-the-object"
    )
