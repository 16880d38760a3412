"""After a power cut a journal knows every event that was sent, if it was asked to."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from disk import Disk
from hypothesis import example, given
from hypothesis import strategies as st

from tapstack.producer.journal import BYTES_MIN, Fsync, Journal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads what a descriptor stands for in /proc")
# A journal of the least size has segments of 64 KiB: a few events each.
STEPS = st.lists(st.tuples(st.sampled_from(["append", "take", "settle", "restart"]), st.integers(1, 3)))


def opened(folder: Path, fsync: Fsync = "request") -> Journal:
    return Journal(folder, bytes_max=BYTES_MIN, fsync=fsync, elapsed_ms=lambda: 0)


@example(steps=[("append", 2), ("take", 1), ("settle", 1)], event_bytes=20_000)  # begins a segment, ends one
@example(steps=[("append", 1), ("restart", 1), ("take", 1)], event_bytes=10)
@given(steps=STEPS, event_bytes=st.sampled_from([10, 20_000]))
def test_an_event_that_was_taken_is_known_after_a_power_cut(
    steps: list[tuple[str, int]], event_bytes: int
) -> None:
    """By its tag, or else its line would be read again, and sent with another identity."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "journal")
        disk = Disk(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tapstack.producer.journal.os.fsync", disk.sync)
            journal = opened(folder)
            taken = at = settled = 0
            for step, times in steps:
                if step == "restart":
                    journal.abandon()
                    journal = opened(folder)
                    at = settled
                for _ in range(times):
                    if step == "append" and journal.bytes + event_bytes + 100 < BYTES_MIN:
                        journal.append(b"x" * event_bytes, journal.last_tag + 1)
                    elif step == "take":
                        at = max([at, *(entry.tag for entry in journal.take(2, 100_000))])
                        taken = max(taken, at)
                    elif step == "settle":
                        journal.settle(journal.unread)
                        settled = at
            journal.abandon()
        disk.cut_power(Path(root, "found"))
        found = opened(Path(root, "found"))
        assert found.last_tag >= taken
        waiting = list[int]()
        while entries := found.take(1_000, 10**9):
            waiting += [entry.tag for entry in entries]
        assert set(range(settled + 1, found.last_tag + 1)) <= set(waiting)
        found.abandon()
