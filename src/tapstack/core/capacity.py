"""What a write costs in DynamoDB."""

from __future__ import annotations

WRITE_UNIT_BYTES = 1024
_ROW_OVERHEAD_BYTES = len("pk" + "sk" + "v" + "s" + "ttl") + 8 + 6  # names, and the numbers v and ttl


def row_bytes(pk: str, sk: str, state: bytes) -> int:
    """Tell the size of a row as DynamoDB counts it: names and values, no JSON, no base64 [1]_.

    References
    ----------
    .. [1] https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html,
       read 2026-11-23
    """
    keys = pk + sk
    return len(keys if keys.isascii() else keys.encode()) + len(state) + _ROW_OVERHEAD_BYTES


def write_units(size_bytes: int, *, transactional: bool) -> int:
    """Tell the write units of one item: one for each KiB begun, twice in a transaction."""
    units = -(-max(size_bytes, 1) // WRITE_UNIT_BYTES)
    return units * 2 if transactional else units
