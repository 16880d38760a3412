"""What was shown and what came of it, from the stream to the answer, whatever fails and comes again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from consumer_world import TABLE, Pipeline, drain, view
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S
from tapstack.aws.table_reader import TableReader
from tapstack.consumer.records import StreamRecord
from tapstack.http import Request
from tapstack.insights.respond import respond
from tapstack_emulator import RandomFaults
from tapstack_emulator.faults.policy import Fault

FAULTS: dict[Fault, float] = {
    "stale_read": 0.1,
    "lost_request": 0.05,
    "lost_response": 0.1,
    "transaction_conflict": 0.1,
    "crash_before": 0.03,
    "crash_after": 0.05,
}
STEPS = ("item_view", "cart_add", "checkout_start", "purchase")
DONE = st.lists(
    st.tuples(
        st.sampled_from([*STEPS, "item_list_view", "item_click"]),
        st.sampled_from(["home", "search", None]),
        st.integers(0, 4),
        st.sampled_from(["r-1", None]),
    ),
    max_size=20,
)


def event(number: int, done: tuple[str, str | None, int, str | None]) -> StreamRecord:
    kind, list_id, position, recommendation_id = done
    item = {"item_id": f"i{number % 3}", "position": position, **({"list_id": list_id} if list_id else {})}
    return view(
        number,
        event_type=kind,
        user_id=f"u{number % 4}",
        items=[item],
        recommendation_id=recommendation_id,
    )


def ask(pipeline: Pipeline, path: str) -> Any:
    reader = TableReader(pipeline.dynamodb, TABLE, pipeline.clock, lambda: 0.5)
    request = Request(method="GET", path=tuple(path.removeprefix("/").split("/")))
    return msgspec.json.decode(respond(request, reader, NOON_S).body)


@given(DONE, st.integers(1, 6), st.integers(0, 99))
def test_answers_are_what_the_events_say(done: list[Any], size: int, seed: int) -> None:
    done = [*done, ("item_list_view", "home", 1, "r-1"), ("item_list_view", "search", 1, None)]
    pipeline = Pipeline(faults=RandomFaults(seed, FAULTS), seed=seed)
    records = [event(number, each) for number, each in enumerate(done)]
    for start in range(0, len(records), size):
        drain(pipeline, records[start : start + size])
    drain(pipeline, records)  # all of it once more
    pipeline.project()
    steps = {each["event_type"]: each["events"] for each in ask(pipeline, "/v1/conversion")["steps"]}
    kinds = Counter(kind for kind, _, _, _ in done)
    assert steps == {kind: kinds[kind] for kind in STEPS}
    for name in ("home", "search"):
        found = ask(pipeline, f"/v1/lists/{name}/impressions")["positions"]
        shown, clicked = (
            Counter(position for kind, where, position, _ in done if kind == wanted and where == name)
            for wanted in ("item_list_view", "item_click")
        )
        assert {each["position"]: (each["impressions"], each["clicks"]) for each in found} == {
            position: (shown[position], clicked[position]) for position in {*shown, *clicked}
        }
    recommended = ask(pipeline, "/v1/recommendations/r-1")
    assert recommended["counts"] == Counter(kind for kind, _, _, name in done if name == "r-1")
    assert recommended["clicks"] == recommended["counts"].get("item_click", 0)


def test_a_recommendation_that_is_shown_and_clicked_tells_how_it_does() -> None:
    pipeline = Pipeline()
    bought = [{"item_id": "mug"}, {"item_id": "lamp"}]
    pipeline.run([view(n, user_id=f"u{n}", event_type="purchase", items=bought) for n in range(3)])
    pipeline.project()
    answer = ask(pipeline, "/v1/items/mug/similar")
    named = {"user_id": "ann", "recommendation_id": answer["recommendation_id"]}
    listed = [{"item_id": each["item_id"]} for each in answer["items"]]
    clicked = [listed[0] | {"position": 1}]
    pipeline.run(
        [
            view(10, event_type="item_list_view", items=listed, **named),
            view(11, event_type="item_click", items=clicked, **named),
            view(12, event_type="purchase", items=clicked, **named),
        ]
    )
    pipeline.project()
    told = ask(pipeline, f"/v1/recommendations/{answer['recommendation_id']}")
    assert told["counts"] == {"item_list_view": 1, "item_click": 1, "purchase": 1}
    assert told["positions"][0] == {"position": 1, "impressions": 1, "clicks": 1, "click_rate": 1.0}
