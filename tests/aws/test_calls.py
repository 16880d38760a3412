"""AWS's errors as ours."""

from __future__ import annotations

import pytest

from tapstack.aws.calls import ERRORS, call, translate
from tapstack.errors import OutcomeUnknown, Throttled, Unavailable
from tapstack.ports import AwsError

CLASSES: dict[str, type[Unavailable]] = {
    # Refused for load, before anything was done.
    **dict.fromkeys(
        [
            "ThrottlingException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "LimitExceededException",
            "KMSThrottlingException",
            "TransactionInProgressException",
            "ThrottlingError",
            "ProvisionedThroughputExceeded",
            "TransactionConflict",
        ],
        Throttled,
    ),
    # The server failed on the way: a write may have been done.
    **dict.fromkeys(
        [
            "InternalServerError",
            "InternalFailure",
            "InternalFailureException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
        OutcomeUnknown,
    ),
}


@pytest.mark.parametrize(("code", "expected"), CLASSES.items(), ids=CLASSES)
def test_each_code_has_its_class(code: str, expected: type[Unavailable]) -> None:
    error = translate("dynamodb", AwsError(code, "text"))
    assert type(error) is expected
    assert str(error) == f"dynamodb: {code}: text"


def test_the_table_of_codes_is_this_one() -> None:
    assert dict(ERRORS) == CLASSES


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, Unavailable), (403, Unavailable), (500, OutcomeUnknown), (503, OutcomeUnknown)],
)
def test_a_code_nobody_knows_is_passing_and_of_unknown_outcome_if_the_server_failed(
    status: int, expected: type[Unavailable]
) -> None:
    assert type(translate("s3", AwsError("BrandNewException", status=status))) is expected


def test_a_call_raises_ours_and_passes_answers_on() -> None:
    class Api:
        def call(self, operation: str, body: bytes) -> bytes:
            if operation == "Bad":
                raise AwsError("ThrottlingException")
            return body

    assert call("dynamodb", Api(), "Good", b"{}") == b"{}"
    with pytest.raises(Throttled, match=r"^dynamodb: ThrottlingException$"):
        call("dynamodb", Api(), "Bad", b"{}")
