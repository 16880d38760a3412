"""The features that ``features:batchGet`` knows: how each is called, what it means, how it is computed.

A feature is compiled once a request into a function of a row, so that 10,000 cells are 10,000 look-ups.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from tapstack.core.aggregates import MICROS, WINDOWS, Counters, Windowed, merge_counts, sums
from tapstack.core.amounts import RATINGS, RATINGS_SUM, UNITS_REFUNDED, UNITS_SOLD
from tapstack.core.currencies import CURRENCIES, NO_CURRENCY
from tapstack.core.events import EVENT_TYPES, TYPE_CODE
from tapstack.core.item_facts import Facts
from tapstack.core.rows import ItemState, UserState
from tapstack.core.sessions import SESSION_GAP_S, Session
from tapstack.insights.items import facts_of_stripes, rate

Value = str | int | float | bool | None | list[str]
R = TypeVar("R")
Getter = Callable[[R], Value]

# The tiles that windows are made of are those that an item's row keeps: 5 minutes, an hour, a day.
WINDOW_NAMES = ("1h", "24h", "7d")
LIFETIME, EVENTS = "", -1  # the scope without a window; the key under which all event types are added up
# What is counted by event type, bought by currency, and of items refunded by currency with `REFUNDED` before.
Scope = Mapping[int | str, int | float]
REFUNDED = "-"
_AMOUNTS = {UNITS_SOLD: "units", UNITS_REFUNDED: "units_refunded", RATINGS: "rating_count"}
_RATINGS_SUM = "rating_sum"


class Feature(NamedTuple, Generic[R]):
    """A feature, or several alike.

    Parameters
    ----------
    name
        As clients write it; what is in braces stands for a word.
    json_type
        Of its value, in JSON's words; missing values are null.
    meaning
        What it is.
    pattern
        Matches the names; its groups are given to `compile`.
    compile
        Makes the function that computes it.
    """

    name: str
    json_type: str
    meaning: str
    pattern: str
    compile: Callable[[re.Match[str]], Getter[R] | None]


class UserRow(NamedTuple):
    """A user as its features see it."""

    state: UserState
    counted: Scope
    session: Session | None
    session_counted: Scope
    now_s: int


class ItemRow(NamedTuple):
    """An item, its stripes added up, as its features see it: what is counted by scope."""

    scopes: Mapping[str, Scope]
    facts: Facts
    updated_s: int


def window_start_s(name: str, at_s: int) -> int:
    """Return where the oldest tile of a window begins: its length before, and less than a tile more."""
    window = WINDOWS[WINDOW_NAMES.index(name)]
    return (window.number(at_s) - window.kept) * window.length_s


def user_row(state: UserState, now_s: int) -> UserRow:
    """Return a user's row for `compiled` features; a session is over 30 minutes after its last event."""
    newest = state.sessions.newest[-1] if state.sessions.newest else None
    session = newest if newest is not None and now_s - newest.end_s <= SESSION_GAP_S else None
    in_session = {} if session is None else _scope(session.counters)
    return UserRow(state, _scope(state.counters), session, in_session, now_s)


def item_row(stripes: Sequence[ItemState], at_s: int, scopes: Iterable[str]) -> ItemRow:
    """Return an item's row for `compiled` features.

    Parameters
    ----------
    stripes
        The item's rows, at least one.
    at_s
        When windows end, Unix seconds; not before any arrival in `stripes`, or they lack their oldest tiles.
    scopes
        The windows that are needed, and `LIFETIME`.
    """
    counters = [item.counters for item in stripes]
    amounts = [item.amounts for item in stripes if item.amounts is not None]
    added = {name: _scope(_added(counters, name, at_s)) for name in scopes}
    if amounts:
        added = {name: {**scope, **_amounts(_added(amounts, name, at_s))} for name, scope in added.items()}
    return ItemRow(added, facts_of_stripes(stripes), max(item.counters.arrived_s for item in stripes))


def _added(stripes: Sequence[Windowed], scope: str, at_s: int) -> Counters:
    """Add up what a window covers, or the lifetime."""
    if scope == LIFETIME:
        found = [windowed.lifetime for windowed in stripes]
    else:
        position = WINDOW_NAMES.index(scope)
        oldest = WINDOWS[position].oldest_kept(at_s)
        found = [
            counters
            for windowed in stripes
            for number, counters in windowed.windows[position].items()
            if number >= oldest
        ]
    total: Counters = {}
    for counters in found:
        merge_counts(total, counters)
    return total


def _scope(counters: Counters) -> Scope:
    counted: dict[int | str, int | float] = {
        key: amount for key, amount in counters.items() if isinstance(key, int)
    }
    counted[EVENTS] = sum(counted.values())
    for currency, amount in sums(counters).items():
        counted[currency] = amount / MICROS
    return counted


