"""A schema of the shop's own, which some of its events break; what becomes of them is drawn by the seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from tapstack.collector.schemas import Schema, Schemas, Strictness, Use
from tapstack.core.events import EventType
from tapstack_simulation.plan import Shape

NAMED: tuple[EventType, ...] = ("share", "custom")
NAME = "named/1"
# Half of the runs have none, as most stacks.
STRICTNESSES: tuple[Strictness, ...] = ("off", "off", "warn", "quarantine")


def with_schemas(shape: Shape, rng: random.Random) -> Shape:
    """Draw what becomes of events that break the schema."""
    return msgspec.structs.replace(shape, schemas=rng.choice(STRICTNESSES))


@cache
def schemas(strictness: Strictness) -> Schemas:
    """Return the collector's: some types of events have to have a name."""
    use = Use(strictness=strictness, event_types=NAMED)
    return Schemas([Schema(name=NAME, use=use, document={"required": ["event_name"]})])


def breaks(event: Mapping[str, Any]) -> bool:
    """Return whether an event breaks the schema."""
    return event["event_type"] in NAMED and event.get("event_name") is None
