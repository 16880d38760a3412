"""How long the collector goes by the sources that it read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.collector.known_sources import (
    FRESH_FOR_REFUSAL_MS,
    FRESH_MS,
    RETRY_MS,
    TRUSTED_MS,
    KnownSources,
)
from tapstack.core.sources import Source, Sources, write_sources
from tapstack.errors import Unavailable
from tapstack_emulator import ManualClock


class Document:
    """The document, which an operator changes, and which is out of reach at times."""

    def __init__(self) -> None:
        self.clock = ManualClock(1_000_000)
        self.reads = 0
        self.version = 0
        self.is_there = True
        self.known = KnownSources(self.read, self.clock)

    def read(self) -> bytes:
        self.reads += 1
        if not self.is_there:
            raise Unavailable("secretsmanager: no answer")
        return write_sources(Sources(sources=(Source(id=f"v{self.version}"),)))

    def current(self) -> int:
        return int(self.known.current().sources[0].id[1:])

    def latest(self) -> int:
        return int(self.known.latest().sources[0].id[1:])


def test_sources_are_read_once_a_minute() -> None:
    document = Document()
    assert document.current() == 0
    document.version = 1
    document.clock.advance_ms(FRESH_MS)
    assert (document.current(), document.reads) == (0, 1)
    document.clock.advance_ms(1)
    assert (document.current(), document.reads) == (1, 2)


def test_who_refuses_reads_what_is_older_than_some_seconds() -> None:
    document = Document()
    document.current()
    document.version = 1
    document.clock.advance_ms(FRESH_FOR_REFUSAL_MS)
    assert document.latest() == 0
    document.clock.advance_ms(1)
    assert (document.latest(), document.current(), document.reads) == (1, 1, 2)


def test_sources_that_cannot_be_read_anew_are_trusted_for_a_bounded_time() -> None:
    document = Document()
    document.current()
    document.is_there = False
    document.clock.advance_ms(TRUSTED_MS)
    assert document.current() == 0
    with pytest.raises(Unavailable):
        document.latest()
    document.clock.advance_ms(1)
    with pytest.raises(Unavailable):
        document.current()
    document.is_there = True
    document.clock.advance_ms(RETRY_MS)
    assert document.current() == 0


def test_sources_that_were_never_read_are_not_known() -> None:
    document = Document()
    document.is_there = False
    for _ in range(3):
        with pytest.raises(Unavailable, match="no answer"):
            document.current()
    assert document.reads == 1  # in a second
    document.clock.advance_ms(RETRY_MS)
    with pytest.raises(Unavailable):
        document.current()
    assert document.reads == 2


STEPS = st.sampled_from(["change", "leave", "return", "current", "latest"])


@given(st.lists(st.tuples(STEPS, st.integers(0, TRUSTED_MS)), max_size=30))
def test_nobody_goes_by_sources_of_long_ago(steps: list[tuple[str, int]]) -> None:
    document = Document()
    changed_ms = [document.clock.now_ms()]  # when each version began
    for step, wait_ms in steps:
        document.clock.advance_ms(wait_ms)
        now_ms = document.clock.now_ms()
        if step == "change":
            document.version += 1
            changed_ms.append(now_ms)
        elif step in {"leave", "return"}:
            document.is_there = step == "return"
        else:
            try:
                version = document.current() if step == "current" else document.latest()
            except Unavailable:
                continue
            ended_ms = changed_ms[version + 1] if version + 1 < len(changed_ms) else now_ms
            assert now_ms - ended_ms <= (TRUSTED_MS if step == "current" else FRESH_FOR_REFUSAL_MS)
