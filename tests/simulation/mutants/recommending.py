"""Mutants of recommendations: what is scored, and what is left out."""

from __future__ import annotations

from .mutant import one

RECOMMENDER = "tapstack.insights.recommender"
RECOMMENDATIONS = "tapstack.insights.recommendations"

RECOMMENDING = (
    one(
        "recommended_from_one_stripe",
        "recommendations add up all stripes",
        RECOMMENDATIONS,
        "for state in stripes]",
        "for state in stripes[:1]]",
    ),
    one(
        "recommended_from_expired_rows",
        "recommendations ignore expired rows",
        "tapstack.insights.striped_rows",
        "if row is not None and not 0 < row.expires_at_s <= self._now_s:",
        "if row is not None:",
    ),
    one(
        "recommended_though_bought",
        "what was bought is not recommended",
        RECOMMENDATIONS,
        "        without |= history.bought",
        "        without |= set()",
    ),
    one(
        "recommended_though_a_visitor_bought",
        "with links, a person's history is that of the user and of its own visitors",
        RECOMMENDATIONS,
        "is_person = linked and row.key == keys[0]",
        "is_person = False",
    ),
    one(
        "recommended_for_what_was_removed",
        "what was taken out of a cart is no interest",
        RECOMMENDATIONS,
        "if entry.type_code in INTERESTED]",
        "]",
    ),
    one(
        "recommended_in_one_hop",
        "partners of partners are recommended too",
        RECOMMENDER,
        "            self._vote(source, bridge, self._weights.hop * score, partners.get(bridge, {}))",
        "            pass",
    ),
    one(
        "recommended_by_oldest",
        "the newest items count most",
        RECOMMENDER,
        "self._weights.decay**rank, partners.get(source, {}))",
        "self._weights.decay**(9 - rank), partners.get(source, {}))",
    ),
)
