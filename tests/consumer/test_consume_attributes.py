"""Declared attributes through the consumer: every counted event says what its record holds, once."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
from consumer_world import LIMITS, TABLE, Pipeline, view
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S
from examples import share
from tapstack.aws.table_reader import TableReader
from tapstack.core.attributes.declared import Declared
from tapstack.core.attributes.reading import read_definitions
from tapstack.http import Request
from tapstack.insights.respond import respond

SPEND = 'name = "spend"\naggregation = "sum"\nproperty = "value"\n'
DECLARED = Declared(
    read_definitions(
        "version = 1\n"
        f'[[feature_view]]\nname = "people"\nentity = "user"\n[[feature_view.attribute]]\n{SPEND}'
        f'[[feature_view]]\nname = "goods"\nentity = "item"\n[[feature_view.attribute]]\n{SPEND}'
    )
)
LIMITS_DECLARED = msgspec.structs.replace(LIMITS, declared=DECLARED)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["ann", "bob"]), st.sampled_from(["mug", "cup"]), st.integers(1, 9)),
    min_size=1,
    max_size=8,
)


@given(EVENTS, st.integers(1, 8))
@share(0.5)
def test_users_and_items_add_up_what_records_say(events: list[tuple[str, str, int]], size: int) -> None:
    pipeline = Pipeline(limits=LIMITS_DECLARED)
    records = [
        view(
            number, event_type="purchase", user_id=who, items=[{"item_id": what}], value=value, currency="EUR"
        )
        for number, (who, what, value) in enumerate(events)
    ]
    for start in (*range(0, len(records), size), 0):  # the first ones come again
        pipeline.run(records[start : start + size])
    pipeline.project()
    spent: Counter[str] = Counter()
    for who, what, value in events:
        spent.update({who: value, what: value})
    users, items = (sorted({event[place] for event in events}) for place in (0, 1))
    answer = ask(pipeline, users=users, items=items)
    assert [row["values"] for row in answer["users"]["rows"]] == [[spent[who]] for who in users]
    assert [row["values"] for row in answer["items"]["rows"]] == [[spent[what]] for what in items]


def ask(pipeline: Pipeline, **query: Any) -> Any:
    query |= {"user_features": ["people:spend_lifetime"], "item_features": ["goods:spend_lifetime"]}
    reader = TableReader(pipeline.dynamodb, TABLE, pipeline.clock, lambda: 0.5)
    request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=json.dumps(query).encode())
    return json.loads(respond(request, reader, NOON_S, declared=DECLARED).body)
