"""``tapstack send``; what it needs is imported when it runs, so that ``--help`` stays quick."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from tapstack.cli._files import WrittenFile
from tapstack.cli._write_key import WriteKey
from tapstack.errors import Misconfigured, UsageError

if TYPE_CHECKING:
    from tapstack.producer import Producer, Stats, Transport
    from tapstack.producer.sending import File, Line, RefusedLines

GIVE_UP_S_MAX = 86_400
INTERRUPTED_EXIT = 130
TURN_MS = 500  # how long it waits for room before it looks whether anything moves
LAST_MS = 2_000  # for what is under way at Ctrl-C


@click.command(
    "send",
    short_help="Send events from a file, and say what became of each line.",
    epilog="""\b
Examples:
  one event a line, as docs/reference/events.md has them, to tapstack local:
    tapstack send events.ndjson
  to your stack, so that it can be interrupted and started again:
    tapstack send events.ndjson --to http://events.internal \\
      --journal .sent
  what another program prints:
    produce | tapstack send - --json
  a recording in CSV or JSON, moved into the last hours:
    tapstack send views.csv --recording
  what a producer could not deliver:
    jq -c .event dead-letters.ndjson | tapstack send -

With --journal, a run that was interrupted or killed goes on where it stopped, and a file that has grown is
sent from its first new line. Lines that its runs refused stay named in FOLDER/refused.ndjson, and the exit
code is 1 until you remove that file. Without --journal, a second run sends everything again: lines with an
event_id (or client_id and n) are recognised as copies, all others are counted a second time.

