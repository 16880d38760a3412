"""How often each fault occurs in the embedded cloud: the presets behind ``--faults``.

The identifiers are those of `tapstack_simulation.faults.FAULTS`: C is what happens
to producers, S to the stream, E to invocations, D to the stores, O to operators.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from tapstack_emulator.faults.policy import Fault, FaultPolicy, RandomFaults
from tapstack_emulator.load_balancer.server import RequestFault
from tapstack_local.faults.outages import Outages

Preset = Literal["none", "some", "many"]
Invoked = Literal["consumer", "projector", "drainer"]
InvokeFaultName = Literal["crash", "timeout", "zombie", "lost_response", "throttled", "duplicate"]

# How long after its start an invocation is hit: a consumer's batch takes some tens of milliseconds.
INVOKE_FAULT_AFTER_S_MAX = 0.1
DELAY_S_MAX = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Probabilities, each of one call, request or invocation.

    Parameters
    ----------
    put
        Of calls of the collector to Kinesis.
    read
        Of calls of the event source mapping to Kinesis.
    dynamodb, s3
        Of calls to the stores.
    put_outage, s3_outage
        That a call to Kinesis, or to S3, begins an outage; see `outages`.
    delay
        That a call to a store is slow.
    invoke
        Of the consumer's, the projector's and the drainer's invocations.
    request
        Of requests through the load balancer.
    reshard_every_records
        About how many records pass between two changes of the stream's shards; 0 for none. No probability.
    invalid_every_records
        About how many records pass between two from another producer, which are not events; 0 for none.
    """

    put: Mapping[Fault, float] = field(default_factory=dict)
    read: Mapping[Fault, float] = field(default_factory=dict)
    dynamodb: Mapping[Fault, float] = field(default_factory=dict)
    s3: Mapping[Fault, float] = field(default_factory=dict)
    put_outage: float = 0.0
    s3_outage: float = 0.0
    delay: float = 0.0
    invoke: Mapping[InvokeFaultName, float] = field(default_factory=dict)
    request: Mapping[RequestFault, float] = field(default_factory=dict)
    reshard_every_records: int = 0
    invalid_every_records: int = 0

    @property
    def quiet(self) -> bool:
        """Whether no fault is injected; resharding is not a fault."""
        return not any((self.put, self.read, self.dynamodb, self.s3, self.delay, self.invoke, self.request))


MANY = FaultPlan(
    put={
        "partial_put": 0.06,
        "throttle": 0.02,
        "internal_error": 0.02,
        "internal_error_applied": 0.01,
        "lost_request": 0.01,
        "lost_response": 0.03,
        "crash_before": 0.005,
        "crash_after": 0.005,
    },
    read={"throttle": 0.02, "internal_error": 0.01, "expired_iterator": 0.01, "empty_page": 0.02},
    dynamodb={
        "throttle": 0.02,
        "throttle_api": 0.02,
        "throttle_transaction": 0.02,
        "internal_error": 0.02,
        "internal_error_applied": 0.02,
        "lost_request": 0.01,
        "lost_response": 0.03,
        "transaction_conflict": 0.03,
        "unprocessed": 0.08,
        "crash_before": 0.01,
        "crash_after": 0.01,
    },
    s3={
        "throttle": 0.02,
        "internal_error": 0.02,
        "internal_error_applied": 0.02,
        "lost_response": 0.03,
        "crash_before": 0.01,
        "crash_after": 0.01,
    },
    put_outage=0.01,
    s3_outage=0.004,
    delay=0.02,
    invoke={
        "crash": 0.02,
        "timeout": 0.02,
        "zombie": 0.03,
        "lost_response": 0.03,
        "throttled": 0.03,
        "duplicate": 0.05,
    },
    request={
        "alb_dropped_before": 0.01,
        "alb_dropped_after": 0.01,
        "alb_502_before": 0.01,
        "alb_502_after": 0.01,
    },
    reshard_every_records=1_500,
    invalid_every_records=500,
)


def _scaled(plan: FaultPlan, by: float) -> FaultPlan:
    return FaultPlan(
        put={name: weight * by for name, weight in plan.put.items()},
        read={name: weight * by for name, weight in plan.read.items()},
        dynamodb={name: weight * by for name, weight in plan.dynamodb.items()},
        s3={name: weight * by for name, weight in plan.s3.items()},
        put_outage=plan.put_outage * by,
        s3_outage=plan.s3_outage * by,
        delay=plan.delay * by,
        invoke={name: weight * by for name, weight in plan.invoke.items()},
        request={name: weight * by for name, weight in plan.request.items()},
        reshard_every_records=round(plan.reshard_every_records / by),
        invalid_every_records=round(plan.invalid_every_records / by),
    )


