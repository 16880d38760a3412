"""Recommendations: what is answered equals a recomputation from the rows, and the reasons add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import VIEW, Away, Rows, item_state, user_of

from event_strategies import NOON_S, stream_event
from tapstack.core.ranking import TRENDS, Board, Series
from tapstack.core.rows import (
    anonymous_key,
    board_partition,
    item_partition,
    known_user_key,
    stripe_sort_key,
)
from tapstack.errors import Unavailable
from tapstack.insights.recommendations import (
    REASONS_MAX,
    WEIGHTS,
    History,
    Shelves,
    Wish,
    history_of,
    rank,
    recommend,
)
from tapstack.insights.recommender import BRIDGES_MAX, HISTORY_MAX, Recommender
from tapstack.insights.striped_rows import StripedRows

NAMES = [f"i{number}" for number in range(16)]
ITEM_IDS = st.sampled_from(NAMES)
PAIRS = st.dictionaries(ITEM_IDS, st.integers(1, 50), max_size=6)
STRIPE = st.tuples(PAIRS, PAIRS, st.booleans())  # viewed with, bought with, expired
SHOPS = st.dictionaries(ITEM_IDS, st.lists(STRIPE, min_size=1, max_size=2), max_size=16)
DAY = TRENDS[-1].window
HISTORIES = st.lists(ITEM_IDS, unique=True, max_size=14)
LANES = (0, 5)  # of two stripes

Shop = Mapping[str, Sequence[tuple[Mapping[str, int], Mapping[str, int], bool]]]


def shelves(shop: Shop, popular: Mapping[str, int]) -> Shelves:
    rows = Rows()
    for item_id, stripes in shop.items():
        for stripe, (viewed, bought, is_expired) in enumerate(stripes):
            item = item_state(viewed_with=dict(viewed), bought_with=dict(bought))
            rows.put(
                item_partition(item_id), stripe_sort_key(stripe), item, NOON_S if is_expired else NOON_S + 1
            )
    put_popular(rows, popular)
    return Shelves(StripedRows(rows, LANES, NOON_S), NOON_S)


def put_popular(rows: Rows, popular: Mapping[str, int]) -> None:
    """Put what was interacted with today; what was more than seven days before does not count."""
    items: dict[str, Series] = {item_id: {VIEW: {0: count}} for item_id, count in popular.items()}
    board = Board(DAY.number(NOON_S), {**items, "old": {VIEW: {8: 99}}}, {})
    rows.put(board_partition(DAY), stripe_sort_key(0), board)


def partners_of(shop: Shop, item_id: str) -> dict[str, int]:
    """Add up what is written, another way than the product does."""
    alive = [
        counts
        for viewed, bought, expired in shop.get(item_id, ())
        if not expired
        for counts in (viewed, bought)
    ]
    return {
        name: sum(counts.get(name, 0) for counts in alive) for name in sorted({n for c in alive for n in c})
    }


def expected_scores(shop: Shop, history: Sequence[str], *, seen: bool) -> dict[str, float]:
    """Work the scores out by the rule of docs/reference/recommender.md."""
    newest = history[:10]
    strength = {
        name: {other: count / sqrt(sum(partners.values())) for other, count in partners.items()}
        for name in NAMES
        if (partners := partners_of(shop, name))
    }
    first = {
        name: round(
            sum(0.8**rank * strength.get(source, {}).get(name, 0.0) for rank, source in enumerate(newest)), 9
        )
        for name in NAMES
    }
    bridges = sorted((-score, name) for name, score in first.items() if score and name not in newest)[:10]
    scores = {
        name: first[name]
        + sum(WEIGHTS.hop * -minus * strength.get(bridge, {}).get(name, 0.0) for minus, bridge in bridges)
        for name in NAMES
    }
    if seen:
        for rank_, name in enumerate(newest[1:]):
            scores[name] += 0.8**rank_
    return {name: score for name, score in scores.items() if score}


@given(
    SHOPS,
    HISTORIES,
    st.dictionaries(ITEM_IDS, st.integers(1, 9), max_size=5),
    st.booleans(),
    st.sets(ITEM_IDS, max_size=4),
    st.sets(ITEM_IDS, max_size=4),
)
def test_what_is_recommended_equals_a_recomputation(
    shop: Shop, history: list[str], popular: dict[str, int], seen: bool, bought: set[str], exclude: set[str]
) -> None:
    scores = expected_scores(shop, history, seen=seen)
    out = (set(history[:1]) if seen else set(history)) | bought | exclude
    wanted = (scores.keys() | popular.keys()) - out
    known, found = recommend(
        shelves(shop, popular),
        History(history, frozenset(bought)),
        Wish(n=100, include_seen=seen, exclude=sorted(exclude)),
    )
    assert known == [name for name in history[:10] if any(not gone for *_, gone in shop.get(name, ()))]
    assert {item.item_id for item in found} == wanted
    for item in found:
        assert isclose(item.score, scores.get(item.item_id, 0.0), abs_tol=1e-8)
    places = [(-round(item.score, 6), -popular.get(item.item_id, 0), item.item_id) for item in found]
    assert [place[0] for place in places] == sorted(place[0] for place in places)
    assert [place for place in places if not place[0]] == sorted(place for place in places if not place[0])


@given(SHOPS, HISTORIES.filter(bool), st.booleans())
def test_the_reasons_of_a_score_add_up_to_it(shop: Shop, history: list[str], seen: bool) -> None:
    recommender = voted(shop, history)
    if seen:
        recommender.count_seen()
    for item_id in recommender.ranked({}):
        votes = recommender.votes(item_id)
        assert isclose(sum(vote.score for vote in votes), recommender.score(item_id), abs_tol=1e-8)
        assert votes == sorted(votes, key=lambda vote: -vote.score)
        for vote in votes:
            assert vote.source in history[:HISTORY_MAX]
            if vote.pairs:
                assert vote.pairs == partners_of(shop, vote.via or vote.source)[item_id]
            else:
                assert (seen, vote.source) == (True, item_id)


def voted(shop: Shop, history: Sequence[str]) -> Recommender:
    recommender = Recommender(history, WEIGHTS)
    recommender.count_partners({name: partners_of(shop, name) for name in recommender.history})
    bridges = recommender.bridges()
    assert len(bridges) <= BRIDGES_MAX
    recommender.count_partners_of(bridges, {name: partners_of(shop, name) for name in bridges})
    return recommender


def test_equal_votes_stand_in_the_order_of_their_voters() -> None:
    # Each bridge gives 1/6 of its weight; in floats, 3 / sqrt(324) is a little more than 1 / sqrt(36).
    recommender = Recommender(["mug"], WEIGHTS)
    recommender.count_partners({"mug": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 16}})
    partners = {
        name: {"pot": pairs, "x": (6 * pairs) ** 2 - pairs}
        for name, pairs in {"a": 1, "b": 3, "c": 5, "d": 7}.items()
    }
    recommender.count_partners_of(recommender.bridges(), partners)
    assert "".join(vote.via or "" for vote in recommender.votes("pot")) == "abcd"


@given(SHOPS, HISTORIES, st.floats(0, 0.99), st.integers(0, 20))
def test_diversity_only_changes_the_order(shop: Shop, history: list[str], diversity: float, n: int) -> None:
    recommender = voted(shop, history)
    ranked = recommender.ranked({"popular": 1})
    assert recommender.diversified(ranked, 0.0, n) == ranked[:n]
    mixed = recommender.diversified(ranked, diversity, len(ranked))
    assert sorted(mixed) == sorted(ranked)
    assert mixed[:1] == ranked[:1]
    assert recommender.diversified(ranked, diversity, n) == mixed[:n]
    by_source: dict[str, list[str]] = {}
    for item_id in mixed:
        votes = recommender.votes(item_id)
        by_source.setdefault(votes[0].source if votes else "", []).append(item_id)
    for items in by_source.values():
        assert items == [item_id for item_id in ranked if item_id in items]


def test_sources_take_turns_where_much_diversity_is_asked_for() -> None:
    shop: Shop = {
        "mug": [({"a": 9, "b": 8, "c": 7}, {}, False)],
        "lamp": [({"x": 3, "y": 2}, {}, False)],
    }
    history = History(["mug", "lamp"])
    orders = [
        "".join(item.item_id for item in recommend(shelves(shop, {}), history, Wish(n=5, diversity=much))[1])
        for much in (0.0, 0.9)
    ]
    assert orders == ["abcxy", "axbyc"]


def test_who_is_not_known_gets_what_is_popular() -> None:
    found = recommend(shelves({}, {"mug": 3, "lamp": 7}), History(["unknown"]), Wish(n=5))
    assert found[0] == []
    assert [(item.item_id, item.score, item.why[0].reason, item.why[0].count) for item in found[1]] == [
        ("lamp", 0.0, "popular", 7),
        ("mug", 0.0, "popular", 3),
    ]


def test_the_strongest_reasons_are_given_first() -> None:
    shop: Shop = {name: [({"vase": 1}, {}, False)] for name in "abcdef"}
    (vase,) = recommend(shelves(shop, {}), History(list("abcdef")), Wish(n=1))[1]
    assert [reason.item_id for reason in vase.why] == list("abcdef")[:REASONS_MAX]
    assert vase.score == pytest.approx(sum(0.8**rank for rank in range(6)))


def test_an_item_two_steps_away_names_the_one_between() -> None:
    shop: Shop = {"mug": [({"lamp": 4}, {}, False)], "lamp": [({"mug": 4, "vase": 5}, {}, False)]}
    lamp, vase = recommend(shelves(shop, {}), History(["mug"]), Wish(n=5))[1]
    assert [(why.item_id, why.via, why.count) for why in lamp.why] == [("mug", None, 4)]
    assert [(why.item_id, why.via, why.count) for why in vase.why] == [("mug", "lamp", 5)]


@given(
    SHOPS,
    HISTORIES,
    st.lists(ITEM_IDS, unique=True),
    st.dictionaries(ITEM_IDS, st.integers(1, 9), max_size=5),
)
def test_ranking_returns_all_candidates_in_order(
    shop: Shop, history: list[str], candidates: list[str], popular: dict[str, int]
) -> None:
    scores = expected_scores(shop, history, seen=True)
    _, found = rank(shelves(shop, popular), History(history), candidates)
    assert sorted(item.item_id for item in found) == sorted(candidates)
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    for item in found:
        assert isclose(item.score, scores.get(item.item_id, 0.0), abs_tol=1e-8)
    nothing = [item.item_id for item in found if not item.score and item.item_id not in popular]
    assert nothing == [name for name in candidates if name in nothing]


def test_a_history_is_what_was_touched_and_not_taken_away() -> None:
    rows = Rows()
    events = [
        stream_event(
            event_id=str(n),
            event_type=kind,
            occurred_at=f"2026-03-10T11:{n:02}:00Z",
            items=[{"item_id": item}],
        )
        for n, (kind, item) in enumerate(
            [
                ("item_view", "a"),
                ("cart_add", "b"),
                ("purchase", "b"),
                ("item_view", "c"),
                ("cart_remove", "d"),
                ("item_view", "a"),
            ]
        )
    ]
    rows.put(*known_user_key("ann"), user_of(*events))
    assert history_of(rows, "ann", NOON_S) == History(["a", "c", "b"], frozenset("b"))
    rows.put(*anonymous_key("x"), user_of(*events[:1]), expires_at_s=NOON_S)
    assert history_of(rows, "x", NOON_S - 1) == History(["a"])
    assert history_of(rows, "x", NOON_S) == History(())


def test_a_row_that_cannot_be_read_is_an_error_and_no_gap() -> None:
    with pytest.raises(Unavailable):
        recommend(Shelves(StripedRows(Away(), LANES, NOON_S), NOON_S), History(["a"]), Wish(n=1))
