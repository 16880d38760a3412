"""Which representation of an answer a reader gets, by what it asks for."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.http import Request, Response
from tapstack.insights.representation import GZIP_BYTES_MIN, entity_tag, represent

BODY = b'{"a":"' + b"x" * GZIP_BYTES_MIN + b'"}'
TAG = entity_tag(BODY)
ANSWER = Response(status=200, headers={"etag": TAG, "content-type": "application/json"}, body=BODY)


def got(answer: Response = ANSWER, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return represent(Request(method="GET", path=("x",), headers=named), answer)


COMPRESSED = [
    "gzip",
    "GZIP",
    "gzip, deflate",
    "br;q=1.0, gzip;q=0.8",
    "*",
    "x-gzip",
    "gzip;q=0.001",
    "identity, gzip",
]
PLAIN = ["", "identity", "deflate, br", "gzip;q=0", "gzip; q=0.000", "*, gzip;q=0", "gzipped", "*;q=0"]


@pytest.mark.parametrize(
    ("accepted", "packed"), [(text, True) for text in COMPRESSED] + [(text, False) for text in PLAIN]
)
def test_an_answer_is_compressed_for_whoever_takes_it_so(accepted: str, packed: bool) -> None:
    response = got(accept_encoding=accepted)
    assert response.headers.get("content-encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(response.body) if packed else response.body) == BODY
    assert "accept-encoding" in response.headers["vary"]


def test_what_is_short_is_not_compressed() -> None:
    short = Response(status=200, body=b"x" * (GZIP_BYTES_MIN - 1))
    assert got(short, accept_encoding="gzip").body == short.body


@given(st.text())
def test_whatever_is_accepted_the_answer_can_be_read(accepted: str) -> None:
    response = got(accept_encoding=accepted)
    assert BODY in {response.body, *([] if response.body == BODY else [gzip.decompress(response.body)])}


HAS = [TAG, TAG.removeprefix("W/"), f'"other", {TAG}', "*", " * ", f'W/"a,b",{TAG}']
LACKS = ["", '"other"', TAG.strip('W/"'), f'"{TAG}"', "**"]


@pytest.mark.parametrize(
    ("tags", "known"), [(text, True) for text in HAS] + [(text, False) for text in LACKS]
)
def test_an_answer_that_the_reader_has_is_not_sent_again(tags: str, known: bool) -> None:
    response = got(if_none_match=tags, accept_encoding="gzip")
    assert response.status == (304 if known else 200)
    assert response.headers["etag"] == TAG
    if known:
        assert (response.body, response.headers.get("content-type")) == (b"", None)


@pytest.mark.parametrize("answer", [Response(status=404, headers={"etag": TAG}), Response(status=200)])
def test_only_an_answer_with_a_tag_can_be_known(answer: Response) -> None:
    assert got(answer, if_none_match="*").status == answer.status
