"""A projection is one file: this one adds another and changes nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from projections_world import World, viewed

from tapstack.core.journal import Entry
from tapstack.core.rows import DerivedKind
from tapstack.projections._projection import Projection
from tapstack.projections.catalogue import PROJECTIONS

Counts = dict[int, int]


class Hours(Projection[Counts, Sequence[int]]):
    """Counts interactions by the hour of the day."""

    name = "hours"
    rows = DerivedKind("hours", dict[int, int], dict)

    def changes(self, entries: Iterable[Entry]) -> Mapping[str, Sequence[int]]:
        hours = [effect.at_s // 3_600 % 24 for entry in entries for effect in entry.effects]
        return {"S#hours": hours} if hours else {}

    def fold(self, body: Counts, change: Sequence[int], sources: Mapping[str, Any]) -> None:
        for hour in change:
            body[hour] = body.get(hour, 0) + 1


def test_a_projection_is_one_file() -> None:
    hours: Projection[Counts, Sequence[int]] = Hours()
    world = World(projections=(*PROJECTIONS, hours))
    world.write(0, viewed("a"), viewed("b"))
    world.project()
    world.write(1, viewed("a"))
    world.project()
    assert world.bodies("S") == {("S#hours", "0000"): {12: 3}}


def test_projections_have_names_of_their_own_and_stand_after_the_one_they_read() -> None:
    names = [projection.name for projection in PROJECTIONS]
    assert len(set(names)) == len(names)
    for position, projection in enumerate(PROJECTIONS):
        assert not projection.after or projection.after in names[:position]
