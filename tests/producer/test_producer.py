"""The producer as an application sees it."""

from __future__ import annotations

import json
import logging
import resource
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from producer_world import (
    OUTCOMES,
    TOO_OLD_NOTE,
    FakeCollector,
    ImpatientClock,
    Outcome,
    StuckCollector,
    add_up,
    identity,
    producer,
    said,
)

from examples import share
from tapstack.producer import (
    Answer,
    BufferFull,
    Closed,
    Collector,
    InvalidEvent,
    Producer,
    Purchase,
    Refused,
    Search,
)
from tapstack.producer.journal import BYTES_MIN
from tapstack.producer.refusals import DeadLetters


def searches(count: int, user: str = "u") -> list[Search]:
    return [Search(user_id=user, query=f"q{n}") for n in range(count)]


@share(0.5)
@given(
    outcomes=st.lists(st.sampled_from([name for name in OUTCOMES if name != "too large"]), max_size=12),
    bad=st.lists(st.booleans(), max_size=25),
    batch=st.integers(1, 6),
)
def test_every_event_is_delivered_once_by_identity_or_refused_and_the_figures_add_up(
    outcomes: list[Outcome], bad: list[bool], batch: int
) -> None:
    collector, refused = FakeCollector(outcomes), list[Refused]()
    with producer(collector, batch_events_max=batch, on_refused=refused.append) as events:
        collector.watch = lambda: add_up(events)
        ids = [events.track("search", user_id="u", query="bad" if is_bad else "good") for is_bad in bad]
        add_up(events)
        assert events.flush(10**7)
        add_up(events)
    stats = events.stats
    assert (stats.accepted, stats.pending, stats.abandoned) == (len(bad), 0, 0)
    assert (stats.delivered, stats.refused) == (bad.count(False), bad.count(True))
    good = [each for each, is_bad in zip(ids, bad, strict=True) if not is_bad]
    assert {identity(each) for each in collector.stored} == set(good)
    assert [identity(each.event) for each in refused] == [
        each for each, is_bad in zip(ids, bad, strict=True) if is_bad
    ]
    assert collector.is_closed


def test_copies_are_sent_unchanged() -> None:
    collector = FakeCollector(["lost answer", "refused", "half"])
    with producer(collector, batch_events_max=10) as events:
        for each in searches(10):
            events.send(each)
    assert set(collector.stored) == set(collector.batches[0])
    assert events.stats.duplicates == 10
    assert events.stats.repeated == 25


def test_nothing_is_sent_before_it_is_due() -> None:
    collector = FakeCollector()
    with producer(collector) as events:
        events.send(Search(user_id="u"))
        assert collector.batches == []
        assert events.stats.pending == 1
    assert len(collector.stored) == 1


def test_a_wrong_event_is_refused_at_the_call_and_takes_no_number() -> None:
    collector = FakeCollector()
    with producer(collector) as events:
        with pytest.raises(InvalidEvent, match=r"^user_id: user_id or anonymous_id is required$"):
            events.track("search", query="x")
        with pytest.raises(InvalidEvent, match="at most 32768 bytes"):
            events.track("search", user_id="u", properties={"a": "x" * 33_000})
        first = events.track("search", user_id="u")
        assert first is not None
        assert first.n == 0
    assert events.stats.accepted == 1


# When there is no room.


def test_a_full_buffer_raises_when_it_is_to() -> None:
    collector = StuckCollector()
    events = producer(collector, buffer_events_max=3, when_full="raise", batch_events_max=2)
    for each in searches(3):
        events.send(each)
    with pytest.raises(BufferFull, match=r"^the buffer is full: 3 events wait to be delivered$"):
        events.send(Search(user_id="u"))
    collector.may_answer.set()
    assert events.flush(10**6)
    last = events.send(Search(user_id="u"))
    assert last is not None
    assert last.n == 3  # what was not taken left no hole
    events.close()
    assert events.stats.delivered == 4


def test_a_full_buffer_drops_the_newest_when_it_is_to_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    collector = StuckCollector()
    events = producer(collector, buffer_events_max=3, when_full="drop_newest", batch_events_max=2)
    taken = [events.send(each) for each in searches(8)]
    assert [each is None for each in taken] == [False] * 3 + [True] * 5
    collector.may_answer.set()
    events.close()
    stats = events.stats
    assert (stats.accepted, stats.delivered, stats.dropped) == (3, 3, 5)
    assert [record.getMessage() for record in caplog.records] == [
        f"{n} events were dropped: there is no room" for n in (1, 2, 4)
    ]


