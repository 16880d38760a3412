"""One request to a service and what is answered, whatever version of HTTP carries it.

The protocol: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html, read 2026-11-23.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from tapstack.errors import OutcomeUnknown
from tapstack.ports import AwsApi, AwsError
from tapstack_emulator.faults.policy import Crash
from tapstack_emulator.lambda_host.host import new_trace_id
from tapstack_emulator.serving import cbor

# PutRecords takes 10 MiB of data and keys, which base64 and JSON make a third larger; DynamoDB 16 MiB.
REQUEST_BYTES_MAX = 24 * 1024 * 1024
_JSON = {"kinesis": "application/x-amz-json-1.1", "dynamodb": "application/x-amz-json-1.0"}
_TARGETS = {"kinesis": "Kinesis_20131202", "dynamodb": "DynamoDB_20120810"}

Observe = Callable[[str, str, str, str, bytes], None]
"""Called with a request: service, access key, operation, path, body."""


class Reply(NamedTuple):
    """An answer."""

    status: int
    content_type: str
    request_id: str
    body: bytes


class Exchange:
    """Answers requests from a `tapstack.ports.AwsApi`.

    Parameters
    ----------
    api
        What answers, at once; a `tapstack_emulator.FaultyApi` may lose answers and crash callers.
    service
        ``kinesis`` or ``dynamodb``.
    on_crash
        Called with the caller's access key when `api` says that its process dies here.
    observe
        Called with each request as it arrives.
    """

    def __init__(
        self,
        api: AwsApi,
        service: str,
        *,
        on_crash: Callable[[str], object] | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.calls: Counter[str] = Counter()
        self._api = api
        self._service = service
        self._on_crash = on_crash
        self._observe = observe

    def reply(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """Return the answer to a request; None if the connection is to be cut.

        Parameters
        ----------
        method, path
            Of the request line.
        headers
            By name; names may be in any case if the mapping allows it, else in lower case.
        body
            As it came.
        """
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        in_cbor = content_type in cbor.CONTENT_TYPES
        target, _, operation = headers.get("x-amz-target", "").partition(".")
        if method != "POST" or target != _TARGETS[self._service]:
            return self._answer(404, _body_of(AwsError("UnknownOperationException", status=404)), in_cbor)
        self.calls[operation] += 1
        caller = access_key_id(headers)
        if in_cbor:
            try:
                body = cbor.to_json(body)
            except ValueError:
                return self._answer(400, b'{"__type":"SerializationException"}', in_cbor)
        if self._observe is not None:
            self._observe(self._service, caller, operation, path, body)
        try:
            return self._answer(200, self._api.call(operation, body), in_cbor)
        except AwsError as error:
            return self._answer(error.status, _body_of(error), in_cbor)
        except OutcomeUnknown:
            return None
        except Crash:
            if self._on_crash is not None:
                self._on_crash(caller)
            return None

    def _answer(self, status: int, body: bytes, in_cbor: bool) -> Reply:  # noqa: FBT001 - a format
        request_id = new_trace_id()[5:]
        if in_cbor:
            return Reply(status, "application/x-amz-cbor-1.1", request_id, cbor.from_json(body))
        return Reply(status, _JSON[self._service], request_id, body)


def access_key_id(headers: Mapping[str, str]) -> str:
    """Return the access key in a request's ``Authorization`` header; empty if nobody signed it."""
    _, _, credential = headers.get("authorization", "").partition("Credential=")
    return credential.partition("/")[0]


def _body_of(error: AwsError) -> bytes:
    if b'"__type"' in error.body:
        return error.body
    return msgspec.json.encode({"__type": error.code, "message": error.message})
