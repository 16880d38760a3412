"""What a projection is: the rows that an entry of the journal touches, and what it does to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from tapstack.core.journal import Entry

C = TypeVar("C")


class Projection(Protocol[C]):
    """Folds entries of the journal into derived rows.

    A row of a projection is known by its partition; each stripe of lanes has a row of its own there, and
    readers add up the stripes. What is folded must not depend on how entries of different lanes interleave,
    beyond what the projection tells its readers.

    Attributes
    ----------
    name
        Of its watermark; never changes.
    after
        The projection whose rows it reads; empty if it reads none. It is never ahead of that one.
    definition
        Whose values it folds, if entries hold those of the definitions that their writers knew; empty if
        every entry has what it folds.
    keep_s
        How long its rows live after the last change, seconds; 0 for as long as a user's row.
    """

    name: str
    after: str
    definition: str
    keep_s: int

    def changes(self, entry: Entry) -> Mapping[str, Sequence[C]]:
        """Return what an entry does to rows, by partition."""
        ...

    def sources(self, changes: Sequence[C]) -> Sequence[str]:
        """Return the partitions of the other projection's rows that changes are folded from."""
        ...

    def fold(self, body: bytes | None, changes: Sequence[C], sources: Mapping[str, bytes]) -> bytes:
        """Return a row's body after changes.

        Parameters
        ----------
        body
            Before; None if there is no row.
        changes
            In the order of the journal.
        sources
            The bodies of the rows that `sources` named and that exist, of the same stripe.

        Raises
        ------
        UndecodableRow
            If a body is none of the projection's.
        """
        ...
