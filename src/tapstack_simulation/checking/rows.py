"""The table's rows, read generically from MessagePack, and how a commit changes one.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tapstack_simulation.checking.facts import Name
from tapstack_simulation.checking.intervals import contains, numbers, without

# Name, length in seconds, how many are kept.
WINDOWS = (("5m", 300, 12), ("1h", 3_600, 24), ("1d", 86_400, 7))
VIEWED_WITH_MAX, BOUGHT_WITH_MAX = 32, 16

DERIVED = "ITQPCF"  # what the partition keys of derived rows begin with

_unpack = msgspec.msgpack.Decoder().decode
NO_LAYOUT = {"N": "0"}


INVARIANTS: Mapping[int, str] = {
    1: "Of each client's numbers, every one is counted, stored as late, in quarantine, or shown as missing.",
    2: "The journal holds what users count, and derived rows the journal; each follows from the events.",
    3: "The tables are a plain fold of the distinct accepted events, and never above it, even for a moment.",
    4: "An event that was answered with 2xx is on the stream or spilled as it was sent; a refused one, in "
    "quarantine.",
    5: "Up to a checkpoint every record is counted, known as counted, stored as late, or in quarantine.",
    6: "Replaying everything changes nothing.",
    7: "Counts depend on no order, batch, parallelism or layout of shards.",
    8: "State is bounded; what is forgotten becomes late, never new.",
    9: "No success is reported with a record left out.",
    10: "Redriving a record any number of times counts it once.",
    11: "Readers add up all stripes, show no row that has expired, and say how fresh they are.",
    12: "A row lives longer than the records that it judges.",
    13: "A search term is a hash outside its stream until enough different users have searched for it.",
    14: "Of who may not send nothing is stored; of who denied consent nothing, or what is nobody's; "
    "no name where names have pseudonyms.",
}


class Violation(AssertionError):  # noqa: N818 - a finding, not an error of the program
    """An invariant is broken.

    Parameters
    ----------
    invariant
        Its number in `INVARIANTS`.
    text
        How.
    """

    def __init__(self, invariant: int, text: str) -> None:
        super().__init__(f"invariant {invariant}: {text}")
        self.invariant = invariant


class Image(NamedTuple):
    """A row as the table holds it; of a derived row the body is the state, and `applied` stands beside it."""

    version: int
    ttl_s: int
    state: Any
    packed: bytes
    applied: Mapping[int, int] = {}
    layout: int = 1


Key = tuple[str, str]
EMPTY_USER: list[Any] = [
    [{}, {}, {}, -1, -1, -1],
    [0, 0, None, {}, 0, [], {}],
    {},
    [],
    [[], 0, -1],
    0,
    None,
    {},
]
EMPTY_ITEM: list[Any] = [[{}, [{}, {}, {}], 0], {}, {}, None, None]
EMPTY_SHOWINGS: list[Any] = [[{}, [{}, {}, {}], 0], {}]
EMPTY_BOARD: list[Any] = [0, {}, {}]
EMPTY_CATEGORIES: list[Any] = [{}, {}]
EMPTY_ATTRIBUTES: list[Any] = [0, {}]
EMPTY: Mapping[str, Any] = {
    "T": EMPTY_BOARD, "Q": {}, "I": EMPTY_ITEM, "P": EMPTY_SHOWINGS, "C": EMPTY_CATEGORIES,
    "F": EMPTY_ATTRIBUTES,
}  # fmt: skip


class Change(NamedTuple):
    """A row's change in a commit."""

    key: Key
    before: Image | None
    after: Image

    def states(self) -> tuple[Any, Any]:
        """Return the states before and after."""
        if self.before is not None:
            return self.before.state, self.after.state
        if is_page(self.key):
            return b"", self.after.state
        if is_history(self.key) or is_pointer(self.key):
            return [], self.after.state
        kind = self.key[0][0]
        return EMPTY.get(kind, EMPTY_USER), self.after.state


def read_image(item: dict[str, Any]) -> Image:
    """Read a row from the wire."""
    packed = base64.b64decode(item["s"]["B"])
    ttl_s = int(item["ttl"]["N"]) if "ttl" in item else 0
    state, version, layout = _unpack(packed), int(item["v"]["N"]), int(item.get("l", NO_LAYOUT)["N"])
    if item["pk"]["S"][0] in DERIVED:
        return Image(version, ttl_s, state[1], packed, state[0], layout)
    return Image(version, ttl_s, state, packed, layout=layout)


PAGE_PREFIX, HISTORY_PREFIX = "seen#", "hist#"
POINTER_PREFIXES = ("was#", "is#")


def is_page(key: Key) -> bool:
    """Return whether a row is a page of ids."""
    return key[1].startswith(PAGE_PREFIX)


def is_history(key: Key) -> bool:
    """Return whether a row is a page of interactions."""
    return key[1].startswith(HISTORY_PREFIX)


def is_pointer(key: Key) -> bool:
    """Return whether a row leads from a user to a visitor, or back."""
    return key[0][0] in "UA" and key[1].startswith(POINTER_PREFIXES)


def is_beside(key: Key) -> bool:
    """Return whether a row is a page of either kind or a pointer, beside a user's row."""
    return is_page(key) or is_history(key) or is_pointer(key)


def page_digests(state: bytes) -> set[int]:
    """Return the ids on a page."""
    return {int.from_bytes(state[at : at + 8], "big", signed=True) for at in range(0, len(state), 8)}


def new_names(before: Any, after: Any, pages: Iterable[bytes] = ()) -> Iterator[Name]:
    """Return the events that a row, or a page beside it, remembers and the row did not before, one by one."""
    clients, ids = before[0][:2]
    for client, (top, gaps, *_) in after[0][0].items():
        seen = without([(0, top)], gaps)
        if client in clients:
            seen = without(seen, without([(0, clients[client][0])], clients[client][1]))
        yield from (("n", client, n) for n in numbers(seen))
    digests = [*after[0][1], *(digest for page in pages for digest in page_digests(page))]
    yield from (("o", digest, 0) for digest in digests if digest not in ids)


def knows(state: Any, name: Name, pages: Iterable[bytes] = ()) -> bool:
    """Return whether a user's row, or one of its pages, remembers an event."""
    kind, what, n = name
    if kind == "o":
        return what in state[0][1] or any(what in page_digests(page) for page in pages)
    top, gaps, *_ = state[0][0].get(what, (-1, ()))
    return n <= top and not contains(gaps, n)
