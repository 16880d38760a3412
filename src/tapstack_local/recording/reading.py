"""Read a recording into the requests that replay it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tapstack.errors import UsageError
from tapstack_local.recording.columns import check_mapped
from tapstack_local.recording.dialects import Row, rows_of
from tapstack_local.recording.nested import is_whole_event, unnested
from tapstack_local.recording.problems import BadRow, BadRows
from tapstack_local.recording.replay import moved, requests_of, settle_times
from tapstack_local.recording.rows import RecordedRow, RowParser
from tapstack_local.recording.source import opened, source_name
from tapstack_local.traffic import Request

NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a recording is laid out, as the options say.

    Parameters
    ----------
    columns
        The columns of CSV without a header, in their order; None if the file names them.
    names
        Canonical names and the columns that hold them.
    skip_bad_rows
        Whether rows that cannot be read are skipped and counted, instead of ending the reading.
    """

    columns: tuple[str, ...] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    skip_bad_rows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording, read; iterating gives its requests.

    Parameters
    ----------
    requests
        In the order of their times, every event valid and with an identity.
    skipped_count
        How many rows were skipped as wished.
    skipped_examples
        The first of them: their lines, and what is wrong with them.
    notes
        What was decided about the rest, to be told: times that were wrong, names that are not known.
    """

    requests: Sequence[Request]
    skipped_count: int = 0
    skipped_examples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)


def read_recording(
    path: Path,
    *,
    now_ms: int,
    seed: int,
    layout: Layout | None = None,
    events: int | None = None,
    standard_input: io.BufferedReader | None = None,
) -> Recording:
    """Read a recording whole.

    Parameters
    ----------
    path
        The file; ``-`` for standard input.
    now_ms
        Unix time in milliseconds before which everything is to have happened.
    seed
        Makes the client ids.
    layout
        How it is laid out.
    events
        How many rows at most; None for all.
    standard_input
        Read if `path` says so; by default that of the process.

    Raises
    ------
    UsageError
        If the file cannot be read, or a row is bad: names file, line, column and what was expected.
    """
    layout = Layout() if layout is None else layout
    check_mapped(layout.names)
    bad_rows = BadRows(source_name(path), skip=layout.skip_bad_rows)
    parser = RowParser(layout.names)
    with opened(path, standard_input) as text:
        split = rows_of(text, layout.columns, bad_rows, parser.recognise)
        rows = list(_parsed(split, parser, bad_rows, events))
    notes = [*_custom(parser), *_settled_ids(parser, rows), *settle_times(rows, bad_rows)]
    rows, more = moved(rows, now_ms)
    requests = requests_of(rows, bad_rows, parser.meanings, Random(seed))  # noqa: S311 - reproducible on purpose
    if not requests:
        skipped = f"; {bad_rows.count:,} were skipped: {bad_rows.examples[0]}" if bad_rows.count else ""
        raise UsageError(f"{bad_rows.source}: expected at least one row of events{skipped}")
    return Recording(
        requests=requests,
        skipped_count=bad_rows.count,
        skipped_examples=bad_rows.examples,
        notes=(*notes, *more, *(f"{what}; rows: {count:,}" for what, count in parser.meanings.items())),
    )


def _parsed(
    split: Iterator[Row], parser: RowParser, bad_rows: BadRows, events: int | None
) -> Iterator[RecordedRow]:
    """Make events of rows, of no more than asked for."""
    count = 0
    mapped = frozenset(parser.overrides.values())
    for row in split:
        for cells in unnested(row.cells, mapped) if row.is_json else (row.cells,):
            if events is not None and count >= events:
                return
            try:
                if row.is_json and is_whole_event(cells, mapped):
                    parsed = parser.whole(dict(cells), row.line)
                else:
                    if row.is_json:
                        parser.recognise(list(cells))
                    parsed = parser.row(cells, row.line)
            except BadRow as error:
                bad_rows.add(row.line, error)
                continue
            count += 1
            yield parsed


def _custom(parser: RowParser) -> Iterator[str]:
    names = parser.custom_names
    if not names:
        return
    shown = ", ".join(f"{name!r} {count:,}" for name, count in names.most_common(NAMES_SHOWN))
    more = len(names) - NAMES_SHOWN
    yield (
        f"{names.total():,} rows have a name of an event that is not known, and become custom events "
        f"with that name: {shown}{f' and {more} names more' if more > 0 else ''}"
    )


def _settled_ids(parser: RowParser, rows: list[RecordedRow]) -> Iterator[str]:
    for column in parser.settle_ids(rows):
        yield f"every {column} ends in .0, as pandas writes whole numbers: the .0 is left out"
    for column, count in parser.cut_ids.items():
        yield (
            f"column {column!r}: {count:,} ids look like 1.23457E+11, long numbers cut by a spreadsheet; "
            "different ones may be the same now"
        )
