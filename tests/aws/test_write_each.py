"""Rows written one by one, over one connection or several: each is durable, refused, or left."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import share
from tapstack.aws.dynamodb import DynamoTable
from tapstack.aws.wide_table import WideTable
from tapstack.ports import AwsApi, Key, RowWrite, Written
from tapstack_emulator import FaultScript, FaultyApi, ManualClock, MemoryDynamoDB

KEYS = [Key(f"I#{number}", "0000") for number in range(12)]
FAULTS = ("throttle_api", "internal_error", "internal_error_applied", "lost_request", "lost_response")


def write(key: Key, seen_version: int = 0) -> RowWrite:
    return RowWrite(key=key, version=seen_version + 1, state=b"new", seen_version=seen_version)


def database() -> MemoryDynamoDB:
    made = MemoryDynamoDB(ManualClock())
    made.create_table("t", ttl_attribute="ttl")
    return made


def table(
    api: MemoryDynamoDB, connections: int, faults: dict[tuple[str, int], Any] | None = None
) -> DynamoTable:
    apis: list[AwsApi] = [FaultyApi(api, FaultScript(faults or {})) for _ in range(connections)]
    return DynamoTable(apis[0], "t") if connections == 1 else WideTable(apis, "t")


@given(
    st.sets(st.sampled_from(KEYS)),
    st.sets(st.sampled_from(KEYS)),
    st.integers(1, 4),
    st.dictionaries(st.tuples(st.just("PutItem"), st.integers(1, 6)), st.sampled_from(FAULTS), max_size=3),
)
@share(1)
def test_each_write_is_durable_or_refused_or_left(
    wanted: set[Key], there: set[Key], connections: int, faults: dict[tuple[str, int], str]
) -> None:
    api = database()
    plain = DynamoTable(api, "t")
    for key in there:
        plain.commit([RowWrite(key=key, version=7, state=b"old", seen_version=0)])
    writes = [write(key) for key in sorted(wanted)]
    written = table(api, connections, faults).write_each(writes)
    left = {each.key for each in written.left}
    assert (written.reason is None) is (not left)
    assert not left & written.refused.keys()
    for each in writes:
        row = plain.get(each.key)
        if each.key in written.refused:
            assert each.key in there
            assert written.refused[each.key] == row
        elif each.key not in left:
            assert row is not None
            assert row.state == b"new"
        if each.key in there:
            assert row is not None
            assert row.state == b"old"


@pytest.mark.parametrize("connections", [1, 3])
def test_a_row_that_is_gone_is_refused_without_an_image(connections: int) -> None:
    written = table(database(), connections).write_each([write(key, seen_version=4) for key in KEYS])
    assert written == Written(dict.fromkeys(KEYS))


@pytest.mark.parametrize("connections", [1, 3])
def test_nothing_to_write_is_nothing(connections: int) -> None:
    assert table(database(), connections).write_each([]) == Written({})


def test_it_stops_at_the_first_that_fails() -> None:
    api = database()
    written = table(api, 1, {("PutItem", 3): "throttle_api"}).write_each([write(key) for key in KEYS])
    assert [each.key for each in written.left] == KEYS[2:]
    assert len(api.items("t")) == 2
