"""The bucket that holds Terraform's state, made before Terraform can run, and backend.hcl.

Every step first reads what is there and then changes only what is otherwise, so it is safe to run again,
also after it stopped half-way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from tapstack.deploy.backend_file import Backend, check, render, says_so
from tapstack.deploy.bucket_settings import SETTINGS, Bucket, Setting
from tapstack.errors import TapstackError, Unavailable, UsageError

Status = Literal["unchanged", "changed", "would change"]

_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_BAD_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "403"}
_BAD_REQUEST = {"IllegalLocationConstraintException", "InvalidBucketName", "InvalidLocationConstraint"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command.

    Attributes
    ----------
    bucket
        Name of the bucket; empty to make one from the prefix and the suffix.
    name_prefix
        First part of such a name.
    suffix
        Last part of it; empty for account and region, which makes it unique.
    key
        Key of the state's object.
    region
        Region of the bucket.
    kms_key_id
        ARN of a key; empty for Amazon S3's own.
    endpoint_url
        Where S3 and STS answer; None for AWS.
    output
        The file for Terraform.
    dry_run
        Read only, and say what would be done.
    """

    bucket: str
    name_prefix: str
    suffix: str
    key: str
    region: str
    kms_key_id: str
    endpoint_url: str | None
    output: Path
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One setting that was checked.

    Attributes
    ----------
    name
        What it is about.
    status
        Whether it was so.
    """

    name: str
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was done.

    Attributes
    ----------
    account
        Account of the bucket.
    backend
        Where the state lives.
    steps
        In the order in which they were taken.
    """

    account: str
    backend: Backend
    steps: tuple[Step, ...]


def bootstrap(options: Options) -> Report:
    """Make the bucket as it has to be and write the file for Terraform.

    Parameters
    ----------
    options
        The options of the command.

    Returns
    -------
    Report
        What was done, or would be done.

    Raises
    ------
    UsageError
        If the user has to change something: a name, a file, credentials or permissions.
    Unavailable
        If AWS does not do its part.
    """
    check(_backend(options, suffix=options.suffix or "account"))  # before anybody is asked
    with _spoken("connect to AWS"):
        config = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})
        session = boto3.Session(region_name=options.region)
        s3, sts = (
            session.client(service, endpoint_url=options.endpoint_url, config=config)
            for service in ("s3", "sts")
        )
    with _spoken("learn the account (sts:GetCallerIdentity)"):
        caller = sts.get_caller_identity()
    account = caller["Account"]
    backend = _backend(options, suffix=options.suffix or f"{account}-{options.region}")
    check(backend)
    written = says_so(options.output, backend)
    bucket = Bucket(name=backend.bucket, partition=caller["Arn"].split(":")[1], kms_key_id=backend.kms_key_id)
    steps = [*_bucket_steps(s3, bucket, account, options), _file_step(options, backend, written=written)]
    return Report(account=account, backend=backend, steps=tuple(steps))


def _backend(options: Options, suffix: str) -> Backend:
    return Backend(
        bucket=options.bucket or f"{options.name_prefix}-state-{suffix}",
        key=options.key,
        region=options.region,
        kms_key_id=options.kms_key_id,
    )


def _bucket_steps(s3: Any, bucket: Bucket, account: str, options: Options) -> Iterator[Step]:
    exists = _exists(s3, bucket.name, account, options.region)
    if not exists and not options.dry_run:
        _create(s3, bucket.name, options.region)
    yield Step(name=f"bucket {bucket.name}", status=_status(so=exists, dry_run=options.dry_run))
    for setting in SETTINGS:
        so = (exists or not options.dry_run) and _apply(s3, setting, bucket, account, dry_run=options.dry_run)
        yield Step(name=setting.name, status=_status(so=so, dry_run=options.dry_run))


def _file_step(options: Options, backend: Backend, *, written: bool) -> Step:
    if not written and not options.dry_run:
        try:
            options.output.write_text(render(backend))
        except OSError as error:
            raise UsageError(f"cannot write {options.output}: {error.strerror}") from None
    return Step(name=f"file {options.output}", status=_status(so=written, dry_run=options.dry_run))


def _status(*, so: bool, dry_run: bool) -> Status:
    if so:
        return "unchanged"
    return "would change" if dry_run else "changed"


def _exists(s3: Any, name: str, account: str, region: str) -> bool:
    """Return whether the bucket exists, belongs to us, and is in the region."""
    with _spoken(f"look at bucket {name} (s3:ListBucket)"):
        try:
            # The owner is named in every request, so that nothing is ever told to somebody else's bucket.
            answer = s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in {"404", "NoSuchBucket"}:
                return False
            if code in _DENIED:
                raise UsageError(
                    f"bucket {name} belongs to somebody else, or s3:ListBucket on it is denied to account "
                    f"{account}; choose another name with --bucket or --suffix"
                ) from None
            raise
    found = answer.get("BucketRegion", region)
    if found != region:
        raise UsageError(f"bucket {name} is in {found}; give --region {found}")
    return True


def _create(s3: Any, name: str, region: str) -> None:
    # us-east-1 is the one region that must not be named here.
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with _spoken(f"create bucket {name} (s3:CreateBucket)"):
        try:
            s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced", **where)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "BucketAlreadyExists":
                raise UsageError(
                    f"bucket {name} belongs to somebody else; choose another name with --bucket or --suffix"
                ) from None
            if code != "BucketAlreadyOwnedByYou":  # made by another run since we looked
                raise


def _apply(s3: Any, setting: Setting, bucket: Bucket, account: str, *, dry_run: bool) -> bool:
    """Apply a setting unless it is applied already; return whether it was."""
    request = {"Bucket": bucket.name, "ExpectedBucketOwner": account}
    with _spoken(f"read the {setting.name} of {bucket.name} ({setting.read})"):
        try:
            answer = getattr(s3, setting.read)(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] != setting.unset:
                raise
            answer = {}
    current = setting.current(answer)
    wanted = setting.wanted(current, bucket)
    if wanted == current:
        return True
    if not dry_run:
        with _spoken(f"set the {setting.name} of {bucket.name} ({setting.write})"):
            getattr(s3, setting.write)(**request, **setting.arguments(wanted))
    return False


@contextmanager
def _spoken(doing: str) -> Iterator[None]:
    """Turn botocore's errors into one line that names the step."""
    try:
        yield
    except ClientError as error:
        raise _refusal(doing, error) from None
    except _NO_CREDENTIALS as error:
        how = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise UsageError(f"no usable AWS credentials: {_line(error)}; {how}") from None
    except ValueError as error:  # not a valid address
        raise UsageError(f"cannot {doing}: {_line(error)}") from None
    except BotoCoreError as error:
        raise Unavailable(f"cannot {doing}: {_line(error)}") from None


def _refusal(doing: str, error: ClientError) -> TapstackError:
    code = error.response["Error"]["Code"]
    text = f"{code}: {error.response['Error'].get('Message', '')}".splitlines()[0]
    if code in _BAD_CREDENTIALS:
        return UsageError(f"AWS does not accept the credentials ({text})")
    if code in _DENIED:
        return UsageError(f"not allowed to {doing} ({text})")
    if code in _BAD_REQUEST:
        return UsageError(f"cannot {doing} ({text})")
    return Unavailable(f"cannot {doing} ({text}); run it again")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
