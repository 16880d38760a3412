"""`tapstack local`: the whole pipeline on this machine, with a reconciliation at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp
import msgspec

from tapstack.errors import UsageError
from tapstack_emulator.call_recorder import CallRecorder
from tapstack_local.blueprint import Blueprint
from tapstack_local.bystanders import Bystanders
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.reconciliation.accepted_events import AcceptedEvents
from tapstack_local.reconciliation.checker import Reconciliation, reconcile
from tapstack_local.reconciliation.tables import Reader
from tapstack_local.recording import Layout, Recording, read_recording, source_name
from tapstack_local.run_progress import REFRESH_S, Screen, Stage
from tapstack_local.sender import AGENT, SAMPLE_EVERY_EVENTS, Sender, percentiles
from tapstack_local.stack.reading import applied
from tapstack_local.traffic import EVENTS_PER_MIN, Request, generate

EVENTS = 10_000
# A faster shop than this is not simulated; events are then sent faster than they happened.
SHOP_EVENTS_PER_MIN_MAX = 60_000
SEED_MAX = 1_000_000
SAMPLES_MAX = 5_000  # of the time until an event is visible
SAMPLES_SHOWN = 500  # the last ones, on the way
# At full speed: a batch being consumed, the next one waiting, and some for shards that are held up.
BACKLOG_MAX_PER_SHARD = 2_500

OK, NOT_EXACT, INTERRUPTED, TERMINATED = 0, 1, 130, 143


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person asked for.

    Parameters
    ----------
    events
        How many; None for the default, and for a whole recording.
    events_per_min
        The rate; None for as fast as possible.
    shards
        Of the stream.
    seed
        Reproduces the traffic and the faults; None draws one.
    input
        A recording to replay; ``-`` for standard input.
    layout
        What is said of the recording.
    faults
        How much goes wrong.
    reshard
        Whether shards split and merge meanwhile; None leaves it to `faults`.
    port
        Of the API; 0 chooses a free one.
    leave
        Whether to end when everything is reconciled, instead of serving the API.
    json
        Whether to print one JSON object.
    quiet
        Whether to say the verdict only.
    stack
        Run the functions, mapping and routes of an applied stack: a file with Terraform's JSON, or
        ``terraform`` to ask it.
    packages
        Folder of the functions' zips for `stack`.
    calls
        File for the functions' AWS calls in IAM's words.
    """

    events: int | None = None
    events_per_min: float | None = EVENTS_PER_MIN
    shards: int = 4
    seed: int | None = None
    input: Path | None = None
    layout: Layout = field(default_factory=Layout)
    faults: Literal["none", "some", "many"] = "none"
    reshard: bool | None = None
    port: int = 8080
    leave: bool = False
    json: bool = False
    quiet: bool = False
    stack: str | None = None
    packages: Path = Path("dist")
    calls: Path | None = None


def run(options: Options) -> int:
    """Run it all.

    Returns
    -------
    int
        The exit code: 0 if every event was counted exactly once, 1 if not, 130 after Ctrl-C, 143 after
        SIGTERM.

    Raises
    ------
    UsageError
        If it cannot work as asked for.
    """
    calls = options.calls
    if calls is not None and (calls.is_dir() or not os.access(calls.absolute().parent, os.W_OK)):
        raise UsageError(f"--calls: expected a file in a folder that can be written, got {str(calls)!r}")
    screen = Screen(json=options.json, quiet=options.quiet)
    seed = secrets.randbelow(SEED_MAX) if options.seed is None else options.seed
    recording = _read(options, seed, screen)
    return asyncio.run(_Run(options, screen, seed, recording).main())


def _read(options: Options, seed: int, screen: Screen) -> Recording | None:
    """Read the recording first: a bad row is said before anything starts, and Ctrl-C ends a long reading."""
    if options.input is None:
        return None
    recording = read_recording(
        options.input, now_ms=_now_ms(), seed=seed, layout=options.layout, events=options.events
    )
    for note in recording.notes:
        screen.say(f"{source_name(options.input)}: {note}")
    return recording


