"""Send the lines of a file: what `tapstack send` does, without its words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from tapstack.core.events import EVENT_BYTES_MAX
from tapstack.core.wording import malformed
from tapstack.errors import BufferFull, InvalidEvent, UsageError
from tapstack.producer.blocking import Producer
from tapstack.producer.refusals import Refused, append_private
from tapstack.producer.system import Clock

LINE_BYTES_MAX = 4 * EVENT_BYTES_MAX  # read at once; what is longer is refused
EXAMPLES_MAX = 20  # of refused lines
TURN_MS = 500  # how long to wait before it is said again how far it is
REFUSED = "refused.ndjson"  # these two are in the journal's folder
_SOURCE = "source.json"
_SPACE = b" \t\r\n"


class Line(NamedTuple):
    """A line to send.

    Parameters
    ----------
    number
        From 1; ascending.
    event
        The event, or what is wrong with the line.
    text
        As it was read.
    """

    number: int
    event: Mapping[str, Any] | InvalidEvent
    text: bytes = b""


class File(Protocol):
    """A file of lines, as `open` and standard input are."""

    def readline(self, size: int, /) -> bytes:
        """Return the next line, or so many bytes of it."""


class Source(msgspec.Struct, frozen=True):
    """What a journal's events come from, so that another file is not taken for the rest of it.

    Parameters
    ----------
    fingerprint
        Of the first line; of a recording, of the whole file.
    seed, now_ms
        Of a recording: with the same ones it is read as the same events.
    """

    fingerprint: str
    seed: int = 0
    now_ms: int = 0


class _Named(msgspec.Struct):
    """A line of the file `REFUSED`, as far as it is read."""

    line: int


class RefusedLines:
    """Counts lines that were not delivered, and keeps the first of them.

    Parameters
    ----------
    keep
        Keeps an event with its reason, such as `tapstack.producer.refusals.DeadLetters` does.
    journal
        Remembers the refused lines until somebody removes its file `REFUSED`: a later run goes on behind
        them, and must not say that everything was delivered. None if there is no journal.
    """

    def __init__(
        self, keep: Callable[[Iterable[Refused]], None] | None = None, journal: Path | None = None
    ) -> None:
        self.count = 0
        self.examples: list[Refused] = []
        self._keep = keep
        self._path = None if journal is None else journal / REFUSED
        self._known = set() if self._path is None else _lines_named_in(self._path)
        self._again: set[int] = set()
        self._last: list[Refused] = []  # lines that no sent one follows yet

    def count_before(self, after: int) -> int:
        """Return how many lines earlier runs refused, up to one, that were not refused again in this one."""
        return sum(line <= after for line in self._known - self._again)

    def add(self, refused: Refused) -> None:
        """Take note of an event that the producer reports."""
        self._note(refused)
        if refused.code == "invalid":
            self._remember(refused)

    def add_line(self, line: Line, error: InvalidEvent) -> None:
        """Take note of a line that is no event."""
        text = line.text if _is_json(line.text) else msgspec.json.encode(line.text.decode(errors="replace"))
        refused = Refused(
            code="invalid", field=error.field or None, reason=error.reason, event=text, tag=line.number
        )
        if self._keep is not None:
            self._keep([refused])
        self._note(refused)
        self._last.append(refused)

    def go_on(self) -> None:
        """Take note that a line behind those that are no events is about to be sent.

        Until then a later run reads them once more; the last one may have been written by half.
        """
        if self._last:
            self._remember(*self._last)
            self._last.clear()

    def _note(self, refused: Refused) -> None:
        self.count += refused.code == "invalid"
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(refused)

    def _remember(self, *refused: Refused) -> None:
        self._again.update({each.tag for each in refused} & self._known)
        letters = [
            {"line": each.tag, "field": each.field, "reason": each.reason}
            for each in refused
            if each.tag not in self._known
        ]
        if letters and self._path is not None:
            # On the disk, before the journal knows a later line.
            append_private(
                self._path, b"".join([msgspec.json.encode(letter) + b"\n" for letter in letters]), syncs=True
            )


class Sending:
    """Sends lines, and notices when nothing moves any more.

    Parameters
    ----------
    producer
        With ``when_full="block"``.
    refused
        Told of lines that are no events.
    clock
        Time.
    give_up_ms
        How long to go on while nothing is delivered.
    tell
        Called about twice a second, with the number of the line that was read last.
    """

    def __init__(
        self,
        producer: Producer,
        refused: RefusedLines,
        *,
        clock: Clock,
        give_up_ms: int,
        tell: Callable[[int], None],
    ) -> None:
        self._producer = producer
        self._refused = refused
        self._clock = clock
        self._give_up_ms = give_up_ms
        self._tell = tell
        self._moved_at_ms = self._told_at_ms = clock.elapsed_ms()
        self._settled = 0
        self.read = 0  # the number of the line that was read last

    def send(self, lines: Iterable[Line]) -> bool:
        """Send lines, those that an earlier run sent apart; return whether all are answered for."""
        after = self._producer.last_tag
        for line in lines:
            self.read = line.number
            if line.number > after and not self._send(line):
                return False
            if self._clock.elapsed_ms() - self._told_at_ms >= TURN_MS:
                self._turn()
        while not self._producer.flush(TURN_MS):
            if not self._turn():
                return False
        return True

    def _send(self, line: Line) -> bool:
        try:
            if isinstance(line.event, InvalidEvent):
                raise line.event
            self._refused.go_on()
            while True:
                try:
                    self._producer.send(line.event, tag=line.number)
                except BufferFull:
                    if not self._turn():
                        return False
                else:
                    return True
        except InvalidEvent as error:
            self._refused.add_line(line, error)
            return True

    def _turn(self) -> bool:
        """Say how far it is; return whether to go on."""
        now_ms = self._told_at_ms = self._clock.elapsed_ms()
        stats = self._producer.stats
        settled = stats.delivered + stats.refused
        if settled > self._settled or not stats.pending:
            self._settled, self._moved_at_ms = settled, now_ms
        self._tell(self.read)
        return now_ms - self._moved_at_ms < self._give_up_ms


def lines_of(file: File) -> Iterator[Line]:
    """Read one event a line; blank lines are passed over, and a line that is none is named."""
    number = 0
    while text := file.readline(LINE_BYTES_MAX):
        number += 1
        is_whole = len(text) < LINE_BYTES_MAX or text.endswith(b"\n")
        rest = text
        while not is_whole and rest and not rest.endswith(b"\n"):
            rest = file.readline(LINE_BYTES_MAX)
        text = text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text
        text = text.strip(_SPACE)
        if not is_whole:
            message = f"expected a line of at most {LINE_BYTES_MAX} bytes"
            yield Line(number, InvalidEvent("", message, "too_many_bytes"), b"")
        elif text:
            yield Line(number, _event_of(text), text)


def check_source(journal: Path, source: Source) -> Source:
    """Return the source of what a journal holds, which is `source` if it holds nothing yet.

    Raises
    ------
    UsageError
        If the journal belongs to another file.
    """
    path = journal / _SOURCE
    if not path.exists():
        journal.mkdir(mode=0o700, parents=True, exist_ok=True)
        append_private(path, msgspec.json.encode(source), syncs=True)
        return source
    try:
        known = msgspec.json.decode(path.read_bytes(), type=Source)
    except msgspec.DecodeError:
        raise UsageError(f"{path} is not what tapstack send writes there") from None
    if known.fingerprint != source.fingerprint:
        raise UsageError(
            f"the journal {journal} belongs to another file, which begins differently; "
            "choose another folder, or remove it if that file was sent whole"
        )
    return known


def _lines_named_in(path: Path) -> set[int]:
    """Return the numbers of lines that a file names; what cannot be read counts as one line, 0."""
    lines = set[int]()
    for text in path.read_bytes().splitlines() if path.exists() else ():
        try:
            lines.add(msgspec.json.decode(text, type=_Named).line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            lines.add(0)
    return lines


def fingerprint(beginning: bytes) -> str:
    """Return what a file is known by."""
    return hashlib.blake2b(beginning.strip(_SPACE), digest_size=16).hexdigest()


def _event_of(text: bytes) -> Mapping[str, Any] | InvalidEvent:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.ValidationError:
        return InvalidEvent("", "expected a JSON object")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what, byte = malformed(error, text)
        return InvalidEvent(
            "", f"expected JSON: {what}{'' if byte is None else f', at byte {byte}'}", "not_json"
        )


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
