"""`tapstack local` as a process: what it prints, how it ends, and that nothing stays behind.

Shown on the embedded cloud only.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest

from tapstack_local.run import EVENTS_PER_MIN, shop
from tapstack_local.run_progress import verdict

pytestmark = [pytest.mark.emulator, pytest.mark.xdist_group("embedded_cloud")]

KEYS = {
    "sent", "accepted", "applied", "duplicates", "late", "quarantined", "lost", "overcounted", "events_per_s",
    "visible_ms", "wall_s", "seed", "shards", "faults", "invalid",
}  # fmt: skip
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
    """Tell the processes below one."""
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
    assert summary.keys() >= KEYS
    assert summary["visible_ms"].keys() == {"p50", "p99", "max"}
    assert (summary["sent"], summary["lost"], summary["overcounted"]) == (1_500, 0, 0)
    assert summary["accepted"] == summary["applied"] + summary["duplicates"] + summary["late"]
    assert summary["accepted"] + summary["invalid"] == 1_500
    assert (summary["seed"], summary["shards"], summary["faults"]) == (3, 2, {})
    assert "Every event was counted exactly once" in err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            "Every event was counted exactly once: 5 applied, 1 duplicates recognised, 0 lost, ",
        ),
        ({"late": 2}, "Every event was counted exactly once or set aside as late: 5 applied, "),
        ({"quarantined": 2}, "Every event was counted exactly once: 5 applied, "),
        ({"lost": 1, "quarantined": 1}, "NOT exact: 1 lost, 0 overcounted (seed 7)"),
    ],
    ids=["counted", "late", "quarantined", "lost"],
)
def test_the_verdict_claims_no_more_than_was_found(changes, said):
    summary = {"applied": 5, "duplicates": 1, "late": 0, "quarantined": 0, "lost": 0, "overcounted": 0}
    line = verdict(summary | {"unanswered": 0, "seed": 7} | changes)
    assert line.startswith(said)
    assert ("2 stored as late" in line) == ("late" in changes)
    assert ("2 in quarantine" in line) == (changes.get("quarantined") == 2)


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
    assert summary["sent"] < 100_000
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
    _, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, err) == (130, "")
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


def test_without_exit_the_api_stays_up_until_ctrl_c():
    process = start("--events", "300", "--rate", "max", "--shards", "1", "--seed", "1")
    line = wait_for_line(process.stdout, "The API stays up at ")
    url = line.split()[5]
    examples = [wait_for_line(process.stdout, "  curl ") for _ in range(3)]
    assert all(url in example for example in examples)

    async def ask():
        async with aiohttp.ClientSession() as session:
            for example in examples:
                address = example.split(" -s ")[1].strip().strip("'")
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
