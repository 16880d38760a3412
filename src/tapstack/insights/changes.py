"""Which items moved, read from the journal: as far as their rows have it, so what is listed can be read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tapstack.core.journal import Entry, Watermark, decode_entry, entry_key, journal_partition
from tapstack.http import Gone
from tapstack.insights.answers import ChangedItem, Changes
from tapstack.insights.cursors import read_cursor, write_cursor
from tapstack.insights.freshness import ITEMS, Freshness, Progress
from tapstack.insights.views import alive, time_text
from tapstack.ports import RowReader

QUESTION = "changes"
# Of an answer's ids: an entry that goes beyond begins the next answer. The largest entry is not much larger.
ID_BYTES_MAX = 256 * 1024


class Position(msgspec.Struct, array_like=True, frozen=True):
    """By lane, the number of the last entry that was listed; and the lane whose turn it is."""

    numbers: tuple[int, ...]
    turn: int = 0


class _Page:
    """What an answer lists so far."""

    def __init__(self, entries_max: int) -> None:
        self.left = entries_max
        self.events: dict[str, int] = {}
        self._id_bytes = 0

    def add(self, entry: Entry) -> bool:
        """List an entry's items; False if it is too much for this answer."""
        moved = _moved(entry)
        size = sum([len(item_id.encode()) for item_id in moved if item_id not in self.events])
        if not self.left or (self.events and self._id_bytes + size > ID_BYTES_MAX):
            self.left = 0
            return False
        self.left -= 1
        self._id_bytes += size
        for item_id, count in moved.items():
            self.events[item_id] = self.events.get(item_id, 0) + count
        return True


def changes_view(
    reader: RowReader, progress: Progress, fresh: Freshness, now_s: int, *, n: int, cursor: str
) -> Changes:
    """Return the items that moved after a cursor, a part at a time.

    Parameters
    ----------
    reader
        The table.
    progress, fresh
        How far the journal and items' rows are; read before.
    now_s
        Unix seconds.
    n
        How many entries of the journal to list at most, ``>= 1``.
    cursor
        Of the answer before; empty to begin at the present.

    Raises
    ------
    InvalidRequest
        If the cursor is none of these.
    Gone
        If entries that follow it have expired.
    Unavailable
        If the table does not answer.
    """
    goals = progress.watermarks.get(ITEMS, Watermark()).marks
    position = read_cursor(cursor, Position, QUESTION) if cursor else _at(goals)
    numbers = {lane: number for lane, number in enumerate(position.numbers) if number}
    page, turn = _Page(n), position.turn
    waiting = sorted(lane for lane, goal in goals.items() if numbers.get(lane, 0) < goal)
    for lane in [*(each for each in waiting if each >= turn), *(each for each in waiting if each < turn)]:
        if not page.left:
            break
        numbers[lane] = _list(reader, lane, numbers.get(lane, 0), goals[lane], page, now_s)
        turn = lane + 1
    more = any(numbers.get(lane, 0) < goal for lane, goal in goals.items())
    return Changes(
        items=[ChangedItem(item_id=item_id, events=count) for item_id, count in page.events.items()],
        next_cursor=write_cursor(_at(numbers, turn), QUESTION),
        more=more,
        as_of=None if more else time_text(fresh.as_of_s),
    )


def _at(numbers: Mapping[int, int], turn: int = 0) -> Position:
    return Position(tuple(numbers.get(lane, 0) for lane in range(max(numbers, default=-1) + 1)), turn)


def _list(reader: RowReader, lane: int, last: int, goal: int, page: _Page, now_s: int) -> int:
    """List entries of a lane; return the number of the last one."""
    ends = entry_key(lane, last + 1)[1], entry_key(lane, goal)[1]
    rows = alive(reader.read_range(journal_partition(lane), *ends, page.left), now_s)
    if not rows or int(rows[0].key.sk) != last + 1:
        raise Gone(
            "cursor: entries that follow it have expired, so changes are missing; "
            "leave it out to begin anew, and read again what you keep of items"
        )
    for row in rows:
        if int(row.key.sk) != last + 1 or not page.add(decode_entry(last + 1, row.state)):
            break
        last += 1
    return last


def _moved(entry: Entry) -> dict[str, int]:
    """Return the items whose rows an entry changes, each with how many events are about it."""
    moved: dict[str, int] = {}
    for effect in entry.effects:
        for item_id in effect.item_ids:
            moved[item_id] = moved.get(item_id, 0) + 1
        for partner in (*effect.viewed_with, *effect.bought_with):
            moved.setdefault(partner, 0)
    for item_id in entry.facts:
        moved.setdefault(item_id, 0)
    return moved