def test_a_full_buffer_blocks_for_a_time_and_then_raises() -> None:
    collector = StuckCollector()
    clock = ImpatientClock()
    events = producer(collector, clock=clock, buffer_events_max=3, block_timeout_ms=7_000)
    for each in searches(3):
        events.send(each)
    with pytest.raises(BufferFull):
        events.send(Search(user_id="u"))
    assert clock.elapsed >= 7_000
    collector.may_answer.set()
    events.close()


def test_a_full_buffer_blocks_until_there_is_room() -> None:
    collector = StuckCollector()
    events = producer(collector, buffer_events_max=3)
    for each in searches(3):
        events.send(each)
    threading.Thread(target=lambda: (collector.asked.wait(5), collector.may_answer.set())).start()
    assert events.send(Search(user_id="u")) is not None
    events.close()
    assert events.stats.delivered == 4


def test_memory_is_bounded_by_bytes_too() -> None:
    collector = StuckCollector()
    events = producer(collector, buffer_bytes_max=64 * 1024, when_full="raise")
    with suppress(BufferFull):
        for _ in range(100):
            events.track("search", user_id="u", properties={"a": "x" * 1_000})
    with pytest.raises(BufferFull, match=r"^the buffer is full: 6[0-9]{4} bytes wait to be delivered$"):
        events.track("search", user_id="u", properties={"a": "x" * 1_000})
    collector.may_answer.set()
    events.close()


# Refused, and abandoned.


def test_refused_events_are_kept_with_the_reason_and_can_be_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "refused.ndjson"
    refused: list[Refused] = []
    with producer(FakeCollector(), dead_letters=path, on_refused=refused.append) as events:
        events.send(Search(user_id="u", query="bad"), tag=17)
        events.send(Search(user_id="u", query="good"), tag=18)
    (line,) = path.read_text().splitlines()
    letter = json.loads(line)
    assert (letter["code"], letter["field"], letter["reason"]) == ("invalid", "query", "expected a good one")
    assert letter["event"]["query"] == "bad"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [(each.tag, each.field) for each in refused] == [(17, "query")]


def test_an_event_is_not_settled_before_its_dead_letter_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    events = producer(FakeCollector(), dead_letters=folder / "refused.ndjson")
    events.send(Search(user_id="u", query="bad"))
    assert not events.flush(1_500)
    assert events.stats.refused == 0
    assert "dead letters cannot be written: No such file or directory" in events.stats.last_problem
    folder.mkdir()
    assert events.flush(10**6)
    events.close()
    assert events.stats.refused == 1
    assert len((folder / "refused.ndjson").read_text().splitlines()) == 1


def test_a_full_disk_leaves_no_half_dead_letter(tmp_path: Path) -> None:
    """The next one would be written behind it, in the same line, and neither could be read."""
    path = tmp_path / "letters.ndjson"
    letters = [Refused(code="invalid", event=b'"%d"' % n) for n in range(3)]
    DeadLetters(path).write(letters[:1])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size * 3 // 2, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            DeadLetters(path).write(letters[1:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    DeadLetters(path).write(letters[1:])
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["0", "1", "2"]


def test_an_application_that_fails_to_listen_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Refused) -> None:
        raise RuntimeError("secret-query")

    with producer(FakeCollector(), on_refused=fail) as events:
        events.send(Search(user_id="u", query="bad"))
        events.send(Search(user_id="u", query="good"))
    assert (events.stats.delivered, events.stats.refused) == (1, 1)
    assert "on_refused failed: RuntimeError" in caplog.text
    assert "secret-query" not in caplog.text


