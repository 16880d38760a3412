"""``tapstack sources``: what it does to the document, and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.stub import Stubber

from tapstack.cli._main import call
from tapstack.core.sources import Source, Sources, read_sources, write_sources
from tapstack.deploy import sources as operations


class Command:
    """The command, on a file."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys

    def run(self, *arguments: str, code: int = 0) -> str:
        assert call(["sources", *arguments, "--file", str(self.path)]) == code
        said = self._capsys.readouterr()
        return said.err if code else said.out

    def key(self, *arguments: str) -> str:
        said = json.loads(self.run(*arguments, "--json"))
        assert said["setting"] == f"file:{self.path}"
        return str(said["key"])

    @property
    def sources(self) -> Sources:
        return read_sources(self.path.read_bytes())

    def owner(self, key: str) -> str | None:
        found = self.sources.of_key(key)
        return None if found is None else found.id


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path.resolve() / "sources.json", capsys)


def test_a_source_is_added_and_its_key_shown_once(command: Command) -> None:
    said = command.run("add", "web", "--format", "segment", "--type", "purchase", "--events-per-s", "5")
    (key,) = [line.split()[-1] for line in said.splitlines() if line.startswith("write key")]
    assert command.owner(key) == "web"
    assert key not in command.path.read_text()
    assert key not in command.run("list")
    assert "TAPSTACK_SOURCES" in said
    listed = json.loads(command.run("list", "--json"))["sources"][0]
    assert (listed["formats"], listed["event_types"], listed["events_per_s_max"]) == (
        ["segment"],
        ["purchase"],
        5,
    )


def test_a_key_is_rotated_while_both_are_live(command: Command) -> None:
    old = command.key("add", "web")
    new = command.key("rotate", "web")
    assert (command.owner(old), command.owner(new)) == ("web", "web")
    assert "end the older" in command.run("rotate", "web", code=2)
    assert json.loads(command.run("revoke", "web", "--old", "--json")) == {"source": "web", "live_keys": 1}
    assert (command.owner(old), command.owner(new)) == (None, "web")
    assert "no older key" in command.run("revoke", "web", "--old", code=2)


def test_a_source_that_is_revoked_sends_nothing_more(command: Command) -> None:
    key = command.key("add", "web")
    command.run("add", "tracker", "--no-key", "--format", "snowplow")
    assert command.sources.without_key("snowplow") is not None
    command.run("revoke", "web")
    command.run("revoke", "tracker")
    assert (command.owner(key), command.sources.without_key("snowplow")) == (None, None)
    assert "none: revoked" in command.run("list")


MISTAKES: dict[str, tuple[list[str], str]] = {
    "a source that is there": (["add", "web"], "there is a source web"),
    "no such source": (["rotate", "app"], "there is no source app; there are: web"),
    "capitals": (["add", "Web"], "ID: expected small letters"),
    "no key and no format": (["add", "app", "--no-key"], "needs --format"),
    "an origin without a scheme": (["add", "app", "--origin", "shop.example"], "expected an origin such as"),
    "an origin with a path": (
        ["add", "app", "--origin", "https://shop.example/a"],
        "expected an origin such as",
    ),
    "a format that is not known": (["add", "app", "--format", "csv"], "'csv' is not one of"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_changes_nothing(
    command: Command, arguments: list[str], message: str
) -> None:
    command.run("add", "web")
    before = command.path.read_bytes()
    said = command.run(*arguments, code=2)
    assert message in said
    assert said.count("\n") == 1
    assert command.path.read_bytes() == before


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["rotate", "web"], ["revoke", "web"]])
def test_a_file_that_is_not_there_is_said_and_not_made(command: Command, arguments: list[str]) -> None:
    said = command.run(*arguments, code=2)
    assert f"'{command.path}' does not exist" in said
    assert said.count("\n") == 1
    assert not command.path.exists()


@pytest.mark.parametrize(
    "said", ["https://shop.example", "https://shop.example/", "HTTPS://Shop.example:443"]
)
def test_an_origin_is_kept_as_browsers_write_it(command: Command, said: str) -> None:
    command.run("add", "web", "--origin", said)
    assert command.sources.origins == {"https://shop.example"}


