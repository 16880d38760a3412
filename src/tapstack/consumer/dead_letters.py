"""The dead letters of a batch, until they are stored: in one object for each prefix."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tapstack.consumer.records import StreamRecord
from tapstack.dead_letters import REASONS, DeadLetter, encode, object_key
from tapstack.errors import Unavailable
from tapstack.ports import ObjectWriter
from tapstack.retry_budget import RetryBudget


class DeadLetters:
    """What is not counted of a batch.

    Parameters
    ----------
    records
        The batch.
    buckets
        Where dead letters are stored, by prefix.
    budget
        How often that is tried. Once a letter waits, some time is reserved for storing it.

    Attributes
    ----------
    stored : Counter[str]
        How many letters were stored, by prefix.
    keys : list[str]
        The objects that hold them.
    """

    def __init__(
        self, records: Sequence[StreamRecord], buckets: Mapping[str, ObjectWriter], budget: RetryBudget
    ) -> None:
        self.stored: Counter[str] = Counter()
        self.keys: list[str] = []
        self._records = records
        self._buckets = buckets
        self._budget = budget
        self._waiting: defaultdict[str, list[tuple[int, DeadLetter]]] = defaultdict(list)

    def add(self, position: int, reason: str, *, detail: str = "", event_id: str | None = None) -> None:
        """Keep a record to be stored with the reason; see `tapstack.dead_letters`."""
        record = self._records[position]
        letter = DeadLetter(
            reason=reason,
            detail=detail,
            shard_id=record.shard_id,
            sequence_number=record.sequence_number,
            event_id=event_id,
            arrived_at_s=record.arrived_at_s,
            data=record.data,
        )
        self._waiting[REASONS[reason].prefix].append((position, letter))
        self._budget.reserve()

    def positions(self) -> Iterator[int]:
        """Yield the positions of the letters that are not stored."""
        return (position for waiting in self._waiting.values() for position, _ in waiting)

    def store(self, end: int) -> None:
        """Store the letters of the records before a position, those first that come first.

        Everything before `end` is decided, so the same records make the same object when they are delivered
        again. Letters after it are left: their records will be delivered again anyway.

        Raises
        ------
        Unavailable
            If a bucket goes on failing, or time is nearly over.
        """
        self._budget.release()
        due: list[tuple[int, str, list[DeadLetter]]] = []
        for prefix, waiting in self._waiting.items():
            waiting.sort(key=lambda each: each[0])
            if letters := [letter for position, letter in waiting if position < end]:
                due.append((waiting[0][0], prefix, letters))
        for _, prefix, letters in sorted(due, key=lambda each: each[0]):
            self._put(self._buckets[prefix], object_key(prefix, letters), encode(letters))
            del self._waiting[prefix][: len(letters)]
            self.stored[prefix] += len(letters)

    def _put(self, bucket: ObjectWriter, key: str, body: bytes) -> None:
        attempt = 0
        while True:
            self._budget.check()
            try:
                bucket.put(key, body)
            except Unavailable as error:
                self._budget.pause(attempt, error)
                attempt += 1
            else:
                self.keys.append(key)
                return
