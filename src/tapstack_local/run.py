"""`tapstack local`: the whole pipeline on this machine, with a reconciliation at the end."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec

from tapstack.deploy.attributes import compiled
from tapstack.errors import Unavailable
from tapstack_emulator.call_recorder import CallRecorder
from tapstack_local.batches import REQUEST_BYTES_MAX
from tapstack_local.blueprint import Blueprint
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.declared_check import (
    check_declared,
    check_declared_catalogue,
    check_declared_sessions,
    unsure_of,
)
from tapstack_local.enrichment_file import changed_by, keeps_refused_as_sent
from tapstack_local.external_traffic import ExternalTraffic
from tapstack_local.offer import examples
from tapstack_local.port import require_free
from tapstack_local.reconciliation.accepted_events import AcceptedEvents, user_key
from tapstack_local.reconciliation.checker import Reconciliation, reconcile
from tapstack_local.reconciliation.finding import Finding
from tapstack_local.reconciliation.tables import Reader, Tables
from tapstack_local.recording import Recording, read_recording, source_name
from tapstack_local.run_options import (
    Options,
    definitions_of,
    enrichment_of,
    require_known,
    require_schemas,
    require_writable,
    source_of,
)
from tapstack_local.run_progress import REFRESH_S, Screen, Stage
from tapstack_local.sender import AGENT, SAMPLE_EVERY_EVENTS, Sender, no_schema, percentiles
from tapstack_local.showcase import recommendation
from tapstack_local.stack.reading import applied
from tapstack_local.traffic import EVENTS_PER_MIN, Request, generate
from tapstack_local.verdict import Summary, as_json, exit_code_of

T = TypeVar("T")

EVENTS = 10_000
# A faster shop than this is not simulated; events are then sent faster than they happened.
SHOP_EVENTS_PER_MIN_MAX = 60_000
SEED_MAX = 1_000_000
SAMPLES_MAX = 5_000  # of the time until an event is visible
SAMPLES_SHOWN = 500  # the last ones, on the way
# At full speed: a batch being consumed, the next one waiting, and some for shards that are held up.
BACKLOG_MAX_PER_SHARD = 2_500
END_WITHIN_S = 30.0  # after the first Ctrl-C, what was begun is given this long
REQUEST_BYTES = "TAPSTACK_REQUEST_BYTES_MAX"

__all__ = ["Options", "run", "shop"]


def run(options: Options) -> int:
    """Run it all.

    Returns
    -------
    int
        The exit code: 0 if everything was sent and every event counted exactly once, 1 if not, 130 after
        Ctrl-C, 143 after SIGTERM.

    Raises
    ------
    UsageError
        If it cannot work as asked for.
    """
    return _Run(options, Screen(json=options.json, quiet=options.quiet)).run()


class _Run:
    def __init__(self, options: Options, screen: Screen) -> None:
        self._options = options
        self._screen = screen
        self._seed = secrets.randbelow(SEED_MAX) if options.seed is None else options.seed
        self._summary = Summary(seed=self._seed, shards=options.shards)
        self._ledger = AcceptedEvents()
        self._external = ExternalTraffic(self._ledger, AGENT)
        self._attributes = ""  # the file that functions read
        self._cloud: EmbeddedCloud | None = None
        self._sender: Sender | None = None
        self._result: Reconciliation | None = None
        self._over = asyncio.Event()
        self._interrupts = 0
        self._enrichment: Mapping[str, str] = {}
        self._concluded = False
        self._started_s = time.monotonic()

    def run(self) -> int:
        """Prepare the run outside the event loop, where Ctrl-C ends the program at once; then run it."""
        require_free(self._options.port)
        require_writable(self._options.calls)
        require_known(self._options)
        require_schemas(self._options)
        self._enrichment = enrichment_of(self._options)
        definitions = definitions_of(self._options)
        if definitions is not None:
            self._ledger.by_user = {}
        try:
            recording = self._read_recording()
            with (
                applied(self._options.stack, self._options.packages) as blueprint,
                compiled(definitions) as self._attributes,
            ):
                return asyncio.run(self._main(recording, blueprint))
        except KeyboardInterrupt:
            self._summary.ending = "interrupted"
            return self._conclude()

    async def _main(self, recording: Recording | None, blueprint: Blueprint | None) -> int:
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("a coroutine runs in a task")
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt, task)
        try:
            await self._run(recording, blueprint)
        except asyncio.CancelledError:
            self._summary.ending = "interrupted" if self._interrupts else "terminated"
        except (Unavailable, aiohttp.ClientError, OSError) as error:
            self._summary.ending, self._summary.error = "failed", str(error) or type(error).__name__
        finally:
            loop.remove_signal_handler(signal.SIGINT)
        return self._conclude()

    async def _run(self, recording: Recording | None, blueprint: Blueprint | None) -> None:
        options, screen, config = self._options, self._screen, self._config(blueprint)
        described = config.described()
        self._summary.shards = described.shards
        screen.say(f"seed {self._seed}; starting the embedded cloud with {described.shards} shards")
        recorder = None if options.calls is None else CallRecorder(described.region, described.account_id)
        requests, self._summary.planned = self._requests(recording)
        async with EmbeddedCloud(config, recorder=recorder, witness=self._external) as cloud:
            self._cloud = cloud
            with contextlib.closing(screen.stage()) as stage:
                await self._send(cloud, requests, stage)
                stage.show("reading the tables back", self._ledger.accepted_count, None, "", time.monotonic())
                async with cloud.held():  # others may go on
                    tables = await self._read_tables(cloud)
                    declared = await self._check_declared(cloud, tables)
                shown = await recommendation(cloud.base_url, tables)
            self._reconcile(cloud, tables, declared)
            if recorder is not None and options.calls is not None:
                options.calls.write_bytes(recorder.to_json())
            self._conclude()
            screen.say(shown)
            if not options.leave and not self._interrupts:
                await self._stay_up(cloud, tables)

    def _config(self, blueprint: Blueprint | None) -> CloudConfig:
        options = self._options
        return CloudConfig(
            shards=options.shards,
            port=options.port,
            faults=options.faults,
            seed=self._seed,
            reshard=options.reshard,
            origins=options.origins,
            sources="" if options.sources is None else f"file:{options.sources.resolve()}",
            schemas="" if options.schemas is None else str(options.schemas.resolve()),
            enrichment=self._enrichment,
            attributes=self._attributes,
            blueprint=blueprint,
        )

    async def _stay_up(self, cloud: EmbeddedCloud, tables: Tables) -> None:
        """Leave the API to whoever asks, until Ctrl-C."""
        screen, interval_s = self._screen, cloud.blueprint.projection_interval_s
        screen.tell(f"The API stays up at {cloud.base_url} until Ctrl-C; what it holds ends with it.")
        screen.say(f"A user's figures are there at once; those of items follow every {interval_s:g} s.")
        screen.say(examples(cloud.base_url, tables))
        await self._over.wait()

    def _read_recording(self) -> Recording | None:
        """Read the recording first: a bad row is said before anything starts."""
        options = self._options
        if options.input is None:
            return None
        recording = read_recording(
            options.input, now_ms=_now_ms(), seed=self._seed, layout=options.layout, events=options.events
        )
        for note in recording.notes:
            self._screen.say(f"{source_name(options.input)}: {note}")
        self._summary.skipped_rows = recording.skipped_count
        self._summary.skipped_examples = list(recording.skipped_examples)
        return recording

    def _requests(self, recording: Recording | None) -> tuple[Iterable[Request], int]:
        if recording is not None:
            return recording, sum(len(request.events) for request in recording)
        events = EVENTS if self._options.events is None else self._options.events
        return shop(self._seed, events, self._options.events_per_min, _now_ms()), events

    async def _send(self, cloud: EmbeddedCloud, requests: Iterable[Request], stage: Stage) -> None:
        """Send everything and wait until it is consumed."""
        limits = [
            each.environment[REQUEST_BYTES]
            for each in cloud.blueprint.functions
            if REQUEST_BYTES in each.environment
        ]
        self._sender = sender = Sender(
            cloud.base_url,
            self._ledger,
            events_per_min=self._options.events_per_min,
            seed=self._seed,
            sample_every_events=max(SAMPLE_EVERY_EVENTS, self._summary.planned // SAMPLES_MAX),
            is_full=lambda: cloud.backlog > BACKLOG_MAX_PER_SHARD * cloud.blueprint.shards,
            request_bytes_max=min(map(int, limits), default=REQUEST_BYTES_MAX),
            write_key=self._options.write_key,
            breaks_schema=self._breaks_schema(),
        )
        await self._watch(asyncio.create_task(sender.run(requests)), cloud, stage, "sending")
        self._summary.unfolded = await self._watch(
            asyncio.create_task(cloud.drain()), cloud, stage, "draining"
        )
        took_s = max(time.monotonic() - sender.sent.started_s, 1e-9)
        self._summary.events_per_s = round(sender.sent.accepted / took_s, 1)

    def _breaks_schema(self) -> Callable[[Mapping[str, Any]], str | None]:
        """Return what says which of the run's events have to be refused for a schema."""
        options = self._options
        if options.schemas is None:
            return no_schema
        from tapstack_local.schemas import Judge  # and the library with it

        source = source_of(options)
        return Judge(options.schemas, None if source is None else source.id).broken

    async def _watch(self, task: asyncio.Task[T], cloud: EmbeddedCloud, stage: Stage, phase: str) -> T:
        try:
            while not task.done():
                stage.show(phase, self._done(), self._summary.planned, self._note(cloud), time.monotonic())
                await asyncio.wait([task], timeout=REFRESH_S)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])  # it must not go on talking to a cloud that is being stopped
            raise
        return await task

    def _done(self) -> int:
        if self._sender is None:
            return 0
        sent = self._sender.sent
        refused = sent.invalid + sent.schema_refused + sent.refused
        return sent.accepted + sent.invalid_accepted + refused + sent.unanswered

    def _note(self, cloud: EmbeddedCloud) -> str:
        parts = [f", {cloud.backlog:,} on their way"]
        visible = percentiles(self._sender.sent.visible_ms[-SAMPLES_SHOWN:] if self._sender else [])
        if visible["p50"] is not None:
            parts.append(f", visible after {visible['p50']:,.0f} ms")
        if faults := sum(cloud.faults.values()):
            parts.append(f", {faults:,} faults")
        if failures := cloud.failed_folds:
            parts.append(f", {failures:,} failures of the projector")
        return "".join(parts)

    async def _read_tables(self, cloud: EmbeddedCloud) -> Tables:
        async with aiohttp.ClientSession() as session:
            blueprint = cloud.blueprint
            reader = Reader(session, cloud.emulator_url, cloud.emulator_url, blueprint.region)
            return await reader.read_all(cloud.table, blueprint.late_bucket, blueprint.quarantine_bucket)

    async def _check_declared(self, cloud: EmbeddedCloud, tables: Tables) -> list[Finding]:
        path, events = self._options.attributes, self._ledger.by_user
        if path is None or events is None:
            return []
        unsure = unsure_of(self._ledger.doubted().values()) | {
            user_key(msgspec.json.decode(letter.data)) for letter in tables.late
        }
        changed = changed_by(self._enrichment)
        return [
            await check(cloud.base_url, path.read_text(), events, unsure, changed)
            for check in (check_declared, check_declared_sessions, check_declared_catalogue)
        ]

    def _reconcile(self, cloud: EmbeddedCloud, tables: Tables, declared: list[Finding]) -> None:
        consumer = next(each for each in cloud.blueprint.functions if each.name == cloud.blueprint.consumer)
        age_max_s = int(consumer.environment["TAPSTACK_EVENT_AGE_MAX_DAYS"]) * 86_400
        users_min = int(consumer.environment["TAPSTACK_SEARCH_USERS_MIN"])
        result = self._result = reconcile(
            self._ledger,
            tables,
            age_max_s,
            cloud.invalid_records,
            search_users_min=users_min,
            more=declared,
            refused_as_sent=keeps_refused_as_sent(self._enrichment),
        )
        others = self._external.counted(tables)
        summary = self._summary
        summary.reconciled = True
        summary.applied = result.applied - others.applied
        summary.late = result.late - others.late
        summary.external_applied, summary.external_late = others.applied, others.late
        summary.sources = self._external.by_source(tables)
        for name in ("duplicates", "quarantined", "gaps", "lost", "overcounted"):
            setattr(summary, name, getattr(result, name))

    def _conclude(self) -> int:
        """Print the result once, however far the run got; return the exit code."""
        summary = self._summary
        if self._interrupts and not self._over.is_set():
            summary.ending = "interrupted"
        code = exit_code_of(summary)
        if self._concluded:
            if summary.error:
                self._screen.tell(f"tapstack: {summary.error}")
            return code
        self._concluded = True
        self._take_stock()
        self._screen.conclude(summary, self._result)
        if self._options.json:
            print(as_json(summary).decode(), flush=True)  # noqa: T201 - the program's output
        return exit_code_of(summary)

    def _take_stock(self) -> None:
        summary = self._summary
        summary.wall_s = round(time.monotonic() - self._started_s, 2)
        summary.external_requests = self._external.request_count
        summary.unsent = summary.planned
        if self._cloud is not None:
            summary.faults = self._cloud.faults
            summary.failed_folds = self._cloud.failed_folds
        if self._sender is None:
            return
        sent = self._sender.sent
        summary.sent, summary.unsent = sent.events, summary.planned - sent.events
        for name in (
            "accepted",
            "invalid",
            "invalid_accepted",
            "refused",
            "schema_refused",
            "unanswered",
            "repeated",
            "never_visible",
        ):
            setattr(summary, name, getattr(sent, name))
        summary.failures = list(sent.failures)
        summary.visible_ms = percentiles(sent.visible_ms)

    def _interrupt(self, task: asyncio.Task[int]) -> None:
        """Take Ctrl-C: the first brings what was begun to its end, the second ends at once."""
        self._interrupts += 1
        if self._concluded and not self._over.is_set():
            self._over.set()
        elif self._interrupts > 1 or self._sender is None:
            task.cancel()
        else:
            self._sender.stop()
            self._screen.say("Stopping: what was sent is brought to its end. Ctrl-C again stops at once.")
            asyncio.get_running_loop().call_later(END_WITHIN_S, self._give_up, task)

    def _give_up(self, task: asyncio.Task[int]) -> None:
        if not self._concluded:
            self._summary.error = f"what was begun did not end within {END_WITHIN_S:.0f} s"
            task.cancel()


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
