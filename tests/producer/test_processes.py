"""The producer and its process: its end, a signal, its children, Lambda."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from producer_world import FakeCollector, add_up, identity, producer, said

from tapstack.producer import JournalInUse, Search

SCRIPT = """
import sys
from tapstack.collector.intake import Result
from tapstack.producer import Answer, Producer

class Printing:
    def send(self, batch):
        for each in batch:
            print(each.decode(), flush=True)
        return Answer([Result("ok")] * len(batch))
    def close(self):
        print("closed", flush=True)

producer = Producer(Printing(), flush_interval_ms=60_000)
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    # From Python 3.12 on a fork beside threads warns; what these tests fork uses none of its parent's.
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", SCRIPT + program]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise ValueError"])
def test_the_end_of_the_process_delivers_what_waits(ending: str) -> None:
    done = run(f"producer.track('search', user_id='u', query='last')\n{ending}")
    lines = done.stdout.splitlines()
    assert [json.loads(line)["query"] for line in lines[:-1]] == ["last"]
    assert lines[-1] == "closed"


def test_a_child_process_sends_what_it_makes_itself_with_numbers_of_its_own() -> None:
    done = run("""
import os
producer.track('search', user_id='u', query='parent')
if not os.fork():
    producer.track('search', user_id='u', query='child')
    assert producer.stats.accepted == 1
    producer.close()
    os._exit(0)
os.wait()
producer.close()
""")
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines() if line != "closed"]
    assert {each["query"]: each["n"] for each in events} == {"parent": 0, "child": 0}
    assert len({each["client_id"] for each in events}) == 2


def test_a_child_process_does_not_touch_the_journal_of_its_parent(tmp_path: Path) -> None:
    done = run(f"""
import os
journal = Producer(Printing(), journal={str(tmp_path)!r}, flush_interval_ms=60_000)
journal.track('search', user_id='u', query='parent')
if not os.fork():
    try:
        journal.track('search', user_id='u')
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    journal.close()
    os._exit(0)
os.wait()
journal.track('search', user_id='u', query='parent again')
journal.close()
""")
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == (
        f"{JournalInUse.__name__} this process was forked from the one that has the journal: "
        "make a producer of its own here"
    )
    assert [json.loads(line)["query"] for line in lines[1:] if line[0] == "{"] == ["parent", "parent again"]


def test_a_process_that_is_killed_loses_nothing_of_its_journal(tmp_path: Path) -> None:
    program = f"""
import os, signal
journal = Producer("http://127.0.0.1:1", journal={str(tmp_path)!r})
for n in range(50):
    journal.track("search", user_id="u", query=str(n))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(program).returncode == -signal.SIGKILL
    up = FakeCollector()
    with producer(up, journal=tmp_path):
        pass
    assert [said(each)["query"] for each in up.stored] == [str(n) for n in range(50)]


class Context:
    def __init__(self, left_ms: int) -> None:
        self.left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


def test_what_a_lambda_handler_sent_is_delivered_before_it_returns() -> None:
    collector = FakeCollector(["refused"])
    events = producer(collector)

    @events.flush_after
    def handler(event: dict[str, Any], context: Context) -> int:
        """Handle it."""
        events.send(Search(user_id="u"))
        return 7

    assert handler({}, Context(5_000)) == 7
    assert len(collector.stored) == 1
    assert handler.__name__ == "handler"
    events.close()


def test_a_lambda_handler_that_fails_flushes_too() -> None:
    collector = FakeCollector()
    events = producer(collector)

    @events.flush_after
    def handler(event: dict[str, Any], context: Context) -> None:
        events.send(Search(user_id="u"))
        raise KeyError("order")

    with pytest.raises(KeyError, match="order"):
        handler({}, Context(5_000))
    assert len(collector.stored) == 1
    events.close()


def test_a_lambda_handler_does_not_wait_longer_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    collector = FakeCollector(["refused"] * 5)
    events = producer(collector)

    @events.flush_after
    def handler(event: dict[str, Any], context: Context) -> None:
        events.send(Search(user_id="u"))

    handler({}, Context(700))
    assert "1 events were not delivered before the invocation ended" in caplog.text
    assert events.flush(10**6)  # with the next invocation
    assert len(collector.stored) == 1
    events.close()


class Interrupted:
    """Raises `KeyboardInterrupt` at one line of the producer's code in this thread, as a signal does."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __enter__(self) -> Interrupted:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: Any, kind: str, argument: Any) -> Any:
        if "tapstack/producer" not in frame.f_code.co_filename:
            return None
        if kind == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self._trace


@pytest.mark.parametrize("flushes_before_the_next", [False, True])
@pytest.mark.parametrize("place", ["memory", "journal"])
def test_a_call_that_a_signal_ends_costs_no_other_event(
    tmp_path: Path, place: str, flushes_before_the_next: bool
) -> None:
    """At each line of it: its event may be delivered or not, all others are, with numbers of their own."""
    for at in range(1, 1_000):
        collector = FakeCollector()
        journal = None if place == "memory" else tmp_path / str(at)
        events = producer(collector, journal=journal, journal_fsync="never")
        ids = [events.send(Search(user_id="u", query="before"))]
        interrupted = Interrupted(at)
        with suppress(KeyboardInterrupt), interrupted:
            events.send(Search(user_id="u", query="during"))
        if flushes_before_the_next:
            assert events.flush()
        ids.append(events.send(Search(user_id="u", query="after")))
        assert events.close()
        add_up(events)
        assert events.stats.delivered == len(collector.stored)
        stored = [identity(each) for each in collector.stored]
        assert len(stored) == len(set(stored)), at
        assert set(ids) <= set(stored), at
        if interrupted.left > 0:
            break
    assert at > 20
