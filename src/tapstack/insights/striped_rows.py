"""Derived rows by their partitions, all stripes of each, in one batch."""

from __future__ import annotations

from collections.abc import Iterable

from tapstack.core.journal import stripe_of
from tapstack.core.rows import stripe_sort_key
from tapstack.ports import Key, RowReader


class StripedRows:
    """Reads derived rows.

    Parameters
    ----------
    reader
        The table.
    lanes
        Every lane of the journal ever used: they tell which stripes there are.
    now_s
        Unix seconds.
    """

    def __init__(self, reader: RowReader, lanes: Iterable[int], now_s: int) -> None:
        self._reader = reader
        self._stripes = [stripe_sort_key(stripe) for stripe in sorted({stripe_of(lane) for lane in lanes})]
        self._now_s = now_s

    def states(self, partitions: Iterable[str]) -> dict[str, list[bytes]]:
        """Read the states of the rows that there are, a list for each partition that has any.

        Raises
        ------
        Unavailable
            If not every row could be read.
        """
        keys = [Key(partition, stripe) for partition in partitions for stripe in self._stripes]
        rows = self._reader.read_all(keys, consistent=True) if keys else {}
        found: dict[str, list[bytes]] = {}
        for key in keys:
            row = rows.get(key)
            if row is not None and not 0 < row.expires_at_s <= self._now_s:
                found.setdefault(key.pk, []).append(row.state)
        return found