def _amounts(amounts: Counters) -> Scope:
    scope: dict[int | str, int | float] = {_AMOUNTS[key]: amounts[key] for key in _AMOUNTS if key in amounts}
    scope[_RATINGS_SUM] = amounts.get(RATINGS_SUM, 0) / MICROS
    for currency, amount in sums(amounts).items():
        scope[REFUNDED + currency] = amount / MICROS
    return scope


_TYPES = "|".join(EVENT_TYPES)
_WINDOWED = rf"(?:_(?P<scope>{'|'.join(WINDOW_NAMES)}))?"


def _key(name: str) -> int | str:
    if name == "event":
        return EVENTS
    return TYPE_CODE.get(name, name)


def _of_user(found: re.Match[str]) -> Getter[UserRow]:
    key = _key(found["name"])
    return lambda row: row.counted.get(key, 0)


def _of_session(found: re.Match[str]) -> Getter[UserRow]:
    key = _key(found["name"])
    return lambda row: row.session_counted.get(key, 0)


def _of_item(found: re.Match[str]) -> Getter[ItemRow]:
    key, scope = _key(found["name"]), found["scope"] or LIFETIME
    return lambda row: row.scopes[scope].get(key, 0)


def _value_of_user(found: re.Match[str]) -> Getter[UserRow] | None:
    return _of_user(found) if _is_currency(found["name"]) else None


def _value_of_item(found: re.Match[str]) -> Getter[ItemRow] | None:
    return _of_item(found) if _is_currency(found["name"]) else None


def _amount_of_item(found: re.Match[str]) -> Getter[ItemRow]:
    name, scope = found["name"], found["scope"] or LIFETIME
    return lambda row: row.scopes[scope].get(name, 0)


def _refunded(found: re.Match[str]) -> Getter[ItemRow] | None:
    key, scope = REFUNDED + found["name"], found["scope"] or LIFETIME
    return (lambda row: row.scopes[scope].get(key, 0)) if _is_currency(found["name"]) else None


def _net_value(found: re.Match[str]) -> Getter[ItemRow] | None:
    name, scope = found["name"], found["scope"] or LIFETIME
    if not _is_currency(name):
        return None
    return lambda row: row.scopes[scope].get(name, 0) - row.scopes[scope].get(REFUNDED + name, 0)


def _rating_mean(found: re.Match[str]) -> Getter[ItemRow]:
    scope = found["scope"] or LIFETIME

    def mean(row: ItemRow) -> Value:
        count = row.scopes[scope].get("rating_count", 0)
        return row.scopes[scope][_RATINGS_SUM] / count if count else None

    return mean


def _rate(found: re.Match[str]) -> Getter[ItemRow]:
    code, scope = TYPE_CODE[_RATES[found["name"]]], found["scope"] or LIFETIME
    return lambda row: rate(row.scopes[scope], code)


_RATES = {"cart": "cart_add", "purchase": "purchase"}


def _fact(found: re.Match[str]) -> Getter[ItemRow]:
    name = found["name"]

    def fact(row: ItemRow) -> Value:
        said = getattr(row.facts, name)
        return None if said is None else said[1]

    return fact


def _price(row: ItemRow) -> Value:
    return None if row.facts.price is None else row.facts.price[1] / MICROS


def _currency_of_price(row: ItemRow) -> Value:
    return None if row.facts.price is None else row.facts.price[2]


def _is_currency(name: str) -> bool:
    return name in CURRENCIES or name == NO_CURRENCY


def _trait(found: re.Match[str]) -> Getter[UserRow]:
    name = found["name"]
    return lambda row: row.state.profile.traits.get(name)


def _always(getter: Getter[R]) -> Callable[[re.Match[str]], Getter[R]]:
    return lambda _: getter


def _age_s(at_s: int, now_s: int) -> int:
    return max(0, now_s - at_s)  # an event may come from a clock that is ahead


def _last_item(row: UserRow) -> Value:
    return row.state.recent[0].item_id if row.state.recent else None


def _last_item_age_s(row: UserRow) -> Value:
    return _age_s(row.state.recent[0].at_s, row.now_s) if row.state.recent else None


def _session_age_s(row: UserRow) -> Value:
    return None if row.session is None else _age_s(row.session.start_s, row.now_s)


