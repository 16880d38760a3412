"""What is sent to the stream in which calls, how long is waited, and what a sender is told of the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import dependencies_of
from event_strategies import NOON, canonical, client_event, rfc3339
from tapstack.collector.formats.native import reply
from tapstack.collector.intake import Result
from tapstack.collector.publish import (
    ATTEMPTS_MAX,
    PUT_BYTES_MAX,
    PUT_RECORDS_MAX,
    publish,
)
from tapstack.core.backoff import backoff_ms
from tapstack.core.client_events import decode_client_event
from tapstack.http import Request
from tapstack.ports import StreamEntry
from tapstack_emulator import ManualClock

REQUEST = Request(method="POST", path=("v1", "events"))


class Stream:
    """A stream that confirms all or nothing, and keeps the calls."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.calls: list[list[StreamEntry]] = []
        self._is_open = is_open

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        self.calls.append(list(entries))
        return [self._is_open] * len(entries)


def published(entries: Sequence[StreamEntry], stream: Stream) -> tuple[set[int], ManualClock]:
    clock = ManualClock()
    found = publish(dict(enumerate(entries)), dependencies_of(stream, clock=clock))
    return found, clock


def size(entry: StreamEntry) -> int:
    return len(entry.data) + len(entry.partition_key.encode())


MIB = 1024 * 1024
BLOCKS = [bytes(length) for length in (1, MIB - 2, MIB, MIB + 1, 2 * MIB - 2)]  # "€" and "ab" are the keys
entries_of = st.lists(
    st.builds(StreamEntry, partition_key=st.sampled_from(["ab", "€"]), data=st.sampled_from(BLOCKS)),
    min_size=1,
    max_size=12,
)


@given(entries_of)
def test_calls_are_as_full_as_the_limits_admit_and_no_fuller(entries: list[StreamEntry]) -> None:
    stream = Stream()
    assert published(entries, stream)[0] == set(range(len(entries)))
    assert [each for call in stream.calls for each in call] == entries
    for call, after in zip(stream.calls, [*stream.calls[1:], []], strict=True):
        assert sum(map(size, call)) <= PUT_BYTES_MAX
        if after:
            assert sum(map(size, call)) + size(after[0]) > PUT_BYTES_MAX


@pytest.mark.parametrize(("spare", "calls"), [(0, [4]), (1, [3, 1])], ids=["to the byte", "a byte more"])
def test_a_call_may_be_full_to_the_byte(spare: int, calls: list[int]) -> None:
    stream = Stream()
    published(
        3 * [StreamEntry(partition_key="ab", data=bytes(MIB - 2))]
        + [StreamEntry(partition_key="ab", data=bytes(MIB - 2 + spare))],
        stream,
    )
    assert [len(call) for call in stream.calls] == calls


def test_a_call_holds_no_more_records_than_it_may() -> None:
    stream = Stream()
    published([StreamEntry(partition_key="u", data=b"x")] * (2 * PUT_RECORDS_MAX + 1), stream)
    assert [len(call) for call in stream.calls] == [PUT_RECORDS_MAX, PUT_RECORDS_MAX, 1]


def test_what_is_refused_is_sent_again_after_longer_and_longer_waits_and_then_left() -> None:
    stream = Stream(is_open=False)
    found, clock = published([StreamEntry(partition_key="u", data=b"x")], stream)
    assert (found, len(stream.calls)) == (set(), ATTEMPTS_MAX)
    assert clock.slept_ms == [backoff_ms(attempt, 0.5) for attempt in range(ATTEMPTS_MAX - 1)]


def test_a_sender_is_told_what_to_send_again_and_when() -> None:
    answer = reply(REQUEST, [Result("ok"), Result("retry"), Result("invalid", "user_id", "is required")])
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    said = json.loads(answer.body)
    assert said["code"] == "unavailable"
    assert said["message"] == "send the events marked retry again, unchanged"
    assert [each["status"] for each in said["results"]] == ["ok", "retry", "invalid"]


@pytest.mark.parametrize("microsecond", [0, 999, 1_000, 1_999, 500_500, 999_999])
def test_a_time_is_cut_to_its_millisecond(microsecond: int) -> None:
    at = datetime(2026, 3, 10, 11, 59, 59, microsecond, tzinfo=UTC)
    event = decode_client_event(msgspec.json.encode(client_event(occurred_at=rfc3339(at))))
    expected = at.replace(microsecond=microsecond // 1_000 * 1_000)
    assert canonical(event, NOON).occurred_at == expected