PRESETS: Mapping[Preset, FaultPlan] = {"none": FaultPlan(), "some": _scaled(MANY, 0.2), "many": MANY}

_STORE_IDS: Mapping[str, str] = {
    "throttle": "D1",
    "throttle_api": "D1",
    "throttle_transaction": "D1",
    "internal_error": "D2",
    "internal_error_applied": "D2",
    "lost_request": "D3",
    "lost_response": "D3",
    "delay": "D3",
    "transaction_conflict": "D4",
    "unprocessed": "D7",
    "stale_read": "D8",
    "access_denied": "O6",
    "crash_before": "E1",
    "crash_after": "E1",
}
_PUT_IDS: Mapping[str, str] = {"crash_before": "C2", "crash_after": "C2"}
_INVOKE_IDS: Mapping[str, str] = {
    "crash": "E1",
    "timeout": "E1",
    "lost_response": "E2",
    "zombie": "E3",
    "duplicate": "E4",
    "throttled": "E10",
}


def fault_name(place: str, fault: str) -> str:
    """Name a fault for people: its row in the table, where it struck, what it was.

    Parameters
    ----------
    place
        ``put``, ``read``, ``dynamodb``, ``s3``, ``consumer``, ``projector``, ``drainer`` or ``alb``.
    fault
        Such as ``lost_response``.

    Returns
    -------
    str
        Such as ``D3 dynamodb lost_response``.
    """
    ids: Mapping[str, Mapping[str, str]] = {
        "put": _PUT_IDS,
        "dynamodb": _STORE_IDS,
        "s3": _STORE_IDS,
        "consumer": _INVOKE_IDS,
        "projector": _INVOKE_IDS,
        "drainer": _INVOKE_IDS,
    }
    default = {"put": "C1", "read": "E16", "alb": "C2"}.get(place, "-")
    return f"{ids.get(place, {}).get(fault, default)} {place} {fault}"


class FaultDice:
    """Draws what happens to invocations and requests from a seed, and counts.

    Parameters
    ----------
    plan
        How often.
    seed
        The same seed and the same order of events give the same faults.
    """

    def __init__(self, plan: FaultPlan, seed: int) -> None:
        self.plan = plan
        self.counts: Counter[str] = Counter()
        self.outages: dict[str, Outages] = {}  # by place
        self._seed = seed
        self._invoke: dict[Invoked, random.Random] = {
            place: random.Random(f"invoke {place} {seed}")  # noqa: S311 - reproducible, not secret
            for place in get_args(Invoked)
        }
        self._request = random.Random(f"request {seed}")  # noqa: S311
        self._delay = random.Random(f"delay {seed}")  # noqa: S311

    def policy(self, place: Literal["put", "read", "dynamodb", "s3"]) -> FaultPolicy:
        """Make the policy for calls at a place."""
        weights: dict[str, Mapping[Fault, float]] = {
            "put": self.plan.put,
            "read": self.plan.read,
            "dynamodb": self.plan.dynamodb,
            "s3": self.plan.s3,
        }
        policy = RandomFaults(f"{place} {self._seed}", weights[place])
        if place in {"read", "dynamodb"}:
            return policy
        rate = self.plan.put_outage if place == "put" else self.plan.s3_outage
        self.outages[place] = Outages(policy, "internal_error", rate, f"{place} outages {self._seed}")
        return self.outages[place]

    def invocation(self, place: Invoked) -> InvokeFaultName | None:
        """Draw what happens to an invocation."""
        drawn = self._invoke[place].random()
        for name, weight in self.plan.invoke.items():
            drawn -= weight
            if drawn < 0:
                self.counts[fault_name(place, name)] += 1
                return name
        return None

    def moment_s(self, place: Invoked) -> float:
        """Draw when it strikes."""
        return self._invoke[place].uniform(0.0, INVOKE_FAULT_AFTER_S_MAX)

    def request(self) -> RequestFault | None:
        """Draw what happens to a request."""
        drawn = self._request.random()
        for name, weight in self.plan.request.items():
            drawn -= weight
            if drawn < 0:
                self.counts[fault_name("alb", name.removeprefix("alb_"))] += 1
                return name
        return None

    def delay_s(self, place: str) -> float:
        """Draw how long a call to a store is held up; mostly 0."""
        if self._delay.random() >= self.plan.delay:
            return 0.0
        self.counts[fault_name(place, "delay")] += 1
        return self._delay.uniform(0.0, DELAY_S_MAX)
