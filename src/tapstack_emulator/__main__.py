"""``tapstack-emulator``: a service on a port, for clients of any language."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import re
import signal
import sys
from collections.abc import Sequence
from typing import NamedTuple

from tapstack.ports import AwsApi, AwsError
from tapstack_emulator.clock import SystemClock
from tapstack_emulator.dynamodb.service import MemoryDynamoDB
from tapstack_emulator.kinesis.service import MemoryKinesis

PORTS = {"kinesis": 4567, "dynamodb": 8000}
NAMES = {"kinesis": "Kinesis", "dynamodb": "DynamoDB"}
_EXAMPLES = """examples:
  tapstack-emulator kinesis --port 4567 --stream clicks:2
  aws --endpoint-url http://127.0.0.1:4567 kinesis list-streams
  tapstack-emulator dynamodb --port 8000 --region eu-west-1 --account 123456789012

It listens on 127.0.0.1 only, takes any credentials, and what it holds ends with it.
What is implemented and what is not: docs/emulator.md."""


class NewStream(NamedTuple):
    """A stream to be made at the start."""

    name: str
    shard_count: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    options = _parser().parse_args(arguments)
    try:
        api = _service(options)
        asyncio.run(_serve(api, options))
    except AwsError as error:
        sys.exit(f"tapstack-emulator: {error.message}")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.exit(
            f"tapstack-emulator: port {options.port} of 127.0.0.1 is in use;"
            " choose another one with --port, or --port 0 for any that is free"
        )
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"aiohttp", "cbor2", "h2"}:
            raise
        sys.exit("tapstack-emulator: serving needs more packages: pip install 'tapstack[emulator]'")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tapstack-emulator",
        description="Serve a fake AWS service on this machine, in memory.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    services = parser.add_subparsers(dest="service", required=True, metavar="kinesis|dynamodb")
    for service, port in PORTS.items():
        part = services.add_parser(
            service,
            help=f"serve {NAMES[service]}, on port {port} unless told otherwise",
            epilog=_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        part.add_argument("--port", type=_port, default=port, help=f"0 for any free port (default: {port})")
        part.add_argument("--region", default="us-east-1", help="appears in ARNs (default: us-east-1)")
        part.add_argument(
            "--account", type=_account, default="123456789012", help="likewise (default: 123456789012)"
        )
        if service == "kinesis":
            part.add_argument(
                "--stream",
                type=_stream,
                action="append",
                default=[],
                metavar="NAME[:SHARDS]",
                help="make a stream at the start; may be given several times",
            )
            part.add_argument(
                "--limited", action="store_true", help="refuse what exceeds a shard's limits, as AWS does"
            )
    return parser


def _service(options: argparse.Namespace) -> AwsApi:
    clock, place = SystemClock(), {"region": options.region, "account": options.account}
    if options.service == "dynamodb":
        return MemoryDynamoDB(clock, **place)
    kinesis = MemoryKinesis(clock, limited=options.limited, **place)
    for name, shard_count in options.stream:
        kinesis.create_stream(name, shard_count)
    return kinesis


async def _serve(api: AwsApi, options: argparse.Namespace) -> None:
    from tapstack_emulator.serving import ServiceServer  # the one import that needs more packages

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with ServiceServer(api, service=options.service, port=options.port) as server:
        _say(
            f"{NAMES[options.service]} listens on {server.url}"
            f" (region {options.region}, account {options.account}). Ctrl-C ends it and all that it holds."
        )
        await ended.wait()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got {text!r}")
    return int(text)


def _account(text: str) -> str:
    if not re.fullmatch("[0-9]{12}", text):
        raise argparse.ArgumentTypeError(f"expected 12 digits, got {text!r}")
    return text


def _stream(text: str) -> NewStream:
    name, _, count = text.partition(":")
    if not re.fullmatch("[a-zA-Z0-9_.-]{1,128}", name) or not re.fullmatch("([1-9][0-9]{0,3})?", count):
        raise argparse.ArgumentTypeError(f"expected NAME or NAME:SHARDS, such as clicks:2, got {text!r}")
    return NewStream(name, int(count or 1))


if __name__ == "__main__":
    main()
