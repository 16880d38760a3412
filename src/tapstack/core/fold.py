"""What one event does to its user's row, and what it adds to derived rows.

`fold_event` changes the user's state and returns the effects on everything else, which go into the journal.
Both commit in one transaction or not at all.
"""

from __future__ import annotations

import msgspec

from tapstack.core.aggregates import Counters, count_bought, item_bought, user_bought
from tapstack.core.amounts import OF_AMOUNTS, rating_of, refunded_of, units_of
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.attributes.states import Moment
from tapstack.core.cooccurrence import purchase_partners, view_partners
from tapstack.core.events import TYPE_CODE, CountedItem, Event
from tapstack.core.history import Recent, keep_newest, put_aside
from tapstack.core.item_facts import categories_of, category_of
from tapstack.core.journal import Effect
from tapstack.core.rows import ALIASES_MAX, Profile, UserState
from tapstack.core.sessions import Session, session_of
from tapstack.core.traits import TRAIT_CHARS_MAX, TRAITS_MAX, kept_traits

VIEW, SHOWN, PURCHASE = (TYPE_CODE[name] for name in ("item_view", "item_list_view", "purchase"))
ID_BYTES_MAX = 256  # UTF-8, of an id that a user's row lists; an id may have 256 characters, four bytes each


def fold_event(
    user: UserState,
    event: Event,
    at_s: int,
    arrived_s: int,
    declared: Declared = NOTHING_DECLARED,
    data: bytes = b"",
) -> list[Effect]:
    """Apply an event to its user's state, in place.

    Parameters
    ----------
    user
        The state; changed.
    event
        An event that was judged NEW.
    at_s
        The event's own time, Unix seconds.
    arrived_s
        When its record arrived at the stream, Unix seconds.
    declared
        Attributes that are kept beside.
    data
        The event's record: attributes may name whatever it says.

    Returns
    -------
    list[Effect]
        What to add to derived rows.
    """
    code = TYPE_CODE[event.event_type]
    session = session_of(user.sessions, at_s, event.session_id)
    counted = (user.counters,) if session is None else (user.counters, session.counters)
    for counters in counted:
        counters[code] = counters.get(code, 0) + 1
    if code == PURCHASE:
        count_bought(counted, user_bought(event))
    _fold_profile(user.profile, event, at_s)
    if not declared.is_empty:
        _fold_attributes(user, session, event, at_s, arrived_s, declared, data)
    items = event.items
    if not items:
        return []
    counted_s = min(at_s, arrived_s)  # no clock may open windows ahead of the arrival
    if code == SHOWN:  # shown is not touched, and all items alike
        ids, categories = [item.item_id for item in items], categories_of(items)
        return [Effect(item_ids=ids, code=code, at_s=counted_s, arrived_s=arrived_s, categories=categories)]
    ms = event.occurred_at.microsecond // 1000
    effects: list[Effect] = []
    for item in items:
        if _fits_a_row(item.item_id):
            left = keep_newest(user.recent, Recent(at_s, code, item.item_id, ms))
            if left is not None:
                user.history = put_aside(user.history, left)
        viewed = view_partners(session, item.item_id) if code == VIEW and session is not None else ()
        bought = purchase_partners(session, item.item_id) if code == PURCHASE and session is not None else ()
        user.pairs_count += 2 * (len(viewed) + len(bought))
        effect = Effect(
            item_ids=(item.item_id,),
            code=code,
            at_s=counted_s,
            arrived_s=arrived_s,
            viewed_with=viewed,
            bought_with=bought,
            categories=(category,) if (category := category_of(item)) else (),
        )
        effects.append(_with_amounts(effect, event, item) if code in OF_AMOUNTS else effect)
    return effects


def _with_amounts(effect: Effect, event: Event, item: CountedItem) -> Effect:
    return msgspec.structs.replace(
        effect,
        bought=item_bought(event, item),
        units=units_of(event, item),
        refunded=refunded_of(event, item),
        rating=rating_of(event),
    )


def moment_of(event: Event, at_s: int, arrived_s: int) -> Moment:
    """Return when an event was; a clock that is ahead says nothing, then the arrival counts."""
    ms = event.occurred_at.microsecond // 1000 if at_s <= arrived_s else 0
    return Moment(min(at_s, arrived_s) * 1000 + ms, arrived_s)


def drop_attributes(user: UserState) -> None:
    """Forget declared attributes, in place: where none are declared they would lack what is counted now."""
    if user.attributes:
        user.attributes = {}
    for session in user.sessions.newest:
        if session.attributes:
            session.attributes = {}


def _fold_attributes(
    user: UserState,
    session: Session | None,
    event: Event,
    at_s: int,
    arrived_s: int,
    declared: Declared,
    data: bytes,
) -> None:
    """Fold an event into the declared attributes of its user and session, after it was counted in both."""
    moment = moment_of(event, at_s, arrived_s)
    told = declared.told(event.event_type, data)
    is_new = _events_count(user.counters) == 1
    user.attributes = declared.of_user(user.attributes, told, moment, is_new=is_new)
    if session is not None and session.label is not None:
        is_new = _events_count(session.counters) == 1
        session.attributes = declared.of_session(session.attributes, told, moment, is_new=is_new)


def _events_count(counters: Counters) -> int:
    return sum([number for code, number in counters.items() if isinstance(code, int)])


def _fits_a_row(name: str) -> bool:
    """Whether a user's row lists an id; all do but those of hundreds of letters beyond ASCII."""
    return len(name) * 4 <= ID_BYTES_MAX or name.isascii() or len(name.encode()) <= ID_BYTES_MAX


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
    if event.user_id is None:
        return
    alias = event.anonymous_id
    if alias is not None and alias not in profile.aliases and _fits_a_row(alias):
        profile.aliases = [*profile.aliases, alias][-ALIASES_MAX:]
