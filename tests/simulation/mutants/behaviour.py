# ruff: noqa: E501 - lines of the product are quoted as they stand
"""Mutants of what is kept of an event: its contents, sessions, pairs, windows."""

from __future__ import annotations

from .mutant import BODIES, INTAKE, one

FOLD = "tapstack.core.fold"
RECORDS = "tapstack.collector.records"
SESSIONS = "tapstack.core.sessions"
PAIRS = "tapstack.core.cooccurrence"
AGGREGATES = "tapstack.core.aggregates"

_ADDED = "        occurred_at, skew_ms = self._corrected(event.occurred_at, shift_ms)\n"

CONTENTS = (
    one(
        "everything_a_page_view",
        "what a client said stands on the stream",
        RECORDS,
        _ADDED,
        '        event = msgspec.structs.replace(event, event_type="page_view", items=())\n' + _ADDED,
    ),
    one(
        "first_item_only",
        "all items of an event stand on the stream",
        RECORDS,
        _ADDED,
        "        event = msgspec.structs.replace(event, items=event.items[:1])\n" + _ADDED,
    ),
    one(
        "value_dropped",
        "an event's value stands on the stream",
        RECORDS,
        _ADDED,
        "        event = msgspec.structs.replace(event, value=None)\n" + _ADDED,
    ),
    one(
        "properties_dropped",
        "what the schema does not name is kept as well",
        RECORDS,
        _ADDED,
        "        event = msgspec.structs.replace(event, properties=None)\n" + _ADDED,
    ),
    one(
        "time_of_receipt",
        "an event has its own time",
        RECORDS,
        "            event = msgspec.structs.replace(event, occurred_at=occurred_at)\n",
        "            event = msgspec.structs.replace(event, occurred_at=self._received_at)\n",
    ),
    one(
        "wild_clock_believed",
        "a time more than a day ahead is moved back",
        RECORDS,
        "        return latest, (latest - occurred_at) // _MS\n",
        "        return occurred_at, (latest - occurred_at) // _MS\n",
    ),
    one(
        "skew_forgotten",
        "a moved time says by how much",
        RECORDS,
        "        return latest, (latest - occurred_at) // _MS\n",
        "        return latest, 0\n",
    ),
    one(
        "bad_event_spoils_the_request",
        "a bad event harms no other",
        INTAKE,
        '            results.append(Result("retry", error.field or None, error.reason, '
        "schema=error.schema or None))\n            continue\n",
        "            raise\n",
    ),
    one(
        "bad_event_is_called_ok",
        "a bad event is called so",
        INTAKE,
        'status="invalid")',
        'status="ok")',
    ),
    one(
        "cut_at_every_comma",
        "a body that is no JSON is cut between its events",
        BODIES,
        "if byte == _COMMA and depths[at] == 1",
        "if byte == _COMMA",
    ),
    one(
        "namesakes_are_twins",
        "an id of another user is another event",
        INTAKE,
        "identity = event.user_id, event.anonymous_id, event.client_id, name\n",
        "identity = event.client_id, name\n",
    ),
    one(
        "keyed_by_event",
        "a user's records are in one shard",
        INTAKE,
        "partition_key=key, data",
        "partition_key=event.event_id or str(event.n), data",
    ),
)

