"""How events are put into requests: none is lost, none changes places, and the collector takes each."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack_local.batches import REQUEST_EVENTS_MAX, batches, body_of
from tapstack_local.traffic import NOT_JSON, Payload, Request

BYTES_MAX = 400
payloads = st.one_of(
    st.builds(lambda size: {"note": "x" * size}, st.integers(0, 450)), st.just(b"[]"), st.just(NOT_JSON)
)
groups = st.lists(st.lists(payloads, min_size=1, max_size=8), max_size=8)


@given(groups, st.sampled_from([0, 5, 50]))
def test_the_events_stay_as_they_are_in_their_order_and_each_request_fits(
    grouped: list[list[Payload]], merged_events_max: int
) -> None:
    requests = [Request(number, group) for number, group in enumerate(grouped)]
    made = list(batches(requests, merged_events_max=merged_events_max, request_bytes_max=BYTES_MAX))
    everything = [entry for batch in made for entry in batch]
    assert [entry.payload for entry in everything] == [each for group in grouped for each in group]
    assert [entry.where for entry in everything] == [f"event {n + 1}" for n in range(len(everything))]
    for batch in made:
        assert len(batch) == 1 or len(body_of(batch)) <= BYTES_MAX
        longest = max(map(len, grouped))
        assert 1 <= len(batch) <= max(merged_events_max, longest)


@pytest.mark.parametrize("merged_events_max", [0, 50])
def test_a_visit_of_more_events_than_a_request_may_have_is_cut(merged_events_max: int) -> None:
    events: list[Any] = [{"n": n} for n in range(2 * REQUEST_EVENTS_MAX + 1)]
    made = list(
        batches([Request(0, events, list(range(2, 2 + len(events))))], merged_events_max=merged_events_max)
    )
    assert [len(batch) for batch in made] == [REQUEST_EVENTS_MAX, REQUEST_EVENTS_MAX, 1]
    assert made[-1][0].where == f"line {len(events) + 1}"
    assert msgspec.json.decode(body_of(made[0])) == events[:REQUEST_EVENTS_MAX]


def test_a_body_that_fits_exactly_is_not_cut() -> None:
    event = {"note": "x" * 20}
    pair = [event, event]
    size = len(msgspec.json.encode(pair))
    assert [len(b) for b in batches([Request(0, [*pair])], request_bytes_max=size)] == [2]
    assert [len(b) for b in batches([Request(0, [*pair])], request_bytes_max=size - 1)] == [1, 1]
