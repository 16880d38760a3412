"""A producer with a journal, killed again and again at random moments."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import urllib3  # noqa: F401 - before the forks: it would take most of a short life

from tapstack.core.events import StreamEvent
from tapstack.producer import Item, ItemView, Producer
from tapstack.producer.journal import Fsync

USERS = 7
ITEMS = 20
LIFE_MAX_S = 0.4  # most of a life is the producer's, but some end before it has read the journal
_OPTIONS: dict[str, Any] = {"flush_interval_ms": 5, "journal_bytes_max": 1024 * 1024}


class Crashed(NamedTuple):
    """What the application knows after all.

    Parameters
    ----------
    taken
        Events whose `send` returned.
    tried
        Events whose `send` was called.
    deaths
        How many processes were killed while they were sending.
    """

    taken: set[str]
    tried: set[str]
    deaths: int


def live(url: str, folder: str, life: int) -> None:
    """Send events until the end, and note each before and after."""
    notes = os.open(Path(folder, "notes"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    # A killed process loses nothing by either; the disk's own writes may take most of a short life.
    fsync: Fsync = "never" if life % 5 else "interval"
    producer = Producer(
        url, journal=Path(folder, "journal"), journal_fsync=fsync, batch_events_max=100, **_OPTIONS
    )
    for n in range(10**9):
        label = f"{life}-{n}"
        os.write(notes, f"tried {label}\n".encode())
        producer.send(event(label))
        os.write(notes, f"taken {label}\n".encode())
        if n % 5 == 4:
            time.sleep(0.002)  # a shop has pauses; else the journal grows faster than it is sent


def event(label: str) -> ItemView:
    which = sum(label.encode())
    items = [Item(item_id=f"item-{which % ITEMS}")]
    return ItemView(user_id=f"user-{which % USERS}", items=items, properties={"label": label})


def label_of(stored: StreamEvent) -> str:
    assert stored.properties is not None
    return str(stored.properties["label"])


def crash(
    url: str, folder: Path, kills: int, random: Random, tell: Callable[[str], object] = print
) -> Crashed:
    """Kill a producer so many times, then deliver what the journal holds."""
    deaths = 0
    with subprocess.Popen(
        [sys.executable, __file__, url, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as mother:
        assert mother.stdin is not None
        assert mother.stdout is not None
        for life in range(kills):
            mother.stdin.write(f"{life}\n")
            mother.stdin.flush()
            child = int(mother.stdout.readline())
            time.sleep(random.uniform(0, LIFE_MAX_S))
            os.kill(child, signal.SIGKILL)
            assert mother.stdout.readline() == f"{-signal.SIGKILL}\n", "it ended by itself"
            deaths += 1
            if life % 20 == 19:
                tell(f"{life + 1} of {kills} kills")
        mother.stdin.close()
    with Producer(url, journal=folder / "journal", **_OPTIONS) as producer:
        tell(f"{producer.stats.recovered} events in the journal after the last kill")
        assert producer.flush(120_000)
    notes = [line.split() for line in (folder / "notes").read_text().splitlines()]
    return Crashed(
        taken={label for kind, label in notes if kind == "taken"},
        tried={label for kind, label in notes if kind == "tried"},
        deaths=deaths,
    )


def bear() -> None:
    """Fork a producer for each line, so that none has to import anything; say who it is, and how it ended."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            live(sys.argv[1], sys.argv[2], int(line))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def check(crashed: Crashed, stored: Sequence[StreamEvent]) -> int:
    """Check that nothing taken is lost, and all copies of an event have one identity; return how many."""
    identities: dict[str, set[tuple[str | None, int | None]]] = {}
    for each in stored:
        identities.setdefault(label_of(each), set()).add((each.client_id, each.n))
    assert crashed.taken - identities.keys() == set(), "lost"
    assert identities.keys() - crashed.tried == set(), "invented"
    assert {label for label, found in identities.items() if len(found) > 1} == set(), "counted twice"
    distinct = set().union(*identities.values()) if identities else set()
    assert len(distinct) == len(identities), "two events with one identity"
    numbers: dict[str | None, set[int | None]] = {}
    for client_id, n in distinct:
        numbers.setdefault(client_id, set()).add(n)
    assert all(found == set(range(len(found))) for found in numbers.values()), "a hole"
    return len(identities)


if __name__ == "__main__":
    bear()
