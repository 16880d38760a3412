"""What a mutant is, and the modules of the product that mutants change."""

from __future__ import annotations

from typing import NamedTuple

from .patching import Edit

HISTORY = "tapstack.core.history"
LINKS = "tapstack.core.links"
MEMORY = "tapstack.core.memory"
TRANSACTION = "tapstack.consumer.transaction"
USER_ROWS = "tapstack.consumer.user_rows"
ENTRY = "tapstack.consumer.entry"
CONSUME = "tapstack.consumer.consume"
DEAD_LETTERS = "tapstack.consumer.dead_letters"
RECORDS = "tapstack.consumer.records"
ROW_CACHE = "tapstack.consumer.row_cache"
BODIES = "tapstack.collector.bodies"
INTAKE = "tapstack.collector.intake"
PUBLISH = "tapstack.collector.publish"
TABLE = "tapstack.aws.dynamodb"
STREAM = "tapstack.aws.kinesis"
HISTORY_VIEW = "tapstack.insights.history"
VIEWS = "tapstack.insights.views"
ITEMS_VIEW = "tapstack.insights.items"
PERSON = "tapstack.insights.person"
USERS_VIEW = "tapstack.insights.users"


class Mutant(NamedTuple):
    """The product with one guard removed.

    Parameters
    ----------
    name
        Its own.
    guard
        What it weakens.
    edits
        The lines.
    faults
        Only these happen, if given: the design has to fail by them alone.
    invariants
        One of these has to break, if given, and none may without faults.
    """

    name: str
    guard: str
    edits: tuple[Edit, ...]
    faults: tuple[str, ...] = ()
    invariants: tuple[int, ...] = ()


def one(name: str, guard: str, module: str, old: str, new: str) -> Mutant:
    """Make a mutant of one edit."""
    return Mutant(name, guard, (Edit(module, old, new),))
