"""Waits between attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.core.backoff import backoff_ms

jitters = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10**6), jitters)
def test_no_wait_is_longer_than_the_cap_or_negative(attempt: int, jitter: float) -> None:
    assert 0 <= backoff_ms(attempt, jitter) < 2_000


@given(st.integers(0, 40), jitters)
def test_the_widest_wait_never_shrinks(attempt: int, jitter: float) -> None:
    assert backoff_ms(attempt, jitter) <= backoff_ms(attempt + 1, jitter)


@pytest.mark.parametrize(
    ("attempt", "widest_ms"), [(0, 25), (1, 50), (2, 100), (6, 1_600), (7, 2_000), (99, 2_000)]
)
def test_the_widest_wait_doubles_up_to_the_cap(attempt: int, widest_ms: int) -> None:
    assert backoff_ms(attempt, 0.0) == 0
    assert backoff_ms(attempt, 0.5) == widest_ms // 2
    assert backoff_ms(attempt, 1.0) == widest_ms
