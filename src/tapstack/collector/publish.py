"""PutRecords, again for what it refuses, within a budget of time and attempts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tapstack.core.backoff import backoff_ms
from tapstack.errors import Unavailable
from tapstack.ports import Clock, StreamEntry, StreamWriter

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html, read 2026-11-23
PUT_RECORDS_MAX = 500
PUT_BYTES_MAX = 4 * 1024 * 1024  # below the 5 MiB that regions without large records still have
ATTEMPTS_MAX = 5
# No call begins later than that after the first: then there are the spill bucket, and the sender. SDKs wait
# for an answer for 10 s or more (from knowledge, 2026-11-30), and a call that hangs takes 2 s to connect and
# 2 s to answer.
RETRY_BUDGET_MS = 2_500


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """What the collector depends on."""

    stream: StreamWriter
    clock: Clock
    jitter: Callable[[], float]


def publish(entries: Mapping[int, StreamEntry], dependencies: Dependencies) -> set[int]:
    """Put entries, the refused ones again, and return the keys of those that the stream confirmed."""
    stored: set[int] = set()
    pending = list(entries)
    until_ms = dependencies.clock.now_ms() + RETRY_BUDGET_MS
    for attempt in range(ATTEMPTS_MAX):
        if attempt and dependencies.clock.now_ms() > until_ms:
            break
        if attempt:
            dependencies.clock.sleep_ms(backoff_ms(attempt - 1, dependencies.jitter()))
        refused: list[int] = []
        for number, positions in enumerate(_calls(pending, entries)):
            if number and dependencies.clock.now_ms() > until_ms:
                refused += positions
                continue
            confirmed = _put([entries[position] for position in positions], dependencies.stream)
            if all(confirmed) and len(confirmed) == len(positions):  # the usual case
                stored.update(positions)
                continue
            for position, is_stored in zip(positions, confirmed, strict=True):
                (stored.add if is_stored else refused.append)(position)
        pending = refused
        if not pending:
            break
    return stored


def _put(entries: Sequence[StreamEntry], stream: StreamWriter) -> Sequence[bool]:
    try:
        return stream.put(entries)
    except Unavailable:
        # If they were stored after all, the consumer recognises the second copies.
        return [False] * len(entries)


def _calls(positions: Sequence[int], entries: Mapping[int, StreamEntry]) -> Sequence[Sequence[int]]:
    """Cut entries into calls that PutRecords admits."""
    to_put = [entries[position] for position in positions]
    sizes = [len(entry.data) + len(entry.partition_key.encode()) for entry in to_put]
    if 0 < len(sizes) <= PUT_RECORDS_MAX and sum(sizes) <= PUT_BYTES_MAX:
        return [positions]  # the usual case
    calls: list[list[int]] = []
    call, left = list[int](), -1  # bytes
    for position, size in zip(positions, sizes, strict=True):
        if size > left or len(call) == PUT_RECORDS_MAX:
            call, left = [], PUT_BYTES_MAX
            calls.append(call)
        call.append(position)
        left -= size
    return calls
