"""Definitions, ready for the consumer to fold."""

from __future__ import annotations

from tapstack.core.attributes.definitions import NONE, Definitions, FeatureView
from tapstack.core.attributes.states import Moment, View, folded
from tapstack.core.attributes.stored import ViewStates
from tapstack.core.attributes.told import Told, decode_told


class Declared:
    """The views of users and of sessions."""

    def __init__(self, definitions: Definitions = NONE) -> None:
        self.definitions = definitions
        self._views = {view.key: View(view) for view in definitions.feature_view}
        self._users = [self.view_of(view) for view in definitions.views("user")]
        self._sessions = [self.view_of(view) for view in definitions.views("session")]
        kept = [each for view in self._views.values() for each in view.attributes]
        self._types = frozenset(kind for each in kept for kind in each.events)
        self._read_types = frozenset(kind for each in kept if each.reads_record for kind in each.events)

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is declared."""
        return not self._views

    def view_of(self, view: FeatureView) -> View:
        """Return a view, ready to be read."""
        return self._views[view.key]

    def told(self, event_type: str, data: bytes) -> Told | None:
        """Return what an event says, its record given; None if no view counts its type.

        Where only types are counted the record is not read again.
        """
        if event_type in self._read_types:
            return decode_told(event_type, data)
        return Told(event_type=event_type) if event_type in self._types else None

    def of_user(self, states: ViewStates, told: Told | None, moment: Moment, *, is_new: bool) -> ViewStates:
        """Return the states of a user's row with an event; see `View.folded`."""
        return folded(self._users, states, told, moment, is_new=is_new)

    def of_session(
        self, states: ViewStates, told: Told | None, moment: Moment, *, is_new: bool
    ) -> ViewStates:
        """Return the states of a session with an event; see `View.folded`."""
        return folded(self._sessions, states, told, moment, is_new=is_new)


NOTHING_DECLARED = Declared()
