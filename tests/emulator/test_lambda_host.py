"""The host for Lambda functions, with small handlers in a folder of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import venv
from collections.abc import Awaitable, Callable
from pathlib import Path

import awslambdaric
import pytest

from tapstack_emulator.lambda_host.config import FunctionConfig
from tapstack_emulator.lambda_host.host import InvokeFault, InvokeResponse, LambdaFunction

HANDLERS = """
import json, os, pathlib, sys, time

def echo(event, context):
    return event

def fail(event, context):
    raise LookupError("no such thing")

def slow(event, context):
    time.sleep(event.get("sleep_s", 0))
    pathlib.Path(event["touch"]).touch() if "touch" in event else None
    return "done"

def leave(event, context):
    os._exit(event["code"])

def facts(event, context):
    return {
        "environment": dict(os.environ), "pid": os.getpid(), "arn": context.invoked_function_arn,
        "remaining_ms": context.get_remaining_time_in_millis(), "request_id": context.aws_request_id,
        "path": sys.path, "cwd": os.getcwd(),
    }

def talk(event, context):
    print("said this")
    print("and that", file=sys.stderr)

def large(event, context):
    return "x" * event["bytes"]
"""


def run(
    tmp_path: Path,
    body: Callable[[LambdaFunction], Awaitable[None]],
    *,
    handler: str,
    timeout_s: float = 10.0,
    workers: int = 1,
    environment: dict[str, str] | None = None,
    source: str = HANDLERS,
    init_timeout_s: float = 10.0,
) -> None:
    root = tmp_path / "task"
    root.mkdir()
    (root / "handlers.py").write_text(source)
    config = FunctionConfig(
        name="small",
        handler=handler,
        environment=environment or {},
        timeout_s=timeout_s,
        workers=workers,
        task_root=root,
        init_timeout_s=init_timeout_s,
    )

    async def main() -> None:
        async with LambdaFunction(config, log_path=tmp_path / "log") as function:
            await body(function)

    asyncio.run(asyncio.wait_for(main(), 30))


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        await asyncio.sleep(0.01)


def error_of(result: InvokeResponse) -> dict[str, object]:
    assert result.kind == "function_error"
    error: dict[str, object] = json.loads(result.payload)
    return error


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (
        "Z"
        not in subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
    )


def test_a_response_comes_back_as_it_was_returned(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        for number in range(20):
            payload = json.dumps({"n": number}).encode()
            result = await function.invoke(payload)
            assert (result.kind, json.loads(result.payload)) == ("success", {"n": number})
        assert function.cold_start_count == 1

    run(tmp_path, body, handler="handlers.echo")


def test_an_exception_comes_back_as_lambda_words_it(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        error = error_of(await function.invoke(b"{}"))
        assert (error["errorType"], error["errorMessage"]) == ("LookupError", "no such thing")
        assert len(str(error["requestId"])) == 36
        assert isinstance(error["stackTrace"], list)
        assert function.cold_start_count == 1

    run(tmp_path, body, handler="handlers.fail")


def test_the_environment_is_lambdas_and_the_functions_and_nothing_else(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        facts = json.loads((await function.invoke(b"{}", trace_id="Root=1-a-b")).payload)
        environment = facts["environment"]
        assert environment["TAPSTACK_TABLE"] == "behaviour"
        assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "small"
        assert environment["_X_AMZN_TRACE_ID"] == "Root=1-a-b"
        assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
        theirs = {
            "TAPSTACK_TABLE",
            "_HANDLER",
            "LANG",
            "LAMBDA_TASK_ROOT",
            "PATH",
            "PYTHONPATH",
            "TZ",
            "LC_CTYPE",
        }
        assert {name for name in environment if not name.startswith(("AWS_", "_X_AMZN"))} <= theirs
        assert facts["cwd"] == environment["LAMBDA_TASK_ROOT"]
        assert not any(folder.endswith("tapstack_emulator/lambda_host") for folder in facts["path"])
        assert facts["arn"] == function.config.arn
        assert 8_000 < facts["remaining_ms"] <= 10_000

    run(tmp_path, body, handler="handlers.facts", environment={"TAPSTACK_TABLE": "behaviour"})


def test_a_timeout_kills_the_worker_and_the_next_invocation_gets_a_new_one(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        (first,) = function.pids
        error = error_of(await function.invoke(b'{"sleep_s": 60}'))
        assert error["errorType"] == "Sandbox.Timedout"
        assert str(error["errorMessage"]).endswith("Error: Task timed out after 0.50 seconds")
        assert (await function.invoke(b"{}")).payload == b'"done"'
        assert function.pids != [first]
        await until(lambda: not alive(first))

    run(tmp_path, body, handler="handlers.slow", timeout_s=0.5)


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "Runtime exited without providing a reason"), (3, "Runtime exited with error: exit status 3")],
)
def test_a_worker_that_exits_is_a_runtime_exit_error(tmp_path: Path, code: int, words: str) -> None:
    async def body(function: LambdaFunction) -> None:
        for _ in range(2):
            error = error_of(await function.invoke(json.dumps({"code": code}).encode()))
            assert error["errorType"] == "Runtime.ExitError"
            assert str(error["errorMessage"]).endswith(f"Error: {words}")

    run(tmp_path, body, handler="handlers.leave")


def test_a_worker_that_died_between_invocations_is_replaced(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        (pid,) = function.pids
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not function.pids)
        assert (await function.invoke(b"1")).payload == b"1"

    run(tmp_path, body, handler="handlers.echo")


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "words"),
    [
        (
            "import no_such_package",
            "handlers.f",
            "Runtime.ImportModuleError",
            "Unable to import module 'handlers'",
        ),
        ("x = 1", "handlers.f", "Runtime.HandlerNotFound", "Handler 'f' missing on module 'handlers'"),
        ("def f(:", "handlers.f", "Runtime.UserCodeSyntaxError", "Syntax error in module 'handlers'"),
        ("raise ValueError('TAPSTACK_TABLE')", "handlers.f", "ValueError", "TAPSTACK_TABLE"),
        ("import os; os._exit(9)", "handlers.f", "Runtime.ExitError", "exit status 9"),
    ],
    ids=["import", "handler", "syntax", "exception", "exit"],
)
def test_a_function_that_cannot_start_says_why_at_each_invocation(
    tmp_path: Path, source: str, handler: str, error_type: str, words: str
) -> None:
    async def body(function: LambdaFunction) -> None:
        for _ in range(2):
            error = error_of(await function.invoke(b"{}"))
            assert error["errorType"] == error_type
            assert words in str(error["errorMessage"])

    run(tmp_path, body, handler=handler, source=source)


def test_an_initialisation_that_never_ends_times_out(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        assert error_of(await function.invoke(b"{}"))["errorType"] == "Sandbox.Timedout"

    run(tmp_path, body, handler="handlers.f", source="import time; time.sleep(60)", init_timeout_s=0.3)


def test_a_worker_that_was_lost_is_replaced_before_anybody_asks_for_it(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        [pid] = function.pids
        assert (await function.invoke(b'{"code": 3}')).kind == "function_error"
        await until(lambda: bool(function.pids) and function.pids != [pid])
        assert function.cold_start_count == 2

    run(tmp_path, body, handler="handlers.leave")


def test_workers_run_side_by_side_and_the_rest_wait(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        started = time.monotonic()
        results = await asyncio.gather(*(function.invoke(b'{"sleep_s": 0.3}') for _ in range(4)))
        took_s = time.monotonic() - started
        assert [result.payload for result in results] == [b'"done"'] * 4
        assert 0.6 <= took_s < 1.1
        assert len(function.pids) == 2

    run(tmp_path, body, handler="handlers.slow", workers=2)


def test_who_waits_comes_before_who_asks_later(tmp_path: Path) -> None:
    order: list[str] = []

    async def body(function: LambdaFunction) -> None:
        async def ask(name: str) -> None:
            await function.invoke(b'{"sleep_s": 0.05}')
            order.append(name)

        async def ask_again_and_again() -> None:
            for number in range(3):
                await ask(f"busy {number}")

        async with asyncio.TaskGroup() as group:
            group.create_task(ask_again_and_again())
            await asyncio.sleep(0)
            waiting = [group.create_task(ask(name)) for name in ("one", "given up", "two")]
            await asyncio.sleep(0)
            waiting[1].cancel()

    run(tmp_path, body, handler="handlers.slow")
    assert order == ["busy 0", "one", "two", "busy 1", "busy 2"]


def test_workers_are_added_and_taken_away_without_losing_an_invocation(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        function.resize(3)
        await until(lambda: len(function.pids) == 3)
        pids = function.pids
        running = [asyncio.create_task(function.invoke(b'{"sleep_s": 0.2}')) for _ in range(3)]
        await asyncio.sleep(0)
        function.resize(1)
        results = await asyncio.gather(*running)
        assert [result.payload for result in results] == [b'"done"'] * 3
        assert len(function.pids) == 1
        await until(lambda: sum(map(alive, pids)) == 1)
        assert (await function.invoke(b"{}")).payload == b'"done"'
        function.resize(2)  # and one that still starts is stopped with the rest

    run(tmp_path, body, handler="handlers.slow")


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        await function.invoke(b"{}")

    run(tmp_path, body, handler="handlers.talk")
    assert (tmp_path / "log").read_text().splitlines() == ["said this", "and that"]


def test_a_response_above_six_megabytes_is_refused(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        assert (await function.invoke(b'{"bytes": 6000000}')).kind == "success"
        error = error_of(await function.invoke(b'{"bytes": 6291557}'))
        assert error["errorType"] == "Function.ResponseSizeTooLarge"
        with pytest.raises(ValueError, match="payload"):
            await function.invoke(b"x" * 6_291_557)

    run(tmp_path, body, handler="handlers.large")


def test_an_injected_crash_looks_like_a_killed_process(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        fault = InvokeFault(kind="crash", after_s=0.1)
        error = error_of(await function.invoke(b'{"sleep_s": 60}', fault=fault))
        assert str(error["errorMessage"]).endswith("Runtime exited with error: signal: killed")
        assert (await function.invoke(b"{}")).kind == "success"

    run(tmp_path, body, handler="handlers.slow")


def test_a_worker_can_be_killed_by_the_key_it_signs_with(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        key = json.loads((await function.invoke(b"{}")).payload)["environment"]["AWS_ACCESS_KEY_ID"]
        assert not function.kill_worker("ASIA-SOMEBODY-ELSE")
        assert function.kill_worker(key)
        again = json.loads((await function.invoke(b"{}")).payload)["environment"]["AWS_ACCESS_KEY_ID"]
        assert again != key

    run(tmp_path, body, handler="handlers.facts")


def test_a_zombie_finishes_beside_its_successor(tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    async def body(function: LambdaFunction) -> None:
        (first,) = function.pids
        payload = json.dumps({"sleep_s": 1.0, "touch": str(touched)}).encode()
        fault = InvokeFault(kind="zombie", after_s=0.05)
        assert error_of(await function.invoke(payload, fault=fault))["errorType"] == "Sandbox.Timedout"
        assert (await function.invoke(b"{}")).kind == "success"
        assert alive(first)
        assert not touched.exists()
        await function.wait_for_zombies()
        assert touched.exists()
        await until(lambda: not alive(first))

    run(tmp_path, body, handler="handlers.slow")


def test_lost_responses_and_throttles_are_errors_of_the_caller_alone(tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    async def body(function: LambdaFunction) -> None:
        assert (await function.invoke(b"{}", fault=InvokeFault(kind="throttled"))).kind == "throttled"
        payload = json.dumps({"touch": str(touched)}).encode()
        lost = await function.invoke(payload, fault=InvokeFault(kind="lost_response"))
        assert lost.kind == "function_error"
        assert touched.exists()
        assert function.cold_start_count == 1

    run(tmp_path, body, handler="handlers.slow")


def test_an_invocation_given_up_by_its_caller_spends_the_worker(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        (first,) = function.pids
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(function.invoke(b'{"sleep_s": 60}'), 0.2)
        assert (await function.invoke(b"{}")).payload == b'"done"'
        await until(lambda: not alive(first))

    run(tmp_path, body, handler="handlers.slow")


def test_a_package_runs_in_an_interpreter_that_has_nothing_but_the_runtime_client(tmp_path: Path) -> None:
    """What a deployment package forgets to bring along is missing, as in Lambda."""
    venv.create(tmp_path / "clean", with_pip=False, symlinks=True)
    runtime, package = tmp_path / "runtime", tmp_path / "package"
    runtime.mkdir()
    package.mkdir()
    installed = Path(awslambdaric.__file__).parent.parent
    for pattern in ("awslambdaric", "runtime_client*", "simplejson", "snapshot_restore_py*"):
        for found in installed.glob(pattern):
            (runtime / found.name).symlink_to(found)
    (package / "whole.py").write_text("import sys\ndef handler(event, context): return sys.prefix\n")
    (package / "lacking.py").write_text("import aiohttp\ndef handler(event, context): return 1\n")

    async def invoke(handler: str) -> InvokeResponse:
        config = FunctionConfig(
            name="packaged",
            handler=handler,
            task_root=package,
            python=str(tmp_path / "clean" / "bin" / "python"),
            runtime_path=(runtime,),
        )
        async with LambdaFunction(config, log_path=tmp_path / "log") as function:
            return await function.invoke(b"{}")

    assert json.loads(asyncio.run(invoke("whole.handler")).payload) == str(tmp_path / "clean")
    error = error_of(asyncio.run(invoke("lacking.handler")))
    assert error["errorMessage"] == "Unable to import module 'lacking': No module named 'aiohttp'"


def test_an_invocation_that_waits_for_a_worker_when_all_are_stopped_gets_an_error(tmp_path: Path) -> None:
    async def body(function: LambdaFunction) -> None:
        invocations = [asyncio.create_task(function.invoke(b'{"sleep_s": 5}')) for _ in range(3)]
        await asyncio.sleep(0.05)
        await function.stop()
        results = await asyncio.wait_for(asyncio.gather(*invocations), 2)
        assert [result.kind for result in results] == ["function_error"] * 3

    run(tmp_path, body, handler="handlers.slow")


def test_stopping_leaves_no_process(tmp_path: Path) -> None:
    pids: list[int] = []

    async def body(function: LambdaFunction) -> None:
        pids.extend(function.pids)
        pending = asyncio.create_task(function.invoke(b'{"sleep_s": 60}'))
        await function.invoke(b"{}")
        await function.stop()
        assert error_of(await pending)["errorType"] == "Runtime.ExitError"

    run(tmp_path, body, handler="handlers.slow", workers=2)
    assert len(pids) == 2
    assert not any(map(alive, pids))


def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    parent = textwrap.dedent(
        f"""
        import asyncio, pathlib
        from tapstack_emulator.lambda_host.host import FunctionConfig, LambdaFunction
        folder = pathlib.Path({str(tmp_path)!r})
        async def main():
            config = FunctionConfig(name="small", handler="handlers.slow", workers=2, task_root=folder)
            async with LambdaFunction(config, log_path=folder / "log") as function:
                print(*function.pids, flush=True)
                await function.invoke(b'{{"sleep_s": 60}}')
        asyncio.run(main())
        """
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        process.kill()
    asyncio.run(until(lambda: not any(map(alive, pids))))
