"""What is said of the API itself."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The function runs, and its table answers."""

    status: str


class ProjectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a projection has come.

    Parameters
    ----------
    as_of
        Whatever was counted before is in its rows.
    since
        What was counted before is not in its rows; null if nothing is missing.
    lag_s
        How far `as_of` lies behind the status's own, in seconds.
    entries_behind
        Journal entries that it has not folded.
    folded
        By lane, the last entry that it has folded.
    """

    as_of: str
    since: str | None
    lag_s: int
    entries_behind: int
    folded: Mapping[int, int]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The version that answers, and how far the journal and its projections have come.

    Parameters
    ----------
    as_of
        When this was read.
    heads
        By lane, the number of the journal's last entry.
    """

    version: str
    as_of: str
    heads: Mapping[int, int]
    projections: dict[str, ProjectionStatus]
