"""Write units and row sizes, as AWS documents them.

Examples: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
and .../read-write-operations.html, read 2026-11-23.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.aws.dynamodb import DynamoTable
from tapstack.core.capacity import row_bytes, transaction_units
from tapstack.ports import Key, RowWrite
from tapstack_emulator import item_bytes

DOCUMENTED: dict[str, tuple[list[int], int]] = {
    "half a KiB": ([512], 2),
    "one KiB": ([1_024], 2),
    "one byte more": ([1_025], 4),
    "one and a half KiB": ([1_536], 4),
    "three KiB": ([3 * 1_024], 6),
    "the largest item": ([400 * 1_024], 800),
    "each row by itself": ([1, 1, 1_025], 8),
    "nothing": ([], 0),
}


@pytest.mark.parametrize(("sizes", "units"), DOCUMENTED.values(), ids=DOCUMENTED)
def test_a_kib_begun_is_two_units_in_a_transaction(sizes: list[int], units: int) -> None:
    assert transaction_units(sizes) == units


@given(
    pk=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    sk=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5),
    state=st.binary(max_size=300),
    version=st.integers(1_700_000_000_000, 4_000_000_000_000),
    expires_at_s=st.integers(1_700_000_000, 4_000_000_000),
)
def test_a_rows_size_is_dynamodbs_give_or_take_its_numbers(
    pk: str, sk: str, state: bytes, version: int, expires_at_s: int
) -> None:
    stored: list[dict[str, Any]] = []

    class Recorder:
        def call(self, operation: str, body: bytes) -> bytes:
            stored.append(msgspec.json.decode(body)["TransactItems"][0]["Put"]["Item"])
            return b"{}"

    write = RowWrite(
        key=Key(pk, sk), version=version + 1, state=state, expires_at_s=expires_at_s, seen_version=version
    )
    DynamoTable(Recorder(), "t").commit([write])
    assert base64.b64decode(stored[0]["s"]["B"]) == state
    # A number whose last digits are zeros takes fewer bytes, down to two.
    assert 0 <= row_bytes((pk, sk), state) - item_bytes(stored[0]) <= (8 - 2) + (6 - 2)
