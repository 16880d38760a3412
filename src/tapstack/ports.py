"""What the stages depend on: Protocols with the fewest methods.

Real adapters live in `tapstack.aws`, in-memory ones in `tapstack_emulator`; one contract suite
(`tests/contracts`) holds both to what the docstrings here promise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from tapstack.errors import NewerLayout, Unavailable


class Key(NamedTuple):
    """A row's primary key."""

    pk: str
    sk: str


# Raised by a release that adds to a state of any kind of row. A row of a later layout is read, since what is
# new stands at the end of its arrays, but never written again: an array that is decoded and encoded loses
# what the code does not know.
LAYOUT = 2
FIRST_LAYOUT = 1  # of rows that say none


class Row(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """A row as it was read.

    Parameters
    ----------
    key
        Its primary key.
    version
        One more with each write, ``>= 1``.
    state
        Its content, as `tapstack.core.rows` encodes it.
    expires_at_s
        Unix time after which DynamoDB may delete it; readers ignore it from then on. 0 means never.
    layout
        Of its state; a release that changes what states hold raises `LAYOUT`.
    """

    key: Key
    version: int
    state: bytes
    expires_at_s: int = 0
    layout: int = LAYOUT


def check_layout(row: Row | None) -> None:
    """Refuse a row that a later release wrote, before it is written again, or taken for counted.

    Raises
    ------
    NewerLayout
        Naming both layouts.
    """
    if row is not None and row.layout > LAYOUT:
        raise NewerLayout(row.layout, LAYOUT)


class RowWrite(Row, frozen=True, kw_only=True):
    """A row to be written if nothing else wrote it since it was read.

    Parameters
    ----------
    seen_version
        The version this content was decided from, one less than its own; 0 if there was no row. A row that
        begins anew must begin above every version it ever had: a writer that still sees the deleted row must
        not take the new one for it. `ANY_VERSION` replaces whatever is there: for rows that change only
        together with another one, whose version guards them both.
    """

    seen_version: int


ANY_VERSION = -1


# A row begins at the time its first event arrived, in units finer than rows are written (a partition takes
# 1,000 write units a second). So a row that TTL deleted and that begins anew takes none of its old versions,
# and a stale image of the old row meets no condition of the new one. For that a row must outlive the records
# that are on the stream when it begins.
VERSIONS_PER_S = 1_000


def first_version(arrived_at_s: int) -> int:
    """Return the version with which a row begins.

    Parameters
    ----------
    arrived_at_s
        When the newest record that it holds arrived at the stream, Unix seconds.
    """
    return max(1, arrived_at_s * VERSIONS_PER_S)


class CommitConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Why a commit was refused; nothing of it was applied.

    Parameters
    ----------
    images
        For each write whose version had moved: the row as it stands now, or None if it is gone.
    contended
        True if another transaction held a row at the same moment (no image is known for it).
    """

    images: Mapping[Key, Row | None]
    contended: bool = False


class StateTable(Protocol):
    """The behaviour table as the consumer uses it."""

    def read(
        self, keys: Sequence[Key], *, consistent: bool = False
    ) -> tuple[Mapping[Key, Row], Sequence[Key]]:
        """Read up to 100 rows.

        Parameters
        ----------
        keys
            The rows' keys.
        consistent
            Whether each row must be as the last write left it, at twice the price; else it may be as it was
            some time before.

        Returns
        -------
        tuple
            The rows found, and the keys the table did not get to, to be asked for again. A key in
            neither does not exist (or did not, a moment ago).

        Raises
        ------
        Unavailable
            If nothing could be read.
        UndecodableRow
            If a row has other attributes than ours.
        """
        ...

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        """Read every row of a partition whose sort key begins so, each as the last write left it.

        Raises
        ------
        Unavailable
            If not all of them could be read.
        """
        ...

    def commit(self, writes: Sequence[RowWrite]) -> CommitConflict | None:
        """Write up to 100 distinct rows, all or none, each only if its version is as seen; see `RowWrite`.

        Returns
        -------
        CommitConflict or None
            None once every write is durable.

        Raises
        ------
        Throttled
            If nothing was written because of load.
        OutcomeUnknown
            If the writes may or may not have been applied.
        Unavailable
            If nothing was written for another passing reason.
        UndecodableRow
            If nothing was written, and a row that was to be shown has other attributes than ours.
        """
        ...


class Written(NamedTuple):
    """What came of writes that were made one by one; those that it does not name are durable.

    Parameters
    ----------
    refused
        By key, the row as it stands now where its version had moved, or None if it is gone.
    left
        Writes that did not happen, or are not known to have: to be made again.
    reason
        Why, of the last of them; None if there are none.
    """

    refused: Mapping[Key, Row | None]
    left: Sequence[RowWrite] = ()
    reason: Unavailable | None = None


class ProjectionTable(Protocol):
    """The behaviour table as projections use it."""

    def read(
        self, keys: Sequence[Key], *, consistent: bool = False
    ) -> tuple[Mapping[Key, Row], Sequence[Key]]:
        """Read up to 100 rows; see `StateTable.read`."""
        ...

    def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
        """Read every row of a partition; see `RowReader.query`."""
        ...

    def read_range(self, pk: str, first: str, last: str, limit: int) -> Sequence[Row]:
        """Read the first rows of a partition between two sort keys, both included, each as last written.

        Parameters
        ----------
        pk
            The partition.
        first, last
            The sort keys.
        limit
            Rows to return at most, ``>= 1``; fewer may come although there are more.

        Raises
        ------
        Unavailable
            If nothing could be read.
        """
        ...

    def write_each(self, writes: Sequence[RowWrite]) -> Written:
        """Write distinct rows one by one, each only if its version is as seen; see `Written`."""
        ...


class RowReader(Protocol):
    """The behaviour table as the insights API uses it."""

    def get(self, key: Key) -> Row | None:
        """Read one row; None if there is none.

        Raises
        ------
        Unavailable
            If the table did not answer.
        UndecodableRow
            If the row has other attributes than ours.
        """
        ...

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        """Read rows of a partition, each as the last write left it; see `StateTable.read_prefix`."""
        ...

    def read_range(self, pk: str, first: str, last: str, limit: int) -> Sequence[Row]:
        """Read the first rows of a partition between two sort keys; see `ProjectionTable.read_range`."""
        ...

    def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
        """Read every row of a partition, in sort-key order.

        Parameters
        ----------
        pk
            The partition.
        consistent
            Whether each row must be as the last write left it, at twice the price; else it may be as it was
            some time before.

        Raises
        ------
        Unavailable
            If the table did not answer.
        UndecodableRow
            If a row has other attributes than ours.
        """
        ...

    def read_all(self, keys: Sequence[Key], *, consistent: bool = False) -> Mapping[Key, Row]:
        """Read rows by their keys, in batches.

        Parameters
        ----------
        keys
            Distinct keys, any number.
        consistent
            As in `query`.

        Returns
        -------
        Mapping[Key, Row]
            The rows found. A key that is not among them does not exist (or did not, a moment ago): keys that
            the table did not get to are asked for again, never left out.

        Raises
        ------
        Throttled
            If the table did not get to all of them in time.
        Unavailable
            If the table did not answer.
        UndecodableRow
            If a row has other attributes than ours.
        """
        ...


class StreamEntry(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """A record to be put on the stream."""

    partition_key: str
    data: bytes


class StreamWriter(Protocol):
    """The stream as the collector uses it."""

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        """Put up to 500 entries.

        Returns
        -------
        Sequence[bool]
            Aligned with `entries`: True if the stream holds the record durably, False if it
            refused it (this entry alone may be sent again).

        Raises
        ------
        Throttled, Unavailable
            If no entry was accepted.
        OutcomeUnknown
            If entries may or may not have been accepted; sending again may duplicate them.
        """
        ...


class ObjectWriter(Protocol):
    """A bucket as the consumer uses it."""

    def put(self, key: str, body: bytes) -> None:
        """Store `body` under `key` durably; the same key again replaces it.

        Raises
        ------
        Unavailable
            If it is not known to be stored.
        """
        ...


class ObjectPage(NamedTuple):
    """Some keys of a bucket.

    Parameters
    ----------
    keys
        In the order of their bytes in UTF-8.
    is_last
        Whether there are no more.
    """

    keys: Sequence[str]
    is_last: bool


class ObjectStore(ObjectWriter, Protocol):
    """A bucket as its readers use it."""

    def list(self, prefix: str, *, after: str = "") -> ObjectPage:
        """Return a page of up to 1,000 keys that begin with `prefix`, those after the key `after`.

        A page that is not the last one has at least one key.

        Raises
        ------
        Unavailable
            If the bucket did not answer.
        """
        ...

    def get(self, key: str) -> bytes | None:
        """Return the object under `key`; None if there is none.

        Raises
        ------
        Unavailable
            If the bucket did not answer.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete the object under `key`, if there is one.

        Raises
        ------
        Unavailable
            If it is not known to be deleted.
        """
        ...


class SpillStore(ObjectStore, Protocol):
    """The spill bucket as the drainer uses it: many objects at a time."""

    def get_each(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the object under each key, as `get` does.

        Raises
        ------
        Unavailable
            If the bucket did not answer for one of them.
        """
        ...

    def delete_each(self, keys: Sequence[str]) -> None:
        """Delete the object under each key, as `delete` does.

        Raises
        ------
        Unavailable
            If one of them is not known to be deleted; others may be.
        """
        ...


class Clock(Protocol):
    """Time, as a parameter."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        ...

    def sleep_ms(self, duration_ms: int) -> None:
        """Wait."""
        ...


class AwsApi(Protocol):
    """One AWS service that speaks AWS JSON: DynamoDB or Kinesis.

    This is the seam between our adapters and the network, and the one the in-memory services of
    `tapstack_emulator` stand behind, so that tests exercise the adapters too.
    """

    def call(self, operation: str, body: bytes) -> bytes:
        """Call one operation, once: no retries.

        Parameters
        ----------
        operation
            Such as ``TransactWriteItems``.
        body
            The request, JSON.

        Raises
        ------
        AwsError
            If the service answered with an error.
        OutcomeUnknown
            If the connection ended before an answer came.
        Unavailable
            If there was no connection: nothing was sent.
        Misconfigured
            If there are no credentials.
        """
        ...


class AwsError(Exception):
    """An error answer of an AWS service, as it came; translated once, in `tapstack.aws`.

    Parameters
    ----------
    code
        The error's short name, such as ``ThrottlingException``.
    message
        Its text.
    status
        The HTTP status, 400 to 599.
    body
        The whole answer, JSON (a cancelled transaction carries its reasons there).
    """

    def __init__(self, code: str, message: str = "", *, status: int = 400, body: bytes = b"{}") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.body = body
