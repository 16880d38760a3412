"""The checker of recommendations: what an item must be may be said by several rows."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
import pytest

from tapstack_simulation.checking.item_facts import Wanted
from tapstack_simulation.checking.past import Past
from tapstack_simulation.checking.recommendations import hold_recommendations
from tapstack_simulation.checking.rows import Image, Violation

NOW_S = 1_767_225_600
SHOES_BELOW_50_USD = Wanted("shoes", 50.0, "USD")
MILLIONTHS = 1_000_000
NAME = blake2b(msgspec.msgpack.encode(["a"]), digest_size=12, person=b"recommendation").hexdigest()
ITEM = {"item_id": "a", "score": 1.0, "why": []}
ANSWER = {"recommendation_id": NAME, "based_on": [], "items": [ITEM], "as_of": None, "since": None}


def says(category: str | None, price: int | None) -> list[Any]:
    """The state of an item's row in one stripe."""
    text = None if category is None else [NOW_S, category]
    return [
        [],
        {},
        {},
        [text, None, None, None if price is None else [NOW_S, price * MILLIONTHS, "USD"]],
        None,
    ]


STRIPES: dict[str, tuple[list[list[Any]], bool]] = {
    "one says both": ([says("shoes", 20)], True),
    "each says one": ([says("shoes", None), says(None, 20)], True),
    "each says both, and is newer in one": ([says("shoes", 100), says("hats", 20)], True),
    "none says the category": ([says("hats", 20), says(None, 20)], False),
    "none says such a price": ([says("shoes", 60), says("hats", 70)], False),
    "none says a price": ([says("shoes", None)], False),
}


@pytest.mark.parametrize(("states", "is_possible"), STRIPES.values(), ids=STRIPES)
def test_an_item_is_what_is_wanted_if_rows_may_have_said_so(states: list[Any], is_possible: bool) -> None:
    past = Past()
    for stripe, state in enumerate(states):
        past.note(("I#a", f"{stripe:04d}"), Image(1, NOW_S + 99, state, b""))
    if is_possible:
        hold_recommendations(past, NOW_S, 1, ANSWER, SHOES_BELOW_50_USD)
        return
    with pytest.raises(Violation, match="a is recommended, which no row said to be Wanted"):
        hold_recommendations(past, NOW_S, 1, ANSWER, SHOES_BELOW_50_USD)
