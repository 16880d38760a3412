"""How far each projection has come in each lane."""

from __future__ import annotations

from collections.abc import Mapping

from tapstack.core.journal import (
    WATERMARKS_PARTITION,
    Watermark,
    decode_watermark,
    encode_watermark,
    watermark_key,
)
from tapstack.errors import Throttled
from tapstack.ports import Key, ProjectionTable, Row, RowWrite, check_layout
from tapstack.retry_budget import RetryBudget, retried


class Watermarks:
    """The watermarks as an invocation knows them: read once, consistently, and moved by itself.

    Others may have moved them further meanwhile. A mark that is too low only makes a fold find nothing new.
    """

    def __init__(self, table: ProjectionTable, budget: RetryBudget) -> None:
        self._table = table
        self._budget = budget
        rows = retried(budget, lambda: table.query(WATERMARKS_PARTITION, consistent=True))
        self._rows: dict[str, Row | None] = {row.key.sk: row for row in rows}

    def of(self, projection: str) -> Watermark | None:
        """Return a projection's watermark; None if it has never folded anything."""
        row = self._rows.get(projection)
        check_layout(row)
        return None if row is None else decode_watermark(row.state)

    def move(
        self, projection: str, marks: Mapping[int, int], since_s: int = 0, *, is_new: bool = False
    ) -> None:
        """Move a projection's watermark on, once every row that those entries touch is written.

        Parameters
        ----------
        projection
            Its name.
        marks
            By lane, the last entry that was folded; where others are further, theirs stays.
        since_s
            What was counted before is not in the projection, or not all of it; 0 if nothing is missing.
        is_new
            Whether the projection begins there: if others began it meanwhile, theirs stays as it is.

        Raises
        ------
        Unavailable
            If it cannot be written: what is folded is found folded the next time.
        """
        key = Key(*watermark_key(projection))
        attempt = 0
        while True:
            row = self._rows.get(projection)
            check_layout(row)
            if is_new and row is not None:
                return
            known = Watermark() if row is None else decode_watermark(row.state)
            moved = {lane: max(number, known.marks.get(lane, 0)) for lane, number in marks.items()}
            write = RowWrite(
                key=key,
                version=1 if row is None else row.version + 1,
                state=encode_watermark(Watermark({**known.marks, **moved}, max(known.since_s, since_s))),
                seen_version=0 if row is None else row.version,
            )
            self._budget.check()
            written = self._table.write_each([write])
            if not written.left:
                self._rows[projection] = written.refused.get(key, write)
                if not written.refused:
                    return
            reason = written.reason or Throttled("a watermark changed under every attempt to move it")
            self._budget.pause(attempt, reason)
            attempt += 1
