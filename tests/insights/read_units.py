"""What reads cost, as DynamoDB counts: a unit for each 4 KB that is read consistently, else half of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from insights_world import Rows

from tapstack.ports import Key, Row

UNIT_BYTES = 4_096


class CountingRows(Rows):
    """Rows that count read units, as `tapstack.aws.table_reader.TableReader` asks for them."""

    units = 0.0

    def get(self, key: Key) -> Row | None:
        row = super().get(key)
        self._spend([row] if row else [], 0.5)
        return row

    def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
        return self._spend(super().query(pk), 1.0 if consistent else 0.5)

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        return self._spend([row for row in super().query(pk) if row.key.sk.startswith(sk_prefix)], 1.0)

    def read_range(self, pk: str, first: str, last: str, limit: int) -> Sequence[Row]:
        return self._spend([row for row in super().query(pk) if first <= row.key.sk <= last][:limit], 1.0)

    def read_all(self, keys: Sequence[Key], *, consistent: bool = False) -> Mapping[Key, Row]:
        rows = super().read_all(keys)
        for key in keys:  # each row by itself, and one that there is not like the smallest
            self._spend([rows[key]] if key in rows else [], 1.0 if consistent else 0.5)
        return rows

    def _spend(self, rows: list[Row], each: float) -> list[Row]:
        size = sum(len(row.state) for row in rows)
        self.units += each * max(1, -(-size // UNIT_BYTES))
        return rows
