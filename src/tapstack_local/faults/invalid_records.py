"""Another producer on the stream, whose records are not events: fault C4.

The collector puts nothing on the stream but events. A stream is shared all the same: an old script, a
test, a mistaken ARN. None of it may hold up a shard, and all of it must be found in quarantine.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping

from tapstack_emulator.kinesis.service import MemoryKinesis

NAME = "C4 stream invalid"
NOISE_BYTES = 100_000

# Each by 16 hexadecimal digits of its own, so that what is in quarantine can be told apart.
_KINDS: Mapping[str, Callable[[str], bytes]] = {
    "not JSON": lambda mark: f"<order id='{mark}'/>".encode(),
    "not UTF-8": lambda mark: b'{"event_type": "page_view", "user_id": "\xff' + mark.encode() + b'"}',
    "cut off": lambda mark: f'{{"event_type": "page_view", "user_id": "{mark}"'.encode(),
    "no event": lambda mark: f'{{"level": "INFO", "message": "{mark}"}}'.encode(),
    "several": lambda mark: f'[{{"event_type": "page_view", "user_id": "{mark}"}}]'.encode(),
    "of a later schema": lambda mark: (
        f'{{"schema": "clickstream/2", "event_type": "page_view", "event_id": "{mark}", "user_id": "u", '
        '"occurred_at": "2026-11-27T00:00:00Z", "received_at": "2026-11-27T00:00:00Z"}'
    ).encode(),
    "long": lambda mark: mark.encode() * (NOISE_BYTES // 16),
}


class InvalidRecordWriter:
    """Writes to one stream at moments drawn from a seed.

    Parameters
    ----------
    kinesis
        The service.
    stream
        The stream's name.
    every_records
        About how many records are read between two of its own, ``>= 2``.
    seed
        Of the moments and of what is written.
    counts
        Counts what was written, as `NAME`.
    """

    def __init__(
        self, kinesis: MemoryKinesis, stream: str, *, every_records: int, seed: int, counts: Counter[str]
    ) -> None:
        self.written: list[bytes] = []
        self._kinesis = kinesis
        self._stream = stream
        self._every = every_records
        self._random = random.Random(f"invalid records {seed}")  # noqa: S311 - reproducible, not secret
        self._counts = counts
        self._left = self._pause()

    def note(self, records: int) -> None:
        """Take note of records that were read; write what is due."""
        self._left -= records
        while self._left <= 0:
            self._left += self._pause()
            self._write()

    def _pause(self) -> int:
        return round(self._every * self._random.uniform(0.5, 1.5))

    def _write(self) -> None:
        mark = f"{self._random.getrandbits(64):016x}"
        data = self._random.choice(list(_KINDS.values()))(mark)
        self._kinesis.put(self._stream, mark, data)
        self.written.append(data)
        self._counts[NAME] += 1
