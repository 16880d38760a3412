"""The rows of the behaviour table: their keys and their states.

=============  ======  ==========================================================================
partition key  sort    state
=============  ======  ==========================================================================
``U#<user>``   ``-``   `UserState` of a known user
``A#<id>``     ``-``   `UserState` of an anonymous visitor
the same       seen#   `tapstack.core.memory.Page`: ids that its user's row no longer holds
the same       hist#   interactions that its user's row no longer holds: `tapstack.core.history`
``U#<user>``   was#    a pointer to a visitor that the user was: `tapstack.core.links`
``A#<id>``     is#     a pointer to a user that the visitor became
``J#<lane>``   number  `tapstack.core.journal.Entry`: what counted events add to derived rows
``L#``         lane    the lane's head: its version is the number of the lane's last entry
``W#``         name    `tapstack.core.journal.Watermark`: how far a projection has come
``I#<item>``   stripe  `ItemState`: one Query reads an item whole, readers add the stripes
``T#<w>``      stripe  `tapstack.core.ranking.Board` of sub-windows of length `w`: trending is one Query
``Q#<w>#<n>``  stripe  `tapstack.core.search_terms.Terms` of window number `n`
``P#<where>``  stripe  `tapstack.core.impressions.Showings` of a list, a recommendation, or the shop
``C#<w>#<n>``  stripe  `tapstack.core.categories.Categories` of window number `n`
``F#<d>#<id>`` stripe  `tapstack.core.attributes.catalogue.Held` of a definition: an item, or categories
=============  ======  ==========================================================================

A state is stored as MessagePack, arrays in the order of the fields below
(docs/reference/table.md has the layout for readers in other languages). Items, boards, terms and showings are
*derived rows*, written by projections: `Derived` wraps their states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec

from tapstack.core.aggregates import Counters, Window, Windowed, new_counters
from tapstack.core.attributes.catalogue import Held
from tapstack.core.attributes.definitions import FeatureView
from tapstack.core.attributes.stored import ViewStates
from tapstack.core.categories import Categories
from tapstack.core.history import History, Recent
from tapstack.core.impressions import Showings
from tapstack.core.item_facts import Facts
from tapstack.core.links import Links
from tapstack.core.memory import Seen
from tapstack.core.ranking import Board
from tapstack.core.search_terms import Term
from tapstack.core.sessions import Sessions
from tapstack.core.traits import Trait
from tapstack.core.unpacking import unpack
from tapstack.errors import UndecodableRow

S = TypeVar("S")
T = TypeVar("T")

ALIASES_MAX = 4

USER_SORT_KEY = "-"


class Profile(msgspec.Struct, gc=False, array_like=True):
    """What is known about a user beside its counts."""

    first_seen_s: int = 0
    last_seen_s: int = 0
    locale: str | None = None
    traits: dict[str, Trait] = {}
    traits_at_s: int = 0
    aliases: list[str] = []  # anonymous ids of the same person, as events that named both said
    links: Links = {}  # the visitors among them that pointers lead to


class UserState(msgspec.Struct, gc=False, array_like=True):
    """A user's row."""

    seen: Seen = msgspec.field(default_factory=Seen)
    profile: Profile = msgspec.field(default_factory=Profile)
    counters: Counters = {}
    recent: list[Recent] = []  # newest first
    sessions: Sessions = msgspec.field(default_factory=Sessions)
    pairs_count: int = 0  # pairs this user's events added to items' maps, each end counted
    history: History | None = None  # of interactions that left the newest; None until there are any
    attributes: ViewStates = {}  # declared ones


class ItemState(msgspec.Struct, gc=False, array_like=True):
    """An item's row in one stripe."""

    counters: Windowed
    viewed_with: dict[str, int]
    bought_with: dict[str, int]
    facts: Facts | None = None  # what events say of it; None if they say nothing
    amounts: Windowed | None = None  # `tapstack.core.amounts`; None until there are any


class ItemParts(msgspec.Struct, gc=False, array_like=True):
    """`ItemState` as it is folded: what most events leave alone stays as it is stored, see `Part`."""

    counters: Windowed
    viewed_with: msgspec.Raw
    bought_with: msgspec.Raw
    facts: msgspec.Raw = msgspec.Raw(b"\xc0")  # None
    amounts: msgspec.Raw = msgspec.Raw(b"\xc0")


def new_item() -> ItemParts:
    """Return an item that has counted nothing."""
    no_partners = msgspec.Raw(b"\x80")  # an empty map
    return ItemParts(new_counters(), no_partners, no_partners)


class Derived(msgspec.Struct, Generic[S], gc=False, array_like=True):
    """A derived row: what a projection made of the journal.

    Parameters
    ----------
    applied
        By lane, the last entry that is in the body. A fold takes only entries above it, so it may be
        repeated, come late, or run beside another.
    body
        The projection's own state.
    """

    applied: dict[int, int]
    body: S


