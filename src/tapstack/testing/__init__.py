"""In-memory AWS, faults and time for tests: typed, public, held to AWS's behaviour by a contract suite.

::

    clock = ManualClock()
    api = FaultyApi(MemoryKinesis(clock), FaultScript(at={3: "lost_response"}))
    api.call("CreateStream", b'{"StreamName": "events", "ShardCount": 2}')
"""

from tapstack.testing._kinesis_wire import KinesisRecord
from tapstack.testing.clock import ManualClock
from tapstack.testing.dynamodb import MemoryDynamoDB, Staleness, random_staleness
from tapstack.testing.faults import (
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
from tapstack.testing.kinesis import MemoryKinesis
from tapstack.testing.s3 import MemoryBucket
from tapstack.testing.sizes import item_bytes, read_units, write_units

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
    "applicable",
    "item_bytes",
    "random_staleness",
    "read_units",
    "write_units",
]
