"""A bucket in memory."""

from __future__ import annotations

from collections import Counter

from tapstack.errors import OutcomeUnknown
from tapstack_emulator.faults.policy import NONE, Call, Crash, FaultPolicy


class MemoryBucket:
    """A `tapstack.ports.ObjectStore` that keeps what it is given.

    Parameters
    ----------
    policy
        Asked at every put (service ``s3``, operation ``PutObject``); None means no faults.

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
            If the policy says so.
        Crash
            If the policy says so.
        """
        fault = self._chosen()
        if fault == "crash_before":
            raise Crash(fault)
        if fault in {"throttle", "internal_error", "lost_request"}:
            raise OutcomeUnknown(f"PutObject {key}")  # S3's 503 and 500, or no answer
        self.objects[key] = bytes(body)
        self.puts.append(key)
        if fault == "crash_after":
            raise Crash(fault)
        if fault in {"lost_response", "internal_error_applied"}:
            raise OutcomeUnknown(f"PutObject {key}")

    def keys(self, prefix: str = "") -> list[str]:
        """List the keys that start with `prefix`, sorted."""
        return sorted(key for key in self.objects if key.startswith(prefix))

    def _chosen(self) -> str:
        self._calls += 1
        if self._policy is None:
            return NONE
        call = Call(service="s3", operation="PutObject", number=self._calls)
        fault = self._policy.choose(call).fault
        if fault != NONE:
            self.counts[fault] += 1
        return fault
