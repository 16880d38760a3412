"""Filters by what items are: an item that is not known to match is left out."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import msgspec

from tapstack.core.aggregates import MICROS
from tapstack.core.item_facts import Facts, kept_brand, kept_category
from tapstack.core.rows import ITEM_ROWS, item_partition
from tapstack.insights.items import facts_of_stripes
from tapstack.insights.striped_rows import StripedRows


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What an item must be.

    Parameters
    ----------
    category, brand
        As events name it; empty for any.
    currency
        Of the last price; empty for any.
    price_min, price_max
        Bounds of the last price, in that currency; infinite for any. Without a currency nothing is within
        bounds: 900 JPY are neither more nor less than 10 EUR.
    """

    category: str = ""
    brand: str = ""
    currency: str = ""
    price_min: float = -inf
    price_max: float = inf

    def accepts(self, facts: Facts) -> bool:
        """Return whether an item matches, from what is known of it."""
        if self.category and (facts.category or (0, None))[1] != kept_category(self.category):
            return False
        if self.brand and (facts.brand or (0, None))[1] != kept_brand(self.brand):
            return False
        if not self.currency and self.price_min == -inf and self.price_max == inf:
            return True
        return (
            facts.price is not None
            and facts.price[2] == self.currency
            and self.price_min <= facts.price[1] / MICROS <= self.price_max
        )


ANY_ITEM = Filter()


def matching(rows: StripedRows, item_ids: Sequence[str], wanted: Filter) -> list[str]:
    """Return the items that match, in the order in which they are given.

    Raises
    ------
    Unavailable
        If not every row could be read.
    """
    found = rows.states(map(item_partition, item_ids))
    stripes = {
        item_id: [ITEM_ROWS.body(state) for state in found.get(item_partition(item_id), ())]
        for item_id in item_ids
    }
    return [item_id for item_id in item_ids if wanted.accepts(facts_of_stripes(stripes[item_id]))]
