"""Errors as AWS JSON words them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tapstack.ports import AwsError

# These name their text "Message", all others "message": recorded by dynalite and kinesalite on AWS
# (mhart/dynalite and mhart/kinesalite, validations/index.js and their tests, read 2026-11-29).
_CAPITAL = frozenset({"SerializationException", "AccessDeniedException", "TransactionCanceledException"})


def failure(
    code: str,
    message: str,
    *,
    status: int = 400,
    prefix: str = "",
    members: Mapping[str, object] | None = None,
) -> AwsError:
    """Return the error that a service answers with.

    Parameters
    ----------
    code
        Short name, such as ``ValidationException``.
    message
        Its text; an empty one is left out.
    status
        HTTP status.
    prefix
        What the service puts before the short name in ``__type``, up to and including ``#``.
    members
        Further members of the body, such as ``Item``.
    """
    body: dict[str, object] = {"__type": prefix + code, **(members or {})}
    if message:
        body["Message" if code in _CAPITAL else "message"] = message
    return AwsError(code, message, status=status, body=msgspec.json.encode(body))


def constraint(value: object, field: str, must: str) -> AwsError:
    """Return the error for one value that breaks a constraint of the API's model."""
    return violations([violation(value, field, must)])


def violation(value: object, field: str, must: str) -> str:
    """Return the sentence for one value that breaks a constraint."""
    return f"Value {_shown(value)} at '{field}' failed to satisfy constraint: {must}"


def violations(found: list[str]) -> AwsError:
    """Return the error for all constraints that a request breaks."""
    noun = "error" if len(found) == 1 else "errors"
    return failure("ValidationException", f"{len(found)} validation {noun} detected: {'; '.join(found)}")


def _shown(value: object) -> str:
    match value:
        case None:
            return "null"
        case list() | dict() if value:
            return "'[...]'" if isinstance(value, list) else "'{...}'"
        case _:
            return f"'{value}'"
