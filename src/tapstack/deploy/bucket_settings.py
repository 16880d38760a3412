"""What the bucket of Terraform's state must be like: one table, each line read, judged and written alike.

``wanted`` is pure: from what a bucket has it makes what it shall have, keeping what others added; a bucket
that is right already is returned as it is. So a second run changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TLS_SID = "OnlyTls"
LIFECYCLE_ID = "old-states"
NONCURRENT_DAYS = 90  # every apply makes a version of the state, and every lock one of the lock
NONCURRENT_VERSIONS_KEPT = 20  # of each object, however old
UPLOAD_DAYS = 7  # then an upload that was never finished is removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The bucket, as far as its settings depend on it.

    Attributes
    ----------
    name
        Its name.
    partition
        ``aws``, ``aws-us-gov`` or ``aws-cn``.
    kms_key_id
        ARN of the key that encrypts what it holds; empty for Amazon S3's own.
    """

    name: str
    partition: str
    kms_key_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a bucket.

    Attributes
    ----------
    name
        What it is about, for people.
    read
        The client's method that reads it.
    unset
        The error code that means that the setting is absent.
    write
        The client's method that writes it.
    current
        From the answer of `read` (empty if unset) to the value.
    wanted
        From the value to what it shall be.
    arguments
        From what it shall be to the arguments of `write`.
    """

    name: str
    read: str
    unset: str
    write: str
    current: Callable[[Mapping[str, Any]], Any]
    wanted: Callable[[Any, Bucket], Any]
    arguments: Callable[[Any], Mapping[str, Any]]


def ownership(_current: Any, _bucket: Bucket) -> Any:
    """Give objects to the bucket's owner; access lists are off."""
    return {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def public_access(_current: Any, _bucket: Bucket) -> Any:
    """Block public access, whatever a policy says."""
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return dict.fromkeys(names, True)


def encryption(current: Any, bucket: Bucket) -> Any:
    """Encrypt; a bucket that has a key of its own keeps it unless another one is asked for."""
    rules = (current or {}).get("Rules", [])
    defaults = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    if bucket.kms_key_id:
        if any(default.get("KMSMasterKeyID") == bucket.kms_key_id for default in defaults):
            return current
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": bucket.kms_key_id}
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
    if any(default.get("SSEAlgorithm") for default in defaults):
        return current
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}


def versioning(_current: Any, _bucket: Bucket) -> Any:
    """Keep the states before the last one."""
    return "Enabled"


def policy(current: Any, bucket: Bucket) -> Any:
    """Deny requests without TLS; statements that others added stay."""
    arn = f"arn:{bucket.partition}:s3:::{bucket.name}"
    statement = {
        "Sid": TLS_SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    document = current or {"Version": "2012-10-17", "Statement": []}
    statements = document["Statement"]
    statements = statements if isinstance(statements, list) else [statements]
    if statement in statements:
        return current
    others = [other for other in statements if other.get("Sid") != TLS_SID]
    return {**document, "Statement": [*others, statement]}


def lifecycle(current: Any, _bucket: Bucket) -> Any:
    """Remove old versions after a while, but not the newest; rules that others added stay."""
    rule = {
        "ID": LIFECYCLE_ID,
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {
            "NoncurrentDays": NONCURRENT_DAYS,
            "NewerNoncurrentVersions": NONCURRENT_VERSIONS_KEPT,
        },
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
    }
    rules = current or []
    # The filter is left out of the comparison: S3 has more than one spelling for "every object".
    if any(all(other.get(name) == value for name, value in rule.items()) for other in rules):
        return current
    others = [other for other in rules if other.get("ID") != LIFECYCLE_ID]
    return [*others, {**rule, "Filter": {"Prefix": ""}}]


SETTINGS = (
    Setting(
        name="object ownership",
        read="get_bucket_ownership_controls",
        unset="OwnershipControlsNotFoundError",
        write="put_bucket_ownership_controls",
        current=lambda answer: answer.get("OwnershipControls"),
        wanted=ownership,
        arguments=lambda wanted: {"OwnershipControls": wanted},
    ),
    Setting(
        name="public access block",
        read="get_public_access_block",
        unset="NoSuchPublicAccessBlockConfiguration",
        write="put_public_access_block",
        current=lambda answer: answer.get("PublicAccessBlockConfiguration"),
        wanted=public_access,
        arguments=lambda wanted: {"PublicAccessBlockConfiguration": wanted},
    ),
    Setting(
        name="encryption",
        read="get_bucket_encryption",
        unset="ServerSideEncryptionConfigurationNotFoundError",
        write="put_bucket_encryption",
        current=lambda answer: answer.get("ServerSideEncryptionConfiguration"),
        wanted=encryption,
        arguments=lambda wanted: {"ServerSideEncryptionConfiguration": wanted},
    ),
    Setting(
        name="versioning",
        read="get_bucket_versioning",
        unset="",
        write="put_bucket_versioning",
        current=lambda answer: answer.get("Status"),
        wanted=versioning,
        arguments=lambda wanted: {"VersioningConfiguration": {"Status": wanted}},
    ),
    Setting(
        name="TLS-only policy",
        read="get_bucket_policy",
        unset="NoSuchBucketPolicy",
        write="put_bucket_policy",
        current=lambda answer: json.loads(answer["Policy"]) if answer.get("Policy") else None,
        wanted=policy,
        arguments=lambda wanted: {"Policy": json.dumps(wanted)},
    ),
    Setting(
        name="lifecycle of old versions",
        read="get_bucket_lifecycle_configuration",
        unset="NoSuchLifecycleConfiguration",
        write="put_bucket_lifecycle_configuration",
        current=lambda answer: answer.get("Rules"),
        wanted=lifecycle,
        arguments=lambda wanted: {"LifecycleConfiguration": {"Rules": wanted}},
    ),
)
