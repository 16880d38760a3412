"""What the embedded cloud tells of what comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Witness(Protocol):
    """Who is told what passes through the cloud's ends."""

    def request(self, method: str, headers: Mapping[str, str]) -> None:
        """See a request that the load balancer forwards."""
        ...

    def put(self, body: bytes) -> None:
        """See a PutRecords of the collector, done or not."""
        ...
