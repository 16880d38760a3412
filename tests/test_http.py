"""Requests and responses as values: bodies in every encoding, within their limit."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tapstack.http import (
    ECHO_CHARS_MAX,
    BadRequest,
    MethodNotAllowed,
    NotFound,
    Request,
    RequestError,
    echo,
    json_response,
)

Pack = Callable[[bytes], bytes]


def bare_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def in_members(body: bytes) -> bytes:
    return b"".join(gzip.compress(body[at : at + 7]) for at in range(0, len(body) or 1, 7))


def twice(body: bytes) -> bytes:
    return gzip.compress(zlib.compress(body))


def sent(body: bytes, encoding: str | None = None) -> Request:
    headers = {} if encoding is None else {"content-encoding": encoding}
    return Request(method="POST", path=("v1", "events"), headers=headers, raw_body=body)


ENCODED: dict[str, tuple[str | None, Pack]] = {
    "not at all": (None, bytes),
    "identity": ("identity", bytes),
    "an empty header": ("", bytes),
    "an empty list": (" , ", bytes),
    "gzip": ("gzip", gzip.compress),
    "gzip that no header names": (None, gzip.compress),
    "gzip in members that no header names": ("identity", in_members),
    "gzip in capitals": ("GZip", gzip.compress),
    "gzip by its old name": ("x-gzip", gzip.compress),
    "gzip in members": ("gzip", in_members),
    "gzip, then a comma": ("gzip, ", gzip.compress),
    "gzip with blanks": (" gzip\t", gzip.compress),
    "gzip beside identity": ("identity,gzip", gzip.compress),
    "deflate in zlib's format": ("deflate", zlib.compress),
    "deflate, stored": ("deflate", lambda body: zlib.compress(body, 0)),
    "deflate, bare": ("Deflate", bare_deflate),
    "deflate, called gzip": ("gzip", zlib.compress),
    "gzip, called deflate": ("deflate", gzip.compress),
    "deflate, then gzip": ("deflate, gzip", twice),
}


@pytest.mark.parametrize(("encoding", "pack"), ENCODED.values(), ids=ENCODED)
@given(body=st.binary(max_size=200))
def test_a_body_is_read_in_any_encoding_and_never_beyond_the_limit(
    encoding: str | None, pack: Pack, body: bytes
) -> None:
    assume(body[:2] != b"\x1f\x8b")  # which is taken for gzip
    request = sent(pack(body), encoding)
    assert request.body(1_000) == body
    if pack is not twice:  # what comes between may be larger than either end
        assert request.body(len(body)) == body
    if body:
        with pytest.raises(BadRequest, match=r"^expected a body of at most"):
            request.body(len(body) - 1)


def test_a_body_of_many_chunks_and_members_is_read_whole() -> None:
    members = [bytes([number % 251]) * (number * 37 % 9_000) for number in range(200)]
    packed = b"".join(gzip.compress(member, number % 10) for number, member in enumerate(members))
    assert sent(packed, "gzip").body(2_000_000) == b"".join(members)


PACKED = gzip.compress(b"[{}]")
NOT_WHOLE = "content-encoding: expected one whole compressed body"
NOT_SO = "content-encoding: the body is not compressed as it says"
EXPECTED = "content-encoding: expected gzip, deflate or identity"
BROKEN: dict[str, tuple[bytes, str, str]] = {
    "not gzip at all": (b"{}", "gzip", NOT_SO),
    "not deflate at all": (b"\xff" * 9, "deflate", NOT_SO),
    "check sum wrong": (PACKED[:-8] + bytes(8), "gzip", NOT_SO),
    "cut off in the middle": (PACKED[:-12], "gzip", NOT_WHOLE),
    "cut off before its check sum": (PACKED[:-8], "gzip", NOT_WHOLE),
    "the second member cut off": (PACKED + PACKED[:-1], "gzip", NOT_WHOLE),
    "followed by something else": (PACKED + b"[{}]", "gzip", NOT_SO),
    "deflate twice": (zlib.compress(b"[{}]") * 2, "deflate", NOT_WHOLE),
    "bare deflate twice": (bare_deflate(b"[{}]") * 2, "deflate", NOT_WHOLE),
    "nothing": (b"", "gzip", NOT_WHOLE),
    "bare deflate called gzip": (bare_deflate(b"[{}]"), "gzip", NOT_SO),
    "said to be packed twice": (PACKED, "gzip, gzip", NOT_SO),
    "an encoding of tomorrow": (b"{}", "zstd", EXPECTED),
    "an encoding of tomorrow in a list": (PACKED, "gzip, br", EXPECTED),
    "a name without end": (b"{}", "x" * 9_000, EXPECTED),
    "too many": (b"{}", "gzip," * 3, "content-encoding: expected at most 2 encodings, got 3"),
}


@pytest.mark.parametrize(("body", "encoding", "message"), BROKEN.values(), ids=BROKEN)
def test_a_body_that_cannot_be_opened_is_refused(body: bytes, encoding: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        sent(body, encoding).body(10_000)
    assert str(caught.value) == message


@given(st.binary(max_size=60), st.sampled_from(["gzip", "deflate", "deflate, gzip"]))
def test_any_bytes_are_read_or_refused(body: bytes, encoding: str) -> None:
    try:
        assert len(sent(body, encoding).body(1_000)) <= 1_000
    except BadRequest as error:
        assert str(error).startswith(("content-encoding: ", "expected a body of at most"))  # noqa: PT017


BOMBS: dict[str, tuple[bytes, str]] = {
    "gzip": (gzip.compress(bytes(20_000_000)), "gzip"),
    "gzip in members": (gzip.compress(bytes(900)) * 1_000, "gzip"),
    "bare deflate": (bare_deflate(bytes(20_000_000)), "deflate"),
    "twice": (gzip.compress(gzip.compress(bytes(20_000_000))), "gzip, gzip"),
}


@pytest.mark.parametrize(("bomb", "encoding"), BOMBS.values(), ids=BOMBS)
def test_a_small_body_that_inflates_to_a_huge_one_is_not_inflated_whole(bomb: bytes, encoding: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match=r"^expected a body of at most 1000 bytes$"):
            sent(bomb, encoding).body(1_000)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 500_000


@pytest.mark.parametrize(
    ("error", "status", "body", "headers"),
    [
        (BadRequest("n: no"), 400, {"code": "invalid_request", "message": "n: no"}, {}),
        (NotFound("no such path"), 404, {"code": "not_found", "message": "no such path"}, {}),
        (
            MethodNotAllowed("GET", "HEAD"),
            405,
            {"code": "method_not_allowed", "message": "expected GET or HEAD"},
            {"allow": "GET, HEAD"},
        ),
    ],
)
def test_an_error_is_answered_with_a_code_and_a_message(
    error: RequestError, status: int, body: dict[str, str], headers: dict[str, str]
) -> None:
    response = error.response()
    assert (response.status, json.loads(response.body)) == (status, body)
    assert response.headers == {"content-type": "application/json", **headers}


def test_a_value_is_answered_as_json() -> None:
    response = json_response(200, {"a": "€"}, {"x-y": "1"})
    assert (response.status, response.body) == (200, '{"a":"€"}'.encode())
    assert response.headers == {"content-type": "application/json", "x-y": "1"}


@given(st.text(max_size=3 * ECHO_CHARS_MAX))
def test_what_a_sender_wrote_is_echoed_in_part_and_printable(text: str) -> None:
    shown = echo(text)
    assert shown.isprintable()
    assert len(shown) <= ECHO_CHARS_MAX * len(r"\U0001f600") + len("''...")
    assert shown.endswith("...") == (len(text) > ECHO_CHARS_MAX)
