"""Errors as the insights API answers them: problem details that are also ``{code, message}`` [1]_.

References
----------
.. [1] RFC 9457; its predecessor is RFC 7807
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

from tapstack.http import BadRequest, RequestError, Response, echo, json_response

MEDIA_TYPE = "application/problem+json"
FAULTS_TOLD_MAX = 5  # in the message
FAULTS_LISTED_MAX = 100
NAME_CHARS_MAX = 64


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one parameter, or with one place of the body.

    Parameters
    ----------
    detail
        What was expected and what came.
    parameter
        Of the path or the query, cut after 64 characters.
    pointer
        Into the body: a JSON pointer as a fragment (RFC 6901, section 6), such as ``#/users/3``.
    """

    detail: str
    parameter: str | msgspec.UnsetType = msgspec.UNSET
    pointer: str | msgspec.UnsetType = msgspec.UNSET

    def __str__(self) -> str:
        """Return the fault as a part of a message."""
        if self.parameter is not msgspec.UNSET:
            plain = self.parameter.isascii() and self.parameter.isidentifier()
            return f"{self.parameter if plain else echo(self.parameter)}: {self.detail}"
        if self.pointer in {msgspec.UNSET, "#"}:
            return self.detail
        return f"{self.pointer}: {self.detail}"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error, with RFC 9457's members and those that SDKs look for, ``code`` and ``message``."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    message: str
    errors: Sequence[Fault] | msgspec.UnsetType = msgspec.UNSET


class InvalidRequest(BadRequest):
    """Parameters or places of the body are not what they must be.

    Parameters
    ----------
    faults
        All of them, at least one; `FAULTS_LISTED_MAX` are listed, and `FAULTS_TOLD_MAX` are in the message.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(dict.fromkeys(faults))[:FAULTS_LISTED_MAX]
        super().__init__("; ".join(map(str, self.faults[:FAULTS_TOLD_MAX])))


def parameter_fault(name: str, detail: str) -> Fault:
    """Return a fault of a parameter, whose name a sender may have chosen."""
    return Fault(detail=detail, parameter=name[:NAME_CHARS_MAX])


def problem(error: RequestError) -> Response:
    """Return the answer to a request that cannot be answered as it is."""
    faults = error.faults if isinstance(error, InvalidRequest) else msgspec.UNSET
    return problem_response(error.status, error.code, str(error), error.headers, faults)


def problem_response(
    status: int,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Fault] | msgspec.UnsetType = msgspec.UNSET,
) -> Response:
    """Return an error; nobody may keep it, since it may be over by the next request."""
    document = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=message,
        code=code,
        message=message,
        errors=errors,
    )
    told = {"content-type": MEDIA_TYPE, "cache-control": "no-store", **(headers or {})}
    return json_response(status, document, told)
