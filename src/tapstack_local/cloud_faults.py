"""Where in the embedded cloud what goes wrong: `plan`, brought to its places."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from tapstack.ports import AwsApi
from tapstack_emulator.event_source_mapping import Choices, FixedChoices, InvokeResult, SeededChoices
from tapstack_emulator.fault_proxy import FaultProxy
from tapstack_emulator.faults.policy import FaultyApi
from tapstack_emulator.kinesis.random_resharding import Resharder
from tapstack_emulator.kinesis.service import MemoryKinesis
from tapstack_emulator.lambda_host.host import InvokeFault, LambdaFunction
from tapstack_emulator.load_balancer.server import RequestFault
from tapstack_emulator.serving.exchange import Observe
from tapstack_local.cloud_config import CloudConfig
from tapstack_local.faults.invalid_records import InvalidRecordWriter
from tapstack_local.faults.plan import PRESETS, FaultDice, Invoked, fault_name

RESHARD_EVERY_RECORDS = 1_500  # if asked for without faults


class CloudFaults:
    """The faults of one cloud: drawn from its seed, brought to their places, and counted.

    Parameters
    ----------
    config
        How much goes wrong.
    """

    def __init__(self, config: CloudConfig) -> None:
        self._seed = config.seed
        self._plan = PRESETS[config.faults]
        self._dice = FaultDice(self._plan, config.seed)
        self._api_counts: dict[str, Counter[str]] = {"put": Counter(), "read": Counter()}
        self._reshard_every = self._plan.reshard_every_records
        if config.reshard is not None:
            self._reshard_every = config.reshard and (self._reshard_every or RESHARD_EVERY_RECORDS)
        self._resharder: Resharder | None = None
        self._invalid_record_writer: InvalidRecordWriter | None = None
        self._duplicates: set[asyncio.Task[None]] = set()

    @property
    def quiet(self) -> bool:
        """Whether nothing goes wrong."""
        return self._plan.quiet

    @property
    def counts(self) -> dict[str, int]:
        """The faults injected so far, by name."""
        counts = Counter(self._dice.counts)
        for place, found in self._api_counts.items():
            counts.update({fault_name(place, fault): count for fault, count in found.items()})
        return dict(sorted(counts.items()))

    @property
    def invalid_records(self) -> Sequence[bytes]:
        """The invalid records that the other producer wrote to the stream so far."""
        return () if self._invalid_record_writer is None else self._invalid_record_writer.written

    def shuffle(self) -> random.Random | None:
        """Give what orders the entries of a PutRecords, since AWS promises no order; None for theirs."""
        return None if self.quiet else random.Random(self._seed)  # noqa: S311 - reproducible, not secret

    def choices(self) -> Choices:
        """Give what the event source mapping chooses where AWS leaves it open."""
        return FixedChoices() if self.quiet else SeededChoices(self._seed)

    @contextlib.contextmanager
    def outage(self, *places: Literal["put", "s3"]) -> Iterator[None]:
        """Let every put to Kinesis, or every call to S3 if faults or a recorder are on, fail meanwhile."""
        for place in places:
            self._dice.outages[place].is_forced = True
        try:
            yield
        finally:
            for place in places:
                self._dice.outages[place].is_forced = False

    def request(self) -> RequestFault | None:
        """Draw what happens to a request at the load balancer."""
        return self._dice.request()

    def kinesis(self, api: AwsApi, place: Literal["put", "read"]) -> AwsApi:
        """Give Kinesis as the collector or the mapping meets it."""
        if self.quiet and place == "read":
            return api
        policy, counts = self._dice.policy(place), self._api_counts[place]
        return FaultyApi(api, policy, service="kinesis", seed=self._seed, counts=counts)

    def proxy(
        self,
        service: Literal["dynamodb", "s3"],
        upstream: str,
        *,
        on_crash: Callable[[str], object],
        may_crash: Callable[[str], bool],
        observe: Observe | None,
    ) -> FaultProxy:
        """Make the proxy in front of a store; see `FaultProxy`."""
        return FaultProxy(
            service,
            upstream,
            self._dice.policy(service),
            seed=self._seed,
            counts=self._dice.counts,
            name_of=lambda fault: fault_name(service, fault),
            delay_s=lambda: self._dice.delay_s(service),
            on_crash=on_crash,
            may_crash=may_crash,
            observe=observe,
        )

    async def invoke(self, place: Invoked, function: LambdaFunction, payload: bytes) -> InvokeResult:
        """Invoke the consumer or the projector, or what the faults make of it."""
        chosen = self._dice.invocation(place)
        fault = None
        if chosen is not None and chosen != "duplicate":
            fault = InvokeFault(kind=chosen, after_s=self._dice.moment_s(place))
        result = await function.invoke(payload, fault=fault)
        if chosen == "duplicate":
            task = asyncio.create_task(self._again(place, function, payload))
            self._duplicates.add(task)
            task.add_done_callback(self._duplicates.discard)
        return InvokeResult(kind=result.kind, payload=result.payload)

    async def _again(self, place: Invoked, function: LambdaFunction, payload: bytes) -> None:
        """Deliver a batch once more that was already delivered, beside whatever follows it."""
        await asyncio.sleep(self._dice.moment_s(place))
        await function.invoke(payload)

    async def wait_for_duplicates(self) -> bool:
        """Wait until what is delivered again is done; tell whether there was any."""
        waited = bool(self._duplicates)
        await asyncio.gather(*self._duplicates)
        return waited

    async def stop(self) -> None:
        """Deliver nothing again any more."""
        for duplicate in self._duplicates:
            duplicate.cancel()
        await asyncio.gather(*self._duplicates, return_exceptions=True)

    def start_on(self, kinesis: MemoryKinesis, stream: str, on_reshard: Callable[[int], object]) -> None:
        """Begin to reshard a stream and to write to it, as it is read; call `note` for each read."""
        counts = self._dice.counts
        if self._reshard_every:
            self._resharder = Resharder(
                kinesis,
                stream,
                every_records=self._reshard_every,
                seed=self._seed,
                counts=counts,
                on_change=on_reshard,
            )
        if every := self._plan.invalid_every_records:
            self._invalid_record_writer = InvalidRecordWriter(
                kinesis, stream, every_records=every, seed=self._seed, counts=counts
            )

    def note(self, records: int) -> None:
        """Take note of records that the mapping read."""
        if self._resharder is not None:
            self._resharder.note(records)
        if self._invalid_record_writer is not None:
            self._invalid_record_writer.note(records)
