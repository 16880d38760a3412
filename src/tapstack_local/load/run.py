"""`tapstack load`: a load on an address, or on an embedded cloud of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.load.open_loop import NO_ANSWER, Load, open_loop
from tapstack_local.load.picture import bars, svg
from tapstack_local.refusals import read_results
from tapstack_local.traffic import NO_DEFECTS, generate

TIMEOUT_S = 30.0
CONNECTIONS_MAX = 512
SEED_MAX = 1_000_000
SHOP_EVENTS_PER_MIN_MAX = (
    60_000  # a faster shop is not simulated: its events are sent faster than they happen
)
PERCENTILES = (50, 90, 99, 99.9)
PROGRESS_S = 1.0
# A machine that is this late measures itself.
LATE_MS_MAX = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command.

    Parameters
    ----------
    url
        The collector's address, such as ``http://127.0.0.1:8080``; None for an embedded cloud.
    requests_per_s
        How many requests are due in a second.
    duration_s
        For how long.
    events_per_request
        How many events each holds.
    write_key
        Sent with each; empty for none.
    seed
        Repeats the same events; None draws one.
    picture
        File for the picture; None for none.
    json
        Whether to print one JSON object.
    """

    url: str | None
    requests_per_s: float
    duration_s: int
    events_per_request: int
    write_key: str = ""
    seed: int | None = None
    picture: Path | None = None
    json: bool = False


def run(options: Options) -> int:
    """Run the load; return 0 if every event was answered as stored, else 1; 130 or 143 after a signal."""
    load = Load()
    try:
        asyncio.run(_run(options, load))
    except KeyboardInterrupt:
        _report(options, load)
        return 130
    except asyncio.CancelledError:  # SIGTERM, which ends the embedded cloud
        _report(options, load)
        return 143
    _report(options, load)
    return 0 if load.statuses[200] == load.due > 0 and not load.events_not_stored else 1


def bodies(options: Options, seed: int, now_ms: int) -> Iterator[bytes]:
    """Yield bodies of generated events; their users are nobody else's, by the prefix ``load-``."""
    requests = round(options.requests_per_s * options.duration_s)
    events = requests * options.events_per_request
    pace = max(1, min(SHOP_EVENTS_PER_MIN_MAX, round(events / options.duration_s * 60)))
    lag_ms = round(events / pace * 60_000) - options.duration_s * 1_000  # by which a busier load is ahead
    shop = generate(seed, events, base_ms=now_ms - lag_ms, events_per_min=pace, defects=NO_DEFECTS)
    drafts = (event for request in shop for event in request.events if isinstance(event, dict))
    for _ in range(requests):
        chunk = itertools.islice(drafts, options.events_per_request)
        yield json.dumps([_renamed(event) for event in chunk]).encode()


def _renamed(event: dict[str, Any]) -> dict[str, Any]:
    names: dict[str, Any] = {
        name: f"load-{event[name]}" for name in ("user_id", "anonymous_id") if name in event
    }
    return {**event, **names}


async def _run(options: Options, load: Load) -> None:
    seed = secrets.randbelow(SEED_MAX) if options.seed is None else options.seed
    async with _address(options) as url, _session() as session:
        headers = {"content-type": "application/json"}
        if options.write_key:
            headers["x-write-key"] = options.write_key

        async def send(body: bytes) -> int:
            try:
                async with session.post(f"{url}/v1/events", data=body, headers=headers) as answer:
                    text = await answer.read()
                    if answer.status == 200:
                        load.events_not_stored += _not_stored(text, options.events_per_request)
                    return answer.status
            except (aiohttp.ClientError, TimeoutError, OSError):
                return NO_ANSWER

        _say(f"seed {seed}; {options.requests_per_s:g} requests a second to {url} for {options.duration_s} s")
        ticking = asyncio.create_task(_tick(load, round(options.requests_per_s * options.duration_s)))
        try:
            events = bodies(options, seed, time.time_ns() // 1_000_000)
            await open_loop(send, events, options.requests_per_s, load=load)
        finally:
            ticking.cancel()


def _not_stored(text: bytes, count: int) -> int:
    return sum(result.status not in {"ok", "duplicate"} for result in read_results(200, text, count))


@contextlib.asynccontextmanager
async def _address(options: Options) -> AsyncIterator[str]:
    if options.url is not None:
        yield options.url.rstrip("/")
        return
    _say("starting the embedded cloud")
    async with EmbeddedCloud(CloudConfig(shards=4, log_level="ERROR")) as cloud:
        yield cloud.base_url


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))


async def _tick(load: Load, planned: int) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        latest = load.by_second[max(load.by_second)].percentile_ms(99) if load.by_second else 0.0
        _say(f"{load.due:,} of {planned:,} due, {load.latency.count:,} answered, p99 {latest:,.0f} ms")


def _report(options: Options, load: Load) -> None:
    if options.picture is not None:
        title = f"{options.requests_per_s:g} requests a second, {options.events_per_request} events each"
        options.picture.write_text(svg(title, load.by_second))
    figures = _figures(options, load)
    if options.json:
        print(json.dumps(figures))  # noqa: T201 - the program's output
        return
    latency = figures["latency_ms"]
    answers = ", ".join(f"{status}: {count:,}" for status, count in figures["answers"].items())
    lines = [
        bars(load.latency),
        "",
        f"due {load.due:,} requests; answered {answers}",
        "latency from the moment a request was due: "
        + ", ".join(f"{name} {value:,.1f} ms" for name, value in latency.items()),
    ]
    if load.skipped:
        lines.append(f"{load.skipped:,} were not sent: too many others had no answer yet")
    if load.events_not_stored:
        lines.append(f"{load.events_not_stored:,} events were not stored, in requests answered 200")
    if figures["begun_late_ms_p99"] > LATE_MS_MAX:
        late = figures["begun_late_ms_p99"]
        lines.append(f"This machine was late itself (p99 {late:,.0f} ms), which is part of the latencies.")
    if options.picture is not None:
        lines.append(f"picture: {options.picture}")
    print("\n".join(lines))  # noqa: T201 - likewise


def _figures(options: Options, load: Load) -> dict[str, Any]:
    latency = {f"p{percent:g}": round(load.latency.percentile_ms(percent), 2) for percent in PERCENTILES}
    names = {NO_ANSWER: "none"}
    return {
        "requests_per_s": options.requests_per_s,
        "events_per_request": options.events_per_request,
        "due": load.due,
        "skipped": load.skipped,
        "answers": {names.get(s, str(s)): count for s, count in sorted(load.statuses.items())},
        "events_not_stored": load.events_not_stored,
        "latency_ms": {**latency, "max": round(load.latency.max_ms, 2)},
        "begun_late_ms_p99": round(load.begun_late.percentile_ms(99), 2),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress
