"""Parameters that several routes take."""

from __future__ import annotations

from tapstack.core.aggregates import WINDOWS
from tapstack.core.ranking import TRENDS
from tapstack.insights.filters import ANY_ITEM
from tapstack.insights.parameters import Choice, Currency, Integer, Number, Text

LISTED_DEFAULT = 20
LISTED_MAX = 100

N = Integer(name="n", low=1, high=LISTED_MAX, default=str(LISTED_DEFAULT))
WINDOW = Choice(
    name="window",
    into="window",
    values={window.name: window for window in WINDOWS},
    default=WINDOWS[0].name,
)
# A cursor holds an item id of up to four bytes a character, and a few numbers; a third longer in base64.
CURSOR = Text(name="cursor", chars_max=1_500)
NO_YES = {"false": False, "true": True}
LINKED = Choice(name="linked", into="linked", values=NO_YES, default="false")
TREND = Choice(name="window", into="trend", values={trend.name: trend for trend in TRENDS}, default="1h")
# What items must be; names as long as an event may write them.
FILTERS = (
    Text(name="category", chars_max=256),
    Text(name="brand", chars_max=256),
    Currency(),
    Number(name="price_min", unset=ANY_ITEM.price_min, needs="currency"),
    Number(name="price_max", unset=ANY_ITEM.price_max, needs="currency", at_least="price_min"),
)
