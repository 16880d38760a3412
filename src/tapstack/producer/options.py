"""The options of a producer, checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

from tapstack.producer.delivery import Limits
from tapstack.producer.engine import Engine
from tapstack.producer.journal import BYTES_MIN, Fsync, Journal
from tapstack.producer.queues import MemoryQueue, Queue
from tapstack.producer.refusals import DeadLetters, Refused
from tapstack.producer.system import Clock, SystemClock, jitter
from tapstack.producer.to_collector import Collector
from tapstack.producer.transports import Transport

WhenFull = Literal["block", "raise", "drop_newest"]

# The collector takes bodies of 1,000,000 bytes as deployed, and a batch may exceed its bytes by an event.
BATCH_BYTES_MAX = 900_000
BATCH_EVENTS_MAX = 2_500  # the collector's
DAY_MS = 86_400_000


class Options(TypedDict, total=False):
    """What may be told to `Producer` and `AsyncProducer`; every option has a default.

    Attributes
    ----------
    when_full
        What `send` does when the buffer or the journal is full: ``block`` (the default) for
        `block_timeout_ms`, and then raise `BufferFull`; ``raise`` it at once; ``drop_newest``: do not take
        the event, count it in `Stats.dropped`, log it, and return None.
    block_timeout_ms
        10,000 by default; 0 to 86,400,000.
    buffer_events_max, buffer_bytes_max
        Of the buffer in memory: 100,000 events and 32 MiB by default.
    journal
        A folder: events wait there instead of in memory, and survive the process. One producer at a time.
    journal_bytes_max
        1 GiB by default; at least 256 KiB.
    journal_fsync
        What a power cut may cost; the death of the process costs nothing in any case. ``interval`` (the
        default): about a second of events, see docs/producer.md; ``request``: events that no request held
        yet, at the price of a write to the disk for each request; ``always``: none, at that of one for each
        event; ``never``: what the kernel has not written.
    batch_events_max, batch_bytes_max
        Of a request: 500 events and 500,000 bytes by default; up to 2,500 and 900,000.
    flush_interval_ms
        How long an event waits for others to be sent with: 1,000 by default.
    dead_letters
        A file to which refused and abandoned events are appended, one JSON object a line.
    on_refused
        Called with each of them, in the worker's thread, which sends nothing meanwhile.
    clock, jitter
        Time and chance, for tests.
    """

    when_full: WhenFull
    block_timeout_ms: int
    buffer_events_max: int
    buffer_bytes_max: int
    journal: Path | str | None
    journal_bytes_max: int
    journal_fsync: Fsync
    batch_events_max: int
    batch_bytes_max: int
    flush_interval_ms: int
    dead_letters: Path | str | None
    on_refused: Callable[[Refused], None] | None
    clock: Clock
    jitter: Callable[[], float]


class Policy:
    """What to do when there is no room.

    Parameters
    ----------
    options
        As the application has them.

    Raises
    ------
    ValueError
        Naming the option that is wrong.
    """

    def __init__(self, options: Options) -> None:
        when_full = _one_of(options, "when_full", "block", get_args(WhenFull))
        timeout_ms = _number(options, "block_timeout_ms", 10_000, 0, DAY_MS)
        self.block_ms = timeout_ms if when_full == "block" else 0
        self.drops = when_full == "drop_newest"


def make_engine(to: str | Transport, options: Options) -> Engine:
    """Put a producer's parts together.

    Raises
    ------
    ValueError
        Naming the option that is wrong.
    JournalInUse
        If another producer has the journal.
    """
    if unknown := sorted(set(options) - set(Options.__annotations__)):
        raise ValueError(f"{unknown[0]}: there is no such option")
    clock = options.get("clock") or SystemClock()
    limits = Limits(
        batch_events_max=_number(options, "batch_events_max", 500, 1, BATCH_EVENTS_MAX),
        batch_bytes_max=_number(options, "batch_bytes_max", 500_000, 1, BATCH_BYTES_MAX),
        flush_interval_ms=_number(options, "flush_interval_ms", 1_000, 0, DAY_MS),
    )
    dead_letters = options.get("dead_letters")
    return Engine(
        _queue(options, clock),
        _transport(to),
        limits,
        dead_letters=None if dead_letters is None else DeadLetters(Path(dead_letters)),
        on_refused=options.get("on_refused"),
        clock=clock,
        jitter=options.get("jitter", jitter),
    )


def _transport(to: str | Transport) -> Transport:
    if isinstance(to, str):
        return Collector(to)
    if not hasattr(to, "send") or not hasattr(to, "close"):
        raise ValueError(f"to: expected a URL or a transport, got {to!r}")
    return to


def _queue(options: Options, clock: Clock) -> Callable[[], Queue]:
    events_max = _number(options, "buffer_events_max", 100_000, 1, 2**31)
    bytes_max = _number(options, "buffer_bytes_max", 32 * 1024 * 1024, 64 * 1024, 2**40)
    journal_bytes_max = _number(options, "journal_bytes_max", 2**30, BYTES_MIN, 2**50)
    fsync: Fsync = _one_of(options, "journal_fsync", "interval", get_args(Fsync))
    folder = options.get("journal")
    if folder is None:
        return lambda: MemoryQueue(events_max, bytes_max)
    path = Path(folder)
    return lambda: Journal(path, bytes_max=journal_bytes_max, fsync=fsync, elapsed_ms=clock.elapsed_ms)


def _number(options: Options, name: str, default: int, low: int, high: int) -> int:
    value = options.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name}: expected a whole number from {low} to {high}, got {value!r}")
    return value


def _one_of(options: Options, name: str, default: str, choices: tuple[str, ...]) -> Any:
    value = options.get(name, default)
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
    return value
