"""The format of dead letters: what is written is read, each letter once; and the page that describes it."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.core.events import decode_event
from tapstack.core.memory import DUP, NEW, Verdict
from tapstack.dead_letters import (
    LATE,
    QUARANTINE,
    REASONS,
    AnyLetter,
    DeadLetter,
    RefusedEvent,
    decode,
    distinct,
    encode,
    object_key,
    read_all,
    request_key,
)
from tapstack.errors import InvalidEvent
from tapstack_emulator import MemoryBucket

PAGE = (Path(__file__).parents[1] / "docs/reference/dead-letters.md").read_text()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
records = st.builds(
    DeadLetter,
    reason=st.sampled_from(sorted(REASONS)),
    detail=texts,
    shard_id=st.sampled_from(["shardId-000000000000", "shardId-000000000001"]),
    sequence_number=st.integers(0, 10**56 - 1).map(str),
    event_id=st.none() | texts,
    arrived_at_s=st.integers(0, 4_000_000_000),
    data=st.binary(max_size=40),
)
refusals = st.builds(
    RefusedEvent,
    reason=st.sampled_from(sorted(REASONS)),
    detail=texts,
    request_id=st.sampled_from(["115959123-0a", "115959123-0b"]),
    index=st.integers(0, 2_499),
    format=st.just("segment"),
    path=st.just("/v1/batch"),
    arrived_at_s=st.integers(0, 4_000_000_000),
    data=st.binary(max_size=40),
)
letters = records | refusals


def letter(number: int = 1, **changes: object) -> DeadLetter:
    given = {"reason": "too_old", "shard_id": "s", "arrived_at_s": 0, "data": b"x"}
    return DeadLetter(**{**given, "sequence_number": str(number), **changes})


def refusal(**changes: object) -> RefusedEvent:
    given = {"reason": "not_json", "detail": "expected JSON", "request_id": "r", "index": 0, "data": b"x"}
    return RefusedEvent(**{**given, "format": "native", "path": "/v1/events", "arrived_at_s": 0, **changes})


@given(st.lists(letters, max_size=5))
def test_what_is_written_is_read_a_letter_a_line(written: list[AnyLetter]) -> None:
    body = encode(written)
    assert decode(body) == written
    assert body.count(b"\n") == len(written)


@given(st.lists(letters, min_size=1, max_size=6), st.lists(st.integers(0, 5), max_size=6))
def test_a_letter_that_stands_in_several_objects_is_read_once(
    first: list[AnyLetter], again: list[int]
) -> None:
    first = list({each.coordinates: each for each in first}.values())
    bucket = MemoryBucket()
    bucket.put("late/1", encode(first))
    bucket.put("late/2", encode([first[index] for index in again if index < len(first)]))
    assert list(read_all(bucket, LATE)) == first
    assert list(distinct([*first, *first])) == first


def test_every_page_of_a_bucket_is_read_and_no_other_prefix() -> None:
    bucket = MemoryBucket()
    for number in range(2_500):
        bucket.put(f"late/{number:04d}", encode([letter(number)]))
    bucket.put("quarantine/1", encode([letter(9_999)]))
    assert [each.coordinates.number for each in read_all(bucket, "late/")] == [str(n) for n in range(2_500)]
    assert list(read_all(bucket, "late/2026-01-01/")) == []


def test_an_object_that_is_gone_when_it_is_read_is_passed_over() -> None:
    bucket = MemoryBucket()
    bucket.put("late/1", encode([letter(1)]))
    reading = read_all(bucket, LATE)
    bucket.put("late/2", encode([letter(2)]))
    assert next(reading) == letter(1)
    bucket.delete("late/2")
    assert list(reading) == []


@pytest.mark.parametrize(
    "body", [b"?", b"{}\n", b'{"reason":1}', encode([letter()]) + b"[", b'{"stage":"\xff"}', b"[" * 100_000]
)
def test_an_object_that_holds_something_else_is_named(body: bytes) -> None:
    bucket = MemoryBucket()
    bucket.put("late/1", body)
    with pytest.raises(ValueError, match=r"^late/1: expected dead letters, one a line: "):
        list(read_all(bucket, LATE))


def test_a_key_names_the_day_the_shard_and_the_first_and_last_record() -> None:
    batch = [letter(100, arrived_at_s=1_773_187_199), letter(101, arrived_at_s=1_773_187_201)]
    assert object_key(LATE, batch) == "late/2026-03-10/s/100-101.ndjson"
    assert object_key(QUARANTINE, batch[1:]) == "quarantine/2026-03-11/s/101-101.ndjson"


def test_a_key_of_a_request_names_the_day_and_the_request() -> None:
    first = refusal(request_id="235959123-0a", arrived_at_s=1_773_187_199)
    assert request_key(first) == "quarantine/2026-03-10/collector/235959123-0a.ndjson"


def test_a_letter_of_an_earlier_version_is_read() -> None:
    line = {"reason": "too_old", "stage": "consumer", "shard_id": "s", "sequence_number": "1"}
    assert decode(msgspec.json.encode({**line, "arrived_at_s": 0, "data": "eA=="})) == [letter(1)]


# The codes.


def test_every_verdict_against_an_event_is_a_reason_and_means_that_it_is_late() -> None:
    against = {verdict.value for verdict in Verdict if verdict not in {NEW, DUP}}
    assert against == {code for code, reason in REASONS.items() if reason.prefix == LATE}


def test_every_way_in_which_a_record_is_not_an_event_has_a_code() -> None:
    codes = set()
    for data in (b"?", b"", b"{}", b"[]", b" " * 1_100_000, b"\xff", b'{"event_type": "x"}'):
        with pytest.raises(InvalidEvent) as caught:
            decode_event(data)
        codes.add(caught.value.code)
    of_the_collector = {"unreadable", "breaks_schema"}
    assert codes | of_the_collector == {
        code for code, reason in REASONS.items() if reason.prefix == QUARANTINE
    }


# The page.


def test_the_page_lists_every_code_with_its_bucket_and_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (late|quarantine) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(code, reason.prefix, reason.meaning) for code, reason in REASONS.items()]


@pytest.mark.parametrize("kind", [DeadLetter, RefusedEvent])
def test_the_page_lists_every_field(kind: type[msgspec.Struct]) -> None:
    config = kind.__struct_config__
    _, _, section = PAGE.partition(f"`{config.tag}`:\n")
    table = section.lstrip().partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:number|text)", table, re.MULTILINE)
    assert rows == [config.tag_field, *kind.__struct_fields__]


def test_the_pages_examples_are_dead_letters_under_the_keys_it_names() -> None:
    late, refused = re.findall(r"^\{.*\}$", PAGE, re.MULTILINE)
    for line in (late, refused):
        (shown,) = decode(line.encode())
        assert encode([shown]) == line.encode() + b"\n"
        is_record = isinstance(shown, DeadLetter)
        assert f"`{object_key(LATE, [shown]) if is_record else request_key(shown)}`" in PAGE
        if is_record:
            assert msgspec.json.decode(shown.data)["event_id"] == shown.event_id
