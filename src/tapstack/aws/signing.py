"""Signature Version 4 for requests to AWS.

The libraries that do it cost a third of a cold start or do not run here; which, and how much, is in
docs/decisions/0004-how-dynamodb-is-called.md. The tests compare with AWS's own: botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from tapstack.errors import Misconfigured

ALGORITHM = "AWS4-HMAC-SHA256"

Headers = Sequence[tuple[str, str]]


class Credentials(NamedTuple):
    """Who signs."""

    access_key_id: str
    secret_access_key: str
    session_token: str


class Scope(NamedTuple):
    """What a signature is good for, beside its day."""

    region: str
    service: str  # the signing name: ``dynamodb``, ``kinesis``, ``s3``


def credentials(env: Mapping[str, str] = os.environ) -> Credentials:
    """Read the credentials that Lambda gives every function [1]_.

    Raises
    ------
    Misconfigured
        Naming the variable that is missing, or holds a space or what is no printable ASCII.

    References
    ----------
    .. [1] https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, read 2026-11-26
    """
    return _checked(*[env.get(name, "") for name in _VARIABLES])


_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@lru_cache(maxsize=1)  # they are the same for as long as a function's environment lives
def _checked(*values: str) -> Credentials:
    for name, value in zip(_VARIABLES, values, strict=True):
        if not value and name != "AWS_SESSION_TOKEN":
            raise Misconfigured(name, "credentials are expected in the environment")
        if not re.fullmatch(r"[!-~]*", value):  # they are signed as they stand, and headers hold them
            raise Misconfigured(name, "expected printable ASCII without spaces")
    return Credentials(*values)


def sign(
    method: str, target: str, headers: Headers, body: bytes, signer: Credentials, scope: Scope, at: str
) -> Headers:
    """Return the headers of a signed request: those given, all of them signed, and the signature's own [1]_.

    Parameters
    ----------
    method, target, headers, body
        The request; with its Host, and no header twice. The target is as it is sent: the path ``/``, or what
        S3 takes as it is; then the query, if any, sorted by name, all but unreserved characters encoded.
        Names and values of headers have no spaces at their ends, and values none in a row.
    signer
        Who signs.
    scope
        Where it is sent to.
    at
        The present time, as ``20261126T185222Z``: AWS refuses what is more than 5 minutes old or early.

    References
    ----------
    .. [1] https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html,
       read 2026-11-26
    """
    body_hash = hashlib.sha256(body).hexdigest()
    signed = [*headers, ("X-Amz-Date", at)]
    if signer.session_token:
        signed.append(("X-Amz-Security-Token", signer.session_token))
    if scope.service == "s3":  # no other service requires this header
        signed.append(("X-Amz-Content-SHA256", body_hash))
    canonical = sorted([(name.lower(), value) for name, value in signed])
    names = ";".join([name for name, _ in canonical])
    lines = "".join([f"{name}:{value}\n" for name, value in canonical])
    path, _, query = target.partition("?")
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{body_hash}"
    credential_scope = f"{at[:8]}/{scope.region}/{scope.service}/aws4_request"
    request_hash = hashlib.sha256(request.encode()).hexdigest()
    string_to_sign = f"{ALGORITHM}\n{at}\n{credential_scope}\n{request_hash}"
    signature = _keyed(signer.secret_access_key, credential_scope).copy()
    signature.update(string_to_sign.encode())
    credential = f"Credential={signer.access_key_id}/{credential_scope}"
    signed.append(
        (
            "Authorization",
            f"{ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature.hexdigest()}",
        )
    )
    return signed


@lru_cache(maxsize=4)  # one a service, until the day or the credentials change
def _keyed(secret: str, credential_scope: str) -> hmac.HMAC:
    """Derive the key of a day, a region and a service; setting it up costs as much as signing with it."""
    key = f"AWS4{secret}".encode()
    for step in credential_scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.new(key, digestmod="sha256")
