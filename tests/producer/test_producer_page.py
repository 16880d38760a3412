"""What docs/producer.md shows runs as it stands, and what it says of defaults is so."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from random import Random
from typing import Any

from served_collector import FaultyStream, faulty_collector, served

from tapstack.producer import Options, Producer, Stats, options
from tapstack.producer.engine import EXIT_TIMEOUT_MS
from tapstack.producer.stamping import USERS_MAX

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/producer.md").read_text()
PYTHON = [textwrap.dedent(block) for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)]


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def test_the_examples_run_as_they_stand(tmp_path: Path) -> None:
    stream = FaultyStream(Random(1), refused_share=0.0)
    with served(faulty_collector(stream, Random(1), cut_share=0.0)) as url:
        first, in_lambda = (
            block.replace("http://events.internal", url).replace("/var/lib/shop", str(tmp_path))
            for block in PYTHON
        )
        exec(first, {})
        assert [event.event_type for event in stream.events()] == ["purchase", "search"]
        names: dict[str, Any] = {"Producer": Producer}
        exec(in_lambda, names)
        names["producer"].track("search", user_id="u-1")
        names["handler"]({}, Context())
        assert len(stream.events()) == 3
        names["producer"].close()


def test_the_defaults_on_the_page_are_those_of_the_code() -> None:
    code = inspect.getsource(options)
    for name, said, default in (
        ("buffer_events_max", "100,000 events", "100_000"),
        ("buffer_bytes_max", "32 MiB", "32 * 1024 * 1024"),
        ("journal_bytes_max", "1 GiB", "2**30"),
        ("block_timeout_ms", "(10,000)", "10_000"),
    ):
        assert said in PAGE
        assert f"`{name}`" in PAGE
        assert f'"{name}", {default}, ' in code
    assert f"{EXIT_TIMEOUT_MS // 1_000} s at the end of the process" in PAGE
    assert f"{USERS_MAX:,} users" in (ROOT / "docs/decisions/0018-the-producer.md").read_text()


def test_what_the_page_names_is_there() -> None:
    names = set(re.findall(r"`([a-z]+_[a-z_]+)[=`(]", PAGE))
    known = {*Options.__annotations__, *Stats.__struct_fields__, *dir(Producer)}
    known |= {"event_type", "client_id", "event_id", "occurred_at", "user_id", "drop_newest"}
    known |= {"timeout_ms", "wait_ms"}  # an argument; an attribute of the log
    assert names - known == set()
    assert len(names) > 10


def test_every_option_is_described() -> None:
    described = inspect.getdoc(Options) or ""
    assert [name for name in Options.__annotations__ if name not in described] == []
