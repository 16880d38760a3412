"""Buckets in S3."""

from __future__ import annotations

from urllib.parse import quote

from tapstack.aws.calls import translate
from tapstack.aws.http import Endpoint
from tapstack.ports import AwsError


class S3Bucket:
    """`tapstack.ports.ObjectStore` on one bucket.

    Parameters
    ----------
    endpoint
        S3.
    bucket
        The bucket's name.
    """

    def __init__(self, endpoint: Endpoint, bucket: str) -> None:
        self._endpoint = endpoint
        self._bucket = bucket

    def put(self, key: str, body: bytes) -> None:
        """Store an object; see `tapstack.ports.ObjectStore.put`."""
        path = quote(f"/{self._bucket}/{key}")
        answer = self._endpoint.send("PUT", path, [("Content-Type", "application/json")], body)
        if answer.status != 200:
            raise translate("s3", AwsError(f"Http{answer.status}", status=answer.status))
