"""One law: whatever order events come in, a user's sessions are those of the sorted events."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tapstack.core.aggregates import add_counts
from tapstack.core.sessions import SESSION_GAP_S, SESSIONS_MAX, Sessions, session_of


def grouped(times: list[int]) -> list[tuple[int, int, int]]:
    """Return start, end and events of each visit, by brute force."""
    visits: list[list[int]] = []
    for at_s in sorted(times):
        if visits and at_s - visits[-1][-1] <= SESSION_GAP_S:
            visits[-1].append(at_s)
        else:
            visits.append([at_s])
    return [(visit[0], visit[-1], len(visit)) for visit in visits]


class SessionsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.sessions = Sessions()
        self.times: list[int] = []

    @rule(at_s=st.integers(1_000_000, 1_000_000 + 8 * SESSION_GAP_S))
    def an_event_comes(self, at_s: int) -> None:
        session = session_of(self.sessions, at_s, None)
        self.times.append(at_s)
        if session is not None:
            add_counts(session.counters, {0: 1})

    @invariant()
    def what_is_remembered_is_the_truth_while_nothing_was_forgotten(self) -> None:
        if self.sessions.earlier_count == 0:
            found = [(s.start_s, s.end_s, s.counters.get(0, 0)) for s in self.sessions.newest]
            assert found == grouped(self.times)

    @invariant()
    def sessions_are_few_in_order_and_apart(self) -> None:
        newest = self.sessions.newest
        assert len(newest) <= SESSIONS_MAX
        for earlier, later in pairwise(newest):
            assert later.start_s - earlier.end_s > SESSION_GAP_S


TestSessions = SessionsMachine.TestCase