_encoder = msgspec.msgpack.Encoder()
_user_decoder = msgspec.msgpack.Decoder(UserState)


def user_key(user_id: str | None, partition_key: str) -> tuple[str, str]:
    """Return the row of the user of events with this `user_id` and partition key."""
    return anonymous_key(partition_key) if user_id is None else known_user_key(user_id)


def known_user_key(user_id: str) -> tuple[str, str]:
    """Return the row of a known user."""
    return f"U#{user_id}", USER_SORT_KEY


def anonymous_key(anonymous_id: str) -> tuple[str, str]:
    """Return the row of an anonymous visitor."""
    return f"A#{anonymous_id}", USER_SORT_KEY


def item_partition(item_id: str) -> str:
    """Return the partition that holds an item's rows, a row a stripe."""
    return f"I#{item_id}"


def board_partition(window: Window) -> str:
    """Return the partition that holds the boards of a length of sub-windows, a row a stripe."""
    return f"T#{window.name}"


def terms_partition(window: Window, number: int) -> str:
    """Return the partition that holds a window's search terms, a row a stripe."""
    return f"Q#{window.name}#{number}"


def showings_partition(placement: str) -> str:
    """Return the partition that holds what is kept of a placement, a row a stripe."""
    return f"P#{placement}"


def categories_partition(window: Window, number: int) -> str:
    """Return the partition that holds a window's categories, a row a stripe."""
    return f"C#{window.name}#{number}"


def attributes_partition(view: FeatureView, id_: str) -> str:
    """Return the partition that holds what a view keeps of an item, or of a category and some others."""
    if view.entity == "category":  # as many partitions as there are bytes, however many categories are sent
        id_ = hashlib.blake2b(id_.encode(), digest_size=1).hexdigest()
    return f"F#{view.definition}#{id_}"


def stripe_sort_key(stripe: int) -> str:
    """Return the sort key of a stripe."""
    return f"{stripe:04d}"


def encode_user(state: UserState) -> bytes:
    """Write a user's row."""
    return _encoder.encode(state)


def decode_user(state: bytes) -> UserState:
    """Read a user's row; raises `UndecodableRow`."""
    if state[:1] < _USER_HEADS[:1] or state[1:2] < _USER_HEADS[1:]:
        raise UndecodableRow("user", "its arrays end too early")
    return unpack("user", _user_decoder, state)


# MessagePack's heads of a user's array and of its first element's, as long as the first release wrote them.
# All fields have defaults; an array that ends before that would be one that has seen nothing.
_USER_HEADS = b"\x96\x96"


def encode_derived(applied: Mapping[int, int], body: object) -> bytes:
    """Write a derived row's state."""
    return _encoder.encode((applied, body))


class DerivedKind(Generic[S]):
    """Derived rows of a kind: how they are read, and how one begins.

    Parameters
    ----------
    name
        For `UndecodableRow`.
    type_
        Of what they hold. A field that the first release wrote has no default: a row that ends before it is
        refused, and not taken for an empty one.
    new
        Returns what a row holds before the first fold.
    """

    def __init__(self, name: str, type_: type[S], new: Callable[[], S]) -> None:
        self.new = new
        self._name = name
        self._decoder = msgspec.msgpack.Decoder(Derived[type_])  # type: ignore[valid-type]

    def read(self, state: bytes) -> Derived[S]:
        """Read a row's state; raises `UndecodableRow`."""
        return unpack(self._name, self._decoder, state)

    def body(self, state: bytes) -> S:
        """Read what a row holds; raises `UndecodableRow`."""
        return self.read(state).body


ITEM_ROWS = DerivedKind("item", ItemState, lambda: ItemState(new_counters(), {}, {}))
ITEM_ROWS_IN_PARTS = DerivedKind("item", ItemParts, new_item)
BOARD_ROWS = DerivedKind("leaderboard", Board, lambda: Board(0, {}, {}))
TERM_ROWS = DerivedKind("search terms", dict[int, Term], dict)
SHOWING_ROWS = DerivedKind("showings", Showings, lambda: Showings(new_counters(), {}))
CATEGORY_ROWS = DerivedKind("categories", Categories, lambda: Categories({}, {}))
ATTRIBUTE_ROWS = DerivedKind("attributes", Held, lambda: Held(0, {}))


class Part(Generic[T]):
    """How a part of `ItemParts` is read and written, when it changes.

    Parameters
    ----------
    type_
        Of the part in `ItemState`, `T`.
    """

    def __init__(self, type_: object) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(type_)

    def read(self, stored: msgspec.Raw) -> T:
        """Return the part; raises `UndecodableRow`."""
        return unpack("item", self._decoder, stored)

    def write(self, part: T) -> msgspec.Raw:
        """Return it as it is stored."""
        return msgspec.Raw(_encoder.encode(part))
