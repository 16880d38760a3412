"""Facts of items as events say them."""

from __future__ import annotations

from collections.abc import Mapping

from tapstack.core.item_facts import Facts, Statement


def statements(facts: Mapping[str, Facts]) -> dict[Statement, int]:
    """What has to be said, an event a second, so that this is known of the items."""
    said: dict[Statement, int] = {}
    for item_id, known in facts.items():
        for at_s in {each[0] for each in (known.category, known.brand, known.name, known.price) if each}:
            texts = [
                each[1] if each and each[0] == at_s else ""
                for each in (known.category, known.brand, known.name)
            ]
            price = known.price[1:] if known.price and known.price[0] == at_s else None
            said[Statement(item_id, *texts, price)] = at_s
    return said
