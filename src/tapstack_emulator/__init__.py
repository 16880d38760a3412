"""In-memory AWS, faults and time for tests: typed, public, held to AWS's behaviour by a contract suite.

Beside what is exported here there are `serving` (the fakes over HTTP) and `event_source_mapping` (Lambda's
mapping, and `deliver` for a test of a handler). The guide is docs/emulator.md.

::

    clock = ManualClock()
    api = FaultyApi(MemoryKinesis(clock), FaultScript(at={3: "lost_response"}))
    api.call("CreateStream", b'{"StreamName": "events", "ShardCount": 2}')
"""

from tapstack_emulator.clock import ManualClock, SystemClock
from tapstack_emulator.dynamodb.service import MemoryDynamoDB, Staleness, random_staleness
from tapstack_emulator.dynamodb.sizes import item_bytes, read_units, write_units
from tapstack_emulator.faults.policy import (
    AnswersStale,
    Call,
    Crash,
    Fault,
    FaultPolicy,
    FaultScript,
    FaultyApi,
    Injection,
    RandomFaults,
    applicable,
)
from tapstack_emulator.kinesis.service import MemoryKinesis
from tapstack_emulator.kinesis.wire import KinesisRecord
from tapstack_emulator.s3 import MemoryBucket

__all__ = [
    "AnswersStale",
    "Call",
    "Crash",
    "Fault",
    "FaultPolicy",
    "FaultScript",
    "FaultyApi",
    "Injection",
    "KinesisRecord",
    "ManualClock",
    "MemoryBucket",
    "MemoryDynamoDB",
    "MemoryKinesis",
    "RandomFaults",
    "Staleness",
    "SystemClock",
    "applicable",
    "item_bytes",
    "random_staleness",
    "read_units",
    "write_units",
]
