"""Interactions of users with items, as numbers: there are as many as events."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

Interactions = dict[str, "array[int]"]  # by user; a million of them are 8 MB


def hashed(at_ms: int, code: int, item_id: str) -> int:
    """Return a number for an interaction, the same in this process."""
    return hash((at_ms, code, item_id))


def add_interactions(into: Interactions, user: str, found: Iterable[int]) -> None:
    """Add interactions of a user."""
    into.setdefault(user, array("q")).extend(found)
