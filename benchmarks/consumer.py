"""CPU of the consumer per event, against an endpoint that answers at once.

Peers, in the same run on the same batches: the handler most people write (Powertools batch processor,
boto3, one ``ADD`` an effect: it counts every redelivery again) and bare decoding and grouping.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks._endpoint import endpoint
from benchmarks._report import finish, options, progress
from benchmarks._traffic import BATCH, batches

WARM_BATCHES = 12
BATCHES = 24
NAIVE_BATCHES = 2

ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "TAPSTACK_TABLE": "behaviour",
    "TAPSTACK_QUARANTINE_BUCKET": "quarantine",
    "TAPSTACK_LATE_BUCKET": "late",
    "TAPSTACK_LANES": "4",
    "TAPSTACK_ROW_TTL_DAYS": "400",
    "TAPSTACK_EVENT_AGE_MAX_DAYS": "30",
    "POWERTOOLS_TRACE_DISABLED": "1",
}

Handler = Callable[[dict[str, Any], Any], Any]


class _Context:
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


def cpu_s(handler: Handler, events: Sequence[dict[str, Any]]) -> float:
    """Tell the process's CPU time, all threads, for some batches."""
    start = time.process_time()
    for event in events:
        with contextlib.redirect_stdout(io.StringIO()):
            answer = handler(event, _Context())
        assert answer in (None, {"batchItemFailures": []}), answer
    return time.process_time() - start


def ours() -> Handler:
    from tapstack.entrypoints.consumer import handler

    return handler


def naive() -> Handler:
    """The usual recipe: each effect is one ``ADD``; wrong on any redelivery."""
    import boto3
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    table = boto3.resource("dynamodb").Table("behaviour")
    processor = BatchProcessor(event_type=EventType.KinesisDataStreams)
    last_two: dict[str, list[str]] = defaultdict(list)

    def add(pk: str, attribute: str) -> None:
        table.update_item(
            Key={"pk": pk, "sk": "-"},
            UpdateExpression="ADD #a :one",
            ExpressionAttributeNames={"#a": attribute},
            ExpressionAttributeValues={":one": 1},
        )

    def record_handler(record: Any) -> None:
        event = record.kinesis.data_as_json()
        user = event.get("user_id") or event["anonymous_id"]
        add(f"U#{user}", event["event_type"])
        for item in event.get("items", ()):
            item_id = item["item_id"]
            add(f"I#{item_id}", event["event_type"])
            if event["event_type"] == "item_view":
                for partner in last_two[user]:
                    add(f"P#{min(item_id, partner)}#{max(item_id, partner)}", "views")
                last_two[user] = [*last_two[user], item_id][-2:]

    def handler(event: dict[str, Any], context: Any) -> Any:
        return process_partial_response(
            event=event, record_handler=record_handler, processor=processor, context=context
        )

    return handler


def bare() -> Handler:
    """A floor: decode every event and group by user; nothing is written."""
    from tapstack.core.events import decode_event
    from tapstack.entrypoints.consumer_batch import stream_records

    def handler(event: dict[str, Any], _context: Any) -> None:
        groups: dict[str | None, list[Any]] = {}
        for record in stream_records(event):
            decoded = decode_event(record.data)
            groups.setdefault(decoded.user_id or decoded.anonymous_id, []).append(decoded)

    return handler


def main() -> None:
    """Measure."""
    as_json = options("consumer", __doc__).parse_args().json
    progress(f"generating {(WARM_BATCHES + BATCHES) * BATCH:,} events of the default traffic")
    events = list(batches((WARM_BATCHES + BATCHES + 4) * BATCH * 11 // 10, shards=4))[
        : WARM_BATCHES + BATCHES
    ]
    warm, timed = events[:WARM_BATCHES], events[WARM_BATCHES:]
    with endpoint() as url:
        os.environ.update(ENVIRONMENT, AWS_ENDPOINT_URL=url)
        progress("the naive handler")
        naive_s = cpu_s(naive(), timed[:NAIVE_BATCHES]) / NAIVE_BATCHES
        progress("bare decoding")
        bare_s = min(cpu_s(bare(), timed) for _ in range(3)) / len(timed)
        progress("the consumer")
        handler = ours()
        cpu_s(handler, warm)
        ours_s = cpu_s(handler, timed) / len(timed)
    per_s = {
        name: BATCH / seconds for name, seconds in (("ours", ours_s), ("naive", naive_s), ("bare", bare_s))
    }
    finish(
        "consumer",
        {"events_per_cpu_s": per_s["ours"], "cpu_us_per_event": ours_s / BATCH * 1e6, "batch": BATCH},
        {
            "powertools_boto3_add": {"events_per_cpu_s": per_s["naive"]},
            "decode_and_group_only": {"events_per_cpu_s": per_s["bare"]},
        },
        {
            "times_naive": per_s["ours"] / per_s["naive"],
            "share_of_bare_decoding": per_s["ours"] / per_s["bare"],
        },
        as_json=as_json,
    )


if __name__ == "__main__":
    main()
