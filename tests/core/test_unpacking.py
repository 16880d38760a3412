"""What is no state of ours is refused as such, by each that reads one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.core.history import decode_history_page
from tapstack.core.journal import decode_entry, decode_watermark
from tapstack.core.memory import decode_page
from tapstack.core.rows import BOARD_ROWS, ITEM_ROWS, ITEM_ROWS_IN_PARTS, TERM_ROWS, decode_user
from tapstack.errors import UndecodableRow

READERS: dict[str, Callable[[bytes], object]] = {
    "a page of memory": decode_page,
    "a page of history": decode_history_page,
    "a watermark": decode_watermark,
    "an entry": lambda state: decode_entry(1, state),
    "a user": decode_user,
    "an item": ITEM_ROWS.read,
    "an item that is folded": ITEM_ROWS_IN_PARTS.read,
    "a leaderboard": BOARD_ROWS.read,
    "search terms": TERM_ROWS.read,
}
NO_TEXT = b"\xff\xfe"
SPOILT: dict[str, bytes] = {
    "nothing": b"",
    "a text that is none": b"\xa2" + NO_TEXT,
    "such a text in an array": b"\x96\x96" + b"\xa2" + NO_TEXT * 6,
    "such a text in a map": b"\x92\x81\xa2" + NO_TEXT + b"\x01\x90",
    "arrays in arrays": b"\x91" * 100_000,
    "cut off": b"\x92\x80",
}


@pytest.mark.parametrize("state", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_spoilt_state_is_refused_without_what_it_holds(
    read: Callable[[bytes], object], state: bytes
) -> None:
    with pytest.raises(UndecodableRow) as caught:
        read(state)
    assert "xff" not in str(caught.value)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@given(state=st.binary(max_size=24))
def test_no_bytes_fail_in_another_way(read: Callable[[bytes], object], state: bytes) -> None:
    with suppress(UndecodableRow):
        read(state)
