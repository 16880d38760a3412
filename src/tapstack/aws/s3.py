"""Buckets in S3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote_plus

from tapstack.aws.calls import translate
from tapstack.aws.connection import Answer
from tapstack.aws.http import Endpoint
from tapstack.aws.signing import Headers
from tapstack.ports import AwsError, ObjectPage

# Keys are asked for in URL encoding, so that none holds a character of XML [1]_.
# [1] https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, read 2026-11-29
_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_IS_TRUNCATED = re.compile(rb"<IsTruncated>(true|false)</IsTruncated>")


class S3Bucket:
    """`tapstack.ports.SpillStore` on one bucket, over one connection.

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
        """Store an object; see `tapstack.ports.ObjectWriter.put`."""
        answer = self._send("PUT", key, body, [("Content-Type", "application/x-ndjson")])
        if answer.status != 200:
            raise _error(answer)

    def list(self, prefix: str, *, after: str = "") -> ObjectPage:
        """List keys; see `tapstack.ports.ObjectStore.list`."""
        query = [("encoding-type", "url"), ("list-type", "2"), ("prefix", prefix), ("start-after", after)]
        # A signed query is sorted by name, and everything but unreserved characters is encoded.
        text = "&".join([f"{name}={quote(value, safe='')}" for name, value in query if value])
        answer = self._endpoint.send("GET", f"/{self._bucket}?{text}", [], b"")
        is_truncated = _IS_TRUNCATED.search(answer.body)
        if answer.status != 200 or is_truncated is None:
            raise _error(answer)
        keys = [unquote_plus(key.decode()) for key in _KEY.findall(answer.body)]
        return ObjectPage(keys, is_last=is_truncated[1] == b"false")

    def get(self, key: str) -> bytes | None:
        """Read an object; see `tapstack.ports.ObjectStore.get`."""
        answer = self._send("GET", key)
        if answer.status == 404 and b"<Code>NoSuchKey</Code>" in answer.body:
            return None
        if answer.status != 200:
            raise _error(answer)
        return answer.body

    def delete(self, key: str) -> None:
        """Delete an object; see `tapstack.ports.ObjectStore.delete`."""
        answer = self._send("DELETE", key)
        if answer.status != 204:
            raise _error(answer)

    def get_each(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Read objects; see `tapstack.ports.SpillStore.get_each`."""
        return [self.get(key) for key in keys]

    def delete_each(self, keys: Sequence[str]) -> None:
        """Delete objects; see `tapstack.ports.SpillStore.delete_each`."""
        for key in keys:
            self.delete(key)

    def _send(self, method: str, key: str, body: bytes = b"", headers: Headers = ()) -> Answer:
        return self._endpoint.send(method, quote(f"/{self._bucket}/{key}"), headers, body)


def _error(answer: Answer) -> Exception:
    return translate("s3", AwsError(f"Http{answer.status}", status=answer.status))
