"""What an invocation knows of the table's rows: as last read, or as it wrote them itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tapstack.core.memory import decode_page
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import Key, Row, RowWrite, StateTable, check_layout
from tapstack.retry_budget import RetryBudget, retried

READ_KEYS_MAX = 100  # BatchGetItem's limit of keys a call


class RowCache:
    """A cache of rows for one invocation. May be stale: every write is conditional on the version."""

    def __init__(self, table: StateTable, budget: RetryBudget) -> None:
        self._table = table
        self._budget = budget
        self._rows: dict[Key, Row | None] = {}
        self._pages: dict[Key, dict[str, dict[str, frozenset[int]]]] = {}  # by user's row and prefix

    def load(self, keys: Iterable[Key]) -> None:
        """Read the rows that are not known yet.

        Raises
        ------
        Unavailable
            If the table goes on not answering; what was read stays known.
        """
        self._load(keys, lambda: True)

    def read_ahead(self, keys: Iterable[Key]) -> None:
        """Read rows that will be needed, while there is time for that: so full calls read most rows.

        Raises
        ------
        Unavailable
            As `load`.
        """
        self._load(keys, self._budget.is_calm)

    def _load(self, keys: Iterable[Key], goes_on: Callable[[], bool]) -> None:
        unknown = [key for key in dict.fromkeys(keys) if key not in self._rows]
        waits = failures = 0
        while unknown and goes_on():
            self._budget.check()
            asked = unknown[:READ_KEYS_MAX]
            try:
                found, left = self._read(asked)
            except Unavailable as error:
                self._budget.pause(waits, error, failures)
                waits, failures = waits + 1, failures + 1
                continue
            failures = 0  # a table that still reads some rows is asked as long as there is time
            again = frozenset(left)
            self._rows.update(dict.fromkeys([key for key in asked if key not in again]))
            self._rows.update(found)
            unknown = [*left, *unknown[READ_KEYS_MAX:]]
            if left:
                self._budget.pause(waits, Throttled("the table left keys of a read unprocessed"), failures)
                waits += 1

    def _read(self, keys: Sequence[Key]) -> tuple[Mapping[Key, Row], Sequence[Key]]:
        found, left = self._table.read(keys)
        if len(left) == len(keys):
            raise Throttled("the table left every key of a read unprocessed")
        return found, left

    def row(self, key: Key) -> Row | None:
        """Return a loaded row to be written again; None if the table has none.

        Raises
        ------
        NewerLayout
            If a later release wrote it.
        """
        row = self._rows[key]
        check_layout(row)
        return row

    def pages(self, user_key: Key, prefix: str) -> Mapping[str, frozenset[int]]:
        """Return a user's pages whose sort keys begin so, read consistently after the user's row.

        They change only together with that row, so they are as good as it is, and are read again when another
        image of it is known. Read before the row, or beside it, or as they were some time before, they would
        lack what the row relies on.

        Raises
        ------
        Unavailable
            As `load`.
        """
        known = self._pages.setdefault(user_key, {})
        if prefix not in known:
            known[prefix] = self._read_pages(user_key.pk, prefix)
        return known[prefix]

    def _read_pages(self, pk: str, prefix: str) -> dict[str, frozenset[int]]:
        rows = retried(self._budget, lambda: self._table.read_prefix(pk, prefix))
        for row in rows:
            check_layout(row)
        return {row.key.sk: decode_page(row.state) for row in rows}

    def note_written(self, writes: Sequence[RowWrite]) -> None:
        """Remember rows that were committed; pages are read again if they are needed."""
        written = {write.key: write for write in writes}
        self._rows.update(written)
        self._drop_pages(written)

    def note_images(self, images: Mapping[Key, Row | None]) -> None:
        """Remember rows as a refused commit showed them."""
        self._rows.update(images)
        self._drop_pages(images)

    def forget(self, keys: Iterable[Key]) -> None:
        """Read these rows anew when they are needed next."""
        for key in keys:
            self._rows.pop(key, None)
            self._pages.pop(key, None)

    def _drop_pages(self, keys: Iterable[Key]) -> None:
        for key in keys if self._pages else ():
            self._pages.pop(key, None)
