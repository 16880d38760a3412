"""CPU of the consumer per event, against an endpoint that answers at once.

Peers, in the same run on the same batches: the handler most people write (Powertools batch processor,
boto3, one ``ADD`` an effect: it counts every redelivery again) and bare decoding and grouping. Each has a
process of its own, as in Lambda. They take turns with the consumer, since a machine that others use too
changes its speed within a run; figures are the medians of the turns.

With the projection: batches, and the projector's function each ten seconds of the promised peak, or each
sixty, in one process and against a table that keeps what it is sent. How long the table takes is not in the
CPU of those who ask it.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from benchmarks._endpoint import endpoint
from benchmarks._report import finish, options, progress
from benchmarks._table import table
from benchmarks._traffic import BATCH, batches

SIZES = (BATCH, 83)  # a backlog's batches, and those of the promised peak
PEAK = 10_000  # events a minute


class Case(NamedTuple):
    """Handlers that take turns.

    Parameters
    ----------
    handlers
        Names in `HANDLERS`; the naive one first.
    run_events
        How many events the projector folds at a time.
    warm_runs
        Of the projector, before the first turn.
    turns, turn_runs
        How many turns there are, and how many whole runs in each: one that ended between two runs would have
        more of them than its events.
    """

    handlers: Sequence[str]
    run_events: int
    warm_runs: int
    turns: int
    turn_runs: int

    def batches_a_run(self, size: int) -> int:
        """Return after how many batches of a size the projector runs."""
        return -(-self.run_events // size)

    def batches(self, size: int) -> int:
        """Return how many batches of a size there are in all."""
        return (self.warm_runs + self.turns * self.turn_runs) * self.batches_a_run(size)


EACH_10_S = Case(("naive", "bare", "ours", "projected"), PEAK // 6, 7, 8, 2)
EACH_60_S = Case(("naive", "projected_60_s"), PEAK, 2, 4, 1)
NAIVE_EVENTS = 200  # a turn
SPREAD_MS = 6 * 3_600_000  # no event of the benchmark is from further back, and none from the future

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
    "TAPSTACK_HISTORY_INTERACTIONS": "500",
    "TAPSTACK_HISTORY_DAYS": "90",
    "TAPSTACK_EVENT_AGE_MAX_DAYS": "30",
    "TAPSTACK_SEARCH_USERS_MIN": "5",
    "POWERTOOLS_TRACE_DISABLED": "1",
}

Handler = Callable[[dict[str, Any], Any], Any]


class _Context:
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


def events_per_cpu_s(handler: Handler, batches: Sequence[dict[str, Any]]) -> float:
    """Return how many events a handler takes in a second of the process's CPU, all threads."""
    start = time.process_time()
    for batch in batches:
        with contextlib.redirect_stdout(io.StringIO()):
            answer = handler(batch, _Context())
        assert answer in (None, {"batchItemFailures": []}), answer
    return sum(len(batch["Records"]) for batch in batches) / (time.process_time() - start)


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
    import tapstack.entrypoints.consumer  # noqa: F401 - which sets when garbage is collected
    from tapstack.core.events import decode_event
    from tapstack.entrypoints.consumer_batch import stream_records

    def handler(event: dict[str, Any], _context: Any) -> None:
        groups: dict[str | None, list[Any]] = {}
        for record in stream_records(event):
            decoded = decode_event(record.data)
            groups.setdefault(decoded.user_id or decoded.anonymous_id, []).append(decoded)

    return handler


def projected(case: Case) -> Handler:
    """The consumer, and the projector after the events of a run."""
    from tapstack.entrypoints import consumer, projector

    waiting = 0

    def handler(event: dict[str, Any], context: Any) -> Any:
        nonlocal waiting
        answer = consumer.handler(event, context)
        waiting += len(event["Records"])
        if waiting >= case.run_events:
            waiting = 0
            projector.handler(None, context)
        return answer

    return handler


HANDLERS: dict[str, Callable[[], Handler]] = {
    "naive": naive,
    "bare": bare,
    "ours": ours,
    "projected": partial(projected, EACH_10_S),
    "projected_60_s": partial(projected, EACH_60_S),
}
_kept: list[Handler] = []  # the one of this process


def _set(variables: Mapping[str, str]) -> None:
    os.environ.update(variables)


