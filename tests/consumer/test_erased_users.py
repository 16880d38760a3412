"""A user whose rows somebody deleted, some or all of them, does not stop the shard, and is counted on."""

from __future__ import annotations

import msgspec
import pytest
from consumer_world import TABLE, Pipeline, view

from tapstack.core.memory import PAGE_PREFIX


def delete(pipeline: Pipeline, sort_keys: str) -> None:
    for item in pipeline.dynamodb.items(TABLE):
        if item["pk"]["S"] == "U#ann" and item["sk"]["S"].startswith(sort_keys):
            key = {"TableName": TABLE, "Key": {"pk": item["pk"], "sk": item["sk"]}}
            pipeline.dynamodb.call("DeleteItem", msgspec.json.encode(key))


@pytest.mark.parametrize("deleted", ["-", PAGE_PREFIX, "hist#", ""])
def test_what_is_left_of_a_deleted_user_stops_nothing(deleted: str) -> None:
    pipeline = Pipeline()
    pipeline.run([view(number, user_id="ann") for number in range(100)])
    delete(pipeline, deleted)
    later = [view(number, user_id="ann") for number in range(200, 400)]
    report = pipeline.run(later)
    assert (report.resume_from, report.applied + report.late) == (None, 200)
    again = pipeline.run(later)
    assert (again.resume_from, again.applied) == (None, 0)
