"""Attribute values: checked and made canonical, so that equal values are equal dictionaries."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from tapstack.ports import AwsError
from tapstack_emulator.aws_json import failure

Value = dict[str, Any]
Item = dict[str, Value]

PREFIX = "com.amazonaws.dynamodb.v20120810#"
_EXACT = Context(prec=400)  # enough to add the largest to the smallest number without rounding
_DIGITS_MAX = 38
_NESTING_MAX = 32


def invalid(message: str) -> AwsError:
    """Return DynamoDB's ValidationException."""
    return failure("ValidationException", message, prefix="com.amazon.coral.validate#")


def empty_key(name: str, kind: str) -> AwsError:
    """Return the ValidationException of a key attribute, of kind S or B, that is empty."""
    return invalid(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot"
        f" contain an empty {'string' if kind == 'S' else 'binary'} value. Key: {name}"
    )


def canonical_item(item: Mapping[str, Any]) -> Item:
    """Check every value of an item and spell it canonically.

    Raises
    ------
    AwsError
        ``ValidationException``.
    """
    return {name: canonical(value) for name, value in item.items()}


def canonical(value: Any, depth: int = 0) -> Value:
    """Check one value and spell it canonically: numbers without exponent, sets sorted."""
    if not isinstance(value, dict) or len(value) != 1:
        message = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
        if isinstance(value, dict) and value:
            message = "Supplied AttributeValue has more than one datatypes set, must contain exactly one"
        raise invalid(message)
    kind, content = next(iter(value.items()))
    if kind == "S" and isinstance(content, str):
        return {"S": content}
    if kind == "N" and isinstance(content, str):
        return {"N": canonical_number(content)}
    if kind == "B" and isinstance(content, str):
        return {"B": _canonical_binary(content)}
    if kind == "BOOL" and isinstance(content, bool):
        return {"BOOL": content}
    if kind == "NULL" and isinstance(content, bool):
        return _canonical_null(content)
    if depth >= _NESTING_MAX:
        raise invalid("Nesting Levels have exceeded supported limits")
    return _canonical_container(kind, content, depth + 1)


def _canonical_container(kind: str, content: Any, depth: int) -> Value:
    if kind == "M" and isinstance(content, dict):
        return {"M": {name: canonical(inner, depth) for name, inner in content.items()}}
    if kind == "L" and isinstance(content, list):
        return {"L": [canonical(inner, depth) for inner in content]}
    if kind in {"SS", "NS", "BS"} and isinstance(content, list):
        elements = [canonical({kind[0]: element}, depth)[kind[0]] for element in content]
        if not elements:
            raise invalid("One or more parameter values were invalid: An set  may not be empty")
        if len(set(elements)) != len(elements):
            raise invalid(
                f"One or more parameter values were invalid: Input collection {content} contains duplicates."
            )
        return {kind: sorted(elements)}
    raise failure(
        "SerializationException", f"Unexpected value for type {kind}", prefix="com.amazon.coral.service#"
    )


def canonical_number(text: str) -> str:
    """Spell a number as DynamoDB answers it.

    Raises
    ------
    AwsError
        ``ValidationException`` if it is not a number, has more than 38 digits or is out of range.
    """
    if text.isdecimal() and text.isascii() and len(text) <= _DIGITS_MAX:
        return text.lstrip("0") or "0"
    try:
        number = Decimal(text, _EXACT)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or text != text.strip() or "_" in text:
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}")
    return spelled(number)


def spelled(number: Decimal) -> str:
    """Spell a finite number canonically, if DynamoDB can hold it."""
    if not number:
        return "0"
    number = number.normalize(_EXACT)
    if len(number.as_tuple().digits) > _DIGITS_MAX:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if number.adjusted() > 125:
        raise invalid(
            "Number overflow. Attempting to store a number with magnitude larger than supported range"
        )
    if number.adjusted() < -130:
        raise invalid(
            "Number underflow. Attempting to store a number with magnitude smaller than supported range"
        )
    return format(number, "f")


def _canonical_null(content: bool) -> Value:  # noqa: FBT001 - the value itself
    if not content:
        must = "Null attribute value types must have the value of true"
        raise invalid(f"One or more parameter values were invalid: {must}")
    return {"NULL": True}


def _canonical_binary(text: str) -> str:
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode()
    except binascii.Error:
        message = "Invalid Base64 encoding"
        raise failure("SerializationException", message, prefix="com.amazon.coral.service#") from None


def kind_of(value: Value) -> str:
    """Return the type: S, N, B, BOOL, NULL, M, L, SS, NS or BS."""
    return next(iter(value))


def order(value: Value) -> Any:
    """Return what values of one scalar type are ordered by: UTF-8 bytes, numbers, bytes; None for others."""
    kind, content = next(iter(value.items()))
    if kind == "S":
        return content.encode()
    if kind == "N":
        return Decimal(content)
    return base64.b64decode(content) if kind == "B" else None
