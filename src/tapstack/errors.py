"""Every error of ours, split by what the caller should do.

::

    TapstackError
      InvalidEvent        permanent, the sender's fault: reject it (400) or quarantine it
      Unavailable         try again later; nothing is known to have been lost
        Throttled         ... and more slowly
        OutcomeUnknown    ... the request may or may not have taken effect
      BufferFull          the producer has no room for another event: the application decides
      UndecodableRow      the table contains what no version of ours wrote: stop, and raise the alarm
        NewerLayout       ... or a later release wrote it: deploy that one
      Misconfigured       at start-up; names the variable
      UsageError          a mistake at the command line: one line, exit 2
      RequestError        in `tapstack.http`, and with it each answer of 4xx: the request is wrong as it is
      MalformedInvocation in `tapstack.entrypoints.alb`: no load balancer sent this; the invocation fails
"""

from __future__ import annotations


class TapstackError(Exception):
    """The root of the tree; never raised itself."""


class InvalidEvent(TapstackError):  # noqa: N818 - the tree reads as outcomes, not as FooError
    """The event breaks its schema and will never be accepted as it is.

    Parameters
    ----------
    field
        Path of the offending field, such as ``items[0].item_id``; empty for the event as a whole.
    reason
        What was expected, in words for the sender.
    code
        The kind of mistake, in one word: ``not_json``, ``too_many_bytes``, ``unreadable`` for a request that
        cannot be split into events, ``breaks_schema``, else ``invalid_event``.
    schema
        The schema of the operator's own that it breaks, such as ``purchase/2``; empty for none.
    """

    def __init__(self, field: str, reason: str, code: str = "invalid_event", schema: str = "") -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason
        self.code = code
        self.schema = schema


class Unavailable(TapstackError):  # noqa: N818 - likewise
    """A dependency did not do its part; the same request may succeed later."""


class Throttled(Unavailable):
    """The dependency asked for a slower pace; nothing was written."""


class OutcomeUnknown(Unavailable):
    """The connection ended after the request was sent: it may have taken effect."""


class BufferFull(TapstackError):  # noqa: N818 - likewise
    """The producer's buffer or journal is full. The event was not taken; the application decides what now."""


class UndecodableRow(TapstackError):  # noqa: N818 - likewise
    """A row is not what its key says. Nothing may be counted on it, and nothing may replace it.

    Parameters
    ----------
    kind
        Which row: ``user``, ``item``, ``leaderboard``, or ``row`` if its attributes are wrong. Never its key,
        which names a person.
    reason
        What is wrong with it, without its values.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


class NewerLayout(UndecodableRow):
    """A later release wrote the row. Written again by this one, it would lose what this one does not know.

    Parameters
    ----------
    layout
        The row's.
    known
        The latest that this release knows.
    """

    def __init__(self, layout: int, known: int) -> None:
        super().__init__("row", f"its layout is {layout}, this release knows layouts up to {known}")
        self.layout = layout
        self.known = known


class Misconfigured(TapstackError):  # noqa: N818 - likewise
    """A setting is missing or odd.

    Parameters
    ----------
    variable
        Name of the environment variable.
    expected
        What it must look like.
    """

    def __init__(self, variable: str, expected: str) -> None:
        super().__init__(f"{variable}: {expected}")
        self.variable = variable


class UsageError(TapstackError):
    """The command was called in a way that cannot work; the message says what would."""
