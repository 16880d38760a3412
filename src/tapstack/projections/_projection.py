"""What a projection is: the rows that entries of the journal touch, and what they do to each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from tapstack.core.journal import Entry
from tapstack.core.rows import DerivedKind

C = TypeVar("C")  # what entries do to a row
S = TypeVar("S")  # what a row holds


class Projection(Protocol[S, C]):
    """Folds entries of the journal into derived rows.

    A row of a projection is known by its partition; each stripe of lanes has a row of its own there, and
    readers add up the stripes. What is folded must not depend on how entries of different lanes interleave,
    beyond what the projection tells its readers.

    Attributes
    ----------
    name
        Of its watermark; never changes.
    rows
        How its rows are read, and how one begins.
    after
        The projection whose rows it reads; empty if it reads none. It is never ahead of that one.
    definition
        Whose values it folds, if entries hold those of the definitions that their writers knew; empty if
        every entry has what it folds.
    keep_s
        How long its rows live after the last change, seconds; 0 for as long as a user's row.
    """

    name: str
    rows: DerivedKind[S]
    after: str = ""
    definition: str = ""
    keep_s: int = 0

    def changes(self, entries: Iterable[Entry]) -> Mapping[str, C]:
        """Return what entries do to rows, each lane's in their order, by partition: all of them together."""
        ...

    def sources(self, change: C) -> Sequence[str]:  # noqa: ARG002 - most read no other rows
        """Return the partitions of the other projection's rows that a change is folded from."""
        return ()

    def read_source(self, state: bytes) -> Any:
        """Return what is folded of such a row: it is read once for all rows that are folded together.

        Raises
        ------
        UndecodableRow
            If it is none of the other projection's.
        """
        raise AssertionError(f"{self.name} reads no other rows: {len(state)} bytes")

    def fold(self, body: S, change: C, sources: Mapping[str, Any]) -> None:
        """Fold a change into what a row holds, in place.

        Parameters
        ----------
        body
            What the row holds.
        change
            Of `changes`.
        sources
            By partition, what `read_source` read of the rows that `sources` named, of the same stripe.
        """
        ...
