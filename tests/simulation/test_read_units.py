"""Few read units: no more rows are given than they pay for, and who waits gets some."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack_simulation.kernel import Dice, Kernel
from tapstack_simulation.read_units import ROWS_OF_AN_INVOCATION, SAVED_S, ReadUnits

INVOCATION_S = 10


def read(count: int, *, consistent: bool = False) -> bytes:
    keys = [{"pk": {"S": f"U#{number}"}, "sk": {"S": "-"}} for number in range(count)]
    return msgspec.json.encode({"RequestItems": {"t": {"Keys": keys, "ConsistentRead": consistent}}})


def rows_given(units: ReadUnits, count: int, *, consistent: bool = False) -> int:
    limited = units.limit("BatchGetItem", read(count, consistent=consistent))
    if limited is None:
        return count
    assert limited.fault == ("unprocessed" if limited.entries else "throttle")
    assert len(set(limited.entries)) == len(limited.entries)
    assert set(limited.entries) <= set(range(count))
    return count - len(limited.entries) if limited.entries else 0


calls = st.tuples(st.integers(0, 3_000_000), st.integers(1, 100), st.booleans())


@given(seed=st.integers(0, 1_000), made=st.lists(calls, max_size=30))
def test_no_more_is_given_than_there_are_units(seed: int, made: list[tuple[int, int, bool]]) -> None:
    kernel = Kernel(seed)
    units = ReadUnits(kernel, Dice(seed, "read units"), "consumer", INVOCATION_S, lambda: 1)
    spent, began_us = 0.0, kernel.now_us
    for wait_us, count, consistent in made:
        kernel.now_us += wait_us
        spent += rows_given(units, count, consistent=consistent) * (1.0 if consistent else 0.5)
    most_a_second = 0.5 * ROWS_OF_AN_INVOCATION["consumer"][1] / INVOCATION_S
    assert spent <= most_a_second * (SAVED_S + (kernel.now_us - began_us) / 1_000_000) + 1e-6


@pytest.mark.parametrize("pause_ms", [25, 400, 2_000])
def test_an_invocation_that_reads_alone_gets_what_it_was_promised(pause_ms: int) -> None:
    kernel = Kernel(1)
    units = ReadUnits(kernel, Dice(1, "read units"), "consumer", INVOCATION_S, lambda: 1)
    given_in_all = 0
    for _ in range(INVOCATION_S * 1_000 // pause_ms):
        kernel.now_us += pause_ms * 1_000
        given_in_all += rows_given(units, 100)
    assert given_in_all >= ROWS_OF_AN_INVOCATION["consumer"][0]
