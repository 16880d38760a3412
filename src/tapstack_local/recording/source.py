"""Open a recording: a file or standard input, perhaps through gzip, as text in UTF-8 or UTF-16."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tapstack.errors import UsageError

STANDARD_INPUT = Path("-")
HEAD_BYTES = 4_096
GZIP = b"\x1f\x8b"
# Longer marks first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# With a byte that no text begins so, where the mark itself could be the name of a column.
_OTHERS = (
    (rb"PK\x03\x04", "a zip archive or an Excel workbook"),
    (rb"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (rb"PAR1[^ -~]", "a Parquet file"),
    (rb"ORC[^ -~]", "an ORC file"),
    (rb"Obj\x01", "an Avro file"),
    (rb"SQLite format 3\x00", "an SQLite database"),
    (rb"BZh[1-9]1AY&SY", "a bzip2 archive"),
    (rb"\xfd7zXZ\x00", "an xz archive"),
    (rb"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (GZIP, "gzip in gzip"),
)


@contextmanager
def opened(path: Path, standard_input: io.BufferedReader | None = None) -> Iterator[TextIO]:
    """Open a recording as text; bytes that are no UTF-8 become lone surrogates, for their row to be refused.

    Raises
    ------
    UsageError
        If it cannot be opened or read, or is no text.
    """
    name = source_name(path)
    try:
        if standard_input is not None and path == STANDARD_INPUT:
            yield _text(standard_input, name)
            return
        where = 0 if path == STANDARD_INPUT else path
        with open(where, "rb", closefd=where != 0) as file:
            yield _text(file, name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{name}: the gzip data is damaged ({str(error).lower()})") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: expected text in {error.encoding.upper()}: {error.reason}") from None
    except OSError as error:
        raise UsageError(f"{name}: {(error.strerror or str(error)).lower()}") from None


def source_name(path: Path) -> str:
    """Name a recording for messages."""
    return "standard input" if path == STANDARD_INPUT else str(path)


def _text(stream: io.BufferedReader, name: str) -> TextIO:
    # Looked at and not read: a pipe cannot be wound back.
    head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
    content: io.BufferedReader | gzip.GzipFile = stream
    if head.startswith(GZIP):
        content = gzip.GzipFile(fileobj=stream)
        head = content.peek(HEAD_BYTES)[:HEAD_BYTES]
    # newline="": the csv module has to see line ends as they are, or it changes those in quoted cells.
    return io.TextIOWrapper(content, _encoding(head, name), errors="surrogateescape", newline="")


def _encoding(head: bytes, name: str) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    for pattern, what in _OTHERS:
        if re.match(pattern, head):
            raise UsageError(f"{name}: expected CSV or JSON as text, perhaps in gzip, got {what}")
    if head.count(0) > len(head) // 10:
        raise UsageError(f"{name}: expected text in UTF-8, or in UTF-16 with a byte order mark")
    return "utf-8"
