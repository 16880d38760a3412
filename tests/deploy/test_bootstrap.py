"""The bucket of Terraform's state; what passes here was shown on an emulator only."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tapstack.cli._main import call
from tapstack.deploy import bootstrap as operation
from tapstack.deploy.bucket_settings import SETTINGS
from tapstack.errors import Unavailable, UsageError
from tapstack_emulator.ministack import Emulator

OURS = "111111111111"  # the emulator takes twelve digits in place of an access key for an account
THEIRS = "222222222222"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the emulator in a thread: the command is no coroutine."""
    folder = tmp_path_factory.mktemp("emulator")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    emulator = Emulator(folder)
    try:
        asyncio.run_coroutine_threadsafe(emulator.__aenter__(), loop).result(60)
        yield emulator.url
    finally:
        asyncio.run_coroutine_threadsafe(emulator.stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def s3(url: str, account: str = OURS) -> Any:
    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=account, aws_secret_access_key="x"
    )


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OURS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))

    def execute(*arguments: str) -> tuple[int, str, str]:
        code = call(["bootstrap", "--endpoint-url", url, *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return execute


def statuses(output: str) -> dict[str, str]:
    return {step["name"]: step["status"] for step in json.loads(output)["steps"]}


@pytest.mark.emulator
def test_an_empty_account_gets_a_bucket_that_is_as_it_has_to_be(run: Any, url: str, tmp_path: Path) -> None:
    code, output, _ = run("--json")
    name = f"tapstack-state-{OURS}-us-east-1"
    assert code == 0
    answer = json.loads(output)
    assert {key: answer[key] for key in ("account", "bucket", "key", "region", "changed")} == {
        "account": OURS,
        "bucket": name,
        "key": "tapstack/dev/terraform.tfstate",
        "region": "us-east-1",
        "changed": True,
    }
    client = s3(url)
    assert client.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert all(client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    [rule] = client.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert rule["ObjectOwnership"] == "BucketOwnerEnforced"
    [rule] = client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    [rule] = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90, "NewerNoncurrentVersions": 20}
    [statement] = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert f'bucket = "{name}"\n' in (tmp_path / "backend.hcl").read_text()


@pytest.mark.emulator
def test_a_second_run_changes_nothing_and_says_so(run: Any, tmp_path: Path) -> None:
    run("--suffix", "twice")
    before = (tmp_path / "backend.hcl").read_text()
    code, output, _ = run("--suffix", "twice", "--json")
    assert code == 0
    assert set(statuses(output).values()) == {"unchanged"}
    assert not json.loads(output)["changed"]
    assert (tmp_path / "backend.hcl").read_text() == before
    code, output, _ = run("--suffix", "twice")
    assert output.count("already so") == 2 + len(SETTINGS)
    assert "Next: terraform -chdir=lib init" in output


@pytest.mark.emulator
def test_a_dry_run_makes_nothing(run: Any, url: str, tmp_path: Path) -> None:
    code, output, _ = run("--suffix", "dry", "--dry-run", "--json")
    assert code == 0
    assert set(statuses(output).values()) == {"would change"}
    assert "Next:" not in run("--suffix", "dry", "--dry-run")[1]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ClientError, match="404"):
        s3(url).head_bucket(Bucket="tapstack-state-dry")


@pytest.mark.emulator
def test_what_somebody_changed_is_put_right_and_what_they_added_stays(run: Any, url: str) -> None:
    run("--suffix", "drift")
    name, client = "tapstack-state-drift", s3(url)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    theirs = {
        "Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket",
        "Resource": f"arn:aws:s3:::{name}",
    }  # fmt: skip
    document = {"Version": "2012-10-17", "Statement": [theirs]}
    client.put_bucket_policy(Bucket=name, Policy=json.dumps(document))
    dry = statuses(run("--suffix", "drift", "--dry-run", "--json")[1])
    assert {step for step, status in dry.items() if status == "would change"} == {
        "versioning",
        "TLS-only policy",
    }
    assert client.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"
    wet = statuses(run("--suffix", "drift", "--json")[1])
    assert {step for step, status in wet.items() if status == "changed"} == {"versioning", "TLS-only policy"}
    assert client.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    found = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert [statement["Sid"] for statement in found] == ["Theirs", "OnlyTls"]


@pytest.mark.emulator
def test_a_key_is_asked_for_in_the_bucket_and_in_the_file(run: Any, url: str, tmp_path: Path) -> None:
    key = f"arn:aws:kms:us-east-1:{OURS}:key/1234"
    code, output, _ = run("--suffix", "kms", "--kms-key-id", key, "--json")
    assert code == 0
    assert statuses(output)["encryption"] == "changed"
    [rule] = s3(url).get_bucket_encryption(Bucket="tapstack-state-kms")["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key
    assert f'kms_key_id = "{key}"\n' in (tmp_path / "backend.hcl").read_text()
    again = statuses(run("--suffix", "kms", "--kms-key-id", key, "--json")[1])
    assert set(again.values()) == {"unchanged"}


def is_one_line(code: int, output: str, error: str) -> None:
    assert output == ""
    assert error.startswith("tapstack: ")
    assert error.count("\n") == 1
    assert code in {1, 2}


@pytest.mark.emulator
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_a_bucket_of_somebody_else_is_left_alone(run: Any, url: str, tmp_path: Path, dry: list[str]) -> None:
    s3(url, THEIRS).create_bucket(Bucket="taken")
    code, output, error = run("--bucket", "taken", *dry)
    is_one_line(code, output, error)
    assert (code, "bucket taken belongs to somebody else" in error) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.emulator
def test_a_bucket_in_another_region_is_named_with_its_region(run: Any, url: str) -> None:
    where = {"LocationConstraint": "eu-west-1"}
    s3(url).create_bucket(Bucket="far-away", CreateBucketConfiguration=where)
    code, output, error = run("--bucket", "far-away")
    is_one_line(code, output, error)
    assert error == "tapstack: bucket far-away is in eu-west-1; give --region eu-west-1\n"


@pytest.mark.emulator
def test_a_bucket_outside_us_east_1_is_made_there(run: Any, url: str) -> None:
    assert run("--suffix", "west", "--region", "eu-west-1")[0] == 0
    assert s3(url).get_bucket_location(Bucket="tapstack-state-west")["LocationConstraint"] == "eu-west-1"


@pytest.mark.emulator
def test_a_file_that_names_another_place_stops_it_before_anything_is_made(
    run: Any, url: str, tmp_path: Path
) -> None:
    (tmp_path / "backend.hcl").write_text('bucket = "elsewhere"\nkey = "k"\nregion = "us-east-1"\n')
    code, output, error = run("--suffix", "other")
    is_one_line(code, output, error)
    assert code == 2
    assert "backend.hcl already says bucket = 'elsewhere', not 'tapstack-state-other'" in error
    with pytest.raises(ClientError, match="404"):
        s3(url).head_bucket(Bucket="tapstack-state-other")


def test_without_credentials_it_is_one_line(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    code, output, error = run()
    is_one_line(code, output, error)
    assert code == 2
    assert "no usable AWS credentials" in error


def test_a_name_that_cannot_be_is_refused_before_anybody_is_asked(run: Any) -> None:
    code, output, error = run("--bucket", "My_Bucket", "--endpoint-url", "http://127.0.0.1:1")
    is_one_line(code, output, error)
    assert (code, "'My_Bucket' cannot be a bucket's name" in error) == (2, True)


def test_an_address_that_is_none_is_one_line(run: Any) -> None:
    code, output, error = run("--endpoint-url", "nowhere")
    is_one_line(code, output, error)
    assert code == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDenied", UsageError),
        ("AccessDeniedException", UsageError),
        ("ExpiredToken", UsageError),
        ("InvalidClientTokenId", UsageError),
        ("SignatureDoesNotMatch", UsageError),
        ("InvalidBucketName", UsageError),
        ("OperationAborted", Unavailable),
        ("SlowDown", Unavailable),
        ("InternalError", Unavailable),
        ("SomethingNew", Unavailable),
    ],
)
def test_an_answer_of_aws_is_one_line_of_the_right_kind(code: str, kind: type[Exception]) -> None:
    answer = {"Error": {"Code": code, "Message": "because\nof this"}}
    with pytest.raises(kind) as raised, operation._spoken("create bucket b (s3:CreateBucket)"):
        raise ClientError(answer, "CreateBucket")
    assert code in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_endpoint_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot look"), operation._spoken("look"):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


def test_a_folder_that_is_not_there_is_named_before_anything_is_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(["bootstrap", "--output", "/no/folder/backend.hcl"]) == 2
    assert "expected a file in a folder that can be written" in capsys.readouterr().err
