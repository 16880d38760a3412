"""The event source mapping as one pure function: `step(state, input, choices) -> (state, outputs)`.

No I/O, clock or randomness: time comes in the inputs, what AWS leaves open is asked of `choices`. By hand:

>>> config = MappingConfig(
...     event_source_arn="arn:aws:kinesis:eu-west-1:000000000000:stream/clicks",
...     function_arn="arn:aws:lambda:eu-west-1:000000000000:function:consumer",
...     starting_position="TRIM_HORIZON",
... )
>>> choices = FixedChoices()
>>> state, outputs = step(create(config, now_ms=0), Tick(0), choices)  # activation
>>> outputs[1]
ListShards()
>>> shards = (ShardInfo(shard_id="shardId-000000000000"),)
>>> state, outputs = step(state, ShardsListed(0, shards), choices)
>>> fetch = outputs[0]
>>> fetch.position.kind
'TRIM_HORIZON'
>>> record = Record(sequence_number="1", partition_key="u", data="e30=", arrival_ms=0)
>>> page = RecordsFetched(
...     now_ms=5,
...     shard_id=fetch.shard_id,
...     fetch_id=fetch.fetch_id,
...     records=(record,),
...     next_iterator="from here on",
... )
>>> state, outputs = step(state, page, choices)
>>> invoke = next(output for output in outputs if isinstance(output, Invoke))
>>> answer = InvokeResult.success(b'{"batchItemFailures":[]}')
>>> state, outputs = step(state, invoke.finished(9, answer), choices)
>>> state.shards["shardId-000000000000"].checkpoint
'1'

A driver owes one answer to each `ListShards`, `Fetch`, `Invoke` and `Deliver`, in any order and at any
time, and a `Tick` at the latest `SetTimer`. Answers that are not awaited any more are ignored, so a driver
injects faults by lying: a lost success is reported as ``throttled`` or as a timeout (``function_error``), a
zombie is an invocation that runs on after such a report, a duplicate is `Redeliver`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from tapstack_emulator.event_source_mapping import outcomes, settling, shards, sub_batches
from tapstack_emulator.event_source_mapping.choices import Choices, FixedChoices
from tapstack_emulator.event_source_mapping.config import MappingConfig, Pacing
from tapstack_emulator.event_source_mapping.draft import Draft
from tapstack_emulator.event_source_mapping.filters import check_pattern
from tapstack_emulator.event_source_mapping.model import (
    Delete,
    DestinationFinished,
    Disable,
    Enable,
    FetchFailed,
    Input,
    InvocationFinished,
    Invoke,
    ListFailed,
    ListShards,
    MappingState,
    Output,
    RecordsFetched,
    Redeliver,
    SetChildrenFirst,
    SetRetention,
    SetTimer,
    ShardInfo,
    ShardsListed,
    Status,
    Tick,
    Update,
)
from tapstack_emulator.event_source_mapping.payload import Record
from tapstack_emulator.event_source_mapping.responses import InvokeResult

__all__ = [
    "TRANSITIONS",
    "Choices",
    "FixedChoices",
    "Invoke",
    "InvokeResult",
    "Record",
    "ShardInfo",
    "Transition",
    "create",
    "step",
]


def create(config: MappingConfig, *, now_ms: int, pacing: Pacing | None = None) -> MappingState:
    """Return a mapping's first state; a `Tick` at ``activate_at_ms`` activates it.

    Parameters
    ----------
    config
        The mapping.
    now_ms
        Unix time in milliseconds.
    pacing
        The emulator's pace.

    Raises
    ------
    ValueError
        If the mapping asks for what is not emulated, or for a filter that AWS would refuse.
    """
    _check(config)
    pacing = pacing or Pacing()
    return MappingState(
        config=config,
        pacing=pacing,
        status="Creating" if config.enabled else "Disabled",
        activate_at_ms=now_ms + pacing.activation_delay_ms,
    )


def _check(config: MappingConfig) -> None:
    if config.tumbling_window_s:
        raise ValueError("TumblingWindowInSeconds: tumbling windows are not emulated; it must be 0")
    for pattern in config.filter_patterns:
        check_pattern(pattern)


def step(state: MappingState, event: Input, choices: Choices) -> tuple[MappingState, list[Output]]:
    """Take one input.

    Parameters
    ----------
    state
        The state, which is not changed.
    event
        What happened. In a state whose row of the table does not name it, it is ignored.
    choices
        Who settles what AWS does not document.

    Returns
    -------
    tuple
        The next state, and what is to be done, in order.
    """
    act = _ACTIONS.get((state.status, type(event)))
    if act is None:
        return state, []
    draft = Draft(state, event.now_ms, choices)
    act(draft, event)
    _set_timer(draft, event)
    return draft.finish(), draft.outputs


def _set_timer(draft: Draft, event: Input) -> None:
    """Ask for the next wake-up if it is not the one already asked for."""
    if isinstance(event, Tick) and draft.timer_ms is not None and draft.timer_ms <= event.now_ms:
        draft.timer_ms = None
    moments: list[int | None] = []
    if draft.status == "Enabled":
        moments = [shards.due_ms(draft, shard) for shard in draft.shards.values()]
        moments.append(draft.list_at_ms)
    elif draft.status in _STARTING and not shards.busy(draft):
        moments.append(draft.activate_at_ms)  # else the last running invocation's end will see to it
    due = min((moment for moment in moments if moment is not None), default=None)
    if due is not None and due != draft.timer_ms:
        draft.emit(SetTimer(due))
    draft.timer_ms = due


# ---------------------------------------------------------------- starting and stopping

_STARTING: tuple[Status, ...] = ("Creating", "Enabling", "Updating")


def _activate(draft: Draft, event: Any = None) -> None:  # noqa: ARG001 - the shape of the table
    if draft.now_ms < draft.activate_at_ms or shards.busy(draft):
        return
    draft.enter("Enabled")
    if draft.retake_latest:
        shards.retake_latest(draft)
        draft.retake_latest = False
    _list(draft)
    shards.restart(draft)


def _begin_stop(draft: Draft, status: Status) -> None:
    draft.enter(status)
    if not shards.busy(draft) or draft.ask("in_flight_on_stop") == "abandon":
        _end_stop(draft)


def _end_stop(draft: Draft) -> None:
    shards.rewind(draft)
    if draft.status == "Disabling":
        draft.enter("Disabled")
    else:
        _activate(draft)


def _disable(draft: Draft, event: Disable) -> None:  # noqa: ARG001
    _begin_stop(draft, "Disabling")


def _enable(draft: Draft, event: Enable) -> None:  # noqa: ARG001
    draft.activate_at_ms = draft.now_ms + draft.pacing.activation_delay_ms
    draft.enter("Enabling")
    _activate(draft)


def _update(draft: Draft, event: Update) -> None:
    _adopt_config(draft, event)
    draft.activate_at_ms = draft.now_ms + draft.pacing.activation_delay_ms
    if draft.config.starting_position == "LATEST" and draft.ask("latest_on_update") == "retake":
        draft.retake_latest = True
    _begin_stop(draft, "Updating")


def _adopt_config(draft: Draft, event: Update) -> None:
    """Change the parameters; where to start and who the mapping is were settled when it was created."""
    _check(event.config)
    old = draft.config
    draft.config = replace(
        event.config,
        uuid=old.uuid,
        event_source_arn=old.event_source_arn,
        starting_position=old.starting_position,
        starting_position_timestamp_ms=old.starting_position_timestamp_ms,
    )
    if not shards.busy(draft):
        shards.rewind(draft)  # the number of sub-batches may have changed


def _delete(draft: Draft, event: Delete) -> None:  # noqa: ARG001
    draft.enter("Deleted")
    draft.shards = {}
    draft.list_at_ms = draft.timer_ms = None


# ---------------------------------------------------------------- running


def _list(draft: Draft) -> None:
    draft.emit(ListShards())
    draft.list_at_ms = draft.now_ms + draft.pacing.shard_list_interval_ms


def _tick(draft: Draft, event: Tick) -> None:  # noqa: ARG001
    for shard_id in tuple(draft.shards):
        shards.pump(draft, shard_id)
    if draft.list_at_ms is not None and draft.list_at_ms <= draft.now_ms:
        _list(draft)


def _listed(draft: Draft, event: ShardsListed) -> None:
    draft.list_at_ms = draft.now_ms + draft.pacing.shard_list_interval_ms
    shards.adopt(draft, event.shards)
    draft.listed = True


def _list_failed(draft: Draft, event: ListFailed) -> None:  # noqa: ARG001
    draft.list_at_ms = draft.now_ms + draft.pacing.poll_interval_ms


def _finished(draft: Draft, event: InvocationFinished) -> None:
    shard = draft.shards.get(event.shard_id)
    if shard is None or event.sub_batch >= len(shard.sub_batches):
        return
    sub_batch = shard.sub_batches[event.sub_batch]
    changed = outcomes.finished(draft, event.shard_id, sub_batch, event)
    if changed is not sub_batch:
        _put(draft, event.shard_id, changed)


def _delivered(draft: Draft, event: DestinationFinished) -> None:
    shard = draft.shards.get(event.shard_id)
    if shard is None or event.sub_batch >= len(shard.sub_batches):
        return
    sub_batch = shard.sub_batches[event.sub_batch]
    changed = settling.destination_finished(
        draft, event.shard_id, sub_batch, delivery_id=event.delivery_id, delivered=event.delivered
    )
    if changed is not sub_batch:
        _put(draft, event.shard_id, changed)


def _put(draft: Draft, shard_id: str, sub_batch: Any) -> None:
    shards.put_sub_batch(draft, draft.shards[shard_id], sub_batch)
    shards.pump(draft, shard_id)
    if draft.status in ("Disabling", "Updating") and not shards.busy(draft):
        _end_stop(draft)


def _children_first(draft: Draft, event: SetChildrenFirst) -> None:
    draft.children_first = event.allowed
    if draft.status == "Enabled":
        shards.promote(draft)
        if event.allowed:
            _list(draft)  # children are otherwise learnt at their parent's end


def _retention(draft: Draft, event: SetRetention) -> None:
    draft.pacing = replace(draft.pacing, retention_ms=event.retention_ms)


def _redeliver(draft: Draft, event: Redeliver) -> None:
    shard = draft.shards.get(event.shard_id)
    if shard is not None and event.sub_batch < len(shard.sub_batches):
        sub_batches.redeliver(draft, event.shard_id, shard.sub_batches[event.sub_batch])


# ---------------------------------------------------------------- the table


class Transition(NamedTuple):
    """A row of the table: in these states, on this input, do this."""

    states: tuple[Status, ...]
    on: type[Input]
    act: Callable[[Draft, Any], None]
    meaning: str


_LIVING: tuple[Status, ...] = ("Creating", "Enabling", "Enabled", "Disabling", "Disabled", "Updating")
_ANSWERING: tuple[Status, ...] = ("Enabled", "Disabling", "Updating")

TRANSITIONS: tuple[Transition, ...] = (
    Transition(
        _STARTING, Tick, _activate, "once the activation delay is over: Enabled, list shards, read on"
    ),
    Transition(("Enabled",), Tick, _tick, "fetch, form batches whose window ended, retry what is due, list"),
    Transition(
        ("Enabled",), ShardsListed, _listed, "take up new shards; read those whose parents are finished"
    ),
    Transition(("Enabled",), ListFailed, _list_failed, "list again after the poll interval"),
    Transition(
        ("Enabled",),
        RecordsFetched,
        shards.on_page,
        "filter, give to sub_batches, deliver; at a closed shard's end its children follow",
    ),
    Transition(
        ("Enabled",),
        FetchFailed,
        shards.on_trouble,
        "expired iterator: take a new one AFTER_SEQUENCE_NUMBER; else wait; a shard that is gone has ended",
    ),
    Transition(
        _ANSWERING,
        InvocationFinished,
        _finished,
        "judge by the table of outcomes; when stopping and nothing else runs: rewind to the checkpoints",
    ),
    Transition(
        _ANSWERING, DestinationFinished, _delivered, "the discarded records are settled, delivered or lost"
    ),
    Transition(("Enabled",), Disable, _disable, "Disabling until running invocations end, then Disabled"),
    Transition(
        ("Creating", "Enabling", "Updating"), Disable, _disable, "likewise, though nothing was begun yet"
    ),
    Transition(
        ("Disabled",), Enable, _enable, "Enabling; after the activation delay resume at the checkpoints"
    ),
    Transition(("Enabled",), Update, _update, "Updating; stop, then resume with the new parameters"),
    Transition(
        ("Creating", "Enabling", "Disabling", "Disabled", "Updating"),
        Update,
        _adopt_config,
        "other parameters",
    ),
    Transition(_LIVING, Delete, _delete, "Deleted; the checkpoints are forgotten"),
    Transition(_LIVING, SetChildrenFirst, _children_first, "fault switch: children may be read first"),
    Transition(_LIVING, SetRetention, _retention, "records older than this are lost while stalled"),
    Transition(("Enabled",), Redeliver, _redeliver, "fault: deliver the last acknowledged batch once more"),
)

_ACTIONS: dict[tuple[Status, type[Input]], Callable[[Draft, Any], None]] = {
    (status, row.on): row.act for row in TRANSITIONS for status in row.states
}
