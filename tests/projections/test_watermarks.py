"""Where a projection begins and goes on when entries have expired, and who may move its watermark."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from projections_world import TABLE, World, viewed

from event_strategies import NOON_S
from tapstack.core.journal import Watermark, decode_watermark, entry_key, watermark_key
from tapstack.errors import NewerLayout
from tapstack.ports import LAYOUT, Key
from tapstack.projections.items import Items
from tapstack.projections.leaderboards import Leaderboards
from tapstack.projections.project import NEW_CODE_S
from tapstack.projections.watermarks import Watermarks
from tapstack.retry_budget import RetryBudget


def expire(world: World, *numbers: int) -> None:
    for number in numbers:
        pk, sk = entry_key(0, number)
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        world.dynamodb.call("DeleteItem", msgspec.json.encode({"TableName": TABLE, "Key": key}))


def watermark(world: World) -> Watermark:
    row = world.table.get(Key(*watermark_key("items")))
    assert row is not None
    return decode_watermark(row.state)


def rewrite(world: World, pk: str) -> list[dict[str, Any]]:
    """Let a later release write the rows of a partition; return them."""
    later = [{**item, "l": {"N": str(LAYOUT + 1)}} for item in rows(world, pk)]
    for item in later:
        world.dynamodb.call("PutItem", msgspec.json.encode({"TableName": TABLE, "Item": item}))
    return later


def rows(world: World, pk: str) -> list[dict[str, Any]]:
    return [item for item in world.dynamodb.items(TABLE) if item["pk"]["S"] == pk]


@pytest.mark.parametrize("expired", [1, 2])
def test_a_projection_that_comes_later_begins_after_what_expired_and_says_since_when(expired: int) -> None:
    world = World()
    world.write(0, viewed("a"))
    world.write(0, viewed("b"))
    expire(world, *range(1, expired + 1))
    assert world.project().entries_left == 0
    assert watermark(world) == Watermark({0: 2}, NOON_S + NEW_CODE_S)
    world.write(0, viewed("c"))
    assert world.project().entries_left == 0
    assert [pk for pk, _ in world.bodies("I")] == ["I#b", "I#c"][expired - 1 :]


def test_where_others_began_a_projection_meanwhile_theirs_stays() -> None:
    world = World(projections=[Items()])
    world.write(0, viewed("a"))
    world.write(0, viewed("b"))
    expire(world, 1)

    def meanwhile() -> None:  # by whom still found the first entry
        budget = RetryBudget(world.clock, lambda: 0.5, lambda: 60_000)
        Watermarks(world.table, budget).move("items", {0: 0}, is_new=True)

    world.hooked.before["PutItem", 1] = meanwhile
    assert world.project().entries_left == 2
    assert watermark(world) == Watermark({0: 0}, 0)


def test_a_watermark_that_a_later_release_wrote_meanwhile_is_not_written_again() -> None:
    world = World(projections=[Items()])
    world.write(0, viewed("a"))
    later: list[dict[str, Any]] = []
    world.hooked.before["PutItem", 3] = lambda: later.extend(moved_by_a_later_release(world))
    with pytest.raises(NewerLayout):
        world.project()
    assert rows(world, "W#") == later


def moved_by_a_later_release(world: World) -> list[dict[str, Any]]:
    World(on=world, projections=[Items()]).project()
    return rewrite(world, "W#")


def test_no_board_is_folded_from_a_row_that_a_later_release_wrote() -> None:
    world = World(projections=[Items()])
    world.write(0, viewed("a"))
    world.project()
    rewrite(world, "I#a")
    with pytest.raises(NewerLayout):
        World(on=world, projections=[Leaderboards()]).project()
    assert world.bodies("T") == {}
