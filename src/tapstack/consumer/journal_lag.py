"""Whether projections keep up: a journal entry that expires unfolded would be missing for ever."""

from __future__ import annotations

from tapstack.core.journal import (
    JOURNAL_TTL_S,
    LAG_MAX_S,
    WATERMARKS_PARTITION,
    decode_watermark,
    entry_key,
    is_of_a_definition,
)
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import Key, Row, StateTable

CHECKED_EVERY_S = 60


class JournalLag:
    """Refuses lanes whose oldest unfolded entry is too old; alarms have rung for days by then.

    Remembers for a minute which lanes are in order, so that it costs two small reads a minute and lane.
    """

    def __init__(self) -> None:
        self._checked_s: dict[int, int] = {}

    def check(self, table: StateTable, lane: int, head: Row | None, now_s: int) -> None:
        """Return if a lane may take another entry.

        Parameters
        ----------
        table
            The table.
        lane, head
            The lane, and its head as it was last seen.
        now_s
            Unix seconds.

        Raises
        ------
        Unavailable
            If a projection is more than seven days behind. A table that does not answer is asked again the
            next time: what is throttled now must not hold up counting, and entries live for weeks.
        """
        if head is None or now_s - self._checked_s.get(lane, 0) < CHECKED_EVERY_S:
            return
        try:
            slowest, lag_s = self._lag_s(table, lane, head.version, now_s)
        except Unavailable:
            return
        if lag_s > LAG_MAX_S:
            raise Unavailable(
                f"lane {lane} of the journal holds an entry that {slowest} has not folded for more than "
                f"{LAG_MAX_S // 86_400} days; see docs/deploy.md, section 7"
            )
        self._checked_s[lane] = now_s

    def _lag_s(self, table: StateTable, lane: int, last: int, now_s: int) -> tuple[str, int]:
        """Return the slowest projection, and the age of the first entry that it has not folded.

        An entry that has expired is as old as entries become.
        """
        rows = table.read_prefix(WATERMARKS_PARTITION, "")
        marks = [
            (decode_watermark(row.state).marks.get(lane, 0), f"projection {row.key.sk}")
            for row in rows
            if not is_of_a_definition(
                row.key.sk
            )  # declared no longer, perhaps; the projector says what it lacks
        ]
        folded, slowest = min(marks, default=(0, "the projector"))
        if folded >= last:
            return slowest, 0
        key = Key(*entry_key(lane, folded + 1))
        found, left = table.read([key], consistent=True)
        if left:
            raise Throttled("the table left a key of a read unprocessed")
        if key not in found:
            return slowest, JOURNAL_TTL_S
        return slowest, now_s - (found[key].expires_at_s - JOURNAL_TTL_S)
