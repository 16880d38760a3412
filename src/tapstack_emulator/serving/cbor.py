"""CBOR as the SDKs for Java and the CLI send it to Kinesis, translated to and from JSON.

Both hold the same members. Binary members are byte strings instead of base64, and timestamps are tagged
whole milliseconds (the RFC's are seconds): see SdkCborGenerator of the AWS SDK for Java 2, and LocalStack's
serializer (localstack/localstack, aws/protocol/serializer.py), read 2026-11-29.
"""

from __future__ import annotations

import base64
from typing import Any

import cbor2
import msgspec

CONTENT_TYPES = frozenset({"application/x-amz-cbor-1.1", "application/cbor"})
_EPOCH = 1
_BINARY = frozenset({"Data"})
_TIMESTAMPS = frozenset({"ApproximateArrivalTimestamp", "StreamCreationTimestamp"})


def to_json(body: bytes) -> bytes:
    """Return a request in JSON.

    Raises
    ------
    ValueError
        If it is no CBOR, or holds what JSON cannot.
    """
    if not body:
        return body
    try:
        request = cbor2.loads(body, semantic_decoders={_EPOCH: _seconds}, max_depth=32)
        return msgspec.json.encode(request)  # byte strings become base64
    except (cbor2.CBORError, TypeError, RecursionError, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from None


def from_json(body: bytes) -> bytes:
    """Return an answer in CBOR."""
    return cbor2.dumps(_converted(msgspec.json.decode(body)))


def _seconds(milliseconds: Any, immutable: bool) -> Any:  # noqa: ARG001, FBT001 - cbor2's shape
    return milliseconds / 1000


def _converted(value: Any) -> Any:
    match value:
        case dict():
            return {name: _member(name, inner) for name, inner in value.items()}
        case list():
            return [_converted(inner) for inner in value]
        case _:
            return value


def _member(name: str, value: Any) -> Any:
    if name in _BINARY and isinstance(value, str):
        return base64.b64decode(value)
    if name in _TIMESTAMPS and isinstance(value, int | float):
        return cbor2.CBORTag(_EPOCH, round(value * 1000))
    return _converted(value)
