"""The journal holds what was appended, whatever happened to the process or to the end of its files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.errors import BufferFull
from tapstack.producer import JournalInUse
from tapstack.producer.journal import BYTES_MIN, FSYNC_INTERVAL_MS, Fsync, Journal
from tapstack.producer.segments import HEAD_BYTES, RECORD_BYTES, read_records, write_record

KIB = b"x" * 1_024


def opened(path: Path, bytes_max: int = BYTES_MIN, fsync: Fsync = "never") -> Journal:
    return Journal(path, bytes_max=bytes_max, fsync=fsync, elapsed_ms=lambda: 0)


def everything(journal: Journal) -> list[bytes]:
    taken = []
    while entries := journal.take(7, 3_000):
        taken += entries
    assert [entry.position for entry in taken] == sorted({entry.position for entry in taken})
    return [entry.data for entry in taken]


@given(cut=st.integers(0, 3 * (RECORD_BYTES + 10)), junk=st.binary(max_size=40))
def test_a_torn_end_loses_only_the_records_that_it_cuts(cut: int, junk: bytes) -> None:
    records = [write_record(b"event %04d" % n, n) for n in range(3)]
    whole = b"".join(records)
    read = read_records(whole[:cut], 0, 5)
    assert [entry.data for entry in read.entries] == [
        b"event %04d" % n for n in range(cut // len(records[0]))
    ]
    assert read.rest == ("torn" if cut % len(records[0]) else "nothing")
    damaged = read_records(whole + junk, 0, 5)
    assert [entry.position for entry in damaged.entries[:3]] == [5, 6, 7]


@pytest.mark.parametrize("cut", [1, RECORD_BYTES - 1, RECORD_BYTES, RECORD_BYTES + 700])
def test_a_journal_whose_end_is_torn_goes_on_behind_the_last_whole_event(tmp_path: Path, cut: int) -> None:
    journal = opened(tmp_path)
    journal.append(b"a", 1)
    journal.append(KIB, 2)
    journal.abandon()
    (segment,) = tmp_path.glob("*.segment")
    os.truncate(segment, HEAD_BYTES + RECORD_BYTES + 1 + cut)
    journal = opened(tmp_path)
    assert (journal.last_tag, journal.damaged_bytes) == (1, 0)
    journal.append(b"b", 3)
    assert everything(journal) == [b"a", b"b"]
    journal.abandon()
    journal = opened(tmp_path)
    assert everything(journal) == [b"a", b"b"]
    assert journal.damaged_bytes == 0
    journal.close()
    assert list(tmp_path.glob("*.damaged")) == []


def test_what_is_damaged_is_kept_and_reported_and_the_rest_is_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = opened(tmp_path)
    for n in range(150):  # some segments
        journal.append(b"%03d" % n + KIB, n)
    journal.abandon()
    first, second, *_ = sorted(tmp_path.glob("*.segment"))
    with first.open("r+b") as file:
        file.seek(HEAD_BYTES + 10 * (RECORD_BYTES + len(KIB) + 3) + RECORD_BYTES)
        file.write(b"?")
    journal = opened(tmp_path)
    assert journal.damaged_bytes > 0
    found = [int(data[:3]) for data in everything(journal)]
    lost = set(range(150)) - set(found)
    assert lost == set(range(10, int(second.stem)))
    assert journal.unread == journal.end == 150
    journal.settle(journal.end)
    assert journal.count == 0
    journal.close()
    (kept,) = tmp_path.glob("*.damaged")
    assert kept.stat().st_size == journal.damaged_bytes
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert str(kept) in caplog.text


def test_a_segment_that_is_none_is_kept_and_reported(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000000.segment").write_bytes(b"not a journal at all, but long enough")
    journal = opened(tmp_path)
    assert journal.damaged_bytes == 37
    journal.append(b"a", 0)
    assert everything(journal) == [b"a"]
    journal.close()


def test_positions_that_were_settled_are_not_used_again_after_a_power_cut(tmp_path: Path) -> None:
    """The mark reached the disk, and the events that it counts did not."""
    journal = opened(tmp_path)
    for _ in range(5):
        journal.append(b"a", 0)
    journal.take(5, 10_000)
    journal.settle(5)
    journal.abandon()
    (segment,) = tmp_path.glob("*.segment")
    os.truncate(segment, HEAD_BYTES + 2 * (RECORD_BYTES + 1))
    journal = opened(tmp_path)
    assert journal.count == 0
    journal.append(b"new", 0)
    assert everything(journal) == [b"new"]
    journal.abandon()
    journal = opened(tmp_path)
    assert everything(journal) == [b"new"]
    journal.close()


def test_a_mark_that_was_not_written_whole_means_that_events_are_sent_again(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for n in range(150):
        journal.append(KIB, n)
    while journal.take(100, 200_000):
        pass
    journal.settle(100)
    journal.abandon()
    first = int(min(tmp_path.glob("*.segment")).stem)
    assert first > 0
    os.truncate(tmp_path / "settled", 3)
    journal = opened(tmp_path)
    assert (journal.settled, journal.count) == (first, 150 - first)
    assert len(everything(journal)) == 150 - first
    journal.close()


def test_a_second_process_is_refused_by_name(tmp_path: Path) -> None:
    journal = opened(tmp_path / "journal")
    program = (
        "import sys; from tapstack.producer import Producer\n"
        "try: Producer('http://localhost', journal=sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "journal")], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        f"JournalInUse the journal {tmp_path}/journal is in use by process {os.getpid()}; "
        "give each producer a folder of its own\n"
    )
    with pytest.raises(JournalInUse):
        opened(tmp_path / "journal")
    journal.append(b"a", 0)  # the holder goes on
    journal.close()
    opened(tmp_path / "journal").close()


def test_a_full_journal_takes_nothing_until_something_is_settled(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    count = 0
    with suppress(BufferFull):
        while True:
            journal.append(KIB, 0)
            count += 1
    assert 200 < count < 256
    with pytest.raises(BufferFull, match=r"^the journal is full: its files have 26[0-9]{4} bytes$"):
        journal.append(KIB, 0)
    journal.take(count // 2, 10**6)
    journal.settle(journal.unread)
    for _ in range(count // 4):
        journal.append(KIB, 0)
    journal.close()


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a disk hold so many bytes more, as a full one does: a part is written, then none."""
    left = [10**9]
    write = os.pwrite

    def limited(fd: int, data: bytes, at: int) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(fd, data[: left[0]], at)
        left[0] -= written
        return written

    monkeypatch.setattr("tapstack.producer.journal.os.pwrite", limited)
    return left