USER_FEATURES: tuple[Feature[UserRow], ...] = (
    Feature(
        "{event_type}_count",
        "integer",
        "events of a type; `event_count` is all of them",
        rf"(?P<name>event|{_TYPES})_count",
        _of_user,
    ),
    Feature(
        "session_{event_type}_count",
        "integer",
        "the same in the session that goes on; 0 if none does",
        rf"session_(?P<name>event|{_TYPES})_count",
        _of_session,
    ),
    Feature(
        "value_{currency}",
        "number",
        "what was bought, by ISO 4217 currency",
        r"value_(?P<name>[A-Z]{3})",
        _value_of_user,
    ),
    Feature(
        "first_seen_age_s",
        "integer",
        "seconds since the first event",
        "first_seen_age_s",
        _always(lambda row: _age_s(row.state.profile.first_seen_s, row.now_s)),
    ),
    Feature(
        "last_seen_age_s",
        "integer",
        "seconds since the newest event",
        "last_seen_age_s",
        _always(lambda row: _age_s(row.state.profile.last_seen_s, row.now_s)),
    ),
    Feature(
        "session_count",
        "integer",
        "sessions, the one that goes on included",
        "session_count",
        _always(lambda row: row.state.sessions.earlier_count + len(row.state.sessions.newest)),
    ),
    Feature(
        "in_session",
        "boolean",
        "whether a session goes on: an event in the last 30 minutes",
        "in_session",
        _always(lambda row: row.session is not None),
    ),
    Feature(
        "session_age_s",
        "integer",
        "seconds since that session began",
        "session_age_s",
        _always(_session_age_s),
    ),
    Feature(
        "session_viewed_items",
        "list of strings",
        "items viewed in that session, newest last; at most 8",
        "session_viewed_items",
        _always(lambda row: [] if row.session is None else row.session.viewed),
    ),
    Feature(
        "session_bought_items",
        "list of strings",
        "items bought in it, likewise",
        "session_bought_items",
        _always(lambda row: [] if row.session is None else row.session.bought),
    ),
    Feature(
        "last_items",
        "list of strings",
        "items of the last 20 interactions, newest first",
        "last_items",
        _always(lambda row: [recent.item_id for recent in row.state.recent]),
    ),
    Feature("last_item", "string", "the first of them", "last_item", _always(_last_item)),
    Feature("last_item_age_s", "integer", "seconds since then", "last_item_age_s", _always(_last_item_age_s)),
    Feature(
        "locale",
        "string",
        "as the newest event that named one",
        "locale",
        _always(lambda row: row.state.profile.locale),
    ),
    Feature("trait_{name}", "string, number or boolean", "a trait", r"trait_(?P<name>(?s:.){1,64})", _trait),
)
ITEM_FEATURES: tuple[Feature[ItemRow], ...] = (
    Feature(
        "{event_type}_count, {event_type}_count_{window}",
        "integer",
        "events of a type over the lifetime or in a window; `event_count` is all of them",
        rf"(?P<name>event|{_TYPES})_count{_WINDOWED}",
        _of_item,
    ),
    Feature(
        "value_{currency}, value_{currency}_{window}",
        "number",
        "what was bought, by ISO 4217 currency",
        rf"value_(?P<name>[A-Z]{{3}}){_WINDOWED}",
        _value_of_item,
    ),
    Feature(
        "category, brand, name",
        "string",
        "as the newest event says that says one",
        "(?P<name>category|brand|name)",
        _fact,
    ),
    Feature("price", "number", "likewise", "price", _always(_price)),
    Feature("currency", "string", "of that price", "currency", _always(_currency_of_price)),
    Feature(
        "units, units_{window}, units_refunded, units_refunded_{window}",
        "integer",
        "sold, and given back",
        rf"(?P<name>units_refunded|units){_WINDOWED}",
        _amount_of_item,
    ),
    Feature(
        "refunded_{currency}, refunded_{currency}_{window}",
        "number",
        "what was paid back",
        rf"refunded_(?P<name>[A-Z]{{3}}){_WINDOWED}",
        _refunded,
    ),
    Feature(
        "net_value_{currency}, net_value_{currency}_{window}",
        "number",
        "what was bought less what was paid back",
        rf"net_value_(?P<name>[A-Z]{{3}}){_WINDOWED}",
        _net_value,
    ),
    Feature(
        "rating_count, rating_count_{window}",
        "integer",
        "ratings: `value`s of `rate` from -100 to 100",
        rf"(?P<name>rating_count){_WINDOWED}",
        _amount_of_item,
    ),
    Feature(
        "rating_mean, rating_mean_{window}",
        "number",
        "their mean; null if there are none",
        rf"rating_mean{_WINDOWED}",
        _rating_mean,
    ),
    Feature(
        "cart_rate, cart_rate_{window}, purchase_rate, purchase_rate_{window}",
        "number",
        "`cart_add`, or `purchase`, for each `item_view`; null without views",
        rf"(?P<name>cart|purchase)_rate{_WINDOWED}",
        _rate,
    ),
)


def compiled(name: str, features: Sequence[Feature[R]]) -> Getter[R] | None:
    """Return the function that computes the feature of this name; None if there is none."""
    for feature in features:
        found = re.fullmatch(feature.pattern, name)
        if found is not None:
            return feature.compile(found)
    return None


def scopes_of(names: Iterable[str]) -> set[str]:
    """Return the windows that known features of items need, and `LIFETIME` if one needs that."""
    return {
        next((window for window in WINDOW_NAMES if name.endswith(f"_{window}")), LIFETIME) for name in names
    }
