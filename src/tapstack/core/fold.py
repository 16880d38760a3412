"""What one event does to its user's row, and what it adds to the rows of items.

`fold_event` changes the user's state and returns the item effects; `fold_item` and the boards follow
from those. All of it commits in one transaction or not at all.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

import msgspec

from tapstack.core.aggregates import (
    Delta,
    Numbers,
    count,
    count_in_windows,
    item_delta,
    user_delta,
    window_numbers,
)
from tapstack.core.cooccurrence import (
    BOUGHT_WITH_MAX,
    VIEWED_WITH_MAX,
    count_partner,
    purchase_partners,
    view_partners,
)
from tapstack.core.events import TYPE_CODE, CountedItem, Event
from tapstack.core.ranking import INTERESTED
from tapstack.core.rows import (
    ALIASES_MAX,
    RECENT_MAX,
    ItemState,
    Profile,
    Recent,
    UserState,
)
from tapstack.core.sessions import Session, session_of
from tapstack.core.traits import TRAIT_CHARS_MAX, TRAITS_MAX, kept_traits

# Rows expect parts by their number: another cut would count items of a pending part twice, or never.
# An event of more items is applied in parts, each a transaction's worth: 80 items, 8 partners from
# earlier in the session at most, 3 boards and the user make 92 rows of 100.
PART_ITEMS_MAX = 80


class ItemEffect(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """What an event adds to the rows of some items, to each the same.

    Parameters
    ----------
    item_ids
        The items.
    numbers
        The windows of the event's own time.
    arrived_s
        When the record arrived at the stream, Unix seconds.
    delta
        What to add to their counters; None for items that are only partners.
    interested
        Whether it moves the leaderboards.
    viewed_with, bought_with
        Partners, each one pair.
    """

    item_ids: Sequence[str]
    numbers: Numbers
    arrived_s: int
    delta: Delta | None
    interested: bool = False
    viewed_with: Sequence[str] = ()
    bought_with: Sequence[str] = ()


def parts_count(event: Event) -> int:
    """Return the number of parts in which an event is applied."""
    return max(1, -(-len(event.items) // PART_ITEMS_MAX))


def fold_event(user: UserState, event: Event, part: int, at_s: int, arrived_s: int) -> list[ItemEffect]:
    """Apply one part of an event to its user's state, in place.

    Parameters
    ----------
    user
        The state; changed.
    event
        An event that was judged NEW.
    part
        Which part, from 0; the user's own counters move with part 0.
    at_s
        The event's own time, Unix seconds.
    arrived_s
        When its record arrived at the stream, Unix seconds.

    Returns
    -------
    list[ItemEffect]
        What to add to the rows of items.
    """
    session = session_of(user.sessions, at_s, event.session_id)
    if part == 0:
        counted = [user.counters] if session is None else [user.counters, session.counters]
        count(counted, user_delta(event))
        _fold_profile(user.profile, event, at_s)
    items = event.items
    if not items:
        return []
    if len(items) > PART_ITEMS_MAX:
        items = part_items(event, part)
    numbers = window_numbers(at_s)
    if event.event_type == "item_list_view":  # shown is not touched, and all items alike
        return [ItemEffect([item.item_id for item in items], numbers, arrived_s, item_delta(event, items[0]))]
    code = TYPE_CODE[event.event_type]
    interested = code in INTERESTED
    ms = event.occurred_at.microsecond // 1000
    effects: list[ItemEffect] = []
    for item in items:
        _keep_recent(user.recent, Recent(at_s, code, item.item_id, ms))
        viewed, bought = _new_partners(session, event, item)
        own = (item.item_id,)
        delta = item_delta(event, item)
        effects.append(ItemEffect(own, numbers, arrived_s, delta, interested, viewed, bought))
        if viewed:
            effects.append(ItemEffect(viewed, numbers, arrived_s, None, viewed_with=own))
        if bought:
            effects.append(ItemEffect(bought, numbers, arrived_s, None, bought_with=own))
        user.pairs_count += 2 * (len(viewed) + len(bought))
    return effects


def part_items(event: Event, part: int) -> tuple[CountedItem, ...]:
    """Return the items of one part."""
    return event.items[part * PART_ITEMS_MAX : (part + 1) * PART_ITEMS_MAX]


def fold_item(item: ItemState, effect: ItemEffect) -> None:
    """Apply an event's effect to an item's state, in place."""
    if effect.delta is not None:
        count_in_windows(item.counters, effect.delta, effect.numbers, effect.arrived_s)
    for partner in effect.viewed_with:
        count_partner(item.viewed_with, partner, VIEWED_WITH_MAX)
    for partner in effect.bought_with:
        count_partner(item.bought_with, partner, BOUGHT_WITH_MAX)


def _new_partners(session: Session | None, event: Event, item: CountedItem) -> tuple[list[str], list[str]]:
    """Return the items that this one is viewed, or bought, with for the first time in the session."""
    if session is not None and event.event_type == "item_view":
        return view_partners(session, item.item_id), []
    if session is not None and event.event_type == "purchase":
        return [], purchase_partners(session, item.item_id)
    return [], []


def _keep_recent(recent: list[Recent], entry: Recent) -> None:
    """Keep the newest entries, newest first, whatever order they come in."""
    if not recent or _moment(entry) > _moment(recent[0]):
        recent.insert(0, entry)  # the usual case
    else:
        insort(recent, entry, key=_newest_first)
    del recent[RECENT_MAX:]


def _moment(entry: Recent) -> int:
    return entry.at_s * 1000 + entry.ms


def _newest_first(entry: Recent) -> tuple[int, int, str]:
    return -_moment(entry), -entry.type_code, entry.item_id


def _fold_profile(profile: Profile, event: Event, at_s: int) -> None:
    if at_s < profile.first_seen_s or not profile.first_seen_s:
        profile.first_seen_s = at_s
    if at_s >= profile.last_seen_s:
        profile.last_seen_s = at_s
        if event.context is not None and isinstance(locale := event.context.locale, str):
            profile.locale = locale[:TRAIT_CHARS_MAX]
    if event.traits and at_s >= profile.traits_at_s:
        profile.traits_at_s = at_s
        profile.traits = {**profile.traits, **kept_traits(event.traits)}
        profile.traits = dict(list(profile.traits.items())[:TRAITS_MAX])
    alias = event.anonymous_id
    if alias is not None and event.user_id is not None and alias not in profile.aliases:
        profile.aliases = [*profile.aliases, alias][-ALIASES_MAX:]
