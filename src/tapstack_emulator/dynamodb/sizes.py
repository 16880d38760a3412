"""How large DynamoDB takes an item to be, and what writing it costs.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
(read 2026-11-23).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ITEM_BYTES_MAX = 400 * 1024
WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096

_CONTAINER_BYTES = 3  # "An attribute of type List or Map requires 3 bytes of overhead"
_ELEMENT_BYTES = 1  # "Each List or Map element also requires 1 byte of overhead"


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Count an item as DynamoDB does: UTF-8 names and values.

    Parameters
    ----------
    item
        Attribute values by name, as on the wire: ``{"pk": {"S": "user#1"}}``.
    """
    return sum([_text_bytes(name) + value_bytes(value) for name, value in item.items()])


def value_bytes(value: Mapping[str, Any]) -> int:
    """Count one attribute value.

    Raises
    ------
    ValueError
        If DynamoDB does not have its type.
    """
    kind, content = next(iter(value.items()))
    if kind == "S":
        return _text_bytes(content)
    if kind == "N":
        return number_bytes(content)
    if kind == "B":
        return _binary_bytes(content)
    if kind in {"BOOL", "NULL"}:
        return 1
    return _container_bytes(kind, content)


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _container_bytes(kind: str, content: Any) -> int:
    if kind == "M":
        return _CONTAINER_BYTES + len(content) * _ELEMENT_BYTES + item_bytes(content)
    if kind == "L":
        return _CONTAINER_BYTES + len(content) * _ELEMENT_BYTES + sum(map(value_bytes, content))
    if kind in {"SS", "NS", "BS"}:
        return sum(value_bytes({kind[0]: element}) for element in content)
    msg = f"no such attribute type: {kind}"
    raise ValueError(msg)


def number_bytes(text: str) -> int:
    """Count a number: one byte for two significant digits, one more, one for a minus sign; at most 21.

    AWS calls this approximate; leading and trailing zeros are trimmed.
    """
    if text.isdecimal():  # nearly every number: most of what the simulation computes sizes for
        return min(21, (len(text.strip("0")) + 1) // 2 + 1)
    mantissa = text.lower().lstrip("+-").partition("e")[0]
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).strip("0")
    negative = text.startswith("-") and bool(digits)
    return min(21, (len(digits) + 1) // 2 + 1 + negative)


def _binary_bytes(base64: str) -> int:
    return len(base64) * 3 // 4 - base64[-2:].count("=")


def write_units(size_bytes: int, *, transactional: bool = False) -> int:
    """Count the write units an item costs: one for each KiB begun, twice that in a transaction."""
    return max(1, -(-size_bytes // WRITE_UNIT_BYTES)) * (2 if transactional else 1)


def read_units(size_bytes: int, *, consistent: bool = False) -> float:
    """Count the read units: one for each 4 KiB begun, half that if eventually consistent."""
    return max(1, -(-size_bytes // READ_UNIT_BYTES)) * (1.0 if consistent else 0.5)
