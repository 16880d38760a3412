"""CPU of one call to DynamoDB: ours, awscrt's own HTTP client, and boto3, on the consumer's two calls.

95 rows of 600 bytes each, against an endpoint that answers at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from io import BytesIO
from urllib.parse import urlsplit

import msgspec

from benchmarks._endpoint import endpoint
from benchmarks._report import finish, options, progress
from benchmarks.consumer import ENVIRONMENT

ROWS = 95
CALLS = 150
TARGET = "DynamoDB_20120810"
STATE = "QUFB" * 200

PUTS = [
    {
        "Put": {
            "TableName": "behaviour",
            "Item": {"pk": {"S": f"I#{n}"}, "sk": {"S": "0"}, "v": {"N": "1"}, "s": {"B": STATE}},
        }
    }
    for n in range(ROWS)
]
KEYS = [{"pk": {"S": f"I#{n}"}, "sk": {"S": "0"}} for n in range(ROWS)]
REQUESTS = {
    "TransactWriteItems": {"TransactItems": PUTS},
    "BatchGetItem": {"RequestItems": {"behaviour": {"Keys": KEYS}}},
}


def ours(url: str) -> Callable[[str, bytes], object]:
    from tapstack.aws.http import Endpoint, JsonApi

    return JsonApi(Endpoint("dynamodb", "us-east-1", url), TARGET, "1.0").call


def awscrt(url: str) -> Callable[[str, bytes], object]:
    """AWS's runtime for everything: one connection, callbacks from its event loop's thread."""
    from awscrt.auth import AwsCredentialsProvider, AwsSigningConfig, aws_sign_request
    from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest
    from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup

    parts = urlsplit(url)
    group = EventLoopGroup(1)
    bootstrap = ClientBootstrap(group, DefaultHostResolver(group))
    connection = HttpClientConnection.new(parts.hostname or "", parts.port or 80, bootstrap).result()
    credentials = AwsCredentialsProvider.new_environment()

    def call(operation: str, body: bytes) -> bytes:
        headers = [
            ("Host", parts.netloc),
            ("Content-Length", str(len(body))),
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", f"{TARGET}.{operation}"),
        ]
        request = HttpRequest("POST", "/", HttpHeaders(headers), BytesIO(body))
        signing = AwsSigningConfig(credentials_provider=credentials, region="us-east-1", service="dynamodb")
        aws_sign_request(request, signing).result()
        chunks: list[bytes] = []
        stream = connection.request(
            request, lambda **_: None, lambda *, chunk, **_: chunks.append(bytes(chunk))
        )
        stream.activate()
        stream.completion_future.result()
        return b"".join(chunks)

    return call


def cost(call: Callable[[], object]) -> tuple[float, float]:
    """Return CPU (all threads) and wall time of a call, in microseconds."""
    for _ in range(10):
        call()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.process_time() - cpu) / CALLS * 1e6, (time.perf_counter() - wall) / CALLS * 1e6


def main() -> None:
    """Measure."""
    as_json = options("calls", __doc__).parse_args().json
    os.environ.update(ENVIRONMENT)
    measured: dict[str, dict[str, float]] = {}
    with endpoint() as url:
        import boto3

        client = boto3.client("dynamodb", endpoint_url=url)
        operations = {
            "TransactWriteItems": client.transact_write_items,
            "BatchGetItem": client.batch_get_item,
        }
        for name, make in (("ours", ours), ("awscrt", awscrt)):
            progress(name)
            send = make(url)
            measured[name] = {}
            for operation, request in REQUESTS.items():
                body = msgspec.json.encode(request)
                cpu, wall = cost(lambda send=send, operation=operation, body=body: send(operation, body))  # type: ignore[misc]
                measured[name] |= {f"{operation}_cpu_us": cpu, f"{operation}_wall_us": wall}
        progress("boto3")
        measured["boto3"] = {}
        for operation, request in REQUESTS.items():
            cpu, wall = cost(lambda operation=operation, request=request: operations[operation](**request))  # type: ignore[misc]
            measured["boto3"] |= {f"{operation}_cpu_us": cpu, f"{operation}_wall_us": wall}
    figures = measured.pop("ours")
    ratios = {
        f"{peer}_cpu_{operation}": rows[f"{operation}_cpu_us"] / figures[f"{operation}_cpu_us"]
        for peer, rows in measured.items()
        for operation in REQUESTS
    }
    finish("calls", figures, measured, ratios, as_json=as_json)


if __name__ == "__main__":
    main()
