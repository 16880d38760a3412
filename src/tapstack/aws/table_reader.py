"""The behaviour table as the insights API reads it: what a batch leaves is asked for again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tapstack.aws.dynamodb import DynamoTable
from tapstack.core.backoff import backoff_ms
from tapstack.errors import Throttled
from tapstack.ports import AwsApi, Clock, Key, Row

# Of a BatchGetItem: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html,
# read 2026-11-30. Beyond 16 MB of answer it leaves keys unprocessed, as under throttling.
BATCH_KEYS_MAX = 100
# After that a client is told to try again (503), long before the load balancer or Lambda would cut it off.
READ_MS_MAX = 2_000


class TableReader(DynamoTable):
    """`tapstack.ports.RowReader` on one DynamoDB table.

    Parameters
    ----------
    api
        DynamoDB.
    table_name
        The table.
    clock
        Time to wait in.
    jitter
        Gives random numbers, ``0 <= x < 1``.
    """

    def __init__(self, api: AwsApi, table_name: str, clock: Clock, jitter: Callable[[], float]) -> None:
        super().__init__(api, table_name)
        self._clock = clock
        self._jitter = jitter

    def read_all(self, keys: Sequence[Key], *, consistent: bool = False) -> Mapping[Key, Row]:
        """Read rows in batches; see `tapstack.ports.RowReader.read_all`."""
        until_ms = self._clock.now_ms() + READ_MS_MAX
        rows: dict[Key, Row] = {}
        left, waits = list(keys), 0
        while left:
            asked, rest = left[:BATCH_KEYS_MAX], left[BATCH_KEYS_MAX:]
            found, again = self.read(asked, consistent=consistent)
            rows.update(found)
            left = [*again, *rest]
            if again:
                wait_ms = backoff_ms(waits, self._jitter())
                if self._clock.now_ms() + wait_ms > until_ms:
                    raise Throttled(f"dynamodb: {len(left)} of {len(keys)} keys were left unprocessed")
                self._clock.sleep_ms(wait_ms)
                waits += 1
        return rows
