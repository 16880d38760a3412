"""Mutants of a user's history: its pages, their slots, and the cursors of who reads it."""

from __future__ import annotations

from .mutant import CONSUME, HISTORY, HISTORY_VIEW, TABLE, USER_ROWS, Mutant, one
from .patching import Edit

_ABSENT = '"attribute_not_exists(pk)", None, "ALL_OLD"'

PAGES_OF_HISTORY = (
    one(
        "history_page_not_written",
        "what leaves the row goes to a page in the same transaction",
        USER_ROWS,
        "        if page is not None:\n",
        "        if page is not None and page.number < 0:\n",
    ),
    Mutant(
        "history_page_without_its_row",
        "a page is written only together with its user's row",
        (
            Edit(
                CONSUME,
                "            conflict = self._table.commit(writes)\n",
                "            pages = [w for w in writes if w.key.sk.startswith('hist#')]\n"
                "            if pages:\n"
                "                self._table.commit(pages)\n"
                "            conflict = self._table.commit([w for w in writes if w not in pages])\n",
            ),
        ),
    ),
    one(
        "history_page_overwrites",
        "a page takes a slot of its own while none is out of the bounds",
        HISTORY,
        "            return len(history.slots)\n",
        "            return max(0, len(history.slots) - 1)\n",
    ),
    one(
        "history_page_goes_too_early",
        "a page goes only when enough later interactions are kept",
        HISTORY,
        "    later = recent_count + sum(\n",
        "    later = bounds.page + recent_count + sum(\n",
    ),
    one(
        "history_overlapping_page_counts_as_later",
        "only a page that begins after another ends is later",
        HISTORY,
        "if page.newest_s - page.span_s > oldest.newest_s",
        "if page.newest_s > oldest.newest_s",
    ),
    one(
        "history_drops_between_row_and_page",
        "what leaves the newest waits in the row",
        "tapstack.core.fold",
        "        if left is not None:\n",
        "        if left is not None and (user.history is None or user.history.waiting_count % 5 != 3):\n",
    ),
    one(
        "history_waits_for_ever",
        "what went to a page no longer waits",
        HISTORY,
        '    history.waiting, history.waiting_count = b"", 0\n    if not waiting',
        "    if not waiting",
    ),
    one(
        "history_keeps_the_newest_out",
        "what leaves the row is the oldest of the newest",
        HISTORY,
        "    return recent.pop() if len(recent) > RECENT_MAX else None\n",
        "    return recent.pop(1) if len(recent) > RECENT_MAX else None\n",
    ),
    one(
        "history_page_only_where_none_is",
        "a slot is taken whatever is there: the row guards both",
        TABLE,
        "            return _Put(self._name, item)\n",
        f"            return _Put(self._name, item, {_ABSENT})\n",
    ),
    one(
        "history_page_expires_too_early",
        "a page lives as long as its newest interaction is kept",
        HISTORY,
        "newest_s + bounds.keep_s)",
        "newest_s - made.span_s + bounds.keep_s - 3_600)",
    ),
    one(
        "history_silent_about_what_is_missing",
        "that a page went before its time is said",
        HISTORY,
        "        history.missing_until_s = max(history.missing_until_s, oldest.newest_s)\n",
        "        pass\n",
    ),
)

READERS_OF_HISTORY = (
    one(
        "cursor_skips_an_interaction",
        "a part begins right after the one before",
        HISTORY_VIEW,
        "    return min(first + after.copies, ",
        "    return max(first + after.copies + 1, ",
    ),
    one(
        "cursor_shows_an_interaction_again",
        "a part begins after what was shown",
        HISTORY_VIEW,
        "    copies = end - bisect_left(",
        "    copies = end - 1 - bisect_left(",
    ),
    one(
        "cursor_skips_what_is_alike",
        "of interactions that are alike, those that were not shown follow",
        HISTORY_VIEW,
        "    return min(first + after.copies, ",
        "    return max(first + after.copies, ",
    ),
    one(
        "history_page_not_read_whole",
        "a history is the row and its pages",
        HISTORY_VIEW,
        "        older += decode_history_page(page.state)\n",
        "        older += decode_history_page(page.state)[1:]\n",
    ),
    one(
        "history_waiting_not_shown",
        "what waits for a page is shown",
        HISTORY_VIEW,
        "    older = list(waiting_entries(history))\n",
        "    older: list[Recent] = []\n",
    ),
)

HISTORIES = (*PAGES_OF_HISTORY, *READERS_OF_HISTORY)
