"""What each fault looks like on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tapstack.ports import AwsApi, AwsError
from tapstack_emulator.aws_json import failure

_DYNAMODB = "com.amazonaws.dynamodb.v20120810#"
_CORAL = "com.amazon.coral.service#"
_RATE = (
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your"
    " provisioning level with the UpdateTable API."
)
_ERRORS = {
    "throttle": ("ProvisionedThroughputExceededException", _RATE, _DYNAMODB),
    "throttle_api": ("ThrottlingException", "Rate of requests exceeds the allowed throughput.", _CORAL),
    "expired_iterator": ("ExpiredIteratorException", "Iterator expired.", ""),
}
_ITEM_OPERATIONS = frozenset({"GetItem", "PutItem", "DeleteItem", "Query"})
_TABLE_OPERATIONS = frozenset({"CreateTable", "DescribeTable", "DeleteTable", "UpdateTimeToLive"})

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def service_of(operation: str) -> str:
    """Return the service that an operation belongs to."""
    dynamodb = operation in _ITEM_OPERATIONS or operation in _TABLE_OPERATIONS or operation.endswith("Items")
    return "dynamodb" if dynamodb or operation.startswith("Batch") else "kinesis"


def error(fault: str, service: str, operation: str, body: bytes) -> AwsError:
    """Return the error answer of a fault."""
    dynamodb = service == "dynamodb"
    if fault == "throttle_transaction":
        others: list[dict[str, str]] = [{"Code": "None"}] * (entry_count(operation, body) - 1)
        return cancelled([{"Code": "ThrottlingError", "Message": _RATE}, *others])
    if fault == "throttle_api" and not dynamodb:
        return failure("LimitExceededException", f"Rate exceeded for {operation}")
    if fault == "access_denied":
        text = f"User is not authorized to perform: {service}:{operation}"
        return failure("AccessDeniedException", text, prefix=_CORAL if dynamodb else "")
    if fault == "internal_error":
        code = "InternalServerError" if dynamodb else "InternalFailure"
        text = "The request processing has failed."
        return failure(code, text, status=500, prefix=_DYNAMODB if dynamodb else "")
    code, text, prefix = _ERRORS[fault]
    return failure(code, text, prefix=prefix if dynamodb else "")


def cancelled(reasons: Sequence[Mapping[str, object]]) -> AwsError:
    """Return the error of a transaction refused for these reasons, one for each of its actions."""
    codes = ", ".join(str(reason["Code"]) for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    code = "TransactionCanceledException"
    return failure(code, message, prefix=_DYNAMODB, members={"CancellationReasons": reasons})


def conflict(operation: str, body: bytes, picked: Sequence[int]) -> AwsError:
    """Return the error of an action on an item that another transaction holds."""
    if operation != "TransactWriteItems":
        text = "Transaction is ongoing for the item"
        return failure("TransactionConflictException", text, prefix=_DYNAMODB)
    held = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    return cancelled(
        [held if index in picked else {"Code": "None"} for index in range(entry_count(operation, body))]
    )


def entry_count(operation: str, body: bytes) -> int:
    """Count the entries of a batch; 1 for what is no batch."""
    request = _decode(body)
    if operation == "PutRecords":
        return len(request.get("Records", ()))
    if operation == "TransactWriteItems":
        return len(request.get("TransactItems", ()))
    if operation == "BatchExecuteStatement":
        return len(request.get("Statements", ()))
    if operation in {"BatchGetItem", "BatchWriteItem"}:
        return len(_flat(operation, request))
    return 1


def partial(api: AwsApi, operation: str, body: bytes, picked: Sequence[int]) -> bytes | None:
    """Make the call without the picked entries and answer that they were refused; None if there are none."""
    if not picked:
        return None
    request = _decode(body)
    if operation == "PutRecords":
        return _partial_put(api, request, frozenset(picked))
    if operation == "BatchExecuteStatement":
        return _partly_run(api, request, frozenset(picked))
    return _unprocessed(api, operation, request, frozenset(picked))


def _partial_put(api: AwsApi, request: dict[str, Any], picked: frozenset[int]) -> bytes:
    entries = request["Records"]
    kept = [entry for index, entry in enumerate(entries) if index not in picked]
    answer: dict[str, Any] = {"FailedRecordCount": 0, "Records": []}
    if kept:
        answer = _decode(api.call("PutRecords", msgspec.json.encode({**request, "Records": kept})))
    given = iter(answer["Records"])
    stream = request.get("StreamName", "")
    answer["Records"] = [
        _refusal(index, stream) if index in picked else next(given) for index in range(len(entries))
    ]
    answer["FailedRecordCount"] += len(picked)
    return msgspec.json.encode(answer)


def _refusal(index: int, stream: str) -> dict[str, str]:
    if index % 4 == 3:
        return {"ErrorCode": "InternalFailure", "ErrorMessage": "Internal Service Failure"}
    message = f"Rate exceeded for shard shardId-000000000000 in stream {stream} under account 123456789012."
    return {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": message}


def _partly_run(api: AwsApi, request: dict[str, Any], picked: frozenset[int]) -> bytes:
    statements = request["Statements"]
    kept = [each for index, each in enumerate(statements) if index not in picked]
    answer: dict[str, Any] = {"Responses": []}
    if kept:
        asked = msgspec.json.encode({**request, "Statements": kept})
        answer = _decode(api.call("BatchExecuteStatement", asked))
    given = iter(answer["Responses"])
    answer["Responses"] = [
        {"Error": _STATEMENT_ERRORS[index % len(_STATEMENT_ERRORS)]} if index in picked else next(given)
        for index in range(len(statements))
    ]
    return msgspec.json.encode(answer)


_STATEMENT_ERRORS = (
    {"Code": "ThrottlingError", "Message": "Rate of requests exceeds the allowed throughput."},
    {"Code": "ProvisionedThroughputExceeded", "Message": _RATE},
    {"Code": "InternalServerError", "Message": "The request processing has failed."},
)


def _flat(operation: str, request: dict[str, Any]) -> list[tuple[str, Any]]:
    tables = request.get("RequestItems", {})
    if operation == "BatchGetItem":
        return [(table, key) for table, asked in tables.items() for key in asked["Keys"]]
    return [(table, write) for table, writes in tables.items() for write in writes]


def _unprocessed(api: AwsApi, operation: str, request: dict[str, Any], picked: frozenset[int]) -> bytes:
    reading = operation == "BatchGetItem"
    tables = request["RequestItems"]
    kept: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for index, (table, entry) in enumerate(_flat(operation, request)):
        side = left if index in picked else kept
        if reading:
            side.setdefault(table, {**tables[table], "Keys": []})["Keys"].append(entry)
        else:
            side.setdefault(table, []).append(entry)
    answer: dict[str, Any] = {"Responses": {}} if reading else {}
    if kept:
        answer = _decode(api.call(operation, msgspec.json.encode({**request, "RequestItems": kept})))
    name = "UnprocessedKeys" if reading else "UnprocessedItems"
    for table, more in answer.get(name, {}).items():
        if table not in left:
            left[table] = more
        elif reading:
            left[table]["Keys"] += more["Keys"]
        else:
            left[table] += more
    answer[name] = left
    return msgspec.json.encode(answer)


def stale(api: AwsApi, operation: str, body: bytes) -> bytes | None:
    """Answer from the past if the service can; None if it cannot or the read is consistent."""
    call_stale = getattr(api, "call_stale", None)
    return None if call_stale is None else call_stale(operation, body)


def empty_page(body: bytes) -> bytes:
    """Answer no records and the same place to go on from."""
    request = _decode(body)
    answer = {"Records": [], "NextShardIterator": request["ShardIterator"], "MillisBehindLatest": 1000}
    return msgspec.json.encode(answer)
