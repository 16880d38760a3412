"""From AWS's error codes to ours, in one table."""

from __future__ import annotations

from collections.abc import Mapping

from tapstack.errors import OutcomeUnknown, Throttled, Unavailable
from tapstack.ports import AwsApi, AwsError

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html and
# https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html, both read 2026-11-23
ERRORS: Mapping[str, type[Unavailable]] = {
    "ThrottlingException": Throttled,
    "ProvisionedThroughputExceededException": Throttled,
    "LimitExceededException": Throttled,
    "KMSThrottlingException": Throttled,
    # The server failed somewhere on the way: the write may have been done.
    "InternalServerError": OutcomeUnknown,
    "InternalFailure": OutcomeUnknown,
    "InternalFailureException": OutcomeUnknown,
    "ServiceUnavailable": OutcomeUnknown,
    "ServiceUnavailableException": OutcomeUnknown,
    "TransactionInProgressException": Throttled,
    # Of one statement of a batch: API_BatchStatementError, read 2026-11-30.
    "ThrottlingError": Throttled,
    "ProvisionedThroughputExceeded": Throttled,
    "RequestLimitExceeded": Throttled,
    "TransactionConflict": Throttled,
}


def translate(service: str, error: AwsError) -> Unavailable:
    """Return our error for an error of AWS.

    A code that is not in the table is `Unavailable`, or `OutcomeUnknown` if the server failed: work
    stops, nothing is acknowledged, and the alarm on errors brings a person.
    """
    unknown = OutcomeUnknown if error.status >= 500 else Unavailable
    return ERRORS.get(error.code, unknown)(f"{service}: {error}")


def call(service: str, api: AwsApi, operation: str, body: bytes) -> bytes:
    """Call an operation whose every error is passing or fatal, with errors translated."""
    try:
        return api.call(operation, body)
    except AwsError as error:
        raise translate(service, error) from None
