# ruff: noqa: E501 - lines of the product are quoted as they stand
"""Mutants of trends: which items have a place, what is said of the others, and how windows slide."""

from __future__ import annotations

from .mutant import one

BOARDS = "tapstack.projections.leaderboards"
RANKING = "tapstack.core.ranking"
TRENDING = "tapstack.insights.trending"

TRENDS = (
    one("one_stripe_trends", "trends add up all stripes", TRENDING, "board_partition(trend.window), now_s)\n", "board_partition(trend.window), now_s)[:1]\n"),
    one("trends_never_wrong", "trends say by how much they may be wrong", RANKING, "max([0, sum(missing) - lowest, *errors, *others])", "0"),
    one("window_a_hop_too_short", "a window covers its whole length", RANKING, "first = last - trend.hops\n", "first = last - trend.hops + 1\n"),
    one("weights_ignored", "an answer is weighed as it was asked for", RANKING, "ranked = [Ranked(item_id, score(counts, weights), counts)", "ranked = [Ranked(item_id, score(counts, DEFAULT_WEIGHTS), counts)"),
    one("type_ignored", "trends of a type rank by it alone", "tapstack.insights.route", "return self.type_weights or self.weights", "return self.weights"),
    one("more_trends_than_asked_for", "no more are listed than were asked for", RANKING, "return Ranking(first, last, ranked[:n], ", "return Ranking(first, last, ranked, "),
    one("trends_out_of_order", "of equal scores the smaller id comes first", RANKING, "key=lambda each: (-each.score, each.item_id)", "key=lambda each: -each.score"),
    one("board_forgets_the_others", "a leaderboard keeps what it had", BOARDS, "                body.items[item_id] = series\n", "                body.items.clear()\n                body.items[item_id] = series\n"),
    one("board_expires_too_early", "a leaderboard outlives the journal", BOARDS, "    keep_s = DERIVED_TTL_MIN_S", "    keep_s = 86_400"),
    one("board_keeps_a_hop_too_few", "a leaderboard holds each sub-window that a trend covers", BOARDS, "body.newest - window.kept)", "body.newest - window.kept + 1)"),
    one("ages_stand_still", "what is shown grows older", RANKING, "    if by <= 0:\n", "    if by <= 10**9:\n"),
    one("ages_without_arrivals", "ages begin at the latest arrival", BOARDS, "max([body.newest, *arrivals])", "max([body.newest, *arrivals[:1]])"),
    one("bounds_never_age", "what is said of items without a place grows older too", RANKING, "    board.evicted = _aged(board.evicted, by, kept)\n", ""),
    one("boards_keep_the_lowest", "a full leaderboard keeps the highest", RANKING, "if height > last]", "if height < last]"),
    one("boards_not_trimmed", "a leaderboard has a limited number of places", RANKING, "    while len(kept) > places or", "    while places < 0 or"),
    one("boards_by_score_alone", "each type has places of its own", RANKING, "_first(heights, places if ranking == OVERALL else places // 2)", "_first(heights, places if ranking == OVERALL else 1)"),
    one("boards_of_one_trend", "each trend that a leaderboard answers has places", BOARDS, "trim(body, SPANS[position])", "trim(body, SPANS[position][:1])"),
    one("leaves_without_a_trace", "how much an item without a place has is known", RANKING, "    _evict(board, gone)\n", ""),
    one("bound_of_the_last_to_leave", "the bound is that of all items without a place", RANKING, "max(height, one.get(age, 0), other.get(age, 0))", "max(height, other.get(age, 0))"),
    one("no_bound_by_score", "items without a place are bounded by each ranking", RANKING, "        _raise_steps(most.setdefault(OVERALL, {}), overall)\n", ""),
)  # fmt: skip
