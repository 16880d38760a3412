"""Declared attributes of items and categories: from entries to answers, and what is missing is said."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from projections_world import TABLE, VIEW, World, viewed

from event_strategies import NOON_S, stream_event_dict
from tapstack.aws.table_reader import TableReader
from tapstack.core.attributes.catalogue import STATES_MAX, Said, count_said
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.attributes.reading import read_definitions
from tapstack.core.attributes.states import Moment, View
from tapstack.core.journal import Effect, definition_projection
from tapstack.core.rows import ATTRIBUTE_ROWS
from tapstack.http import Request
from tapstack.insights.respond import respond
from tapstack.projections.catalogue import projections_of
from tapstack_local.reconciliation.attributes import Seen, expected

ATTRIBUTES: list[dict[str, Any]] = [
    {
        "name": "views",
        "aggregation": "counter",
        "events": ["item_view"],
        "windows": ["5m", "24h"],
    },
    {"name": "events", "aggregation": "counter"},
    {"name": "spend", "aggregation": "sum", "property": "items.price", "windows": ["1h", "lifetime"]},
    {"name": "least", "aggregation": "min", "property": "items.price", "windows": ["24h"], "hop": "2h"},
    {"name": "mean", "aggregation": "mean", "property": "items.price"},
    {"name": "since", "aggregation": "time_since_first"},
]
TEXTS: list[dict[str, Any]] = [
    {"name": "kind", "aggregation": "last", "property": "event_type", "bytes_max": 7},
    {"name": "kinds", "aggregation": "category_count", "property": "event_type", "bytes_max": 7},
    {"name": "about", "aggregation": "approx_count_distinct", "property": "items.brand"},
]
SHELF: list[dict[str, Any]] = [
    {"name": "events", "aggregation": "counter"},
    {"name": "items", "aggregation": "unique_list", "property": "items.item_id", "bytes_max": 7},
]


def text_of(*views: tuple[str, str, list[dict[str, Any]]]) -> str:
    lines = ["version = 1"]
    for name, entity, attributes in views:
        lines += ["[[feature_view]]", f'name = "{name}"', f'entity = "{entity}"']
        for each in attributes:
            lines += [
                "[[feature_view.attribute]]",
                *(f"{key} = {json.dumps(said)}" for key, said in each.items()),
            ]
    return "\n".join(lines)


def declared_of(*views: tuple[str, str, list[dict[str, Any]]]) -> Declared:
    return Declared(read_definitions(text_of(*views)))


NUMBERS = declared_of(("goods", "item", ATTRIBUTES))
WORDS = declared_of(("goods", "item", TEXTS), ("shelf", "category", SHELF))


def write(world: World, lane: int, event: dict[str, Any], arrived_s: int, declared: Declared) -> Seen:
    """Append what a consumer would; return what it counted."""
    at_ms = min(event["at_s"], arrived_s) * 1_000
    said = declared.said(event["event_type"], json.dumps(event).encode(), Moment(at_ms, arrived_s))
    ids = [item["item_id"] for item in event["items"]]
    effect = Effect(item_ids=ids, code=VIEW, at_s=at_ms // 1_000, arrived_s=arrived_s)
    world.write(lane, effect, declared=declared.all_said(said))
    return Seen(event, at_ms, arrived_s)


def ask(world: World, now_s: int, declared: Declared, **query: Any) -> Any:
    reader = TableReader(world.dynamodb, TABLE, world.clock, lambda: 0.5)
    request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=json.dumps(query).encode())
    return json.loads(respond(request, reader, now_s, declared=declared).body)


def features_of(view: str, attributes: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any], str]]:
    return [
        (f"{view}:{each['name']}_{window}", each, window)
        for each in attributes
        for window in each.get("windows", ["lifetime"])
    ]


_items = st.lists(
    st.fixed_dictionaries(
        {"item_id": st.sampled_from(["mug", "lamp"])},
        optional={
            "category": st.sampled_from(["kitchen", "light", "\u00e4" * 60]),
            "brand": st.sampled_from(["a", "b"]),
            "price": st.sampled_from([0.1, 2.5, 40]),
        },
    ),
    min_size=1,
    max_size=3,
)
_events = st.tuples(
    st.sampled_from(["item_view", "purchase"]),
    _items,
    st.sampled_from([0, 5]),  # lanes of two stripes
    st.sampled_from([0, 60, 4_000, 90_000]),
    st.sampled_from([-600, 0, 0, 60, 7_000, 100_000]),
    st.booleans(),
)


@settings(deadline=None)
@given(
    st.lists(_events, min_size=1, max_size=8),
    st.sampled_from([0, 299, 3_600]),
    st.sampled_from([NUMBERS, WORDS]),
)
def test_what_is_answered_is_what_the_events_say(said: list[Any], later_s: int, declared: Declared) -> None:
    world, arrived_s, counted = World(projections=projections_of(declared.definitions)), NOON_S, []
    for event_type, items, lane, pause_s, late_s, is_folded in said:
        arrived_s += pause_s
        event = stream_event_dict(event_type=event_type, items=items) | {"at_s": arrived_s - late_s}
        counted.append(write(world, lane, event, arrived_s, declared))
        world.clock.sleep_ms(pause_s * 1_000)
        if is_folded:
            world.project()
    world.project()
    now_s = arrived_s + later_s
    for view in declared.catalogue:
        kind, member = ("items", "item_id") if view.entity == "item" else ("categories", "category")
        attributes = SHELF if view.entity == "category" else ATTRIBUTES if declared is NUMBERS else TEXTS
        ids = sorted({item[member] for seen in counted for item in seen.event["items"] if member in item})
        names = features_of(view.name, attributes)
        query = {kind: ids, f"{view.entity}_features": [name for name, *_ in names]}
        rows = ask(world, now_s, declared, **query)[kind]["rows"] if ids else []
        for id_, row in zip(ids, rows, strict=True):
            own = [
                seen._replace(event={**seen.event, "items": alone})
                for seen in counted
                if (alone := [item for item in seen.event["items"] if _kept(item.get(member)) == _kept(id_)])
            ]
            for (_, attribute, window), value in zip(names, row["values"], strict=True):
                wanted = expected(attribute, window, own, now_s)
                is_count = attribute["aggregation"] == "category_count"
                if isinstance(wanted, float):
                    wanted = pytest.approx(wanted)
                assert (Counter(value or {}) if is_count else value) == wanted, (id_, attribute, window)
            assert "since" not in row


def _kept(name: str | None) -> str | None:
    """A category has 96 bytes; no item here has so many."""
    return name and name.encode()[:96].decode(errors="ignore")


def test_nothing_declared_is_nothing_written() -> None:
    world = World()
    world.write(0, viewed("mug"), declared=NOTHING_DECLARED.all_said([]))
    other = World()
    other.write(0, viewed("mug"))
    assert world.dynamodb.items(TABLE) == other.dynamodb.items(TABLE)
    assert projections_of(NOTHING_DECLARED.definitions) == projections_of(read_definitions("version = 1"))


def test_an_answer_says_since_when_every_writer_knew_the_view() -> None:
    world = World(projections=projections_of(NUMBERS.definitions))
    event = stream_event_dict(event_type="item_view", items=[{"item_id": "mug"}]) | {"at_s": NOON_S}
    write(world, 0, event, NOON_S, NUMBERS)
    world.project()
    assert since(world, NUMBERS) is None
    write(world, 0, event, NOON_S + 60, NOTHING_DECLARED)  # by a consumer of the code before
    write(world, 0, event, NOON_S + 120, NUMBERS)
    world.project()
    assert since(world, NUMBERS) == "2026-03-10T12:01:01Z"


def test_a_view_that_is_new_says_what_it_lacks() -> None:
    world = World(projections=projections_of(NOTHING_DECLARED.definitions))
    event = stream_event_dict(event_type="item_view", items=[{"item_id": "mug"}]) | {"at_s": NOON_S}
    write(world, 0, event, NOON_S, NOTHING_DECLARED)
    world.project()
    later = World(on=world, projections=projections_of(NUMBERS.definitions))
    later.project()
    write(later, 0, event, NOON_S + 3_600, NUMBERS)
    later.project()
    assert since(later, NUMBERS) == "2026-03-10T12:00:01Z"


@pytest.mark.parametrize("expired", [1, 2])
@pytest.mark.parametrize("is_followed", [True, False])
def test_a_view_that_comes_back_passes_over_what_expired(expired: int, is_followed: bool) -> None:
    declared = projections_of(NUMBERS.definitions)
    world = World(projections=declared)
    event = stream_event_dict(event_type="item_view", items=[{"item_id": "mug"}]) | {"at_s": NOON_S}
    write(world, 0, event, NOON_S, NUMBERS)
    world.project()
    for _ in range(expired):
        world.write(0, viewed("mug"), lost=True)
    if is_followed:
        write(world, 0, event, NOON_S + 60, NUMBERS)
    alone = World(on=world, projections=declared[-1:])
    assert alone.project().entries_left == 0
    write(world, 0, event, NOON_S + 120, NUMBERS)
    assert alone.project().entries == 1
    assert alone.marks(declared[-1].name) == {0: 1 + expired + is_followed + 1}
    assert since(alone, NUMBERS) == "2026-03-10T12:15:00Z"


def since(world: World, declared: Declared) -> str | None:
    answer = ask(world, NOON_S + 3_600, declared, items=["mug"], item_features=["goods:events_lifetime"])
    found = answer["items"]["rows"][0].get("since", {}).get("goods@1")
    return None if found is None else str(found)


def test_a_row_has_room_for_some_categories_and_says_what_made_room() -> None:
    (shelf,) = WORDS.definitions.views("category")
    held, view = ATTRIBUTE_ROWS.new(), View(shelf)
    for number in range(STATES_MAX + 1):
        moment = Moment((NOON_S + number) * 1_000, NOON_S + number)
        count_said(held, view, Said(shelf.definition, f"c{number}", moment, {0: 1}))
    assert len(held.states) == STATES_MAX
    assert "c0" not in held.states
    assert held.dropped_s == NOON_S
    assert held.state_of("c0", view.fingerprint).since_s == NOON_S + 1
    count_said(held, view, Said(shelf.definition, "c0", Moment(NOON_S * 1_000, NOON_S + 99), {0: 1}))
    assert held.states["c0"].since_s == NOON_S + 1
    whole = view.merged(
        [held.state_of("c0", view.fingerprint), ATTRIBUTE_ROWS.new().state_of("c0", view.fingerprint)]
    )
    assert (whole.since_s, whole.attributes[0]) == (NOON_S + 1, [1])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            'aggregation = "last"\nproperty = "query"',
            "name no person, got 'query'",
        ),
        ('aggregation = "unique_list"\nproperty = "traits.email"', "name no person, got 'traits.email'"),
        (
            'aggregation = "approx_count_distinct"\nproperty = "context.ip"',
            "no person, got 'context.ip'",
        ),
        ('aggregation = "last"\nproperty = "items.name"\nbytes_max = 100', "expected 100 bytes an item"),
    ],
)
def test_what_names_a_person_or_has_no_room_is_refused(lines: str, message: str) -> None:
    head = (
        'version = 1\n[[feature_view]]\nname = "v"\nentity = "item"\n[[feature_view.attribute]]\nname = "a"\n'
    )
    with pytest.raises(Exception, match=message.replace("'", ".")):
        read_definitions(head + lines)


def test_a_view_of_items_has_no_ttl() -> None:
    text = text_of(("v", "category", SHELF)).replace("entity =", 'ttl = "1h"\nentity =')
    with pytest.raises(Exception, match="ttl: category takes none"):
        read_definitions(text)


def test_projections_of_definitions_are_named_by_them() -> None:
    (goods,) = NUMBERS.catalogue
    assert projections_of(NUMBERS.definitions)[-1].name == definition_projection(goods.definition)
