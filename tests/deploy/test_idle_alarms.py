"""The alarms that compare hours and days ring for a reader that does not run, and for no other."""

from __future__ import annotations

import re
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

STACK = (Path(__file__).resolve().parents[2] / "lib/tap_stack.tf").read_text()
NAME = r'(?:for name in[^\n]+ "\${name})?([a-z]*-idle-[a-z]+)"? =>? {'  # of the archive without "archive"
BLOCKS = dict(re.findall(rf"^ {{6}}{NAME}\n(.*?)^ {{6}}}}$", STACK, re.MULTILINE | re.DOTALL))
TAKEN_AFTER_MAX_MIN = 20  # a window of 300 s and an invocation of 900 s are the most that the variables admit
PUBLISHED_AFTER_MAX_MIN = 20  # Lambda counts an invocation at its start and publishes at its end


def number(name: str, setting: str, default: int) -> int:
    found = re.search(rf"^ +{setting} += ([0-9 *]+)$", BLOCKS[name], re.MULTILINE)
    value: int = eval(found[1]) if found else default
    return value


def rings(name: str, came_min_ago: list[int], taken_min_ago: list[int]) -> bool:
    """Evaluate an alarm as of now, as `datapoints_to_alarm` of `evaluation_periods` of `local.idle`."""
    period_min, periods = number(name, "period_s", 0) // 60, number(name, "periods", 0)
    looked_at = range(periods + number(name, "spare", 0))
    came, taken = ({ago // period_min for ago in agos} for agos in (came_min_ago, taken_min_ago))
    return sum(k in came and k not in taken for k in looked_at) >= periods


def test_there_are_such_alarms() -> None:
    assert set(BLOCKS) == {"consumer-idle-hours", "consumer-idle-days", "projector-idle-days", "-idle-days"}
    assert STACK.count('idle = "IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0)"') == 1
    assert all("= local.idle\n" in block for block in BLOCKS.values())


@pytest.mark.parametrize("name", BLOCKS)
def test_a_reader_that_takes_what_comes_rings_none(name: str) -> None:
    """Two events at most: each can make one period wrong, and two are enough to ring."""
    period_min = number(name, "period_s", 0) // 60
    agos = [k * period_min + more for k in range(4) for more in (0, 1, TAKEN_AFTER_MAX_MIN, period_min - 1)]
    events = list(product(agos, (0, 1, TAKEN_AFTER_MAX_MIN)))
    for pair, published_min in product(combinations(events, 2), (0, 1, PUBLISHED_AFTER_MAX_MIN)):
        taken = [came - after for came, after in pair if came - after >= published_min]
        assert not rings(name, [came for came, _ in pair], taken), (pair, published_min)


@pytest.mark.parametrize("name", BLOCKS)
@given(data=st.data())
def test_a_reader_that_does_not_run_rings_after_two_periods_with_an_event_in_each(
    name: str, data: st.DataObject
) -> None:
    period_min = number(name, "period_s", 0) // 60
    newest = data.draw(st.integers(0, period_min - 1))
    came = [newest + k * period_min for k in range(4)]
    taken = data.draw(st.lists(st.integers(2 * period_min, 4 * period_min)))
    assert rings(name, came, taken)


@pytest.mark.parametrize("name", BLOCKS)
def test_where_nothing_comes_nothing_rings(name: str) -> None:
    assert not rings(name, [], [])
