"""Chance lies between 0 and 1, and is no constant."""

from __future__ import annotations

from tapstack.entrypoints.jitter import jitter


def test_draws_are_spread_over_the_unit_interval() -> None:
    draws = [jitter() for _ in range(1_000)]  # all below, or all above a half: once in 2**999
    assert all(0 <= draw < 1 for draw in draws)
    assert min(draws) < 0.5 < max(draws)
