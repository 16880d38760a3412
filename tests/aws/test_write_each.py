"""Rows written one by one, over one connection or several: each is durable, refused, or left."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import share
from tapstack.aws.dynamodb import STATEMENTS_MAX, DynamoTable
from tapstack.aws.wide_table import WideTable
from tapstack.errors import Unavailable
from tapstack.ports import AwsApi, AwsError, Key, Row, RowWrite, Written
from tapstack_emulator import FaultScript, FaultyApi, Injection, ManualClock, MemoryDynamoDB

KEYS = [Key(f"I#{number}", "0000") for number in range(12)]
CALLS = ("PutItem", "BatchExecuteStatement")
FAULTS = st.sampled_from(
    [
        "throttle_api",
        "internal_error",
        "internal_error_applied",
        "lost_request",
        "lost_response",
        "unprocessed",
    ]
)


def write(key: Key, seen_version: int = 0, expires_at_s: int = 9) -> RowWrite:
    return RowWrite(
        key=key,
        version=seen_version + 1,
        state=b"new",
        expires_at_s=expires_at_s,
        seen_version=seen_version,
    )


def database() -> MemoryDynamoDB:
    made = MemoryDynamoDB(ManualClock())
    made.create_table("t", ttl_attribute="ttl")
    return made


def table(
    api: MemoryDynamoDB, connections: int, faults: dict[tuple[str, int], Any] | None = None
) -> DynamoTable:
    apis = [_Started(FaultyApi(api, FaultScript(faults or {}))) for _ in range(connections)]
    return DynamoTable(apis[0], "t") if connections == 1 else WideTable(apis, "t")


class _Started:
    """An API that does a call when it is started, and says at its answer or at once that it failed."""

    def __init__(self, api: AwsApi) -> None:
        self.call = api.call

    def start(self, operation: str, body: bytes) -> Callable[[], bytes]:
        try:
            answer = self.call(operation, body)
        except AwsError as error:
            return partial(_fail, error)
        return lambda: answer


def _fail(error: AwsError) -> bytes:
    raise error


@given(
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from([0, 6, 7])),
    st.sets(st.sampled_from(KEYS)),
    st.sampled_from([0, 9]),
    st.integers(1, 4),
    st.dictionaries(st.tuples(st.sampled_from(CALLS), st.integers(1, 4)), FAULTS, max_size=3),
)
@share(1)
def test_each_write_is_durable_or_refused_or_left(
    wanted: dict[Key, int],
    there: set[Key],
    expires_at_s: int,
    connections: int,
    faults: dict[tuple[str, int], str],
) -> None:
    """Each with the version that it was decided from: none, an old one, or that of the row that is there."""
    api = database()
    plain = DynamoTable(api, "t")
    for key in there:
        plain.commit([RowWrite(key=key, version=7, state=b"old", expires_at_s=5, seen_version=0)])
    writes = [write(key, seen, expires_at_s if key.pk > "I#3" else 9) for key, seen in sorted(wanted.items())]
    script = {call: fault for call, fault in faults.items() if fault != "unprocessed" or call[0] != "PutItem"}
    written = table(api, connections, script).write_each(writes)
    left = {each.key for each in written.left}
    assert (written.reason is None) is (not left)
    assert not left & written.refused.keys()
    for each in writes:
        row = plain.get(each.key)
        fits = each.seen_version == (7 if each.key in there else 0)
        if each.key in written.refused:
            assert not fits or faults  # what was done may be refused when it is done again
            assert written.refused[each.key] == row
        elif each.key not in left:
            assert fits
            assert row == Row(
                key=each.key, version=each.version, state=b"new", expires_at_s=each.expires_at_s
            )
        if not fits:
            assert (row.state if row else None) == (b"old" if each.key in there else None)


def test_a_batch_is_an_answer_for_each_of_its_statements() -> None:
    api = database()
    plain = DynamoTable(api, "t")
    plain.commit([RowWrite(key=KEYS[1], version=7, state=b"old", seen_version=0)])
    plain.commit([RowWrite(key=KEYS[2], version=7, state=b"old", seen_version=0)])
    writes = [write(KEYS[0]), write(KEYS[1]), write(KEYS[2], 6), write(KEYS[3], 6), write(KEYS[4])]
    written = table(api, 1, {1: Injection("unprocessed", (4,))}).write_each(writes)
    assert {key: row and row.version for key, row in written.refused.items()} == {
        KEYS[1]: 7, KEYS[2]: 7, KEYS[3]: None,
    }  # fmt: skip
    assert [each.key for each in written.left] == [KEYS[4]]
    assert api.calls["BatchExecuteStatement"] == 1


def test_many_rows_are_few_calls() -> None:
    api = database()
    keys = [Key(f"I#{number}", "0000") for number in range(2 * STATEMENTS_MAX + 1)]
    assert table(api, 1).write_each([write(key) for key in keys]) == Written({})
    assert api.calls == {"BatchExecuteStatement": 3}
    assert table(api, 4).write_each([write(key, 1) for key in keys]) == Written({})
    assert api.calls["BatchExecuteStatement"] <= 6


def test_all_batches_are_sent_before_the_first_answer_is_read() -> None:
    said: list[str] = []

    class Api(_Started):
        def start(self, operation: str, body: bytes) -> Callable[[], bytes]:
            said.append("sent")
            answer = super().start(operation, body)
            return lambda: said.append("read") or answer()

    api = database()
    writes = [write(Key(f"I#{number}", "0000")) for number in range(2 * STATEMENTS_MAX + 1)]
    assert WideTable([Api(api) for _ in range(4)], "t").write_each(writes) == Written({})
    assert said == [*3 * ["sent"], *3 * ["read"]]


def test_a_connection_that_cannot_be_made_leaves_its_own_batch_alone() -> None:
    class Unreachable(_Started):
        def start(self, operation: str, body: bytes) -> Callable[[], bytes]:
            raise Unavailable("nobody there")

    api = database()
    keys = [Key(f"I#{number}", "0000") for number in range(3 * STATEMENTS_MAX)]
    apis = [_Started(api), Unreachable(api), _Started(api)]
    written = WideTable(apis, "t").write_each([write(key) for key in keys])
    assert [each.key for each in written.left] == keys[STATEMENTS_MAX : 2 * STATEMENTS_MAX]
    assert len(api.items("t")) == 2 * STATEMENTS_MAX


def test_a_batch_whose_answer_is_cut_short_is_left() -> None:
    class Short:
        def call(self, operation: str, body: bytes) -> bytes:
            return b'{"Responses":[{}]}'

    written = DynamoTable(Short(), "t").write_each([write(key) for key in KEYS])
    assert len(written.left) == len(KEYS)
    assert type(written.reason) is Unavailable


@pytest.mark.parametrize("connections", [1, 3])
def test_a_row_that_is_gone_is_refused_without_an_image(connections: int) -> None:
    written = table(database(), connections).write_each([write(key, seen_version=4) for key in KEYS])
    assert written == Written(dict.fromkeys(KEYS))


@pytest.mark.parametrize("connections", [1, 3])
def test_nothing_to_write_is_nothing(connections: int) -> None:
    assert table(database(), connections).write_each([]) == Written({})


def test_it_stops_at_the_first_call_that_fails() -> None:
    api = database()
    forever = [write(key, expires_at_s=0) for key in KEYS]
    written = table(api, 1, {("PutItem", 3): "throttle_api"}).write_each(forever)
    assert [each.key for each in written.left] == KEYS[2:]
    assert len(api.items("t")) == 2
    keys = [Key(f"I#n{number}", "0000") for number in range(3 * STATEMENTS_MAX)]
    failing = table(api, 1, {("BatchExecuteStatement", 2): "throttle_api"})
    written = failing.write_each([write(key) for key in keys] + forever[2:])
    assert [each.key for each in written.left] == keys[STATEMENTS_MAX:] + KEYS[2:]