class _Run:
    def __init__(self, options: Options, screen: Screen, seed: int, recording: Recording | None) -> None:
        self._options = options
        self._screen = screen
        self._seed = seed
        self._recording = recording
        self._ledger = AcceptedEvents()
        self._bystanders = Bystanders(self._ledger, AGENT)
        self._sender: Sender | None = None
        self._over = asyncio.Event()
        self._interrupts = 0
        self._ended = False
        self._started_s = time.monotonic()

    async def main(self) -> int:
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("a coroutine runs in a task")
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt, task)
        try:
            return await self._main()
        except asyncio.CancelledError:
            return INTERRUPTED if self._interrupts else TERMINATED
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    async def _main(self) -> int:
        with applied(self._options.stack, self._options.packages) as blueprint:
            return await self._run(blueprint)

    async def _run(self, blueprint: Blueprint | None) -> int:
        options, screen = self._options, self._screen
        config = CloudConfig(
            shards=options.shards,
            port=options.port,
            faults=options.faults,
            seed=self._seed,
            reshard=options.reshard,
            blueprint=blueprint,
        )
        described = config.described()
        screen.say(f"seed {self._seed}; starting the embedded cloud with {described.shards} shards")
        recorder = None if options.calls is None else CallRecorder(described.region, described.account_id)
        async with EmbeddedCloud(config, recorder=recorder, witness=self._bystanders) as cloud:
            requests, total = self._requests()
            with contextlib.closing(screen.stage()) as stage:
                drained_s = await self._send(cloud, requests, total, stage)
                stage.show("reading the tables back", self._ledger.accepted_count, None, "", time.monotonic())
                async with cloud.held():  # others may go on
                    result = await self._reconcile(cloud)
            summary = self._summary(cloud, result, drained_s)
            screen.conclude(summary, result)
            if options.json:
                print(msgspec.json.encode(summary).decode(), flush=True)  # noqa: T201 - the program's output
            if recorder is not None and options.calls is not None:
                options.calls.write_bytes(recorder.to_json())
            code = self._code(summary)
            self._ended = True
            if not options.leave and not self._interrupts:
                self._offer(cloud.base_url)
                await self._over.wait()
        return code

    def _requests(self) -> tuple[Iterable[Request], int]:
        if self._recording is not None:
            requests = self._recording.requests
            return requests, sum(len(request.events) for request in requests)
        events = EVENTS if self._options.events is None else self._options.events
        return shop(self._seed, events, self._options.events_per_min, _now_ms()), events

    async def _send(
        self, cloud: EmbeddedCloud, requests: Iterable[Request], total: int, stage: Stage
    ) -> float:
        """Send everything and wait until it is consumed; tell when it was."""
        self._sender = sender = Sender(
            cloud.base_url,
            self._ledger,
            events_per_min=self._options.events_per_min,
            seed=self._seed,
            sample_every_events=max(SAMPLE_EVERY_EVENTS, total // SAMPLES_MAX),
            is_full=lambda: cloud.backlog > BACKLOG_MAX_PER_SHARD * cloud.blueprint.shards,
        )
        await self._watch(asyncio.create_task(sender.run(requests)), cloud, stage, "sending", total)
        await self._watch(asyncio.create_task(cloud.drain()), cloud, stage, "draining", total)
        return time.monotonic()

    async def _watch(
        self, task: asyncio.Task[Any], cloud: EmbeddedCloud, stage: Stage, phase: str, total: int
    ) -> None:
        try:
            while not task.done():
                stage.show(phase, self._done(), total, self._note(cloud), time.monotonic())
                await asyncio.wait([task], timeout=REFRESH_S)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])  # it must not go on talking to a cloud that is being stopped
            raise
        await task

    def _done(self) -> int:
        if self._sender is None:
            return 0
        sent = self._sender.sent
        return sent.accepted + sent.invalid

    def _note(self, cloud: EmbeddedCloud) -> str:
        parts = [f", {cloud.backlog:,} on their way"]
        visible = percentiles(self._sender.sent.visible_ms[-SAMPLES_SHOWN:] if self._sender else [])
        if visible["p50"] is not None:
            parts.append(f", visible after {visible['p50']:,.0f} ms")
        if faults := sum(cloud.faults.values()):
            parts.append(f", {faults:,} faults")
        return "".join(parts)

    async def _reconcile(self, cloud: EmbeddedCloud) -> Reconciliation:
        async with aiohttp.ClientSession() as session:
            blueprint = cloud.blueprint
            reader = Reader(session, cloud.emulator_url, cloud.emulator_url, blueprint.region)
            tables = await reader.read_all(cloud.table, blueprint.late_bucket, blueprint.quarantine_bucket)
        consumer = next(each for each in blueprint.functions if each.name == blueprint.consumer)
        age_max_s = int(consumer.environment["TAPSTACK_EVENT_AGE_MAX_DAYS"]) * 86_400
        return reconcile(self._ledger, tables, age_max_s, cloud.foreign_records)

    def _summary(self, cloud: EmbeddedCloud, result: Reconciliation, drained_s: float) -> dict[str, Any]:
        if self._sender is None:
            raise AssertionError("a summary follows the sending")
        sent = self._sender.sent
        figures = asdict(result)
        del figures["findings"]
        return {
            "sent": sent.events,
            **figures,
            "invalid": sent.invalid,
            "skipped_rows": self._recording.skipped_count if self._recording is not None else 0,
            "unanswered": sent.unanswered,
            "repeated": sent.repeated,
            "foreign_requests": self._bystanders.request_count,
            "events_per_s": round(result.applied / max(drained_s - sent.started_s, 1e-9), 1),
            "visible_ms": percentiles(sent.visible_ms),
            "wall_s": round(time.monotonic() - self._started_s, 2),
            "seed": self._seed,
            "shards": cloud.blueprint.shards,
            "faults": cloud.faults,
            "interrupted": bool(self._interrupts),
        }

    def _code(self, summary: Mapping[str, Any]) -> int:
        if summary["lost"] or summary["overcounted"] or summary["unanswered"]:
            return NOT_EXACT
        return INTERRUPTED if self._interrupts else OK

    def _offer(self, base_url: str) -> None:
        self._screen.say(f"The API stays up at {base_url} until Ctrl-C.", always=True)
        self._screen.say(
            "Try:\n"
            f"  curl -s '{base_url}/v1/trending?window=1h&n=5'\n"
            f"  curl -s {base_url}/v1/items/{_any_item(self._ledger)}/also-viewed\n"
            f"  curl -s {base_url}/v1/users/{_any_user(self._ledger)}"
        )

    def _interrupt(self, task: asyncio.Task[int]) -> None:
        """Take Ctrl-C: the first brings what was begun to its end, the second ends at once."""
        if self._ended:
            self._over.set()
            return
        self._interrupts += 1
        if self._interrupts > 1 or self._sender is None:
            task.cancel()
            return
        self._sender.stop()
        self._screen.say("Stopping: what was sent is brought to its end. Ctrl-C again stops at once.")


def shop(seed: int, events: int, events_per_min: float | None, now_ms: int) -> Iterator[Request]:
    """Generate traffic that is up to date when it is sent at a rate from now on, or at once if None."""
    pace = EVENTS_PER_MIN if events_per_min is None else min(events_per_min, SHOP_EVENTS_PER_MIN_MAX)
    happens_ms = events / pace * 60_000
    sent_ms = 0.0 if events_per_min is None else events / events_per_min * 60_000
    return generate(
        seed, events, base_ms=now_ms - int(happens_ms - sent_ms), events_per_min=max(1, int(pace))
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _any_item(ledger: AcceptedEvents) -> str:
    """Choose the item with the most events."""
    items = ledger.fold.items
    return max(items, key=lambda item: sum(items[item].values()), default="sku-1000")


def _any_user(ledger: AcceptedEvents) -> str:
    """Choose the user with the most events."""
    users = ledger.fold.users
    key = max(
        users, key=lambda user: sum(n for k, n in users[user].items() if isinstance(k, int)), default=""
    )
    return key.partition("#")[2] or "u-00001"
