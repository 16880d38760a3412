"""Searches: what events search for, spelled as docs/reference/table.md says, and sums of them."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DAY_S = 86_400
TERM_BYTES_MAX, QUERY_CHARS_READ = 96, 128


@dataclass(slots=True)
class Searches:
    """Searches of a fold.

    Parameters
    ----------
    days
        How many by day and term.
    users
        By term, the partition keys of who searched for it.
    """

    days: dict[int, Counter[int]] = field(default_factory=dict)
    users: dict[int, set[str]] = field(default_factory=dict)

    def add(self, term: str, user: str, at_s: int) -> None:
        """Add a search; of an event that is none the term is empty."""
        if term:
            hashed = digest_of(term)
            self.days.setdefault(at_s // DAY_S, Counter())[hashed] += 1
            self.users.setdefault(hashed, set()).add(user)


def term_of(event: Mapping[str, Any]) -> str:
    """Return what an event searches for, spelled as it is counted; empty if it searches for nothing."""
    query = event.get("query") if event["event_type"] == "search" else None
    if not isinstance(query, str):
        return ""
    folded = unicodedata.normalize("NFKC", query[:QUERY_CHARS_READ]).casefold()
    normal = unicodedata.normalize("NFKC", folded)
    words = "".join(letter if letter.isprintable() else " " for letter in normal).split()
    return " ".join(words).encode()[:TERM_BYTES_MAX].decode(errors="ignore").rstrip()


def digest_of(term: str) -> int:
    """Return a term's digest, as rows hold it."""
    hashed = hashlib.blake2b(term.encode(), digest_size=8, person=b"search")
    return int.from_bytes(hashed.digest(), "big", signed=True)
