"""What an invocation knows of the table's rows: as last read, or as it wrote them itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tapstack.consumer.patience import Patience
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import Key, Row, RowWrite, StateTable

READ_KEYS_MAX = 100  # BatchGetItem's limit of keys a call
_UNPROCESSED = "the table left keys of a read unprocessed"


class Workspace:
    """A cache of rows for one invocation. May be stale: every write is conditional on the version."""

    def __init__(self, table: StateTable, patience: Patience) -> None:
        self._table = table
        self._patience = patience
        self._rows: dict[Key, Row | None] = {}
        self._forgotten: set[Key] = set()
        self._is_stingy = False  # the table left something unread

    def load(self, keys: Iterable[Key]) -> None:
        """Read the rows that are not known yet; those that were forgotten, as the last write left them.

        A row from before a write of this invocation would have the consumer judge further parts of an event
        by a row that does not expect them, as duplicates.

        Raises
        ------
        Unavailable
            If the table goes on not answering; what was read stays known.
        """
        unknown = [key for key in dict.fromkeys(keys) if key not in self._rows]
        attempt = 0
        while unknown:
            self._patience.check()
            asked = unknown[:READ_KEYS_MAX]
            try:
                left = self._read(asked)
            except Unavailable as error:
                self._patience.pause(attempt, error)
                attempt += 1
                continue
            if len(left) < len(asked):
                attempt = 0  # a throttled table that gives a little is waited for as long as there is time
            unknown = [*left, *unknown[READ_KEYS_MAX:]]
            if left:
                self._patience.pause(attempt, Throttled(_UNPROCESSED))
                attempt += 1

    def _read(self, asked: Sequence[Key]) -> Sequence[Key]:
        """Read once; tell what the table left unread."""
        consistent = not self._forgotten.isdisjoint(asked)
        found, left = self._table.read(asked, consistent=consistent)
        again = frozenset(left)
        self._rows.update(dict.fromkeys([key for key in asked if key not in again]))
        self._rows.update(found)
        self._is_stingy = self._is_stingy or bool(again)
        return left

    def read_ahead(self, keys: Iterable[Key]) -> None:
        """Read rows that will be needed, for as long as the table gives at once what it is asked for.

        So that full calls read most rows, and a table that has little to give is asked for nothing but what
        the next commit needs.
        """
        unknown = [key for key in dict.fromkeys(keys) if key not in self._rows]
        for start in range(0, len(unknown), READ_KEYS_MAX):
            if self.is_pressed():
                return
            try:
                left = self._read(unknown[start : start + READ_KEYS_MAX])
            except Unavailable as error:
                self._is_stingy = True
                self._patience.pause(0, error)
            else:
                if left:
                    self._patience.pause(0, Throttled(_UNPROCESSED))

    def is_pressed(self) -> bool:
        """Tell whether the table is slow, or gives little: then only what is needed next is read."""
        return self._is_stingy or not self._patience.is_calm()

    def knows(self, key: Key) -> bool:
        """Tell whether a row was read, or that the table has none."""
        return key in self._rows

    def row(self, key: Key) -> Row | None:
        """Tell a loaded row; None if the table has none."""
        return self._rows[key]

    def note_written(self, writes: Sequence[RowWrite]) -> None:
        """Remember rows that were committed."""
        self._rows.update([(write.key, write) for write in writes])

    def note_images(self, images: Mapping[Key, Row | None]) -> None:
        """Remember rows as a refused commit showed them."""
        self._rows.update(images)

    def forget(self, keys: Iterable[Key]) -> None:
        """Read these rows anew when they are needed next."""
        for key in keys:
            self._rows.pop(key, None)
            self._forgotten.add(key)
