"""The Lambda functions as they are, on in-memory services behind HTTP: their events and their log lines."""

from __future__ import annotations

import base64
import importlib
import json
import sys
import time
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import msgspec
import pytest

from event_strategies import client_event
from local_aws import LocalAws
from tapstack_emulator import ManualClock, MemoryDynamoDB, MemoryKinesis

NOW_S = int(time.time())  # the functions run on the machine's clock
SEQUENCE = "4959033827149025660855969253836157109592157598913658"
LONG_AGO = "2024-03-10T12:00:00Z"
ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "TAPSTACK_TABLE": "behaviour",
    "TAPSTACK_STREAM": "events",
    "TAPSTACK_QUARANTINE_BUCKET": "quarantine-bucket",
    "TAPSTACK_LATE_BUCKET": "late-bucket",
    "TAPSTACK_SPILL_BUCKET": "spill-bucket",
    "TAPSTACK_LANES": "2",
    "TAPSTACK_ROW_TTL_DAYS": "30",
    "TAPSTACK_HISTORY_INTERACTIONS": "500",
    "TAPSTACK_HISTORY_DAYS": "29",
    "TAPSTACK_EVENT_AGE_MAX_DAYS": "29",
    "TAPSTACK_SEARCH_USERS_MIN": "5",
    "TAPSTACK_EVENT_BYTES_MAX": "2048",
    "TAPSTACK_REQUEST_BYTES_MAX": "65536",
}


class Context:
    """What Lambda tells an invocation."""

    aws_request_id = "7b0a7f2e-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Cloud:
    """The functions, each imported anew as in a cold start, and what is behind them."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.dynamodb = MemoryDynamoDB(ManualClock(NOW_S * 1_000))
        self.dynamodb.create_table("behaviour", ttl_attribute="ttl")
        self.kinesis = MemoryKinesis(ManualClock(NOW_S * 1_000))
        self.kinesis.create_stream("events", 1)
        aws.services |= {"DynamoDB": self.dynamodb, "Kinesis": self.kinesis}

    def function(self, name: str) -> ModuleType:
        module = f"tapstack.entrypoints.{name}"
        sys.modules.pop(module, None)
        return importlib.import_module(module)

    def project(self) -> None:
        """Fold what the consumer counted."""
        self.function("projector").handler(journal_grew(), Context())


def journal_grew(lane: int = 6, number: int = 1) -> dict[str, Any]:
    """Lambda's event, in the form of https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html."""
    return {
        "Records": [
            {
                "eventID": "c4ca4238a0b923820dcc509a6f75849b",
                "eventName": "INSERT",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-2",
                "dynamodb": {
                    "ApproximateCreationDateTime": NOW_S,
                    "Keys": {"pk": {"S": f"J#{lane:04}"}, "sk": {"S": f"{number:020}"}},
                    "SequenceNumber": "4421584500000000017450439091",
                    "SizeBytes": 30,
                    "StreamViewType": "KEYS_ONLY",
                },
                "eventSourceARN": "arn:aws:dynamodb:us-east-2:123456789012:table/behaviour/stream/2026",
            }
        ]
    }


def mapped(*data: bytes, first: int = 1) -> dict[str, Any]:
    """Lambda's event, in the form of https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": f"{SEQUENCE}{number:04d}",
                    "data": base64.b64encode(each).decode(),
                    "approximateArrivalTimestamp": NOW_S + 0.651,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000006:{SEQUENCE}{number:04d}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
                "awsRegion": "us-east-2",
                "eventSourceARN": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream",
            }
            for number, each in enumerate(data, first)
        ]
    }


def request(method: str, path: str, body: object = None, **changes: Any) -> dict[str, Any]:
    text = None if body is None else msgspec.json.encode(body).decode()
    return {
        "httpMethod": method, "path": path, "queryStringParameters": {}, "headers": {},
        "body": text, "isBase64Encoded": False, **changes,
    }  # fmt: skip


def event(number: int, **changes: Any) -> bytes:
    now = datetime.fromtimestamp(NOW_S, tz=UTC).isoformat()
    said = client_event(event_id=f"e-{number}", user_id="secret-user", occurred_at=now)
    return json.dumps({**said, "received_at": now, "clock_skew_ms": 0, **changes}).encode()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in capsys.readouterr().out.splitlines()]


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (found,) = lines(capsys)
    return found
