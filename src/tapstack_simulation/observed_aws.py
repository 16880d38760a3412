"""AWS in memory, observed: the checker sees each effect at the moment it happens."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any

import msgspec

from tapstack.ports import AwsError
from tapstack_emulator import MemoryBucket, MemoryDynamoDB, MemoryKinesis
from tapstack_emulator.faults.policy import NOTHING, Call, Injection
from tapstack_emulator.partiql import parse_statement
from tapstack_simulation.checking.checker import Checker
from tapstack_simulation.checking.past import VERSIONS_MAX
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.faults import FaultSchedule
from tapstack_simulation.kernel import Dice, Kernel, Reply, TrueClock
from tapstack_simulation.read_units import ROWS_OF_AN_INVOCATION, ReadUnits

STREAM = "events"
TABLE = "behaviour"
RETENTION_H = 168
HASH_KEYS = 2**128
PAGES_ROWS_MAX = (None, None, None, 1, 2)  # of a Query, each run one of them

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class OneShot:
    """A `tapstack_emulator.FaultPolicy` that injects what was chosen, into one call."""

    def __init__(self) -> None:
        self.next: Injection = NOTHING

    def choose(self, call: Call) -> Injection:  # noqa: ARG002 - the Protocol's shape
        """Return what was chosen for this call."""
        chosen, self.next = self.next, NOTHING
        return chosen


class ObservedKinesis:
    """Kinesis with its puts observed.

    Parameters
    ----------
    aws
        Where it belongs.
    kinesis
        The service.
    """

    def __init__(self, aws: ObservedAws, kinesis: MemoryKinesis) -> None:
        self._aws = aws
        self._kinesis = kinesis
        self._shards: dict[str, str] = {}  # by partition key, where its last record went

    def call(self, operation: str, body: bytes) -> bytes:
        """Make a call; see `tapstack.ports.AwsApi`."""
        if operation != "PutRecords":
            return self._kinesis.call(operation, body)
        request = _decode(body)
        if self._aws.spreading is not None:
            self._spread(request, self._aws.spreading)
            body = _encode(request)
        answer = self._kinesis.call(operation, body)
        self._note(request["Records"], _decode(answer)["Records"])
        return answer

    def _spread(self, request: dict[str, Any], dice: Dice) -> None:
        """Send each entry to any shard, whatever its key."""
        for entry in request["Records"]:
            entry["ExplicitHashKey"] = str(dice.random.randrange(HASH_KEYS))

    def _note(self, entries: list[dict[str, Any]], results: list[dict[str, Any]]) -> None:
        last: dict[str, int] = {}
        shuffled = moved = False
        for entry, result in zip(entries, results, strict=True):
            number = result.get("SequenceNumber")
            if number is None:
                continue
            shard_id = result["ShardId"]
            shuffled |= int(number) < last.get(shard_id, 0)
            last[shard_id] = int(number)
            moved |= self._shards.get(entry["PartitionKey"], shard_id) != shard_id
            self._shards[entry["PartitionKey"]] = shard_id
            self._aws.checker.stored(
                shard_id,
                number,
                base64.b64decode(entry["Data"]),
                entry["PartitionKey"],
                self._aws.kernel.now_ms,
            )
        if shuffled:
            self._aws.faults.count("S1")
        if moved and self._aws.spreading is not None:
            self._aws.faults.count("S4")
        for shard_id in last:
            self._aws.news(shard_id)


class ObservedDynamoDB:
    """DynamoDB with its commits observed; in some runs a page of a Query holds few rows.

    Parameters
    ----------
    aws
        Where it belongs.
    dynamodb
        The service.
    """

    def __init__(self, aws: ObservedAws, dynamodb: MemoryDynamoDB) -> None:
        self._aws = aws
        self._dynamodb = dynamodb
        self._page_rows_max: int | None = Dice(aws.kernel.seed, "pages").random.choice(PAGES_ROWS_MAX)

    def call(self, operation: str, body: bytes) -> bytes:
        """Make a call; see `tapstack.ports.AwsApi`."""
        try:
            answer = self._dynamodb.call(operation, self._paged(operation, body))
        except AwsError as error:
            if b'"ConditionalCheckFailed"' in error.body:
                self._aws.faults.count("D5")
            if error.code == "ValidationException":
                raise Violation(9, f"{operation} is no request that DynamoDB takes: {error}") from error
            raise
        if operation == "TransactWriteItems":
            sender = self._aws.sender or getattr(self._aws.kernel.current, "name", "")
            batch = self._aws.batches.get(sender, [])
            items = _decode(body)["TransactItems"]
            self._aws.checker.committed(items, batch, self._aws.kernel.now_ms)
            if any(item["Put"]["Item"]["pk"]["S"].startswith("J#") for item in items):
                self._aws.on_entry()
        if operation == "PutItem":
            self._aws.checker.projected(_decode(body)["Item"])
        if operation == "BatchExecuteStatement":
            self._note_statements(_decode(body)["Statements"], _decode(answer)["Responses"])
        return answer

    def _note_statements(self, statements: list[dict[str, Any]], responses: list[dict[str, Any]]) -> None:
        """Show the checker each row that a statement wrote, as it is now."""
        for statement, response in zip(statements, responses, strict=True):
            if "Error" not in response:
                named = parse_statement(statement["Statement"], statement["Parameters"]).named
                written = self._dynamodb.item(TABLE, {"pk": named["pk"], "sk": named["sk"]})
                self._aws.checker.projected(written or {})
            elif response["Error"]["Code"] == "ValidationError":
                raise Violation(9, f"{statement} is no statement that DynamoDB runs: {response}")
            else:
                self._aws.faults.count("D5")

    def call_stale(self, operation: str, body: bytes) -> bytes | None:
        """Answer a read from the past."""
        return self._dynamodb.call_stale(operation, self._paged(operation, body))

    def _paged(self, operation: str, body: bytes) -> bytes:
        """Bound the rows of a page, as 1 MB would with larger ones."""
        if operation != "Query" or self._page_rows_max is None:
            return body
        return _encode({"Limit": self._page_rows_max, **_decode(body)})

    def holding(self, body: bytes, indexes: list[int]) -> Any:
        """Hold some rows of a transaction, as another transaction would."""
        puts = [action["Put"]["Item"] for action in _decode(body)["TransactItems"]]
        keys = [{"pk": puts[index]["pk"], "sk": puts[index]["sk"]} for index in indexes if index < len(puts)]
        return self._dynamodb.holding(TABLE, keys)


class ObservedAws:
    """The services of a run, and what operators may do to them.

    Parameters
    ----------
    kernel
        True time.
    faults
        The faults.
    checker
        The observer.
    shards
        How many the stream begins with.

    Attributes
    ----------
    denied : set[str]
        Roles that lack their permission just now.
    refused_key : str or None
        A hot key: every entry with it is refused just now.
    read_units : dict[str, ReadUnits]
        By role, if the table has few of them (fault D13), to the run's end.
    spreading : Dice or None
        Set while records are spread over shards without regard to their key.
    epoch : int
        Rises when so much time passes that nothing on its way arrives any more.
    ghosts : int
        Requests that are still on their way.
    batches : dict[str, list[tuple[str, str]]]
        The records that each invocation works on.
    commits_before : dict[str, int]
        How many commits there were when each invocation began.
    sender : str
        The invocation whose belated request takes effect just now.
    on_entry : Callable
        Hears of each new entry of the journal, as the table's stream does.
    """

    def __init__(self, kernel: Kernel, faults: FaultSchedule, checker: Checker, shards: int) -> None:
        self.kernel, self.faults, self.checker = kernel, faults, checker
        self.clock = TrueClock(kernel)
        shuffle = Dice(kernel.seed, "shuffle").random if faults.enabled("S1") else None
        gaps: random.Random = Dice(kernel.seed, "gaps").random
        self.kinesis = MemoryKinesis(self.clock, shuffle=shuffle, gaps=gaps)
        self.kinesis.create_stream(STREAM, shards)
        self._admin("IncreaseStreamRetentionPeriod", RetentionPeriodHours=RETENTION_H)
        self._ttl_dice = Dice(kernel.seed, "ttl")
        self.dynamodb = MemoryDynamoDB(
            self.clock, ttl=self._is_deleted, versions_max=VERSIONS_MAX, seed=kernel.seed
        )
        self.dynamodb.create_table(TABLE, ttl_attribute="ttl")
        self.stream_api = ObservedKinesis(self, self.kinesis)
        self.table_api = ObservedDynamoDB(self, self.dynamodb)
        self.policy = OneShot()
        self.quarantine, self.late = MemoryBucket(self.policy), MemoryBucket(self.policy)
        self.spill = MemoryBucket(self.policy)
        self.on_spill: Callable[[], None] = lambda: None
        self.is_stream_down = self.are_buckets_down = False
        self.failures: dict[str, bytes] = {}  # the on-failure destination
        self.denied: set[str] = set()
        self.refused_key: str | None = None
        self.read_units: dict[str, ReadUnits] = {}
        self.spreading: Dice | None = None
        self.epoch = 0
        self.ghosts = 0
        self.batches: dict[str, list[tuple[str, str]]] = {}
        self.commits_before: dict[str, int] = {}
        self.sender = ""
        self.on_entry: Callable[[], None] = lambda: None
        self._parked: dict[str, list[Reply]] = {}
        self.versions: dict[str, int] = {}

    def plant_large_row(self) -> None:
        """Put a row near 400 KB where the most popular item's events will go (fault D9)."""
        lifetime: dict[int | str, int] = {f"{number:04d}".rjust(37_000, "C"): 1 for number in range(10)}
        state = msgspec.msgpack.encode([{}, [[lifetime, [{}, {}, {}], 0], {}, {}]])
        expires_at_s = self.kernel.now_ms // 1000 + 400 * 86_400
        item = {
            "pk": {"S": "I#p0"},
            "sk": {"S": "0000"},
            "v": {"N": "1"},
            "l": {"N": "1"},
            "s": {"B": base64.b64encode(state).decode()},
            "ttl": {"N": str(expires_at_s)},
        }
        self.dynamodb.call("PutItem", _encode({"TableName": TABLE, "Item": item}))
        self.checker.planted(item)

    def limit_reads(self, invocation_s: float, running: Callable[[], int]) -> None:
        """Give the table few read units for invocations of that length (fault D13)."""
        dice = Dice(self.kernel.seed, "read units")
        if self.faults.decide(dice, "D13"):
            self.read_units = {
                role: ReadUnits(self.kernel, dice, role, invocation_s, running)
                for role in ROWS_OF_AN_INVOCATION
            }

    def _is_deleted(self, item: dict[str, Any], age_s: float) -> bool:  # noqa: ARG002 - MemoryDynamoDB's shape
        dice = self._ttl_dice
        if not self.faults.decide(dice, "D10"):
            return False
        self.faults.count("D10")
        self.checker.deleted(item["pk"]["S"], item["sk"]["S"])
        return True

    def _admin(self, operation: str, **request: object) -> bytes:
        named = {} if "StreamARN" in request else {"StreamName": STREAM}
        return self.kinesis.call(operation, _encode({**named, **request}))

    def stream_mode(self) -> str:
        """Return the stream's capacity mode."""
        described = _decode(self._admin("DescribeStreamSummary"))["StreamDescriptionSummary"]
        return str(described["StreamModeDetails"]["StreamMode"])

    def reshard(self, operation: str, **request: object) -> bool:
        """Change the stream's shards or mode; False if AWS refuses, or nothing changes."""
        before = self.shard_ids(), self.stream_mode()
        try:
            self._admin(operation, **request)
        except AwsError as error:
            self.kernel.trace(f"{operation} refused: {error.code}")
            return False
        for shard_id in list(self._parked):
            self.news(shard_id)
        return (self.shard_ids(), self.stream_mode()) != before

    def shard_ids(self) -> list[str]:
        """List the shards of the stream, closed ones included."""
        return self.kinesis.shard_ids(STREAM)

    def put_directly(self, partition_key: str, data: bytes) -> None:
        """Put a record past the collector, as other producers and operators do."""
        entry = {"Data": base64.b64encode(data).decode(), "PartitionKey": partition_key}
        self.stream_api.call("PutRecords", _encode({"StreamName": STREAM, "Records": [entry]}))

    # Fetches that would find nothing wait here until there is something: polling costs steps.

    def news(self, shard_id: str) -> None:
        """Wake who waits for a shard."""
        self.versions[shard_id] = self.versions.get(shard_id, 0) + 1
        for reply in self._parked.pop(shard_id, ()):
            reply.give("news", 1000)

    def park(self, shard_id: str, timeout_us: int) -> None:
        """Wait for news of a shard."""
        reply = Reply(self.kernel)
        self._parked.setdefault(shard_id, []).append(reply)
        reply.wait(timeout_us)

    def ghost(self, act: Any, delay_us: int) -> None:
        """Let a request arrive later, unless too much time has passed by then."""
        self.ghosts += 1
        epoch = self.epoch

        def arrive() -> None:
            self.ghosts -= 1
            if self.epoch == epoch:
                act()

        self.kernel.after(delay_us, arrive)

    def pass_time(self, duration_us: int) -> None:
        """Let so much time pass that nothing on its way survives it."""
        self.epoch += 1
        self.kernel.warp(duration_us)
