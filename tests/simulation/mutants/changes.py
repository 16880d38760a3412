"""Mutants of `changes`: entries passed over, shown twice, or shown before they can be read."""

from __future__ import annotations

from .mutant import one

VIEW = "tapstack.insights.changes"

CHANGES = (
    one(
        "changes_skip_a_lane",
        "every lane is followed",
        VIEW,
        "    waiting = sorted(lane for lane, goal in goals.items() if numbers.get(lane, 0) < goal)\n",
        "    waiting = sorted(lane for lane, goal in goals.items() if lane % 2 == 0 and numbers.get(lane, 0) < goal)\n"
        "    goals = {lane: goal for lane, goal in goals.items() if lane % 2 == 0}\n",
    ),
    one(
        "changes_pass_over_what_expired",
        "what is lost is said",
        VIEW,
        "    if not rows or int(rows[0].key.sk) != last + 1:\n",
        "    last = int(rows[0].key.sk) - 1 if rows else goal\n    if False:\n",
    ),
    one(
        "changes_show_an_entry_again",
        "a cursor is behind what was shown",
        VIEW,
        "        last += 1\n    return last\n",
        "        last += 1\n    return last - (last % 7 == 0)\n",
    ),
)
# ruff: noqa: E501 - lines of the product are quoted as they stand
