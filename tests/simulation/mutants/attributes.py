# ruff: noqa: E501 - lines of the product are quoted as they stand
"""Mutants of declared attributes."""

from __future__ import annotations

from .mutant import TRANSACTION, one

FOLD = "tapstack.core.fold"
STATES = "tapstack.core.attributes.states"

_NEW = "            if verdict is NEW:\n"
_FOLDED = "    return {view.key: view.folded(states.get(view.key), told, moment, is_new=is_new) for view in views}\n"

ATTRIBUTES = (
    one(
        "attributes_on_duplicate",
        "a copy of an event counts in no attribute",
        TRANSACTION,
        _NEW,
        "            if verdict is not NEW and user.is_changed:\n"
        "                twin = __import__('copy').deepcopy(user.state)\n"
        "                times = delivery.at_s, delivery.arrived_at_s\n"
        "                fold_event(twin, delivery.event, *times, self._declared, delivery.data)\n"
        "                user.state.attributes = twin.attributes\n" + _NEW,
    ),
    one(
        "tile_by_arrival",
        "an event counts in the tile of its own time",
        FOLD,
        "Moment(min(at_s, arrived_s) * 1000 + ms, arrived_s)",
        "Moment(arrived_s * 1000 + ms, arrived_s)",
    ),
    one(
        "old_states_kept",
        "a row keeps no state that lacks an event",
        STATES,
        _FOLDED,
        _FOLDED.replace("return {", "return {**states} | {"),
    ),
    one(
        "states_kept_by_nobody",
        "who declares nothing drops what others kept",
        TRANSACTION,
        "            drop_attributes(state)\n",
        "            pass\n",
    ),
    one(
        "always_whole",
        "a view that begins later than its row says since when",
        STATES,
        "0 if is_new else moment.arrived_s + 1",
        "0",
    ),
    one(
        "tiles_do_not_age",
        "tiles grow older with arrivals",
        STATES,
        "                attribute.aged(each, turned)\n",
        "                pass\n",
    ),
    one(
        "window_without_its_oldest_tile",
        "a window covers its length and less than a tile more",
        STATES,
        "age + turned <= window.kept:",
        "age + turned < window.kept:",
    ),
    one(
        "tiles_of_the_newest_arrival",
        "a window ends when it is read",
        STATES,
        "turned = now_s // window.hop_s - newest_s // window.hop_s",
        "turned = 0",
    ),
    one(
        "definitions_without_values_left_out",
        "an entry names every view that its writer knew",
        "tapstack.core.attributes.declared",
        "[sayer.definition for sayer in self._sayers]",
        "[sayer.definition for sayer in self._sayers if any(each.definition == sayer.definition for each in said)]",
    ),
    one(
        "whole_whatever_lacks",
        "a view of items says since when every entry had values for it",
        "tapstack.projections.project",
        "    return max(lacking) + 1 if lacking else 0\n",
        "    return 0\n",
    ),
    one(
        "one_stripe_of_attributes",
        "a reader puts the stripes of declared attributes together",
        "tapstack.insights.catalogue_attributes",
        "whole = view.merged([each.state_of(id_, view.fingerprint) for each in held])",
        "whole = view.merged([each.state_of(id_, view.fingerprint) for each in held[:1]])",
    ),
)
