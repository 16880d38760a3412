"""`tapstack send`: what became of each line, whatever is in the file and whatever the collector does."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from disk import Disk
from served_collector import FaultyStream, Served, faulty_collector, served

from tapstack.cli._main import call
from tapstack.producer.sending import LINE_BYTES_MAX, lines_of


@pytest.fixture
def stream() -> FaultyStream:
    return FaultyStream(Random(1), refused_share=0.0)


@pytest.fixture
def url(stream: FaultyStream) -> Iterator[str]:
    with served(faulty_collector(stream, Random(1), cut_share=0.0)) as address:
        yield address


@pytest.fixture
def nobody() -> Iterator[str]:
    with served(lambda path, body: Served(503)) as address:
        yield address


def search(**fields: Any) -> str:
    return json.dumps({"event_type": "search", "user_id": "u", **fields})


def written(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def send(capsys: pytest.CaptureFixture[str], *arguments: str) -> SimpleNamespace:
    code = call(["send", *arguments])
    printed = capsys.readouterr()
    return SimpleNamespace(code=code, out=printed.out, err=printed.err)


def test_every_line_is_delivered(
    tmp_path: Path, url: str, stream: FaultyStream, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "e.ndjson", *(search(query=str(n)) for n in range(1_200)))
    done = send(capsys, file, "--to", url, "--quiet")
    assert (done.code, done.out, done.err) == (0, "1,200 events delivered\n", "")
    assert [event.query for event in stream.events()] == [str(n) for n in range(1_200)]


def test_lines_that_are_no_events_are_named_and_the_others_delivered(
    tmp_path: Path, url: str, stream: FaultyStream, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(
        tmp_path / "e.ndjson",
        search(event_id="e-1"),
        "",
        '{"event_type": "search"}',
        '{"event_type": "search", ',
        "[1]",
        search(properties={"a": "x" * 33_000}),
        "x" * (3 * LINE_BYTES_MAX),
        search(event_id="e-2"),
    )
    letters = tmp_path / "letters.ndjson"
    done = send(capsys, file, "--to", url, "--dead-letters", str(letters), "--json")
    assert done.code == 1
    lines = [line for line in done.err.splitlines() if line.startswith("line ")]
    assert lines == [
        "line 3: user_id: user_id or anonymous_id is required",
        "line 4: expected JSON: it ends too early, at byte 24",
        "line 5: expected a JSON object",
        "line 6: expected at most 32768 bytes, got 33160",
        f"line 7: expected a line of at most {LINE_BYTES_MAX} bytes",
    ]
    assert done.err.splitlines()[-1] == "2 events delivered, 5 refused"
    summary = json.loads(done.out)
    assert (summary["delivered"], summary["refused"], summary["lines_read"], summary["exit_code"]) == (
        2,
        5,
        8,
        1,
    )
    assert summary["examples"][0] == {
        "line": 3, "code": "invalid", "field": "user_id", "reason": "user_id or anonymous_id is required",
    }  # fmt: skip
    assert [event.event_id for event in stream.events()] == ["e-1", "e-2"]
    kept = [json.loads(line) for line in letters.read_text().splitlines()]
    assert [letter["event"] for letter in kept][:3] == [
        {"event_type": "search"},
        '{"event_type": "search",',
        [1],
    ]


def test_what_is_taken_but_not_as_it_was_said_is_told(
    tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(
        tmp_path / "e.ndjson",
        search(occurred_at="1999-12-31T23:59:59Z"),
        search(currency="EURO"),
        search(occurred_at="1999-12-31T23:59:58Z"),
    )
    done = send(capsys, file, "--to", url, "--json")
    assert (done.code, json.loads(done.out)["too_old"]) == (0, 2)
    told = done.err.splitlines()
    assert told[-1] == "3 events delivered, 2 of them too old to be counted"
    assert "currency: not in ISO 4217, counted as XXX" in told
    assert len([line for line in told if line.startswith("too_old: occurred_at is more than 30 days")]) == 1
    assert send(capsys, file, "--to", url, "--quiet").err == ""


def test_standard_input_is_read_too(
    url: str, stream: FaultyStream, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(search().encode())))
    done = send(capsys, "-", "--to", url)
    assert (done.code, done.out) == (0, "1 events delivered\n")
    assert len(stream.entries) == 1


def test_a_write_key_is_taken_from_the_environment(
    tmp_path: Path, stream: FaultyStream, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setenv("TAPSTACK_WRITE_KEY", "k-1")
    with served(faulty_collector(stream, Random(1), cut_share=0.0), seen) as address:
        assert send(capsys, written(tmp_path / "e.ndjson", search()), "--to", address).code == 0
    assert [each["x-write-key"] for each in seen] == ["k-1"]


def test_nothing_to_send_is_nothing_wrong(
    tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = send(capsys, written(tmp_path / "empty"), "--to", url)
    assert (done.code, done.out) == (0, "0 events delivered\n")


def test_what_the_collector_refuses_is_named_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse_the_second(path: str, body: bytes) -> Served:
        results: list[dict[str, str]] = [{"status": "ok"} for _ in json.loads(body)]
        results[1] = {"status": "invalid", "field": "query", "reason": "expected another one"}
        return Served(200, json.dumps({"results": results}).encode())

    file = written(tmp_path / "e.ndjson", search(), "", search(), search())
    with served(refuse_the_second) as address:
        done = send(capsys, file, "--to", address)
    assert done.code == 1
    assert "line 3: query: expected another one\n" in done.err
    assert done.out == "2 events delivered, 1 refused\n"


def test_a_run_that_gives_up_says_so_and_the_next_one_goes_on(
    tmp_path: Path, url: str, nobody: str, stream: FaultyStream, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "e.ndjson"
    written(file, *(search(query=str(n)) for n in range(5)))
    journal = str(tmp_path / "journal")
    done = send(capsys, str(file), "--to", nobody, "--journal", journal, "--give-up-after", "0")
    assert done.code == 1
    assert done.out == (
        f"0 events delivered, 5 not delivered (answered 503) and kept in {journal}, ended at line 5, "
        "run the same command again to go on\n"
    )
    with file.open("a") as more:
        more.write(search(query="5") + "\n")
    done = send(capsys, str(file), "--to", url, "--journal", journal)
    assert (done.code, done.out) == (0, "6 events delivered\n")
    assert "going on after line 5, which an earlier run sent" in done.err
    assert [event.query for event in stream.events()] == [str(n) for n in range(6)]
    assert sorted({event.n for event in stream.events() if event.query != "5"}) == [0, 1, 2, 3, 4]
    done = send(capsys, str(file), "--to", url, "--journal", journal)
    assert (done.code, done.out) == (0, "0 events delivered\n")


@pytest.mark.skipif(sys.platform != "linux", reason="reads what a descriptor stands for in /proc")
def test_after_a_power_cut_no_line_is_sent_as_another_event(
    tmp_path: Path, stream: FaultyStream, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines without an identity of their own get one that the journal must still know; refused ones count."""
    journal, found = tmp_path / "journal", tmp_path / "found"
    disk = Disk(journal)
    monkeypatch.setattr("os.fsync", disk.sync)
    collector = faulty_collector(stream, Random(1), cut_share=0.0)

    def cut_power_once(path: str, body: bytes) -> Served | None:
        if not found.exists():
            disk.cut_power(found)
        return collector(path, body)

    file = written(tmp_path / "e.ndjson", "no event", *(search(query=str(n)) for n in range(20)))
    with served(cut_power_once) as url:
        before = send(capsys, file, "--to", url, "--journal", str(journal), "--json")
        after = send(capsys, file, "--to", url, "--journal", str(found), "--json")
    assert json.loads(before.out)["delivered"] == json.loads(after.out)["delivered"] == 20
    assert len({(event.client_id, event.n) for event in stream.events()}) == 20
    assert (before.code, after.code) == (1, 1)


