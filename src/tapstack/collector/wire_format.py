"""What a wire format is: the paths it answers, its events in our words, its answer in the sender's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from tapstack.collector.intake import Incoming, Result
from tapstack.http import Request, Response

ANY_SEGMENT = "*"


class Route(msgspec.Struct, frozen=True):
    """A path of a format.

    Parameters
    ----------
    path
        Its segments after slashes; ``*`` stands for any one segment. A trailing slash is passed over.
    methods
        The methods that it takes events by, or answers. HEAD is answered where GET is, and takes nothing.
    takes_events
        Whether requests hold events, which needs a write key where keys are required.
    """

    path: str
    methods: tuple[str, ...] = ("POST",)
    takes_events: bool = True

    @property
    def allowed(self) -> tuple[str, ...]:
        """Return every method that is answered."""
        return (*self.methods, *(("HEAD",) if "GET" in self.methods else ()), "OPTIONS")

    @property
    def segments(self) -> tuple[str, ...]:
        """Return the path's segments."""
        return tuple(self.path[1:].split("/"))

    def matches(self, path: Sequence[str]) -> bool:
        """Return whether this is the route of a path's decoded segments."""
        segments = self.segments
        return len(segments) == len(path) and all(
            segment in {ANY_SEGMENT, found} for segment, found in zip(segments, path, strict=True)
        )


class Limits(NamedTuple):
    """What a request may have at most.

    Parameters
    ----------
    body_bytes
        Its body, after decompression.
    event_bytes
        An event of it. Longer ones are refused when they are taken in; a format that reads several at once
        has to leave them as they are.
    """

    body_bytes: int
    event_bytes: int


class Format(Protocol):
    """How senders of one kind speak; a module is one."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """Return its name, which events on the stream carry as ``protocol``."""

    @property
    def ROUTES(self) -> Sequence[Route]:  # noqa: N802 - likewise
        """Return the paths it answers; no other format has them."""

    @property
    def FIELDS(self) -> Mapping[str, str]:  # noqa: N802 - likewise
        """Return what it calls our fields; docs/reference/wire-formats.md lists it."""

    @property
    def KEYS(self) -> Sequence[str]:  # noqa: N802 - likewise
        """Return the members of its bodies that hold a write key: what is kept of a request is without."""

    def parse(self, request: Request, limits: Limits) -> Sequence[Incoming]:
        """Return the request's events in order, each as far as it is read, or what is wrong with it.

        Raises
        ------
        InvalidEvent
            If there is no telling which events it holds; nothing of it is taken.
        BadRequest
            If its body cannot be read.
        """

    def alone(self, request: Request, body_bytes_max: int) -> Sequence[bytes | msgspec.Raw]:
        """Return each event that `parse` returned, as the sender wrote it, in a body of its own.

        It is called only if some event is refused, to keep what was said. Where events cannot be told apart,
        it may return any other number of them, and then the request is kept whole.

        Raises
        ------
        InvalidEvent
            If there is no telling which events it holds.
        BadRequest
            If its body cannot be read.
        """

    def write_key(self, request: Request, body_bytes_max: int) -> str | None:
        """Return the write key that the body says, if this format's bodies say one.

        Raises
        ------
        InvalidEvent, BadRequest
            If the body cannot be read.
        """

    def reply(self, request: Request, results: Sequence[Result]) -> Response:
        """Return the answer to the request, given the fate of each event that `parse` returned."""
