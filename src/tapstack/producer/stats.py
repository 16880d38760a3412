"""What a producer has done so far."""

from __future__ import annotations

import msgspec


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Counters since the producer was made; all of events, unless they say otherwise.

    ``accepted + recovered == delivered + refused + abandoned + pending``, at any moment.

    Parameters
    ----------
    accepted
        Taken from the application.
    recovered
        Found in the journal: taken by an earlier process, and not known to be delivered.
    delivered
        Answered ``ok`` or ``duplicate``: they are stored.
    duplicates
        Of these, recognised as copies.
    too_old
        Of the delivered ones, too old to be counted: they are stored as dead letters.
    refused
        Never to be accepted.
    abandoned
        Not answered for when the producer was closed, without a journal.
    pending
        Waiting, or under way.
    dropped
        Not taken, because there was no room and `when_full` is ``drop_newest``.
    repeated
        Sent again, each time counted.
    requests, failed_requests
        Batches that were sent; those whose answer did not settle all of their events.
    damaged_bytes
        Bytes of the journal that could not be read; they are kept beside it.
    last_problem
        Why the last failed request failed; empty if there is none.
    """

    accepted: int = 0
    recovered: int = 0
    delivered: int = 0
    duplicates: int = 0
    too_old: int = 0
    refused: int = 0
    abandoned: int = 0
    pending: int = 0
    dropped: int = 0
    repeated: int = 0
    requests: int = 0
    failed_requests: int = 0
    damaged_bytes: int = 0
    last_problem: str = ""
