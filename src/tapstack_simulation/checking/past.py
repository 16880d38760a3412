"""What a reader may be shown while everything changes: a version of each row that a read may still meet.

Reads are eventually consistent, and a Query of several pages meets each row at a moment of its own. So of
every row an answer may hold any version from the oldest that the table still answers with when the read
begins to the newest when it ends; none of them at all where the row was not there, or has expired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from math import inf
from typing import Any, TypeVar

from tapstack_simulation.checking.facts import CODES
from tapstack_simulation.checking.item_facts import (
    GIVEN_BACK,
    RATINGS,
    RATINGS_SUM,
    SOLD,
    amounts_in,
    described,
    known_in,
    rates,
)
from tapstack_simulation.checking.rows import (
    BOUGHT_WITH_MAX,
    VIEWED_WITH_MAX,
    WINDOWS,
    Image,
    Key,
    Violation,
)
from tapstack_simulation.checking.views import NAMES, Answer, described_user, item_is_incomplete, lowest

FRESHNESS = ("as_of", "since")
SAID_FIELDS = ("category", "brand", "name", "price", "currency")
ITEM_FIELDS = {
    "item_id", *SAID_FIELDS, "events", "counts", "value", "value_incomplete", "units", "refunds", "net_value",
    "ratings", "rates", "windows", *FRESHNESS,
}  # fmt: skip
VERSIONS_MAX = 8  # of a row that the simulated table keeps for stale reads, the present one included
Name = TypeVar("Name", bound=Hashable)
Versions = Sequence[Any]  # states of one row, None where it was not there
Part = tuple[str, int, int | str]  # window ("" for the lifetime), its number, event type or currency


class Past:
    """The versions of every row that a read may be answered with.

    Attributes
    ----------
    is_needed : bool
        Whether anybody reads; if not, nothing is kept.
    """

    def __init__(self) -> None:
        self.is_needed = True
        self._versions: dict[str, dict[str, list[Image | None]]] = {}
        self._readers = 0

    def note(self, key: Key, image: Image | None) -> None:
        """Note what a row has become; None if it was deleted."""
        if not self.is_needed:
            return
        versions = self._versions.setdefault(key[0], {}).setdefault(key[1], [None])
        versions.append(image)
        if not self._readers:
            del versions[:-VERSIONS_MAX]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Forget no version while a reader is at work."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                for rows in self._versions.values():
                    for versions in rows.values():
                        del versions[:-VERSIONS_MAX]

    def of(self, pk: str, now_s: int) -> list[list[Any]]:
        """List the versions of each row of a partition, for a reader to whom what has expired is gone."""
        return [
            [image.state if image is not None and image.ttl_s > now_s else None for image in versions]
            for versions in self._versions.get(pk, {}).values()
        ]


def hold_user(past: Past, user_id: str, now_s: int, answer: Answer | None) -> None:
    """Check the answer about a user: it is one row, so all of it must be of one version."""
    known, visitors = (
        [state for versions in past.of(f"{kind}#{user_id}", now_s) for state in reversed(versions)] or [None]
        for kind in "UA"
    )
    possible = [(state, True) for state in known if state is not None]
    if None in known:
        possible += [(state, False) for state in visitors if state is not None]
        if answer is None and None in visitors:
            return
    for state, is_known in possible:
        if answer == described_user(user_id, state, now_s, is_known=is_known):
            return
    raise Violation(11, f"user {user_id} is shown as {answer}, which was never so")


def hold_item(past: Past, item_id: str, now_s: int, answer: Answer | None) -> None:
    """Check the answer about an item: no count is above or below what its rows had."""
    rows = past.of(f"I#{item_id}", now_s)
    if answer is None:
        _hold_absence(item_id, rows)
        return
    hold_shape(item_id, set(answer), ITEM_FIELDS)
    _hold_rates(item_id, answer)
    shown = _counters("", 0, answer) | _figures(answer)
    for name, length_s, _ in WINDOWS:
        starts = [entry["start"] for entry in answer["windows"][name]]
        if starts != sorted(set(starts), reverse=True):
            raise Violation(11, f"{item_id} is shown with windows of {name} in this order: {starts}")
        for entry in answer["windows"][name]:
            number = _seconds(entry["start"]) // length_s
            shown |= _counters(name, number, entry) | {(f"units {name}", number, SOLD): entry["units"]}
            _hold_rates(item_id, entry)
    may_be = {state is not None and item_is_incomplete(state) for versions in rows for state in versions}
    if answer["value_incomplete"] not in may_be:
        raise Violation(11, f"{item_id} is shown with value_incomplete {answer['value_incomplete']}")
    low, high = _bounds([[_parts(state, now_s) for state in versions] for versions in rows])
    for part in {**low, **shown}:
        if not low.get(part, 0) <= shown.get(part, 0) <= high.get(part, 0):
            count, least, most = shown.get(part, 0), low.get(part, 0), high.get(part, 0)
            raise Violation(11, f"{item_id} is shown with {count} of {part}; it had {least} to {most}")
    _hold_known(item_id, answer, rows)


def hold_freshness(item_id: str, now_s: int, answer: Answer, counted: Callable[[int], Counter[int]]) -> None:
    """Check that an answer about an item holds what had been counted at the moment it names.

    Parameters
    ----------
    item_id, now_s, answer
        The answer, and when it was asked for.
    counted
        Returns what had been counted of the item before a moment, by type.
    """
    as_of_s = _seconds(answer["as_of"])
    if as_of_s > now_s or answer["since"] is not None:
        raise Violation(11, f"{item_id} is shown as of {answer['as_of']}, since {answer['since']}")
    for code, count in counted(as_of_s).items():
        shown = answer["counts"].get(NAMES[code], 0)
        if shown < count:
            raise Violation(
                11, f"{item_id} is shown with {shown} of {NAMES[code]} as of {answer['as_of']}, not {count}"
            )


def hold_partners(
    past: Past, item_id: str, now_s: int, n: int, answer: Answer | None, *, bought: bool
) -> None:
    """Check the answer about an item's partners."""
    rows = past.of(f"I#{item_id}", now_s)
    if answer is None:
        _hold_absence(item_id, rows)
        return
    hold_shape(item_id, set(answer), {"item_id", "items", "count_error_max", *FRESHNESS})
    position, places = (2, BOUGHT_WITH_MAX) if bought else (1, VIEWED_WITH_MAX)
    maps = [[{} if state is None else state[position] for state in versions] for versions in rows]
    _hold_ranking(f"partners of {item_id}", answer, maps, places, n)
    code = CODES["purchase" if bought else "item_view"]
    shop, own = (_events(past, pk, now_s, code) for pk in ("P#", f"I#{item_id}"))
    for each in answer["items"]:
        other = _events(past, f"I#{each['item_id']}", now_s, code)
        low = each["count"] / shop[1] if shop[1] else 0.0
        high = each["count"] / shop[0] if shop[0] else inf
        _hold_ratio(f"support of {item_id}", each["support"], (low, high), may_lack=not shop[0])
        most, least = own[1] * other[1], own[0] * other[0]
        low = each["count"] * shop[0] / most if most else 0.0
        high = each["count"] * shop[1] / least if least else inf
        _hold_ratio(f"lift of {item_id}", each["lift"], (low, high), may_lack=not shop[0] or not least)