def test_a_full_disk_is_a_full_journal_and_leaves_no_half_record(
    tmp_path: Path, small_disk: list[int]
) -> None:
    journal = opened(tmp_path)
    journal.append(b"a", 0)
    small_disk[0] = 100
    with pytest.raises(BufferFull, match="the journal's disk is full"):
        journal.append(KIB, 0)
    small_disk[0] = 10**9
    journal.append(b"b", 0)
    assert everything(journal) == [b"a", b"b"]
    journal.close()


@pytest.mark.parametrize("fsync", ["always", "interval"])
@pytest.mark.parametrize("problem", [errno.EIO, errno.ENOSPC])
def test_an_append_that_fails_for_the_disk_has_added_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Fsync, problem: int
) -> None:
    """Its event's number is given to the next event: both in the queue would be taken for copies."""
    now_ms = 0
    journal = Journal(tmp_path, bytes_max=BYTES_MIN, fsync=fsync, elapsed_ms=lambda: now_ms)
    journal.append(b"before", 1)
    now_ms += FSYNC_INTERVAL_MS
    with monkeypatch.context() as broken:
        broken.setattr("tapstack.producer.journal.os.fsync", _failing(problem))
        with pytest.raises((OSError, BufferFull)):
            journal.append(b"refused", 2)
    assert (journal.count, journal.last_tag) == (1, 1)
    journal.append(b"after", 3)
    assert everything(journal) == [b"before", b"after"]
    journal.abandon()


def _failing(problem: int) -> Callable[[int], None]:
    def fsync(fd: int) -> None:
        raise OSError(problem, os.strerror(problem))

    return fsync


@pytest.mark.parametrize(("fsync", "expected"), [("always", 3 + 2), ("interval", 1 + 2), ("never", 0)])
def test_the_disk_is_asked_as_often_as_the_policy_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Fsync, expected: int
) -> None:
    """Of each record or interval; of the mark and the folder once, since a file is new."""
    now_ms = 0
    journal = Journal(tmp_path, bytes_max=BYTES_MIN, fsync=fsync, elapsed_ms=lambda: now_ms)
    asked: list[int] = []
    monkeypatch.setattr("tapstack.producer.journal.os.fsync", asked.append)
    journal.append(b"a", 0)
    journal.append(b"b", 0)
    now_ms += FSYNC_INTERVAL_MS
    journal.append(b"c", 0)
    assert len(asked) == expected
    journal.take(3, 1_000)
    assert len(asked) == expected
    journal.abandon()


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    journal = opened(tmp_path / "journal")
    journal.append(b"a", 0)
    journal.close()
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "journal").iterdir()} == {0o600}


def test_an_idle_journal_is_small(tmp_path: Path) -> None:
    journal = opened(tmp_path, bytes_max=2**30)
    for _ in range(6_000):
        journal.append(KIB, 0)
    while journal.take(1_000, 10**6):
        pass
    journal.settle(journal.end)
    assert journal.bytes == HEAD_BYTES
    journal.close()
