"""However a recording is packed, encoded and delimited, its rows are the same; what is no text is refused."""

import bz2
import csv
import gzip
import io
import json
import lzma
import signal
import subprocess
import sys
import zipfile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import events_of, items, read

from tapstack.core.client_events import decode_client_event
from tapstack.core.normalisation import PLACEHOLDERS
from tapstack.errors import UsageError
from tapstack_local.recording.cells import ABSENT
from tapstack_local.recording.dialects import DELIMITERS

ROWS = [["Ünal", "a1", "1709251200"], ["v", "a2", "1709251201"]]
HEADER = ["user_id", "item_id", "timestamp"]


def csv_text(delimiter=",", end="\r\n", rows=(HEADER, *ROWS), quoting=csv.QUOTE_MINIMAL):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return text.getvalue()


PLAIN = csv_text()
OBJECTS = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
LINES = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in OBJECTS)
EXPECTED = events_of(read(PLAIN))

SOURCES = {
    "UTF-8 with a byte order mark": PLAIN.encode("utf-8-sig"),
    "UTF-16 as Excel writes Unicode text": csv_text("\t").encode("utf-16"),
    "UTF-16, big endian": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "UTF-32": PLAIN.encode("utf-32"),
    "gzip": gzip.compress(PLAIN.encode()),
    "gzip of two members": gzip.compress(PLAIN.encode()[:20]) + gzip.compress(PLAIN.encode()[20:]),
    "gzip of UTF-16": gzip.compress(PLAIN.encode("utf-16")),
    "Unix line ends": csv_text(end="\n"),
    "old Mac line ends": csv_text(end="\r"),
    "no line end at the end": PLAIN.rstrip(),
    "everything quoted": csv_text(quoting=csv.QUOTE_ALL),
    "Excel's sep=": "sep=;\r\n" + csv_text(";"),
    "Excel's sep= and a byte order mark": ("sep=;\r\n" + csv_text(";")).encode("utf-8-sig"),
    "sep= of an odd delimiter": "sep=^\n" + csv_text("^"),
    "sep= in quotes": '"sep=\t"\n' + csv_text("\t"),
    "blank lines around": f"\r\n  \r\n{PLAIN}\r\n\r\n",
    "empty rows between": PLAIN.replace("\r\nv", "\r\n,,\r\nv"),
    "trailing delimiters": PLAIN.replace("\r\n", ",\r\n"),
    "trailing delimiters in the rows": PLAIN.replace("00\r\n", "00,,\r\n"),
    "the index of pandas": csv_text(rows=[["", *HEADER], ["0", *ROWS[0]], ["1", *ROWS[1]]]),
    "a delimiter in a quoted name": csv_text(
        ";", rows=[[*HEADER, "a,b,c,d,e"], *([*row, "x"] for row in ROWS)], quoting=csv.QUOTE_ALL
    ),
    "JSON lines": LINES,
    "JSON lines, CRLF and blank lines": LINES.replace("\n", "\r\n\r\n"),
    "JSON lines in gzip": gzip.compress(LINES.encode()),
    "a JSON array": json.dumps(OBJECTS),
    "a JSON array, indented": "\n" + json.dumps(OBJECTS, indent=2) + "\n\n",
    "a JSON array with a byte order mark": json.dumps(OBJECTS).encode("utf-8-sig"),
}


@pytest.mark.parametrize("content", SOURCES.values(), ids=SOURCES)
def test_the_rows_are_the_same_however_they_are_written(content):
    assert events_of(read(content)) == EXPECTED


@pytest.mark.parametrize("delimiter", DELIMITERS)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200), min_size=1, max_size=5
    )
)
def test_a_text_comes_through_any_delimiter_unchanged_but_for_the_space_around(delimiter, texts):
    recording = read(
        csv_text(delimiter, rows=[["user", "event", "query"], *(["u", "search", q] for q in texts)])
    )
    absent = {marker.lower() for marker in (*ABSENT, *PLACEHOLDERS)}
    expected = [None if text.strip().lower() in absent else text.strip() for text in texts]
    assert [event.get("query") for event in events_of(recording)] == expected


