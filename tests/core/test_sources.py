"""Sources: the document, whose key a key is, and what a source may send."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON, client_event, rfc3339
from tapstack.core.client_events import decode_client_event
from tapstack.core.sources import BACKFILL_AGE, Key, Source, Sources, hash_of, read_sources, write_sources
from tapstack.errors import InvalidEvent, Unavailable

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def key(text: str) -> Key:
    return Key(hash=hash_of(text), created_at=NOON)


def source(name: str = "web", *keys: str, **fields: Any) -> Source:
    return Source(id=name, keys=tuple(map(key, keys)), **fields)


SOURCES = st.lists(KEYS, min_size=1, max_size=6, unique=True).map(
    lambda keys: Sources(sources=tuple(source(f"source-{n}", each) for n, each in enumerate(keys)))
)


@given(SOURCES)
def test_a_document_is_read_as_it_was_written(sources: Sources) -> None:
    assert read_sources(write_sources(sources)) == sources


@given(st.lists(KEYS, min_size=1, max_size=6, unique=True), KEYS)
def test_a_key_is_its_own_sources_and_nobody_elses(keys: list[str], other: str) -> None:
    sources = Sources(sources=tuple(source(f"source-{n}", each) for n, each in enumerate(keys)))
    for n, each in enumerate(keys):
        found = sources.of_key(each)
        assert found is not None
        assert found.id == f"source-{n}"
    assert (sources.of_key(other) is None) == (other not in keys)


@given(KEYS, st.integers(0, 59))
def test_a_part_of_a_key_is_no_key(whole: str, length: int) -> None:
    sources = Sources(sources=(source("web", whole),))
    part = whole[:length]
    assert (sources.of_key(part) is None) == (part != whole)
    assert sources.of_key(whole + "x") is None


def test_the_document_holds_no_key() -> None:
    document = write_sources(Sources(sources=(source("web", "a-key-that-is-secret"),)))
    assert b"a-key-that-is-secret" not in document
    assert hashlib.sha256(b"a-key-that-is-secret").hexdigest().encode() in document


def test_both_live_keys_of_a_source_are_its_own() -> None:
    sources = Sources(sources=(source("web", "old", "new"), source("app", "third")))
    assert [getattr(sources.of_key(each), "id", None) for each in ("old", "new", "third", "")] == [
        "web", "web", "app", None,
    ]  # fmt: skip


def test_a_source_without_a_key_stands_for_its_formats_only() -> None:
    tracker = Source(id="tracker", sends_no_key=True, formats=("snowplow",))
    sources = Sources(sources=(source("web", "key", formats=("segment",)), tracker))
    assert sources.without_key("snowplow") == tracker
    assert sources.without_key("segment") is None


BROKEN: dict[str, bytes] = {
    "no JSON": b"{",
    "a list": b"[]",
    "a later version": b'{"version": 2, "sources": []}',
    "a field that is not known": b'{"sources": [{"id": "web", "colour": "red"}]}',
    "a key instead of its hash": b'{"sources": [{"id": "a", "keys": [{"hash": "k", "created_at": "2026"}]}]}',
    "an id in capitals": b'{"sources": [{"id": "Web"}]}',
    "an id that stands there twice": b'{"sources": [{"id": "web"}, {"id": "web"}]}',
    "a key of two": write_sources(Sources(sources=(source("web", "k"), source("app", "k")))),
    "two without a key": write_sources(
        Sources(sources=tuple(Source(id=name, sends_no_key=True, formats=("snowplow",)) for name in "ab"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("document", BROKEN.values(), ids=BROKEN)
def test_a_document_that_is_none_lets_nobody_in_and_refuses_nobody(document: bytes) -> None:
    with pytest.raises(Unavailable, match="sources: "):
        read_sources(document)


@given(st.timedeltas(timedelta(), timedelta(days=400)), st.booleans())
def test_old_events_need_the_right_to_backfill(age: timedelta, may_backfill: bool) -> None:
    said = client_event(occurred_at=rfc3339(NOON - age))
    event = decode_client_event(msgspec.json.encode(said))
    if may_backfill or age <= BACKFILL_AGE:
        source(may_backfill=may_backfill).check(event, NOON)
    else:
        with pytest.raises(InvalidEvent, match="occurred_at: "):
            source(may_backfill=may_backfill).check(event, NOON)


def test_a_source_sends_the_types_that_it_may() -> None:
    event = decode_client_event(msgspec.json.encode(client_event(event_type="page_view")))
    source(event_types=("page_view", "search")).check(event, NOON)
    source().check(event, NOON)
    with pytest.raises(InvalidEvent, match="event_type: the source web may not send page_view"):
        source(event_types=("search",)).check(event, NOON)


def test_an_event_without_a_time_is_no_old_one() -> None:
    event = decode_client_event(msgspec.json.encode(client_event()))
    source(may_backfill=False).check(event, datetime.now(UTC))
