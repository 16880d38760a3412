"""The checker's own answers, and what it makes of wrong ones; all of it on rows written by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tapstack.core.journal import Watermark, encode_watermark
from tapstack.http import NotFound, Request
from tapstack.insights.respond import respond
from tapstack.ports import Key, Row
from tapstack_simulation.checking.behaviour import Effect
from tapstack_simulation.checking.journal import Entry, Journal
from tapstack_simulation.checking.links import Pairs
from tapstack_simulation.checking.past import (
    VERSIONS_MAX,
    Past,
    hold_item,
    hold_partners,
    hold_search_terms,
    hold_user,
)
from tapstack_simulation.checking.questions import agrees, questions
from tapstack_simulation.checking.rows import Image, Violation
from tapstack_simulation.checking.trends import Asked, check_boards, hold_trends, trending_answer
from tapstack_simulation.checking.views import (
    Answer,
    by_partition,
    item_answer,
    partners_answer,
    search_terms_answer,
    user_answer,
)

NOON_S = 1_767_268_800  # 2026-01-01T12:00:00Z, the beginning of a window of 5 minutes and of one of an hour
FRESH = {"as_of": "2026-01-01T12:00:00Z", "since": None}
HOUR, DAY = NOON_S // 3_600, NOON_S // 86_400
USER = [
    [{}, {}, {}, -1, -1, -1, []],
    [NOON_S - 3_600, NOON_S, "de", {"plan": "paid"}, NOON_S, ["v1", "v2"], {}],
    {1: 3, 10: 1, "EUR": 19_990_000},
    [[NOON_S, 10, "b", 7], [NOON_S - 1, 1, "a", 999]],
    [
        [
            ["s1", NOON_S - 3_600, NOON_S - 3_000, {1: 2}, ["a", "b"], []],
            [None, NOON_S - 1, NOON_S, {1: 1, 10: 1, "EUR": 19_990_000}, ["a"], ["b"]],
        ],
        4,
        NOON_S - 9_000,
    ],
    2,
]
OPEN = {
    "session_id": None,
    "start": "2026-01-01T11:59:59Z",
    "end": "2026-01-01T12:00:00Z",
    "events": 2,
    "counts": {"item_view": 1, "purchase": 1},
    "value": {"EUR": 19.99},
    "viewed_items": ["a"],
    "bought_items": ["b"],
}


def item(views: int, number: int = HOUR, viewed: Any = None, bought: Any = None) -> Any:
    windows = [{}, {number: {1: views}}, {DAY: {1: views}}]
    counters = [{1: views, "EUR": views * 500_000}, windows, NOON_S]
    facts = [[NOON_S - 100 + views, f"c{views}"], None, None, [NOON_S, views * 500_000, "EUR"]]
    amounts = [{0: views, 1: 1, 2: 2, 3: 9_000_000, "EUR": 250_000}, [{}, {number: {0: views}}, {}], NOON_S]
    return [counters, viewed or {}, bought or {}, facts, amounts]


TERMS = f"Q#1h#{HOUR - 1}", f"Q#1h#{HOUR}"
FULL = {f"q{number:02d}": 3 for number in range(16)}
STRIPES = {
    ("U#u", "-"): USER,
    ("A#v", "-"): USER,
    ("I#a", "0000"): item(2, viewed={"b": 1, "c": 2}, bought=FULL),
    ("I#a", "0001"): item(3, HOUR - 24, viewed={"b": 1}),
    ("I#d", "0000"): item(1, viewed={f"q{number:02d}": 2 + number % 3 for number in range(32)}),
    (TERMS[0], "0000"): {5: [4, 3, "shoes"], 6: [9, 1, ""], 7: [1, 1, ""]},
    (TERMS[0], "0001"): {5: [1, 1, ""], 7: [4, 7, "boots"]},
    (TERMS[1], "0000"): {},
    ("T#1h", "0000"): [HOUR - 1, {"a": {1: {0: 2}}, "b": {1: {3: 4}}}, {}],
    ("T#1h", "0001"): [HOUR, {"a": {1: {24: 2, 25: 3}, 10: {2: 1}}}, {1: {0: 1, 24: 2}, -1: {24: 2}}],
}


def table(states: Any, *, expired: str = "") -> dict[tuple[str, str], Image]:
    return {
        key: Image(1, NOON_S if key[1] == expired else NOON_S + 1, state, msgspec.msgpack.encode(state))
        for key, state in states.items()
    }


def test_a_user_is_shown_whole() -> None:
    answer = user_answer(by_partition(table(STRIPES)), "u", NOON_S)
    assert answer is not None
    sessions = answer.pop("sessions")
    assert answer == {
        "user_id": "u",
        "events": 4,
        "counts": {"item_view": 3, "purchase": 1},
        "value": {"EUR": 19.99},
        "value_incomplete": False,
        "first_seen": "2026-01-01T11:00:00Z",
        "last_seen": "2026-01-01T12:00:00Z",
        "locale": "de",
        "traits": {"plan": "paid"},
        "anonymous_ids": ["v1", "v2"],
        "recent_items": [
            {"item_id": "b", "event_type": "purchase", "at": "2026-01-01T12:00:00.007Z"},
            {"item_id": "a", "event_type": "item_view", "at": "2026-01-01T11:59:59.999Z"},
        ],
    }
    assert (sessions["count"], sessions["open"]) == (6, OPEN)
    assert [session["session_id"] for session in sessions["recent"]] == [None, "s1"]


@pytest.mark.parametrize(
    ("after_s", "is_open"), [(0, True), (1_800, True), (1_801, False)], ids=["now", "last", "too late"]
)
def test_a_session_is_open_for_half_an_hour(after_s: int, is_open: bool) -> None:
    rows = {key: image._replace(ttl_s=0) for key, image in table(STRIPES).items()}
    answer = user_answer(by_partition(rows), "v", NOON_S + after_s)
    assert answer is not None
    assert answer["anonymous_id"] == "v"
    assert (answer["sessions"]["open"] is not None) == is_open


@pytest.mark.parametrize(
    ("expired", "views", "hours"),
    [("", 5, {"2026-01-01T12:00:00Z": 2}), ("0000", 3, {}), ("0001", 2, {"2026-01-01T12:00:00Z": 2})],
    ids=["both stripes", "one expired", "the other expired"],
)
def test_an_item_adds_up_the_lanes_that_live_and_serves_no_oldest_window(
    expired: str, views: int, hours: dict[str, int]
) -> None:
    answer = item_answer(by_partition(table(STRIPES, expired=expired)), "a", NOON_S)
    assert answer is not None
    assert (answer["events"], answer["counts"], answer["value"]) == (
        views,
        {"item_view": views},
        {"EUR": views / 2},
    )
    assert {entry["start"]: entry["events"] for entry in answer["windows"]["1h"]} == hours
    assert answer["windows"]["1d"][0]["counts"] == {"item_view": views}


@pytest.mark.parametrize(
    ("bought", "n", "items", "error"),
    [(False, 9, [("b", 2), ("c", 2)], 0), (False, 1, [("b", 2)], 0), (True, 2, [("q00", 3), ("q01", 3)], 3)],
    ids=["a tie", "one of them", "a full map"],
)
def test_partners_are_ranked(bought: bool, n: int, items: list[tuple[str, int]], error: int) -> None:
    answer = partners_answer(by_partition(table(STRIPES)), "a", NOON_S, bought=bought, n=n)
    unknown = {"support": None, "lift": None}
    listed = [{"item_id": item_id, "count": count, **unknown} for item_id, count in items]
    assert answer == {"item_id": "a", "items": listed, "count_error_max": error, **FRESH}


@pytest.mark.parametrize(
    ("kind", "n", "items", "error"),
    [
        ("all", 9, [("a", 14, {"item_view": 4, "purchase": 1}), ("b", 4, {"item_view": 4})], 2),
        ("all", 1, [("a", 14, {"item_view": 4, "purchase": 1})], 0),
        ("purchase", 1, [("a", 1, {"item_view": 4, "purchase": 1})], 0),
        ("item_view", 1, [("a", 4, {"item_view": 4, "purchase": 1})], 2),
    ],
)
def test_trends_add_up_stripes_of_any_age(kind: str, n: int, items: list[Any], error: int) -> None:
    answer = trending_answer(by_partition(table(STRIPES)), Asked(2, kind, n, NOON_S))
    names = ("item_view", "item_click", "cart_add", "wishlist_add", "purchase", "share")
    weights = dict(zip(names, (1, 1, 4, 3, 10, 2), strict=True)) if kind == "all" else {kind: 1}
    assert answer == {
        "window": "24h",
        "from": "2025-12-31T12:00:00Z",
        "to": "2026-01-01T13:00:00Z",
        "items": [{"item_id": name, "score": score, "counts": counts} for name, score, counts in items],
        "weights": weights,
        "count_error_max": error,
        **FRESH,
    }


def test_search_terms_without_a_text_are_counted_and_not_shown() -> None:
    assert search_terms_answer(by_partition(table(STRIPES)), 1, NOON_S, 20) == {
        "window": "1h",
        "start": "2026-01-01T11:00:00Z",
        "end": "2026-01-01T12:00:00Z",
        "searches": 19,
        "terms": [{"term": "boots", "count": 5}, {"term": "shoes", "count": 5}],
        "count_error_max": 0,
        **FRESH,
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"searches": 20}, "20 searches"),
        ({"terms": [{"term": "boots", "count": 6}, {"term": "shoes", "count": 5}]}, "boots is shown with 6"),
        ({"terms": [{"term": "heels", "count": 5}]}, "heels is shown with 5"),
        ({"terms": [{"term": "shoes", "count": 5}, {"term": "boots", "count": 5}]}, "not in order"),
        ({"start": "2026-01-01T10:00:00Z"}, "not those of"),
        ({"count_error_max": 1}, "searches"),
    ],
)
def test_a_wrong_answer_about_search_terms_is_a_violation(wrong: Answer, message: str) -> None:
    past = Past()
    for key, image in table(STRIPES).items():
        past.note(key, image)
    right = search_terms_answer(by_partition(table(STRIPES)), 1, NOON_S, 20)
    hold_search_terms(past, 1, NOON_S, 20, right)
    with pytest.raises(Violation, match=message):
        hold_search_terms(past, 1, NOON_S, 20, {**right, **wrong})


def test_nobody_knows_who_is_not_there() -> None:
    rows = by_partition(table(STRIPES, expired="-"))
    assert user_answer(rows, "u", NOON_S) is None
    assert item_answer(rows, "x", NOON_S) is None
    assert partners_answer(rows, "x", NOON_S, bought=True, n=1) is None


class Reader:
    """`tapstack.ports.RowReader` over the same rows."""

    def __init__(self, rows: dict[tuple[str, str], Image]) -> None:
        self._rows = rows

    def get(self, key: Key) -> Row | None:
        return next((row for row in self.query(key.pk) if row.key == key), None)

    def query(self, pk: str, *, consistent: bool = False) -> list[Row]:
        return [
            Row(key=Key(*key), version=image.version, state=stored(key, image), expires_at_s=image.ttl_s)
            for key, image in sorted(self._rows.items())
            if key[0] == pk
        ]

    def read_prefix(self, pk: str, sk_prefix: str) -> list[Row]:
        return [row for row in self.query(pk) if row.key.sk.startswith(sk_prefix)]

    def read_range(self, pk: str, first: str, last: str, limit: int) -> list[Row]:
        return [row for row in self.query(pk) if first <= row.key.sk <= last][:limit]

    def read_all(self, keys: list[Key], *, consistent: bool = False) -> dict[Key, Row]:
        found = {key: self.get(key) for key in keys}
        return {key: row for key, row in found.items() if row is not None}


def stored(key: tuple[str, str], image: Image) -> bytes:
    return msgspec.msgpack.encode([{}, msgspec.Raw(image.packed)]) if key[0][0] in "ITQPC" else image.packed


# Two lanes, of two stripes, and all of them folded.
JOURNAL = {("L#", lane): Image(1, 0, None, b"") for lane in ("0000", "0004")} | {
    ("W#", name): Image(1, 0, None, encode_watermark(Watermark({0: 1, 4: 1})))
    for name in ("items", "leaderboards", "search_terms", "impressions", "categories")
}
MORE = {
    ("I#b", "0000"): item(1, viewed={"a": 3, "e": 2}),
    ("I#b", "0001"): item(1, viewed={"a": 1}, bought={"f": 4}),
    ("I#e", "0000"): item(1, viewed={"h": 2}),
    (f"C#1h#{HOUR}", "0000"): [{1: 3, "EUR": 5}, {"shoes": [{1: 2, "EUR": 5}, 0], "hats": [{1: 1}, 0]}],
    (f"C#1h#{HOUR - 1}", "0001"): [{10: 1}, {"shoes": [{10: 1}, 0]}],
    ("P#", "0000"): [[{1: 5, 5: 2}, [{}, {HOUR: {1: 5, 5: 2}}, {}], NOON_S], {}],
    ("P#L#home", "0000"): [[{3: 2}, [{}, {}, {}], NOON_S], {DAY: {1: [2, 1], 100: [0, 1]}}],
    ("P#L#home", "0001"): [[{3: 2}, [{}, {}, {}], NOON_S], {DAY - 3: {1: [4, 0], 2: [1, 0]}}],
    ("P#R#r", "0000"): [[{3: 1, 2: 1}, [{}, {}, {}], NOON_S], {0: {1: [1, 1], 2: [1, 0]}}],
    ("U#u", "was#v"): [],
    ("A#v", "is#u"): [],
    ("U#u", "was#w"): [],
    ("A#w", "is#x"): [],
    ("A#w", "is#u"): [],
    ("T#1d", "0001"): [DAY - 1, {"a": {1: {5: 2}}, "g": {1: {0: 9}}, "old": {1: {7: 9}}}, {}],
}


def test_the_product_answers_every_question_alike() -> None:
    rows = table(STRIPES | MORE)
    asked = list(questions(by_partition(rows), Pairs(rows), NOON_S))
    assert {question.path[1] for question in asked} == {
        "users", "items", "trending", "categories", "search-terms", "lists", "recommendations", "conversion",
    }  # fmt: skip
    assert any(question.expected is None and question.path[2] == "a" for question in asked)
    full = [question.expected for question in asked if question.path[2:] == ("d", "also-viewed")]
    assert full[0] is not None
    assert full[0]["count_error_max"] == 2
    for path, query, now_s, expected in asked:
        try:
            request = Request(method="GET", path=path, query=tuple(query.items()))
            answer = msgspec.json.decode(respond(request, Reader(rows | JOURNAL), now_s).body)
        except NotFound:
            answer = None
        assert agrees(answer, expected), path
    said = [question.expected for question in asked if question.path[-1] in {"similar", "recommendations"}]
    reasons = [why for each in said if each is not None for item in each["items"] for why in item["why"]]
    assert {why["reason"] for why in reasons} == {"pairs", "popular", "seen"}
    assert any(why["via"] for why in reasons)
    assert any(item["item_id"] == "g" for each in said if each is not None for item in each["items"])


BOARD = ("T#1h", "0000")
ITEM = {("I#c", "0000"): item(3, HOUR - 2)}
DAYS = {("T#1d", "0000"): [DAY, {"c": {1: {0: 3}}}, {}]}


@pytest.mark.parametrize(
    ("board", "complaint"),
    [
        ([HOUR, {"c": {1: {2: 3}}}, {}], None),
        ([HOUR, {}, {1: {1: 3}, -1: {2: 3}}], None),
        ([HOUR - 24, {"c": {1: {-22: 3}, 10: {25: 1}}}, {}], None),
        ([HOUR, {"c": {1: {2: 2}}}, {}], "its row has"),
        ([HOUR, {"c": {1: {2: 3}, 10: {0: 1}}}, {}], "its row has"),
        ([HOUR, {}, {}], "has 3 by"),
        ([HOUR, {}, {1: {0: 2}, -1: {2: 3}}], "has 3 by 1 up to age 2"),
        ([HOUR, {}, {1: {2: 3}, -1: {3: 3}}], "has 3 by -1 up to age 2"),
        (None, "has 3 by"),
    ],
    ids=["right", "bounded", "behind", "too low", "more", "forgotten", "too low a bound", "later", "missing"],
)
def test_a_board_shows_items_as_their_rows_have_them(board: Any, complaint: str | None) -> None:
    rows = table({**ITEM, **DAYS, **({} if board is None else {BOARD: board})})
    if complaint is None:
        check_boards(rows, HOUR * 3_600)
        return
    with pytest.raises(Violation, match=complaint):
        check_boards(rows, HOUR * 3_600)


def test_a_board_may_be_gone_when_no_trend_covers_what_it_had() -> None:
    check_boards(table({**ITEM, **DAYS}), (HOUR + 23) * 3_600)
    with pytest.raises(Violation, match="has 3 by"):
        check_boards(table({**ITEM, **DAYS}), (HOUR + 22) * 3_600)


def journal() -> Journal:
    """Two views and a purchase of an item, of which the second view came when the hour had begun."""
    made = Journal(5)
    effects = [(1, NOON_S - 3_600), (10, NOON_S - 3_601), (1, NOON_S - 1)]
    for number, (code, at_s) in enumerate(effects):
        effect = Effect(("a",), code, at_s, NOON_S - 1, (), ((), ()))
        made.lanes.setdefault(0, []).append(Entry([effect], NOON_S - 1, (NOON_S - 3 + number) * 1000))
    return made


def trends(views: int, error: int = 0, **more: Any) -> dict[str, Any]:
    item_ = {"item_id": "a", "score": views, "counts": {"item_view": views}}
    return {
        "window": "1h",
        "from": "2026-01-01T11:00:00Z",
        "to": "2026-01-01T12:05:00Z",
        "items": [item_] * bool(views),
        "weights": {"item_view": 1},
        "count_error_max": error,
        **FRESH,
        **more,
    }


LAGGING = {"as_of": "2026-01-01T11:59:59Z"}
OTHERS = [{"item_id": name, "score": 1, "counts": {"item_view": 1}} for name in "ab"]
TRENDS_HELD: dict[str, tuple[dict[str, Any], str]] = {
    "right": (trends(2), ""),
    "behind": (trends(1, **LAGGING), ""),
    "ahead of what it says": (trends(2, **LAGGING), ""),
    "too low": (trends(1), "1 for a, which had 2"),
    "nothing": (trends(0), "nothing of a, which had 2"),
    "too high": (trends(3), "which had Counter"),
    "more than there is": (trends(2, items=OTHERS[::-1]), "not in order"),
    "a wrong score": (trends(2, items=[{**OTHERS[0], "score": 2}]), "not in order"),
    "an error of so few": (trends(1, 1), "may be wrong by 1 of so few"),
    "another hour": (trends(2, **{"from": "2026-01-01T10:55:00Z"}), "are shown as"),
    "to a later moment": (trends(2, to="2026-01-01T12:10:00Z"), "are shown"),
    "of the future": (trends(2, as_of="2026-01-01T12:00:01Z"), "are shown up to"),
    "other weights": (trends(2, weights={"item_view": 2}), "are shown as"),
}


@pytest.mark.parametrize(("answer", "complaint"), TRENDS_HELD.values(), ids=TRENDS_HELD)
def test_trends_are_what_was_counted(answer: dict[str, Any], complaint: str) -> None:
    asked = Asked(1, "item_view", 5, NOON_S)
    if not complaint:
        hold_trends(asked, answer, journal(), NOON_S * 1000)
        return
    with pytest.raises(Violation, match=complaint):
        hold_trends(asked, answer, journal(), NOON_S * 1000)


def test_trends_may_be_those_of_an_arrival_after_the_question() -> None:
    asked = Asked(1, "item_view", 5, NOON_S - 1)
    hold_trends(asked, trends(2, **LAGGING), journal(), NOON_S * 1000)
    with pytest.raises(Violation, match="are shown up to"):
        hold_trends(asked, trends(2, **LAGGING), journal(), NOON_S * 1000 - 1)


def past() -> Past:
    """Remember two stripes of an item, each of them with one view and then with two or four."""
    made = Past()
    for views in (1, 2):
        for stripe, factor in (("0000", 1), ("0001", 2)):
            image = Image(views, NOON_S + 10, item(views * factor, viewed={"b": views}), b"")
            made.note(("I#a", stripe), image)
    made.note(("U#u", "-"), Image(1, NOON_S + 10, USER, b""))
    return made


def item_answer_of(views: int, *, hour: int | None = None) -> dict[str, Any]:
    """Return the answer about an item whose windows know of no purchase."""
    no_rates = {"rates": {"cart": 0.0, "purchase": 0.0}}

    def shown(count: int, value: dict[str, float]) -> dict[str, Any]:
        return {"events": count, "counts": {"item_view": count}, "value": value, **no_rates}

    hours = [{"start": "2026-01-01T12:00:00Z", **shown(hour or views, {}), "units": views}]
    days = [{"start": "2026-01-01T00:00:00Z", **shown(views, {}), "units": 0}]
    return {
        "item_id": "a",
        "category": "c2",
        "brand": None,
        "name": None,
        "price": 1.0,
        "currency": "EUR",
        **shown(views, {"EUR": views / 2}),
        "value_incomplete": False,
        "units": views,
        "refunds": {"units": 1, "value": {"EUR": 0.25}},
        "net_value": {"EUR": views / 2 - 0.25},
        "ratings": {"count": 2, "mean": 4.5},
        "windows": {"5m": [], "1h": hours, "1d": days},
        **FRESH,
    }


PARTNER = {"item_id": "b", "count": 4, "support": None, "lift": None}
PARTNERS = {"item_id": "a", "items": [PARTNER], "count_error_max": 0, **FRESH}
WRONG_ERROR = {**PARTNERS, "count_error_max": 1}


Case = tuple[Callable[[Past], None], str]
HELD: dict[str, Case] = {  # an answer, and what is wrong with it
    "the newest versions": (lambda past: hold_item(past, "a", NOON_S, item_answer_of(6)), ""),
    "the oldest": (lambda past: hold_item(past, "a", NOON_S, item_answer_of(3)), ""),
    "before there was any": (lambda past: hold_item(past, "a", NOON_S, None), ""),
    "too much": (lambda past: hold_item(past, "a", NOON_S, item_answer_of(7)), "7 of .* it had 0 to 6"),
    "too much in an hour": (
        lambda past: hold_item(past, "a", NOON_S, item_answer_of(6, hour=7)),
        "7 of .'1h'",
    ),
    "a wrong sum": (
        lambda past: hold_item(past, "a", NOON_S, {**item_answer_of(6), "events": 5}),
        "5 events",
    ),
    "another category": (
        lambda past: hold_item(past, "a", NOON_S, {**item_answer_of(6), "category": "c3"}),
        "category .'c3'., which no row said",
    ),
    "the price of none": (
        lambda past: hold_item(past, "a", NOON_S, {**item_answer_of(6), "price": 1.5}),
        "price .1.5, 'EUR'., which no row said",
    ),
    "too many units": (
        lambda past: hold_item(past, "a", NOON_S, {**item_answer_of(6), "units": 7}),
        "7 of .'amounts', 0, 0.; it had 0 to 6",
    ),
    "a rating that nobody gave": (
        lambda past: hold_item(
            past, "a", NOON_S, {**item_answer_of(6), "ratings": {"count": 2, "mean": 9.5}}
        ),
        "19000000 of .*; it had 0 to 18000000",
    ),
    "rates that do not follow": (
        lambda past: hold_item(
            past, "a", NOON_S, {**item_answer_of(6), "rates": {"cart": 1.0, "purchase": 0}}
        ),
        "'cart': 1.0",
    ),
    "a net value that does not follow": (
        lambda past: hold_item(past, "a", NOON_S, {**item_answer_of(6), "net_value": {"EUR": 3.0}}),
        "'EUR': 3.0",
    ),
    "not all": (
        lambda past: hold_item(past, "a", NOON_S, {"item_id": "a"}),
        "shown with .'item_id'. instead",
    ),
    "expired": (lambda past: hold_item(past, "a", NOON_S + 10, item_answer_of(3)), "3 of .* it had 0 to 0"),
    "partners": (lambda past: hold_partners(past, "a", NOON_S, 5, PARTNERS, bought=False), ""),
    "support of nothing": (
        lambda past: hold_partners(
            past, "a", NOON_S, 5, {**PARTNERS, "items": [{**PARTNER, "support": -1.0}]}, bought=False
        ),
        "support of a is -1.0",
    ),
    "no partners": (
        lambda past: hold_partners(past, "a", NOON_S, 5, PARTNERS, bought=True),
        "4 for b, which had 0 to 0",
    ),
    "too many partners": (
        lambda past: hold_partners(past, "a", NOON_S, 0, PARTNERS, bought=False),
        "more than 0",
    ),
    "a wrong error": (
        lambda past: hold_partners(past, "a", NOON_S, 5, WRONG_ERROR, bought=False),
        "may be wrong by 1",
    ),
    "before there was a user": (lambda past: hold_user(past, "u", NOON_S, None), ""),
    "an empty user": (lambda past: hold_user(past, "u", NOON_S, {}), "which was never so"),
}


@pytest.mark.parametrize(("hold", "complaint"), HELD.values(), ids=HELD)
def test_an_answer_is_made_of_versions_that_a_read_may_meet(
    hold: Callable[[Past], None], complaint: str
) -> None:
    if not complaint:
        hold(past())
        return
    with pytest.raises(Violation, match=complaint):
        hold(past())


def test_what_is_older_than_the_table_remembers_is_not_shown_any_more() -> None:
    made = past()
    for version in range(3, 3 + VERSIONS_MAX):
        for stripe in ("0000", "0001"):
            made.note(("I#a", stripe), Image(version, NOON_S + 10, item(5), b""))
    said = {"category": "c5", "price": 2.5, "net_value": {"EUR": 4.5}}
    figures = {"refunds": {"units": 2, "value": {"EUR": 0.5}}, "ratings": {"count": 4, "mean": 4.5}}
    hold_item(made, "a", NOON_S, {**item_answer_of(10), **said, **figures})
    for hold in (
        lambda: hold_item(made, "a", NOON_S, {**item_answer_of(10), **said, **figures, "category": "c2"}),
        lambda: hold_item(made, "a", NOON_S, {**item_answer_of(9), **said, **figures}),
        lambda: hold_item(made, "a", NOON_S, None),
    ):
        with pytest.raises(Violation):
            hold()


def test_while_somebody_reads_nothing_is_forgotten() -> None:
    made = past()
    with made.kept():
        for version in range(3, 3 + 2 * VERSIONS_MAX):
            changed = copy.deepcopy(USER)
            changed[2] = {1: version}
            made.note(("U#u", "-"), Image(version, NOON_S + 10, changed, b""))
        hold_user(made, "u", NOON_S, user_answer(by_partition(table(STRIPES)), "u", NOON_S))
    with pytest.raises(Violation):
        hold_user(made, "u", NOON_S, user_answer(by_partition(table(STRIPES)), "u", NOON_S))
