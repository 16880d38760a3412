"""The projector as Lambda calls it: what it folds, what it answers, and what it logs."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from functions_world import NOW_S, Cloud, Context, event, journal_grew, line, mapped

from tapstack.core.rows import ITEM_ROWS
from tapstack.errors import Unavailable, UndecodableRow
from tapstack.metrics import METRICS
from tapstack.projections.catalogue import PROJECTIONS
from tapstack.retry_budget import MARGIN_MS
from tapstack_emulator import FaultScript, FaultyApi, Injection

DONE = {"batchItemFailures": []}


def rows(cloud: Cloud, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    found = cloud.dynamodb.items("behaviour")
    return {(row["pk"]["S"], row["sk"]["S"]): row for row in found if row["pk"]["S"].startswith(kind)}


def views(cloud: Cloud) -> int:
    """How often item-1 was viewed, as its rows say."""
    states = [
        msgspec.json.decode(json.dumps(row["s"]["B"]), type=bytes) for row in rows(cloud, "I#").values()
    ]
    items = [ITEM_ROWS.body(state) for state in states]
    return sum(item.counters.lifetime[1] for item in items)


def test_what_is_counted_is_folded_once_however_often_it_is_invoked(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.function("consumer").handler(mapped(event(1), event(2), event(1)), Context())
    capsys.readouterr()
    projector = cloud.function("projector")
    assert projector.handler(journal_grew(), Context()) == DONE
    first = line(capsys)
    assert projector.handler(journal_grew(), Context()) == DONE
    again = line(capsys)
    assert views(cloud) == 2
    assert (first["projection_entries"], again["projection_entries"]) == (len(PROJECTIONS), 0)
    assert (first["projection_rows_written"], again["projection_rows_written"]) == (5, 0)
    assert (first["level"], first["request_id"]) == ("INFO", Context.aws_request_id)
    names = {metric.name for metric in METRICS["projector"]}
    assert names <= first.keys()


@pytest.mark.parametrize(
    "asked",
    [None, {}, {"Records": []}, journal_grew(99, 7)],
    ids=["nothing", "an object", "no records", "another lane"],
)
def test_nothing_is_read_from_the_event(cloud: Cloud, asked: Any) -> None:
    cloud.function("consumer").handler(mapped(event(1)), Context())
    assert cloud.function("projector").handler(asked, Context()) == DONE
    assert views(cloud) == 1


def test_an_empty_table_is_folded(cloud: Cloud) -> None:
    assert cloud.function("projector").handler(journal_grew(), Context()) == DONE
    assert cloud.dynamodb.items("behaviour") == []


def test_a_hole_in_the_journal_fails_the_invocation_and_is_said(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    consumer = cloud.function("consumer")
    for number in (1, 2, 3):
        consumer.handler(mapped(event(number), first=number), Context())
    delete = {"Delete": {"TableName": "behaviour", "Key": {"pk": {"S": "J#0000"}, "sk": {"S": f"{2:020}"}}}}
    cloud.dynamodb.call("TransactWriteItems", msgspec.json.encode({"TransactItems": [delete]}))
    capsys.readouterr()
    with pytest.raises(Exception, match=f"{2 * len(PROJECTIONS)} journal entries could not be folded"):
        cloud.function("projector").handler(journal_grew(), Context())
    said = line(capsys)
    assert (said["level"], said["projection_entries"], said["projection_entries_left"]) == (
        "WARNING", len(PROJECTIONS), 2 * len(PROJECTIONS)
    )  # fmt: skip
    assert views(cloud) == 1


def test_a_row_that_cannot_be_read_fails_the_invocation_and_stays_as_it_is(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    consumer = cloud.function("consumer")
    consumer.handler(mapped(event(1)), Context())
    cloud.project()
    ((key, item),) = rows(cloud, "I#").items()
    write = {"Put": {"TableName": "behaviour", "Item": {**item, "s": {"B": "kA=="}}}}
    cloud.dynamodb.call("TransactWriteItems", msgspec.json.encode({"TransactItems": [write]}))
    consumer.handler(mapped(event(2), first=2), Context())
    capsys.readouterr()
    with pytest.raises(UndecodableRow):
        cloud.project()
    said = line(capsys)
    assert (said["level"], said["undecodable"], said["request_id"]) == (
        "ERROR", "item", Context.aws_request_id,
    )  # fmt: skip
    assert rows(cloud, "I#")[key]["s"] == {"B": "kA=="}


def test_a_table_that_goes_on_failing_fails_the_invocation_and_the_next_one_makes_good(cloud: Cloud) -> None:
    class Hurried(Context):
        def get_remaining_time_in_millis(self) -> int:
            return MARGIN_MS + 1  # enough to try, not enough to wait for longer than a moment

    cloud.function("consumer").handler(mapped(event(1)), Context())
    failing: dict[int | tuple[str, int], Injection] = {
        ("PutItem", call): Injection("internal_error_applied") for call in range(2, 99)
    }
    cloud.aws.services["DynamoDB"] = FaultyApi(cloud.dynamodb, FaultScript(failing))
    projector = cloud.function("projector")
    with pytest.raises(Unavailable):
        projector.handler(journal_grew(), Hurried())
    cloud.aws.services["DynamoDB"] = cloud.dynamodb
    assert projector.handler(journal_grew(), Context()) == DONE
    assert views(cloud) == 1


def test_derived_rows_expire_long_after_the_journal(cloud: Cloud) -> None:
    cloud.function("consumer").handler(mapped(event(1)), Context())
    cloud.project()
    expiries = {row["ttl"]["N"] for kind in ("I#", "T#") for row in rows(cloud, kind).values()}
    assert min(map(int, expiries)) > NOW_S + 37 * 86_400
    assert all("ttl" not in row for row in rows(cloud, "W#").values())


def test_what_the_projector_logs_names_no_item_and_no_user(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.function("consumer").handler(mapped(event(1, items=[{"item_id": "secret-item"}])), Context())
    cloud.project()
    assert "secret" not in capsys.readouterr().out
