"""The part of `MemoryKinesis` that describes and changes a stream's shards."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

import msgspec

from tapstack.ports import Clock
from tapstack_emulator.aws_json import constraint, failure
from tapstack_emulator.kinesis import wire
from tapstack_emulator.kinesis.shards import Shard
from tapstack_emulator.kinesis.stream import Stream

TOKEN_LIFE_MS = 300_000
_FILTERS = {
    "AFTER_SHARD_ID",
    "AT_TRIM_HORIZON",
    "FROM_TRIM_HORIZON",
    "AT_LATEST",
    "AT_TIMESTAMP",
    "FROM_TIMESTAMP",
}


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
    _hash_key: Callable[[str, str, str], int]

    def _list_shards(self, request: wire.ListShards) -> dict[str, object]:
        if not 1 <= request.max_results <= 10_000:
            bound = "greater than or equal to 1" if request.max_results < 1 else "less than or equal to 10000"
            raise constraint(request.max_results, "maxResults", f"Member must have value {bound}")
        now_ms = self.clock.now_ms()
        after, chosen = request.exclusive_start_shard_id or "", request.shard_filter
        if request.next_token is not None:
            token = self._token(request, now_ms)
            stream, after, chosen = self._stream(token.stream), token.after, token.filter
        else:
            stream = self._of(request)
        stream.expire(now_ms)
        keep = _filtered(stream, chosen, now_ms)
        found = [shard for shard in stream.shards.values() if shard.shard_id > after and keep(shard)]
        page = found[: request.max_results]
        answer: dict[str, object] = {"Shards": [shard.answer() for shard in page]}
        if len(found) > len(page):
            following = msgspec.json.encode(_Token(now_ms, stream.name, page[-1].shard_id, chosen))
            answer["NextToken"] = base64.b64encode(following).decode()
        return answer

    def _token(self, request: wire.ListShards, now_ms: int) -> _Token:
        if request.stream_name is not None or request.exclusive_start_shard_id is not None:
            message = "NextToken and StreamName cannot be provided together."
            raise failure("InvalidArgumentException", message)
        try:
            token = _TOKENS.decode(base64.b64decode(request.next_token or "", validate=True))
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            raise failure("InvalidArgumentException", "Invalid NextToken.") from None
        if now_ms - token.made_ms > TOKEN_LIFE_MS:
            raise failure("ExpiredNextTokenException", "The NextToken has expired.")
        return token

    def _describe_stream(self, request: wire.DescribeStream) -> dict[str, object]:
        stream, now_ms = self._of(request), self.clock.now_ms()
        stream.expire(now_ms)
        after = request.exclusive_start_shard_id or ""
        found = [shard for shard in stream.shards.values() if shard.shard_id > after]
        page = found[: request.limit]
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
            "StreamName": stream.name,
            "StreamARN": stream.arn,
            "StreamStatus": stream.status(now_ms),
            "StreamModeDetails": {"StreamMode": stream.mode},
            "RetentionPeriodHours": stream.retention_hours,
            "StreamCreationTimestamp": stream.created_ms / 1000,
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
        }

    def _split_shard(self, request: wire.SplitShard) -> None:
        at = self._hash_key(request.new_starting_hash_key, "newStartingHashKey", "NewStartingHashKey")
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
        if right.end + 1 == left.start:
            left, right = right, left
        if left.end + 1 != right.start:
            message = (
                f"Shards {left.shard_id} and {right.shard_id} in stream {stream.name} under account"
                f" {self._account} are not an adjacent pair of shards eligible for merging"
            )
            raise failure("InvalidArgumentException", message)
        stream.merge(left, right, self._changing(stream))

    def _update_shard_count(self, request: wire.UpdateShardCount) -> dict[str, object]:
        target = request.target_shard_count
        if request.scaling_type != "UNIFORM_SCALING":
            must = "Member must satisfy enum value set: [UNIFORM_SCALING]"
            raise constraint(request.scaling_type, "scalingType", must)
        if target < 1:
            raise constraint(target, "targetShardCount", "Member must have value greater than or equal to 1")
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
        """Make the stream UPDATING for a while; return the present."""
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


def _filtered(stream: Stream, chosen: wire.Filter | None, now_ms: int) -> Callable[[Shard], bool]:
    """Turn a ShardFilter into a predicate; see API_ShardFilter."""
    if chosen is None or chosen.type == "FROM_TRIM_HORIZON":
        return lambda _: True
    if chosen.type not in _FILTERS:
        must = f"Member must satisfy enum value set: [{', '.join(sorted(_FILTERS))}]"
        raise constraint(chosen.type, "shardFilter.type", must)
    if chosen.type == "AFTER_SHARD_ID":
        after = chosen.shard_id or ""
        return lambda shard: shard.shard_id > after
    if chosen.type == "AT_LATEST":
        return lambda shard: shard.closed_ms is None
    horizon_ms = max(stream.horizon_ms(now_ms), stream.created_ms)
    at_ms = horizon_ms if chosen.type == "AT_TRIM_HORIZON" else int((chosen.timestamp or 0) * 1000)
    if chosen.type == "FROM_TIMESTAMP":
        return lambda shard: shard.closed_ms is None or shard.closed_ms >= at_ms
    return lambda shard: shard.opened_ms <= at_ms and (shard.closed_ms is None or shard.closed_ms > at_ms)
