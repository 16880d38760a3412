"""Laws of the mapping, whatever happens to it: a stateful test, and one section for each law of arithmetic.

The machine is driven in any order: answers late, early, lost, doubled or from zombies; shards split and
merge; the mapping is disabled and enabled, or updated to another parallelization factor; a seed settles what
AWS does not document.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mapping_driver import SHARD, Driver, config, fail, failing_items, numbers, succeed

from examples import share
from tapstack_emulator.event_source_mapping import FixedChoices, InvokeResult, Pacing, SeededChoices
from tapstack_emulator.event_source_mapping.model import (
    Disable,
    Enable,
    Fetch,
    Input,
    Invoke,
    Output,
    Redeliver,
    Tick,
    Update,
)
from tapstack_emulator.event_source_mapping.payload import PAYLOAD_BYTES_MAX, invocation_event

KEYS = ["a", "b", "c", "d", "e"]


class InOrder(SeededChoices):
    """Any answer but the one that gives up the order within a batch."""

    def pick(self, name: str, options: Any) -> str:
        answer = super().pick(name, options)
        return options[0] if name == "bisect_order" else answer


class AfterProgress(SeededChoices):
    """Any answer, but always the same one to what progress does to attempts that were used up before it."""

    def __init__(self, seed: int, answer: str) -> None:
        super().__init__(seed)
        self._answer = answer

    def pick(self, name: str, options: Any) -> str:
        answer = super().pick(name, options)
        return self._answer if name == "progress_attempts" else answer


class MappingUnderFire(RuleBasedStateMachine):
    """With retries -1 and age -1 no record is ever skipped."""

    @initialize(
        batch_size=st.integers(1, 5),
        window_s=st.sampled_from([0, 0, 1]),
        factor=st.integers(1, 3),
        bisect=st.booleans(),
        shards=st.integers(1, 3),
        seed=st.integers(0, 2**32),
        page_limit=st.integers(1, 20),
    )
    def begin(
        self,
        batch_size: int,
        window_s: int,
        factor: int,
        bisect: bool,
        shards: int,
        seed: int,
        page_limit: int,
    ) -> None:
        self.settings: dict[str, Any] = {
            "batch_size": batch_size,
            "batching_window_s": window_s,
            "parallelization_factor": factor,
            "bisect_batch_on_function_error": bisect,
            "report_batch_item_failures": True,
        }
        pacing = Pacing(backoff_ms=50, backoff_max_ms=200, poll_interval_ms=100)
        self.driver = Driver(config(**self.settings), pacing=pacing, choices=InOrder(seed), shards=shards)
        self.driver.page_limit = page_limit
        self.acknowledged: set[str] = set()
        self.answered: list[Invoke] = []
        self.past: dict[str, int] = {}
        self.watched = 0

    # what the world does

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=8), where=st.integers(0, 99))
    def put(self, keys: list[str], where: int) -> None:
        open_shards = [name for name, shard in self.driver.shards.items() if not shard.closed]
        for key in keys:
            self.driver.put(open_shards[(where + crc32(key.encode())) % len(open_shards)], key=key)

    @precondition(lambda self: self.driver.pending)
    @rule(index=st.integers(0, 99), how=st.integers(0, 9), where=st.integers(0, 99))
    def answer(self, index: int, how: int, where: int) -> None:
        pending = self.driver.pending
        output = pending[index % len(pending)]
        pending.remove(output)
        self.driver.fetch_trouble = lambda fetch: (
            ["throttled", "expired_iterator"][where % 2] if how < 2 else None
        )
        self.answer_one(output, how, where)
        self.driver.fetch_trouble = lambda fetch: None

    def answer_one(self, output: Output, how: int, where: int) -> None:
        if not isinstance(output, Invoke):
            self.driver.answer(output)
            return
        batch = numbers(output)
        cut = where % len(batch)
        result = {
            0: InvokeResult.failed(),
            1: InvokeResult.throttled(),
            2: failing_items(batch[cut]),
            3: failing_items(*reversed(batch[cut:])),
            4: failing_items("unknown"),
            5: InvokeResult.throttled()
            if where % 2
            else InvokeResult.failed(),  # done, but the answer is lost
        }.get(how, InvokeResult.success(b'{"batchItemFailures":null}'))
        done = {2: batch[:cut], 3: batch[:cut], 0: [], 1: [], 4: []}.get(how, batch)
        self.acknowledged.update(done)
        self.answered.append(output)
        self.driver.answer(output, lambda invoke: result)

    @precondition(lambda self: self.answered)
    @rule(index=st.integers(0, 99))
    def zombie_answers_again(self, index: int) -> None:
        zombie = self.answered[index % len(self.answered)]
        before = self.driver.state.shards
        self.driver.answer(zombie, succeed)
        assert self.driver.state.shards == before

    @rule(ms=st.sampled_from([1, 50, 200, 1_000]))
    def wait(self, ms: int) -> None:
        self.driver.now_ms += ms
        self.driver.send(Tick(self.driver.now_ms))

    @precondition(lambda self: len(self.driver.shards) < 9)
    @rule(index=st.integers(0, 99), merge=st.booleans())
    def reshard(self, index: int, merge: bool) -> None:
        open_shards = [name for name, shard in self.driver.shards.items() if not shard.closed]
        chosen = open_shards[index % len(open_shards)]
        other = open_shards[(index + 1) % len(open_shards)]
        if merge and other != chosen:
            self.driver.add_shard(chosen, other)
        else:
            self.driver.add_shard(chosen)
            self.driver.add_shard(chosen)

    @rule(stop=st.booleans())
    def operate(self, stop: bool) -> None:
        now_ms = self.driver.now_ms
        event: Input = Disable(now_ms) if stop else Enable(now_ms)
        self.driver.send(event)

    @rule(factor=st.integers(1, 3), batch_size=st.integers(1, 5))
    def update(self, factor: int, batch_size: int) -> None:
        self.settings |= {"parallelization_factor": factor, "batch_size": batch_size}
        self.driver.send(Update(self.driver.now_ms, config(**self.settings)))

    @rule(index=st.integers(0, 99))
    def redeliver(self, index: int) -> None:
        names = list(self.driver.shards)
        self.driver.send(Redeliver(self.driver.now_ms, names[index % len(names)], index % 3))

    # the laws

    @invariant()
    def a_checkpoint_passes_only_records_that_were_acknowledged(self) -> None:
        for name, shard in self.driver.state.shards.items():
            if shard.checkpoint is not None:
                passed = self.up_to(name, shard.checkpoint)
                assert self.acknowledged.issuperset(passed)
            for sub_batch in shard.sub_batches:
                if sub_batch.checkpoint is not None:
                    own = self.up_to(name, sub_batch.checkpoint, sub_batch.index, len(shard.sub_batches))
                    assert self.acknowledged.issuperset(own)

    @invariant()
    def a_checkpoint_never_goes_back(self) -> None:
        for name, shard in self.driver.state.shards.items():
            now = int(shard.checkpoint or 0)
            assert now >= self.past.get(name, 0)
            self.past[name] = now

    @invariant()
    def every_invocation_is_in_order_and_in_bounds(self) -> None:
        for output in self.driver.log[self.watched :]:
            if isinstance(output, Invoke) and not output.duplicate:
                self.check_invocation(output)
        self.watched = len(self.driver.log)

    def check_invocation(self, invoke: Invoke) -> None:
        batch = numbers(invoke)
        shard = self.driver.shards[invoke.shard_id]
        assert batch == sorted(set(batch), key=int)
        assert set(batch) <= {record.sequence_number for record in shard.records}
        # A batch may outlive an update of BatchSize; it never exceeds the largest there was.
        assert 1 <= len(batch) <= 5
        for parent in shard.parents:
            assert self.acknowledged.issuperset(r.sequence_number for r in self.driver.shards[parent].records)
        keys = {record.partition_key for record in invoke.records}
        sub_batches = len(self.driver.state.shards[invoke.shard_id].sub_batches)
        for record in shard.records:
            before = int(record.sequence_number) < int(batch[0])
            if before and (sub_batches == 1 or record.partition_key in keys):
                assert record.sequence_number in self.acknowledged

    def up_to(self, shard_id: str, checkpoint: str, sub_batch: int = 0, sub_batches: int = 1) -> list[str]:
        return [
            record.sequence_number
            for record in self.driver.shards[shard_id].records
            if int(record.sequence_number) <= int(checkpoint)
            and crc32(record.partition_key.encode()) % sub_batches == sub_batch
        ]

    def teardown(self) -> None:
        """In the end, once the function works, everything is delivered and every checkpoint at its end."""
        if not hasattr(self, "driver"):
            return
        driver = self.driver

        def work(invoke: Invoke) -> InvokeResult:
            self.acknowledged.update(numbers(invoke))
            return InvokeResult.success()

        driver.run(work, for_ms=30_000)
        driver.send(Enable(driver.now_ms))
        driver.run(work, for_ms=120_000)
        assert driver.state.status == "Enabled"
        for name, shard in driver.shards.items():
            last = shard.records[-1].sequence_number if shard.records else None
            assert driver.checkpoint(name) == last
        assert self.acknowledged == {r.sequence_number for s in driver.shards.values() for r in s.records}


MappingUnderFire.TestCase.settings = settings(share(0.6), stateful_step_count=60)
TestMappingUnderFire = MappingUnderFire.TestCase


# ---------------------------------------------------------------- invocations = 1 + MaximumRetryAttempts


@given(
    retries=st.integers(0, 4),
    batch_size=st.integers(1, 4),
    poisoned=st.sets(st.integers(0, 11), max_size=4),
    reports=st.booleans(),
    throttles=st.sets(st.integers(0, 30), max_size=10),
    seed=st.integers(0, 2**32),
    after_progress=st.sampled_from(["reset", "kept"]),
)
def test_no_record_is_tried_more_often_than_its_retries_allow(
    retries: int,
    batch_size: int,
    poisoned: set[int],
    reports: bool,
    throttles: set[int],
    seed: int,
    after_progress: str,
) -> None:
    driver = Driver(
        config(batch_size=batch_size, retry_attempts_max=retries, report_batch_item_failures=reports),
        pacing=Pacing(backoff_ms=10, backoff_max_ms=10),
        choices=AfterProgress(seed, after_progress),
    )
    written = driver.put_many(12)
    bad = {written[index] for index in poisoned}
    tries: dict[str, int] = dict.fromkeys(written, 0)
    used_up: dict[str, int] = dict.fromkeys(written, 0)
    calls = iter(range(10_000))

    def respond(invoke: Invoke) -> InvokeResult:
        if next(calls) in throttles:
            return InvokeResult.throttled()
        found = [number for number in numbers(invoke) if number in bad]
        first = numbers(invoke).index(found[0]) if reports and found else 0
        for number in numbers(invoke):
            tries[number] += 1
            if not first:
                used_up[number] += 1
            elif after_progress == "reset":
                used_up[number] = 0
        if found:
            return failing_items(*found) if reports else InvokeResult.failed()
        return InvokeResult.success()

    driver.run(respond, for_ms=600_000)
    skipped = {number for _, group in driver.skipped() for number in group}
    assert max(used_up.values()) <= 1 + retries
    assert bad <= skipped
    assert all(tries[number] >= 1 for number in written)
    assert {used_up[number] for number in skipped} <= {1 + retries}
    if reports:
        assert skipped == bad or batch_size > 1  # what follows a poisoned record in its batch goes with it
    assert driver.checkpoint() == written[-1]
    assert driver.metric("DroppedEventCount") == len(skipped)


# ---------------------------------------------------------------- batches never exceed size or 6 MB


@given(
    sizes=st.lists(st.integers(1, 1_048_576), min_size=1, max_size=25),
    batch_size=st.integers(1, 12),
    window_s=st.sampled_from([0, 1]),
)
@share(0.5)
def test_a_batch_is_as_large_as_size_and_6_mb_allow_and_no_larger(
    sizes: list[int], batch_size: int, window_s: int
) -> None:
    driver = Driver(config(batch_size=batch_size, batching_window_s=window_s))
    for size in sizes:
        driver.put(data=b"x" * size)
    driver.run(for_ms=120_000)
    records = driver.shards[SHARD].records
    at = 0
    for invoke in driver.of(Invoke):
        count = len(invoke.records)
        assert count <= batch_size
        assert len(invocation_event(driver.state.config, SHARD, invoke.records)) <= PAYLOAD_BYTES_MAX
        one_more = records[at : at + count + 1]
        at += count
        if count < batch_size and at < len(records):
            assert len(invocation_event(driver.state.config, SHARD, one_more)) > PAYLOAD_BYTES_MAX
    assert at == len(records)


# ---------------------------------------------------------------- the state decides alone


@given(st.integers(0, 2**32))
@share(0.5)
def test_the_same_inputs_and_seed_give_the_same_outputs(seed: int) -> None:
    def history() -> list[Output]:
        driver = Driver(config(batch_size=3, parallelization_factor=3), choices=SeededChoices(seed))
        for key in KEYS * 4:
            driver.put(key=key)
        driver.run(lambda invoke: fail(invoke) if invoke.handout < 3 else succeed(invoke), for_ms=20_000)
        return driver.log

    assert history() == history()


def test_a_page_that_comes_late_or_twice_is_taken_once() -> None:
    driver = Driver(choices=FixedChoices())
    written = driver.put_many(3)
    fetch = driver.run_until(Fetch)
    page = driver.page(fetch)
    driver.send(page)
    driver.send(page)
    driver.run()
    assert driver.invocations() == [written]
