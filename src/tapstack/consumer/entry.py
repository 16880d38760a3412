"""The journal's entry of a transaction: what counted events add to everything but their users' rows."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import chain

from tapstack.consumer.records import Delivery
from tapstack.core.attributes.catalogue import Said
from tapstack.core.attributes.declared import Declared
from tapstack.core.fold import moment_of
from tapstack.core.impressions import ShownAt, count_shown
from tapstack.core.item_facts import Statement, statements_of
from tapstack.core.journal import Effect, encode_entry
from tapstack.core.search_terms import Search, search_of

Counted = tuple[Delivery, Sequence[Effect]]  # an event, and what it adds to derived rows


def searches_of(counted: Sequence[Counted]) -> list[Search]:
    """Return what events search for, with the terms."""
    return [
        search
        for each, _ in counted
        if each.event.query is not None
        and (search := search_of(each.event, each.user_key.pk, each.at_s, each.arrived_at_s)) is not None
    ]


def entry_state(
    counted: Sequence[Counted],
    searches: Sequence[Search],
    declared: Declared,
    arrived_at_s: int,
    common: Container[int],
) -> bytes | None:
    """Return the state of the entry; None if the events add nothing.

    Parameters
    ----------
    counted
        The events, in the order in which they are counted.
    searches
        As `searches_of` returns them.
    declared
        Attributes to which events say something.
    arrived_at_s
        When the newest of the events' records arrived at the stream, Unix seconds.
    common
        Digests of the search terms that may be stored as they are; of others only the hash is.
    """
    effects = [*chain.from_iterable([effects for _, effects in counted])]
    shown: ShownAt = {}
    for each, _ in counted:
        count_shown(shown, each.event, each.at_s, each.arrived_at_s)
    if not (effects or searches or shown):
        return None
    named = [each if each.digest in common else each.hashed() for each in searches]
    said = declared.all_said(_said(counted, declared) if declared.said_types else [])
    return encode_entry(effects, named, _statements(counted), shown.values(), arrived_at_s, said)


def _statements(counted: Sequence[Counted]) -> dict[Statement, int]:
    """Return what events say of items, with the newest second of those that say it."""
    statements: dict[Statement, int] = {}
    for each, effects in counted:
        if effects:
            counted_s = min(each.at_s, each.arrived_at_s)
            for statement in statements_of(each.event):
                statements[statement] = max(counted_s, statements.get(statement, counted_s))
    return statements


def _said(counted: Sequence[Counted], declared: Declared) -> list[Said]:
    """Return what events say to declared attributes of items and categories."""
    said: list[Said] = []
    for each, _ in counted:
        event = each.event
        if event.items and event.event_type in declared.said_types:
            moment = moment_of(event, each.at_s, each.arrived_at_s)
            said += declared.said(event.event_type, each.data, moment)
    return said
