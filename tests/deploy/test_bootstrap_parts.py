"""The pure parts of bootstrap: names, the file, and what a bucket shall be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tapstack.deploy import bucket_settings as settings
from tapstack.deploy.backend_file import Backend, check, render, says_so
from tapstack.deploy.bucket_settings import SETTINGS, Bucket
from tapstack.errors import UsageError

KEY = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
BUCKET = Bucket(name="b", partition="aws")
WITH_KEY = Bucket(name="b", partition="aws", kms_key_id=KEY)


def backend(**changes: str) -> Backend:
    values = {"bucket": "tapstack-state", "key": "tapstack/dev/terraform.tfstate", "region": "us-east-1"}
    return Backend(**{**values, **changes})


REFUSED = ["", "ab", "a" * 64, "-ab", "ab-", "Abc", "a_b", "a.b", "a b", "xn--abc", "sthree-a", "a-s3alias"]


@pytest.mark.parametrize("name", [*REFUSED, "a--x-s3"])
def test_a_name_that_s3_refuses_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a bucket's name"):
        check(backend(bucket=name))


@pytest.mark.parametrize("name", ["abc", "a" * 63, "tapstack-state-123456789012-us-gov-west-1", "1a2"])
def test_a_name_that_s3_takes_is_taken(name: str) -> None:
    check(backend(bucket=name))


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"region": "mars"}, "--region"),
        ({"region": "us-east-1\n"}, "--region"),
        ({"key": ""}, "--key"),
        ({"key": "/a"}, "--key"),
        ({"key": "a//b"}, "--key"),
        ({"key": 'a"b'}, "--key"),
        ({"kms_key_id": "1234"}, "--kms-key-id"),
        ({"kms_key_id": KEY.replace("us-east-1", "eu-west-1")}, "--kms-key-id"),
    ],
)
def test_a_mistake_names_its_option(changes: dict[str, str], option: str) -> None:
    with pytest.raises(UsageError, match=option):
        check(backend(**changes))


@pytest.mark.parametrize("one", [backend(), backend(kms_key_id=KEY)], ids=["plain", "with a key"])
def test_what_is_written_says_so(one: Backend, tmp_path: Path) -> None:
    path = tmp_path / "backend.hcl"
    assert not says_so(path, one)
    path.write_text(render(one))
    assert says_so(path, one)


def test_a_person_may_write_the_file_in_their_own_way(tmp_path: Path) -> None:
    path = tmp_path / "backend.hcl"
    path.write_text(
        'region="us-east-1"\n# bucket = "old"\nbucket ="tapstack-state"\n'
        'key= "tapstack/dev/terraform.tfstate"\nprofile = "ops"\n'
    )
    assert says_so(path, backend())


@pytest.mark.parametrize("name", ["bucket", "key", "region", "kms_key_id"])
def test_a_file_that_says_otherwise_is_not_written_over(name: str, tmp_path: Path) -> None:
    path = tmp_path / "backend.hcl"
    path.write_text(render(backend(kms_key_id=KEY)))
    other = {"bucket": "other", "key": "other", "region": "eu-west-1", "kms_key_id": ""}[name]
    with pytest.raises(UsageError, match=f"already says {name} = "):
        says_so(path, backend(**{"kms_key_id": KEY, name: other}))


@pytest.mark.parametrize("bucket", [BUCKET, WITH_KEY], ids=["plain", "with a key"])
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_what_is_wanted_is_wanted_no_further(setting: Any, bucket: Bucket) -> None:
    wanted = setting.wanted(setting.current({}), bucket)
    assert wanted
    assert setting.wanted(wanted, bucket) == wanted


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_what_is_written_is_what_is_read(setting: Any) -> None:
    wanted = setting.wanted(setting.current({}), BUCKET)
    [argument] = setting.arguments(wanted).items()
    name, value = argument
    answer = (
        value if isinstance(value, dict) and name.startswith(("Versioning", "Lifecycle")) else {name: value}
    )
    assert setting.current(answer) == wanted


def sse(algorithm: str, key: str = "") -> dict[str, Any]:
    default = {"SSEAlgorithm": algorithm, **({"KMSMasterKeyID": key} if key else {})}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}


@pytest.mark.parametrize(
    ("current", "bucket", "kept"),
    [
        pytest.param(None, BUCKET, False, id="none"),
        pytest.param(sse("AES256"), BUCKET, True, id="S3's own"),
        pytest.param(sse("aws:kms", KEY), BUCKET, True, id="a key that nobody asks to remove"),
        pytest.param(sse("AES256"), WITH_KEY, False, id="a key is asked for"),
        pytest.param(sse("aws:kms", "other"), WITH_KEY, False, id="another key"),
        pytest.param(sse("aws:kms", KEY), WITH_KEY, True, id="this key"),
    ],
)
def test_encryption_is_never_made_weaker(current: Any, bucket: Bucket, kept: bool) -> None:
    assert (settings.encryption(current, bucket) == current) is kept


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_the_policy_names_the_bucket_in_its_partition(partition: str) -> None:
    [statement] = settings.policy(None, Bucket(name="b", partition=partition))["Statement"]
    assert statement["Resource"] == [f"arn:{partition}:s3:::b", f"arn:{partition}:s3:::b/*"]


def test_a_policy_of_others_keeps_its_statements_and_ours_is_replaced() -> None:
    theirs, old = {"Sid": "Theirs"}, {"Sid": settings.TLS_SID, "Effect": "Allow"}
    found = settings.policy({"Version": "2012-10-17", "Statement": [old, theirs]}, BUCKET)["Statement"]
    assert [statement["Sid"] for statement in found] == ["Theirs", settings.TLS_SID]
    assert found[1]["Effect"] == "Deny"
    single = settings.policy({"Version": "2012-10-17", "Statement": theirs}, BUCKET)
    assert len(single["Statement"]) == 2


def test_lifecycle_rules_of_others_stay_and_ours_is_replaced() -> None:
    theirs, old = {"ID": "theirs"}, {"ID": settings.LIFECYCLE_ID, "Status": "Disabled"}
    assert [rule["ID"] for rule in settings.lifecycle([old, theirs], BUCKET)] == ["theirs", "old-states"]
    [ours] = settings.lifecycle(None, BUCKET)
    spelled = {**ours, "Filter": {}}
    assert settings.lifecycle([spelled], BUCKET) == [spelled]
