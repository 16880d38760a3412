"""Batches of reads: whole, or an error; never with holes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.aws.table_reader import BATCH_KEYS_MAX, READ_MS_MAX, TableReader
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import AwsApi, Key, Row, RowWrite
from tapstack_emulator import FaultScript, FaultyApi, Injection, ManualClock, MemoryDynamoDB

KEYS = [Key(f"I#{number}", "0000") for number in range(250)]


def reader(stored: int, faults: FaultScript | None = None) -> tuple[TableReader, ManualClock]:
    memory = MemoryDynamoDB()
    memory.create_table("t", ttl_attribute="ttl")
    clock = ManualClock()
    writer = TableReader(memory, "t", clock, lambda: 0.5)
    for start in range(0, stored, 100):
        writer.commit(
            [
                RowWrite(key=key, version=1, state=b"x", seen_version=0)
                for key in KEYS[start : min(start + 100, stored)]
            ]
        )
    api: AwsApi = memory if faults is None else FaultyApi(memory, faults)
    return TableReader(api, "t", clock, lambda: 0.5), clock


def rows(keys: list[Key]) -> dict[Key, Row]:
    return {key: Row(key=key, version=1, state=b"x") for key in keys}


@pytest.mark.parametrize("asked", [0, 1, BATCH_KEYS_MAX, BATCH_KEYS_MAX + 1, 250])
def test_any_number_of_rows_is_read(asked: int) -> None:
    table, _ = reader(stored=130)
    assert table.read_all(KEYS[:asked]) == rows(KEYS[: min(asked, 130)])


@given(st.lists(st.sets(st.integers(0, 49)), max_size=6))
def test_keys_that_the_table_left_are_asked_for_until_all_are_read(left: list[set[int]]) -> None:
    script = FaultScript(
        {n: Injection("unprocessed", tuple(sorted(some))) for n, some in enumerate(left, 1) if some}
    )
    table, _ = reader(stored=50, faults=script)
    assert table.read_all(KEYS[:50]) == rows(KEYS[:50])


def test_keys_that_are_always_left_are_an_error_in_time() -> None:
    script = FaultScript({n: Injection("unprocessed", (0,)) for n in range(1, 999)})
    table, clock = reader(stored=2, faults=script)
    began_ms = clock.now_ms()
    with pytest.raises(Throttled, match="1 of 2 keys"):
        table.read_all(KEYS[:2])
    assert clock.now_ms() - began_ms <= READ_MS_MAX


def test_a_table_that_does_not_answer_is_an_error_at_once() -> None:
    table, clock = reader(stored=1, faults=FaultScript({1: Injection("throttle")}))
    began_ms = clock.now_ms()
    with pytest.raises(Unavailable):
        table.read_all(KEYS[:1])
    assert clock.now_ms() == began_ms


def test_a_consistent_read_is_never_stale() -> None:
    memory = MemoryDynamoDB()
    memory.create_table("t", ttl_attribute="ttl")
    stale = FaultyApi(memory, FaultScript({n: Injection("stale_read") for n in range(1, 9)}))
    table = TableReader(stale, "t", ManualClock(), lambda: 0.5)
    TableReader(memory, "t", ManualClock(), lambda: 0.5).commit(
        [RowWrite(key=KEYS[0], version=1, state=b"x", seen_version=0)]
    )
    assert table.read_all(KEYS[:1], consistent=True) == rows(KEYS[:1])
