"""What a write costs in DynamoDB."""

from __future__ import annotations

from collections.abc import Iterable

WRITE_UNIT_BYTES = 1024
_ROW_OVERHEAD_BYTES = len("pk" + "sk" + "v" + "s" + "ttl" + "l") + 8 + 6 + 2  # names; the numbers v, ttl, l


def row_bytes(key: tuple[str, str], state: bytes) -> int:
    """Return the size of a row as DynamoDB counts it: names and values, no JSON, no base64 [1]_.

    References
    ----------
    .. [1] https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html,
       read 2026-11-23
    """
    pk, sk = key
    names = pk + sk
    return len(names if names.isascii() else names.encode()) + len(state) + _ROW_OVERHEAD_BYTES


def write_units(size_bytes: int) -> int:
    """Return the write units of a row that is written by itself: one for each KiB begun."""
    return -(-size_bytes // WRITE_UNIT_BYTES)


def transaction_units(sizes_bytes: Iterable[int]) -> int:
    """Return the write units of a transaction's rows: two for each KiB begun."""
    return 2 * sum(map(write_units, sizes_bytes))
