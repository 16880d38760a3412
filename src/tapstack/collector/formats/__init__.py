"""Wire formats: a module each, and its line in `FORMATS`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tapstack.collector.formats import native
from tapstack.collector.intake import (
    Result,
)
from tapstack.errors import InvalidEvent
from tapstack.http import Request, Response


class Format(Protocol):
    """How senders of one kind speak; a module is one."""

    @property
    def PATHS(self) -> Sequence[tuple[str, ...]]:  # noqa: N802 - a module's constant
        """Return the paths it answers, in decoded segments; no other format has them."""

    @property
    def METHODS(self) -> Sequence[str]:  # noqa: N802 - likewise
        """Return the methods that it takes events by."""

    def parse(self, request: Request, body_bytes_max: int) -> Sequence[bytes | msgspec.Raw | InvalidEvent]:
        """Return the request's events in order: each as `clickstream/1` in JSON, or what is wrong with it.

        Raises
        ------
        InvalidEvent
            If there is no telling which events it holds; nothing of it is taken.
        BadRequest
            If its body cannot be read.
        """

    def reply(self, results: Sequence[Result]) -> Response:
        """Return the answer to the request, given the fate of each event that `parse` returned."""


FORMATS: Sequence[Format] = (native,)


def format_at(path: tuple[str, ...], formats: Sequence[Format]) -> Format | None:
    """Return the format that answers a path."""
    return next((each for each in formats if path in each.PATHS), None)
