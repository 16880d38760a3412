"""A fault is counted once it made a difference, not when it was decided."""

from __future__ import annotations

import pytest

from tapstack_simulation import Plan, faults, simulate
from tapstack_simulation.mapping import STREAM_ARN
from tapstack_simulation.run import _Simulation

OF_ANSWERS = ("E2", "E3", "E7", "E8", "E9", "E10")


def test_an_invocation_has_one_answer_and_so_one_fault_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "RATES", dict.fromkeys(OF_ANSWERS, (0.9, 0.9)))
    reached: set[str] = set()
    for seed in range(16):
        outcome = simulate(Plan(seed=seed, profile="storm"))
        assert outcome.violation is None
        reached |= outcome.faults.keys()
        assert sum(outcome.faults.get(name, 0) for name in OF_ANSWERS) <= outcome.invocations
    assert reached >= {"E2", "E8", "E10"}


def test_a_mapping_is_disabled_once() -> None:
    simulation = _Simulation(Plan(seed=0, profile="calm"), None)
    (mapping,) = simulation.mappings.all
    assert mapping.disable()
    assert not mapping.disable()
    simulation.kernel.close()


def test_an_answer_that_nobody_waits_for_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zombie's answer comes after the mapping was told that it failed."""
    monkeypatch.setattr(faults, "RATES", {"E3": (1, 1), "E8": (1, 1)})
    outcomes = [simulate(Plan(seed=seed, profile="storm")) for seed in range(4)]
    decided = sum(":E8" in decision for outcome in outcomes for decision in outcome.decisions)
    abandoned = sum(outcome.faults.get("E3", 0) for outcome in outcomes)
    assert abandoned
    assert sum(outcome.faults.get("E8", 0) for outcome in outcomes) == decided - abandoned


def test_a_resharding_counts_if_aws_allows_it_and_something_changes() -> None:
    simulation = _Simulation(Plan(seed=0, profile="calm"), None)
    aws = simulation.aws
    scale = {"TargetShardCount": len(aws.shard_ids()), "ScalingType": "UNIFORM_SCALING"}
    twice = {**scale, "TargetShardCount": 2 * len(aws.shard_ids())}
    on_demand = {"StreamARN": STREAM_ARN, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
    assert not aws.reshard("UpdateShardCount", **scale)
    assert aws.reshard("UpdateStreamMode", **on_demand)
    assert not aws.reshard("UpdateStreamMode", **on_demand)
    assert not aws.reshard("UpdateShardCount", **twice)
    assert aws.reshard("UpdateStreamMode", **on_demand | {"StreamModeDetails": {"StreamMode": "PROVISIONED"}})
    assert aws.reshard("UpdateShardCount", **twice)
    simulation.kernel.close()
