"""A memo: the function's values, made once, and never more of them than said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tapstack.core.memo import Memo


@given(st.lists(st.integers(0, 9)), st.integers(1, 12))
def test_it_tells_what_the_function_would_and_stays_within_its_bound(keys: list[int], keys_max: int) -> None:
    memo = Memo(lambda key: f"<{key}>", keys_max)
    for key in keys:
        assert memo[key] == f"<{key}>"
        assert len(memo) <= keys_max


def test_what_is_there_is_not_made_again() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key

    memo = Memo(make, 2)
    assert [memo[key] for key in ("a", "b", "a", "b", "c", "b")] == ["a", "b", "a", "b", "c", "b"]
    assert made == ["a", "b", "c", "b"]
