"""Faults at the port: the same ones over memory, over HTTP, scripted or drawn from a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Literal, Protocol, get_args

import msgspec

from tapstack.errors import OutcomeUnknown
from tapstack.ports import AwsApi, AwsError
from tapstack_emulator.faults import injection

Fault = Literal[
    "none",
    "throttle",  # ProvisionedThroughputExceededException; nothing done
    "throttle_api",  # ThrottlingException (DynamoDB), LimitExceededException (Kinesis); nothing done
    "throttle_transaction",  # TransactionCanceledException with ThrottlingError reasons; nothing done
    "access_denied",  # AccessDeniedException: a permission or a key's grant was dropped
    "internal_error",  # HTTP 500; nothing done
    "internal_error_applied",  # HTTP 500, yet the effect is there
    "lost_request",  # OutcomeUnknown; nothing done
    "lost_response",  # OutcomeUnknown, and the effect is there
    "transaction_conflict",  # another transaction holds an item; nothing done
    "partial_put",  # PutRecords stores some entries and refuses the others
    "unprocessed",  # of a batch of keys, items or statements, some are left for later
    "stale_read",  # an eventually consistent read answers from the past
    "expired_iterator",  # GetRecords: ExpiredIteratorException
    "empty_page",  # GetRecords: no record, although there are some
    "crash_before",  # the process dies before the request is sent
    "crash_after",  # the process dies before it sees the answer
]
"""What may happen to one call."""

NONE: Literal["none"] = "none"

_ONLY: Mapping[Fault, frozenset[str]] = {
    "throttle_transaction": frozenset({"TransactWriteItems"}),
    "transaction_conflict": frozenset({"TransactWriteItems", "PutItem", "DeleteItem"}),
    "partial_put": frozenset({"PutRecords"}),
    "unprocessed": frozenset({"BatchGetItem", "BatchWriteItem", "BatchExecuteStatement"}),
    "stale_read": frozenset({"GetItem", "BatchGetItem", "Query"}),
    "expired_iterator": frozenset({"GetRecords"}),
    "empty_page": frozenset({"GetRecords"}),
}
_INSTEAD_OR_AFTER = frozenset(get_args(Fault)) - {
    "none",
    "transaction_conflict",
    "partial_put",
    "unprocessed",
    "stale_read",
    "empty_page",
}
_S3_FAULTS = frozenset(get_args(Fault)) - _ONLY.keys() - {"throttle_api", "access_denied"}


class Crash(BaseException):
    """The process died here; only the one that runs it catches this.

    Parameters
    ----------
    fault
        ``crash_before`` or ``crash_after``.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call about to be made.

    Parameters
    ----------
    service
        ``kinesis``, ``dynamodb`` or ``s3``.
    operation
        Such as ``PutRecords``.
    number
        The how manieth call through this wrapper, from 1.
    operation_number
        The how manieth call of this operation, from 1; 0 if not counted.
    """

    service: str
    operation: str
    number: int
    operation_number: int = 0


class Injection(msgspec.Struct, frozen=True):
    """A fault, and what of the request it hits.

    Parameters
    ----------
    fault
        Its name.
    entries
        Indexes of the entries refused (``partial_put``), left for later (``unprocessed``) or
        contended (``transaction_conflict``); empty lets the wrapper choose.
    """

    fault: Fault
    entries: tuple[int, ...] = ()


NOTHING = Injection(NONE)


class FaultPolicy(Protocol):
    """Decides what happens to each call."""

    def choose(self, call: Call) -> Injection:
        """Name the fault for this call; it must be applicable to its operation."""
        ...


@cache
def applicable(service: str, operation: str) -> frozenset[Fault]:
    """Name the faults that can happen to an operation, ``none`` included."""
    if service == "s3":
        return frozenset(_S3_FAULTS)
    return frozenset(fault for fault in get_args(Fault) if fault not in _ONLY or operation in _ONLY[fault])


class FaultScript:
    """Faults at chosen calls, none elsewhere.

    Parameters
    ----------
    at
        By number of the call (from 1), or by operation and number of that operation's call:
        ``{3: "lost_response", ("PutRecords", 1): Injection("partial_put", (0, 2))}``.
    """

    def __init__(self, at: Mapping[int | tuple[str, int], Fault | Injection]) -> None:
        self._at = {
            key: value if isinstance(value, Injection) else Injection(value) for key, value in at.items()
        }

    def choose(self, call: Call) -> Injection:
        """Look the call up in the script.

        Raises
        ------
        ValueError
            If the script asks for a fault this operation cannot have.
        """
        default = self._at.get((call.operation, call.operation_number), NOTHING)
        chosen = self._at.get(call.number, default)
        if chosen.fault not in applicable(call.service, call.operation):
            msg = f"{call.operation} (call {call.number}) cannot have {chosen.fault}"
            raise ValueError(msg)
        return chosen


class RandomFaults:
    """Faults drawn from a seed.

    Parameters
    ----------
    seed
        The same seed and the same calls give the same faults.
    weights
        How likely each fault is, each between 0 and 1, in sum at most 1; what does not apply to a
        call's operation does not happen there.
    """

    def __init__(self, seed: int | str, weights: Mapping[Fault, float]) -> None:
        if min(weights.values(), default=0) < 0 or sum(weights.values()) > 1:
            msg = f"weights must be probabilities: {weights}"
            raise ValueError(msg)
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._weights = dict(weights)
        self._injections: dict[Fault, Injection] = {fault: Injection(fault) for fault in weights}

    def choose(self, call: Call) -> Injection:
        """Draw."""
        drawn = self._random.random()
        for fault, weight in self._weights.items():
            drawn -= weight
            if drawn < 0:
                fits = fault in applicable(call.service, call.operation)
                return self._injections[fault] if fits else NOTHING
        return NOTHING


class AnswersStale(Protocol):
    """A service that can answer a read from the past, as `MemoryDynamoDB` can.

    A wrapper between it and a `FaultyApi` must pass `call_stale` on, else no read ever goes stale.
    """

    def call_stale(self, operation: str, body: bytes) -> bytes | None:
        """Answer as of an earlier moment; None if the read is strongly consistent."""
        ...


class FaultyApi:
    """A `tapstack.ports.AwsApi` in front of another one, with faults.

    Parameters
    ----------
    api
        Any service: in memory, or over HTTP.
    policy
        Asked at every call.
    service
        ``kinesis`` or ``dynamodb``; told by the operation unless given.
    seed
        Of the choice which entries of a request are hit.
    counts
        Faults injected, by name; share one to count over several wrappers.

    Notes
    -----
    A fault that found nothing to do (a stale read without a past, a partial failure of nothing) is
    neither injected nor counted.
    """

    def __init__(
        self,
        api: AwsApi,
        policy: FaultPolicy,
        *,
        service: str | None = None,
        seed: int = 0,
        counts: Counter[str] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter() if counts is None else counts
        self.calls: Counter[str] = Counter()
        self._api = api
        self._policy = policy
        self._service = service
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._number = 0

    def call(self, operation: str, body: bytes) -> bytes:
        """Make the call, or what the policy makes of it.

        Raises
        ------
        AwsError
            As the service does, or as an injected fault.
        OutcomeUnknown
            As an injected fault, with or without the effect.
        Crash
            As an injected fault, before or after the effect.
        """
        chosen = self._choose(operation)
        if chosen.fault == NONE:
            return self._api.call(operation, body)
        if chosen.fault in _INSTEAD_OR_AFTER:
            self.counts[chosen.fault] += 1
            return self._lie(chosen.fault, operation, body)
        return self._bend(chosen, operation, body)

    def _choose(self, operation: str) -> Injection:
        self._number += 1
        self.calls[operation] += 1
        call = Call(
            service=self._service or injection.service_of(operation),
            operation=operation,
            number=self._number,
            operation_number=self.calls[operation],
        )
        return self._policy.choose(call)

    def _lie(self, fault: Fault, operation: str, body: bytes) -> bytes:
        """Answer something else than the truth, with the effect applied or not."""
        if fault == "crash_before":
            raise Crash(fault)
        if fault == "lost_request":
            raise OutcomeUnknown(f"{operation}: the request was lost")
        if fault not in {"lost_response", "internal_error_applied", "crash_after"}:
            raise injection.error(fault, self._service or injection.service_of(operation), operation, body)
        if fault == "internal_error_applied":
            self._api.call(operation, body)
        else:
            with suppress(AwsError):  # a refusal is lost like any other answer
                self._api.call(operation, body)
        if fault == "crash_after":
            raise Crash(fault)
        if fault == "lost_response":
            raise OutcomeUnknown(f"{operation}: the response was lost")
        raise injection.error(
            "internal_error", self._service or injection.service_of(operation), operation, body
        )

    def _bend(self, chosen: Injection, operation: str, body: bytes) -> bytes:
        """Answer less than the truth."""
        if chosen.fault == "transaction_conflict":
            self.counts[chosen.fault] += 1
            raise injection.conflict(
                operation, body, self._pick(chosen, injection.entry_count(operation, body))
            )
        answer: bytes | None
        if chosen.fault == "stale_read":
            answer = injection.stale(self._api, operation, body)
        elif chosen.fault == "empty_page":
            answer = injection.empty_page(body)
        else:
            picked = self._pick(chosen, injection.entry_count(operation, body))
            answer = injection.partial(self._api, operation, body, picked)
        if answer is None:
            return self._api.call(operation, body)
        self.counts[chosen.fault] += 1
        return answer

    def _pick(self, chosen: Injection, count: int) -> Sequence[int]:
        """Choose at least one of `count` entries, unless the injection names them."""
        if chosen.entries or not count:
            return [index for index in chosen.entries if index < count]
        return sorted(self._random.sample(range(count), self._random.randint(1, count)))
