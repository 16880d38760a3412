"""What an invocation's answer means for its batch.

Source: docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html ("Success and
failure conditions") and the recordings test_kinesis_report_batch_item_{success,failure}_scenarios of
localstack/localstack, recorded on AWS 2024-10-12, read 2026-11-23.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from tapstack_emulator.event_source_mapping.choices import QUESTIONS, Choices

ResultKind = Literal["success", "function_error", "throttled"]
Verdict = Literal["success", "partial", "failure", "throttled"]


class InvokeResult(msgspec.Struct, frozen=True, kw_only=True):
    """How an invocation ended, as far as the mapping can see.

    Parameters
    ----------
    kind
        ``success``: the function returned; ``function_error``: exception, timeout, out of memory, exit;
        ``throttled``: throttled, a service error, or not known to be delivered. These do not use up
        a retry.
    payload
        The function's answer, JSON.
    function_error
        Value of the ``X-Amz-Function-Error`` header.
    """

    kind: ResultKind
    payload: bytes = b"null"
    function_error: str = "Unhandled"

    @classmethod
    def success(cls, payload: bytes = b"null") -> InvokeResult:
        """Return the answer of a function that returned."""
        return cls(kind="success", payload=payload)

    @classmethod
    def failed(cls, payload: bytes = b"{}", function_error: str = "Unhandled") -> InvokeResult:
        """Return the answer of a function that raised, timed out or died."""
        return cls(kind="function_error", payload=payload, function_error=function_error)

    @classmethod
    def throttled(cls) -> InvokeResult:
        """Return the outcome of an invocation that was throttled, refused or lost on its way."""
        return cls(kind="throttled")


class Evaluation(NamedTuple):
    """A verdict, and for ``partial`` the index of the first record to deliver again."""

    verdict: Verdict
    resume_index: int = 0


SUCCESS = Evaluation("success")
FAILURE = Evaluation("failure")


def evaluate(
    result: InvokeResult, sequence_numbers: list[str], *, report_batch_item_failures: bool, choices: Choices
) -> Evaluation:
    """Judge an invocation.

    Parameters
    ----------
    result
        How it ended.
    sequence_numbers
        The batch, in order.
    report_batch_item_failures
        Without it any answer of a function that returned is a success, whatever it says.
    choices
        Settles ``unlisted_response``.
    """
    match result.kind:
        case "throttled":
            return Evaluation("throttled")
        case "function_error":
            return FAILURE
        case "success":
            if not report_batch_item_failures:
                return SUCCESS
            return _read(result.payload, sequence_numbers, choices)


def _read(payload: bytes, sequence_numbers: list[str], choices: Choices) -> Evaluation:
    try:
        response: Any = msgspec.json.decode(payload) if payload else None
    except msgspec.DecodeError:
        return _unlisted(choices)
    if response is None or response in ("", [], {}):
        return SUCCESS
    if isinstance(response, dict) and "batchItemFailures" in response:
        failures = response["batchItemFailures"]
        if failures is None or failures == []:
            return SUCCESS
        if isinstance(failures, list):
            return _resume(failures, sequence_numbers)
    return _unlisted(choices)


def _resume(failures: list[Any], sequence_numbers: list[str]) -> Evaluation:
    """Find the lowest reported record; one bad identifier fails the whole batch."""
    indexes = {number: index for index, number in enumerate(sequence_numbers)}
    lowest = len(sequence_numbers)
    for item in failures:
        identifier = item.get("itemIdentifier") if isinstance(item, dict) else None
        if not isinstance(identifier, str) or identifier not in indexes:
            return FAILURE
        lowest = min(lowest, indexes[identifier])
    return Evaluation("partial", lowest)


def _unlisted(choices: Choices) -> Evaluation:
    answer = choices.pick("unlisted_response", QUESTIONS["unlisted_response"].options)
    return SUCCESS if answer == "success" else FAILURE
