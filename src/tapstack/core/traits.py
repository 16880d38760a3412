"""Traits that a user's row keeps of what an event says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TRAITS_MAX = 16  # traits kept of a user: scalars, the rest stays in the raw archive
TRAIT_CHARS_MAX = 64  # of a trait's name, and of its value

Trait = str | int | float | bool


def kept_traits(said: Mapping[str, Any]) -> dict[str, Trait]:
    """Return the traits that a row can keep, as it keeps them."""
    return {
        name[:TRAIT_CHARS_MAX]: value[:TRAIT_CHARS_MAX] if isinstance(value, str) else value
        for name, value in said.items()
        if isinstance(value, str | float) or _is_stored_integer(value)
    }


def trait_notes(said: Mapping[str, Any]) -> list[str]:
    """Return notes for the sender on what a row does not keep of an event's traits."""
    there = {name: value for name, value in said.items() if value is not None}
    kept = kept_traits(there)
    cut = any(
        len(name) > TRAIT_CHARS_MAX or (isinstance(value, str) and len(value) > TRAIT_CHARS_MAX)
        for name, value in there.items()
    )
    simple = [value for value in there.values() if isinstance(value, str | float | int)]
    notes = [
        (len(simple) < len(there), "traits: objects and arrays are not kept"),
        (len(kept) > TRAITS_MAX, f"traits: a user keeps {TRAITS_MAX}, here are {len(kept)}"),
        (cut, f"traits: names and values are cut to {TRAIT_CHARS_MAX} characters"),
    ]
    return [note for applies, note in notes if applies]


def _is_stored_integer(value: object) -> bool:
    return isinstance(value, int) and value.bit_length() < 64  # JSON has longer ones, MessagePack has not
