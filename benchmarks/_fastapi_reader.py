"""The peer of single reads: an item as one serves it with FastAPI, pydantic and boto3's resource.

The table holds a map of counters for each item, which boto3 turns into Python's numbers.
"""

from __future__ import annotations

import os
from typing import Any

import boto3
import pydantic
from fastapi import FastAPI, HTTPException

TABLE = "counters"


class Rates(pydantic.BaseModel):
    cart: float | None
    purchase: float | None


class Ratings(pydantic.BaseModel):
    count: int
    mean: float | None


class Refunds(pydantic.BaseModel):
    units: int
    value: dict[str, float]


class Window(pydantic.BaseModel):
    start: str
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    units: int
    rates: Rates


class Item(pydantic.BaseModel):
    item_id: str
    category: str | None
    brand: str | None
    name: str | None
    price: float | None
    currency: str | None
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    value_incomplete: bool
    units: int
    refunds: Refunds
    net_value: dict[str, float]
    ratings: Ratings
    rates: Rates
    windows: dict[str, list[Window]]
    as_of: str
    since: str | None


app = FastAPI()
_table = boto3.resource("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).Table(TABLE)


@app.get("/v1/items/{item_id}")
def read(item_id: str) -> Item:
    found: dict[str, Any] = _table.get_item(Key={"pk": f"I#{item_id}", "sk": "-"}).get("Item", {})
    if not found:
        raise HTTPException(404)
    return Item.model_validate(found["body"])
