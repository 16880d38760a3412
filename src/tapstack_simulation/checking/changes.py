"""What a reader of changes is shown, against the entries of the journal; shares no code with the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from tapstack_simulation.checking.journal import ENTRY_TTL_S, ITEMS, Journal
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.checking.views import Answer

Ask = Callable[[Mapping[str, str]], Answer | None]  # with parameters; None if what follows is gone


class Follower:
    """Follows the items that move from one question to the next, and begins anew where entries expired.

    Parameters
    ----------
    journal
        The journal as the commits make it.
    clock_s
        Returns Unix seconds: days may pass while a question is answered.
    """

    def __init__(self, journal: Journal, clock_s: Callable[[], int]) -> None:
        self._journal, self._clock_s = journal, clock_s
        self._cursor = ""
        self._since: tuple[Mapping[int, int], Mapping[int, int]] = ({}, {})
        self._shown: Counter[str] = Counter()

    def step(self, ask: Ask, n: int) -> bool:
        """Ask for the next part; return whether there is more.

        A part that somebody else was shown meanwhile is not counted again.
        """
        if not (cursor := self._cursor):
            return self._begin(ask)
        answer = ask({"n": str(n), "cursor": cursor})
        if self._cursor != cursor:
            return True
        if answer is None:
            self._hold_gone()
            return self._begin(ask)
        self._shown.update({each["item_id"]: each["events"] for each in answer["items"]})
        self._cursor = answer["next_cursor"]
        if extra := self._shown - self._counted(self._since[0]):
            raise Violation(11, f"changes show {list(extra.items())[:3]} more often than entries have them")
        return bool(answer["more"])

    def finish(self, ask: Ask) -> None:
        """Follow to the end, and check that nothing was passed over."""
        while self.step(ask, 3):
            continue
        if lost := self._counted(self._since[1]) - self._shown:
            raise Violation(11, f"changes pass over {list(lost.items())[:3]}")

    def _begin(self, ask: Ask) -> bool:
        before = dict(self._journal.marks.get(ITEMS, {}))
        answer = ask({})
        if answer is None or answer["items"]:
            raise Violation(11, f"changes that begin at the present are {answer}")
        self._since = before, dict(self._journal.marks.get(ITEMS, {}))
        self._cursor, self._shown = answer["next_cursor"], Counter()
        return True

    def _counted(self, since: Mapping[int, int]) -> Counter[str]:
        """Return how many events of each item folded entries have after some."""
        marks = self._journal.marks.get(ITEMS, {})
        return Counter(
            item_id
            for lane, entries in self._journal.lanes.items()
            for entry in entries[since.get(lane, 0) : marks.get(lane, 0)]
            for effect in entry.effects
            for item_id in effect.item_ids
        )

    def _hold_gone(self) -> None:
        expired = [
            entry
            for lane, entries in self._journal.lanes.items()
            for entry in entries[self._since[0].get(lane, 0) :]
            if entry.arrived_s + ENTRY_TTL_S <= self._clock_s()
        ]
        if not expired:
            raise Violation(11, "changes are gone, and no entry has expired")
