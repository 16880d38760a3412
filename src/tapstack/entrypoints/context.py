"""What Lambda tells an invocation."""

from __future__ import annotations

from typing import Protocol


class Context(Protocol):
    """Lambda's context of an invocation, as far as it is used."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still run."""
        ...