def test_what_is_not_delivered_when_it_is_closed_is_abandoned_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[Refused] = []
    path = tmp_path / "refused.ndjson"
    collector = FakeCollector(["refused"] * 1_000)
    events = producer(collector, batch_events_max=2, dead_letters=path, on_refused=refused.append)
    for each in searches(5):
        events.send(each)
    assert not events.close(1_000)
    stats = events.stats
    assert (stats.accepted, stats.delivered, stats.abandoned, stats.pending) == (5, 0, 5, 0)
    assert [each.code for each in refused] == ["abandoned"] * 5
    assert [said(each.event)["query"] for each in refused] == [f"q{n}" for n in range(5)]
    letters = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    with producer(FakeCollector(), when_full="raise") as again:
        for letter in letters:
            again.send(letter)
    assert {(letter["client_id"], letter["n"]) for letter in letters} == {
        identity(each.event)[:2] for each in refused
    }
    assert "5 events are abandoned" in caplog.text


def test_an_event_that_is_under_way_when_it_is_closed_is_abandoned_too() -> None:
    collector, refused = StuckCollector(), list[Refused]()
    clock = ImpatientClock()
    events = producer(collector, clock=clock, on_refused=refused.append, batch_events_max=1)
    events.send(Search(user_id="u"))
    collector.asked.wait(5)
    assert not events.close(1)
    collector.may_answer.set()
    assert (len(refused), events.stats.abandoned) == (1, 1)


def test_an_event_that_comes_while_it_is_closed_is_not_passed_over() -> None:
    class Busy(FakeCollector):
        """An application that goes on sending."""

        def send(self, batch: Any) -> Answer:
            if not self.batches:
                events.send(Search(user_id="u", query="late"))
            return super().send(batch)

    collector, refused = Busy(["ok", *["refused"] * 1_000]), list[Refused]()
    events = producer(collector, on_refused=refused.append)
    events.send(Search(user_id="u"))
    assert not events.close()
    assert [said(each.event)["query"] for each in refused] == ["late"]
    add_up(events)


def test_a_closed_producer_takes_nothing() -> None:
    events = producer(FakeCollector())
    assert events.close()
    assert events.close()
    assert events.flush()
    with pytest.raises(Closed, match=r"^the producer was closed$"):
        events.send(Search(user_id="u"))


# The journal.


def test_what_was_not_delivered_is_sent_by_the_next_producer_with_the_same_identity(tmp_path: Path) -> None:
    down = FakeCollector(["refused"] * 1_000)
    events = producer(down, journal=tmp_path)
    ids = [events.send(each, tag=n) for n, each in enumerate(searches(5), 1)]
    assert not events.close(1_000)
    assert (events.stats.pending, events.stats.abandoned) == (5, 0)
    up = FakeCollector()
    with producer(up, journal=tmp_path) as events:
        assert (events.stats.recovered, events.last_tag) == (5, 5)
        add_up(events)
        assert events.flush()
        add_up(events)
    assert [identity(each) for each in up.stored] == ids
    with producer(up, journal=tmp_path) as events:
        assert (events.stats.recovered, events.last_tag) == (0, 5)


def test_a_recovered_event_is_sent_though_nothing_is_added(tmp_path: Path) -> None:
    events = producer(FakeCollector(["refused"] * 1_000), journal=tmp_path)
    events.send(Search(user_id="u"))
    events.close(1)
    up = FakeCollector()
    with producer(up, journal=tmp_path):
        pass
    assert len(up.stored) == 1


def test_memory_does_not_grow_with_the_journal(tmp_path: Path) -> None:
    collector = FakeCollector(["refused"] * 1_000)
    events = producer(
        collector, journal=tmp_path, batch_events_max=10, buffer_events_max=10, when_full="raise"
    )
    for each in searches(500):
        events.send(each)
    assert events.stats.pending == 500
    assert max(map(len, collector.batches), default=0) <= 10
    events.close(1)


def test_a_full_journal_follows_the_policy(tmp_path: Path) -> None:
    events = producer(
        FakeCollector(["refused"] * 1_000), journal=tmp_path, journal_bytes_max=BYTES_MIN, when_full="raise"
    )
    with suppress(BufferFull):
        for _ in range(1_000):
            events.track("search", user_id="u", properties={"a": "x" * 1_000})
    with pytest.raises(BufferFull, match="the journal is full"):
        events.track("search", user_id="u", properties={"a": "x" * 1_000})
    events.close(1)


# What it says of itself.


