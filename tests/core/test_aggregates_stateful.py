"""One law: however events are spread over lanes and ordered, the lanes add up to the events."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tapstack.core.aggregates import (
    WINDOWS,
    Counters,
    add_counts,
    add_in_windows,
    new_counters,
    window_numbers,
)

BEGIN_S = 1_767_225_600
LANES = 3


class LanesMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.lanes = [new_counters() for _ in range(LANES)]
        self.events: list[tuple[int, int]] = []
        self.newest_s = 0

    @rule(
        lane=st.integers(0, LANES - 1),
        age_s=st.integers(0, 3 * 86_400),
        after_s=st.integers(0, 12 * 86_400),
        code=st.integers(0, 3),
    )
    def an_event_arrives(self, lane: int, age_s: int, after_s: int, code: int) -> None:
        arrived_s = BEGIN_S + after_s
        at_s = arrived_s - age_s
        add_in_windows(self.lanes[lane], {code: 1}, window_numbers(at_s), arrived_s)
        self.events.append((at_s, code))
        self.newest_s = max(self.newest_s, arrived_s)

    @invariant()
    def lifetimes_add_up(self) -> None:
        total: Counters = {}
        for lane in self.lanes:
            add_counts(total, lane.lifetime)
        assert total == dict(Counter(code for _, code in self.events))

    @invariant()
    def windows_that_a_reader_may_ask_for_add_up(self) -> None:
        for position, window in enumerate(WINDOWS):
            truth: dict[int, Counter[int | str]] = {}
            for at_s, code in self.events:
                truth.setdefault(window.number(at_s), Counter())[code] += 1
            served = {n: dict(c) for n, c in truth.items() if n >= window.oldest_kept(self.newest_s)}
            found: dict[int, Counters] = {}
            for lane in self.lanes:
                for number, counters in lane.windows[position].items():
                    if number >= window.oldest_kept(self.newest_s):
                        add_counts(found.setdefault(number, {}), counters)
            assert found == served


TestLanes = LanesMachine.TestCase
