"""What names a person lies in the person's partition, or where a pointer in it says: deleting both is all."""

from __future__ import annotations

import base64
from typing import Any

from consumer_world import LIMITS, TABLE, Pipeline, view
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tapstack.core.attributes.declared import Declared
from tapstack.core.attributes.reading import read_definitions

PEOPLE = ("person-one", "person-two")
SECRETS = (*PEOPLE, "visitor-seven", "blue suede shoes", "ann@example.org")
KINDS = ("item_view", "purchase", "search", "identify", "page_view", "share")


def said(number: int, kind: str, who: str) -> Any:
    return view(
        number,
        event_type=kind,
        user_id=who,
        anonymous_id="visitor-seven",
        items=[{"item_id": f"i{number % 5}", "price": 3}],
        query="blue suede shoes",
        traits={"email": "ann@example.org"},
        session_id="of-person-one",
    )


def everything(pipeline: Pipeline) -> list[tuple[str, str, bytes]]:
    return [
        (item["pk"]["S"], item["sk"]["S"], base64.b64decode(item["s"]["B"]))
        for item in pipeline.dynamodb.items(TABLE)
    ]


ATTRIBUTES = """
version = 1
[[feature_view]]
name = "goods"
entity = "item"
attribute = [
    { name = "asked", aggregation = "counter", filter = { property = "query", operator = "is not null" } },
    { name = "last", aggregation = "last", property = "event_type" },
    { name = "spend", aggregation = "sum", property = "items.price", windows = ["24h"] },
]
"""


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(PEOPLE)), min_size=1, max_size=12))
def test_no_row_outside_a_persons_partition_names_the_person(events: list[tuple[str, str]]) -> None:
    declared = Declared(read_definitions(ATTRIBUTES))
    pipeline = Pipeline(limits=replace(LIMITS, declared=declared))
    pipeline.run([said(number, kind, who) for number, (kind, who) in enumerate(events)])
    pipeline.project()
    rows = everything(pipeline)
    assert any(pk.startswith("F#goods@1#") for pk, _, _ in rows)
    owners = {f"U#{who}" for _, who in events}
    assert {pk for pk, _, _ in rows if pk[0] in "UA"} == {*owners, "A#visitor-seven"}
    for pk, sk, state in rows:
        if pk[0] not in "UA":
            assert not any(secret in pk + sk or secret.encode() in state for secret in SECRETS), (pk, sk)


def test_a_person_of_many_events_is_gone_with_the_partition() -> None:
    pipeline = Pipeline()
    pipeline.run([said(number, "item_view", "person-one") for number in range(300)])
    pipeline.project()
    mine = [(pk, sk) for pk, sk, _ in everything(pipeline) if pk == "U#person-one"]
    for pages in ("seen#", "hist#"):  # of ids and of interactions: they are the person's as well
        assert any(sk.startswith(pages) for _, sk in mine)
    kinds = {"-", "seen", "hist", "was"}
    assert {sk.partition("#")[0] for _, sk in mine} == kinds, "deleted by listing all of them"
    # What names the person in a visitor's partition is named by a pointer of the person's.
    back = {(f"A#{sk.removeprefix('was#')}", "is#person-one") for _, sk in mine if sk.startswith("was#")}
    rest = [row for row in everything(pipeline) if row[0] != "U#person-one" and row[:2] not in back]
    assert not any(secret in f"{pk} {sk} {state!r}" for pk, sk, state in rest for secret in SECRETS)
