"""Campaigns, shrinking, and the command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from tapstack.cli.simulate import command
from tapstack.errors import UsageError
from tapstack_simulation import Outcome, Plan, campaign, run_simulations, simulate
from tapstack_simulation.command import progress_line
from tapstack_simulation.faults import FAULTS, UNSUPPORTED
from tapstack_simulation.shrink import shrink

# A small run takes a twentieth of the time, and what a campaign does with it is the same.
SMALL = Plan(seed=0, devices=(0, 1), events_max=3)
FEW = ["--devices", "0,1", "--events-max", "3"]


def small(seed: int) -> Plan:
    return replace(SMALL, seed=seed)


def test_crowds_fill_transactions() -> None:
    # A count of rows that is off by one shows in these alone, and would stop a shard.
    outcome = simulate(Plan(seed=3))
    assert outcome.violation is None
    assert outcome.full_transactions >= 1


def test_a_campaign_adds_up_its_runs() -> None:
    result = run_simulations(4, first_seed=3, template=SMALL)
    outcomes = [simulate(small(seed)) for seed in range(3, 7)]
    assert result.seeds == 4
    assert result.violations == 0
    assert result.events == sum(outcome.events for outcome in outcomes)
    assert result.full_transactions == sum(outcome.full_transactions for outcome in outcomes)
    assert sum(result.faults.values()) == sum(sum(outcome.faults.values()) for outcome in outcomes)
    assert set(result.unreached) == FAULTS.keys() - UNSUPPORTED.keys() - result.faults.keys()


def test_processes_change_nothing() -> None:
    alone, together = run_simulations(50, template=SMALL), run_simulations(50, jobs=2, template=SMALL)
    assert (alone.events, alone.faults, alone.commits) == (together.events, together.faults, together.commits)


def test_the_command_prints_one_line_of_json() -> None:
    done = CliRunner().invoke(command, [*FEW, "--seeds", "2", "--jobs", "1", "--json"])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.output)
    assert printed["seeds"] == 2
    assert printed["violations"] == 0
    assert {"events", "faults", "unreached", "wall_s", "unsupported"} <= printed.keys()


def test_the_command_shows_every_fault_and_what_is_not_supported() -> None:
    done = CliRunner().invoke(command, [*FEW, "--seeds", "1", "--first-seed", "5"])
    assert all(f" {name} " in done.output for name in FAULTS)
    printed = " ".join(done.output.split())
    assert all(text in printed for text in [*FAULTS.values(), *UNSUPPORTED.values()] if text not in SILENT)
    assert all(len(line) < 80 for line in done.output.splitlines())


SILENT = {FAULTS[name] for name in UNSUPPORTED}  # why there is none is said instead


def test_progress_is_shown_before_the_first_seed_is_done_and_then_with_the_time_left() -> None:
    done = CliRunner().invoke(command, [*FEW, "--seeds", "2", "--jobs", "1"])
    assert done.stderr.splitlines()[0] == "0 of 2 seeds, 0 %, 0 violations"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("seeds", "wall_s", "line"),
    [
        (0, 0.0, "0 of 10,000 seeds, 0 %, 0 violations"),
        (2_500, 250.0, "2,500 of 10,000 seeds, 25 %, 10.0/s, 0:12:30 left, 0 violations"),
        (10_000, 1_000.0, "10,000 of 10,000 seeds, 100 %, 10.0/s, 0:00:00 left, 0 violations"),
    ],
)
def test_a_line_of_progress(seeds: int, wall_s: float, line: str) -> None:
    assert progress_line(campaign.CampaignResult(seeds=seeds, wall_s=wall_s), 10_000) == line
    assert len(progress_line(campaign.CampaignResult(seeds=9, wall_s=9e3, violations=9), 999_999)) < 80


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_is_reported_at_once_and_to_the_end(jobs: int) -> None:
    seen: list[int] = []
    run_simulations(2, jobs=jobs, template=SMALL, progress=lambda result: seen.append(result.seeds))
    assert (seen[0], seen[-1]) == (0, 2)
    assert seen == sorted(seen)


def test_json_is_one_line_and_nothing_else() -> None:
    done = CliRunner().invoke(command, [*FEW, "--seeds", "1", "--json"])
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        pytest.param(lambda running: os.killpg(running.pid, signal.SIGINT), 130, id="Ctrl-C"),
        pytest.param(lambda running: running.terminate(), 143, id="SIGTERM"),
    ],
)
def test_a_signal_stops_every_process_at_once(
    stop: Callable[[subprocess.Popen[bytes]], None], code: int
) -> None:
    command = [sys.executable, "-m", "tapstack.cli", "simulate", "--seeds", "100000", "--jobs", "2", *FEW]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith(b"0 of 100,000 seeds, ")
        while running.stdout.readline().startswith(b"0 of"):
            pass  # until both workers are at work
        stop(running)
        running.communicate(timeout=30)  # ends when nobody holds the output any more: no worker is left
    assert running.returncode == code


BROKEN = "invariant 3: made up"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third seed fails."""

    def run(plan: Plan) -> Outcome:
        outcome = simulate(plan)
        outcome.violation = None if plan.seed % 3 else BROKEN
        return outcome

    monkeypatch.setattr(campaign, "simulate", run)


