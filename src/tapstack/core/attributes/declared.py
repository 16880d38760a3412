"""Definitions, ready for the consumer to fold."""

from __future__ import annotations

from tapstack.core.attributes.catalogue import AllSaid, Said, Sayer
from tapstack.core.attributes.definitions import CATALOGUE, NONE, PEOPLE, Definitions, FeatureView
from tapstack.core.attributes.states import Moment, View, folded
from tapstack.core.attributes.stored import ViewStates
from tapstack.core.attributes.told import Told, decode_told


class Declared:
    """The views: those of users and sessions are folded, to those of items and categories events say."""

    def __init__(self, definitions: Definitions = NONE) -> None:
        self.definitions = definitions
        self._views = {view.key: View(view) for view in definitions.feature_view}
        self._users = [self.view_of(view) for view in definitions.views("user")]
        self._sessions = [self.view_of(view) for view in definitions.views("session")]
        kept = [each for view in definitions.views(*PEOPLE) for each in self.view_of(view).attributes]
        self._types = frozenset(kind for each in kept for kind in each.events)
        self._read_types = frozenset(kind for each in kept if each.reads_record for kind in each.events)
        self._sayers = [Sayer(view, self.view_of(view)) for view in self.catalogue]
        of_catalogue = [each for view in self.catalogue for each in self.view_of(view).attributes]
        # Events that say anything to views of items and categories.
        self.said_types = frozenset(kind for each in of_catalogue for kind in each.events)
        self.is_empty = not kept  # nothing is declared of users and sessions

    @property
    def catalogue(self) -> tuple[FeatureView, ...]:
        """Return the views of items and categories."""
        return self.definitions.views(*CATALOGUE)

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

    def said(self, event_type: str, data: bytes, moment: Moment) -> list[Said]:
        """Return what an event says to views of items and categories, its record given."""
        if event_type not in self.said_types:
            return []
        told = decode_told(event_type, data)
        return [said for sayer in self._sayers for said in sayer.said(told, moment)]

    def all_said(self, said: list[Said]) -> AllSaid:
        """Return what some events say, with the views to which they would."""
        return AllSaid([sayer.definition for sayer in self._sayers], said)


NOTHING_DECLARED = Declared()
