"""Records every AWS call in the words of IAM: who, which action, on which resource.

What a call is authorised by: https://docs.aws.amazon.com/service-authorization/latest/reference/ (read
2026-11-23), for DynamoDB's transactions
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-apis-iam.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from tapstack.ports import AwsApi

MAPPING = "event-source-mapping"
"""Who polls the stream and stores given-up batches: Lambda, with the role of the mapping's function."""


class RecordedCall(NamedTuple):
    """An authorised action.

    Parameters
    ----------
    caller
        Name of the function, or `MAPPING`.
    action
        As in policies: ``dynamodb:PutItem``.
    resource
        Its ARN.
    """

    caller: str
    action: str
    resource: str


class CallRecorder:
    """Counts calls.

    Parameters
    ----------
    region, account_id
        Of the resources.
    """

    def __init__(self, region: str, account_id: str) -> None:
        self.calls: Counter[RecordedCall] = Counter()
        self.caller_of: Callable[[str], str] = str  # by access key; the cloud knows its workers
        self._region = region
        self._account_id = account_id

    def observe(self, service: str, access_key_id: str, operation: str, path: str, body: bytes) -> None:
        """Take note of a request as it arrives at a service.

        Parameters
        ----------
        service
            ``dynamodb``, ``kinesis`` or ``s3``.
        access_key_id
            Who signed it.
        operation
            As in the service's API, such as ``TransactWriteItems``.
        path
            Of the request, percent-encoded; names S3's objects.
        body
            Of the request.
        """
        self.take(self.caller_of(access_key_id), service, operation, path, body)

    def take(self, caller: str, service: str, operation: str, path: str, body: bytes) -> None:
        """Take note of a call by a known caller; see `observe`."""
        if service == "s3":
            self.calls[RecordedCall(caller, f"s3:{operation}", f"arn:aws:s3:::{unquote(path[1:])}")] += 1
            return
        request = msgspec.json.decode(body)
        for action, name in _actions(service, operation, request):
            kind = "stream" if service == "kinesis" else "table"
            resource = f"arn:aws:{service}:{self._region}:{self._account_id}:{kind}/{name}"
            self.calls[RecordedCall(caller, f"{service}:{action}", resource)] += 1

    def to_json(self) -> bytes:
        """Encode the calls, sorted: a list of ``{caller, action, resource, count}``."""
        rows = [{**call._asdict(), "count": count} for call, count in sorted(self.calls.items())]
        return msgspec.json.format(msgspec.json.encode(rows))


def calls_from_json(text: bytes) -> Counter[RecordedCall]:
    """Read what `CallRecorder.to_json` wrote."""
    rows = msgspec.json.decode(text)
    return Counter(
        {RecordedCall(row["caller"], row["action"], row["resource"]): row["count"] for row in rows}
    )


class RecordedApi:
    """An API whose calls are recorded as the mapping's; its stream is named by hand.

    Parameters
    ----------
    api
        Kinesis.
    recorder
        Takes note.
    stream
        What is read: GetRecords names an iterator only, ListShards' later pages a token.
    """

    def __init__(self, api: AwsApi, recorder: CallRecorder, stream: str) -> None:
        self._api = api
        self._recorder = recorder
        self._body = msgspec.json.encode({"StreamName": stream})

    def call(self, operation: str, body: bytes) -> bytes:
        """Record the call and pass it on; see `tapstack.ports.AwsApi.call`."""
        self._recorder.take(MAPPING, "kinesis", operation, "/", self._body)
        return self._api.call(operation, body)


def _actions(service: str, operation: str, request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is authorised: an action and the name of the table, index or stream."""
    if service == "kinesis":
        yield operation, request.get("StreamName", "")
    elif operation == "TransactWriteItems":
        for item in request["TransactItems"]:
            for kind, entry in item.items():
                action = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
                yield action, entry["TableName"]
    elif operation in {"BatchGetItem", "BatchWriteItem"}:
        for table in request["RequestItems"]:
            yield operation, table
    else:
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        yield operation, request["TableName"] + index