Exit codes: 0 everything was delivered; 1 a line was refused, or events were not delivered; 2 a mistake in the
command; 130 Ctrl-C.""",
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False, exists=True))
@click.option(
    "--to", "url", default="http://127.0.0.1:8080", show_default=True, metavar="URL",
    help="Where the load balancer is.",
)  # fmt: skip
@click.option(
    "--write-key", type=WriteKey(), envvar="TAPSTACK_WRITE_KEY", default="", metavar="KEY", show_envvar=True,
    help="Write key of the requests.",
)  # fmt: skip
@click.option(
    "--stream", metavar="NAME",
    help="Send straight to this Kinesis stream, with the environment's credentials, in AWS_REGION.",
)  # fmt: skip
@click.option(
    "--journal", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="Keep what is not delivered yet there, and go on from it.",
)  # fmt: skip
@click.option(
    "--dead-letters", type=WrittenFile(), metavar="FILE",
    help="Append what was not delivered to this file, with the reason.",
)  # fmt: skip
@click.option(
    "--recording", is_flag=True, help="FILE is a recording, as 'tapstack local --input' takes them."
)
@click.option(
    "--give-up-after", "give_up_s", type=click.IntRange(0, GIVE_UP_S_MAX), default=60, show_default=True,
    metavar="SECONDS", help="End when nothing was delivered for so long.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; everything else goes to standard error."
)
@click.option("--quiet", is_flag=True, help="Print only the result.")
def command(
    *,
    file: Path,
    url: str,
    write_key: str,
    stream: str | None,
    journal: Path | None,
    dead_letters: Path | None,
    recording: bool,
    give_up_s: int,
    as_json: bool,
    quiet: bool,
) -> int:
    """Send events from FILE, or from standard input if it is -, one JSON object a line."""
    if stream and click.get_current_context().get_parameter_source("url") is not _DEFAULT:
        raise UsageError("--to and --stream exclude each other")
    began_s = time.monotonic()
    with _noted() as notes, _lines(file, journal, is_recording=recording) as lines:
        ended = _send(
            lines, _transport(url, write_key, stream), journal, dead_letters, give_up_s, is_quiet=quiet
        )
    if ended.lines_read < ended.resumed_after and not ended.is_interrupted:
        raise UsageError(
            f"{file} ends with line {ended.lines_read:,}, and {journal} says that line "
            f"{ended.resumed_after:,} was sent: it is another file, or was cut"
        )
    if as_json:
        click.echo(json.dumps(_summary(ended, time.monotonic() - began_s)))
    if not quiet:
        for note in notes:
            click.echo(note, err=True)
        _name_refused(ended, "event" if recording else "line")
    click.echo(_result(ended, journal), err=as_json)
    return ended.exit_code


class _Notes(logging.Handler):
    """Keeps of what the producer logs what is not taken as it was said; the progress says the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a note."""
        if hasattr(record, "note"):
            self.kept.append(record.getMessage())


@contextlib.contextmanager
def _noted() -> Iterator[list[str]]:
    """Collect the producer's notes, and keep its other lines from standard error."""
    logger, notes = logging.getLogger("tapstack.producer"), _Notes()
    logger.addHandler(notes)
    try:
        yield notes.kept
    finally:
        logger.removeHandler(notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """How the sending ended."""

    stats: Stats
    refused: RefusedLines
    refused_before: int  # lines that earlier runs on this journal refused
    damaged_files: int  # that hold what could not be read of this journal
    resumed_after: int
    lines_read: int
    is_whole: bool  # every line was read, and answered for
    is_interrupted: bool

    @property
    def exit_code(self) -> int:
        if self.is_interrupted:
            return INTERRUPTED_EXIT
        stats = self.stats
        left = self.refused.count + self.refused_before + self.damaged_files + stats.pending + stats.abandoned
        return 0 if self.is_whole and not left else 1


def _send(
    lines: Iterator[Line],
    to: Transport,
    journal: Path | None,
    dead_letters: Path | None,
    give_up_s: int,
    *,
    is_quiet: bool,
) -> _Ended:
    """Send lines until all are answered for, nothing moves any more, or somebody presses Ctrl-C."""
    from tapstack.producer import Producer
    from tapstack.producer.refusals import DeadLetters
    from tapstack.producer.sending import RefusedLines, Sending
    from tapstack.producer.system import SystemClock

    refused = RefusedLines(None if dead_letters is None else DeadLetters(dead_letters).write, journal)
    producer = Producer(
        to,
        journal=journal,
        # A line that was sent and is not in the journal after a power cut would be sent as another event.
        journal_fsync="request",
        dead_letters=dead_letters,
        on_refused=refused.add,
        block_timeout_ms=TURN_MS,
    )
    resumed_after = producer.last_tag
    progress = _Progress(producer, resumed_after, is_quiet=is_quiet)
    sending = Sending(
        producer, refused, clock=SystemClock(), give_up_ms=give_up_s * 1_000, tell=progress.tell
    )
    is_whole = is_interrupted = False
    try:
        is_whole = sending.send(lines)
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        producer.close(LAST_MS if is_interrupted else 0)
        progress.end()
    return _Ended(
        stats=producer.stats,
        refused=refused,
        refused_before=refused.count_before(resumed_after),
        damaged_files=0 if journal is None else len(list(journal.glob("*.damaged"))),
        resumed_after=resumed_after,
        lines_read=sending.read,
        is_whole=is_whole,
        is_interrupted=is_interrupted,
    )


_DEFAULT = click.core.ParameterSource.DEFAULT


class _Progress:
    """Says how far it is: on a terminal in one line, else now and then."""

    def __init__(self, producer: Producer, resumed_after: int, *, is_quiet: bool) -> None:
        self._producer = producer
        self._is_quiet = is_quiet
        self._is_terminal = sys.stderr.isatty()
        self._next_s = 0.0
        if resumed_after and not is_quiet:
            click.echo(f"going on after line {resumed_after:,}, which an earlier run sent", err=True)

    def tell(self, read: int) -> None:
        """Say it."""
        if self._is_quiet or (not self._is_terminal and time.monotonic() < self._next_s):
            return
        self._next_s = time.monotonic() + 5
        stats = self._producer.stats
        problem = f"; {stats.last_problem}, trying again" if stats.failed_requests and stats.pending else ""
        figures = f"{stats.delivered:,} events delivered, {stats.pending:,} on their way"
        text = f"{read:,} lines read, {figures}{problem}"
        click.echo(f"\r{text}\x1b[K" if self._is_terminal else text, err=True, nl=not self._is_terminal)

    def end(self) -> None:
        """Leave the line."""
        if self._is_terminal and not self._is_quiet:
            click.echo(err=True)


def _transport(url: str, write_key: str, stream: str | None) -> Transport:
    from tapstack.aws.signing import credentials
    from tapstack.producer import Collector, Stream

    try:
        if stream:
            transport = Stream(stream)
            credentials()  # or each attempt would find that there are none
            return transport
        return Collector(url, {"X-Write-Key": write_key} if write_key else None)
    except ValueError as error:
        raise UsageError(f"--to: {str(error).removeprefix('url: ')}") from None
    except Misconfigured as error:
        is_set = bool(os.environ.get(error.variable))
        raise UsageError(f"--stream: {error if is_set else f'{error.variable} is not set'}") from None


@contextlib.contextmanager
def _lines(path: Path, journal: Path | None, *, is_recording: bool) -> Iterator[Iterator[Line]]:
    """Open the file, and check that the journal is its own."""
    if is_recording:
        yield _recorded(path, journal)
        return
    from tapstack.producer.sending import Source, check_source, fingerprint, lines_of

    with _opened(path) as file:
        peeked = _Peeked(file)
        if journal is not None:
            check_source(journal, Source(fingerprint(peeked.first)))
        yield lines_of(peeked)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        if sys.stdin is None:
            raise UsageError("FILE: standard input is closed")
        yield sys.stdin.buffer
    else:
        with path.open("rb") as file:
            yield file


class _Peeked:
    """A file whose first line is known before it is read."""

    def __init__(self, file: File) -> None:
        from tapstack.producer.sending import LINE_BYTES_MAX

        self._file = file
        self.first = self._unread = file.readline(LINE_BYTES_MAX)

    def readline(self, size: int, /) -> bytes:
        """Return the next line, or so many bytes of it."""
        line, self._unread = self._unread, b""
        return line or self._file.readline(size)


def _recorded(path: Path, journal: Path | None) -> Iterator[Line]:
    """Read a recording; with a journal, always as the same events."""
    import secrets

    from tapstack.producer.sending import Line, Source, check_source, fingerprint
    from tapstack_local.recording import read_recording

    source = Source("", secrets.randbits(32), time.time_ns() // 1_000_000)
    if journal is not None:
        if str(path) == "-":
            raise UsageError("--journal: a recording on standard input cannot be read again; name a file")
        # The whole file: many recordings begin with the same names of columns.
        whole = fingerprint(path.read_bytes())
        source = check_source(journal, Source(whole, source.seed, source.now_ms))
    recording = read_recording(path, now_ms=source.now_ms, seed=source.seed)
    for note in recording.notes:
        click.echo(note, err=True)
    events = [event for request in recording for event in request.events]
    return (Line(number, event) for number, event in enumerate(events, 1) if isinstance(event, dict))


def _summary(ended: _Ended, wall_s: float) -> dict[str, object]:
    stats = ended.stats
    return {
        "lines_read": ended.lines_read,
        "resumed_after": ended.resumed_after,
        "recovered": stats.recovered,
        "accepted": stats.accepted,
        "delivered": stats.delivered,
        "duplicates": stats.duplicates,
        "too_old": stats.too_old,
        "refused": ended.refused.count,
        "refused_before": ended.refused_before,
        "damaged_files": ended.damaged_files,
        "in_journal": stats.pending,
        "not_delivered": stats.abandoned,
        "requests": stats.requests,
        "failed_requests": stats.failed_requests,
        "last_problem": stats.last_problem,
        "examples": [
            {"line": each.tag, "code": each.code, "field": each.field, "reason": each.reason}
            for each in ended.refused.examples
        ],
        "wall_s": round(wall_s, 3),
        "exit_code": ended.exit_code,
    }


def _name_refused(ended: _Ended, name: str) -> None:
    """Print which lines were not delivered, and why."""
    for each in ended.refused.examples:
        reason = f"{each.field}: {each.reason}" if each.field else each.reason
        click.echo(f"{name} {each.tag}: {reason}", err=True)
    more = ended.refused.count + ended.stats.abandoned - len(ended.refused.examples)
    if more > 0:
        click.echo(f"and {more:,} more", err=True)


def _result(ended: _Ended, journal: Path | None) -> str:
    """Say what became of the lines, and how to go on."""
    stats = ended.stats
    parts = [f"{stats.delivered:,} events delivered"]
    if stats.duplicates:
        parts.append(f"{stats.duplicates:,} of them known before")
    if stats.too_old:
        parts.append(f"{stats.too_old:,} of them too old to be counted")
    if ended.refused.count:
        parts.append(f"{ended.refused.count:,} refused")
    if ended.refused_before:
        parts.append(
            f"{ended.refused_before:,} refused by earlier runs (see {journal}/refused.ndjson, and remove it)"
        )
    if ended.damaged_files:
        parts.append(f"events of an earlier run could not be read (see {journal}/*.damaged, and remove it)")
    why = stats.last_problem or "no answer"
    if stats.abandoned:
        parts.append(f"{stats.abandoned:,} not delivered ({why})")
    if stats.pending:
        parts.append(f"{stats.pending:,} not delivered ({why}) and kept in {journal}")
    if not ended.is_whole:
        parts.append(f"ended at line {ended.lines_read:,}")
    if not ended.is_whole and journal is not None:
        parts.append("run the same command again to go on")
    return ", ".join(parts)
