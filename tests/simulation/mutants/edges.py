"""Mutants of the Lambda functions' edges: how AWS's events are read, and how its answers are spelt."""

from __future__ import annotations

from .mutant import one

BATCH = "tapstack.entrypoints.consumer_batch"
NATIVE = "tapstack.collector.formats.native"

EDGES = (
    one(
        "failures_misspelt",
        "the answer has the name that Lambda reads",
        BATCH,
        '{"batchItemFailures": failures}',
        '{"batchItemsFailures": failures}',
    ),
    one(
        "failures_left_empty",
        "what is not done is named in the answer",
        BATCH,
        '[{"itemIdentifier": report.resume_from}]\n',
        "[]\n",
    ),
    one(
        "identifier_is_the_event_id",
        "a record is named by its sequence number alone",
        BATCH,
        '{"itemIdentifier": report.resume_from}',
        '{"itemIdentifier": f"{records[0].shard_id}:{report.resume_from}"}',
    ),
    one(
        "shard_is_the_sequence_number",
        "the shard stands before the colon",
        BATCH,
        'record.event_id.partition(":")[0]',
        'record.event_id.partition(":")[2]',
    ),
    one(
        "answers_200_for_a_retry",
        "2xx only if every event is stored",
        NATIVE,
        "            503,\n",
        "            200,\n",
    ),
)