def a_zip():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("clicks.csv", PLAIN)
    return content.getvalue()


TRUNCATED = gzip.compress((PLAIN + csv_text(rows=ROWS * 100)).encode())[:-20]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(a_zip(), "got a zip archive or an Excel workbook", id="zip"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "got an Excel workbook", id="xls"),
        pytest.param(b"PAR1" + bytes(100), "got a Parquet file", id="Parquet"),
        pytest.param(bz2.compress(PLAIN.encode()), "got a bzip2 archive", id="bzip2"),
        pytest.param(lzma.compress(PLAIN.encode()), "got an xz archive", id="xz"),
        pytest.param(b"\x28\xb5\x2f\xfd" + bytes(50), "got a Zstandard archive", id="zstd"),
        pytest.param(gzip.compress(gzip.compress(PLAIN.encode())), "got gzip in gzip", id="gzip in gzip"),
        pytest.param(gzip.compress(a_zip()), "got a zip archive or an Excel workbook", id="zip in gzip"),
        pytest.param(TRUNCATED, "the gzip data is damaged", id="gzip cut off"),
        pytest.param(TRUNCATED[:8] + b"\xff" * 40, "the gzip data is damaged", id="gzip damaged"),
        pytest.param(TRUNCATED[:20], "the gzip data is damaged", id="gzip of no row"),
        pytest.param(gzip.compress(b""), "the file is empty", id="nothing in gzip"),
        pytest.param(
            PLAIN.encode("utf-16-le"),
            "expected text in UTF-8, or in UTF-16 with a byte order mark",
            id="no mark",
        ),
        pytest.param(bytes(100), "expected text in UTF-8, or in UTF-16 with a byte order mark", id="zeros"),
        pytest.param(PLAIN.encode("utf-16")[:-1], "expected text in UTF-16", id="UTF-16 cut off"),
        pytest.param(
            "user,item\na,b\nJosé,c\n".encode("latin-1"), "line 3: expected text in UTF-8", id="Latin-1"
        ),
        pytest.param(
            '{"user":"José","item":"c"}'.encode("latin-1"),
            "line 1: expected text in UTF-8", id="Latin-1 in JSON"
        ),
    ],
)  # fmt: skip
def test_what_is_no_text_is_one_clear_line(content, message):
    with pytest.raises(UsageError) as caught:
        read(content)
    assert message in str(caught.value)
    assert str(caught.value).startswith("standard input: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ORC", "PAR1", "BZh", "Obj", "PK", "sep"])
def test_a_column_may_be_called_as_a_binary_file_begins(name):
    assert items(read(f"{name},user,item\n1,u,i\n")) == [["i"]]


def test_columns_that_are_not_read_may_be_in_any_encoding():
    assert items(read("user,item,brand\na,b,Nestlé\n".encode("latin-1"))) == [["b"]]


def test_bad_text_is_skipped_as_a_bad_row():
    recording = read("user,item\na,b\nJosé,c\nd,e\n".encode("latin-1"), skip_bad_rows=True)
    assert (items(recording), recording.skipped_count) == ([["b"], ["e"]], 1)


NAMES = ("session_id", "timestamp", "item_id", "category")
YOOCHOOSE = "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,0\n"


def test_a_file_without_a_header_has_its_columns_named():
    recording = read(YOOCHOOSE, columns=NAMES)
    assert items(recording) == [["214536502"], ["214536500"]]
    assert {event["anonymous_id"] for event in events_of(recording)} == {"session-1"}


