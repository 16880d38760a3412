"""How each aggregation of a file is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tapstack.core.attributes.cells import Aggregator
from tapstack.core.attributes.definitions import LIMITS, Aggregation, Attribute
from tapstack.core.attributes.distinct import Distinct
from tapstack.core.attributes.moments import First, Last
from tapstack.core.attributes.numeric import Counter, Greatest, Least, Mean, Sum
from tapstack.core.attributes.value_sets import CategoryCount, MostFrequent, UniqueList


def _limit(attribute: Attribute) -> int:
    return attribute.limit or LIMITS[attribute.aggregation][0]


_MAKERS: Mapping[Aggregation, Callable[[Attribute], Aggregator]] = {
    "counter": lambda _: Counter(),
    "sum": lambda _: Sum(),
    "min": lambda _: Least(),
    "max": lambda _: Greatest(),
    "mean": lambda _: Mean(),
    "first": lambda attribute: First(attribute.bytes_max, is_age=False),
    "last": lambda attribute: Last(attribute.bytes_max, is_age=False),
    "time_since_first": lambda attribute: First(attribute.bytes_max, is_age=True),
    "time_since_last": lambda attribute: Last(attribute.bytes_max, is_age=True),
    "unique_list": lambda attribute: UniqueList(_limit(attribute), attribute.bytes_max),
    "category_count": lambda attribute: CategoryCount(_limit(attribute), attribute.bytes_max),
    "most_frequent": lambda attribute: MostFrequent(_limit(attribute), attribute.bytes_max),
    "approx_count_distinct": lambda _: Distinct(),
}


def aggregator_of(attribute: Attribute) -> Aggregator:
    """Return how an attribute is kept."""
    return _MAKERS[attribute.aggregation](attribute)