def test_two_sources_cannot_stand_for_requests_without_a_key(command: Command) -> None:
    command.run("add", "tracker", "--no-key", "--format", "snowplow")
    assert "belong to tracker" in command.run("add", "other", "--no-key", "--format", "snowplow", code=2)
    assert "sends no key" in command.run("rotate", "tracker", code=2)


def test_it_must_be_said_where_the_sources_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["sources", "list"]) == 2
    assert "--secret NAME, or --file PATH" in capsys.readouterr().err


def test_a_document_that_cannot_be_read_is_left_alone(command: Command) -> None:
    command.path.write_text("{")
    assert f"{command.path}: expected what 'tapstack sources' writes" in command.run("add", "web", code=2)
    assert command.path.read_text() == "{"


def test_a_folder_that_is_not_there_is_named_by_its_own_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "no folder" / "sources.json"
    assert call(["sources", "add", "web", "--file", str(path)]) == 2
    assert f"expected a file in a folder that can be written, got '{path}'" in capsys.readouterr().err


ENVIRONMENTS: dict[str, tuple[dict[str, str], list[str], str]] = {
    "no such profile": ({"AWS_PROFILE": "nobody"}, [], "The config profile (nobody) could not be found"),
    "half a key": ({"AWS_ACCESS_KEY_ID": "a"}, [], "missing: AWS_SECRET_ACCESS_KEY"),
    "no address": ({}, ["--endpoint-url", "nonsense"], "Invalid endpoint: nonsense"),
    "no region": ({}, ["--region", "b ad"], "'b ad' doesn't match a supported format"),
}


@pytest.mark.parametrize(("variables", "options", "message"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_what_keeps_aws_from_being_asked_is_said_in_one_line(
    variables: dict[str, str],
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert call(["sources", "list", "--secret", "stack-sources", *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client(
        "secretsmanager", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="s"
    )
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    with Stubber(client) as stubber:
        yield stubber


NAMED = {"SecretId": "stack-sources"}


def test_a_secret_without_a_version_has_no_sources_yet(
    secret: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[dict[str, Any]] = []
    secret.client.meta.events.register(
        "provide-client-params.secretsmanager.PutSecretValue", lambda params, **_: written.append(params)
    )
    secret.add_response("describe_secret", {"Name": "stack-sources"}, NAMED)
    secret.add_client_error("get_secret_value", "ResourceNotFoundException", expected_params=NAMED)
    secret.add_response("put_secret_value", {})
    assert call(["sources", "add", "web", "--secret", "stack-sources", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    found = read_sources(written[0]["SecretString"].encode()).of_key(said["key"])
    assert found is not None
    assert (found.id, said["setting"]) == ("web", "stack-sources")


def test_a_secret_is_read(secret: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    document = write_sources(Sources()).decode()
    secret.add_response("describe_secret", {"Name": "stack-sources"}, NAMED)
    secret.add_response("get_secret_value", {"SecretString": document}, NAMED)
    assert call(["sources", "list", "--secret", "stack-sources"]) == 0
    assert "no sources yet" in capsys.readouterr().out


FAILURES: dict[str, tuple[str, int, str]] = {
    "no secret": ("ResourceNotFoundException", 2, "there is no secret stack-sources: apply Terraform"),
    "no permission": ("AccessDeniedException", 2, "AccessDeniedException for stack-sources"),
    "AWS failed": ("InternalServiceError", 1, "secretsmanager: InternalServiceError"),
}


@pytest.mark.parametrize(("error", "code", "message"), FAILURES.values(), ids=FAILURES)
def test_what_aws_refuses_is_said_in_one_line(
    secret: Stubber, capsys: pytest.CaptureFixture[str], error: str, code: int, message: str
) -> None:
    secret.add_client_error("describe_secret", error)
    assert call(["sources", "list", "--secret", "stack-sources"]) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_no_two_keys_are_equal() -> None:
    now = msgspec.json.decode(b'"2026-03-10T12:00:00Z"', type=datetime)
    source = Source(id="web")
    keys = {operations.add(Sources(), source, now).key for _ in range(20)}
    assert len(keys) == 20
