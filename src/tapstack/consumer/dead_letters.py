"""What is not counted, until it is stored where a person can look at it and send it again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import MutableSequence, Sequence

import msgspec

from tapstack.consumer.records import Delivery, Poison, StreamRecord
from tapstack.consumer.retry_budget import RetryBudget
from tapstack.core.memory import Verdict
from tapstack.errors import Unavailable
from tapstack.ports import ObjectStore


class DeadLetters:
    """The poison and the late events of a batch, by record.

    Parameters
    ----------
    records
        The batch.
    quarantine, late
        Where they are stored.
    budget
        How often that is tried.
    open_parts
        How many parts of each record are neither counted nor stored; what is stored is taken off.
    """

    def __init__(
        self,
        records: Sequence[StreamRecord],
        quarantine: ObjectStore,
        late: ObjectStore,
        budget: RetryBudget,
        open_parts: MutableSequence[int],
    ) -> None:
        self.quarantine_keys: list[str] = []
        self.late_count = 0
        self._records = records
        self._quarantine, self._late = quarantine, late
        self._budget = budget
        self._open_parts = open_parts
        self._waiting: defaultdict[int, list[Poison | tuple[Delivery, Verdict]]] = defaultdict(list)
        self._head = 0
        self._is_failing = False

    def add(self, delivery: Delivery, reason: Verdict) -> None:
        """Keep a part of an event that cannot be deduplicated, and why."""
        self._waiting[delivery.position].append((delivery, reason))

    def add_poison(self, poison: Poison) -> None:
        """Keep a record that is no event."""
        self._waiting[poison.position].append(poison)

    def store_head(self) -> None:
        """Store what stands first of all that is open, or the record to resume from would wait for the rest.

        A bucket that fails holds up no counting: it is left alone until all is counted.
        """
        while not self._is_failing:
            while self._head < len(self._records) and not self._open_parts[self._head]:
                self._head += 1
            if self._head not in self._waiting:
                return
            try:
                self._store(self._head)
            except Unavailable:
                self._is_failing = True

    def store_all(self) -> None:
        """Store everything, in the order of the stream: however slow it is, each invocation gets further.

        Raises
        ------
        Unavailable
            If a bucket goes on failing, or time is nearly over.
        """
        for position in sorted(self._waiting):
            self._store(position)

    def _store(self, position: int) -> None:
        waiting = self._waiting[position]
        while waiting:
            if isinstance(what := waiting[0], Poison):
                key = f"quarantine/{self._name(position, 0)}"
                self._put(self._quarantine, key, position, what.reason)
                self.quarantine_keys.append(key)
            else:
                delivery, reason = what
                self._put(self._late, f"late/{self._name(position, delivery.part)}", position, reason.value)
                self.late_count += 1
            waiting.pop(0)
            self._open_parts[position] -= 1
        del self._waiting[position]

    def _name(self, position: int, part: int) -> str:
        record = self._records[position]
        return f"{record.shard_id}/{record.sequence_number}-{part}.json"

    def _put(self, bucket: ObjectStore, key: str, position: int, reason: str) -> None:
        record = self._records[position]
        body = msgspec.json.encode(
            {
                "reason": reason,
                "shard_id": record.shard_id,
                "sequence_number": record.sequence_number,
                "arrived_at_s": record.arrived_at_s,
                "data": record.data,
            }
        )
        attempt = 0
        while True:
            self._budget.check()
            try:
                bucket.put(key, body)
            except Unavailable as error:
                self._budget.pause(attempt, error)
                attempt += 1
            else:
                return
