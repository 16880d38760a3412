"""Which events a user's row has seen: a few in the row, the rest on pages beside it.

The row keeps the ids that arrived last (the *hot* ids). Those that arrived before them go to *pages*, rows
of their own that are written in the same transaction and never change. The row keeps an index of its pages,
by the client's own day: an id that is later than its day's newest is NEW without a page being read. Nobody's
wrong clock can push anything out, and an event that is young enough is counted whatever order it comes in.

Events that a client numbers are kept as intervals while these are few, and as ids beyond that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import NamedTuple

import msgspec

from tapstack.core.identity import DAY_S, TIMELESS, Identity, Native, Opaque, number_digest
from tapstack.core.unpacking import unpack
from tapstack.errors import UndecodableRow

PAGE_PREFIX = "seen#"
_DIGEST_BYTES = 8
_page_decoder = msgspec.msgpack.Decoder(bytes)


class Bounds(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """How much of a user's events is remembered, and where.

    Parameters
    ----------
    keep_days
        How many days pages are relied on: at least two days less than they live, since what is on them may be
        a day older than they are.
    clients
        Clients (devices, tabs) that a row remembers by intervals; 30 bytes each.
    gaps
        Missing intervals a client may have at once; 4 to 20 bytes each.
    hot_ids
        Ids in the row; 14 bytes each. Half of them go to a page at once in traffic that comes in order.
    pages
        Rows of pages that a user may have: 65,536 ids in traffic that comes in order. Beyond it the oldest
        day is closed: only somebody who sends thousands of events a day for weeks ever has that many.
    """

    keep_days: int
    clients: int = 16
    gaps: int = 64
    hot_ids: int = 64
    pages: int = 2_048


class Verdict(Enum):
    """What to do with an event; all but the first two are reasons why it cannot be deduplicated."""

    NEW = "new"  # count it
    DUP = "duplicate"  # counted already: nothing to do
    TOO_OLD = "too_old"  # older than the age limit: the memory of its time may be gone
    MEMORY_FULL = "memory_full"  # its user has more events than are remembered
    TOO_LARGE = "too_large"  # its rows exceed a transaction


NEW, DUP, TOO_OLD, MEMORY_FULL, TOO_LARGE = Verdict  # Python 3.11 takes long to find an enum's member


class ClientSeen(msgspec.Struct, gc=False, array_like=True):
    """What was seen of one client: all of ``0..top`` except the gaps, and what is remembered as ids.

    A number is one of those ids if it had no room for another gap, or came when its client had no place.
    """

    top: int
    gaps: list[tuple[int, int]]  # inclusive, ascending, disjoint
    day: int  # of its last use, days since 1970


class PageNote(msgspec.Struct, gc=False, array_like=True):
    """What the row says of a group of pages.

    Parameters
    ----------
    bound_s
        The latest client time in it, Unix seconds; the earliest, of those with a clock far ahead.
    rows_count
        How many rows it has.
    """

    bound_s: int
    rows_count: int


class Seen(msgspec.Struct, gc=False, array_like=True):
    """A row's memory of events."""

    clients: dict[bytes, ClientSeen] = {}  # in order of last use
    ids: dict[int, int] = {}  # digest -> when, as `Opaque` has it; in order of arrival
    pages: dict[int, PageNote] = {}  # by group
    floor_s: int = -1  # client times up to it are no longer remembered
    floor_day: int = -1  # events without a usable time, received up to that day, are no longer remembered
    day: int = -1  # the latest day on which an event was remembered


class Page(NamedTuple):
    """A row of ids that left the hot ones; written once, never changed."""

    sort_key: str
    digests: frozenset[int]


Pages = Mapping[str, frozenset[int]]  # rows by sort key


class _Shelf(NamedTuple):
    """A kind of pages."""

    letter: str
    number: int


_TIMED = _Shelf("d", 0)  # by the client's own day
_TIMELESS = _Shelf("n", 1)  # of clients that say no time, by the day on which they were put there
_AHEAD = _Shelf("a", 2)  # of clients whose clock was more than a day ahead, likewise
_SHELVES = (_TIMED, _TIMELESS, _AHEAD)


def prefixes_to_read(seen: Seen, identity: Identity, day: int, bounds: Bounds) -> Sequence[str]:
    """Return the beginnings of the sort keys of all pages that decide on an event.

    Empty in the usual case: the row alone decides.
    """
    if not seen.pages:
        return ()
    if isinstance(identity, Native) and _is_in_intervals(seen, identity):
        return ()
    if _digest(identity) in seen.ids:
        return ()
    groups = _groups_to_read(seen, identity.when, _horizon(seen, day, bounds))
    return list(dict.fromkeys(_prefix(group) for group in groups))