def test_logs_have_figures_and_neither_payloads_nor_people(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    collector = FakeCollector(["lost answer", "refused", "half", "odd error"])
    events = producer(collector, batch_events_max=4, when_full="drop_newest", buffer_events_max=8)
    for query in ("bad", "private", "private", "private"):
        events.track("search", user_id="user-0815", query=query, currency="QQQ")
    events.close()
    assert len(caplog.records) >= 4
    for record in caplog.records:
        assert record.name == "tapstack.producer"
        assert "user-0815" not in str(vars(record))
        assert "private" not in str(vars(record))
    failures = [record for record in caplog.records if hasattr(record, "wait_ms")]
    assert {record.problem for record in failures} >= {"no answer", "no connection", "answered 503"}  # type: ignore[attr-defined]
    assert "currency: not in ISO 4217, counted as XXX" in [record.getMessage() for record in caplog.records]
    assert len([record for record in caplog.records if "ISO 4217" in record.getMessage()]) == 1


def test_what_the_collector_notes_is_logged_once_and_what_it_does_not_count_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with producer(FakeCollector(["half"]), batch_events_max=3) as events:
        for query in ("old", "old", "new", "old", "new"):
            events.track("search", user_id="u", query=query)
        assert events.flush()
        assert (events.stats.delivered, events.stats.too_old) == (5, 3)
        assert [record.getMessage() for record in caplog.records if hasattr(record, "note")] == [TOO_OLD_NOTE]


class OddAnswer(FakeCollector):
    def send(self, batch: Any) -> Answer:
        answer = super().send(batch)
        return answer if len(self.batches) > 1 else Answer(answer.results[:1])


def test_an_answer_that_names_too_few_events_is_none() -> None:
    collector = OddAnswer()
    with producer(collector, batch_events_max=2) as events:
        for each in searches(2):
            events.send(each)
    assert events.stats.delivered == 2
    assert events.stats.last_problem == "1 results for 2 events"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_events_max": 0}, "batch_events_max: expected a whole number from 1 to 2500, got 0"),
        (
            {"batch_bytes_max": 10**6},
            "batch_bytes_max: expected a whole number from 1 to 900000, got 1000000",
        ),
        (
            {"flush_interval_ms": 0.5},
            "flush_interval_ms: expected a whole number from 0 to 86400000, got 0.5",
        ),
        (
            {"buffer_events_max": True},
            "buffer_events_max: expected a whole number from 1 to 2147483648, got True",
        ),
        ({"when_full": "wait"}, "when_full: expected one of block, raise, drop_newest, got 'wait'"),
        (
            {"journal_fsync": "often"},
            "journal_fsync: expected one of always, request, interval, never, got 'often'",
        ),
        ({"block_timeout": 1}, "block_timeout: there is no such option"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Producer(FakeCollector(), **options)


@pytest.mark.parametrize("url", ["localhost:8080", "http://a?b", "http://a#b", "http://a b", "http://u:p@a"])
def test_a_wrong_url_is_said(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: expected http\(s\)://host\[:port\], got '"):
        Producer(url)


def test_a_header_that_cannot_be_sent_is_said_before_an_event_is_taken() -> None:
    with pytest.raises(ValueError, match=r"^headers: X-Write-Key: expected printable ASCII") as caught:
        Collector("http://a", {"X-Write-Key": "secret\n"})
    assert "secret" not in str(caught.value)


def test_the_url_is_that_of_the_host_and_not_where_events_are_posted() -> None:
    with pytest.raises(
        ValueError, match=r"^url: expected what comes before /v1/events, got 'http://a/v1/events/'$"
    ):
        Producer("http://a/v1/events/")


def test_what_is_neither_a_url_nor_a_transport_is_refused_before_it_takes_an_event() -> None:
    nothing: Any = None  # of a variable that is not set
    with pytest.raises(ValueError, match=r"^to: expected a URL or a transport, got None$"):
        Producer(nothing)


def test_threads_share_a_producer() -> None:
    collector = FakeCollector()
    with producer(collector, batch_events_max=7) as events:
        threads = [
            threading.Thread(target=lambda: [events.send(each) for each in searches(50)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    numbers = sorted(said(each)["n"] for each in collector.stored)
    assert numbers == list(range(400))
    assert len({said(each)["client_id"] for each in collector.stored}) == 1


def test_purchases_have_items() -> None:
    with producer(FakeCollector()) as events, pytest.raises(TypeError, match="items"):
        events.send(Purchase(user_id="u"))  # type: ignore[call-arg]
