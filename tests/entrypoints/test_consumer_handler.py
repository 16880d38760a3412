"""The consumer as Lambda calls it: batches, what it answers, and what it logs of them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from functions_world import LONG_AGO, NOW_S, Cloud, Context, event, line, lines, mapped, request

from event_strategies import client_event
from tapstack.entrypoints.consumer_batch import stream_records
from tapstack.errors import UndecodableRow
from tapstack.metrics import METRICS
from tapstack.retry_budget import MARGIN_MS
from tapstack_emulator import FaultScript, FaultyApi, Injection

TODAY = datetime.fromtimestamp(NOW_S, UTC).date()


def test_lambdas_event_is_read_record_by_record() -> None:
    records = stream_records(mapped(b"one", b"two"))
    assert [record.data for record in records] == [b"one", b"two"]
    assert records[0].shard_id == "shardId-000000000006"
    assert records[0].sequence_number == "49590338271490256608559692538361571095921575989136580001"
    assert records[0].arrived_at_s == NOW_S


def test_a_batch_that_is_done_has_no_failures(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    consumer = cloud.function("consumer")
    assert consumer.handler(mapped(event(1), event(2), event(1)), Context()) == {"batchItemFailures": []}
    said = line(capsys)
    assert said["level"] == "INFO"
    assert {name: said[name] for name in ("records", "events_applied", "events_duplicate")} == {
        "records": 3, "events_applied": 2, "events_duplicate": 1,
    }  # fmt: skip
    assert (said["request_id"], said["shard_id"]) == (Context.aws_request_id, "shardId-000000000006")
    assert said["resume_from"] is None


def test_the_first_record_not_done_is_named(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    refusals = FaultScript({("TransactWriteItems", n): Injection("access_denied") for n in range(1, 99)})
    consumer = cloud.function("consumer")
    consumer.handler(mapped(event(1)), Context())
    capsys.readouterr()
    cloud.aws.services["DynamoDB"] = FaultyApi(cloud.dynamodb, refusals)
    batch = mapped(event(2), event(3), first=2)

    class Hurried(Context):
        def get_remaining_time_in_millis(self) -> int:
            return MARGIN_MS + 1  # enough to try once, not enough to wait

    answer = consumer.handler(batch, Hurried())
    expected = batch["Records"][0]["kinesis"]["sequenceNumber"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": expected}]}
    said = line(capsys)
    assert (said["level"], said["resume_from"]) == ("WARNING", expected)
    assert "AccessDeniedException" in said["reason"]


def test_poison_and_late_events_go_to_their_buckets(cloud: Cloud) -> None:
    consumer = cloud.function("consumer")
    old = event(2, occurred_at=LONG_AGO)
    assert consumer.handler(mapped(b"?", old), Context()) == {"batchItemFailures": []}
    paths = sorted(path.rpartition("/")[0] for path in cloud.aws.objects)
    assert paths == [
        f"/late-bucket/late/{TODAY}/shardId-000000000006",
        f"/quarantine-bucket/quarantine/{TODAY}/shardId-000000000006",
    ]


def test_the_line_names_the_objects_with_dead_letters(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    consumer = cloud.function("consumer")
    consumer.handler(mapped(event(1, occurred_at=LONG_AGO)), Context())
    consumer.handler(mapped(*[b"?"] * 25, first=2), Context())
    late, quarantined = lines(capsys)
    assert (late["level"], quarantined["level"]) == ("INFO", "WARNING")
    assert (late["events_late"], quarantined["events_quarantined"]) == (1, 25)
    keys = [*late["dead_letter_keys"], *quarantined["dead_letter_keys"]]
    assert sorted(cloud.aws.objects) == [f"/{key.partition('/')[0]}-bucket/{key}" for key in keys]


def without(*path: Any) -> dict[str, Any]:
    batch = mapped(event(1))
    inner: Any = batch
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return batch


NO_BATCHES: dict[str, tuple[Any, str]] = {
    "nothing": (None, "`object`"),
    "a list": ([], "`object`"),
    "no records": ({}, "`Records`"),
    "records of null": ({"Records": None}, "`$.Records`"),
    "records by name": ({"Records": {"0": {}}}, "`$.Records`"),
    "a record of null": ({"Records": [None]}, "`$.Records[0]`"),
    "a record of another source": ({"Records": [{"eventID": "x", "Sns": {}}]}, "`kinesis`"),
    "no event id": (without("Records", 0, "eventID"), "`eventID`"),
    "no sequence number": (without("Records", 0, "kinesis", "sequenceNumber"), "`sequenceNumber`"),
    "no data": (without("Records", 0, "kinesis", "data"), "`data`"),
    "no time": (
        without("Records", 0, "kinesis", "approximateArrivalTimestamp"),
        "`approximateArrivalTimestamp`",
    ),
    "of the load balancer": (request("POST", "/v1/events"), "`Records`"),
}


@pytest.mark.parametrize(("batch", "member"), NO_BATCHES.values(), ids=NO_BATCHES)
def test_an_event_that_is_no_batch_fails_the_invocation_and_names_the_member(
    cloud: Cloud, batch: Any, member: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        cloud.function("consumer").handler(batch, Context())
    assert member in str(caught.value)


def test_data_that_is_no_base64_fails_the_invocation(cloud: Cloud) -> None:
    batch = mapped(event(1))
    batch["Records"][0]["kinesis"]["data"] = "%"
    with pytest.raises(msgspec.ValidationError):
        cloud.function("consumer").handler(batch, Context())


def test_what_the_consumer_logs_names_no_user_and_no_payload(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    consumer = cloud.function("consumer")
    secret = event(1, traits={"mail": "secret-mail"}, items=[{"item_id": "secret-item"}])
    broken = b'{"event_type":"secret-type","user_id":"secret-user"}'
    old = event(3, occurred_at=LONG_AGO)
    consumer.handler(mapped(secret, broken, old), Context())
    cloud.aws.services["DynamoDB"] = FaultyApi(
        cloud.dynamodb, FaultScript({n: Injection("access_denied") for n in range(1, 99)})
    )

    class Hurried(Context):
        def get_remaining_time_in_millis(self) -> int:
            return MARGIN_MS + 1

    consumer.handler(mapped(event(9)), Hurried())
    said = capsys.readouterr().out
    assert said
    assert "secret" not in said


def test_a_row_that_cannot_be_read_fails_the_invocation_and_the_line_says_which_batch(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    consumer = cloud.function("consumer")
    consumer.handler(mapped(event(1)), Context())
    (user,) = [each for each in cloud.dynamodb.items("behaviour") if each["pk"]["S"] == "U#secret-user"]
    write = {"Put": {"TableName": "behaviour", "Item": {**user, "s": {"B": "kA=="}}}}
    cloud.dynamodb.call("TransactWriteItems", msgspec.json.encode({"TransactItems": [write]}))
    capsys.readouterr()
    batch = mapped(event(2), event(3), first=2)
    with pytest.raises(UndecodableRow):
        consumer.handler(batch, Context())
    assert line(capsys) == {
        "level": "ERROR",
        "FunctionName": "",
        "undecodable": "user",
        "reason": "its arrays end too early",
        "request_id": Context.aws_request_id,
        "shard_id": "shardId-000000000006",
        "first": batch["Records"][0]["kinesis"]["sequenceNumber"],
        "records": 2,
    }


DAY_S = 86_400
# The variables of ENVIRONMENT: rows live 30 days, an event may be 29 days old, two lanes.


@pytest.mark.parametrize(("age_s", "is_late"), [(29 * DAY_S - 3_600, False), (29 * DAY_S + 3_600, True)])
def test_events_are_late_and_rows_expire_as_the_variables_say(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], age_s: int, is_late: bool
) -> None:
    occurred_at = datetime.fromtimestamp(NOW_S - age_s, tz=UTC).isoformat()
    cloud.function("consumer").handler(mapped(event(1, occurred_at=occurred_at)), Context())
    said = line(capsys)
    assert (said["events_late"], said["events_applied"]) == (is_late, not is_late)
    expiries = {
        item["pk"]["S"][:2]: item.get("ttl", {}).get("N") for item in cloud.dynamodb.items("behaviour")
    }
    expires = str(NOW_S + 30 * DAY_S)
    assert expiries == ({} if is_late else {"U#": expires, "J#": expires, "L#": None})


@pytest.mark.parametrize(("age_s", "is_noted"), [(29 * DAY_S - 3_600, False), (29 * DAY_S + 3_600, True)])
def test_the_collector_says_what_the_consumer_will_do(cloud: Cloud, age_s: int, is_noted: bool) -> None:
    occurred_at = datetime.fromtimestamp(time.time() - age_s, tz=UTC).isoformat()
    said = client_event(occurred_at=occurred_at)
    answer = cloud.function("collector").handler(request("POST", "/v1/events", said), None)
    (result,) = msgspec.json.decode(answer["body"])["results"]
    assert (answer["statusCode"], result["status"]) == (200, "ok")
    assert [note.partition(":")[0] for note in result.get("notes", [])] == ["too_old"] * is_noted


@pytest.mark.parametrize(("shard", "lane"), [(6, "J#0000"), (7, "J#0001")])
def test_the_journal_has_as_many_lanes_as_the_variable_says(cloud: Cloud, shard: int, lane: str) -> None:
    batch = mapped(event(1))
    batch["Records"][0]["eventID"] = batch["Records"][0]["eventID"].replace("6:", f"{shard}:")
    cloud.function("consumer").handler(batch, Context())
    partitions = {item["pk"]["S"] for item in cloud.dynamodb.items("behaviour")}
    assert {pk for pk in partitions if pk[0] == "J"} == {lane}


def test_the_line_counts_every_fate_by_its_own_name(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    consumer = cloud.function("consumer")
    late = [event(number, occurred_at=LONG_AGO) for number in (91, 92)]
    batch = [event(1), event(2), event(3), event(4), *[event(1)] * 3, *late, b"?"]
    consumer.handler(mapped(*batch), Context())
    *_, said = lines(capsys)
    counted = {name: said[name] for name in [*(metric.name for metric in METRICS["consumer"]), "records"]}
    assert counted == {
        "records": 10,
        "events_applied": 4,
        "events_duplicate": 3,
        "events_late": 2,
        "events_quarantined": 1,
        "commit_conflicts": 0,
    }
    rows = {(item["pk"]["S"], item["sk"]["S"]) for item in cloud.dynamodb.items("behaviour")}
    assert (said["transactions"], said["rows_written"]) == (1, len(rows))
    assert abs(said["_aws"]["Timestamp"] / 1_000 - time.time()) < 60


def test_a_batch_without_records_is_done_and_of_no_shard(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cloud.function("consumer").handler(mapped(), Context()) == {"batchItemFailures": []}
    said = line(capsys)
    assert (said["records"], said["shard_id"]) == (0, None)


def test_each_service_is_called_in_its_own_dialect_and_signed_under_its_own_name(cloud: Cloud) -> None:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html and
    # https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html, read 2026-11-29
    world = cloud.function("consumer")._dependencies
    for bucket in (world.quarantine, world.late):
        assert bucket._endpoint._scope == ("eu-central-1", "s3")
    stream = cloud.function("collector")._dependencies.stream
    reader = cloud.function("insights")._dynamodb
    projected = cloud.function("projector")._dependencies.table
    said = [
        (*each._api._endpoint._scope, each._api._target, each._api._content_type)
        for each in (world.table, projected, reader, stream)
    ]
    dynamodb = ("eu-central-1", "dynamodb", "DynamoDB_20120810", "application/x-amz-json-1.0")
    kinesis = ("eu-central-1", "kinesis", "Kinesis_20131202", "application/x-amz-json-1.1")
    assert said == [dynamodb, dynamodb, dynamodb, kinesis]
