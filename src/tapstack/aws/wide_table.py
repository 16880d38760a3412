"""A table over several connections, for writes that are made one by one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from tapstack.aws.dynamodb import STATEMENTS_MAX, DynamoTable
from tapstack.ports import AwsApi, RowWrite, Written


class WideTable(DynamoTable):
    """A `DynamoTable` whose `write_each` takes as many writes at once as it has connections.

    A call takes some milliseconds, nearly all of them on the way. Each connection has a call's worth of rows
    to write before there is work for the next one.

    Parameters
    ----------
    apis
        DynamoDB, a connection each; at least one.
    table_name
        The table.
    """

    def __init__(self, apis: Sequence[AwsApi], table_name: str) -> None:
        super().__init__(apis[0], table_name)
        self._tables = [DynamoTable(api, table_name) for api in apis]

    def write_each(self, writes: Sequence[RowWrite]) -> Written:
        """Write rows, a share over each connection; no thread outlives the call."""
        tables = self._tables[: -(-len(writes) // STATEMENTS_MAX)]
        if len(tables) <= 1:
            return super().write_each(writes)
        shares = [writes[start :: len(tables)] for start in range(len(tables))]
        with ThreadPoolExecutor(len(tables)) as pool:
            written = list(pool.map(DynamoTable.write_each, tables, shares))
        return Written(
            {key: row for each in written for key, row in each.refused.items()},
            tuple(chain.from_iterable(each.left for each in written)),
            next((each.reason for each in written if each.reason is not None), None),
        )
