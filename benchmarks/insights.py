"""CPU of the insights API beside Feast's own server, and beside FastAPI with pydantic and boto3.

``features:batchGet``, 50 items by 200 features, windows of 1h, 24h and 7d among them, beside
``get-online-features`` of Feast 0.67 with its DynamoDB store. One item with its freshness, beside the same
answer from FastAPI. All over one store that costs nothing, in one run; subjects take turns, figures are
medians of turns and ratios medians of the turns' ratios.

Ours is timed from the text of Lambda's invocation to the text of the answer, gzip and base64 included; the
peers' servers by their processes' CPU, and none compresses. So ours leaves out Lambda's runtime client and
the load balancer. Feast is installed from PyPI into .tapstack/feast, which takes some minutes once.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import msgspec

from benchmarks._report import finish, options, progress
from benchmarks._store import store
from benchmarks.consumer import ENVIRONMENT
from tapstack.aws.http import Endpoint, JsonApi
from tapstack.core.aggregates import (
    MICROS,
    Counters,
    add_in_windows,
    new_counters,
    window_numbers,
)
from tapstack.core.amounts import UNITS_SOLD
from tapstack.core.currencies import CURRENCIES
from tapstack.core.events import EVENT_TYPES, TYPE_CODE
from tapstack.core.item_facts import Facts
from tapstack.core.journal import Watermark, encode_watermark, head_key, watermark_key
from tapstack.core.rows import ITEM_ROWS, ItemState, encode_derived, item_partition, stripe_sort_key

ROOT = Path(__file__).parents[1]
FEAST = ROOT / ".tapstack" / "feast"
FEAST_VERSION = "0.67.0"
INSTALL_TIMEOUT_S = 900
START_TIMEOUT_S = 120
TABLE = ENVIRONMENT["TAPSTACK_TABLE"]
ITEMS = 500
ENTITIES, FEATURES = 50, 200
LANES = 8  # of the journal: items have two rows
TURNS = 5
CALLS = {"batch": 20, "single": 150}  # a turn
WARM_UP = 10
WINDOWS = ("", "_1h", "_24h", "_7d")
Call = Callable[[], bytes]
CpuS = Callable[[], float]


def feature_names() -> list[str]:
    """Return 200 features: every counter of an item in every window, then amounts by currency."""
    counters = [f"{name}_count" for name in ("event", *EVENT_TYPES)]
    amounts = [f"value_{currency}" for currency in feature_currencies()]
    return [name + window for name in (*counters, *amounts) for window in WINDOWS][:FEATURES]


def item_state(rng: random.Random, now_s: int) -> ItemState:
    """Return an item whose tiles are all filled, by eight types of events each, in a few currencies."""
    state = ITEM_ROWS.new()
    state.amounts = new_counters()
    state.facts = Facts((now_s, "shoes"), (now_s, "Acme"), (now_s, "Boots"), (now_s, 80 * MICROS, "EUR"))
    purchase = TYPE_CODE["purchase"]
    for position, step_s in ((12, 300), (24, 3_600), (7, 86_400)):
        for back in range(position, -1, -1):
            at_s = now_s - back * step_s
            for code in (*rng.sample(range(len(EVENT_TYPES)), 7), purchase):
                currency = rng.choice(("EUR", "EUR", "EUR", *feature_currencies()[:8]))
                counts: Counters = {code: 1}
                if code == purchase:
                    counts[currency] = rng.randrange(1, 100) * MICROS
                add_in_windows(state.counters, counts, window_numbers(at_s), now_s)
            add_in_windows(state.amounts, {UNITS_SOLD: rng.randrange(1, 4)}, window_numbers(at_s), now_s)
    return state


def feature_currencies() -> list[str]:
    return ["EUR", *sorted(CURRENCIES - {"EUR"})]


def fill(url: str, now_s: int) -> None:
    """Put our rows, and the peer's items, into the store."""
    api = JsonApi(Endpoint("dynamodb", "us-east-1", url), "DynamoDB_20120810", "1.0")
    rng = random.Random(7)
    rows: list[tuple[str, str, bytes, int]] = [
        (*watermark_key(name), encode_watermark(Watermark(dict.fromkeys(range(LANES), 9))), 1)
        for name in ("items", "leaderboards", "search_terms", "categories", "impressions")
    ]
    rows += [(*head_key(lane), b"", 9) for lane in range(LANES)]
    for number in range(ITEMS):
        for stripe in range(LANES // 4):
            body = encode_derived({}, item_state(rng, now_s))
            rows.append((item_partition(f"i-{number}"), stripe_sort_key(stripe), body, 1))
    puts = [
        {
            "pk": {"S": pk},
            "sk": {"S": sk},
            "v": {"N": str(version)},
            "s": {"B": base64.b64encode(state).decode()},
        }
        for pk, sk, state, version in rows
    ]
    write(api, TABLE, puts)


def write(api: JsonApi, table: str, items: list[dict[str, Any]]) -> None:
    for start in range(0, len(items), 25):
        puts = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        api.call("BatchWriteItem", msgspec.json.encode({"RequestItems": {table: puts}}))


def fill_peer(url: str, answer: Mapping[str, Any]) -> None:
    """Give the peer the same answer, as attributes of DynamoDB."""
    api = JsonApi(Endpoint("dynamodb", "us-east-1", url), "DynamoDB_20120810", "1.0")
    items = [
        {
            "pk": {"S": f"I#i-{number}"},
            "sk": {"S": "-"},
            "body": attribute({**answer, "item_id": f"i-{number}"}),
        }
        for number in range(ITEMS)
    ]
    write(api, "counters", items)


def attribute(value: Any) -> dict[str, Any]:
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, dict):
        return {"M": {name: attribute(each) for name, each in value.items()}}
    if isinstance(value, list):
        return {"L": [attribute(each) for each in value]}
    return {"N": str(value)}


