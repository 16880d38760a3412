"""A table over several connections, for writes that are made one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tapstack.aws.dynamodb import DynamoTable
from tapstack.errors import Unavailable
from tapstack.ports import AwsApi


class StartingApi(AwsApi, Protocol):
    """A service whose answers need not be waited for at once."""

    def start(self, operation: str, body: bytes) -> Callable[[], bytes]:
        """Send one call; return what waits for its answer. Both raise what `AwsApi.call` does."""
        ...


class WideTable(DynamoTable):
    """A `DynamoTable` whose `write_each` has a batch on its way over each of its connections.

    A call takes some milliseconds, nearly all of them on the way. Threads would do as well; they were an
    eighth of the projector's CPU.

    Parameters
    ----------
    apis
        DynamoDB, a connection each; at least one.
    table_name
        The table.
    """

    def __init__(self, apis: Sequence[StartingApi], table_name: str) -> None:
        super().__init__(apis[0], table_name)
        self._apis = apis
        self._batches_at_once = len(apis)

    def _start(self, number: int, body: bytes) -> Callable[[], bytes]:
        try:
            return self._apis[number].start("BatchExecuteStatement", body)
        except Unavailable as unavailable:
            return _raises(unavailable)


def _raises(error: Unavailable) -> Callable[[], bytes]:
    """Return what raises an error where the answer would be: others are on their way, and are waited for."""

    def answer() -> bytes:
        raise error

    return answer