def _rate(name: str, batches: bytes) -> float:
    """Return a turn's rate, in the process of that handler; the batches come as Lambda's runtime has them."""
    if not _kept:
        _kept.append(HANDLERS[name]())
    return events_per_cpu_s(_kept[0], json.loads(batches))


def measure(
    case: Case, events: Sequence[dict[str, Any]], size: int, ask: Mapping[str, Mapping[str, str]]
) -> dict[str, list[float]]:
    """Return the rates of each handler, turn by turn, for batches of so many events.

    Parameters
    ----------
    case
        Who takes turns.
    events
        Batches, as Lambda delivers them.
    size
        Of each batch.
    ask
        By handler, variables of its process that the others do not have.
    """
    spawn = multiprocessing.get_context("spawn")
    rates: dict[str, list[float]] = {name: [] for name in case.handlers}
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(ProcessPoolExecutor(1, spawn, _set, (ask.get(name, {}),)))
            for name in case.handlers
        }

        def rate(name: str, batches: Sequence[dict[str, Any]]) -> float:
            return processes[name].submit(_rate, name, json.dumps(batches).encode()).result()

        warm, count = (runs * case.batches_a_run(size) for runs in (case.warm_runs, case.turn_runs))
        for name in case.handlers:
            if name not in {"naive", "bare"}:
                rate(name, events[:warm])
        for turn in range(case.turns):
            progress(f"batches of {size}: turn {turn + 1} of {case.turns}")
            batches = events[warm + turn * count : warm + (turn + 1) * count]
            few = batches[: max(1, NAIVE_EVENTS // size)]
            few = [{"Records": batch["Records"][:NAIVE_EVENTS]} for batch in few]
            for name, turns in rates.items():
                turns.append(rate(name, few if name == "naive" else batches))
    return rates


def rates_of(case: Case, size: int) -> dict[str, list[float]]:
    """Return the rates of a case, on events and tables of its own."""
    count = case.batches(size) * size
    progress(f"generating {count:,} events of the default traffic")
    start_ms = round(time.time() * 1_000) - SPREAD_MS
    events = list(batches((count + 4 * size) * 12 // 10, shards=4, size=size, start_ms=start_ms))
    with endpoint() as url, table(ENVIRONMENT["TAPSTACK_TABLE"]) as kept_url:
        os.environ.update(ENVIRONMENT, AWS_ENDPOINT_URL=url)
        kept = {"AWS_ENDPOINT_URL_DYNAMODB": kept_url}
        return measure(case, events, size, {"projected": kept, "projected_60_s": kept})


def ratio(rates: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    """Return how many times as fast one is as another, turn by turn."""
    return statistics.median([a / b for a, b in zip(rates[one], rates[other], strict=True)])


def main() -> None:
    """Measure."""
    as_json = options("consumer", __doc__).parse_args().json
    figures: dict[str, float] = {}
    peers: dict[str, dict[str, float]] = {"powertools_boto3_add": {}, "decode_and_group_only": {}}
    ratios: dict[str, float] = {}
    for size in SIZES:
        rates, rates_60_s = rates_of(EACH_10_S, size), rates_of(EACH_60_S, size)
        medians = {name: statistics.median(turns) for name, turns in (rates_60_s | rates).items()}
        case = "" if size == BATCH else f"_batch_{size}"
        figures |= {
            f"events_per_cpu_s{case}": medians["ours"],
            f"events_per_cpu_s_slowest{case}": min(rates["ours"]),
            f"events_per_cpu_s_fastest{case}": max(rates["ours"]),
            f"cpu_us_per_event{case}": 1e6 / medians["ours"],
            f"events_per_cpu_s_with_projection{case}": medians["projected"],
            f"events_per_cpu_s_with_projection_60_s{case}": medians["projected_60_s"],
        }
        peers["powertools_boto3_add"][f"events_per_cpu_s{case}"] = medians["naive"]
        peers["decode_and_group_only"][f"events_per_cpu_s{case}"] = medians["bare"]
        ratios |= {
            f"times_naive{case}": ratio(rates, "ours", "naive"),
            f"times_naive_with_projection{case}": ratio(rates, "projected", "naive"),
            f"times_naive_with_projection_60_s{case}": ratio(rates_60_s, "projected_60_s", "naive"),
            f"share_of_bare_decoding{case}": ratio(rates, "ours", "bare"),
        }
    finish("consumer", figures, peers, ratios, as_json=as_json)


if __name__ == "__main__":
    main()