def test_without_a_journal_what_is_not_delivered_is_named(
    tmp_path: Path, nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "e.ndjson", search(), search())
    letters = tmp_path / "letters.ndjson"
    done = send(capsys, file, "--to", nobody, "--give-up-after", "0", "--dead-letters", str(letters))
    assert (done.code, done.out) == (
        1,
        "0 events delivered, 2 not delivered (answered 503), ended at line 2\n",
    )
    assert "line 1: it was not answered for in time\nline 2: it was" in done.err
    assert [json.loads(line)["code"] for line in letters.read_text().splitlines()] == ["abandoned"] * 2


def test_the_journal_of_another_file_is_refused(
    tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = str(tmp_path / "journal")
    first, second = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    assert send(capsys, written(first, search(query="a")), "--to", url, "--journal", journal).code == 0
    done = send(capsys, written(second, search(query="b")), "--to", url, "--journal", journal)
    assert done.code == 2
    assert done.err.startswith(f"tapstack: the journal {journal} belongs to another file")


def test_a_file_that_was_cut_is_not_taken_for_one_that_is_done(
    tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--to", url, "--journal", str(tmp_path / "journal")]
    file = tmp_path / "e.ndjson"
    assert send(capsys, written(file, search(), search(), search()), *arguments).code == 0
    done = send(capsys, written(file, search()), *arguments)
    assert done.code == 2
    assert "ends with line 1, and" in done.err
    assert "says that line 3 was sent: it is another file, or was cut" in done.err


def test_a_run_that_is_killed_loses_and_repeats_nothing(
    tmp_path: Path, url: str, nobody: str, stream: FaultyStream, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = str(tmp_path / "journal")
    command = [sys.executable, "-m", "tapstack.cli", "send", "-", "--to", nobody, "--journal", journal]
    lines = [search(query=str(n)) for n in range(100)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write("".join(f"{line}\n" for line in lines[:60]).encode())
        while not list((tmp_path / "journal").glob("*.segment")):
            pass
        while max(path.stat().st_size for path in (tmp_path / "journal").glob("*.segment")) < 2_000:
            os.sched_yield()
        process.send_signal(signal.SIGKILL)
    done = send(capsys, written(tmp_path / "e.ndjson", *lines), "--to", url, "--journal", journal)
    assert done.code == 0
    found = stream.events()
    assert {event.query for event in found} == {str(n) for n in range(100)}
    assert len({(event.client_id, event.n) for event in found}) == 100


def test_a_later_run_does_not_pass_over_what_an_earlier_one_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not what the collector refused, nor what is no event: it goes on behind both."""

    def refuse(path: str, body: bytes) -> Served:
        results = [
            {"status": "invalid", "reason": "expected another one"} if "query" in event else {"status": "ok"}
            for event in json.loads(body)
        ]
        return Served(200, json.dumps({"results": results}).encode())

    journal = tmp_path / "journal"
    file = written(tmp_path / "e.ndjson", "[1]", search(query="a"), search(), '{"event_type": "sea')
    with served(refuse) as address:
        arguments = [file, "--to", address, "--journal", str(journal)]
        assert send(capsys, *arguments).out == "1 events delivered, 3 refused\n"
        written(Path(file), "[1]", search(query="a"), search(), search(), search())  # line 4 is whole by now
        done = send(capsys, *arguments, "--json")
        before = f"2 refused by earlier runs (see {journal}/refused.ndjson, and remove it)"
        assert (done.code, done.err.splitlines()[-1]) == (1, f"2 events delivered, {before}")
        assert (json.loads(done.out)["refused"], json.loads(done.out)["refused_before"]) == (0, 2)
        named = [json.loads(line) for line in (journal / "refused.ndjson").read_text().splitlines()]
        assert sorted(each["line"] for each in named) == [1, 2]
        (journal / "refused.ndjson").unlink()
        assert (done := send(capsys, *arguments)).code == 0
        assert done.out == "0 events delivered\n"


def test_a_damaged_journal_is_not_taken_for_a_delivered_one(
    tmp_path: Path, url: str, nobody: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines that it held are behind the one that it goes on after."""
    journal = tmp_path / "journal"
    file = written(tmp_path / "e.ndjson", search(query="a"), search(query="b"))
    assert send(capsys, file, "--to", nobody, "--journal", str(journal), "--give-up-after", "0").code == 1
    (segment,) = journal.glob("*.segment")
    segment.write_bytes(segment.read_bytes().replace(b'"a"', b'"?"'))
    kept = f"events of an earlier run could not be read (see {journal}/*.damaged, and remove it)"
    assert (done := send(capsys, file, "--to", url, "--journal", str(journal))).code == 1
    assert done.out.rstrip().endswith(kept)
    assert send(capsys, file, "--to", url, "--journal", str(journal)).code == 1


def test_ctrl_c_ends_it_and_says_how_to_go_on(tmp_path: Path, nobody: str) -> None:
    file = written(tmp_path / "e.ndjson", search())
    journal = tmp_path / "journal"
    command = [sys.executable, "-m", "tapstack.cli", "send", file, "--to", nobody, "--journal", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "1 lines read, 0 events delivered, 1 on their way" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "1 not delivered (answered 503) and kept in" in out
    assert err == ""


RECORDING = "user_id,item_id,timestamp\nann,i-1,2024-01-05T10:00:00Z\nbob,i-2,2024-01-05T10:01:00Z\n"


def test_a_recording_is_sent_as_the_same_events_again(
    tmp_path: Path, url: str, nobody: str, stream: FaultyStream, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "views.csv"
    file.write_text(RECORDING)
    arguments = [str(file), "--recording", "--journal", str(tmp_path / "journal")]
    done = send(capsys, *arguments, "--to", nobody, "--give-up-after", "0")
    assert done.code == 1
    done = send(capsys, *arguments, "--to", url)
    assert (done.code, done.out) == (0, "2 events delivered\n")
    other = tmp_path / "other.csv"
    other.write_text(RECORDING.replace("ann", "eve"))
    done = send(capsys, str(other), *arguments[1:], "--to", url)
    assert done.code == 2
    assert "belongs to another file" in done.err
    assert {(event.user_id, event.items[0].item_id) for event in stream.events()} == {
        ("ann", "i-1"), ("bob", "i-2"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["absent.ndjson"], "File 'absent.ndjson' does not exist", id="missing file"),
        pytest.param(
            ["-", "--to", "localhost:80"], "--to: expected http(s)://host[:port], got 'loc", id="url"
        ),
        pytest.param(
            ["-", "--to", "http://a", "--stream", "s"], "--to and --stream exclude each other", id="both"
        ),
        pytest.param(
            ["-", "--dead-letters", "no/x"], "expected a file in a folder that can be written", id="folder"
        ),
        pytest.param(["-", "--write-key", "a\nb"], "expected printable ASCII", id="a key in two lines"),
        pytest.param(["-", "--stream", "s"], "--stream: AWS_REGION is not set", id="region"),
        pytest.param(["-", "--give-up-after", "-1"], "-1 is not in the range", id="no patience"),
        pytest.param(
            ["-", "--recording", "--journal", "j"], "name a file", id="a recording on standard input"
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    done = send(capsys, *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "--stream: AWS_ACCESS_KEY_ID is not set"),
        ("a b", "--stream: AWS_ACCESS_KEY_ID: expected printable ASCII without spaces"),
    ],
)
def test_credentials_that_are_none_are_said_before_a_line_is_read(
    key: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    file = written(tmp_path / "e.ndjson", search())
    done = send(capsys, file, "--stream", "s", "--give-up-after", "0")
    assert (done.code, done.err) == (2, f"tapstack: {message}\n")


def test_lines_are_read_in_bounded_memory() -> None:
    class Endless(io.RawIOBase):
        """One line of a gigabyte."""

        left = 2**30 // LINE_BYTES_MAX

        def readline(self, size: int | None = -1, /) -> bytes:
            self.left -= 1
            return b"x" * LINE_BYTES_MAX if self.left > 0 else b""

    (line,) = lines_of(Endless())  # type: ignore[arg-type]
    assert line.number == 1
    assert line.text == b""
