"""Search terms: what people type into a shop's search, counted without keeping what only a few of them typed.

A term may name a person, so outside the stream it is known by its hash until enough different users have
searched for it. How many did is told from `Term.places`: each user has one of `PLACES` places in a term, by a
hash of both, so as many users at least have searched for it as places are taken. A place is shared by a
sixteenth of all users: it names nobody, and two searches of one user for different terms have nothing in
common.
"""

from __future__ import annotations

import heapq
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec

from tapstack.core.events import Event

QUERY_CHARS_READ = 128  # of a query: a text of 1,000 marks on one letter takes Unicode long to put in order
TERM_BYTES_MAX = 96  # of a term, UTF-8; the rest is cut off
PLACES = 16
TERMS_MAX = 256  # in a row
GRAIN_S = 300  # to which the time of a search is kept: to the second, it would be found in a user's row

Terms = dict[int, "Term"]  # by digest


class Search(msgspec.Struct, gc=False, frozen=True):
    """A search for a term.

    Parameters
    ----------
    digest
        Of the term: 64 bits of its hash, signed.
    place
        Of its user among those who search for this term, ``0..PLACES - 1``.
    at_s
        When, Unix seconds; not later than `arrived_s`.
    arrived_s
        When its record arrived at the stream, Unix seconds.
    term
        The term; empty if it is not to be stored.
    """

    digest: int
    place: int
    at_s: int
    arrived_s: int
    term: str

    def hashed(self) -> Search:
        """Return the search without the term's text."""
        return Search(self.digest, self.place, self.at_s, self.arrived_s, "")


class Term(msgspec.Struct, gc=False, array_like=True):
    """What a row holds of a term.

    Parameters
    ----------
    count
        Searches for it.
    places
        A bit for each place that is taken.
    text
        The term itself; empty until enough different users have searched for it.
    """

    count: int = 0
    places: int = 0
    text: str = ""


def search_of(event: Event, user_key: str, at_s: int, arrived_s: int) -> Search | None:
    """Return what an event searches for; None if it is no search, or for nothing.

    Parameters
    ----------
    event
        The event.
    user_key
        The partition key of its user's row.
    at_s
        The event's own time, Unix seconds.
    arrived_s
        When its record arrived at the stream, Unix seconds.
    """
    if event.query is None or event.event_type != "search" or not (term := normalise_term(event.query)):
        return None
    hashed = blake2b(term.encode(), digest_size=8, person=b"search").digest()
    place = blake2b(user_key.encode(), digest_size=1, key=hashed, person=b"searcher").digest()[0] % PLACES
    return Search(int.from_bytes(hashed, "big", signed=True), place, min(at_s, arrived_s), arrived_s, term)


def normalise_term(query: str) -> str:
    """Return a query as it is counted: one spelling for what differs in letter case, width or white space.

    Unicode's NFKC and case folding; each run of white space and of characters that show nothing is a space.
    """
    plain = query[:QUERY_CHARS_READ]
    if not plain.isascii():
        folded = unicodedata.normalize("NFKC", plain).casefold()
        plain = unicodedata.normalize("NFKC", folded)
    if not plain.isprintable():
        plain = "".join([char if char.isprintable() else " " for char in plain])
    term = " ".join(plain.casefold().split())
    if len(term) * 4 > TERM_BYTES_MAX:
        term = term.encode()[:TERM_BYTES_MAX].decode(errors="ignore").rstrip()
    return term


def count_searches(terms: Terms, searches: Iterable[Search]) -> None:
    """Count searches in a Space-Saving summary of at most `TERMS_MAX` terms, in place.

    As `tapstack.core.cooccurrence` says: no count is too low, none is too high by more than the lowest, and
    the counts sum to all searches. What takes another's place begins without its places and its text.
    """
    added: Terms = {}
    for search in searches:
        term = added.setdefault(search.digest, Term())
        term.count += 1
        term.places |= 1 << search.place
        term.text = search.term or term.text
    for digest in added.keys() & terms.keys():
        known, more = terms[digest], added.pop(digest)
        known.count += more.count
        known.places |= more.places
        known.text = more.text or known.text
    lowest = [(term.count, digest) for digest, term in terms.items()] if added else []
    heapq.heapify(lowest)
    for digest, term in added.items():
        if len(terms) >= TERMS_MAX:
            least, rarest = heapq.heappop(lowest)
            del terms[rarest]
            term.count += least
        terms[digest] = term
        heapq.heappush(lowest, (term.count, digest))


def common_terms(rows: Iterable[Mapping[int, Term]], users_min: int) -> frozenset[int]:
    """Return the terms that at least so many different users have searched for."""
    places: dict[int, int] = {}
    for terms in rows:
        for digest, term in terms.items():
            places[digest] = places.get(digest, 0) | term.places
    return frozenset([digest for digest, taken in places.items() if taken.bit_count() >= users_min])


def merge_terms(rows: Sequence[Mapping[int, Term]]) -> tuple[list[tuple[str, int]], int]:
    """Add up the rows of all stripes.

    Returns
    -------
    tuple
        The terms whose text is known with their counts, highest first, ties by term; and by how much a count
        may be too low or too high: the sum of the full rows' lowest counts.
    """
    counts: dict[int, int] = {}
    texts: dict[int, str] = {}
    for terms in rows:
        for digest, term in terms.items():
            counts[digest] = counts.get(digest, 0) + term.count
            if term.text:
                texts[digest] = term.text
    ranked = [(text, counts[digest]) for digest, text in texts.items()]
    error = sum([min([term.count for term in terms.values()]) for terms in rows if len(terms) >= TERMS_MAX])
    return sorted(ranked, key=lambda entry: (-entry[1], entry[0])), error