# Ours.


class Context:
    aws_request_id = "7b0a7f2e-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


class Ours:
    """The function, invoked as Lambda's runtime does, from text to text; `spent_s` is that alone's CPU."""

    def __init__(self, handler: Callable[[Any, Any], Any]) -> None:
        self._handler = handler
        self.spent_s = 0.0

    def invoke(self, event: str) -> str:
        before_s = time.process_time()
        answer = json.dumps(self._handler(json.loads(event), Context()), ensure_ascii=False)
        self.spent_s += time.process_time() - before_s
        return answer


def balanced(method: str, path: str, body: Any = None, **headers: str) -> str:
    """Return the text of an invocation by the load balancer."""
    sent = {"host": "insights.internal", "user-agent": "benchmark", "x-forwarded-for": "10.0.0.1", **headers}
    text = "" if body is None else json.dumps(body)
    return json.dumps(
        {"httpMethod": method, "path": path, "queryStringParameters": {}, "headers": sent, "body": text,
         "isBase64Encoded": False, "requestContext": {"elb": {"targetGroupArn": "arn"}}}
    )  # fmt: skip


def our_batch(ours: Ours, rng: random.Random, *, packed: bool) -> Call:
    headers = {"content-type": "application/json", "accept-encoding": "gzip" if packed else "identity"}
    names = feature_names()

    def call() -> bytes:
        ids = [f"i-{number}" for number in rng.sample(range(ITEMS), ENTITIES)]
        body = {"items": ids, "item_features": names}
        answer = json.loads(ours.invoke(balanced("POST", "/v1/features:batchGet", body, **headers)))
        assert answer["statusCode"] == 200, answer
        return base64.b64decode(answer["body"]) if packed else answer["body"].encode()

    return call


def our_single(ours: Ours, rng: random.Random) -> Call:
    def call() -> bytes:
        event = balanced("GET", f"/v1/items/i-{rng.randrange(ITEMS)}")
        return ours.invoke(event).encode()

    return call


# Peers: servers of their own.


