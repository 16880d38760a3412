"""Facts, units, refunds and ratings of items, folded in any order and over stripes: as a recount says."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from projections_world import NOON_S, TABLE, World

from tapstack.aws.table_reader import TableReader
from tapstack.core.events import TYPE_CODE
from tapstack.core.item_facts import Facts
from tapstack.core.journal import Effect
from tapstack.http import Request
from tapstack.insights.respond import respond

LANES = (0, 1, 4)  # two of one stripe, and one of another
PURCHASE, REFUND, RATE = (TYPE_CODE[name] for name in ("purchase", "refund", "rate"))


def answer(world: World, item_id: str) -> dict:  # type: ignore[type-arg]
    reader = TableReader(world.dynamodb, TABLE, world.clock, jitter=lambda: 0.5)
    response = respond(Request(method="GET", path=("v1", "items", item_id)), reader, NOON_S + 60)
    found: dict = msgspec.json.decode(response.body)  # type: ignore[type-arg]
    return found


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_order_of_folding_an_answer_is_the_recount(seed: int) -> None:
    rng = Random(seed)
    world = World(entries_max=rng.choice((1, 3, 64)))
    said: list[Facts] = []
    sold = back = 0
    money, ratings = 0, []
    for _ in range(rng.randrange(1, 25)):
        at_s = NOON_S - rng.randrange(400)
        effects = [Effect(item_ids=["a"], code=1, at_s=at_s, arrived_s=NOON_S)]
        kind, units = rng.choice((PURCHASE, REFUND, RATE)), rng.randrange(4)
        if kind == RATE:
            ratings.append(rng.randrange(-5, 6))
            effects.append(
                Effect(item_ids=["a"], code=kind, at_s=at_s, arrived_s=NOON_S, rating=ratings[-1] * 10**6)
            )
        else:
            sold, back = sold + units * (kind == PURCHASE), back + units * (kind == REFUND)
            refunded = {"EUR": units * 10**6} if kind == REFUND else {}
            money += sum(refunded.values())
            effects.append(
                Effect(item_ids=["a"], code=kind, at_s=at_s, arrived_s=NOON_S, units=units, refunded=refunded)
            )
        facts = Facts(
            (at_s, rng.choice("abc")) if rng.random() < 0.5 else None,
            (at_s, rng.choice("abc")) if rng.random() < 0.5 else None,
            price=(at_s, rng.randrange(9) * 10**6, "EUR") if rng.random() < 0.5 else None,
        )
        is_said = facts != Facts()
        said += [facts] if is_said else []
        world.write(rng.choice(LANES), *effects, facts={"a": facts} if is_said else {})
        if rng.random() < 0.3:
            world.project()
    world.project()
    shown = answer(world, "a")
    for field in ("category", "brand"):
        texts = [value for each in said if (value := getattr(each, field)) is not None]
        assert shown[field] == (max(texts)[1] if texts else None)
    prices = [each.price for each in said if each.price is not None]
    assert shown["price"] == (max(prices)[1] / 1e6 if prices else None)
    assert shown["units"] == sold
    assert shown["refunds"]["units"] == back
    assert shown["refunds"]["value"].get("EUR", 0) == money / 1e6
    assert shown["net_value"].get("EUR", 0) == -money / 1e6
    assert shown["ratings"]["count"] == len(ratings)
    assert shown["ratings"]["mean"] == (pytest.approx(sum(ratings) / len(ratings)) if ratings else None)
    assert sum(window["units"] for window in shown["windows"]["1d"]) == sold
