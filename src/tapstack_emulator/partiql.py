"""PartiQL as far as conditional writes in bulk need it: INSERT, and UPDATE under equalities.

Every value is a parameter. Grammar (read 2026-11-30):
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.insert.html and
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.update.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

Value = dict[str, Any]

_NAME = r'"[^"]+"|\w+'
_INSERT = re.compile(r"INSERT INTO (\S+) VALUE \{(.+)\}", re.IGNORECASE)
_SET = rf"(?: SET (?:{_NAME}) ?= ?\?)+"
_UPDATE = re.compile(r"UPDATE (\S+)(" + _SET + ") WHERE (.+)", re.IGNORECASE)
_PAIR = re.compile(r"'([^']+)' ?: ?\?")
_EQUAL = re.compile(rf"({_NAME}) ?= ?\?")


class Shape(NamedTuple):
    """A statement without its values.

    Parameters
    ----------
    action
        What authorises it: ``PartiQLInsert`` or ``PartiQLUpdate``.
    table_name
        The table.
    written
        The attributes that are written, each by a parameter, in order.
    compared
        After those, the attributes that must be equal to a parameter: the key, and what else an UPDATE asks.
    """

    action: str
    table_name: str
    written: tuple[str, ...]
    compared: tuple[str, ...] = ()


class Statement(NamedTuple):
    """A statement and its values.

    Parameters
    ----------
    shape
        The statement.
    written, compared
        Values by attribute.
    """

    shape: Shape
    written: dict[str, Value]
    compared: dict[str, Value]

    @property
    def named(self) -> dict[str, Value]:
        """Return the attributes that say which row: what an INSERT writes, or what an UPDATE compares."""
        return self.compared if self.shape.compared else self.written


def parse_statement(text: str, parameters: Sequence[Value]) -> Statement:
    """Read a statement.

    Raises
    ------
    ValueError
        For what is not implemented, or if there are more or fewer values than ``?``.
    """
    shape = _shape(text)
    names = shape.written + shape.compared
    if len(names) != len(parameters):
        raise ValueError("Number of parameters in request and statement don't match.")
    split = len(shape.written)
    written = dict(zip(shape.written, parameters[:split], strict=True))
    return Statement(shape, written, dict(zip(shape.compared, parameters[split:], strict=True)))


@lru_cache(maxsize=64)
def _shape(text: str) -> Shape:
    statement = " ".join(text.split())
    if (insert := _INSERT.fullmatch(statement)) is not None:
        pairs = [_PAIR.fullmatch(part.strip()) for part in insert[2].split(",")]
        names = tuple([pair[1] for pair in pairs if pair is not None])
        if len(names) == len(pairs) == len(set(names)):
            return Shape("PartiQLInsert", insert[1].strip('"'), names)
    if (update := _UPDATE.fullmatch(statement)) is not None:
        set_to = tuple([name.strip('"') for name in _EQUAL.findall(update[2])])
        equalities = [_EQUAL.fullmatch(part) for part in re.split(" AND ", update[3], flags=re.IGNORECASE)]
        compared = tuple([equal[1].strip('"') for equal in equalities if equal is not None])
        if len(compared) == len(equalities) == len(set(compared)) and len(set(set_to)) == len(set_to):
            return Shape("PartiQLUpdate", update[1].strip('"'), set_to, compared)
    raise ValueError(f"The statement {text} is not implemented by tapstack_emulator")
