"""What a mutant is."""

from __future__ import annotations

from typing import NamedTuple

from .patching import Edit

DEDUPE = "tapstack.core.dedupe"
CHUNK = "tapstack.consumer.chunk"
CONSUME = "tapstack.consumer.consume"
RECORDS = "tapstack.consumer.records"
COLLECT = "tapstack.collector.collect"
TABLE = "tapstack.aws.dynamodb"
STREAM = "tapstack.aws.kinesis"
VIEWS = "tapstack.insights.views"


class Mutant(NamedTuple):
    name: str
    guard: str  # what it weakens
    edits: tuple[Edit, ...]
    faults: tuple[str, ...] = ()  # only these happen, if given: the design has to fail by them alone


def one(name: str, guard: str, module: str, old: str, new: str) -> Mutant:
    return Mutant(name, guard, (Edit(module, old, new),))
