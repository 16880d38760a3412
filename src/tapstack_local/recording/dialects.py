"""Split a recording into rows: CSV with or without a header, JSON lines, or a JSON array."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TextIO

import msgspec

from tapstack.errors import UsageError
from tapstack_local.recording.columns import looks_like_header
from tapstack_local.recording.problems import NO_TEXT, BadRow, BadRows

DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SEPARATOR = re.compile(r'"?sep=(?P<delimiter>[^"\r\n])"?\s*', re.IGNORECASE)  # Excel's own first line
_SPACE = re.compile(r"\s*")
_decoder = json.JSONDecoder()


class Row(NamedTuple):
    """A row as the file has it.

    Parameters
    ----------
    line
        Of the file, from 1, where it begins.
    cells
        By column: text, or whatever JSON holds.
    is_json
        Whether it is an object of JSON, which may be nested and has columns of its own.
    """

    line: int
    cells: Mapping[str, Any]
    is_json: bool = True


def rows_of(
    text: TextIO,
    columns: Sequence[str] | None,
    bad_rows: BadRows,
    recognise: Callable[[list[str]], None],
) -> Iterator[Row]:
    """Split a recording into its rows.

    Parameters
    ----------
    text
        The recording.
    columns
        The columns of a CSV file without a header; None if the file names them.
    bad_rows
        Collects the rows that cannot be split.
    recognise
        Receives the columns of CSV, and raises `BadRow` if they cannot be understood.

    Raises
    ------
    UsageError
        If the recording as a whole cannot be read so.
    """
    first, line = _first_line(text)
    if not first:
        raise UsageError(f"{bad_rows.source}: the file is empty")
    mark = first.lstrip()[:1]
    if mark not in {"{", "["}:
        return _csv_rows(chain([first], text), line, columns, bad_rows, recognise)
    if columns is not None:
        raise UsageError("--columns is for CSV without a header: the fields of JSON have names")
    if mark == "[":
        return _array_rows(first + text.read(), line, bad_rows)
    return _json_rows(chain([first], text), line, bad_rows)


def _first_line(text: TextIO) -> tuple[str, int]:
    """Return the first line that is not blank, and its number."""
    for line, content in enumerate(text, 1):
        if content.strip():
            return content, line
    return "", 0


def _json_rows(lines: Iterator[str], first_line: int, bad_rows: BadRows) -> Iterator[Row]:
    for line, content in enumerate(lines, first_line):
        if not content.strip():
            continue
        try:
            cells = _object(content)
        except BadRow as error:
            bad_rows.add(line, error)
            continue
        yield Row(line, cells)


def _object(content: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except UnicodeEncodeError:
        raise BadRow(NO_TEXT) from None
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        pass
    try:
        # Python writes NaN, which is no JSON.
        cells = json.loads(content) if "NaN" in content else None
    except (ValueError, RecursionError):
        cells = None
    if not isinstance(cells, dict):
        raise BadRow(": expected a JSON object on one line")
    return cells


def _array_rows(text: str, first_line: int, bad_rows: BadRows) -> Iterator[Row]:
    """Walk through an array, so that each element has its line."""
    place, line = text.index("[") + 1, first_line
    line += text.count("\n", 0, place)
    for counted in range(len(text)):
        began = _SPACE.match(text, place).end()  # type: ignore[union-attr]  # matches anything
        line += text.count("\n", place, began)
        if counted == 0 and text[began : began + 1] == "]":
            place = began
            break
        try:
            cells, place = _decoder.raw_decode(text, began)
        except (ValueError, RecursionError):
            raise bad_rows.refuse(line, ": expected a JSON object in an array") from None
        if isinstance(cells, dict):
            yield Row(line, cells)
        else:
            bad_rows.add(line, BadRow(": expected a JSON object"))
        ended = _SPACE.match(text, place).end()  # type: ignore[union-attr]
        line += text.count("\n", began, ended)
        place = ended
        if text[place : place + 1] != ",":
            break
        place += 1
    if text[place : place + 1] != "]" or text[place + 1 :].strip():
        raise bad_rows.refuse(line, ": expected a comma, or the end of the array and of the file")


def _csv_rows(
    lines: Iterator[str],
    first_line: int,
    columns: Sequence[str] | None,
    bad_rows: BadRows,
    recognise: Callable[[list[str]], None],
) -> Iterator[Row]:
    first = next(lines)
    if separator := _SEPARATOR.fullmatch(first):
        delimiter = separator["delimiter"]
        first_line += 1
    else:
        bare = _QUOTED.sub("", first)
        delimiter = max(DELIMITERS, key=bare.count)
        lines = chain([first], lines)
    split = _Splitter(lines, delimiter, first_line, bad_rows)
    line, header = (first_line, list(columns)) if columns is not None else next(split, (first_line, []))
    try:
        recognise(header)
    except BadRow as error:
        no_header = columns is None and any(column.strip()[:1].isdigit() for column in header)
        advice = "; if the file has no header, name its columns with --columns" if no_header else ""
        raise bad_rows.refuse(line, error.reason + advice) from None
    for place, (line, cells) in enumerate(split):
        if columns is not None and place == 0 and looks_like_header(cells):
            raise bad_rows.refuse(line, ": this is a header; --columns is for files without one")
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header) and (len(cells) < len(header) or any(cells[len(header) :])):
            count = BadRow(f": expected {len(header)} columns, got {len(cells)}")
            bad_rows.add(line, count, last_line=split.line)
            continue
        yield Row(line, dict(zip(header, cells, strict=False)), is_json=False)


class _Splitter:
    """Iterates over the lines and cells of CSV; reports bad ones."""

    def __init__(self, lines: Iterator[str], delimiter: str, first_line: int, bad_rows: BadRows) -> None:
        self._lines = csv.reader(lines, delimiter=delimiter, strict=True)
        self._before = first_line - 1
        self._bad_rows = bad_rows
        self.line = self._before  # the last one that was read

    def __iter__(self) -> _Splitter:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        while True:
            began = self.line + 1
            try:
                cells = next(self._lines)
            except csv.Error as error:
                self.line = self._before + self._lines.line_num
                if "end of data" in str(error):
                    # All that follows is in the quote: how many rows that is cannot be known.
                    raise self._bad_rows.refuse(
                        began, ": expected CSV, got a quote that is not closed"
                    ) from None
                self._bad_rows.add(began, BadRow(f": expected CSV ({error})"), last_line=self.line)
                continue
            self.line = self._before + self._lines.line_num
            return began, cells