def test_columns_with_names_of_ones_own_can_be_mapped_and_unnamed_ones_are_not_read():
    recording = read(
        YOOCHOOSE, columns=("visit", "", "what", ""), names={"session_id": "visit", "item_id": "what"}
    )
    assert items(recording) == [["214536502"], ["214536500"]]


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        pytest.param(
            YOOCHOOSE,
            None,
            "line 1: expected a user_id, anonymous_id or session_id column; see --map; "
            "if the file has no header, name its columns with --columns",
            id="no header, none named",
        ),
        pytest.param(YOOCHOOSE, NAMES[:3], "line 1: expected 3 columns, got 4", id="too few named"),
        pytest.param(YOOCHOOSE, (*NAMES, "price"), "line 1: expected 5 columns, got 4", id="too many named"),
        pytest.param(
            PLAIN, NAMES[:3], "line 1: this is a header; --columns is for files without one", id="a header"
        ),
        pytest.param(
            LINES, NAMES, "--columns is for CSV without a header: the fields of JSON have names", id="JSON"
        ),
        pytest.param(
            YOOCHOOSE,
            ("session_id", "item_id", "item_id", "x"),
            "line 1: expected one column 'item_id', got 2; see --map",
            id="a name twice",
        ),
    ],
)
def test_columns_that_do_not_fit_the_file_are_one_clear_line(content, columns, message):
    with pytest.raises(UsageError) as caught:
        read(content, columns=columns)
    assert str(caught.value).removeprefix("standard input: ") == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('[{"user":"u","item":"i"},', "line 1: expected a JSON object in an array", id="cut off"),
        pytest.param('[\n{"user":"u",\n"item":"i"}\n', "line 4: expected a comma, or the end", id="no end"),
        pytest.param(
            '[{"user":"u","item":"i"}] 1', "line 1: expected a comma, or the end", id="more after it"
        ),
        pytest.param(
            '[\n\n{"user":"u"}\n]', "line 3: expected an item_id or event_type column", id="no item"
        ),
        pytest.param('[["u","i"]]', "line 1: expected a JSON object", id="arrays in it"),
        pytest.param("[" * 100_000, "line 1: expected a JSON object in an array", id="nested without end"),
        pytest.param("[]", "expected at least one row of events", id="nothing in it"),
        pytest.param(
            '{\n"user": "u",\n"item": "i"\n}', "line 1: expected a JSON object on one line", id="indented"
        ),
        pytest.param('{"user":"u","item":"\\ud83d"}', "line 1: expected a JSON object", id="half an emoji"),
    ],
)  # fmt: skip
def test_json_that_cannot_be_read_is_one_clear_line(content, message):
    with pytest.raises(UsageError) as caught:
        read(content)
    assert str(caught.value).removeprefix("standard input: ").startswith(message)


WORDS = rb"""
    user_id item_id, timestamp , ; " { } [ ] : sep=; "items":[ "events":[ "event_params":[{"key":
    "properties":{
    {"user_id":"u","item_id":"i","timestamp": 1709251200 1e308 NaN 2024-02-30 0001-01-01 9999-12-31
    -14:00 null true - \ "\ud800" 1.0 u,i, u,i,1709251200 user_id,item_id,timestamp
    user_id,item_id,price,quantity,timeframe
"""
FRAGMENTS = st.sampled_from(
    [*WORDS.split(), b"\n", b"\r", b"\xff", b"\xef\xbb\xbf", b"\x00", b"9" * 400, b'"a\n"']
)


@given(st.lists(FRAGMENTS, max_size=30).map(b"".join), st.booleans())
def test_whatever_the_bytes_are_they_are_read_or_refused_in_one_line(content, skip_bad_rows):
    for packed in (content, gzip.compress(content)):
        message, events = "", []
        try:
            events = events_of(read(packed, skip_bad_rows=skip_bad_rows))
        except UsageError as error:
            message = str(error)
        assert events or message
        assert "\n" not in message
        for event in events:
            decode_client_event(msgspec.json.encode(event))


def test_the_first_ctrl_c_ends_the_reading_of_a_recording_without_end():
    command = [sys.executable, "-m", "tapstack.cli", "local", "--input", "-", "--port", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            process.stdin.write(
                b"user,item\n" + b"u,i\n" * 100_000
            )  # more than a pipe holds: it is being read
            process.stdin.flush()
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            assert process.stderr.read().strip() == b""
        finally:
            process.kill()  # or a shell that ignores ctrl-C for its background jobs would wait for ever


def test_a_pipe_is_read_as_a_file_is():
    script = (
        "from pathlib import Path; from tapstack_local.recording import read_recording;"
        "print(len(read_recording(Path('-'), now_ms=1_800_000_000_000, seed=1).requests))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], input=gzip.compress(PLAIN.encode()), capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"2\n", b"")
