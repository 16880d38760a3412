"""A user's memory with its pages, without a table."""

from __future__ import annotations

from tapstack.core.identity import Identity
from tapstack.core.memory import (
    NEW,
    Bounds,
    Page,
    Seen,
    Verdict,
    decode_page,
    encode_page,
    judge,
    may_write_page,
    prefixes_to_read,
    remember,
)

TODAY = 20_000
KEEP_DAYS = 40
BOUNDS = Bounds(keep_days=KEEP_DAYS)


class Store:
    """A user's row and its pages, as a consumer uses them."""

    def __init__(self, seen: Seen | None = None, bounds: Bounds = BOUNDS) -> None:
        self.bounds = bounds
        self.seen = Seen() if seen is None else seen
        self.rows: dict[str, frozenset[int]] = {}

    def judge(self, identity: Identity, day: int = TODAY) -> Verdict:
        prefixes = tuple(prefixes_to_read(self.seen, identity, day, self.bounds))
        if not prefixes:
            return judge(self.seen, identity, day, self.bounds)
        pages = {key: page for key, page in self.rows.items() if key.startswith(prefixes)}
        return judge(self.seen, identity, day, self.bounds, pages)

    def remember(self, identity: Identity, day: int = TODAY) -> Page | None:
        may_write = may_write_page(self.seen, self.bounds)
        page = remember(self.seen, identity, day, self.bounds)
        if page is not None:
            assert may_write
            assert page.sort_key not in self.rows, "a page is written once"
            self.rows[page.sort_key] = decode_page(encode_page(page.digests))
        return page

    def take(self, identity: Identity, day: int = TODAY) -> Verdict:
        verdict = self.judge(identity, day)
        if verdict is NEW:
            self.remember(identity, day)
        return verdict
