"""Errors and requests as AWS JSON words them."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from tapstack.ports import AwsError

Request = TypeVar("Request")

_MISSING = re.compile(r"missing required field `(?P<name>\w+)`(?: - at `\$\.?(?P<at>[^`]*)`)?")
_NULL = re.compile(r"^Expected .*, got `null` - at `\$\.?(?P<at>[^`]*)`")


def failure(code: str, message: str, *, status: int = 400, prefix: str = "", **extra: object) -> AwsError:
    """Make the error a service answers with.

    Parameters
    ----------
    code
        Short name, such as ``ValidationException``.
    message
        Its text.
    status
        HTTP status.
    prefix
        What the service puts before the short name in ``__type``, up to and including ``#``.
    **extra
        Further members of the body, such as ``Item``.
    """
    body = msgspec.json.encode({"__type": prefix + code, "message": message, **extra})
    return AwsError(code, message, status=status, body=body)


def constraint(value: object, field: str, must: str) -> AwsError:
    """Make the error for one value that breaks a constraint of the API's model."""
    shown = "null" if value is None else f"'{value}'"
    text = f"1 validation error detected: Value {shown} at '{field}' failed to satisfy constraint: {must}"
    return failure("ValidationException", text)


def decode(decoder: msgspec.json.Decoder[Request], body: bytes) -> Request:
    """Read a request, answering what AWS answers to one it cannot read.

    Raises
    ------
    AwsError
        ``ValidationException`` if a required member is missing or null, else
        ``SerializationException``.
    """
    try:
        return decoder.decode(body or b"{}")
    except msgspec.ValidationError as error:
        text = str(error)
        missing, null = _MISSING.search(text), _NULL.search(text)
        if missing:
            at = ".".join(part for part in (missing["at"], missing["name"]) if part)
            raise constraint(None, _member(at), "Member must not be null") from None
        if null:
            raise constraint(None, _member(null["at"]), "Member must not be null") from None
        raise failure("SerializationException", text) from None
    except msgspec.DecodeError as error:
        raise failure("SerializationException", str(error)) from None


def _member(path: str) -> str:
    """Spell ``Records[0].PartitionKey`` as AWS does: ``records.1.member.partitionKey``."""
    spelled = re.sub(r"\[(\d+|\.\.\.)\]", lambda found: _position(found[1]), path)
    return ".".join(part[:1].lower() + part[1:] for part in spelled.split("."))


def _position(index: str) -> str:
    return f".{int(index) + 1}.member" if index.isdigit() else ".1.member"
