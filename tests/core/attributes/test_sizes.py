"""How long the cell of a moment becomes is predicted, and no value makes a longer one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from attribute_files import file_of

from tapstack.core.attributes.aggregations import aggregator_of
from tapstack.core.attributes.cells import Size
from tapstack.core.attributes.reading import read_definitions

MOMENT_MS = 1_790_000_000_000
LONGEST = ("u" * 300, 0.1, 2**53 - 1, True)
# What is declared, what is predicted, and how long the longest cell is: one byte for the list, nine for when,
# and two before a text, of which one is spare up to 31 bytes.
CELLS: dict[str, tuple[dict[str, Any], Size, int]] = {
    "the last of texts": ({"aggregation": "last", "property": "query", "bytes_max": 200}, Size(22, 212), 212),
    "the first of texts": ({"aggregation": "first", "property": "query"}, Size(22, 52), 52),
    "shorter than usual": ({"aggregation": "last", "property": "query", "bytes_max": 8}, Size(20, 20), 19),
    "shorter than numbers": ({"aggregation": "first", "property": "query", "bytes_max": 4}, Size(16, 19), 19),
    "since the last": ({"aggregation": "time_since_last"}, Size(10, 10), 10),
    "since the first": ({"aggregation": "time_since_first"}, Size(10, 10), 10),
}


@pytest.mark.parametrize(("attribute", "size", "longest"), CELLS.values(), ids=CELLS)
def test_no_cell_is_longer_than_predicted(attribute: dict[str, Any], size: Size, longest: int) -> None:
    kept = aggregator_of(read_definitions(file_of({"name": "x", **attribute})).feature_view[0].attribute[0])
    assert kept.size == size
    assert max(len(msgspec.msgpack.encode(kept.lift(value, MOMENT_MS))) for value in LONGEST) == longest
