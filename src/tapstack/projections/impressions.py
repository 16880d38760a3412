"""Impressions: what was shown in lists and by recommendations, what came of it, and the shop's steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tapstack.core.impressions import Showings, Shown, count_showing
from tapstack.core.journal import DERIVED_TTL_MIN_S, Entry
from tapstack.core.rows import decode_showings, encode_state, showings_partition
from tapstack.projections._projection import Projection

NAME = "impressions"


class Change(msgspec.Struct, gc=False, frozen=True):
    """What an entry says of a placement, and when its newest record arrived."""

    shown: Shown
    arrived_s: int


class Impressions(Projection[Change]):
    """A row for each placement; see `tapstack.projections._projection.Projection`."""

    name = NAME
    keep_s = DERIVED_TTL_MIN_S  # nobody asks for old ones

    def changes(self, entry: Entry) -> Mapping[str, Sequence[Change]]:
        """Return what an entry says, by placement."""
        found: defaultdict[str, list[Change]] = defaultdict(list)
        for shown in entry.shown:
            found[showings_partition(shown.placement)].append(Change(shown, entry.arrived_s))
        return found

    def fold(self, body: bytes | None, changes: Sequence[Change], sources: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """Count."""
        state = Showings() if body is None else decode_showings(body)
        for change in changes:
            count_showing(state, change.shown, change.arrived_s)
        return encode_state(state)