def judge(seen: Seen, identity: Identity, day: int, bounds: Bounds, pages: Pages | None = None) -> Verdict:
    """Decide on an event by the row and its pages.

    Parameters
    ----------
    seen
        The row's memory.
    identity
        The event's.
    day
        The day on which it arrived, days since 1970.
    bounds
        How much is remembered.
    pages
        The rows under each of `prefixes_to_read`, read consistently *after* the user's row.
    """
    if isinstance(identity, Native):
        if _is_in_intervals(seen, identity):
            return DUP
        if not (seen.ids or seen.pages):
            return NEW
    digest = _digest(identity)
    if digest in seen.ids:
        return DUP
    horizon = _horizon(seen, day, bounds)
    groups = _groups_to_read(seen, identity.when, horizon) if seen.pages else ()
    found = _look_up(seen, groups, digest, pages or {})
    if found is NEW and (
        _is_below_floor(seen, identity, horizon) or _is_full(seen, identity, horizon, bounds)
    ):
        return MEMORY_FULL
    return found


def remember(seen: Seen, identity: Identity, day: int, bounds: Bounds) -> Page | None:
    """Add an event that was judged NEW, in place.

    Parameters
    ----------
    seen
        The row's memory; changed.
    identity
        The event's.
    day
        The day on which it arrived, days since 1970.
    bounds
        How much is remembered.

    Returns
    -------
    Page or None
        A row to be written in the same transaction.
    """
    seen.day = max(seen.day, day, identity.received_day)
    if isinstance(identity, Native) and _number(seen, identity, bounds):
        return None
    seen.ids[_digest(identity)] = identity.when
    return None if len(seen.ids) <= bounds.hot_ids else _spill(seen, bounds)


def may_write_page(seen: Seen, bounds: Bounds) -> bool:
    """Whether remembering one more event may write a page."""
    return len(seen.ids) >= bounds.hot_ids


def page_sort_key(group: int, number: int) -> str:
    """Return the sort key of a row of pages, in the partition of its user."""
    return f"{_prefix(group, whole=True)}{number:04d}"


def encode_page(digests: frozenset[int]) -> bytes:
    """Write a page: its digests in ascending order, 8 bytes each, as one binary."""
    packed = [digest.to_bytes(_DIGEST_BYTES, "big", signed=True) for digest in sorted(digests)]
    return msgspec.msgpack.encode(b"".join(packed))


def decode_page(state: bytes) -> frozenset[int]:
    """Read a page.

    Raises
    ------
    UndecodableRow
        If it is not a page.
    """
    packed = unpack("page", _page_decoder, state)
    if len(packed) % _DIGEST_BYTES:
        raise UndecodableRow("page", "it ends within an id")
    starts = range(0, len(packed), _DIGEST_BYTES)
    return frozenset([int.from_bytes(packed[at : at + _DIGEST_BYTES], "big", signed=True) for at in starts])


def _digest(identity: Native | Opaque) -> int:
    return number_digest(identity) if isinstance(identity, Native) else identity.digest


# Intervals of numbers.


def _is_in_intervals(seen: Seen, identity: Native) -> bool:
    known = seen.clients.get(identity.client)
    if known is None or identity.n > known.top:
        return False
    return not any(a <= identity.n <= b for a, b in known.gaps)


def _has_room(seen: Seen, identity: Native, horizon: int, bounds: Bounds) -> bool:
    """Whether the intervals have room for a number that they do not hold."""
    known = seen.clients.get(identity.client)
    if known is not None:
        return len(_gaps_with(known, identity.n)) <= bounds.gaps
    return len(seen.clients) < bounds.clients or _idle_client(seen, horizon) is not None


def _number(seen: Seen, identity: Native, bounds: Bounds) -> bool:
    """Remember a number in its client's intervals; False if there is no room."""
    clients, client, n = seen.clients, identity.client, identity.n
    known = clients.get(client)
    if known is not None and n == known.top + 1:  # the usual case: no gap more, and none less
        known.top, known.day = n, seen.day
        clients[client] = clients.pop(client)
        return True
    if not _has_room(seen, identity, seen.day - bounds.keep_days, bounds):
        return False
    if known is not None:
        del clients[client]  # it becomes the last one
        known.gaps = _gaps_with(known, n)
        known.top, known.day = max(known.top, n), seen.day
    else:
        if len(clients) >= bounds.clients:
            del clients[next(iter(clients))]
        known = ClientSeen(n, [(0, n - 1)] if n else [], seen.day)
    clients[client] = known
    return True


def _gaps_with(known: ClientSeen, n: int) -> list[tuple[int, int]]:
    """Return the gaps that a client has with one more number."""
    if n <= known.top:
        return _without(known.gaps, n)
    if n > known.top + 1:
        return [*known.gaps, (known.top + 1, n - 1)]
    return known.gaps


def _without(gaps: list[tuple[int, int]], n: int) -> list[tuple[int, int]]:
    kept = []
    for a, b in gaps:
        if not a <= n <= b:
            kept.append((a, b))
            continue
        if a < n:
            kept.append((a, n - 1))
        if n < b:
            kept.append((n + 1, b))
    return kept


def _idle_client(seen: Seen, horizon: int) -> bytes | None:
    """Return the client used longest ago, if all it ever said is too old by now."""
    oldest = next(iter(seen.clients))
    return oldest if seen.clients[oldest].day < horizon else None


# Pages of ids.


def _horizon(seen: Seen, day: int, bounds: Bounds) -> int:
    """Return the first day whose pages are relied on; those before it may have expired."""
    return max(seen.day, day) - bounds.keep_days


