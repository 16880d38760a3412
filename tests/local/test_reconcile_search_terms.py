"""Search terms as the reconciliation sees them, on rows built by hand."""

import msgspec
import pytest
from reconcile_world import AT, AT_S, EVENTS, ByHand, accepted_of, letter, named

from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.search_terms import TERMS_MAX
from tapstack_local.reconciliation.searches import digest_of, term_of

USERS_MIN = 2
SHOES, BOOTS = digest_of("shoes"), digest_of("boots")
DAY = AT_S // 86_400


def search(number, user, query="Shoes"):
    return {
        "event_type": "search",
        "user_id": user,
        "event_id": f"s-{number}",
        "occurred_at": AT,
        "query": query,
    }


SEARCHES = [search(1, "ann"), search(2, "bob", " SHOES "), search(3, "ann", "boots")]


def outcome(terms, *events, window="1d"):
    rows = ByHand()
    tables = rows.tables()
    tables.add(f"Q#{window}#{DAY}", "0000", msgspec.msgpack.encode([{0: 1}, terms]))
    result = reconcile(accepted_of(*EVENTS, *(events or SEARCHES)), tables, search_users_min=USERS_MIN)
    return [
        (finding.short, finding.over)
        for finding in (named(result, "searches for"), named(result, "stored as they are"))
    ]


def test_what_was_searched_for_is_counted():
    assert outcome({SHOES: [2, 3, "shoes"], BOOTS: [1, 1, ""]}) == [(0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("terms", "counts", "names"),
    [
        ({SHOES: [1, 3, ""], BOOTS: [1, 1, ""]}, (1, 0), (0, 0)),
        ({SHOES: [2, 3, ""], BOOTS: [2, 1, ""]}, (0, 1), (0, 0)),
        ({SHOES: [2, 3, ""]}, (1, 0), (0, 0)),
        ({SHOES: [2, 3, ""], BOOTS: [1, 1, "boots"]}, (0, 0), (1, 0)),
        ({SHOES: [2, 3, "heels"], BOOTS: [1, 1, ""]}, (0, 0), (0, 1)),
    ],
    ids=["too few", "too many", "none of one", "named too early", "named as another"],
)
def test_what_is_wrong_is_found(terms, counts, names):
    found = outcome(terms)
    assert found[0] == counts
    assert sum(found[1]) == sum(names)


def test_of_a_full_row_the_sum_is_compared():
    full = {number: [1, 1, ""] for number in range(TERMS_MAX - 1)} | {SHOES: [9, 1, ""]}
    events = [search(number, "ann", f"term {number}") for number in range(TERMS_MAX + 8)]
    assert outcome(full, *events)[0] == (0, 0)
    assert outcome(full, *events[:-1])[0] == (0, 1)


def test_what_is_late_need_not_be_counted():
    late = search(4, "ann")
    rows = ByHand()
    rows.late = [letter(msgspec.json.encode({**late, "received_at": AT}))]
    tables = rows.tables()
    tables.add(
        f"Q#1d#{DAY}", "0000", msgspec.msgpack.encode([{0: 1}, {SHOES: [2, 3, ""], BOOTS: [1, 1, ""]}])
    )
    finding = named(reconcile(accepted_of(*EVENTS, *SEARCHES, late), tables), "searches for")
    assert finding.short == 1, "nothing makes it late"


@pytest.mark.parametrize(
    ("event", "term"),
    [
        ({"event_type": "search", "query": " Red\u200bDRESS "}, "red dress"),
        ({"event_type": "search", "query": "x" * 200}, "x" * 96),
        ({"event_type": "search", "query": 5}, ""),
        ({"event_type": "search"}, ""),
        ({"event_type": "page_view", "query": "shoes"}, ""),
    ],
)
def test_a_term_is_spelled_as_documented(event, term):
    assert term_of(event) == term