def _events(past: Past, pk: str, now_s: int, code: int) -> tuple[int, int]:
    """Return the least and the most that the rows of an item, or of the shop, may have counted of a type."""
    counts = [
        [0 if state is None else state[0][0].get(code, 0) for state in versions]
        for versions in past.of(pk, now_s)
    ]
    return sum(map(min, counts)), sum(map(max, counts))


def _hold_ratio(what: str, shown: float | None, bounds: tuple[float, float], *, may_lack: bool) -> None:
    low, high = bounds
    is_right = may_lack if shown is None else low - 1e-9 <= shown <= high + 1e-9
    if not is_right:
        raise Violation(11, f"{what} is {shown}; it was {low} to {high}")


def hold_search_terms(past: Past, position: int, now_s: int, n: int, answer: Answer) -> None:
    """Check the answer about a window's search terms: no count is above or below what its rows had."""
    name, length_s, _ = WINDOWS[position]
    fields = {"window", "start", "end", "searches", "terms", "count_error_max", *FRESHNESS}
    hold_shape(name, set(answer), fields)
    number = _seconds(answer["start"]) // length_s
    present = now_s // length_s
    may_be_empty = all(None in versions for versions in past.of(f"Q#{name}#{present}", now_s))
    if number != present and not (number == present - 1 and may_be_empty):
        raise Violation(11, f"search terms of {name} are those of {number}, not those of {present}")
    rows = past.of(f"Q#{name}#{number}", now_s)
    counts = [[{d: term[0] for d, term in (state or {}).items()} for state in versions] for versions in rows]
    low, high = _bounds(counts)
    if not sum(low.values()) <= answer["searches"] <= sum(high.values()) or answer["count_error_max"]:
        raise Violation(11, f"{name} is shown with {answer['searches']} searches of {low} to {high}")
    digests = {t[2]: d for versions in rows for state in versions for d, t in (state or {}).items() if t[2]}
    shown = {entry["term"]: entry["count"] for entry in answer["terms"]}
    ranked = sorted(shown.items(), key=lambda entry: (-entry[1], entry[0]))
    if list(shown.items()) != ranked or len(answer["terms"]) != len(shown) or len(shown) > n:
        raise Violation(11, f"search terms are not in order, or more than {n}: {answer['terms']}")
    for term, count in shown.items():
        digest = digests.get(term)
        if digest is None or not low.get(digest, 0) <= count <= high[digest]:
            raise Violation(11, f"{term} is shown with {count} searches of {low} to {high}")