def _groups_to_read(seen: Seen, when: int, horizon: int) -> list[int]:
    """Return the groups that may hold an event of this time, the row's hot ids apart."""
    groups = _groups_of(seen, when)
    return [group for group in groups if group // len(_SHELVES) >= horizon] if groups else groups


def _groups_of(seen: Seen, when: int) -> list[int]:
    if when == TIMELESS:
        return [group for group in seen.pages if group % len(_SHELVES) == _TIMELESS.number]
    client_s = abs(when)
    timed = _group(_TIMED, client_s // DAY_S)
    note = seen.pages.get(timed)
    groups = [timed] if note is not None and client_s <= note.bound_s else []
    # A copy that came earlier may have been far ahead then, and is not any more.
    return groups + [
        group
        for group, note in seen.pages.items()
        if group % len(_SHELVES) == _AHEAD.number and client_s >= note.bound_s
    ]


def _look_up(seen: Seen, groups: Sequence[int], digest: int, pages: Pages) -> Verdict:
    """Decide by the pages alone."""
    verdict = NEW
    for group in groups:
        for number in range(seen.pages[group].rows_count):
            page = pages.get(page_sort_key(group, number))
            if page is None:
                verdict = TOO_OLD  # it expired, as pages do that are older than any event that may come
            elif digest in page:
                return DUP
    return verdict


def _spill(seen: Seen, bounds: Bounds) -> Page | None:
    """Move ids that arrived longest ago to a page: of one group, so that it is one row."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for digest, when in islice(seen.ids.items(), bounds.hot_ids // 2):
        groups[_group_of(when, seen.day)].append(digest)
    group, digests = max(groups.items(), key=lambda entry: len(entry[1]))
    times_s = [abs(seen.ids.pop(digest)) for digest in digests]
    _close_old(seen, bounds)
    day, shelf = divmod(group, len(_SHELVES))
    if shelf == _TIMED.number and day * DAY_S <= seen.floor_s:
        return None  # whatever else comes of that day is no longer judged
    note = seen.pages.setdefault(group, PageNote(times_s[0], 0))
    note.bound_s = min(note.bound_s, *times_s) if shelf == _AHEAD.number else max(note.bound_s, *times_s)
    note.rows_count += 1
    return Page(page_sort_key(group, note.rows_count - 1), frozenset(digests))


def _close_old(seen: Seen, bounds: Bounds) -> None:
    """Close the groups that are too old, and the oldest if there are too many pages."""
    for group in [group for group in seen.pages if group // len(_SHELVES) < seen.day - bounds.keep_days]:
        _close(seen, group)
    while _rows_count(seen) >= bounds.pages and (oldest := _oldest_group(seen)) is not None:
        _close(seen, oldest)


def _close(seen: Seen, group: int) -> None:
    day, shelf = divmod(group, len(_SHELVES))
    del seen.pages[group]
    if shelf == _TIMED.number:
        seen.floor_s = max(seen.floor_s, (day + 1) * DAY_S - 1)
    else:
        seen.floor_day = max(seen.floor_day, day)


def _oldest_group(seen: Seen) -> int | None:
    """Return the group that may be closed: none of today, or honest events of today would meet a floor."""
    group = min(seen.pages, default=None)
    return None if group is None or group // len(_SHELVES) >= seen.day else group


def _is_below_floor(seen: Seen, identity: Native | Opaque, horizon: int) -> bool:
    """Whether a closed group, or one that may have expired, could have held the event."""
    when, received_day = identity.when, identity.received_day
    if when > 0:
        day = when // DAY_S
        return when <= seen.floor_s or (day < horizon and _group(_TIMED, day) in seen.pages)
    days = [group // len(_SHELVES) for group in seen.pages if group % len(_SHELVES) != _TIMED.number]
    return received_day <= seen.floor_day or any(received_day <= day < horizon for day in days)


def _is_full(seen: Seen, identity: Native | Opaque, horizon: int, bounds: Bounds) -> bool:
    """Whether the event would need one page more than there may be."""
    if len(seen.ids) < bounds.hot_ids or _rows_count(seen) < bounds.pages or _oldest_group(seen) is not None:
        return False
    return not (isinstance(identity, Native) and _has_room(seen, identity, horizon, bounds))


def _rows_count(seen: Seen) -> int:
    return sum([note.rows_count for note in seen.pages.values()])


def _group_of(when: int, day: int) -> int:
    if when > 0:
        return _group(_TIMED, when // DAY_S)
    return _group(_TIMELESS if when == TIMELESS else _AHEAD, day)


def _group(shelf: _Shelf, day: int) -> int:
    return day * len(_SHELVES) + shelf.number


def _prefix(group: int, *, whole: bool = False) -> str:
    """Return the beginning of a group's sort keys; of all groups of its shelf if these are read together."""
    day, number = divmod(group, len(_SHELVES))
    letter = _SHELVES[number].letter
    return (
        f"{PAGE_PREFIX}{letter}{day:05d}#" if whole or number == _TIMED.number else f"{PAGE_PREFIX}{letter}"
    )