BEHAVIOUR = (
    one("no_pairs", "views are paired", PAIRS, "    partners = session.viewed[-PARTNERS_MAX:]\n", "    partners: list[str] = []\n"),
    one("pairs_with_nobody", "partners are the items seen before", PAIRS, "    partners = session.viewed[-PARTNERS_MAX:]\n", '    partners = ["nobody" for _ in session.viewed[-PARTNERS_MAX:]]\n'),
    one("first_predecessors", "partners are the two items seen last", PAIRS, "    partners = session.viewed[-PARTNERS_MAX:]\n", "    partners = session.viewed[:PARTNERS_MAX]\n"),
    one("pairs_across_sessions", "pairs are of one session", FOLD, "view_partners(session, item.item_id)", "view_partners(session if not session.bought else type(session)(None, 0, 0, {}, ['p0']), item.item_id)"),
    one("bought_is_viewed", "bought together is not viewed together", FOLD, "        bought = purchase_partners(session, item.item_id) if code == PURCHASE and session is not None else ()\n", "        if code == PURCHASE and session is not None:\n            viewed = purchase_partners(session, item.item_id)\n        bought = ()\n"),
    one("every_view_makes_pairs", "an item seen again makes no new pair", PAIRS, "        session.viewed.append(item_id)\n        return []\n", "        session.viewed.append(item_id)\n        return session.viewed[:-1][-PARTNERS_MAX:]\n"),
    one("long_ids_make_pairs", "an id that would bloat rows makes no pair", PAIRS, "    if _is_too_long(item_id):\n        return []\n", ""),
    one("long_ids_are_listed", "a user's row lists no id of very many bytes", FOLD, "        if _fits_a_row(item.item_id):\n", "        if item.item_id:\n"),
    one("a_currency_more", "counters name few currencies", AGGREGATES, "return currency if _named_count(into) < CURRENCIES_MAX else", "return currency if _named_count(into) <= CURRENCIES_MAX else"),
    one("windows_ahead", "no clock opens windows ahead of the arrival", FOLD, "    counted_s = min(at_s, arrived_s)", "    counted_s = at_s"),
    one("searches_ahead", "no clock opens windows ahead of the arrival", "tapstack.core.search_terms", "min(at_s, arrived_s), arrived_s, term)", "at_s, arrived_s, term)"),
    one("value_never_incomplete", "an answer says that currencies may be missing", "tapstack.insights.items", "value_incomplete=any(_may_lack_currencies(item) for item in items)", "value_incomplete=False"),
    one("merged_session_loses_counters", "sessions that an event bridges are added up", SESSIONS, "    add_counts(first.counters, other.counters)\n", ""),
    one("session_gap_too_long", "30 minutes end a session", SESSIONS, "SESSION_GAP_S = 30 * 60", "SESSION_GAP_S = 45 * 60"),
    one("session_label_ignored", "a client's own session id tells sessions apart", SESSIONS, "        return session.label == label\n", "        return True\n"),
    one("old_session_reopened", "what lies before the remembered sessions is in none", SESSIONS, "    if at_s <= sessions.earlier_end_s:\n        return None\n", ""),
    one("recent_keeps_the_oldest", "the recent items are the newest ones", "tapstack.core.history", "    return recent.pop() if len(recent) > RECENT_MAX else None\n", "    return recent.pop(0) if len(recent) > RECENT_MAX else None\n"),
    one("recent_in_order_of_arrival", "recent items are in the order of their own times", "tapstack.core.history", "    insort(recent, entry, key=newest_first)\n", "    recent.insert(0, entry)\n"),
    one("old_locale_wins", "the locale is that of the newest event", FOLD, "        if event.context is not None and isinstance(locale", "    if event.context is not None and isinstance(locale"),
    one("old_traits_win", "traits are those of the newest event", FOLD, "    if event.traits and at_s >= profile.traits_at_s:\n", "    if event.traits:\n"),
    one("aliases_lost", "a person's anonymous ids are kept", FOLD, "profile.aliases = [*profile.aliases, alias][-ALIASES_MAX:]", "profile.aliases = [alias]"),
    one("windows_by_arrival", "windows follow the event's own time", "tapstack.projections.items", "window_s = effect.at_s - effect.at_s %", "window_s = effect.arrived_s - effect.arrived_s %"),
    one("windows_added_up_by_the_hour", "effects are added up within the shortest window", "tapstack.projections.items", "% WINDOWS[0].length_s\n", "% WINDOWS[1].length_s\n"),
    one("quantity_ignored", "an item's revenue is price times quantity", AGGREGATES, "quantity = 1 if item.quantity is None else item.quantity\n", "quantity = 1\n"),
    one("window_without_revenue", "windows hold what the lifetime holds", AGGREGATES, "        for counters in counted:\n            _add_money(", "        for counters in counted[:1]:\n            _add_money("),
    one("rarest_partner_dropped", "a full map counts each pair", PAIRS, "    partners[partner] = partners.pop(rarest) + 1\n", "    del partners[rarest]\n    partners[partner] = 1\n"),
    one("common_partner_dropped", "a full map keeps the frequent partners", PAIRS, "    rarest = min(partners,", "    rarest = max(partners,"),
)  # fmt: skip
