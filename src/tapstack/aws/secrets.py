"""A secret in Secrets Manager."""

from __future__ import annotations

import msgspec

from tapstack.aws.calls import call
from tapstack.errors import Unavailable
from tapstack.ports import AwsApi

SERVICE = "secretsmanager"


class _Answer(msgspec.Struct):
    SecretString: str | None = None


class Secret:
    """The current version of one secret.

    Parameters
    ----------
    api
        Secrets Manager.
    secret_id
        The secret's ARN or name.
    """

    def __init__(self, api: AwsApi, secret_id: str) -> None:
        self._api = api
        self._id = secret_id

    def read(self) -> bytes:
        """Return its text.

        Raises
        ------
        Unavailable
            If it cannot be read, or has no text yet.
        """
        body = msgspec.json.encode({"SecretId": self._id})
        answer = msgspec.json.decode(call(SERVICE, self._api, "GetSecretValue", body), type=_Answer)
        if answer.SecretString is None:
            raise Unavailable(f"{SERVICE}: the secret holds no text")
        return answer.SecretString.encode()
