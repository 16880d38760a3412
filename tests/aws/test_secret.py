"""Reading a secret: its current text, or nothing that anybody could go by."""

from __future__ import annotations

import msgspec
import pytest

from tapstack.aws.secrets import Secret
from tapstack.errors import OutcomeUnknown, Throttled, Unavailable
from tapstack.ports import AwsError


class Answering:
    def __init__(self, answer: dict[str, str] | AwsError) -> None:
        self._answer = answer
        self.asked: list[tuple[str, object]] = []

    def call(self, operation: str, body: bytes) -> bytes:
        self.asked.append((operation, msgspec.json.decode(body)))
        if isinstance(self._answer, AwsError):
            raise self._answer
        return msgspec.json.encode(self._answer)


def test_the_current_text_is_read() -> None:
    api = Answering({"Name": "stack-sources", "SecretString": '{"sources": []}', "VersionId": "1"})
    assert Secret(api, "stack-sources").read() == b'{"sources": []}'
    assert api.asked == [("GetSecretValue", {"SecretId": "stack-sources"})]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param({"SecretBinary": "AA=="}, Unavailable, id="no text"),
        pytest.param(AwsError("ResourceNotFoundException"), Unavailable, id="no version yet"),
        pytest.param(AwsError("AccessDeniedException"), Unavailable, id="no permission"),
        pytest.param(AwsError("ThrottlingException"), Throttled, id="throttled"),
        pytest.param(AwsError("InternalServiceError", status=500), OutcomeUnknown, id="failed"),
    ],
)
def test_a_secret_that_cannot_be_read_is_unavailable(
    answer: dict[str, str] | AwsError, kind: type[Unavailable]
) -> None:
    with pytest.raises(kind, match="secretsmanager: "):
        Secret(Answering(answer), "stack-sources").read()
