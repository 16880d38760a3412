"""The port to whatever takes the events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tapstack.collector.intake import Result
from tapstack.errors import TapstackError


class Answer(NamedTuple):
    """What became of a batch.

    Parameters
    ----------
    results
        Aligned with the batch.
    retry_after_ms
        How long to wait before anything is sent again, ``>= 0``.
    problem
        Why some have to be sent again, for logs: without payloads; empty if none have to.
    """

    results: Sequence[Result]
    retry_after_ms: int = 0
    problem: str = ""


class TooLarge(TapstackError):  # noqa: N818 - the tree reads as outcomes
    """The batch was refused for its size: send less at once."""


class Transport(Protocol):
    """Sends batches; used by one thread at a time."""

    def send(self, batch: Sequence[bytes]) -> Answer:
        """Send events once.

        Raises
        ------
        Unavailable
            If the fate of all of them is unknown, or none was taken: send them again.
        TooLarge
            If none was taken for their number or size.
        """

    def close(self) -> None:
        """Close connections; `send` opens them again."""
