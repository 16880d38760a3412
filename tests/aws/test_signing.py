"""Signatures, compared with those of AWS's own library and with the one its documentation prints."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from tapstack.aws.signing import Credentials, Scope, credentials, sign
from tapstack.errors import Misconfigured

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
scopes = st.builds(
    Scope,
    region=st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]),
    service=st.sampled_from(["dynamodb", "kinesis", "s3"]),
)
moments = st.datetimes().map(lambda at: f"{at.year:04d}{at:%m%dT%H%M%SZ}")


def authorization_of_botocore(
    method: str,
    host: str,
    path: str,
    headers: list[tuple[str, str]],
    body: bytes,
    signer: Credentials,
    scope: Scope,
    at: str,
) -> str:
    theirs = TheirCredentials(signer.access_key_id, signer.secret_access_key, signer.session_token or None)
    kind = S3SigV4Auth if scope.service == "s3" else SigV4Auth
    auth = kind(theirs, scope.service, scope.region)
    request = AWSRequest(method=method, url=f"https://{host}{path}", data=body, headers=dict(headers))
    request.context["timestamp"] = at
    request.context["payload_signing_enabled"] = True
    auth._modify_request_before_signing(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    signed = auth.signed_headers(auth.headers_to_sign(request))
    scoped = f"Credential={auth.scope(request)}, SignedHeaders={signed}"
    return f"AWS4-HMAC-SHA256 {scoped}, Signature={auth.signature(text, request)}"


@given(
    scope=scopes,
    signer=st.builds(Credentials, printable, printable, st.just("") | printable),
    body=st.binary(max_size=300),
    key=st.text(min_size=1, max_size=30),
    query=st.dictionaries(st.sampled_from(["list-type", "prefix", "start-after"]), st.text(max_size=20)),
    target=printable,
    at=moments,
)
def test_a_signature_is_that_of_awss_own_library(
    scope: Scope, signer: Credentials, body: bytes, key: str, query: dict[str, str], target: str, at: str
) -> None:
    host = f"{scope.service}.{scope.region}.amazonaws.com"
    path = f"/bucket/{quote(key, errors='ignore')}" if scope.service == "s3" else "/"
    method = "PUT" if scope.service == "s3" else "POST"
    path += "?" + "&".join(
        f"{name}={quote(value, safe='', errors='ignore')}" for name, value in sorted(query.items())
    )
    path = path.removesuffix("?")
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", target)]
    signed = dict(sign(method, path, [("Host", host), *headers], body, signer, scope, at))
    expected = authorization_of_botocore(method, host, path, headers, body, signer, scope, at)
    assert signed["Authorization"] == expected
    assert signed["X-Amz-Date"] == at
    assert signed.get("X-Amz-Security-Token", "") == signer.session_token
    assert ("X-Amz-Content-SHA256" in signed) == (scope.service == "s3")


def test_a_signature_is_the_one_that_aws_prints() -> None:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "GET Object"
    headers = [("Host", "examplebucket.s3.amazonaws.com"), ("Range", "bytes=0-9")]
    signer = Credentials(KEY_ID, SECRET, "")
    signed = sign("GET", "/test.txt", headers, b"", signer, Scope("us-east-1", "s3"), "20130524T000000Z")
    assert dict(signed)["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


FULL = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "t/+="}


def test_credentials_are_those_of_the_environment() -> None:
    assert credentials(FULL) == Credentials(KEY_ID, SECRET, "t/+=")
    del (env := dict(FULL))["AWS_SESSION_TOKEN"]
    assert credentials(env) == Credentials(KEY_ID, SECRET, "")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("env", [{}, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}])
def test_missing_credentials_are_named(name: str, env: dict[str, str]) -> None:
    other = {key: value for key, value in FULL.items() if key != name}
    with pytest.raises(Misconfigured, match=rf"^{name}: credentials are expected in the environment$"):
        credentials({name: env[name], **other} if name in env else other)


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\n", "é", "\x00", " a", "a b", "a "])
def test_credentials_that_no_header_can_hold_are_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=rf"^{name}: expected printable ASCII without spaces$"):
        credentials({**FULL, name: value})
