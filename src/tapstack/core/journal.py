"""The journal: what counted events add to derived rows, in the order in which they were counted.

An entry commits in the same transaction as the users' rows that count its events, so the two agree
whatever happens. A *lane* is a numbered sequence of entries: transactions that run in parallel use different
lanes. The lane's *head* is a row whose version is the number of the lane's last entry; it never expires, so
numbers never begin anew. Nothing here names a user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from tapstack.core.attributes.catalogue import NOTHING_SAID, AllSaid, Said
from tapstack.core.attributes.states import Moment
from tapstack.core.impressions import Shown
from tapstack.core.item_facts import Facts, Statement, Statements, later
from tapstack.core.search_terms import GRAIN_S, Search
from tapstack.core.unpacking import unpack
from tapstack.errors import UndecodableRow

HEADS_PARTITION = "L#"  # the head of each lane that was ever used: one Query lists them all
WATERMARKS_PARTITION = "W#"  # of each projection, the last entry folded in each lane

JOURNAL_TTL_S = 30 * 86_400  # from the arrival of an entry's newest record
LAG_MAX_S = 7 * 86_400  # a consumer refuses to count in a lane that is not folded for longer
# A derived row lives longer than any entry, or one that TTL deleted would begin anew and fold it twice.
DERIVED_TTL_MIN_S = JOURNAL_TTL_S + LAG_MAX_S + 86_400
LANES_A_STRIPE = 4  # never changes: an entry must always be folded into the same rows
_DEFINITION_PREFIX = "attributes#"
NO_STATEMENTS: Statements = {}
ENTRY_BYTES_MAX = 384 * 1024  # of 400 KB that a row may have, keys and names included


class Effect(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """What an event adds to derived rows: to those of its items, to each the same.

    Parameters
    ----------
    item_ids
        The items; one, if there are partners.
    code
        The event's type.
    at_s
        The event's own time, Unix seconds; its arrival, if its clock was ahead.
    arrived_s
        When its record arrived at the stream, Unix seconds.
    bought
        What was bought, in millionths by currency.
    viewed_with, bought_with
        Items that the one item makes pairs with.
    units
        How many were bought, or given back.
    refunded
        What was paid back, in millionths by currency.
    rating
        What it was rated with, in millionths; None if it was not.
    categories
        For each item the category that the event names, or an empty string; empty if it names none.
    """

    item_ids: Sequence[str]
    code: int
    at_s: int
    arrived_s: int
    bought: Mapping[str, int] = {}
    viewed_with: Sequence[str] = ()
    bought_with: Sequence[str] = ()
    units: int = 0
    refunded: Mapping[str, int] = {}
    rating: int | None = None
    categories: Sequence[str] = ()


class Entry(msgspec.Struct, gc=False, frozen=True):
    """What a transaction adds to derived rows.

    Parameters
    ----------
    number
        Its place in the lane, from 1.
    arrived_s
        When the newest of its records arrived at the stream, Unix seconds.
    effects
        In the order in which the events were counted.
    searches
        In no order that says anything; their times are cut to `GRAIN_S`.
    facts
        By item, what its events say of it.
    shown
        What events say of lists, recommendations and the shop, added up.
    declared
        What events say to declared attributes of items and categories.
    """

    number: int
    arrived_s: int
    effects: Sequence[Effect]
    searches: Sequence[Search] = ()
    facts: Mapping[str, Facts] = {}
    shown: Sequence[Shown] = ()
    declared: AllSaid = NOTHING_SAID


class StoredEffect(msgspec.Struct, gc=False, array_like=True):
    """An effect as it is stored; what an effect lacks at its end is left out."""

    item_ids: list[str]
    code: int
    age_s: int  # of the event when its record arrived
    before_s: int  # how long before the entry's newest record its own arrived
    bought: dict[str, int] = {}
    viewed_with: list[str] = []
    bought_with: list[str] = []
    units: int = 0
    refunded: dict[str, int] = {}
    rating: int | None = None


class StoredSearch(msgspec.Struct, gc=False, array_like=True):
    """A search as it is stored."""

    digest: int
    place: int
    grains_before: int  # `GRAIN_S` each, of its time before the entry's
    term: str = ""


class StoredSaid(msgspec.Struct, gc=False, array_like=True):
    """What events of one second say of an item: places in a list of texts, from 1; 0 of what they do not."""

    item_id: str
    before_s: int  # of the second before the entry's newest record
    category: int = 0
    brand: int = 0
    name: int = 0
    price: int | None = None
    currency: str = ""


class StoredFacts(msgspec.Struct, gc=False, array_like=True):
    """What an entry's events say of items, each text once; and the categories of its effects' items."""

    texts: list[str] = []
    said: list[StoredSaid] = []
    categories: list[int] = []  # of each item of each effect in their order, as in `StoredSaid`


class StoredShown(msgspec.Struct, gc=False, array_like=True):
    """What was shown, or came of it, as it is stored."""

    placement: str
    code: int
    grains_before: int
    count: int = 1
    positions: dict[int, int] = {}


class StoredCells(msgspec.Struct, gc=False, array_like=True):
    """What an event says to a view, as it is stored."""

    definition: int  # places in the lists beside, from 0
    id: int
    before_s: int  # how long before the entry's newest record its own arrived
    age_ms: int  # of the event at the beginning of that second
    cells: dict[int, Any]


class StoredAttributes(msgspec.Struct, gc=False, array_like=True):
    """What events say to declared attributes of items and categories: each definition and id once."""

    definitions: list[str] = []  # all that the writer knew
    ids: list[str] = []
    said: list[StoredCells] = []


class StoredEntry(msgspec.Struct, gc=False, array_like=True):
    """An entry as it is stored."""

    arrived_s: int
    effects: list[StoredEffect]
    searches: list[StoredSearch] = []
    facts: StoredFacts = msgspec.field(default_factory=StoredFacts)
    impressions: list[StoredShown] = []
    attributes: StoredAttributes = msgspec.field(default_factory=StoredAttributes)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredEntry)
_PLACE = attrgetter("placement", "code", "at_s")


def encode_entry(
    effects: Sequence[Effect],
    searches: Sequence[Search] = (),
    statements: Statements = NO_STATEMENTS,
    shown: Iterable[Shown] = (),
    arrived_s: int = 0,
    declared: AllSaid = NOTHING_SAID,
) -> bytes:
    """Write an entry's state; there is at least one effect or search, or something shown.

    Searches are put in order of their hashes, and what was shown in that of placements: beside the effects of
    their users they would tell who it was.

    Parameters
    ----------
    effects, searches, statements, shown
        What events add; of each placement, type and grain once what was shown.
    arrived_s
        When the newest of their records arrived, if it is later than those that effects and searches name.
    declared
        What events say to declared attributes.
    """
    arrived_s = max([arrived_s, *[e.arrived_s for e in effects], *[s.arrived_s for s in searches]])
    parts: list[object] = [
        arrived_s,
        [_stored(effect, arrived_s) for effect in effects],
        sorted([_stored_search(each, arrived_s) for each in searches]),
        _stored_facts(effects, statements, arrived_s),
        [_stored_shown(each, arrived_s) for each in sorted(shown, key=_PLACE)],
        _stored_attributes(declared, arrived_s),
    ]
    while not parts[-1] and len(parts) > 2:
        parts.pop()
    return _encoder.encode(parts)


def _stored_facts(effects: Sequence[Effect], statements: Statements, arrived_s: int) -> tuple[object, ...]:
    texts: dict[str, int] = {"": 0}
    said = [_stored_said(each, arrived_s - at_s, texts) for each, at_s in statements.items()]
    categories: list[int] = []
    for effect in effects:
        if effect.categories:
            categories += [texts.setdefault(name, len(texts)) for name in effect.categories]
        else:
            categories += [0] * len(effect.item_ids)
    if len(texts) == 1 and not said:
        return ()
    return (list(texts)[1:], said, categories) if any(categories) else (list(texts)[1:], said)


def _stored_said(statement: Statement, before_s: int, texts: dict[str, int]) -> tuple[object, ...]:
    item_id, *said, price = statement
    return (item_id, before_s, *[texts.setdefault(text, len(texts)) for text in said], *(price or ()))


def _stored_attributes(declared: AllSaid, arrived_s: int) -> tuple[object, ...]:
    if not declared.definitions:
        return ()
    definitions = {name: place for place, name in enumerate(declared.definitions)}
    ids: dict[str, int] = {}
    said = [
        (
            definitions[each.definition],
            ids.setdefault(each.id, len(ids)),
            arrived_s - each.moment.arrived_s,
            each.moment.arrived_s * 1_000 - each.moment.at_ms,
            each.cells,
        )
        for each in declared.said
    ]
    return (list(definitions), list(ids), said) if said else (list(definitions),)


def _stored_shown(shown: Shown, arrived_s: int) -> tuple[object, ...]:
    core = (shown.placement, shown.code, arrived_s // GRAIN_S - shown.at_s // GRAIN_S)
    if shown.positions:
        return (*core, shown.count, dict(sorted(shown.positions.items())))
    return (*core, shown.count) if shown.count > 1 else core


def _stored_search(search: Search, arrived_s: int) -> tuple[object, ...]:
    core = (search.digest, search.place, arrived_s // GRAIN_S - search.at_s // GRAIN_S)
    return (*core, search.term) if search.term else core


def _stored(effect: Effect, arrived_s: int) -> tuple[object, ...]:
    core = (effect.item_ids, effect.code, effect.arrived_s - effect.at_s, arrived_s - effect.arrived_s)
    if effect.units or effect.refunded or effect.rating is not None:
        pairs = (effect.bought, effect.viewed_with, effect.bought_with, effect.units)
        if effect.rating is not None:
            return (*core, *pairs, effect.refunded, effect.rating)
        return (*core, *pairs, effect.refunded) if effect.refunded else (*core, *pairs)
    if effect.bought_with:
        return (*core, effect.bought, effect.viewed_with, effect.bought_with)
    if effect.viewed_with:
        return (*core, effect.bought, effect.viewed_with)
    return (*core, effect.bought) if effect.bought else core


def decode_entry(number: int, state: bytes) -> Entry:
    """Read an entry; raises `UndecodableRow`."""
    stored = unpack("journal entry", _decoder, state)
    arrived_s = stored.arrived_s
    texts = ["", *stored.facts.texts]
    try:
        effects = _effects(stored, texts)
        facts = _facts(stored.facts.said, arrived_s, texts)
        declared = _declared(stored.attributes, arrived_s)
    except IndexError:
        raise UndecodableRow("journal entry", "a text that it names is missing") from None
    searches = [_search(each, arrived_s) for each in stored.searches]
    shown = [_shown(each, arrived_s) for each in stored.impressions]
    return Entry(number, arrived_s, effects, searches, facts, shown, declared)


def _declared(stored: StoredAttributes, arrived_s: int) -> AllSaid:
    if not stored.definitions:
        return NOTHING_SAID
    said = []
    for each in stored.said:
        own_s = arrived_s - each.before_s
        moment = Moment(own_s * 1_000 - each.age_ms, own_s)
        said.append(Said(stored.definitions[each.definition], stored.ids[each.id], moment, each.cells))
    return AllSaid(stored.definitions, said)


def _facts(said: Sequence[StoredSaid], arrived_s: int, texts: Sequence[str]) -> dict[str, Facts]:
    facts: dict[str, Facts] = {}
    for each in said:
        at_s = arrived_s - each.before_s
        category, brand, name = (
            (at_s, texts[place]) if place else None for place in (each.category, each.brand, each.name)
        )
        price = None if each.price is None else (at_s, each.price, each.currency)
        found = Facts(category, brand, name, price)
        facts[each.item_id] = later(facts[each.item_id], found) if each.item_id in facts else found
    return facts


def _shown(stored: StoredShown, arrived_s: int) -> Shown:
    at_s = (arrived_s // GRAIN_S - stored.grains_before) * GRAIN_S
    return Shown(stored.placement, stored.code, at_s, stored.count, stored.positions)


def _search(stored: StoredSearch, arrived_s: int) -> Search:
    at_s = (arrived_s // GRAIN_S - stored.grains_before) * GRAIN_S
    return Search(stored.digest, stored.place, at_s, arrived_s, stored.term)


def _effects(entry: StoredEntry, texts: Sequence[str]) -> list[Effect]:
    categories = [texts[place] for place in entry.facts.categories]
    effects = []
    items_before = 0
    for each in entry.effects:
        items_upto = items_before + len(each.item_ids)
        effects.append(_effect(each, entry.arrived_s, categories[items_before:items_upto]))
        items_before = items_upto
    return effects


def _effect(stored: StoredEffect, arrived_s: int, categories: Sequence[str]) -> Effect:
    own_s = arrived_s - stored.before_s
    return Effect(
        item_ids=stored.item_ids,
        code=stored.code,
        at_s=own_s - stored.age_s,
        arrived_s=own_s,
        bought=stored.bought,
        viewed_with=stored.viewed_with,
        bought_with=stored.bought_with,
        units=stored.units,
        refunded=stored.refunded,
        rating=stored.rating,
        categories=categories if any(categories) else (),
    )


def head_key(lane: int) -> tuple[str, str]:
    """Return the row whose version is the number of a lane's last entry."""
    return HEADS_PARTITION, f"{lane:04d}"


