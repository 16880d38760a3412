"""Mutants of what events say of items, and of units, refunds and ratings."""

from __future__ import annotations

from .mutant import ENTRY, TRANSACTION, Mutant, one
from .patching import Edit

FACTS = "tapstack.core.item_facts"
AMOUNTS = "tapstack.core.amounts"
JOURNAL = "tapstack.core.journal"
PROJECTION = "tapstack.projections.items"
VIEW = "tapstack.insights.items"

ITEM_FACTS = (
    one(
        "older_fact_wins",
        "the newest event decides what an item is",
        FACTS,
        "    return max(one, other)\n",
        "    return min(one, other)\n",
    ),
    one(
        "last_folded_fact_wins",
        "whatever the order in which entries are folded",
        FACTS,
        "    return max(one, other)\n",
        "    return other\n",
    ),
    one(
        "facts_of_a_clock_ahead",
        "a clock that is ahead decides nothing for longer than others",
        ENTRY,
        "counted_s = min(each.at_s, each.arrived_at_s)",
        "counted_s = each.at_s",
    ),
    one(
        "statement_as_old_as_its_first",
        "what is said again is as new as the last time",
        ENTRY,
        "= max(counted_s, statements.get(statement, counted_s))",
        "= min(counted_s, statements.get(statement, counted_s))",
    ),
    Mutant(
        "facts_of_duplicates",
        "an event that is counted already says nothing",
        (
            Edit(
                TRANSACTION,
                "            verdict = self._judge(user, delivery)\n",
                "            verdict = self._judge(user, delivery)\n"
                "            self._judged.append((delivery, (0,)))\n",
            ),
            Edit(
                TRANSACTION,
                "        self._arrived_at_s = 0\n",
                "        self._arrived_at_s = 0\n        self._judged = entry_state.judged = []\n",
            ),
            Edit(ENTRY, "named, _statements(counted), ", "named, _statements(entry_state.judged), "),
        ),
    ),
    one(
        "facts_of_one_stripe",
        "readers take the newest of the stripes",
        VIEW,
        "    return newest([item.facts for item in items if item.facts is not None])\n",
        "    return newest([item.facts for item in list(items)[:1] if item.facts is not None])\n",
    ),
    one(
        "price_of_a_refund",
        "the price of a refund is none of today",
        FACTS,
        'None if event.event_type == "refund" else item.price',
        "item.price",
    ),
    one(
        "facts_not_folded",
        "an entry's facts come to the item's row",
        PROJECTION,
        "        if change.facts is not None:\n",
        "        if change.facts is not None and not change.counts:\n",
    ),
    one(
        "facts_without_their_time",
        "an entry says when something was said",
        JOURNAL,
        "_stored_said(each, arrived_s - at_s, texts)",
        "_stored_said(each, 0, texts)",
    ),
    one(
        "units_counted_as_events",
        "units are quantities",
        AMOUNTS,
        "return 1 if item.quantity is None else item.quantity",
        "return 1",
    ),
    one(
        "amounts_outside_their_window",
        "units belong to the windows of their event's own time",
        PROJECTION,
        "add_in_windows(amounts, added, window_numbers(at_s), arrived_s)",
        "add_in_windows(amounts, added, window_numbers(arrived_s), arrived_s)",
    ),
    one(
        "every_value_is_a_rating",
        "an amount of money is no rating",
        AMOUNTS,
        "event.value is None or not -RATING_MAX <= event.value <= RATING_MAX",
        "event.value is None",
    ),
    one(
        "refunds_lower_nothing",
        "what was paid back is said",
        AMOUNTS,
        "        amounts.update(effect.refunded.items())\n",
        "",
    ),
    one(
        "lift_without_the_partner",
        "how popular a partner is does not make it one",
        VIEW,
        "(chance := own * events[name])",
        "(chance := own * own)",
    ),
    one(
        "support_of_one_stripe",
        "the shop is counted in all stripes",
        VIEW,
        "for state in found.get(shop, ())])",
        "for state in found.get(shop, ())[:1]])",
    ),
)
