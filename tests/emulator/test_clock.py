from __future__ import annotations

import pytest

from tapstack_emulator import ManualClock


def test_sleeping_moves_the_clock_and_is_remembered() -> None:
    clock = ManualClock(1000)
    clock.sleep_ms(250)
    clock.advance_ms(50)
    assert clock.now_ms() == 1300
    assert clock.slept_ms == [250]


def test_a_clock_may_jump_back_but_not_advance_backwards() -> None:
    clock = ManualClock(1000)
    clock.set_ms(10)
    assert clock.now_ms() == 10
    with pytest.raises(ValueError, match="cannot advance by -1 ms"):
        clock.advance_ms(-1)
