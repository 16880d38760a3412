"""About how many distinct values there were: HyperLogLog with 256 registers, a standard error of 6.5 % [1]_.

References
----------
.. [1] Flajolet et al., HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm, 2007.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

from tapstack.core.attributes.cells import HEAD_BYTES, Answer, Size, Tiled
from tapstack.core.attributes.told import text_of

REGISTERS = 256
STANDARD_ERROR = 1.04 / math.sqrt(REGISTERS)
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)
_REST_BITS = 56
_TEXT_BYTES_MAX = 4_096  # hashed, not kept


class Distinct(Tiled):
    """A cell is binary: pairs of register and value while there are few, else the value of each register."""

    size = Size(HEAD_BYTES + REGISTERS, HEAD_BYTES + REGISTERS)

    def lift(self, found: Any, at_ms: int) -> bytes | None:  # noqa: ARG002 - no window
        """Return the register of one value."""
        text = text_of(found, _TEXT_BYTES_MAX)
        if text is None:
            return None
        digest = hashlib.blake2b(text.encode(), digest_size=8, person=b"distinct").digest()
        rest = int.from_bytes(digest[1:], "big")
        return bytes((digest[0], _REST_BITS - rest.bit_length() + 1))

    def merge(self, one: bytes, other: bytes) -> bytes:
        """Return the greater value of each register."""
        registers = _registers(one)
        for register, value in _registers(other).items():
            registers[register] = max(value, registers.get(register, 0))
        if 2 * len(registers) >= REGISTERS:
            return bytes([registers.get(register, 0) for register in range(REGISTERS)])
        return bytes([byte for pair in sorted(registers.items()) for byte in pair])

    def value(self, cell: bytes, now_ms: int) -> Answer:  # noqa: ARG002 - no age
        """Return the estimate; of few values by the registers that are empty."""
        registers = _registers(cell)
        empty = REGISTERS - len(registers)
        harmonic = empty + sum([2.0**-value for value in registers.values()])
        estimate = _ALPHA * REGISTERS**2 / harmonic
        if estimate <= 2.5 * REGISTERS and empty:
            estimate = REGISTERS * math.log(REGISTERS / empty)
        return Answer(round(estimate))


def _registers(cell: bytes) -> dict[int, int]:
    """Return the registers that are not empty."""
    if len(cell) == REGISTERS:
        return {register: value for register, value in enumerate(cell) if value}
    return dict(zip(cell[::2], cell[1::2], strict=True))
