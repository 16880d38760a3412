"""The working copy that one step of the machine fills in; it never leaves the step."""

from __future__ import annotations

from tapstack_emulator.event_source_mapping.choices import QUESTIONS, Choices
from tapstack_emulator.event_source_mapping.model import (
    EmitMetric,
    MappingState,
    MetricName,
    Output,
    Shard,
    Status,
    StatusChanged,
)
from tapstack_emulator.event_source_mapping.payload import (
    EVENT_FIXED_BYTES,
    PAYLOAD_BYTES_MAX,
    Envelope,
    Record,
)


class Draft:
    """A mutable copy of the state with the outputs so far.

    Parameters
    ----------
    state
        The state before the step; its shards are replaced, never changed.
    now_ms
        The input's time.
    choices
        Who settles what AWS does not document.
    """

    __slots__ = (
        "_envelopes",
        "activate_at_ms",
        "children_first",
        "choices",
        "config",
        "last_result",
        "list_at_ms",
        "listed",
        "now_ms",
        "outputs",
        "pacing",
        "retake_latest",
        "serial",
        "shards",
        "status",
        "timer_ms",
    )

    def __init__(self, state: MappingState, now_ms: int, choices: Choices) -> None:
        self.now_ms = now_ms
        self.choices = choices
        self.outputs: list[Output] = []
        self.config = state.config
        self.pacing = state.pacing
        self.status: Status = state.status
        self.activate_at_ms = state.activate_at_ms
        self.shards: dict[str, Shard] = dict(state.shards)
        self.listed = state.listed
        self.retake_latest = state.retake_latest
        self.list_at_ms = state.list_at_ms
        self.children_first = state.children_first
        self.serial = state.next_id
        self.timer_ms = state.timer_ms
        self.last_result = state.last_result
        self._envelopes: dict[str, Envelope] = {}

    def finish(self) -> MappingState:
        """Return the state after the step."""
        return MappingState(
            config=self.config,
            pacing=self.pacing,
            status=self.status,
            activate_at_ms=self.activate_at_ms,
            shards=self.shards,
            listed=self.listed,
            retake_latest=self.retake_latest,
            list_at_ms=self.list_at_ms,
            children_first=self.children_first,
            next_id=self.serial,
            timer_ms=self.timer_ms,
            last_result=self.last_result,
        )

    def emit(self, output: Output) -> None:
        """Add an output."""
        self.outputs.append(output)

    def metric(self, name: MetricName, value: int, shard_id: str = "") -> None:
        """Add a metric, unless it counts nothing."""
        if value or name == "IteratorAge":
            self.outputs.append(EmitMetric(name, value, shard_id))

    def enter(self, status: Status) -> None:
        """Change the mapping's state."""
        if status != self.status:
            self.status = status
            self.outputs.append(StatusChanged(status))

    def ask(self, name: str, options: tuple[str, ...] | None = None) -> str:
        """Have an open question answered."""
        return self.choices.pick(name, options or QUESTIONS[name].options)

    def new_id(self) -> int:
        """Name a batch, a fetch or a delivery."""
        self.serial += 1
        return self.serial - 1

    def envelope(self, shard_id: str) -> Envelope:
        """Get the measure of a shard's events."""
        envelope = self._envelopes.get(shard_id)
        if envelope is None:
            envelope = self._envelopes[shard_id] = Envelope(self.config, shard_id)
        return envelope

    def fitting(
        self, shard_id: str, buffer: tuple[Record, ...], *, count_max: int, base_bytes: int
    ) -> tuple[tuple[Record, ...], int]:
        """Take records from the head of `buffer` while the event stays within 6 MB.

        Parameters
        ----------
        shard_id
            Their shard.
        buffer
            Records in order.
        count_max
            How many at most.
        base_bytes
            What the event weighs already; for an empty one the first record is taken whatever it
            weighs, as no batch is empty.

        Returns
        -------
        tuple
            The records and the bytes they add, commas included.
        """
        measure = self.envelope(shard_id).record_bytes
        begun = base_bytes >= EVENT_FIXED_BYTES
        used_bytes = 0
        count = 0
        for record in buffer[:count_max]:
            size = measure(record) + 1
            if (count or begun) and base_bytes + used_bytes + size > PAYLOAD_BYTES_MAX:
                break
            used_bytes += size
            count += 1
        return buffer[:count], used_bytes

    def backoff_ms(self, failures: int) -> int:
        """Draw the wait after so many failures in a row, at least 1.

        AWS documents only that there is one ("exponential backoff" for throttles in
        invocation-eventsourcemapping.html, read 2026-11-23), so bound and jitter are configurable.
        """
        pacing = self.pacing
        bound = min(pacing.backoff_max_ms, pacing.backoff_ms << min(failures - 1, 20))
        return self.choices.between("backoff_ms", bound * (100 - pacing.backoff_jitter_percent) // 100, bound)
