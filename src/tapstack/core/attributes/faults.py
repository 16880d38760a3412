"""What is wrong with a file of definitions: all of it in one list, each with its line and member."""

from __future__ import annotations

from typing import NamedTuple

from tapstack.core.attributes.lines import Lines, Path, shown


class Fault(NamedTuple):
    """One thing that is wrong.

    Parameters
    ----------
    line
        Where, from 1.
    member
        Of what, such as ``feature_view[0].name``; empty for the file.
    detail
        What was expected, and what came.
    """

    line: int
    member: str
    detail: str

    def __str__(self) -> str:
        return (
            f"line {self.line}: {self.member}: {self.detail}"
            if self.member
            else f"line {self.line}: {self.detail}"
        )


class InvalidDefinitions(ValueError):  # noqa: N818 - named as InvalidEvent is
    """A file that is not used.

    Parameters
    ----------
    faults
        All that is wrong, by line.
    """

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(faults)
        super().__init__("; ".join(map(str, self.faults)))


class Faults:
    """A list that grows while a file is checked."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.found: list[Fault] = []

    def add(self, path: Path, detail: str) -> None:
        """Note what is wrong with a member."""
        self.found.append(Fault(self._lines.of(path), shown(path), detail))
