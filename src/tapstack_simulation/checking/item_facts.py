"""What events say of items, and in numbers: computed anew, and held against entries and items' rows.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from tapstack_simulation.checking.facts import NO_CURRENCY, Amounts, merge, named
from tapstack_simulation.checking.rows import WINDOWS, Change, Violation

FACTS, AMOUNTS = 3, 4  # where an item's row has them
FIELDS = ("category", "brand", "name", "price")
BYTES_MAX = {"category": 96, "brand": 64, "name": 128}
SOLD, GIVEN_BACK, RATINGS, RATINGS_SUM = range(4)
RATING_MAX, LINE_MAX = 100, 10**18
EMPTY_AMOUNTS: Any = [{}, [{}, {}, {}], 0]

Known = Mapping[str, tuple[Any, ...]]  # by field, when it was said and what


class Numbers(NamedTuple):
    """What an event says of each of its items in numbers: units, money that was paid back, a rating."""

    units: int = 0
    refunded: tuple[tuple[str, int], ...] = ()
    rating: int | None = None

    def amounts(self, kind: str) -> Amounts:
        """Return what an item's amounts gain by it."""
        if kind == "rate":
            return {} if self.rating is None else {RATINGS: 1, RATINGS_SUM: self.rating}
        units: Amounts = {SOLD if kind == "purchase" else GIVEN_BACK: self.units} if self.units else {}
        return {**units, **dict(self.refunded)}


def numbers_of(event: Mapping[str, Any], item: Mapping[str, Any]) -> Numbers:
    """Return what an event says of an item in numbers."""
    kind, value = event["event_type"], event.get("value")
    if kind == "rate" and value is not None and abs(value) <= RATING_MAX:
        return Numbers(rating=_millionths(value))
    if kind not in {"purchase", "refund"}:
        return Numbers()
    units = 1 if item.get("quantity") is None else item["quantity"]
    if (
        kind == "purchase"
        or item.get("price") is None
        or abs(back := _millionths(item["price"]) * units) > LINE_MAX
    ):
        return Numbers(units)
    return Numbers(units, ((item.get("currency") or event.get("currency") or NO_CURRENCY, back),))


def category_of(item: Mapping[str, Any]) -> str:
    """Return the category that an event names, as it is kept."""
    return _kept("category", item)


def said_of(event: Mapping[str, Any], at_s: int) -> dict[str, Known]:
    """Return what an event says of its items."""
    found: dict[str, Known] = {}
    for item in event.get("items", ()):
        said: dict[str, tuple[Any, ...]] = {
            field: (at_s, text) for field in BYTES_MAX if (text := _kept(field, item))
        }
        if item.get("price") is not None and event["event_type"] != "refund":
            currency = item.get("currency") or event.get("currency") or NO_CURRENCY
            said["price"] = (at_s, _millionths(item["price"]), currency)
        if said:
            found[item["item_id"]] = together([found.get(item["item_id"], {}), said])
    return found


def together(parts: Iterable[Known]) -> Known:
    """Put together what was said of an item: the newest counts, then the greatest."""
    known: dict[str, tuple[Any, ...]] = {}
    for part in parts:
        for field, said in part.items():
            known[field] = max(known.get(field, said), said)
    return known


def amounts_in(state: Any) -> Any:
    """Return an item's amounts; a row of an earlier release ends before them."""
    return (state[AMOUNTS] if state[AMOUNTS:] else None) or EMPTY_AMOUNTS


def known_in(state: Any) -> Known:
    """Return what an item's row says of it; a row of an earlier release says nothing."""
    pairs = zip(FIELDS, (state[FACTS] if state[FACTS:] else None) or (), strict=False)
    return {field: tuple(said) for field, said in pairs if said is not None}


def read_facts(stored: Sequence[Any], arrived_s: int) -> tuple[dict[str, Known], list[str]]:
    """Read an entry's facts: what is said of items, and the category of each item of each effect."""
    texts, said, places = [*stored, [], [], []][:3]
    words = ["", *texts]
    found: dict[str, Known] = {}
    for item_id, before_s, *rest in said:
        at_s = arrived_s - before_s
        known: dict[str, tuple[Any, ...]] = {
            field: (at_s, words[place]) for field, place in zip(FIELDS, rest[:3], strict=False) if place
        }
        if rest[3:]:
            known["price"] = (at_s, *rest[3:])
        found[item_id] = together([found.get(item_id, {}), known])
    return found, [words[place] for place in places]


