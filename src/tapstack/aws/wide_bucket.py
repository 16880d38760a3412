"""A bucket over several connections, for many objects at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from tapstack.aws.http import Endpoint
from tapstack.aws.s3 import S3Bucket


class WideBucket(S3Bucket):
    """An `S3Bucket` that reads and deletes as many objects at once as it has connections.

    Nearly all of the time that an object takes it is on the way. S3 has a call that deletes many objects; it
    needs XML and a checksum of it, and nothing reads many in one call.

    Parameters
    ----------
    endpoints
        S3, a connection each; at least one.
    bucket
        The bucket's name.
    """

    def __init__(self, endpoints: Sequence[Endpoint], bucket: str) -> None:
        super().__init__(endpoints[0], bucket)
        self._buckets = [S3Bucket(endpoint, bucket) for endpoint in endpoints]

    def get_each(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Read objects, a share over each connection; no thread outlives the call."""
        shares = self._shares(keys)
        with ThreadPoolExecutor(len(self._buckets)) as pool:
            return list(chain.from_iterable(pool.map(S3Bucket.get_each, self._buckets, shares)))

    def delete_each(self, keys: Sequence[str]) -> None:
        """Delete objects, a share over each connection; no thread outlives the call."""
        with ThreadPoolExecutor(len(self._buckets)) as pool:
            list(pool.map(S3Bucket.delete_each, self._buckets, self._shares(keys)))

    def _shares(self, keys: Sequence[str]) -> list[Sequence[str]]:
        """Cut keys into a run of neighbours for each connection."""
        length = -(-len(keys) // len(self._buckets))
        return [keys[at * length : (at + 1) * length] for at in range(len(self._buckets))]
