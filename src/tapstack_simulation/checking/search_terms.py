"""Search terms, computed anew: what events search for, who may be named, what folding makes of a row.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from tapstack_simulation.checking.rows import WINDOWS, Change, Violation

GRAIN_S = 300
PLACES, TERMS_MAX, TERM_BYTES_MAX, QUERY_CHARS_READ = 16, 256, 96, 128


class Search(NamedTuple):
    """A search as the journal has it.

    Parameters
    ----------
    digest, place
        The term's hash, and its user's place there.
    grain
        When, in units of `GRAIN_S`.
    term
        The text; empty where only the hash is kept.
    """

    digest: int
    place: int
    grain: int
    term: str = ""


def search_of(event: Mapping[str, Any], pk: str, at_ms: int, arrived_s: int) -> Search | None:
    """Return what an event searches for; None if nothing."""
    if event["event_type"] != "search" or not (term := spelled_term(event.get("query") or "")):
        return None
    hashed = blake2b(term.encode(), digest_size=8, person=b"search").digest()
    mixed = blake2b(pk.encode(), digest_size=1, key=hashed, person=b"searcher").digest()
    grain = min(at_ms // 1000, arrived_s) // GRAIN_S
    return Search(int.from_bytes(hashed, "big", signed=True), mixed[0] % PLACES, grain, term)


def spelled_term(query: str) -> str:
    """Spell a query as it is counted."""
    compatible = unicodedata.normalize("NFKC", query[:QUERY_CHARS_READ]).casefold()
    shown = (char if char.isprintable() else " " for char in unicodedata.normalize("NFKC", compatible))
    whole = " ".join("".join(shown).split()).encode()
    return whole[:TERM_BYTES_MAX].decode(errors="ignore").rstrip()


class Searchers:
    """Who has searched for what, so far.

    Parameters
    ----------
    users_min
        How many different users there must have been before a term may be stored as it is.
    """

    def __init__(self, users_min: int) -> None:
        self._users_min = users_min
        self._of: dict[int, dict[str, None]] = {}
        self.told = 0

    def check(self, key: tuple[str, str], wanted: Sequence[Search], found: Sequence[Search]) -> None:
        """Check the searches of an entry before their users are noted (invariants 2 and 13)."""
        plain = sorted(each._replace(term="") for each in found)
        if plain != sorted(each._replace(term="") for each in wanted):
            raise Violation(2, f"{key} holds searches {found}; its events make {wanted}")
        terms = {each.digest: each.term for each in wanted}
        for each in found:
            users = len(self._of.get(each.digest, ()))
            if each.term and (each.term != terms[each.digest] or users < self._users_min):
                raise Violation(13, f"{key} names a term that {users} users have searched for")
            self.told += bool(each.term)

    def note(self, pk: str, search: Search) -> None:
        """Note a search that was counted."""
        self._of.setdefault(search.digest, {})[pk] = None


def windows_of(search: Search, arrived_s: int) -> list[str]:
    """Return the partitions that a search belongs to, in an entry that arrived then."""
    found = [(name, search.grain * GRAIN_S // length_s, length_s, kept) for name, length_s, kept in WINDOWS]
    return [
        f"Q#{name}#{number}"
        for name, number, length_s, kept in found
        if arrived_s // length_s - kept <= number <= arrived_s // length_s
    ]


def check_terms(change: Change, searches: Iterable[Search]) -> None:
    """Check a row of search terms against the searches of its window that were folded into it.

    Raises
    ------
    Violation
        If it is not what they make of the row before. (No run has as many terms as a row holds.)
    """
    before, after = change.states()
    wanted = {digest: [*term] for digest, term in before.items()}
    for search in searches:
        term = wanted.setdefault(search.digest, [0, 0, ""])
        term[0] += 1
        term[1] |= 1 << search.place
        term[2] = search.term or term[2]
    if len(after) > TERMS_MAX:
        raise Violation(8, f"{change.key} holds {len(after)} terms")
    if after != wanted:
        raise Violation(2, f"{change.key} holds {after}, its searches make {wanted}")


def merged(rows: Iterable[Mapping[int, Sequence[Any]]]) -> tuple[dict[str, int], int]:
    """Add up stripes: the terms that may be shown with their counts, and all searches."""
    counts: dict[int, int] = {}
    texts: dict[int, str] = {}
    for terms in rows:
        for digest, (count, _, text) in terms.items():
            counts[digest] = counts.get(digest, 0) + count
            if text:
                texts[digest] = text
    return {text: counts[digest] for digest, text in texts.items()}, sum(counts.values())