def _hold_ranking(
    what: str, answer: Answer, rows: list[list[Mapping[str, int]]], places: int, n: int
) -> None:
    shown = {entry["item_id"]: entry["count"] for entry in answer["items"]}
    ranked = sorted(shown.items(), key=lambda entry: (-entry[1], entry[0]))
    if list(shown.items()) != ranked or len(answer["items"]) != len(shown) or len(shown) > n:
        raise Violation(11, f"{what} are not in order, or more than {n}: {answer['items']}")
    low, high = _bounds(rows)
    for item_id, count in shown.items():
        if not max(1, low.get(item_id, 0)) <= count <= high.get(item_id, 0):
            had = f"{low.get(item_id, 0)} to {high.get(item_id, 0)}"
            raise Violation(11, f"{what} say {count} for {item_id}, which had {had}")
    least = ranked[-1][1] if len(ranked) == n else 0
    for item_id in low.keys() - shown.keys():
        if low[item_id] > least:
            raise Violation(11, f"{what} leave out {item_id}, which had {low[item_id]} or more")
    errors = [[lowest(state, places) for state in versions] for versions in rows]
    if not sum(map(min, errors)) <= answer["count_error_max"] <= sum(map(max, errors)):
        raise Violation(11, f"{what} may be wrong by {answer['count_error_max']}, they say, of {errors}")


def _hold_absence(item_id: str, rows: Iterable[Versions]) -> None:
    if not all(None in versions for versions in rows):
        raise Violation(11, f"{item_id} is not known, yet it had rows all the time")


def hold_shape(what: str, fields: set[str], wanted: set[str]) -> None:
    """Check which fields an answer has."""
    if fields != wanted:
        raise Violation(11, f"{what} is shown with {sorted(fields)} instead of {sorted(wanted)}")


