"""A user's interactions: the newest in the user's row, those before them on pages beside it.

The row keeps the `RECENT_MAX` newest. What leaves them waits in the row until it is enough for a *page*, a
row of its own that is written in the same transaction and never read to be written. The row lists its pages
by *slot*. Once as many interactions as are kept are later than all of a page's, the next page takes its slot:
so what falls out of the limit is overwritten, and a user has no more pages than there are slots.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tapstack.core.identity import DAY_S
from tapstack.core.unpacking import unpack

HISTORY_PREFIX = "hist#"
RECENT_MAX = 20
INTERACTIONS_MAX = 2_000  # more would make the list of pages, ten bytes each, as long as the rest of the row


class Recent(msgspec.Struct, gc=False, array_like=True, frozen=True):
    """One interaction with an item."""

    at_s: int
    type_code: int
    item_id: str
    ms: int = 0  # after `at_s`; rows written before have none


class Slot(msgspec.Struct, gc=False, array_like=True, frozen=True):
    """What the row says of a page.

    Parameters
    ----------
    number
        Of the page: one more with each that the user ever had. A row in this slot with another number is
        another page.
    newest_s
        The time of its newest interaction, Unix seconds.
    span_s
        From its oldest to its newest.
    count
        How many interactions it has.
    """

    number: int
    newest_s: int
    span_s: int
    count: int


class History(msgspec.Struct, gc=False, array_like=True):
    """What a row knows of the interactions that left the newest ones.

    Parameters
    ----------
    waiting
        Those that no page has yet: each as MessagePack, one after the other.
    waiting_count
        How many.
    written
        The number of the last page.
    slots
        Where the pages are.
    missing_until_s
        Interactions up to that time may be missing, because pages overlapped so much that one had to go
        before its time; -1 if none are.
    """

    waiting: bytes = b""
    waiting_count: int = 0
    written: int = 0
    slots: list[Slot] = []
    missing_until_s: int = -1


class HistoryBounds(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """How much of a user's interactions is kept.

    Parameters
    ----------
    interactions
        The newest so many, `RECENT_MAX` to `INTERACTIONS_MAX`; with `RECENT_MAX` there are no pages.
    days
        None that is older.
    page
        Interactions that a page has at least.
    """

    interactions: int = 500
    days: int = 90
    page: int = 16

    @property
    def keep_s(self) -> int:
        """Return the days in seconds."""
        return self.days * DAY_S

    @property
    def slots(self) -> int:
        """Return how many pages there may be: twice what interactions that come in order need."""
        return 2 * (-(-(self.interactions - RECENT_MAX) // self.page) + 1)


class HistoryPage(NamedTuple):
    """A row of interactions, to be written beside its user's row."""

    sort_key: str
    number: int
    state: bytes
    expires_at_s: int  # when its newest interaction is too old


_encoder = msgspec.msgpack.Encoder()
_page_decoder = msgspec.msgpack.Decoder(list[Recent])


def newest_first(entry: Recent) -> tuple[int, int, str]:
    """Return the place of an interaction in the order that readers see: by time, newest first.

    Of the same millisecond the higher type comes first, then the smaller item. Two that are alike in all of
    it are the same to everybody.
    """
    return -_moment(entry), -entry.type_code, entry.item_id


def keep_newest(recent: list[Recent], entry: Recent) -> Recent | None:
    """Add an interaction to the newest, in place, whatever order they come in; return the one that leaves."""
    if not recent or (entry.at_s, entry.ms) > (recent[0].at_s, recent[0].ms):
        recent.insert(0, entry)  # the usual case
    else:
        insort(recent, entry, key=newest_first)
    return recent.pop() if len(recent) > RECENT_MAX else None


def _moment(entry: Recent) -> int:
    return entry.at_s * 1000 + entry.ms


def put_aside(history: History | None, entry: Recent) -> History:
    """Let an interaction that left the newest wait for a page; return the history, which is changed."""
    if history is None:
        history = History()
    history.waiting += _encoder.encode(entry)
    history.waiting_count += 1
    return history


def is_due(history: History | None, more: int, bounds: HistoryBounds) -> bool:
    """Return whether a page is due once `more` interactions have left the newest."""
    return (0 if history is None else history.waiting_count) + more >= bounds.page


def spill(history: History, recent_count: int, arrived_s: int, bounds: HistoryBounds) -> HistoryPage | None:
    """Move what waits to a page.

    Parameters
    ----------
    history
        The user's; changed.
    recent_count
        How many of the newest there are: all of them come before what waits.
    arrived_s
        When the newest record of the transaction arrived, Unix seconds.
    bounds
        How much is kept.

    Returns
    -------
    HistoryPage or None
        A row to be written in the same transaction; None if all that waited falls out of the bounds.

    Raises
    ------
    UndecodableRow
        If what waits is not what Tapstack wrote.
    """
    waiting = [entry for entry in waiting_entries(history) if entry.at_s + bounds.keep_s > arrived_s]
    history.waiting, history.waiting_count = b"", 0
    if not waiting:
        return None
    times_s = [entry.at_s for entry in waiting]
    newest_s = max(times_s)
    made = Slot(history.written + 1, newest_s, newest_s - min(times_s), len(waiting))
    place = _place(history, made, recent_count, arrived_s, bounds)
    if place is None:
        return None
    history.written = made.number
    history.slots[place : place + 1] = [made]
    return HistoryPage(slot_sort_key(place), made.number, _encoder.encode(waiting), newest_s + bounds.keep_s)


def _place(
    history: History, made: Slot, recent_count: int, arrived_s: int, bounds: HistoryBounds
) -> int | None:
    """Return the slot that a page takes; None if it is the one to go."""
    pages = [*history.slots, made]
    place = min(range(len(pages)), key=lambda index: pages[index].newest_s)
    oldest = pages[place]
    # If any page falls out of the bounds, this one does. Within a second nobody knows which is later.
    later = recent_count + sum(
        [page.count for page in pages if page.newest_s - page.span_s > oldest.newest_s]
    )
    is_out = later >= bounds.interactions or oldest.newest_s + bounds.keep_s <= arrived_s
    if not is_out:
        if len(history.slots) < bounds.slots:
            return len(history.slots)
        history.missing_until_s = max(history.missing_until_s, oldest.newest_s)
    return place if place < len(history.slots) else None


def slot_sort_key(slot: int) -> str:
    """Return the sort key of the page in a slot, in the partition of its user."""
    return f"{HISTORY_PREFIX}{slot:04d}"


def waiting_entries(history: History) -> Sequence[Recent]:
    """Return the interactions that no page has yet; raises `UndecodableRow`."""
    # An array of 32-bit length, whose elements they are: https://github.com/msgpack/msgpack/blob/master/spec.md
    packed = b"\xdd" + history.waiting_count.to_bytes(4, "big") + history.waiting
    return unpack("history", _page_decoder, packed)


def decode_history_page(state: bytes) -> Sequence[Recent]:
    """Read a page; raises `UndecodableRow`."""
    return unpack("history", _page_decoder, state)
