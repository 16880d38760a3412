"""What follows from an invocation's answer: a table of outcomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from tapstack_emulator.event_source_mapping.draft import Draft
from tapstack_emulator.event_source_mapping.model import Batch, InvocationFinished, SubBatch
from tapstack_emulator.event_source_mapping.payload import ResponseContext
from tapstack_emulator.event_source_mapping.responses import Evaluation, Verdict, evaluate
from tapstack_emulator.event_source_mapping.settling import discard, settle


def finished(draft: Draft, shard_id: str, sub_batch: SubBatch, report: InvocationFinished) -> SubBatch:
    """Take an invocation's result; one that is not awaited changes nothing.

    That is what makes duplicates, zombies and lost answers harmless to the checkpoint: only the handout
    that the sub-batch is waiting for can move it.
    """
    if sub_batch.phase != "invoking" or not sub_batch.work:
        return sub_batch
    batch = sub_batch.work[0]
    if (batch.batch_id, batch.handouts) != (report.batch_id, report.handout):
        return sub_batch
    evaluation = evaluate(
        report.result,
        [record.sequence_number for record in batch.records],
        report_batch_item_failures=draft.config.report_batch_item_failures,
        choices=draft.choices,
    )
    _count(draft, shard_id, batch, evaluation)
    error = report.result.function_error if report.result.kind == "function_error" else None
    judged = Judged(evaluation.resume_index, ResponseContext(function_error=error))
    return OUTCOMES[evaluation.verdict].act(draft, shard_id, replace(sub_batch, phase="idle"), batch, judged)


def _count(draft: Draft, shard_id: str, batch: Batch, evaluation: Evaluation) -> None:
    """Emit what one invocation adds to the EventCount group, and the iterator's age."""
    size = len(batch.records)
    if evaluation.verdict != "throttled":
        draft.metric("InvokedEventCount", size, shard_id)
        draft.metric("IteratorAge", max(0, draft.now_ms - batch.records[-1].arrival_ms), shard_id)
    if evaluation.verdict != "success":
        draft.metric("FailedInvokeEventCount", size - evaluation.resume_index, shard_id)
    draft.last_result = "OK" if evaluation.verdict == "success" else "PROBLEM: Function call failed"


class Judged(NamedTuple):
    """What an outcome needs to know beside the batch."""

    resume_index: int
    response: ResponseContext


def _on_success(draft: Draft, shard_id: str, sub_batch: SubBatch, batch: Batch, judged: Judged) -> SubBatch:  # noqa: ARG001
    sub_batch = replace(sub_batch, work=sub_batch.work[1:], acknowledged=batch.records)
    return settle(draft, shard_id, sub_batch, batch.records)


def _on_partial(draft: Draft, shard_id: str, sub_batch: SubBatch, batch: Batch, judged: Judged) -> SubBatch:
    """Settle what precedes the lowest reported record; the rest is a batch of its own.

    Progress uses up no attempt: with BatchSize 3 and MaximumRetryAttempts 3, the sixth of six records was
    delivered five times on AWS and given up with approximateInvokeCount 4 (each of seven recordings, see
    docs/reference/event-source-mapping.md). Without progress an answer is a failure; it is not bisected,
    since it names the record to split at.
    """
    settled = batch.records[: judged.resume_index]
    if not settled:
        return fail(draft, shard_id, sub_batch, batch, judged.response, bisects=False)
    rest = replace(
        batch,
        records=batch.records[judged.resume_index :],
        attempts=batch.attempts if draft.ask("progress_attempts") == "kept" else 0,
        throttles=0,
        response=judged.response,
    )
    sub_batch = settle(
        draft, shard_id, replace(sub_batch, work=(rest, *sub_batch.work[1:]), acknowledged=settled), settled
    )
    if draft.ask("partial_retry") == "immediate":
        return sub_batch
    return _retry(draft, shard_id, sub_batch, rest)


def _on_failure(draft: Draft, shard_id: str, sub_batch: SubBatch, batch: Batch, judged: Judged) -> SubBatch:
    return fail(draft, shard_id, sub_batch, batch, judged.response)


def _on_throttle(draft: Draft, shard_id: str, sub_batch: SubBatch, batch: Batch, judged: Judged) -> SubBatch:  # noqa: ARG001
    batch = replace(batch, throttles=batch.throttles + 1)
    batch = replace(batch, retry_at_ms=draft.now_ms + draft.backoff_ms(batch.throttles))
    return replace(sub_batch, work=(batch, *sub_batch.work[1:]))


class Outcome(NamedTuple):
    """A row of the table of outcomes."""

    act: Callable[[Draft, str, SubBatch, Batch, Judged], SubBatch]
    meaning: str