def _bounds(rows: Iterable[Sequence[Mapping[Name, int]]]) -> tuple[dict[Name, int], dict[Name, int]]:
    """Add up the least and the most of each count over the versions of each row."""
    low: dict[Name, int] = {}
    high: dict[Name, int] = {}
    for versions in rows:
        for name in {name: None for state in versions for name in state}:
            amounts = [state.get(name, 0) for state in versions]
            low[name] = low.get(name, 0) + min(amounts)
            high[name] = high.get(name, 0) + max(amounts)
    return low, high


def _parts(state: Any, now_s: int) -> dict[Part, int]:
    """Take an item's row apart, into what is served of it."""
    if state is None:
        return {}
    parts: dict[Part, int] = {("", 0, key): amount for key, amount in state[0][0].items()}
    said = amounts_in(state)
    parts |= {("amounts", 0, key): amount for key, amount in said[0].items()}
    for (name, length_s, kept), numbered, numbers in zip(WINDOWS, state[0][1], said[1], strict=True):
        for number, amounts in numbered.items():
            if number > now_s // length_s - kept:
                parts |= {(name, number, key): amount for key, amount in amounts.items()}
                parts[f"units {name}", number, SOLD] = numbers.get(number, {}).get(SOLD, 0)
    return parts


def _figures(answer: Answer) -> dict[Part, int]:
    """Take apart what an answer says of an item's amounts."""
    refunds, ratings = answer["refunds"], answer["ratings"]
    shown: dict[int | str, int] = {key: round(value * 1e6) for key, value in refunds["value"].items()}
    shown |= {SOLD: answer["units"], GIVEN_BACK: refunds["units"], RATINGS: ratings["count"]}
    shown[RATINGS_SUM] = round((ratings["mean"] or 0) * ratings["count"] * 1e6)
    return {("amounts", 0, key): amount for key, amount in shown.items()}


def _hold_rates(item_id: str, answer: Answer) -> None:
    if answer["rates"] != rates(answer["counts"]):
        raise Violation(11, f"{item_id} is shown with {answer['rates']} and {answer['counts']}")
    value, back = answer["value"], answer.get("refunds", {}).get("value", {})
    net = {key: value.get(key, 0) - back.get(key, 0) for key in [*value, *back]}
    shown = answer.get("net_value", net)
    if shown.keys() != net.keys() or any(abs(shown[key] - net[key]) > 1e-3 for key in net):
        raise Violation(11, f"{item_id} is shown with {shown}, {value} and {back}")


def _hold_known(item_id: str, answer: Answer, rows: Iterable[Versions]) -> None:
    """Check what an answer says an item is: the newest, for some version of each row, that any row said."""
    known = [[{} if state is None else known_in(state) for state in versions] for versions in rows]
    for field in SAID_FIELDS[:4]:
        at_least = max((min(_when(each, field) for each in versions) for versions in known), default=(-1,))
        may_be = [each for versions in known for each in versions if _when(each, field) >= at_least]
        shown = [answer[name] for name in ((field, "currency") if field == "price" else (field,))]
        names = ("price", "currency") if field == "price" else (field,)
        if shown not in [[described(each)[name] for name in names] for each in may_be]:
            raise Violation(11, f"{item_id} is shown with {field} {shown}, which no row said then: {known}")


def _when(known: Mapping[str, tuple[Any, ...]], field: str) -> tuple[Any, ...]:
    return known.get(field, (-1,))


def _counters(name: str, number: int, shown: Answer) -> dict[Part, int]:
    """Take counters apart that are shown."""
    if shown["events"] != sum(shown["counts"].values()):
        raise Violation(11, f"{shown['events']} events are shown, and {shown['counts']}")
    parts: dict[Part, int] = {(name, number, CODES[event]): count for event, count in shown["counts"].items()}
    return parts | {(name, number, key): round(value * 1e6) for key, value in shown["value"].items()}


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