def test_failures_come_with_what_it_takes_to_see_them_again(failing: None) -> None:
    done = CliRunner().invoke(command, [*FEW, "--seeds", "7", "--first-seed", "2", "--json", "--jobs", "1"])
    assert done.exit_code == 1
    printed = json.loads(done.output)
    assert printed["violations"] == 2
    assert [failure["seed"] for failure in printed["failures"]] == [3, 6]
    assert printed["failures"][0] == {
        "seed": 3,
        "violation": BROKEN,
        "command": small(3).command(),
        "schedule": simulate(small(3)).decisions,
    }


def test_the_first_failure_is_that_of_the_first_seed(failing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def backwards(plans: list[Plan], jobs: int) -> Iterator[list[Outcome]]:
        return ([campaign.simulate(plan)] for plan in reversed(plans))

    monkeypatch.setattr(campaign, "_blocks", backwards)
    assert [failure.seed for failure in run_simulations(8, template=SMALL).failures] == [0, 3, 6]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--devices", "99"], "--devices: no run had device 99"),
        (["--devices", "98,99", "--trace"], "--devices: no run had device 98, device 99"),
        (["--only", "d1#999:C3"], "--only: no run had d1#999:C3"),
    ],
)
def test_what_matches_nothing_is_a_mistake(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(command, ["--seeds", "1", "--first-seed", "5", *arguments])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == said


def test_what_matches_in_part_is_run_and_the_rest_named() -> None:
    drawn = next(name for name in simulate(Plan(seed=12)).decisions if re.match(r"d\d", name))
    device = drawn[1 : drawn.index("#")]
    arguments = ["--seeds", "1", "--first-seed", "12", "--devices", f"{device},99"]
    arguments += ["--only", f"{drawn},d1#999:C3"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert "--devices: no run had device 99\n" in done.stderr
    assert "--only: no run had d1#999:C3\n" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "foo"], "--only: 'foo' is no decision of a schedule; expected such as d6#1:C3"),
        (["--trace", "--seeds", "2"], "--trace: expected --seeds 1"),
        (["--trace", "--json"], "--trace: not together with --json"),
        (["--devices", "a"], "--devices: expected numbers with commas, got 'a'"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith(message)


def test_the_trace_of_a_seed_ends_with_its_hash() -> None:
    done = CliRunner().invoke(command, [*FEW, "--seeds", "1", "--first-seed", "5", "--trace"])
    outcome = simulate(small(5))
    *_, said = done.output.splitlines()
    assert outcome.trace in said
    assert (
        "\n".join([f"{len(outcome.decisions)} decisions:", *(f"  {d}" for d in outcome.decisions)])
        in done.output
    )


def test_what_a_plan_takes_away_does_not_happen() -> None:
    whole = simulate(Plan(seed=12))
    none = simulate(Plan(seed=12, only=frozenset(), devices=(0, 1), events_max=3))
    assert whole.decisions
    assert none.decisions == []
    assert none.events <= 6


def test_shrinking_keeps_what_makes_a_run_fail_and_drops_the_rest() -> None:
    plan = Plan(seed=12, devices=(0, 1))
    culprits = set(simulate(plan).decisions[3:8:4])
    assert len(culprits) == 2

    def run(plan: Plan) -> Outcome:
        outcome = simulate(plan)
        if culprits <= set(outcome.decisions):
            outcome.violation = "invariant 3: made up"
        return outcome

    shrunk = shrink(plan, run(plan), run=run)
    assert culprits <= set(shrunk.outcome.decisions)
    assert len(shrunk.outcome.decisions) <= len(culprits) + 2
    assert "--only" in shrunk.plan.command()
    assert shrunk.outcome.violation is not None


@pytest.mark.parametrize("culprit", [0, 5, 42])
def test_shrinking_finds_the_device_of_a_crowd_that_makes_a_run_fail(culprit: int) -> None:
    def run(plan: Plan) -> Outcome:
        devices = list(plan.devices or range(60))
        violation = "invariant 3: made up" if culprit in devices else None
        return Outcome(seed=plan.seed, trace="", violation=violation, devices=devices)

    plan = Plan(seed=1)
    shrunk = shrink(plan, run(plan), run=run)
    assert shrunk.plan.devices == (culprit,)
