"""Mutants of what the insights API reads and answers."""

from __future__ import annotations

from .mutant import ITEMS_VIEW, PERSON, TABLE, USERS_VIEW, VIEWS, one

RESPOND = "tapstack.insights.respond"

STRIPES = (
    one(
        "one_stripe_read",
        "readers add up all stripes",
        ITEMS_VIEW,
        "return bodies(reader, ITEM_ROWS, item_partition(item_id), now_s)",
        "return bodies(reader, ITEM_ROWS, item_partition(item_id), now_s)[:1]",
    ),
    one(
        "one_stripe_windows",
        "an item's windows add up all stripes",
        ITEMS_VIEW,
        "    for item in items:\n        for number, counters",
        "    for item in items[:1]:\n        for number, counters",
    ),
    one(
        "one_stripe_partners",
        "partners add up all stripes",
        ITEMS_VIEW,
        "[item.bought_with if bought else item.viewed_with for item in items]",
        "[item.bought_with if bought else item.viewed_with for item in items[:1]]",
    ),
    one(
        "first_page_only",
        "a Query is read to its last page",
        TABLE,
        "            start = answer.LastEvaluatedKey\n",
        "            start = None\n",
    ),
)

EXPIRY = (
    one(
        "expired_rows_read",
        "readers ignore expired rows",
        VIEWS,
        "return [row for row in rows if not 0 < row.expires_at_s <= now_s]",
        "return list(rows)",
    ),
    one(
        "expired_user_read",
        "an expired row tells nothing of its user",
        PERSON,
        "        if row is not None and alive([row], now_s):",
        "        if row is not None:",
    ),
    one(
        "expiry_a_second_late",
        "a row is gone from the second on that it expires at",
        VIEWS,
        "0 < row.expires_at_s <= now_s",
        "0 < row.expires_at_s < now_s",
    ),
    one(
        "oldest_window_served",
        "the oldest window kept is not served: a stripe may have dropped it",
        ITEMS_VIEW,
        "return window.oldest_kept(now_s) + 1",
        "return window.oldest_kept(now_s)",
    ),
    one(
        "session_open_for_ever",
        "a session is open for 30 minutes after its last event",
        USERS_VIEW,
        "newest is not None and now_s - newest.end_s <= SESSION_GAP_S",
        "newest is not None",
    ),
)

AMOUNTS = (
    one(
        "value_left_out",
        "an item's answer tells what was bought",
        ITEMS_VIEW,
        "    counted = describe_counters(lifetime)\n",
        "    counted = {**describe_counters(lifetime), 'value': {}}\n",
    ),
    one(
        "value_always_zero",
        "what was bought is told in units of the currency",
        VIEWS,
        "currency: amount / MICROS for",
        "currency: 0.0 for",
    ),
    one(
        "partners_doubled",
        "a pair counts once",
        ITEMS_VIEW,
        "                count=count,\n",
        "                count=2 * count,\n",
    ),
    one(
        "partners_of_the_other_kind",
        "viewed is not bought",
        ITEMS_VIEW,
        "[item.bought_with if bought else item.viewed_with for item in items]",
        "[item.viewed_with if bought else item.bought_with for item in items]",
    ),
    one(
        "partners_never_wrong",
        "a full map of partners says by how much it may be wrong",
        ITEMS_VIEW,
        "            error += min(partners.values())\n",
        "            error += 0\n",
    ),
)

ORDER = (
    one(
        "ties_out_of_order",
        "of equal counts the smaller id comes first",
        ITEMS_VIEW,
        "key=lambda entry: (-entry[1], entry[0])",
        "key=lambda entry: -entry[1]",
    ),
    one(
        "recent_oldest_first",
        "recent items come newest first",
        USERS_VIEW,
        "for entry in user.recent]",
        "for entry in reversed(user.recent)]",
    ),
    one(
        "sessions_oldest_first",
        "sessions come newest first",
        USERS_VIEW,
        "for session in reversed(sessions.newest)]",
        "for session in sessions.newest]",
    ),
    one(
        "windows_oldest_first",
        "windows come newest first",
        ITEMS_VIEW,
        "for number in sorted(counted, reverse=True)",
        "for number in sorted(counted)",
    ),
)

ANSWERS = (
    one(
        "user_answered_empty",
        "a user's answer tells what is known",
        PERSON,
        "return Found(key.pk, decode_user(row.state))",
        "return Found(key.pk, UserState())",
    ),
    one(
        "visitor_not_found",
        "an id that no known user has may be a visitor's",
        PERSON,
        "for key in (Key(*known_user_key(user_id)), Key(*anonymous_key(user_id))):",
        "for key in (Key(*known_user_key(user_id)),):",
    ),
    one(
        "unknown_answered_empty",
        "nothing known is not found",
        RESPOND,
        '    if answer is None:\n        raise NotFound(f"no {route.subject} of this id has been seen")\n',
        "    if answer is None:\n        return _response(route, {})\n",
    ),
)

READERS = (*STRIPES, *EXPIRY, *AMOUNTS, *ORDER, *ANSWERS)
