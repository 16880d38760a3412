"""Which search terms enough different users have searched for: of all others only the hash is stored."""

from __future__ import annotations

from tapstack.core.aggregates import WINDOWS
from tapstack.core.rows import TERM_ROWS, terms_partition
from tapstack.core.search_terms import common_terms
from tapstack.errors import Unavailable, UndecodableRow
from tapstack.ports import StateTable

READ_EVERY_S = 60
USERS_MIN = 5
_DAY = WINDOWS[-1]


class CommonTerms:
    """The terms of today's and yesterday's rows that enough users share, as read up to a minute ago.

    A read costs eight read units at most for each row, one a stripe and day; no read, no text: a term that is
    not known to be common counts all the same.

    Parameters
    ----------
    users_min
        How many different users must have searched for a term, ``1..PLACES``.
    read_every_s
        How old what is known becomes.
    """

    def __init__(self, users_min: int = USERS_MIN, read_every_s: int = READ_EVERY_S) -> None:
        self._users_min = users_min
        self._read_every_s = read_every_s
        self._digests: frozenset[int] = frozenset()
        self._read_s = 0

    def __contains__(self, digest: object) -> bool:
        """Return whether a term, by its digest, may be stored as it is."""
        return digest in self._digests

    def update(self, table: StateTable, now_s: int) -> None:
        """Read the rows again if it is a minute ago; a table that does not answer is asked a minute later."""
        if 0 <= now_s - self._read_s < self._read_every_s:
            return
        self._read_s = now_s
        today = _DAY.number(now_s)
        try:
            rows = [
                TERM_ROWS.body(row.state)
                for number in (today, today - 1)
                for row in table.read_prefix(terms_partition(_DAY, number), "")
            ]
        except (Unavailable, UndecodableRow):  # such a row stops the projector, which is enough
            self._digests = frozenset()
            return
        self._digests = common_terms(rows, self._users_min)
