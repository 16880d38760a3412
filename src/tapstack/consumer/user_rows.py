"""A user's rows in a transaction: its state, and the pages and pointers that change together with it."""

from __future__ import annotations

import msgspec

from tapstack.core.history import HistoryBounds, HistoryPage, spill
from tapstack.core.links import POINTER_STATE
from tapstack.core.memory import Page, encode_page
from tapstack.core.rows import UserState, encode_user
from tapstack.ports import ANY_VERSION, Key, Row, RowWrite, first_version


class UserRows(msgspec.Struct, gc=False):
    """A private copy of a user's row, on which events are folded, and what is written beside it.

    Parameters
    ----------
    key, row
        Of the user's row, as it was last seen; None if there is none.
    state
        The copy.
    is_changed
        Whether the row is to be written.
    pages
        Pages of memory to be written.
    has_history_page
        Whether a page of history is to be written.
    pointers
        Pointers to be written.
    """

    key: Key
    row: Row | None
    state: UserState
    is_changed: bool = False
    pages: list[Page] = []
    has_history_page: bool = False
    pointers: list[Key] = []

    def writes(self, arrived_at_s: int, row_ttl_s: int, history: HistoryBounds) -> list[RowWrite]:
        """Return what to write of a user that is changed.

        Parameters
        ----------
        arrived_at_s
            When the transaction's newest record arrived at the stream, Unix seconds.
        row_ttl_s
            How long a row lives after that.
        history
            How much of a user's interactions is kept.
        """
        page = self._history_page(arrived_at_s, history)  # which changes the row
        row = row_write(self.key, self.row, encode_user(self.state), arrived_at_s, row_ttl_s)
        writes = [row]
        expires_at_s = arrived_at_s + row_ttl_s
        for seen in self.pages:
            key, state = Key(self.key.pk, seen.sort_key), encode_page(seen.digests)
            # Whatever is there: a page of a row that somebody deleted, or restored as it was before.
            writes.append(_guarded(key, first_version(arrived_at_s), state, expires_at_s))
        if page is not None:
            key, until_s = Key(self.key.pk, page.sort_key), min(page.expires_at_s, row.expires_at_s)
            writes.append(_guarded(key, page.number, page.state, until_s))
        writes += [_guarded(key, row.version, POINTER_STATE, expires_at_s) for key in self.pointers]
        return writes

    def _history_page(self, arrived_at_s: int, bounds: HistoryBounds) -> HistoryPage | None:
        if not self.has_history_page:
            return None
        if self.state.history is None:
            raise AssertionError("a page is due of what waits in a history")
        return spill(self.state.history, len(self.state.recent), arrived_at_s, bounds)


def row_write(key: Key, row: Row | None, state: bytes, arrived_at_s: int, ttl_s: int) -> RowWrite:
    """Return a write of a row under the version at which it was last seen."""
    expires_at_s = arrived_at_s + ttl_s
    if row is None:
        version = first_version(arrived_at_s)
        return RowWrite(key=key, version=version, state=state, expires_at_s=expires_at_s, seen_version=0)
    return RowWrite(
        key=key,
        version=row.version + 1,
        state=state,
        expires_at_s=max(row.expires_at_s, expires_at_s),
        seen_version=row.version,
    )


def _guarded(key: Key, version: int, state: bytes, expires_at_s: int) -> RowWrite:
    """Return a write of a row that the version of its user's row guards, whatever is there."""
    return RowWrite(
        key=key, version=version, state=state, expires_at_s=expires_at_s, seen_version=ANY_VERSION
    )