def check_known(change: Change, said: Iterable[Known]) -> None:
    """Check what a row says of its item: the newest of what it said before and what was folded into it."""
    before, after = change.states()
    wanted = together([known_in(before), *said])
    if known_in(after) != wanted:
        raise Violation(2, f"{change.key} says {after[FACTS]}; its events say {wanted}")


def check_amounts(change: Change, counted: Sequence[tuple[Amounts, int, int]]) -> None:
    """Check a row's amounts against those that were folded into it, each with its time and arrival."""
    before, after = map(amounts_in, change.states())
    arrived_s = max([before[2], *(arrived_s for _, _, arrived_s in counted)])
    lifetime: Amounts = {**before[0]}
    for amounts, _, _ in counted:
        merge(lifetime, named(amounts, [after[0]]))
    windows = []
    for (_, length_s, kept), numbered in zip(WINDOWS, before[1], strict=True):
        wanted = {number: {**amounts} for number, amounts in numbered.items()}
        for amounts, at_s, _ in counted:
            merge(wanted.setdefault(at_s // length_s, {}), named(amounts, [after[0]]))
        windows.append({n: each for n, each in wanted.items() if n >= arrived_s // length_s - kept})
    if after != [lifetime, windows, arrived_s]:
        raise Violation(
            2, f"{change.key} has amounts {after}; its events make {[lifetime, windows, arrived_s]}"
        )


def _kept(field: str, item: Mapping[str, Any]) -> str:
    text = (item.get(field) or "").strip().encode()
    return text[: BYTES_MAX[field]].decode(errors="ignore").rstrip()


def _millionths(value: float) -> int:
    return int((Decimal(str(value)) * 1_000_000).to_integral_value())


def described(known: Known) -> dict[str, Any]:
    """Put what is known of an item into an answer's words."""
    texts = {field: known[field][1] if field in known else None for field in BYTES_MAX}
    price = known.get("price")
    return {
        **texts,
        "price": None if price is None else price[1] / 1e6,
        "currency": None if price is None else price[2],
    }


def rates(counts: Mapping[str, int]) -> dict[str, float | None]:
    """Return the rates that follow from counts by type."""
    views = counts.get("item_view", 0)
    pairs = (("cart", "cart_add"), ("purchase", "purchase"))
    return {name: counts.get(kind, 0) / views if views else None for name, kind in pairs}


ITEM_FEATURES = (
    "category", "brand", "name", "price", "currency", "units", "units_refunded", "rating_count",
    "rating_mean", "cart_rate", "purchase_rate", "refunded_USD", "net_value_USD",
)  # fmt: skip


def described_features(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the features of an item that its answer tells."""
    figures = {
        "units": answer["units"],
        "units_refunded": answer["refunds"]["units"],
        "rating_count": answer["ratings"]["count"],
        "rating_mean": answer["ratings"]["mean"],
        "cart_rate": answer["rates"]["cart"],
        "purchase_rate": answer["rates"]["purchase"],
        "refunded_USD": answer["refunds"]["value"].get("USD", 0),
        "net_value_USD": answer["net_value"].get("USD", 0),
    }
    return {name: figures[name] if name in figures else answer[name] for name in ITEM_FEATURES}


class Wanted(NamedTuple):
    """What items must be to be listed; of what is empty or None they may be anything."""

    category: str = ""
    price_max: float | None = None
    currency: str = ""

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters."""
        price = "" if self.price_max is None else str(self.price_max)
        given = {"category": self.category, "price_max": price, "currency": self.currency}
        return {name: text for name, text in given.items() if text}

    def accepts(self, known: Known) -> bool:
        """Return whether an item is listed, from what is known of it."""
        category = _kept("category", {"category": self.category})
        if category and known.get("category", (0, ""))[1] != category:
            return False
        if not self.currency:
            return True
        _, amount, currency = known.get("price", (0, 0, ""))
        return currency == self.currency and (self.price_max is None or amount <= self.price_max * 1e6)


ANY = Wanted()
