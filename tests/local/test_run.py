"""`tapstack local` as a process: what it prints, how it ends, and that nothing stays behind.

Shown on the embedded cloud only.
"""

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from tapstack.cli._main import call
from tapstack.core.sources import Key, Source, Sources, hash_of, write_sources
from tapstack_local import run as run_module
from tapstack_local.cloud import EmbeddedCloud
from tapstack_local.cloud_functions import embedded
from tapstack_local.reconciliation.tables import Reader
from tapstack_local.run import Options, shop
from tapstack_local.traffic import EVENTS_PER_MIN
from tapstack_local.verdict import Summary

pytestmark = pytest.mark.emulator

KEYS = {*Summary.__struct_fields__, "interrupted", "verdict", "exit_code"}
TIMEOUT_S = 120
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="this system does not list processes under /proc"
)


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tapstack.cli", "local", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_line(stream, beginning):
    lines = []
    for line in stream:
        lines.append(line)
        if line.startswith(beginning):
            return line
    raise AssertionError(f"no line began with {beginning!r}: {lines}")


def descendants(pid):
    """Return the processes below one."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def test_json_is_exactly_one_object_and_everything_else_goes_to_standard_error():
    process = start("--events", "1500", "--rate", "max", "--seed", "3", "--shards", "2", "--exit", "--json")
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    [line] = out.splitlines()
    summary = json.loads(line)
    assert summary.keys() == KEYS
    assert summary["visible_ms"].keys() == {"p50", "p99", "max"}
    assert (summary["sent"], summary["lost"], summary["overcounted"]) == (1_500, 0, 0)
    assert summary["accepted"] == summary["applied"] + summary["duplicates"] + summary["late"]
    assert summary["accepted"] + summary["invalid"] == 1_500
    assert (summary["seed"], summary["shards"], summary["faults"]) == (3, 2, {})
    assert "Every event was counted exactly once" in err


@needs_proc
def test_ctrl_c_brings_what_was_begun_to_its_end_and_leaves_no_process_behind():
    process = start("--events", "100000", "--rate", "6000", "--seed", "3", "--shards", "1", "--json")
    wait_for_line(process.stderr, "sending")
    children = descendants(process.pid)
    assert len(children) >= 4  # the emulator and three functions
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, err
    summary = json.loads(out)
    assert 0 < summary["sent"] < 100_000
    assert summary["unsent"] == 100_000 - summary["sent"]
    assert summary["verdict"].startswith(f"Interrupted; {summary['sent']:,} of 100,000 events sent, ")
    assert summary["exit_code"] == 130
    assert (summary["lost"], summary["overcounted"], summary["interrupted"]) == (0, 0, True)
    assert "Traceback" not in err
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


@needs_proc
def test_a_second_ctrl_c_ends_at_once():
    process = start("--events", "100000", "--rate", "6000", "--shards", "1")
    wait_for_line(process.stdout, "sending")
    children = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    wait_for_line(process.stdout, "Stopping")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, err) == (130, "")
    assert re.match(
        r"Interrupted; [\d,]+ of 100,000 events sent, [\d,]+ not sent; nothing was compared$", out
    )
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


@needs_proc
@pytest.mark.parametrize(
    ("number", "code", "beginning"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")],
)
def test_while_the_cloud_starts_one_signal_ends_it_with_one_object(number, code, beginning):
    process = start("--shards", "1", "--json")
    wait_for_line(process.stderr, "seed")
    while not (children := descendants(process.pid)):
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == code, err
    summary = json.loads(out)
    assert (summary["sent"], summary["unsent"], summary["reconciled"]) == (0, 10_000, False)
    said = f"{beginning}; 0 of 10,000 events sent, 10,000 not sent; nothing was compared"
    assert (summary["verdict"], summary["exit_code"]) == (said, code)
    assert "Traceback" not in err
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


@needs_proc
@pytest.mark.parametrize("part", ["ministack", "tapstack.entrypoints.consumer"])
def test_the_death_of_a_part_ends_the_run_at_once_and_names_it(part):
    process = start("--events", "100000", "--rate", "6000", "--shards", "1", "--json", "--exit")
    wait_for_line(process.stderr, "sending")
    children = descendants(process.pid)
    victim = next(pid for pid in children if part in Path(f"/proc/{pid}/cmdline").read_text())
    os.kill(victim, signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1, err
    summary = json.loads(out)
    assert f"(process {victim}) was ended by SIGKILL" in summary["error"]
    assert summary["verdict"].startswith(f"Not finished: {summary['error']}; ")
    assert (summary["ending"], summary["reconciled"], summary["lost"]) == ("failed", False, None)
    assert "Traceback" not in err
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


@needs_proc
def test_the_death_of_a_part_while_the_api_stays_up_is_told_and_ends_it():
    process = start("--events", "50", "--rate", "max", "--shards", "1", "--quiet")
    wait_for_line(process.stderr, "The API stays up")
    victim = descendants(process.pid)[0]
    os.kill(victim, signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert out.startswith("Every event was counted exactly once")
    assert out.count("\n") == 1
    assert f"(process {victim}) was ended by SIGKILL\n" in err


class StuckWhileDraining(EmbeddedCloud):
    async def drain(self):
        await interrupt_and_wait()


class StuckWhileReading(Reader):
    async def read_all(self, *_):
        await interrupt_and_wait()


async def interrupt_and_wait():
    for _ in range(interrupt_and_wait.times):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.01)
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("name", "stuck"), [("EmbeddedCloud", StuckWhileDraining), ("Reader", StuckWhileReading)]
)
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_what_does_not_end_by_itself(name, stuck, times, monkeypatch, capsys):
    monkeypatch.setattr(run_module, name, stuck)
    monkeypatch.setattr(run_module, "END_WITHIN_S", 0.5)
    monkeypatch.setattr(interrupt_and_wait, "times", times, raising=False)
    options = Options(events=50, events_per_min=None, shards=1, port=0, leave=True, json=True)
    assert run_module.run(options) == 130
    summary = json.loads(capsys.readouterr().out)
    error = "what was begun did not end within 0 s" if times == 1 else ""
    assert (summary["error"], summary["ending"]) == (error, "interrupted")
    assert (summary["sent"], summary["unsent"], summary["reconciled"]) == (50, 0, False)
    assert summary["verdict"].endswith("50 of 50 events sent, 0 not sent; nothing was compared")


def test_ctrl_c_while_a_recording_is_read_ends_with_one_object(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "read_recording", interrupted)
    assert run_module.run(Options(input=Path("x.csv"), port=0, json=True)) == 130
    summary = json.loads(capsys.readouterr().out)
    assert (summary["ending"], summary["sent"], summary["reconciled"]) == ("interrupted", 0, False)


def test_rows_that_the_collector_refuses_make_the_run_red(tmp_path, monkeypatch, capsys):
    recording = tmp_path / "events.jsonl"
    event = {"event_type": "search", "user_id": "u", "query": "q", "properties": {"note": "x" * 1_000}}
    recording.write_text(f"{json.dumps(event)}\n" * 40)
    blueprint = embedded(shards=1, lanes=1)
    small = [
        replace(each, environment={**each.environment, "TAPSTACK_EVENT_BYTES_MAX": "1024"})
        if "TAPSTACK_EVENT_BYTES_MAX" in each.environment
        else each
        for each in blueprint.functions
    ]
    monkeypatch.setattr(
        run_module, "applied", lambda *_: nullcontext(replace(blueprint, functions=tuple(small)))
    )
    options = Options(input=recording, events_per_min=None, port=0, leave=True, json=True)
    assert run_module.run(options) == 1
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert (summary["sent"], summary["refused"], summary["accepted"], summary["lost"]) == (40, 40, 0, 0)
    assert sum(failure["count"] for failure in summary["failures"]) == 40
    assert summary["failures"][0]["examples"][0] == "line 1"
    assert "exactly once" not in out + err
    assert summary["verdict"].startswith(
        "NOT exact: 40 valid events refused (expected at most 1024 bytes, got "
    )


def test_without_exit_the_api_stays_up_until_ctrl_c():
    process = start("--events", "300", "--rate", "max", "--shards", "1", "--seed", "1")
    line = wait_for_line(process.stdout, "The API stays up at ")
    url = line.split()[5]
    examples = [wait_for_line(process.stdout, "  curl ") for _ in range(3)]
    assert all(url in example for example in examples)

    async def ask():
        async with aiohttp.ClientSession() as session:
            for example in examples:
                address = shlex.split(example)[-1]
                async with session.get(address) as answer:
                    assert answer.status == 200, address

    asyncio.run(ask())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("rate", [None, 1_000.0, EVENTS_PER_MIN, 1_000_000.0])
def test_events_are_up_to_date_when_they_are_sent(rate):
    now_ms = 1_800_000_000_000
    requests = list(shop(1, 3_000, rate, now_ms))
    sent_ms = 0 if rate is None else 3_000 / rate * 60_000
    times = [event["occurred_at"] for r in requests for event in r.events if isinstance(event, dict)]
    latest_ms = max(datetime.fromisoformat(time).timestamp() * 1_000 for time in times)
    assert latest_ms == pytest.approx(now_ms + sent_ms, abs=30_000)


def test_it_needs_no_home_and_no_terminal(tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [
        sys.executable,
        "-m",
        "tapstack.cli",
        "local",
        "--port",
        "0",
        "--events",
        "50",
        "--rate",
        "max",
    ]
    done = subprocess.run(
        [*command, "--shards", "1", "--exit", "--quiet"],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Every event was counted exactly once")
    assert list(tmp_path.iterdir()) == []


def test_a_source_sends_with_its_key_and_what_is_counted_is_counted_by_source(tmp_path):
    path, key, now = tmp_path / "sources.json", "a-write-key", datetime.now(UTC)
    shop_source = Source(id="shop", keys=(Key(hash=hash_of(key), created_at=now),))
    path.write_bytes(write_sources(Sources(sources=(shop_source,))))
    process = start(
        "--events", "200", "--rate", "max", "--exit", "--json", "--sources", str(path), "--write-key", key
    )
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["sources"] == {"shop": summary["applied"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--write-key", "k"], "--write-key needs --sources", id="no sources"),
        pytest.param(["--sources", "FILE"], "expected a live key of", id="no key"),
        pytest.param(
            ["--sources", "FILE", "--write-key", "other"], "expected a live key of", id="another key"
        ),
        pytest.param(["--sources", "NONE"], "does not exist", id="no file"),
    ],
)
def test_sources_that_the_run_cannot_send_by_are_refused_before_anything_starts(
    tmp_path, capsys, arguments, message
):
    path = tmp_path / "sources.json"
    path.write_bytes(write_sources(Sources()))
    named = [{"FILE": str(path), "NONE": str(tmp_path / "none")}.get(each, each) for each in arguments]
    assert call(["local", "--port", "0", *named]) == 2
    assert message in capsys.readouterr().err
