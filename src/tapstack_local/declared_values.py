"""What declared attributes make of a recording, without a pipeline: `tapstack attributes test`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tapstack.core.attributes.catalogue import Said
from tapstack.core.attributes.declared import Declared
from tapstack.core.attributes.definitions import Definitions, Entity, FeatureView, served_names
from tapstack.core.attributes.states import start_s
from tapstack.core.attributes.stored import ViewState, ViewStates
from tapstack.core.events import decode_event
from tapstack.core.fold import fold_event, moment_of
from tapstack.core.identity import unix_s
from tapstack.core.rows import UserState
from tapstack_local.reconciliation.accepted_events import Identity, identity_of, user_key
from tapstack_local.recording import Recording

_KINDS = {"item": "I", "category": "C"}  # what names begin with
_ENTITIES: dict[str, Entity] = {"I": "item", "C": "category"}


class Row(NamedTuple):
    """A user, or a session of one, an item or a category, with what is known of it.

    Parameters
    ----------
    user
        As rows are keyed: ``U#`` or ``A#``, and the id; ``I#`` of an item, ``C#`` of a category.
    session
        The session's id; None for the user.
    values
        By feature.
    missing_max
        By feature, where values had no room.
    """

    user: str
    session: str | None
    values: dict[str, Any]
    missing_max: dict[str, int]

    @property
    def has_values(self) -> bool:
        """Return whether anything counted."""
        return any(value not in (None, 0) for value in self.values.values())


class Replayed(NamedTuple):
    """A recording, folded.

    Parameters
    ----------
    events
        Distinct ones.
    at_s
        When the newest was; windows end there.
    users
        Those with the most events first.
    catalogue
        States of items and categories, in the order in which they came, each kind by itself.
    """

    events: int
    at_s: int
    users: dict[str, UserState]
    catalogue: dict[str, ViewStates]


def replay(recording: Recording, declared: Declared) -> Replayed:
    """Fold a recording's events into users' rows, in their order, each arriving when it happened."""
    users: dict[str, UserState] = {}
    counts: dict[str, int] = {}
    catalogue: dict[str, ViewStates] = {}
    seen: set[Identity] = set()
    at_s = 0
    for said in [event for request in recording for event in request.events if isinstance(event, dict)]:
        identity = identity_of(said)
        if identity in seen:
            continue
        seen.add(identity)
        data = msgspec.json.encode({**said, "received_at": said["occurred_at"], "clock_skew_ms": 0})
        event = decode_event(data)
        moment_s = unix_s(event.occurred_at)
        at_s = max(at_s, moment_s)
        name = user_key(said)
        counts[name] = counts.get(name, 0) + 1
        fold_event(users.setdefault(name, UserState()), event, moment_s, moment_s, declared, data)
        for each in declared.said(event.event_type, data, moment_of(event, moment_s, moment_s)):
            _count(catalogue, declared, each)
    ranked = sorted(users, key=lambda name: (-counts[name], name))
    return Replayed(len(seen), at_s, {name: users[name] for name in ranked}, catalogue)


def _count(catalogue: dict[str, ViewStates], declared: Declared, said: Said) -> None:
    (view,) = [view for view in declared.catalogue if view.definition == said.definition]
    states = catalogue.setdefault(f"{_KINDS[view.entity]}#{said.id}", {})
    ready = declared.view_of(view)
    state = states.get(view.key) or ViewState(view.fingerprint, 0)
    states[view.key] = ready.counted(state, said.cells, said.moment)


def rows_of(replayed: Replayed, declared: Declared) -> list[Row]:
    """Return the values of all users, and of the sessions that their rows still have."""
    definitions, found = declared.definitions, []
    for user, state in replayed.users.items():
        if definitions.views("user"):
            found.append(_row(user, None, state.attributes, declared, replayed.at_s))
        if definitions.views("session"):
            found += [
                _row(user, session.label, session.attributes, declared, replayed.at_s)
                for session in state.sessions.newest
                if session.label is not None
            ]
    found += [
        _row(name, None, states, declared, replayed.at_s) for name, states in replayed.catalogue.items()
    ]
    return found


def _row(
    user: str, session: str | None, states: Mapping[str, ViewState], declared: Declared, at_s: int
) -> Row:
    entity = _ENTITIES.get(user[0], "user") if session is None else "session"
    row = Row(user, session, {}, {})
    for view in declared.definitions.views(entity):
        ready = declared.view_of(view)
        state = ready.own(states, at_s)
        for position, window, served in served_names(view):
            name = f"{view.key}:{served}"
            if state is None:
                row.values[name] = view.attribute[position].default
                continue
            cells = state.attributes[position] if state.attributes else None
            answer = ready.attributes[position].answer(cells, window, state.arrived_s, at_s)
            row.values[name] = answer.value
            if answer.missing_max:
                row.missing_max[name] = answer.missing_max
    return row


def covered(definitions: Definitions, at_s: int) -> dict[str, int]:
    """Return when the window of each feature begins, Unix seconds; lifetimes are left out."""
    return {
        f"{view.key}:{served}": start_s(window, at_s)
        for view in definitions.feature_view
        for _, window, served in _windowed(view)
    }


def _windowed(view: FeatureView) -> list[tuple[int, Any, str]]:
    return [each for each in served_names(view) if each[1].hop_s]
