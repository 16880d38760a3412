"""S3: bucket policies under plain HTTP, and deleting what was versioned."""

from __future__ import annotations

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.s3.models import LOGGING_SERVICE_PRINCIPAL, FakeBucket, FakeDeleteMarker

from .patching import adds, replaces


@replaces(
    IAMPolicyStatement,
    "is_action_permitted",
    why="moto ignores conditions of bucket policies; the TLS-only statement would shut out plain HTTP",
)
def permitted_as_if_over_tls(
    original: Callable[..., Any], statement: Any, *args: Any, **kwargs: Any
) -> PermissionResult:
    """Pass over a statement that rules requests without TLS; the emulator has none."""
    over_tls = statement._statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    if over_tls in ("false", ["false"]):
        return PermissionResult.NEUTRAL
    return original(statement, *args, **kwargs)


@adds(
    FakeDeleteMarker,
    "dispose",
    why="moto disposes of every version of a bucket that is emptied, but delete markers have no such method",
)
def dispose(marker: FakeDeleteMarker, garbage: bool = False) -> None:
    """Do nothing: a delete marker holds no content."""
    del marker, garbage


@replaces(
    FakeBucket,
    "_log_permissions_enabled_policy",
    why="moto compares the resource letter by letter with the target prefix; AWS matches wildcards and lists",
)
def may_write_logs(original: Callable[..., Any], target_bucket: Any, target_prefix: str | None) -> bool:
    """Return whether the bucket's policy lets S3 write logs under a prefix."""
    del original
    example = f"arn:{target_bucket.partition}:s3:::{target_bucket.name}/{target_prefix or ''}log"
    for statement in json.loads(target_bucket.policy or b'{"Statement": []}')["Statement"]:
        resources = statement.get("Resource", [])
        allows = statement["Effect"] == "Allow" and "s3:PutObject" in statement["Action"]
        to_service = statement.get("Principal") not in ("*", None) and (
            statement["Principal"].get("Service") == LOGGING_SERVICE_PRINCIPAL
        )
        named = [resources] if isinstance(resources, str) else resources
        if allows and to_service and any(fnmatchcase(example, resource) for resource in named):
            return True
    return False