OUTCOMES: dict[Verdict, Outcome] = {
    "success": Outcome(_on_success, "checkpoint = the batch's last record; the next batch may begin"),
    "partial": Outcome(
        _on_partial,
        "records before the lowest reported one are done and the rest is the batch now, its retries all "
        "before it; if the first record is reported, nothing is done and one more attempt is used up",
    ),
    "failure": Outcome(
        _on_failure,
        "one more attempt is used up; the batch is bisected if so configured, discarded if its retries are "
        "exhausted, else retried after a backoff; nothing later of the sub_batch is delivered meanwhile",
    ),
    "throttled": Outcome(
        _on_throttle, "retried after a backoff; no attempt is used up, until age or retention"
    ),
}


def fail(
    draft: Draft,
    shard_id: str,
    sub_batch: SubBatch,
    batch: Batch,
    response: ResponseContext,
    *,
    bisects: bool = True,
) -> SubBatch:
    """Use up an attempt of the batch at hand: bisect it, discard it, or wait to retry it."""
    batch = replace(batch, attempts=batch.attempts + 1, throttles=0, response=response)
    sub_batch = replace(sub_batch, work=(batch, *sub_batch.work[1:]))
    if bisects and draft.config.bisect_batch_on_function_error and len(batch.records) > 1:
        return _bisect(draft, shard_id, sub_batch, batch)
    if _exhausted(draft, batch):
        return discard(draft, shard_id, sub_batch, len(batch.records), "RetryAttemptsExhausted")
    return _retry(draft, shard_id, sub_batch, batch)


def _exhausted(draft: Draft, batch: Batch) -> bool:
    return 0 <= draft.config.retry_attempts_max < batch.attempts


def _retry(draft: Draft, shard_id: str, sub_batch: SubBatch, batch: Batch) -> SubBatch:
    batch = replace(batch, retry_at_ms=draft.now_ms + draft.backoff_ms(max(1, batch.attempts)))
    sub_batch = replace(sub_batch, work=(batch, *sub_batch.work[1:]), holds_shard=_holds(draft, sub_batch))
    return _regroup(draft, shard_id, sub_batch, batch)


def _holds(draft: Draft, sub_batch: SubBatch) -> bool:
    if draft.config.parallelization_factor == 1:
        return False
    return sub_batch.holds_shard or draft.ask("failing_sub_batch") == "whole_shard"


def _bisect(draft: Draft, shard_id: str, sub_batch: SubBatch, batch: Batch) -> SubBatch:
    """Split a failed batch in two; splitting does not consume the retry quota (with-kinesis.html)."""
    mode = draft.ask("bisect_attempts")
    if mode == "inherit" and _exhausted(draft, batch):
        return discard(draft, shard_id, sub_batch, len(batch.records), "RetryAttemptsExhausted")
    attempts = {"not_consumed": batch.attempts - 1, "inherit": batch.attempts, "reset": 0}[mode]
    middle = len(batch.records) // 2
    halves = [
        replace(batch, batch_id=draft.new_id(), records=records, attempts=attempts, handouts=0, retry_at_ms=0)
        for records in (batch.records[:middle], batch.records[middle:])
    ]
    if draft.ask("bisect_order") == "second_half_first":
        halves.reverse()
    halves[0] = replace(halves[0], retry_at_ms=draft.now_ms + draft.backoff_ms(max(1, attempts)))
    return replace(sub_batch, work=(*halves, *sub_batch.work[1:]), holds_shard=_holds(draft, sub_batch))


def _regroup(draft: Draft, shard_id: str, sub_batch: SubBatch, batch: Batch) -> SubBatch:
    """Retry with other records than before: the mapping reads them again and nothing promises the same cut.

    More records only without a retry limit: the newcomers would otherwise start with attempts used up.
    """
    options = ["same"]
    room = draft.config.batch_size - len(batch.records)
    if len(batch.records) > 1:
        options.append("fewer")
    if draft.config.retry_attempts_max < 0 and room and sub_batch.buffer and len(sub_batch.work) == 1:
        options.append("more")
    answer = draft.ask("regroup_retry", tuple(options)) if len(options) > 1 else "same"
    if answer == "fewer":
        count = draft.choices.between("regroup_count", 1, len(batch.records) - 1)
        head = replace(batch, records=batch.records[:count])
        rest = replace(
            batch, batch_id=draft.new_id(), records=batch.records[count:], handouts=0, retry_at_ms=0
        )
        return replace(sub_batch, work=(head, rest, *sub_batch.work[1:]))
    if answer == "more":
        base_bytes = draft.envelope(shard_id).event_bytes(batch.records)
        extra, used_bytes = draft.fitting(shard_id, sub_batch.buffer, count_max=room, base_bytes=base_bytes)
        return replace(
            sub_batch,
            buffer=sub_batch.buffer[len(extra) :],
            buffer_bytes=sub_batch.buffer_bytes - used_bytes,
            work=(replace(batch, records=batch.records + extra),),
            unacknowledged=sub_batch.unacknowledged + tuple(record.sequence_number for record in extra),
        )
    return sub_batch
