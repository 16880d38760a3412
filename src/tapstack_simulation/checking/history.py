"""The history of each user, against every interaction that was counted; shares no code with the product.

Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tapstack_simulation.checking.behaviour import ID_BYTES_MAX, RECENT_MAX, Turn
from tapstack_simulation.checking.facts import CODES
from tapstack_simulation.checking.rows import Change, Image, Key, Violation
from tapstack_simulation.checking.stored import Promises
from tapstack_simulation.checking.views import NAMES, Answer, spelled_ms

WAITING, WAITING_COUNT, WRITTEN, SLOTS, MISSING_S = range(5)  # of a row's history
NONE: list[Any] = [b"", 0, 0, [], -1]
HISTORY = 6  # position in a user's row
DAY_S = 86_400

_unpacker = msgspec.msgpack.Decoder(list[Any])


class Entry(NamedTuple):
    """An interaction, smaller the newer it is."""

    before_ms: int  # the time negated
    before_code: int  # likewise
    item_id: str

    @property
    def at_s(self) -> int:
        """When it was, Unix seconds."""
        return -self.before_ms // 1000

    def described(self) -> Answer:
        """Put it into words as the API does."""
        at_s, ms = divmod(-self.before_ms, 1000)
        return {
            "item_id": self.item_id,
            "event_type": NAMES[-self.before_code],
            "at": spelled_ms(at_s, ms),
        }


class Histories:
    """Every interaction that was counted, by its user's row.

    Parameters
    ----------
    promises
        The configuration.
    """

    def __init__(self, promises: Promises) -> None:
        self._promises = promises
        self._all: dict[str, list[Entry]] = {}
        self._lives: dict[str, int] = {}

    def forget(self, pk: str) -> None:
        """Begin anew: TTL deleted the row."""
        self._all.pop(pk, None)
        self._lives[pk] = self.life(pk) + 1

    def life(self, pk: str) -> int:
        """Return how often a row was deleted."""
        return self._lives.get(pk, 0)

    def of(self, pk: str) -> list[Entry]:
        """Return all interactions of a row, newest first."""
        return list(self._all.get(pk, ()))

    def kept(self, entries: Iterable[Entry], now_s: int) -> list[Entry]:
        """Return those within the bounds."""
        oldest_s = now_s - self._promises.history_days * DAY_S
        young = [entry for entry in entries if entry.at_s > oldest_s]
        return young[: self._promises.history_interactions]

    def commit(
        self,
        change: Change,
        pages: Sequence[Change],
        turns: Iterable[Turn],
        rows: Mapping[Key, Image],
        now_s: int,
    ) -> None:
        """Check what a commit makes of a user's history.

        Parameters
        ----------
        change
            The user's row.
        pages
            The pages of its history in the same commit.
        turns
            The events that it counts.
        rows
            The table before.
        now_s
            The moment.

        Raises
        ------
        Violation
            If an interaction within the bounds is lost or there twice, or the row lists what is not there.
        """
        pk = change.key[0]
        for turn in turns:
            for entry in _interactions(turn):
                insort(self._all.setdefault(pk, []), entry)
        before, after = (
            state[HISTORY] or NONE if len(state) > HISTORY else NONE for state in change.states()
        )
        self._check_pages(change, before, after, pages)
        self._check_missing(pk, before, after, pages)
        held = list(_entries(change.after.state[3]))
        held += _entries(_unpacked(after[WAITING], after[WAITING_COUNT]))
        fresh = {page.key: page.after for page in pages}
        for slot, (number, *_) in enumerate(after[SLOTS]):
            image = fresh.get((pk, _sort_key(slot))) or rows.get((pk, _sort_key(slot)))
            if image is not None and image.version == number:  # else TTL deleted it
                held += _entries(image.state)
        self._compare(pk, sorted(held), after[MISSING_S], now_s)

    def _compare(self, pk: str, held: list[Entry], missing_s: int, now_s: int) -> None:
        every = self._all.get(pk, [])
        shown, wanted = (
            [entry for entry in self.kept(entries, now_s) if entry.at_s > missing_s]
            for entries in (held, every)
        )
        if shown != wanted:
            lost, more = Counter(wanted) - Counter(shown), Counter(shown) - Counter(wanted)
            raise Violation(2, f"the history of {pk} lacks {list(lost)[:3]}, and has {list(more)[:3]}")
        if extra := Counter(held) - Counter(every):
            raise Violation(3, f"the history of {pk} has {list(extra)[:3]} more often than it was counted")

    def _check_pages(self, change: Change, before: Any, after: Any, pages: Sequence[Change]) -> None:
        """Check that the row lists the page that is written beside it, and the others as before."""
        pk = change.key[0]
        listed = [list(slot) for slot in before[SLOTS]]
        if len(pages) > 1 or after[WRITTEN] != before[WRITTEN] + len(pages):
            raise Violation(8, f"{pk} wrote {len(pages)} pages of history, and {after[WRITTEN]} in all")
        for page in pages:
            times_s = [at_s for at_s, *_ in page.after.state]
            note = [after[WRITTEN], max(times_s), max(times_s) - min(times_s), len(times_s)]
            slot = int(page.key[1].removeprefix("hist#"))
            listed[slot : slot + 1] = [note]
            life_s = min(max(times_s) + self._promises.history_days * DAY_S, change.after.ttl_s)
            if page.after.version != after[WRITTEN] or page.after.ttl_s != life_s:
                raise Violation(8, f"{page.key} has version {page.after.version}, TTL {page.after.ttl_s}")
        if listed != [list(slot) for slot in after[SLOTS]] or len(listed) > self._slots_max:
            raise Violation(8, f"{pk} lists the pages {after[SLOTS]}; they are {listed}")
        if after[WAITING_COUNT] >= self._promises.history_page:
            raise Violation(8, f"{pk} lets {after[WAITING_COUNT]} interactions wait")

    def _check_missing(self, pk: str, before: Any, after: Any, pages: Sequence[Change]) -> None:
        """Check that a page went before its time only where there was no slot left."""
        if after[MISSING_S] == before[MISSING_S]:
            return
        times_s = [newest_s for _, newest_s, _, _ in before[SLOTS]]
        is_full = len(times_s) == self._slots_max
        if not is_full or not before[MISSING_S] < after[MISSING_S] <= max(times_s, default=0):
            raise Violation(8, f"{pk} says that interactions are missing until {after[MISSING_S]}: {pages}")

    @property
    def _slots_max(self) -> int:
        paged = max(0, self._promises.history_interactions - RECENT_MAX)
        return 2 * (-(-paged // self._promises.history_page) + 1)

    def hold_walk(
        self,
        pk: str,
        shown: Sequence[Answer],
        before: Sequence[Entry],
        question: tuple[str, str | None],
        now_s: int,
    ) -> None:
        """Check the parts of a history that were read one after the other while everything went on.

        Parameters
        ----------
        pk
            The user's row.
        shown
            The interactions of all parts.
        before
            What had been counted when the first was asked for.
        question
            The type that was asked for, and since when the answer says it is whole.
        now_s
            The moment when the last part was answered: what was too old by then need not be shown.
        """
        kind, since = question
        fits = [each for each in self._all.get(pk, ()) if kind in {"any", NAMES[-each.before_code]}]
        known: Counter[tuple[Any, ...]] = Counter(_spelled(entry) for entry in fits)
        seen = Counter(tuple(entry.values()) for entry in shown)
        if extra := seen - known:
            raise Violation(11, f"the history of {pk} shows {list(extra)[:3]} more often than counted")
        still = Counter(self.kept(self._all.get(pk, ()), now_s)) & Counter(before)
        asked = Counter(fits)
        due: Counter[tuple[Any, ...]] = Counter()
        for entry, count in still.items():
            if entry in asked and entry.described()["at"] >= (since or ""):
                due[_spelled(entry)] += count
        if lost := due - seen:
            raise Violation(11, f"the history of {pk} passes over {list(lost)[:3]}")
        places = [_place(entry) for entry in shown]
        if places != sorted(places):
            raise Violation(11, f"the history of {pk} is not shown newest first: {list(shown)}")


def _interactions(turn: Turn) -> Iterable[Entry]:
    kind = turn.fact.event["event_type"]
    if kind != "item_list_view":
        for item_id in turn.fact.item_ids:
            if len(item_id.encode()) > ID_BYTES_MAX:
                continue
            yield Entry(-turn.at_ms, -CODES[kind], item_id)


def _entries(state: Iterable[Any]) -> Iterable[Entry]:
    for at_s, code, item_id, ms in state:
        yield Entry(-(at_s * 1000 + ms), -code, item_id)


def _unpacked(waiting: bytes, count: int) -> list[Any]:
    return _unpacker.decode(b"\xdd" + count.to_bytes(4, "big") + waiting)


def _sort_key(slot: int) -> str:
    return f"hist#{slot:04d}"


def _spelled(entry: Entry) -> tuple[Any, ...]:
    return tuple(entry.described().values())


def _place(entry: Answer) -> tuple[Any, ...]:
    """Return the place of a described interaction: later times first, then higher codes, then items."""
    digits = int("".join(char for char in entry["at"] if char.isdigit()))
    return -digits, -CODES[entry["event_type"]], entry["item_id"]
