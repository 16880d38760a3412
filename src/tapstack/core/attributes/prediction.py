"""What declared attributes add to a user's row: bytes, and write units."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from tapstack.core.attributes.aggregations import aggregator_of
from tapstack.core.attributes.cells import (
    COUNT_BYTES,
    HEAD_BYTES,
    INT_BYTES,
    MOMENT_BYTES,
    TEXT_HEAD_BYTES,
    Size,
)
from tapstack.core.attributes.definitions import CATALOGUE, OF_TEXT, Attribute, Definitions, FeatureView
from tapstack.core.sessions import SESSIONS_MAX

ATTRIBUTES_MAX = 64
ROW_BYTES_USUAL_MAX = 2_048
ROW_BYTES_MAX = 16_384
# For each of up to 500 items of an event: what the largest effects leave of a journal entry.
ENTRY_BYTES_MAX = 100
_SAID_BYTES = 18  # places of definition and id, two moments, heads
_PLACE_BYTES = 1
_CELL_BYTES = {  # of one event: a count is at most 500
    "counter": 3,
    "mean": 1 + INT_BYTES + 3,
    "first": 1 + MOMENT_BYTES,
    "last": 1 + MOMENT_BYTES,
    "time_since_first": 1 + MOMENT_BYTES,
    "time_since_last": 1 + MOMENT_BYTES,
    "unique_list": 4 + COUNT_BYTES,
    "category_count": 3 + 3,
    "most_frequent": 3 + 3,
    "approx_count_distinct": 4,
}
_UNIT_BYTES = 1_024  # of a row; a unit of a transaction counts twice


class Prediction(NamedTuple):
    """What a row costs more.

    Parameters
    ----------
    attributes
        How many there are.
    size
        Bytes of a user's row, with every tile filled and each of its sessions: usually, and at most.
    """

    attributes: int
    size: Size

    @property
    def write_units(self) -> int:
        """Return what the bytes that a row usually has cost with each transaction that writes it."""
        return 2 * math.ceil(self.size.usual / _UNIT_BYTES)


def predicted(definitions: Definitions) -> Prediction:
    """Return what the definitions cost a user's row."""
    views = definitions.feature_view
    users = _added(size_of_view(view) for view in views if view.entity == "user")
    sessions = _added(size_of_view(view) for view in views if view.entity == "session")
    size = Size(users.usual + SESSIONS_MAX * sessions.usual, users.most + SESSIONS_MAX * sessions.most)
    return Prediction(sum([len(view.attribute) for view in views]), size)


def entry_bytes(definitions: Definitions) -> int:
    """Return how much an item of an event adds to an entry of the journal at most, its id left aside."""
    views = definitions.views(*CATALOGUE)
    said = [_cell_bytes(attribute) for view in views for attribute in view.attribute]
    return _SAID_BYTES * len(views) + sum(said)


def _cell_bytes(attribute: Attribute) -> int:
    """Return how long the cell of one event is at most, with its place."""
    text = max(INT_BYTES, attribute.bytes_max + TEXT_HEAD_BYTES) if attribute.aggregation in OF_TEXT else 0
    return _PLACE_BYTES + _CELL_BYTES.get(attribute.aggregation, INT_BYTES) + text


def size_of_view(view: FeatureView) -> Size:
    """Return the bytes of a view's state, with its key."""
    head = 2 + len(view.key) + 1 + 3 * 5 + HEAD_BYTES
    inside = _added(size_of(attribute) for attribute in view.attribute)
    return Size(head + inside.usual, head + inside.most)


def size_of(attribute: Attribute) -> Size:
    """Return the bytes of an attribute's state."""
    aggregator = aggregator_of(attribute)
    if not aggregator.is_tiled:
        return aggregator.size
    tiles = {window.hop_s: 0 for window in attribute.spans}
    for window in attribute.spans:
        tiles[window.hop_s] = max(tiles[window.hop_s], window.kept + 1)
    cells, heads = sum(tiles.values()), 1 + HEAD_BYTES * sum(1 for hop_s in tiles if hop_s)
    return Size(heads + cells * aggregator.size.usual, heads + cells * aggregator.size.most)


def _added(sizes: Iterable[Size]) -> Size:
    usual = most = 0
    for size in sizes:
        usual, most = usual + size.usual, most + size.most
    return Size(usual, most)
