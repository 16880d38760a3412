"""Keys, items and writes as DynamoDB spells them, and what its answers say."""

from __future__ import annotations

from typing import Any

import msgspec

from tapstack.ports import AwsError

KiB = 1024


def key(pk: str = "p", sk: str = "s") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def item(pk: str = "p", sk: str = "s", **attributes: Any) -> dict[str, Any]:
    return {**key(pk, sk), **attributes}


def number(value: object) -> dict[str, str]:
    return {"N": str(value)}


def put(table: str, seen: int, pk: str = "p", **attributes: Any) -> dict[str, Any]:
    """The product's own write: version `seen` + 1 if the row's version is still `seen`."""
    write: dict[str, Any] = {
        "TableName": table,
        "Item": item(pk, ver=number(seen + 1), **attributes),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    if seen:
        write |= {"ConditionExpression": "ver = :seen", "ExpressionAttributeValues": {":seen": number(seen)}}
    return write


def reasons(error: AwsError) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(error.body)["CancellationReasons"]
    return found


def get(dynamodb: Any, table: str, pk: str = "p", sk: str = "s") -> dict[str, Any] | None:
    answer = dynamodb("GetItem", TableName=table, Key=key(pk, sk), ConsistentRead=True)
    found: dict[str, Any] | None = answer.get("Item")
    return found