def entry_key(lane: int, number: int) -> tuple[str, str]:
    """Return the row of an entry."""
    return journal_partition(lane), f"{number:020d}"


def journal_partition(lane: int) -> str:
    """Return the partition of a lane's entries."""
    return f"J#{lane:04d}"


def watermark_key(projection: str) -> tuple[str, str]:
    """Return the row that says how far a projection has come."""
    return WATERMARKS_PARTITION, projection


def definition_projection(definition: str) -> str:
    """Return the projection that folds the declared attributes of a definition."""
    return f"{_DEFINITION_PREFIX}{definition}"


def is_of_a_definition(projection: str) -> bool:
    """Return whether a projection folds declared attributes; it may be declared no longer."""
    return projection.startswith(_DEFINITION_PREFIX)


def stripe_of(lane: int) -> int:
    """Return the stripe of derived rows into which a lane is folded, always the same."""
    return lane // LANES_A_STRIPE


class Watermark(msgspec.Struct, gc=False, array_like=True):
    """How far a projection has come.

    Parameters
    ----------
    marks
        By lane, the number of an entry: it and all before it are in the projection's rows.
    since_s
        What was counted before is not in the projection, Unix seconds; 0 if all is.
    """

    marks: dict[int, int] = {}
    since_s: int = 0


_watermark_decoder = msgspec.msgpack.Decoder(Watermark)


def encode_watermark(watermark: Watermark) -> bytes:
    """Write a watermark's state."""
    return _encoder.encode(watermark)


def decode_watermark(state: bytes) -> Watermark:
    """Read a watermark; raises `UndecodableRow`."""
    return unpack("watermark", _watermark_decoder, state)
