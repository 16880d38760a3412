"""What declared attributes add to a user's row: bytes, and write units."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from tapstack.core.attributes.aggregations import aggregator_of
from tapstack.core.attributes.cells import HEAD_BYTES, Size
from tapstack.core.attributes.definitions import Attribute, Definitions, FeatureView
from tapstack.core.sessions import SESSIONS_MAX

ATTRIBUTES_MAX = 64
ROW_BYTES_USUAL_MAX = 2_048
ROW_BYTES_MAX = 16_384
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
