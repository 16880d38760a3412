"""An invocation leaves no reference cycle behind: the garbage collector comes seldom, a batch is large."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from consumer_world import Pipeline, record

from tapstack.consumer.records import StreamRecord
from tapstack_emulator import FaultPolicy, RandomFaults

VIEWS = [
    record(n, {"event_id": f"e-{n}", "user_id": f"u-{n % 5}", "items": [{"item_id": f"i-{n % 7}"}]})
    for n in range(30)
]
LONG = [record(0, {"items": [{"item_id": f"i-{n}"} for n in range(100)]})]
POISON = [record(0, b"?"), *VIEWS[1:]]


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


CASES: dict[str, tuple[list[StreamRecord], FaultPolicy | None, bool]] = {
    # records, faults, whether all is done in the end
    "events": (VIEWS, None, True),
    "a long event": (LONG, None, True),
    "poison": (POISON, None, True),
    "conflicts": (VIEWS, RandomFaults(1, {"transaction_conflict": 0.5}), True),
    "a table that always throttles": (VIEWS, RandomFaults(1, {"throttle": 1.0}), False),
    "a table that never answers": (VIEWS, RandomFaults(1, {"lost_response": 1.0}), False),
    "a table that fails": (VIEWS, RandomFaults(1, {"internal_error": 1.0}), False),
}


@pytest.mark.parametrize(("records", "faults", "is_done"), CASES.values(), ids=CASES)
def test_nothing_is_left_to_the_garbage_collector(
    records: list[StreamRecord], faults: FaultPolicy | None, is_done: bool
) -> None:
    pipeline = Pipeline(faults=faults)
    report = pipeline.run(records)
    assert (report.resume_from is None) is is_done
    assert gc.collect() == 0
