"""A bucket in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tapstack.errors import OutcomeUnknown
from tapstack.ports import ObjectPage
from tapstack_emulator.faults.policy import NONE, Call, Crash, FaultPolicy

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, read 2026-11-29
PAGE_KEYS_MAX = 1_000

_NOT_DONE = {"throttle", "internal_error", "lost_request"}  # S3's 503 and 500, or no answer
_DONE = {"lost_response", "internal_error_applied"}


class MemoryBucket:
    """A `tapstack.ports.SpillStore` that keeps what it is given.

    Parameters
    ----------
    policy
        Asked at every call (service ``s3``, operations ``PutObject``, ``ListObjectsV2``, ``GetObject`` and
        ``DeleteObject``); None means no faults.

    Attributes
    ----------
    objects : dict[str, bytes]
        What is stored, by key.
    puts : list[str]
        The key of every put that took effect, in order; a key put twice is here twice.
    counts : Counter[str]
        Faults injected, by name.
    """

    def __init__(self, policy: FaultPolicy | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.counts: Counter[str] = Counter()
        self._policy = policy
        self._calls = 0

    def put(self, key: str, body: bytes) -> None:
        """Store `body` under `key`; the same key again replaces it.

        Raises
        ------
        OutcomeUnknown
            If the policy says so, here and in the other calls.
        Crash
            If the policy says so, here and in the other calls.
        """
        fault = self._begin("PutObject", key)
        self.objects[key] = bytes(body)
        self.puts.append(key)
        self._end("PutObject", key, fault)

    def list(self, prefix: str, *, after: str = "") -> ObjectPage:
        """Return a page of the keys that begin with `prefix`, in order, those after `after`."""
        fault = self._begin("ListObjectsV2", prefix)
        start = after.encode()
        keys = sorted(key.encode() for key in self.objects if key.startswith(prefix))
        left = [key.decode() for key in keys if key > start]
        self._end("ListObjectsV2", prefix, fault)
        return ObjectPage(left[:PAGE_KEYS_MAX], is_last=len(left) <= PAGE_KEYS_MAX)

    def get(self, key: str) -> bytes | None:
        """Return the object under `key`; None if there is none."""
        fault = self._begin("GetObject", key)
        self._end("GetObject", key, fault)
        return self.objects.get(key)

    def delete(self, key: str) -> None:
        """Delete the object under `key`, if there is one."""
        fault = self._begin("DeleteObject", key)
        self.objects.pop(key, None)
        self._end("DeleteObject", key, fault)

    def get_each(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the object under each key."""
        return [self.get(key) for key in keys]

    def delete_each(self, keys: Sequence[str]) -> None:
        """Delete the object under each key."""
        for key in keys:
            self.delete(key)

    def _begin(self, operation: str, key: str) -> str:
        """Choose what goes wrong with a call; raise if it does before the call takes effect."""
        fault = self._chosen(operation)
        if fault == "crash_before":
            raise Crash(fault)
        if fault in _NOT_DONE:
            raise OutcomeUnknown(f"{operation} {key}")
        return fault

    def _end(self, operation: str, key: str, fault: str) -> None:
        if fault == "crash_after":
            raise Crash(fault)
        if fault in _DONE:
            raise OutcomeUnknown(f"{operation} {key}")

    def _chosen(self, operation: str) -> str:
        self._calls += 1
        if self._policy is None:
            return NONE
        fault = self._policy.choose(Call(service="s3", operation=operation, number=self._calls)).fault
        if fault != NONE:
            self.counts[fault] += 1
        return fault
