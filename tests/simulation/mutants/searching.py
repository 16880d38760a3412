"""Mutants of search terms: what is counted, and who is named."""

from __future__ import annotations

from .mutant import ENTRY, one

TERMS = "tapstack.core.search_terms"
JOURNAL = "tapstack.core.journal"
PROJECTION = "tapstack.projections.search_terms"

SEARCHING = (
    one(
        "term_named_from_the_first",
        "a term is a hash until enough users have searched for it",
        ENTRY,
        "each if each.digest in common else each.hashed()",
        "each",
    ),
    one(
        "term_named_one_user_early",
        "as many users as the setting says",
        TERMS,
        "taken.bit_count() >= users_min",
        "taken.bit_count() >= users_min - 1",
    ),
    one(
        "searches_taken_for_users",
        "a user who searches again is no further user",
        TERMS,
        "places.get(digest, 0) | term.places",
        "(1 << term.count) - 1",
    ),
    one(
        "place_of_the_event",
        "a user has one place in a term",
        TERMS,
        "blake2b(user_key.encode()",
        "blake2b((user_key + str(at_s)).encode()",
    ),
    one(
        "searches_beside_their_users",
        "an entry's searches stand in no order that tells whose they are",
        JOURNAL,
        "sorted([_stored_search(each, arrived_s) for each in searches])",
        "[_stored_search(each, arrived_s) for each in searches]",
    ),
    one(
        "lone_searches_lost",
        "whatever a transaction counts stands in its entry",
        ENTRY,
        "    if not (effects or searches or shown):\n",
        "    if not (effects or shown):\n",
    ),
    one(
        "search_counted_for_others",
        "what a row held of a term stays",
        TERMS,
        "known.count += more.count",
        "known.count = more.count",
    ),
    one(
        "name_of_a_term_lost",
        "a term that is named stays named in its window",
        TERMS,
        "        known.text = more.text or known.text\n",
        "        known.text = more.text\n",
    ),
    one(
        "places_lost",
        "a row remembers which places are taken",
        TERMS,
        "        known.places |= more.places\n",
        "        known.places = more.places\n",
    ),
    one(
        "terms_as_typed",
        "a term has one spelling",
        TERMS,
        "plain.casefold().split()",
        "plain.split()",
    ),
    one(
        "terms_not_cut",
        "a term is bounded in bytes",
        TERMS,
        "    if len(term) * 4 > TERM_BYTES_MAX:\n",
        "    if len(term) > 4 * TERM_BYTES_MAX:\n",
    ),
    one(
        "terms_of_any_window",
        "what is too old is in no row",
        PROJECTION,
        "if window.keeps(number, entry.arrived_s, entry.arrived_s):",
        "if number:",
    ),
    one(
        "time_of_a_search_kept",
        "a search's time is kept to five minutes",
        TERMS,
        "GRAIN_S = 300",
        "GRAIN_S = 1",
    ),
)
