"""The part of `MemoryKinesis` that describes and changes a stream's shards."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TypeVar

import msgspec

from tapstack.ports import Clock
from tapstack_emulator.aws_json import failure
from tapstack_emulator.kinesis import wire
from tapstack_emulator.kinesis.shards import Shard
from tapstack_emulator.kinesis.stream import Stream

Value = TypeVar("Value")

TOKEN_LIFE_MS = 300_000
LIST_SHARDS_COUNT = 1000  # API_ListShards, read 2026-11-23
DESCRIBE_SHARDS_COUNT = 100


class _Token(msgspec.Struct, array_like=True):
    """Where ListShards goes on."""

    made_ms: int
    stream: str
    after: str
    filter: wire.Filter | None


_TOKENS = msgspec.json.Decoder(_Token)


class Resharding:
    """Operations on the shards of streams found by the class that mixes this in."""

    clock: Clock
    _account: str
    _transition_ms: int
    _of: Callable[[wire.OfStream], Stream]
    _active: Callable[[wire.OfStream], Stream]
    _stream: Callable[[str], Stream]
    _hash_key: Callable[[str, str], int]

    def _list_shards(self, request: wire.ListShards) -> dict[str, object]:
        now_ms = self.clock.now_ms()
        after, chosen = request.exclusive_start_shard_id or "", request.shard_filter
        if request.next_token is not None:
            token = self._token(request, now_ms)
            stream, after, chosen = self._stream(token.stream), token.after, token.filter
        else:
            stream = self._of(request)
            _check_creation(stream, request.stream_creation_timestamp, self._account)
        stream.expire(now_ms)
        keep = _filtered(stream, chosen, now_ms)
        found = [shard for shard in stream.shards.values() if shard.shard_id > after and keep(shard)]
        page = found[: request.max_results or LIST_SHARDS_COUNT]
        answer: dict[str, object] = {"Shards": [shard.answer() for shard in page]}
        if len(found) > len(page):
            following = msgspec.json.encode(_Token(now_ms, stream.name, page[-1].shard_id, chosen))
            answer["NextToken"] = base64.b64encode(following).decode()
        return answer

    def _token(self, request: wire.ListShards, now_ms: int) -> _Token:
        others = (
            ("StreamName", request.stream_name),
            ("StreamARN", request.stream_arn),
            ("ExclusiveStartShardId", request.exclusive_start_shard_id),
            ("ShardFilter", request.shard_filter),
            ("StreamCreationTimestamp", request.stream_creation_timestamp),
        )
        given = next((name for name, value in others if value is not None), None)
        if given is not None:
            message = f"NextToken and {given} cannot be provided together."
            raise failure("InvalidArgumentException", message)
        try:
            token = _TOKENS.decode(base64.b64decode(request.next_token or "", validate=True))
        except (ValueError, msgspec.MsgspecError):
            raise failure("InvalidArgumentException", "Invalid NextToken.") from None
        if now_ms - token.made_ms > TOKEN_LIFE_MS:
            raise failure("ExpiredNextTokenException", "The NextToken has expired.")
        return token

    def _describe_stream(self, request: wire.DescribeStream) -> dict[str, object]:
        stream, now_ms = self._of(request), self.clock.now_ms()
        stream.expire(now_ms)
        after = request.exclusive_start_shard_id or ""
        found = [shard for shard in stream.shards.values() if shard.shard_id > after]
        page = found[: request.limit or DESCRIBE_SHARDS_COUNT]
        described = self._described(stream, now_ms)
        described["Shards"] = [shard.answer() for shard in page]
        described["HasMoreShards"] = len(found) > len(page)
        return {"StreamDescription": described}

    def _describe_stream_summary(self, request: wire.OfStream) -> dict[str, object]:
        stream = self._of(request)
        described = self._described(stream, self.clock.now_ms())
        described["OpenShardCount"] = len(stream.open_shards())
        described["ConsumerCount"] = 0
        return {"StreamDescriptionSummary": described}

    def _described(self, stream: Stream, now_ms: int) -> dict[str, object]:
        return {
            **stream.summary(now_ms),
            "RetentionPeriodHours": stream.retention_hours,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
        }

    def _split_shard(self, request: wire.SplitShard) -> None:
        at = self._hash_key(request.new_starting_hash_key, "NewStartingHashKey")
        stream = self._provisioned(request)
        shard = self._open_shard(stream, request.shard_to_split)
        if not shard.start + 1 < at < shard.end:
            message = (
                f"NewStartingHashKey {at} used in SplitShard() on shard {shard.shard_id} in stream"
                f" {stream.name} under account {self._account} is not both greater than one plus the shard's"
                f" StartingHashKey {shard.start} and less than the shard's EndingHashKey {shard.end}."
            )
            raise failure("InvalidArgumentException", message)
        stream.split(shard, at, self._changing(stream))

    def _merge_shards(self, request: wire.MergeShards) -> None:
        stream = self._provisioned(request)
        left = self._open_shard(stream, request.shard_to_merge)
        right = self._open_shard(stream, request.adjacent_shard_to_merge)
        # AWS refuses them in the other order: mhart/kinesalite, test/mergeShards.js, read 2026-11-29.
        if left.end + 1 != right.start:
            message = (
                f"Shards {left.shard_id} and {right.shard_id} in stream {stream.name} under account"
                f" {self._account} are not an adjacent pair of shards eligible for merging"
            )
            raise failure("InvalidArgumentException", message)
        stream.merge(left, right, self._changing(stream))

    def _update_shard_count(self, request: wire.UpdateShardCount) -> dict[str, object]:
        target = request.target_shard_count
        stream = self._provisioned(request)
        current = len(stream.open_shards())
        if target > 2 * current or 2 * target < current:
            how = "up over double" if target > current else "down below half"
            message = (
                f"UpdateShardCount cannot scale {how} your current open shard count."
                f" Current open shard count: {current}, Target shard count: {target}"
            )
            raise failure("LimitExceededException", message)
        stream.scale(target, self._changing(stream))
        return {
            "StreamName": stream.name,
            "StreamARN": stream.arn,
            "CurrentShardCount": current,
            "TargetShardCount": target,
        }

    def _update_stream_mode(self, request: wire.UpdateStreamMode) -> None:
        stream = self._active(wire.OfStream(stream_arn=request.stream_arn))
        self._changing(stream)
        stream.mode = request.stream_mode_details.stream_mode

    def _provisioned(self, request: wire.OfStream) -> Stream:
        """Find a stream whose owner may reshard it, which AWS alone does to an on-demand one [1]_.

        References
        ----------
        .. [1] Botocore's model of Kinesis (2013-12-02), ValidationException: "This API is only supported for
           data streams with the provisioned capacity mode"; what the message says is not documented
        """
        stream = self._active(request)
        if stream.mode == "ON_DEMAND":
            which = f"Stream {stream.name} under account {self._account}"
            raise failure("ValidationException", f"Request is invalid. {which} is in On-Demand mode.")
        return stream

    def _changing(self, stream: Stream) -> int:
        """Set the stream to UPDATING for a while; return the present."""
        now_ms = self.clock.now_ms()
        stream.expire(now_ms)
        stream.change(now_ms, self._transition_ms)
        return now_ms

    def _open_shard(self, stream: Stream, shard_id: str) -> Shard:
        shard = stream.shards.get(shard_id)
        where = f"in stream {stream.name} under account {self._account}"
        if shard is None:
            raise failure("ResourceNotFoundException", f"Could not find shard {shard_id} {where}.")
        if shard.closed_ms is not None:
            message = f"Shard {shard_id} {where} has already been merged or split."
            raise failure("InvalidArgumentException", message)
        return shard


def _check_creation(stream: Stream, created_s: float | None, account: str) -> None:
    """Refuse to list a namesake of the stream that is meant."""
    if created_s is not None and int(stream.created_ms / 1000) != created_s // 1:
        message = f"Stream {stream.name} under account {account} not found."
        raise failure("ResourceNotFoundException", message)


def _filtered(stream: Stream, chosen: wire.Filter | None, now_ms: int) -> Callable[[Shard], bool]:
    """Turn a ShardFilter into a predicate; see API_ShardFilter."""
    if chosen is None or chosen.type == "FROM_TRIM_HORIZON":
        return lambda _: True
    if chosen.type == "AT_LATEST":
        return lambda shard: shard.closed_ms is None
    if chosen.type == "AFTER_SHARD_ID":
        after = _needed(chosen.shard_id, "ShardId", chosen)
        return lambda shard: shard.shard_id > after
    at_ms: float = max(stream.horizon_ms(now_ms), stream.created_ms)
    if chosen.type != "AT_TRIM_HORIZON":
        at_ms = _needed(chosen.timestamp, "Timestamp", chosen) * 1000
    if chosen.type == "FROM_TIMESTAMP":
        return lambda shard: shard.closed_ms is None or shard.closed_ms >= at_ms
    return lambda shard: shard.opened_ms <= at_ms and (shard.closed_ms is None or shard.closed_ms > at_ms)


def _needed(value: Value | None, name: str, chosen: wire.Filter) -> Value:
    if value is None:
        message = f"{name} must be provided when ShardFilter.Type is {chosen.type}."
        raise failure("InvalidArgumentException", message)
    return value
