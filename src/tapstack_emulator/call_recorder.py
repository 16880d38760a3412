"""Records every AWS call in the words of IAM: who, which action, on which resource.

What a call is authorised by: https://docs.aws.amazon.com/service-authorization/latest/reference/ (read
2026-11-23), for DynamoDB's transactions
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-apis-iam,
for PartiQL https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html (2026-11-30).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from tapstack.ports import AwsApi
from tapstack_emulator.partiql import parse_statement

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
    leading_keys
        Of DynamoDB: how the partition keys that it names begin, up to the first ``#``; sorted.
    enclosing_operation
        Of DynamoDB: the transaction that it is part of.
    """

    caller: str
    action: str
    resource: str
    leading_keys: tuple[str, ...] = ()
    enclosing_operation: str = ""


class CallRecorder:
    """Counts calls.

    Parameters
    ----------
    region, account_id
        Of the resources.
    partition_key
        Name of the tables' partition key, a string.
    """

    def __init__(self, region: str, account_id: str, partition_key: str = "pk") -> None:
        self.calls: Counter[RecordedCall] = Counter()
        self.caller_of: Callable[[str], str] = str  # by access key; the cloud knows its workers
        self._region = region
        self._account_id = account_id
        self._partition_key = partition_key

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
            if operation == "GetObject" and "/" not in path[1:]:  # a bucket's: its keys are listed
                operation = "ListBucket"
            self.calls[RecordedCall(caller, f"s3:{operation}", f"arn:aws:s3:::{unquote(path[1:])}")] += 1
            return
        request = msgspec.json.decode(body)
        prefix = f"arn:aws:{service}:{self._region}:{self._account_id}:"
        if service == "kinesis":
            stream = f"{prefix}stream/{request.get('StreamName', '')}"
            self.calls[RecordedCall(caller, f"kinesis:{operation}", stream)] += 1
            return
        enclosing = operation if operation == "TransactWriteItems" else ""
        for action, name, entry in _actions(operation, request):
            keys = tuple(sorted(set(map(_beginning, _keys(entry, self._partition_key)))))
            call = RecordedCall(caller, f"dynamodb:{action}", f"{prefix}table/{name}", keys, enclosing)
            self.calls[call] += 1

    def to_json(self) -> bytes:
        """Encode the calls, sorted: a list of their fields, each with its ``count``."""
        rows = [{**call._asdict(), "count": count} for call, count in sorted(self.calls.items())]
        return msgspec.json.format(msgspec.json.encode(rows))


def calls_from_json(text: bytes) -> Counter[RecordedCall]:
    """Read what `CallRecorder.to_json` wrote."""
    rows = msgspec.json.decode(text, type=list[_Counted])
    return Counter({RecordedCall(*msgspec.structs.astuple(row)[:-1]): row.count for row in rows})


class _Counted(msgspec.Struct):
    caller: str
    action: str
    resource: str
    leading_keys: tuple[str, ...]
    enclosing_operation: str
    count: int


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


def _actions(operation: str, request: dict[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield what is authorised: an action, the name of the table or index, and what names the keys."""
    if operation == "TransactWriteItems":
        for item in request["TransactItems"]:
            for kind, entry in item.items():
                action = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
                yield action, entry["TableName"], entry
    elif operation == "BatchExecuteStatement":
        for asked in request["Statements"]:
            statement = parse_statement(asked["Statement"], asked["Parameters"])
            yield statement.shape.action, statement.shape.table_name, {"Key": statement.named}
    elif operation in {"BatchGetItem", "BatchWriteItem"}:
        for table, entry in request["RequestItems"].items():
            yield operation, table, entry if isinstance(entry, dict) else {}
    else:
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        yield operation, request["TableName"] + index, request


def _keys(entry: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the partition keys that a call names: of a put, of reads by key, of a query."""
    for key in [entry.get("Item"), entry.get("Key"), *entry.get("Keys", [])]:
        if key and name in key:
            yield key[name]["S"]
    asked = re.search(rf"\b{name} *= *(:\w+)", entry.get("KeyConditionExpression", ""))
    if asked is not None:
        yield entry["ExpressionAttributeValues"][asked[1]]["S"]


def _beginning(key: str) -> str:
    """Return how a key begins: what follows the first # would make as many calls as there are rows."""
    kind, mark, _ = key.partition("#")
    return kind + mark