def install_feast() -> Path | str:
    """Return Feast's Python, or why there is none."""
    python = FEAST / "bin" / "python"
    if (FEAST / ".ready").exists():
        return python
    progress(f"installing feast[aws]=={FEAST_VERSION} into {FEAST.relative_to(ROOT)}")
    uv = Path(sys.executable).with_name("uv")
    installer = (
        [str(uv), "pip", "install", "--quiet", "--python", str(python)]
        if uv.exists()
        else [str(python), "-m", "pip", "install", "--quiet"]
    )
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FEAST)], check=True, capture_output=True)
        subprocess.run(
            [*installer, f"feast[aws]=={FEAST_VERSION}"],
            check=True,
            capture_output=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or b""
        return f"feast[aws]=={FEAST_VERSION} cannot be installed: {told.decode()[-300:] or error}"
    (FEAST / ".ready").touch()
    return python


@contextmanager
def server(command: list[str], folder: Path, port: int, environment: Mapping[str, str]) -> Iterator[CpuS]:
    """Run a server until it listens; yields a function that returns its processes' CPU seconds so far."""
    with Path(folder, "server.log").open("w") as log:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + START_TIMEOUT_S
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if child.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{command[0]} does not serve: {Path(log.name).read_text()[-500:]}")
                time.sleep(0.2)
            yield lambda: cpu_s(child.pid)
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def cpu_s(group: int) -> float:
    """Return the CPU seconds of a process group, of its living processes (proc(5), fields 5, 14, 15)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client(port: int, method: str, path: Callable[[], str], body: Callable[[], Any] | None = None) -> Call:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def call() -> bytes:
        text = None if body is None else json.dumps(body())
        try:
            connection.request(method, path(), text, {"content-type": "application/json"})
            answer = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):  # it was idle while others had their turn
            connection.close()
            connection.request(method, path(), text, {"content-type": "application/json"})
            answer = connection.getresponse()
        told = answer.read()
        assert answer.status == 200, told[:300]
        return told

    return call


@contextmanager
def feast(python: Path, url: str, rng: random.Random) -> Iterator[tuple[Call, CpuS]]:
    """Run Feast's server over the store."""
    aws = {**ENVIRONMENT, "AWS_ENDPOINT_URL": "", "FEAST_USAGE": "False", "IS_TEST": "True"}
    aws.pop("AWS_ENDPOINT_URL")
    aws["AWS_DEFAULT_REGION"] = "us-east-1"
    with tempfile.TemporaryDirectory() as name:
        repo = Path(name)
        (repo / "data").mkdir()
        (repo / "feature_store.yaml").write_text(
            "project: benchmark\nregistry: data/registry.db\nprovider: aws\n"
            "offline_store: {type: file}\nentity_key_serialization_version: 3\n"
            f"online_store: {{type: dynamodb, region: us-east-1, endpoint_url: '{url}'}}\n"
        )
        progress("feast: filling its store")
        setup = [str(python), str(Path(__file__).with_name("_feast_setup.py")), str(repo), str(ITEMS)]
        done = subprocess.run(
            setup, env={**os.environ, **aws}, cwd=repo, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"feast cannot be set up: {done.stderr[-500:]}")
        port = free_port()
        command = [str(python.with_name("feast")), "serve", "-h", "127.0.0.1", "-p", str(port),
                   "--no-access-log", "--max-requests", "0", "-r", "3600"]  # fmt: skip
        names = [f"wide:f{number}" for number in range(FEATURES)]

        def body() -> Any:
            ids = [f"i-{number}" for number in rng.sample(range(ITEMS), ENTITIES)]
            return {"features": names, "entities": {"item": ids}}

        with server(command, repo, port, aws) as spent:
            yield client(port, "POST", lambda: "/get-online-features", body), spent


@contextmanager
def fastapi(url: str, rng: random.Random) -> Iterator[tuple[Call, CpuS]]:
    """Run FastAPI under uvicorn with uvloop and httptools."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks._fastapi_reader:app", "--host", "127.0.0.1",
               "--port", str(port), "--no-access-log", "--log-level", "warning"]  # fmt: skip
    aws = {**ENVIRONMENT, "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder, server(command, Path(folder), port, aws) as spent:
        yield client(port, "GET", lambda: f"/v1/items/i-{rng.randrange(ITEMS)}"), spent


# Measuring.


class Turn(msgspec.Struct):
    """What calls of one turn took: CPU milliseconds a call, wall milliseconds of each, bytes of the last."""

    cpu_ms: float
    wall_ms: list[float]
    answer_bytes: int


def measure(call: Call, spent_s: CpuS, calls: int) -> Turn:
    cpu, walls, told = spent_s(), [], b""
    for _ in range(calls):
        began = time.perf_counter()
        told = call()
        walls.append((time.perf_counter() - began) * 1e3)
    return Turn((spent_s() - cpu) / calls * 1e3, walls, len(told))


def figures(turns: list[Turn]) -> dict[str, float | int]:
    walls = sorted(wall for turn in turns for wall in turn.wall_ms)
    return {
        "cpu_ms": statistics.median(turn.cpu_ms for turn in turns),
        "p50_ms": walls[len(walls) // 2],
        "p99_ms": walls[int(len(walls) * 0.99)],
        "answer_bytes": turns[-1].answer_bytes,
    }


def times(peer: list[Turn], ours: list[Turn]) -> float:
    return statistics.median(theirs.cpu_ms / own.cpu_ms for theirs, own in zip(peer, ours, strict=True))


def main() -> None:
    """Measure."""
    as_json = options("insights", __doc__).parse_args().json
    os.environ.update({**ENVIRONMENT, "TAPSTACK_LOG_INTERVAL_S": "300"})
    rng = random.Random(11)
    with ExitStack() as stack, redirect_stdout(sys.stderr):  # the function logs to it
        url = stack.enter_context(store())
        os.environ["AWS_ENDPOINT_URL"] = url
        fill(url, int(time.time()))
        from tapstack.entrypoints.insights import handler

        first = json.loads(handler(json.loads(balanced("GET", "/v1/items/i-0")), Context())["body"])
        fill_peer(url, first)
        ours = Ours(handler)

        def own() -> float:
            return ours.spent_s

        subjects: dict[str, tuple[Call, CpuS, int]] = {
            "batch": (our_batch(ours, rng, packed=True), own, CALLS["batch"]),
            "batch_identity": (our_batch(ours, rng, packed=False), own, CALLS["batch"]),
            "single": (our_single(ours, rng), own, CALLS["single"]),
        }
        subjects["fastapi_single"] = (*stack.enter_context(fastapi(url, rng)), CALLS["single"])
        python = install_feast()
        if isinstance(python, Path):
            subjects["feast_batch"] = (*stack.enter_context(feast(python, url, rng)), CALLS["batch"])
        else:
            progress(f"Feast is skipped: {python}")
        turns: dict[str, list[Turn]] = {name: [] for name in subjects}
        for name, (call, _, _) in subjects.items():
            progress(f"warming up {name}")
            for _ in range(WARM_UP):
                told = call()
            if name == "batch":
                unpacked = json.loads(gzip.decompress(told))
                assert {row["status"] for row in unpacked["items"]["rows"]} == {"found"}
            if name == "fastapi_single":
                assert {**json.loads(told), "item_id": first["item_id"]} == first
        for turn in range(TURNS):
            progress(f"turn {turn + 1} of {TURNS}")
            for name, (call, spent_s, calls) in subjects.items():
                turns[name].append(measure(call, spent_s, calls))
    report(turns, as_json=as_json)


def report(turns: Mapping[str, list[Turn]], *, as_json: bool) -> None:
    ours = ("batch", "batch_identity", "single")
    ratios = {"single_read_times_fastapi": times(turns["fastapi_single"], turns["single"])}
    if "feast_batch" in turns:
        ratios["batch_get_50x200_times_feast"] = times(turns["feast_batch"], turns["batch"])
    finish(
        "insights",
        {f"{name}_{key}": value for name in ours for key, value in figures(turns[name]).items()},
        {name: figures(found) for name, found in turns.items() if name not in ours},
        ratios,
        as_json=as_json,
    )


if __name__ == "__main__":
    main()
