"""In-memory AWS, faults and time for tests: typed, public, held to AWS's behaviour by a contract suite.

::

    clock = ManualClock()
    api = FaultyApi(MemoryKinesis(clock), FaultScript(at={3: "lost_response"}))
    api.call("CreateStream", b'{"StreamName": "events", "ShardCount": 2}')
"""

from tapstack.testing.clock import ManualClock
from tapstack.testing.kinesis import MemoryKinesis

__all__ = ["ManualClock", "MemoryKinesis"]
