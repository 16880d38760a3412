"""The table of known differences names tests that exist."""

from __future__ import annotations

from pathlib import Path

from ministack_differences import MINISTACK_DIFFERS


def test_every_known_difference_belongs_to_a_test() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*_wire.py"))
    unknown = {name for name in MINISTACK_DIFFERS if f"def {name.partition('[')[0]}(" not in text}
    assert not unknown


def test_every_known_difference_has_a_reason() -> None:
    assert all(MINISTACK_DIFFERS.values())
