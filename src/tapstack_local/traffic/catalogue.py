"""The shop's items, the lists it shows them in, how popular they are, and what goes with what.

Popularity is Zipf's law with exponent 1, as it is measured for products and pages again and again:
with 5,000 items the first sells about a tenth of everything.
"""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from random import Random
from typing import Any

import msgspec

ITEMS = 5_000
CATEGORIES = (
    "shoes", "shirts", "trousers", "dresses", "coats", "bags", "watches", "jewellery", "sport", "outdoor",
    "toys", "books", "games", "music", "film", "phones", "tablets", "laptops", "cameras", "audio",
    "kitchen", "lighting", "furniture", "textiles", "garden", "tools", "paint", "pets", "baby", "beauty",
    "health", "food", "drinks", "office", "school", "art", "bikes", "cars", "travel", "gifts",
)  # fmt: skip
CURRENCY = "EUR"
LIST_VISIBLE = 6  # items of a list that a screen shows at once: those are the impressions an SDK reports
PAGE_TURN = 0.35  # a reader of a list who goes on to its next page
ON_TOPIC = 0.85  # lists that a visitor with something in mind opens: of the category he came for
COMPANIONS = 4  # of an item: what the shop recommends beside it, its neighbours in the category

_WORDS = ("red", "blue", "black", "cheap", "best", "new", "small", "large", "light", "summer")


class Listing(msgspec.Struct, frozen=True):
    """A page of a list: what an impression event says, and the items on it."""

    query: str | None
    shown: list[dict[str, Any]]
    items: list[int]


class Catalogue:
    """Items with prices in categories, and the lists they stand in.

    Parameters
    ----------
    random
        Prices and the categories of items come from here.
    """

    def __init__(self, random: Random) -> None:
        ids = [f"sku-{1000 + index}" for index in range(ITEMS)]
        random.shuffle(ids)  # an id says nothing of how popular the item is
        self.details: list[dict[str, Any]] = [
            {
                "item_id": item_id,
                "category": random.choice(CATEGORIES),
                "price": round(1 + random.lognormvariate(3.2, 0.9), 2),
                "currency": CURRENCY,
            }
            for item_id in ids
        ]
        self._popularity = zipf(ITEMS)
        self._positions = zipf(LIST_VISIBLE)
        self._companions = zipf(COMPANIONS)
        by_category: dict[str, list[int]] = {name: [] for name in CATEGORIES}
        for index, detail in enumerate(self.details):
            by_category[detail["category"]].append(index)
        self._by_category = by_category
        self._rank = {index: rank for items in by_category.values() for rank, index in enumerate(items)}
        self._categories = {name: self._pages(None, name, items) for name, items in by_category.items()}
        self._category_popularity = zipf(len(CATEGORIES))
        # Each word before a category finds a third of its items.
        self._searches = {
            name: [
                self._pages(f"{word} {name}", "search", items[place % 3 :: 3])
                for place, word in enumerate(_WORDS)
            ]
            for name, items in by_category.items()
        }
        for searches in self._searches.values():
            random.shuffle(searches)
        self._word_popularity = zipf(len(_WORDS))

    def any_item(self, random: Random) -> int:
        """Draw an item by popularity: from an advertisement or a friend."""
        return bisect(self._popularity, random.random())

    def companion(self, item: int, random: Random) -> int:
        """Draw an item that the shop recommends beside another one: a neighbour in its category."""
        items, rank = self._by_category[self.topic(item)], self._rank[item]
        first = max(0, min(rank - COMPANIONS // 2, len(items) - COMPANIONS - 1))
        near = [each for each in items[first : first + COMPANIONS + 1] if each != item]
        return near[min(bisect(self._companions, random.random()), len(near) - 1)]

    def topic(self, item: int) -> str:
        """Return the category of an item."""
        return str(self.details[item]["category"])

    def any_topic(self, random: Random) -> str:
        """Draw a category by popularity."""
        return CATEGORIES[bisect(self._category_popularity, random.random())]

    def category(self, topic: str, random: Random) -> Listing:
        """Draw a page of a category, mostly of the one that a visitor has in mind."""
        return self._turn(self._categories[self._drift(topic, random)], random)

    def search(self, topic: str, random: Random) -> Listing:
        """Draw a page of search results, mostly of the category that a visitor has in mind."""
        searches = self._searches[self._drift(topic, random)]
        return self._turn(searches[bisect(self._word_popularity, random.random())], random)

    def _drift(self, topic: str, random: Random) -> str:
        return topic if random.random() < ON_TOPIC else self.any_topic(random)

    def choose(self, listing: Listing, random: Random) -> int:
        """Draw the item of a list that is clicked: the nearer the top, the likelier."""
        place = bisect(self._positions, random.random())
        return listing.items[min(place, len(listing.items) - 1)]

    def _turn(self, pages: list[Listing], random: Random) -> Listing:
        page = 0
        while page + 1 < len(pages) and random.random() < PAGE_TURN:
            page += 1
        return pages[page]

    def _pages(self, query: str | None, list_id: str, items: list[int]) -> list[Listing]:
        """Cut a list, the most popular items first, into pages."""
        return [
            Listing(
                query,
                [
                    {"item_id": self.details[index]["item_id"], "position": start + place, "list_id": list_id}
                    for place, index in enumerate(items[start : start + LIST_VISIBLE])
                ],
                items[start : start + LIST_VISIBLE],
            )
            for start in range(0, len(items), LIST_VISIBLE)
        ]


def zipf(places: int) -> list[float]:
    """Return the cumulative probabilities of Zipf's law with exponent 1; the last is above 1."""
    weights = list(accumulate(1 / (place + 1) for place in range(places)))
    return [*(weight / weights[-1] for weight in weights[:-1]), 1.1]
