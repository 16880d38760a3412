"""Real clients against the command; `make emulator-clients` installs those that are skipped here."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import botocore.exceptions
import pytest

from tapstack_emulator.__main__ import main

CLIENTS = Path(__file__).parent / "clients"
INSTALLED = Path(__file__).parents[2] / ".tapstack" / "emulator-clients"
ANNOUNCED = re.compile(r"listens on (http://127\.0\.0\.1:\d+) ")


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "tapstack_emulator", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    line = child.stdout.readline()
    found = ANNOUNCED.search(line)
    assert found, (line, child.communicate())
    return child, found[1]


def stop(child: subprocess.Popen[str], number: signal.Signals) -> None:
    child.send_signal(number)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (0, "", "")


@pytest.fixture
def kinesis_url() -> Iterator[str]:
    child, url = start("kinesis", "--port", "0", "--stream", "clicks:2", "--region", "eu-west-1")
    yield url
    stop(child, signal.SIGTERM)


@pytest.fixture
def dynamodb_url() -> Iterator[str]:
    child, url = start("dynamodb", "--port", "0", "--account", "000000000001")
    yield url
    stop(child, signal.SIGINT)


def client(service: str, url: str) -> object:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client(service, region_name="eu-west-1", endpoint_url=url, **keys)


def test_boto3_puts_and_reads_records(kinesis_url: str) -> None:
    kinesis = client("kinesis", kinesis_url)
    kinesis.put_record(StreamName="clicks", PartitionKey="k", Data=b"\x00\xff")
    described = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]
    assert described["StreamARN"] == "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks"
    found = []
    for shard in kinesis.list_shards(StreamName="clicks")["Shards"]:
        place = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(StreamName="clicks", **place)["ShardIterator"]
        found += kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [record["Data"] for record in found] == [b"\x00\xff"]
    assert kinesis.get_paginator("list_streams").paginate().build_full_result()["StreamNames"] == ["clicks"]


def test_boto3_puts_and_reads_items(dynamodb_url: str) -> None:
    dynamodb = client("dynamodb", dynamodb_url)
    made = dynamodb.create_table(
        TableName="seen",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert made["TableDescription"]["TableArn"] == "arn:aws:dynamodb:us-east-1:000000000001:table/seen"
    once = {
        "TableName": "seen",
        "Item": {"id": {"S": "1"}},
        "ConditionExpression": "attribute_not_exists(id)",
    }
    dynamodb.put_item(**once)
    with pytest.raises(botocore.exceptions.ClientError, match="ConditionalCheckFailed"):
        dynamodb.put_item(**once)
    with pytest.raises(botocore.exceptions.ClientError, match="Expected is not implemented"):
        dynamodb.put_item(TableName="seen", Item={"id": {"S": "1"}}, Expected={"id": {"Exists": False}})
    with pytest.raises(botocore.exceptions.ClientError, match="UpdateItem is not implemented"):
        dynamodb.update_item(TableName="seen", Key={"id": {"S": "1"}})


def test_the_sdk_for_javascript_speaks_http_2(kinesis_url: str) -> None:
    node = shutil.which("node")
    if node is None or not (INSTALLED / "node_modules" / "@aws-sdk" / "client-kinesis").is_dir():
        pytest.skip("needs node and @aws-sdk/client-kinesis: make emulator-clients")
    script = INSTALLED / "kinesis.mjs"  # beside the packages that it imports
    shutil.copy(CLIENTS / "kinesis.mjs", script)
    subprocess.run([node, script, kinesis_url], check=True, timeout=60)


def test_aiobotocore_puts_and_reads_records(kinesis_url: str) -> None:
    python = INSTALLED / "venv" / "bin" / "python"
    if not python.exists():
        pytest.skip("needs aiobotocore in a venv of its own: make emulator-clients")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script = CLIENTS / "kinesis_aiobotocore.py"
    subprocess.run([python, script, kinesis_url], check=True, timeout=60, env=environment)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    assert code == 2 or isinstance(code, str)  # argparse's, or a message with which Python exits 1
    return code if isinstance(code, str) else capsys.readouterr().err


def test_a_port_in_use_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused(capsys, "dynamodb", "--port", str(port))
    assert message == (
        f"tapstack-emulator: port {port} of 127.0.0.1 is in use;"
        " choose another one with --port, or --port 0 for any that is free"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "the following arguments are required: kinesis|dynamodb"),
        (["sqs"], "invalid choice: 'sqs'"),
        (["kinesis", "--port", "80000"], "expected a number from 0 to 65535, got '80000'"),
        (["kinesis", "--account", "12"], "expected 12 digits, got '12'"),
        (["kinesis", "--stream", "a b"], "expected NAME or NAME:SHARDS, such as clicks:2, got 'a b'"),
        (["kinesis", "--stream", "a:0"], "got 'a:0'"),
        (["dynamodb", "--stream", "a"], "unrecognized arguments: --stream a"),
        (
            ["kinesis", "--stream", "a", "--stream", "a"],
            "Stream a under account 123456789012 already exists",
        ),
    ],
)
def test_a_wrong_option_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert says in refused(capsys, *arguments)


@pytest.mark.parametrize("arguments", [["--help"], ["kinesis", "--help"], ["dynamodb", "--help"]])
def test_the_help_has_examples(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert "tapstack-emulator kinesis --port 4567" in capsys.readouterr().out
