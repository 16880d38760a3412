"""Values equal a recomputation from the events, in any order; states stay within what is predicted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from attribute_files import AGGREGATIONS, attributes, events, file_of
from hypothesis import given, reject
from hypothesis import strategies as st

from examples import share
from tapstack.core.attributes.definitions import FeatureView
from tapstack.core.attributes.faults import InvalidDefinitions
from tapstack.core.attributes.prediction import size_of_view
from tapstack.core.attributes.reading import read_definitions
from tapstack.core.attributes.states import Moment, View, folded
from tapstack.core.attributes.stored import ViewStates
from tapstack.core.attributes.told import decode_told
from tapstack_local.reconciliation.attributes import Seen, expected

NOW_S = 1_790_000_000


@st.composite
def histories(draw: st.DrawFn) -> list[Seen]:
    """Draw events that arrive in order, each up to ten days after it happened."""
    arrived_s = NOW_S - draw(st.integers(0, 12 * 86_400))
    seen = []
    for event in draw(st.lists(events, max_size=12) | st.lists(events, min_size=6, max_size=12)):
        arrived_s = min(NOW_S, arrived_s + draw(st.sampled_from([0, 1, 299, 3_000, 40_000, 200_000])))
        late_s = draw(st.sampled_from([0, 0, 0, 1, 600, 7_200, 90_000, 800_000]))
        ms = draw(st.integers(0, 999)) if late_s else 0
        seen.append(Seen(event, (arrived_s - late_s) * 1_000 + ms, arrived_s))
    return seen


def states_after(view: View, history: list[Seen]) -> ViewStates:
    states: ViewStates = {}
    for place, each in enumerate(history):
        told = decode_told(each.event["event_type"], msgspec.json.encode(each.event))
        states = folded([view], states, told, Moment(each.at_ms, each.arrived_s), is_new=place == 0)
        states = msgspec.msgpack.decode(msgspec.msgpack.encode(states), type=ViewStates)
    return states


def answers(definition: FeatureView, states: ViewStates, now_s: int) -> dict[str, Any]:
    """Return the answer of each window of the one attribute."""
    kept = View(definition).attributes[0]
    state = states["v@1"]
    found = {}
    for window in definition.attribute[0].spans:
        cells = state.attributes[0] if state.attributes else None
        found[window.name] = kept.answer(cells, window, state.arrived_s, now_s)
    return found


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@given(st.data(), histories(), st.sampled_from([0, 1, 301, 5_000, 100_000, 700_000]), st.randoms())
@share(0.4)
def test_values_are_those_of_the_events_of_the_tiles(aggregation, data, history, later_s, random):
    attribute = data.draw(attributes(among=[aggregation]))
    definition = read_definitions(file_of(attribute)).feature_view[0]
    now_s = NOW_S + later_s
    for order in (history, random.sample(history, len(history))):
        states = states_after(View(definition), order)
        if not order:
            assert not states
            return
        for window, answer in answers(definition, states, now_s).items():
            check(attribute, window, answer, expected(attribute, window, history, now_s), history, now_s)


def check(
    attribute: dict[str, Any], window: str, answer: Any, wanted: Any, history: list[Seen], now_s: int
) -> None:
    aggregation = attribute["aggregation"]
    if aggregation in {"category_count", "most_frequent"}:
        true: Counter[str] = wanted
        missing = answer.missing_max
        events_count = true.total()
        assert missing * (attribute["limit"] + 1) <= events_count
        if aggregation == "category_count":
            counts = answer.value or {}
            assert len(counts) <= attribute["limit"]
            assert all(true[text] - missing <= count <= true[text] for text, count in counts.items())
            assert all(text in counts or count <= missing for text, count in true.items())
        elif not missing and true:
            assert answer.value == min(true, key=lambda text: (-true[text], text))
    elif aggregation == "approx_count_distinct":
        assert answer.value == pytest.approx(wanted, rel=0.1) if wanted else answer.value is None
    elif aggregation == "unique_list":
        assert answer.value == wanted
        everything = expected({**attribute, "limit": 1_000}, window, history, now_s) or []
        assert len(everything) - len(wanted or []) <= answer.missing_max
    elif isinstance(wanted, float):
        assert answer.value == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    else:
        assert answer.value == wanted
        assert type(answer.value) is type(wanted) or isinstance(wanted, int)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@given(st.data(), histories())
@share(0.4)
def test_a_state_is_no_longer_than_predicted(aggregation, data, history):
    said = [data.draw(attributes(among=[aggregation])), *data.draw(st.lists(attributes(), max_size=3))]
    text = file_of(*[{**each, "name": f"x{place}"} for place, each in enumerate(said)])
    try:
        definition = read_definitions(text).feature_view[0]
    except InvalidDefinitions:
        reject()  # too long a row
    states = states_after(View(definition), history)
    assert len(msgspec.msgpack.encode(states)) <= 1 + size_of_view(definition).most


@given(attributes(), histories())
def test_what_is_asked_later_is_never_more_than_the_row_holds(attribute, history):
    """A state is not changed by being read."""
    definition = read_definitions(file_of(attribute)).feature_view[0]
    states = states_after(View(definition), history)
    if states:
        before = msgspec.msgpack.encode(states)
        assert answers(definition, states, NOW_S) == answers(definition, states, NOW_S)
        assert msgspec.msgpack.encode(states) == before
