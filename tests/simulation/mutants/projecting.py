# ruff: noqa: E501 - lines of the product are quoted as they stand
"""Mutants of the journal and of the projections: each rule without which a design failed on paper, and others."""

from __future__ import annotations

from .mutant import ENTRY, TABLE, TRANSACTION, Mutant, one
from .patching import Edit

PROJECT = "tapstack.projections.project"
DERIVED_ROWS = "tapstack.projections.derived_rows"
JOURNAL_READER = "tapstack.projections.journal_reader"
JOURNAL = "tapstack.core.journal"
BOARDS = "tapstack.projections.leaderboards"
ITEMS = "tapstack.projections.items"
FRESHNESS = "tapstack.insights.freshness"

_MOVE = "        self._watermarks.move(projection.name, moved)\n"
_FOLD = "        try:\n            rows.fold(entries)\n"
_HOLE = "            if int(row.key.sk) != number:\n                break\n"

PROJECTING = (
    one(
        "no_applied",
        "a row takes only entries that are not in it",
        DERIVED_ROWS,
        "(n := applied.get(lane, 0))",
        "(n := -applied.get(lane, 0))",
    ),
    one(
        "applied_of_one_fold",
        "a row remembers every lane that is in it",
        DERIVED_ROWS,
        "{**derived.applied, **lacking.upto}",
        "lacking.upto",
    ),
    one(
        "applied_never_rises",
        "a row remembers the last entry of a lane that is in it",
        DERIVED_ROWS,
        "{**derived.applied, **lacking.upto}",
        "{**lacking.upto, **derived.applied}",
    ),
    one(
        "applied_of_another_lane",
        "what a row holds of a lane says nothing of another",
        DERIVED_ROWS,
        "(n := applied.get(lane, 0))",
        "(n := applied.get(lane, max(applied.values(), default=0)))",
    ),
    one(
        "all_entries_for_a_part",
        "a row that holds some of the entries takes the others alone",
        DERIVED_ROWS,
        "        if change is None:\n            return None\n",
        "        if change is None:\n            return None\n        change = entries.lacking({}).changes[key.pk]\n",
    ),
    one(
        "arrival_of_the_last_entry",
        "an item's counters grow old by the newest arrival",
        ITEMS,
        "in sorted(effects, key=_ARRIVED):",
        "in effects:",
    ),
    one(
        "partners_of_this_fold",
        "an item keeps the partners that it had",
        ITEMS,
        "counts = _PARTNERS.read(stored)",
        "counts: dict[str, int] = {}",
    ),
    one(
        "facts_of_this_fold",
        "an item keeps what older events said of it",
        ITEMS,
        "facts = _FACTS.read(body.facts)",
        "facts = None",
    ),
    one(
        "places_to_the_larger_ids",
        "of items that are equally high the smaller ids have places",
        "tapstack.core.ranking",
        "equal[: places - len(higher)]",
        "equal[len(higher) - places :]",
    ),
    Mutant(
        "watermark_first",
        "a watermark moves when every row is written",
        (
            Edit(
                PROJECT,
                _FOLD,
                "        moved = {lane: each[-1].number for lane, each in entries.items()}\n" + _MOVE + _FOLD,
            ),
        ),
    ),
    one(
        "watermark_at_the_goal",
        "a watermark moves as far as entries were read",
        PROJECT,
        "moved = {lane: each[-1].number for lane, each in entries.items()}",
        "moved = {lane: goals[lane] for lane in entries}",
    ),
    one(
        "watermark_forgets_lanes",
        "a watermark keeps the lanes that did not move",
        "tapstack.projections.watermarks",
        "Watermark({**known.marks, **moved}",
        "Watermark({**moved}",
    ),
    one(
        "starved_passes_over_entries",
        "where reads are served in part, the first entry is folded first",
        PROJECT,
        "{lane: each[:1] for lane, each in list(entries.items())[:1]}",
        "{lane: each[-1:] for lane, each in list(entries.items())[:1]}",
    ),
    one(
        "one_watermark_for_all",
        "each projection has a watermark of its own",
        BOARDS,
        'NAME = "leaderboards"',
        'NAME = "items"',
    ),
    one(
        "boards_ahead_of_items",
        "leaderboards are never ahead of the rows they are folded from",
        PROJECT,
        "        if not projection.after:\n",
        "        if projection:\n",
    ),
    one(
        "item_rows_read_stale",
        "leaderboards read items' rows as they were last written",
        DERIVED_ROWS,
        "for pk in partitions], consistent=True)",
        "for pk in partitions], consistent=False)",
    ),
    one(
        "lanes_of_today_only",
        "every lane that was ever used is folded",
        PROJECT,
        "return {int(row.key.sk): row.version for row in rows}",
        "return {int(row.key.sk): row.version for row in rows[:2]}",
    ),
    Mutant(
        "holes_skipped",
        "reading stops at the first number that is missing",
        (
            Edit(JOURNAL_READER, _HOLE, ""),
            Edit(
                JOURNAL_READER,
                "entries.append(decode_entry(number, row.state))",
                "entries.append(decode_entry(int(row.key.sk), row.state)) if number % 5 else None",
            ),
        ),
    ),
    one(
        "read_for_another_and_with_a_hole",
        "what was read for a projection serves another from its own mark on",
        JOURNAL_READER,
        "        if not known or known[0].number != after + 1:\n",
        "        if not known:\n",
    ),
    one(
        "begins_at_the_head",
        "a new projection begins at the oldest entry that is kept",
        PROJECT,
        "self._reader.first_number(lane, head) - 1 for",
        "head for",
    ),
    Mutant(
        "derived_rows_unconditional",
        "a derived row is written only if nobody else wrote it since",
        (
            Edit(
                TABLE,
                '_encoder.encode(self._put(write)))\n            except AwsError as error:\n                if error.code != "Cond',
                "_encoder.encode(msgspec.structs.replace(self._put(write), ExpressionAttributeValues=None,"
                " ConditionExpression='attribute_not_exists(nothing)')))\n"
                '            except AwsError as error:\n                if error.code != "Cond',
            ),
            Edit(TABLE, ' AND "v"=?\'\n', "'\n"),
            Edit(TABLE, "[*values, *key, _N(str(write.seen_version))]", "[*values, *key]"),
        ),
    ),
    one(
        "statement_errors_ignored",
        "a statement that was refused for load is not done",
        TABLE,
        "            if error is None:\n",
        '            if error is None or error.Code == "ThrottlingError":\n',
    ),
    one(
        "batch_without_an_answer_taken_for_done",
        "what became of a batch is not known without its answer",
        TABLE,
        "            return Written({}, writes, unavailable)\n",
        "            return Written({})\n",
    ),
    one(
        "insert_that_met_a_row_taken_for_done",
        "a row that somebody else began meanwhile is folded anew",
        TABLE,
        "                there.append(write)\n",
        "                pass\n",
    ),
    one(
        "rest_of_the_batches_forgotten",
        "where a batch fails, those after it are still to be written",
        TABLE,
        "                return Written(refused, [*left, *_others(writes)], written.reason)\n",
        "                return Written(refused, written.left, written.reason)\n",
    ),
    one(
        "refused_row_given_up",
        "a row that changed meanwhile is folded anew",
        DERIVED_ROWS,
        "            waiting = list(refused)\n",
        "            waiting = []\n",
    ),
    one(
        "lone_effects_lost",
        "whatever a transaction counts stands in its entry",
        ENTRY,
        "    if not (effects or searches or shown):\n",
        "    if not (len(effects) > 1 or searches):\n",
    ),
    one(
        "entry_loses_an_effect",
        "an entry holds every effect of its events",
        ENTRY,
        "encode_entry(effects, named, ",
        "encode_entry(effects[: max(1, len(effects) - 1)], named, ",
    ),
    one(
        "head_expires",
        "a head never expires",
        TRANSACTION,
        "state=HEAD_STATE, seen_version=last)",
        "state=HEAD_STATE, seen_version=last, expires_at_s=self._arrived_at_s + self._row_ttl_s)",
    ),
    one(
        "entry_expires_early",
        "an entry outlives every projection that is behind",
        TRANSACTION,
        "self._arrived_at_s, JOURNAL_TTL_S)",
        "self._arrived_at_s, JOURNAL_TTL_S // 30)",
    ),
    one(
        "entry_forgets_when",
        "an entry says when its events happened",
        JOURNAL,
        "effect.arrived_s - effect.at_s,",
        "0,",
    ),
    one(
        "entry_forgets_when_they_arrived",
        "an entry says when each of its records arrived",
        JOURNAL,
        "arrived_s - effect.arrived_s)",
        "0)",
    ),
    one(
        "stripe_of_another_lane",
        "a lane is folded into its own stripe for ever",
        JOURNAL,
        "    return lane // LANES_A_STRIPE\n",
        "    return lane // (LANES_A_STRIPE + 1)\n",
    ),
    one(
        "always_fresh",
        "an answer says how fresh it is",
        FRESHNESS,
        "if marks.get(lane, 0) < head\n",
        "if marks.get(lane, 0) < head - 1\n",
    ),
    one(
        "heads_before_watermarks",
        "what is not folded yet is looked for after what is",
        FRESHNESS,
        "    heads = reader.query(HEADS_PARTITION, consistent=True)\n",
        "    heads = ()\n",
    ),
    one(
        "later_layout_overwritten",
        "a row that a later release wrote is not written again by the one before",
        "tapstack.ports",
        "if row is not None and row.layout > LAYOUT:",
        "if row is not None and row.layout > LAYOUT + 1:",
    ),
    one(
        "later_marks_overwritten",
        "nor is its watermark",
        "tapstack.projections.watermarks",
        "            row = self._rows.get(projection)\n            check_layout(row)\n",
        "            row = self._rows.get(projection)\n",
    ),
    one(
        "layout_not_written",
        "each row says its layout",
        TABLE,
        "            _LAYOUT,\n",
        "            None,\n",
    ),
    one(
        "row_kept_as_long_as_an_entry",
        "a derived row outlives the entries that are in it",
        ITEMS,
        "    name = NAME\n",
        "    name = NAME\n    keep_s = 86_400\n",
    ),
)
