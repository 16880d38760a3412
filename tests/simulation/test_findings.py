"""What the simulation found in the product, each as a test that does not depend on a seed."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tapstack.aws.dynamodb import DynamoTable
from tapstack.consumer.consume import Dependencies, Limits, consume
from tapstack.consumer.journal_lag import JournalLag
from tapstack.consumer.records import StreamRecord
from tapstack.core.events import TYPE_CODE
from tapstack.core.rows import decode_user
from tapstack.ports import Key
from tapstack_emulator import ManualClock, MemoryBucket, MemoryDynamoDB

DAY_S = 86_400
TTL_S = 30 * DAY_S
USER = Key("U#u", "-")


class StaleOnce:
    """DynamoDB with one read answered as it was answered before."""

    def __init__(self, dynamodb: MemoryDynamoDB) -> None:
        self._dynamodb = dynamodb
        self.answer: bytes | None = None

    def call(self, operation: str, body: bytes) -> bytes:
        if operation == "BatchGetItem" and self.answer is not None and b"U#u" in body:
            answer, self.answer = self.answer, None
            return answer
        return self._dynamodb.call(operation, body)


def deliver(api: StaleOnce, clock: ManualClock, name: str, kind: str) -> None:
    now_s = clock.now_ms() // 1000
    body = {
        "event_type": kind,
        "user_id": "u",
        "event_id": name,
        "occurred_at": datetime.fromtimestamp(now_s, UTC),
        "received_at": datetime.fromtimestamp(now_s, UTC),
    }
    record = StreamRecord(
        shard_id="shardId-000000000000",
        sequence_number="1",
        data=msgspec.json.encode(body),
        arrived_at_s=now_s,
    )
    bucket = MemoryBucket()
    world = Dependencies(
        table=DynamoTable(api, "t"),
        lag=JournalLag(),
        quarantine=bucket,
        late=bucket,
        clock=clock,
        jitter=lambda: 0.0,
    )
    limits = Limits(lanes=1, row_ttl_s=TTL_S, age_max_s=14 * DAY_S)
    assert consume([record], world, limits, lambda: 60_000).resume_from is None


def test_the_image_of_a_row_that_ttl_deleted_meets_no_condition_of_the_row_begun_anew() -> None:
    clock = ManualClock()
    dynamodb = MemoryDynamoDB(clock)
    dynamodb.create_table("t", ttl_attribute="ttl")
    api = StaleOnce(dynamodb)
    deliver(api, clock, "a", "page_view")
    keys = [{"pk": {"S": USER.pk}, "sk": {"S": USER.sk}}, {"pk": {"S": "L#"}, "sk": {"S": "0000"}}]
    old = dynamodb.call("BatchGetItem", msgspec.json.encode({"RequestItems": {"t": {"Keys": keys}}}))
    clock.advance_ms((TTL_S + DAY_S) * 1000)
    assert dynamodb.sweep() > 0
    deliver(api, clock, "b", "identify")
    api.answer = old
    deliver(api, clock, "c", "search")
    row = DynamoTable(dynamodb, "t").read([USER])[0][USER]
    assert decode_user(row.state).counters == {TYPE_CODE["identify"]: 1, TYPE_CODE["search"]: 1}
