"""Objects are put under their keys; what was not stored is not said to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from peer import Line, answering

from tapstack.aws.http import Endpoint
from tapstack.aws.s3 import S3Bucket
from tapstack.errors import OutcomeUnknown, Unavailable


def test_an_object_is_put_under_its_key(line: Callable[..., Line]) -> None:
    here = line()
    bucket = S3Bucket(Endpoint("s3", "us-east-1", f"http://127.0.0.1:{here.peer.port}"), "b")
    bucket.put("late/2026-03-10/shardId-000000000000/49-50.ndjson", b"{}")
    bucket.put("a b/€", b"")
    bucket._endpoint._connection.close()
    assert here.peer.requests[0].startswith(
        b"PUT /b/late/2026-03-10/shardId-000000000000/49-50.ndjson HTTP/1.1\r\n"
    )
    assert here.peer.requests[1].startswith(b"PUT /b/a%20b/%E2%82%AC HTTP/1.1\r\n")
    head = here.peer.requests[0].lower().split(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"content-type: application/x-ndjson" in head
    assert any(header.startswith(b"x-amz-content-sha256: ") for header in head)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("403 Forbidden", Unavailable),
        ("503 Slow Down", OutcomeUnknown),
        ("301 Moved Permanently", Unavailable),
        ("201 Created", Unavailable),
        ("206 Partial Content", Unavailable),
    ],
)
def test_an_object_that_was_not_stored_is_not_said_to_be(
    line: Callable[..., Line], status: str, expected: type[Unavailable]
) -> None:
    here = line(answering(b"<Error/>", status))
    bucket = S3Bucket(here.endpoint, "b")
    with pytest.raises(expected, match=rf"^s3: Http{status[:3]}$") as caught:
        bucket.put("k", b"{}")
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("call", "request_line"),
    [
        (lambda bucket: bucket.get("a b"), b"GET /b/a%20b HTTP/1.1"),
        (lambda bucket: bucket.delete("k"), b"DELETE /b/k HTTP/1.1"),
        (
            lambda bucket: bucket.list("a/\u20ac"),
            b"GET /b?encoding-type=url&list-type=2&prefix=a%2F%E2%82%AC HTTP/1.1",
        ),
    ],
    ids=["get", "delete", "list"],
)
@pytest.mark.parametrize(
    ("status", "expected"),
    [("403 Forbidden", Unavailable), ("404 Not Found", Unavailable), ("503 Slow Down", OutcomeUnknown)],
)
def test_a_call_of_a_bucket_that_fails_is_not_taken_for_an_answer(
    line: Callable[..., Line],
    call: Callable[[S3Bucket], object],
    request_line: bytes,
    status: str,
    expected: type,
) -> None:
    here = line(answering(b"<Error><Code>NoSuchBucket</Code></Error>", status))
    with pytest.raises(expected, match=rf"^s3: Http{status[:3]}$"):
        call(S3Bucket(here.endpoint, "b"))
    assert here.peer.requests[0].startswith(request_line)


def test_a_list_that_is_none_is_not_taken_for_an_empty_one(line: Callable[..., Line]) -> None:
    here = line(answering(b"<html/>", "200 OK"))
    with pytest.raises(Unavailable):
        S3Bucket(here.endpoint, "b").list("")
