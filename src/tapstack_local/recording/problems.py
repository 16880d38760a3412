"""Rows that cannot be read: the first one ends the reading, or all are skipped and counted."""

from __future__ import annotations

from tapstack.errors import InvalidEvent, UsageError

EXAMPLES_MAX = 5
NO_TEXT = ": expected text in UTF-8"


class BadRow(Exception):  # noqa: N818 - not a failure of the program
    """A row that is not an event.

    Parameters
    ----------
    reason
        What was expected and what came, from where the line is named on: ``, column 'price': expected a
        number, got 'x'``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refused(error: InvalidEvent) -> BadRow:
    """Return the problem of a row whose event the collector would refuse."""
    field = f", {error.field!r} of its event" if error.field else ""
    return BadRow(f"{field}: {error.reason}")


class BadRows:
    """What becomes of the rows that cannot be read.

    Parameters
    ----------
    source
        The recording, as messages name it.
    skip
        Whether they are skipped and counted; otherwise the first is an error.
    """

    def __init__(self, source: str, *, skip: bool) -> None:
        self.source = source
        self.count = 0
        self._skip = skip
        self._examples: list[tuple[int, str]] = []

    @property
    def examples(self) -> tuple[str, ...]:
        """The first ones: their lines, and what is wrong with them."""
        return tuple(text for _, text in self._examples)

    def add(self, line: int, error: BadRow, *, last_line: int | None = None) -> None:
        """Skip a row.

        Raises
        ------
        UsageError
            If rows are not to be skipped.
        """
        many = last_line is not None and last_line > line
        text = f"lines {line}-{last_line}{error.reason}" if many else f"line {line}{error.reason}"
        if not self._skip:
            raise UsageError(f"{self.source}: {text}")
        self.count += 1
        self._examples = sorted([*self._examples, (line, text)])[:EXAMPLES_MAX]

    def refuse(self, line: int, reason: str) -> UsageError:
        """Return the error for what spoils the recording as a whole."""
        return UsageError(f"{self.source}: line {line}{reason}")
