"""A person is a user with the visitors that were nobody else, whatever was counted as whose."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from insights_world import Rows, get, item_of, user_of

from event_strategies import NOON_S, stream_event
from tapstack.core.events import EVENT_TYPES, Event
from tapstack.core.history import newest_first
from tapstack.core.journal import head_key
from tapstack.core.links import LINKS_MAX, POINTER_STATE, user_pointer, visitor_pointer
from tapstack.core.rows import UserState, anonymous_key, item_partition, known_user_key, stripe_sort_key
from tapstack.http import Request
from tapstack.insights.respond import respond

VISITORS = ("v1", "v2", "v3")
# Who did something: the user, or one of the visitors; when; and which item.
DONE = st.lists(
    st.tuples(st.sampled_from(("ann", *VISITORS)), st.integers(0, 90), st.sampled_from("abc")), max_size=25
)


def link(rows: Rows, user_id: str, visitor: str, expires_at_s: int = 0) -> None:
    user_pk, visitor_pk = known_user_key(user_id)[0], anonymous_key(visitor)[0]
    for key in (visitor_pointer(user_pk, visitor), user_pointer(visitor_pk, user_id)):
        rows.put_state(*key, POINTER_STATE, expires_at_s=expires_at_s)


def did(number: int, who: str, minute: int, item: str) -> Event:
    ids = {"user_id": who, "anonymous_id": None} if who == "ann" else {"user_id": None, "anonymous_id": who}
    kind = "purchase" if number % 5 == 0 else "item_view"
    return stream_event(
        event_id=f"e{number}",
        event_type=kind,
        occurred_at=f"2026-03-10T{10 + minute // 60:02}:{minute % 60:02}:00Z",
        items=[{"item_id": item, "price": 2}],
        currency="EUR",
        **ids,
    )


def shop(done: list[tuple[str, int, str]]) -> tuple[Rows, dict[str, UserState]]:
    rows = Rows()
    whose = {
        who: user_of(*[did(number, *each) for number, each in enumerate(done) if each[0] == who])
        for who in ("ann", *VISITORS)
        if who == "ann" or any(each[0] == who for each in done)
    }
    for who, state in whose.items():
        rows.put(*(known_user_key(who) if who == "ann" else anonymous_key(who)), state)
    for visitor in VISITORS:
        link(rows, "ann", visitor)
    link(rows, "bob", "v3")
    return rows, whose


@given(DONE)
def test_a_person_did_what_the_user_and_its_own_visitors_did(done: list[tuple[str, int, str]]) -> None:
    rows, whose = shop([("ann", 0, "a"), *done])
    answer = get(rows, "/v1/users/ann", linked="true")
    mine = [(n, each) for n, each in enumerate([("ann", 0, "a"), *done]) if each[0] != "v3"]
    assert answer["events"] == len(mine)
    bought = sum(1 for n, _ in mine if n % 5 == 0)
    assert answer["counts"].get("purchase", 0) == bought
    assert answer["value"].get("EUR", 0) == 2 * bought
    recent = sorted(
        [entry for who, state in whose.items() if who != "v3" for entry in state.recent], key=newest_first
    )
    assert [each["item_id"] for each in answer["recent_items"]] == [entry.item_id for entry in recent[:20]]
    shown = {each["anonymous_id"]: each for each in answer["visitors"]}
    assert list(shown) == list(VISITORS)
    assert [shown[v]["shared"] for v in VISITORS] == [False, False, True]
    for visitor in VISITORS:
        assert shown[visitor]["events"] == len([each for each in done if each[0] == visitor])
    assert answer["visitors_incomplete"] is False
    assert visits(mine) == [
        (each["start"][11:16], each["end"][11:16], each["events"])
        for each in reversed(get(rows, "/v1/users/ann/sessions", linked="true")["sessions"]["recent"])
    ]


def visits(mine: list[tuple[int, tuple[str, int, str]]]) -> list[tuple[str, str, int]]:
    """Events without labels, at most 30 minutes apart: no more than three in an hour and a half."""
    minutes = sorted(minute for _, (_, minute, _) in mine)
    found: list[list[int]] = []
    for minute in minutes:
        if found and minute - found[-1][-1] <= 30:
            found[-1].append(minute)
        else:
            found.append([minute])
    return [(clock(visit[0]), clock(visit[-1]), len(visit)) for visit in found]


def clock(minute: int) -> str:
    return f"{10 + minute // 60:02}:{minute % 60:02}"


@given(st.lists(st.booleans(), max_size=30))
def test_pointers_that_expired_hide_no_other_user(are_alive: list[bool]) -> None:
    """A visitor of very many users: those that TTL has not deleted yet stand before one that is alive."""
    rows = Rows()
    rows.put(*known_user_key("ann"), user_of(did(1, "ann", 0, "a")))
    rows.put(*anonymous_key("v1"), user_of(did(2, "v1", 1, "b")))
    link(rows, "ann", "v1")
    for number, is_alive in enumerate(are_alive):
        link(rows, f"a{number:02}", "v1", NOON_S + 1 if is_alive else NOON_S)
    answer = get(rows, "/v1/users/ann", linked="true")
    assert [each["shared"] for each in answer["visitors"]] == [any(are_alive)]
    assert answer["events"] == (1 if any(are_alive) else 2)
    alive = [*(f"a{number:02}" for number, is_alive in enumerate(are_alive) if is_alive), "ann"]
    assert get(rows, "/v1/users/v1", linked="true")["user_ids"] == alive[:8]


@given(DONE, st.integers(1, 9))
def test_a_history_is_that_of_all_rows_in_one_order(done: list[tuple[str, int, str]], n: int) -> None:
    rows, whose = shop([("ann", 0, "a"), *done])
    every = sorted(
        [entry for who, state in whose.items() if who != "v3" for entry in state.recent], key=newest_first
    )
    shown: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        part = get(rows, "/v1/users/ann/history", linked="true", n=str(n), **cursor)
        shown += part["items"]
        if part["next_cursor"] is None:
            break
        cursor = {"cursor": part["next_cursor"]}
    if all(len(state.recent) < 20 for state in whose.values()):
        assert [each["item_id"] for each in shown] == [entry.item_id for entry in every]


def test_a_visitor_names_the_users_it_became_and_takes_none_of_theirs() -> None:
    rows, _ = shop([("ann", 0, "a"), ("v3", 3, "b")])
    answer = get(rows, "/v1/users/v3", linked="true")
    assert (answer["anonymous_id"], answer["events"]) == ("v3", 1)
    assert answer["user_ids"] == ["ann", "bob"]
    assert "visitors" not in answer


def test_without_being_asked_for_nothing_is_added() -> None:
    rows, _ = shop([("ann", 0, "a"), ("v1", 3, "b")])
    answer = get(rows, "/v1/users/ann")
    assert answer["events"] == 1
    assert not {"visitors", "visitors_incomplete", "user_ids"} & set(answer)


def test_a_link_that_expired_is_none() -> None:
    rows, _ = shop([("ann", 0, "a"), ("v1", 3, "b")])
    link(rows, "ann", "v1", expires_at_s=NOON_S)
    link(rows, "bob", "v3", expires_at_s=NOON_S)
    answer = get(rows, "/v1/users/ann", linked="true")
    assert [(each["anonymous_id"], each["shared"]) for each in answer["visitors"]] == [
        ("v2", False),
        ("v3", False),
    ]
    assert answer["events"] == 1


def test_a_full_list_of_links_may_lack_visitors() -> None:
    rows, whose = shop([("ann", 0, "a")])
    whose["ann"].profile.links = dict.fromkeys(range(LINKS_MAX), 1)
    rows.put(*known_user_key("ann"), whose["ann"])
    assert get(rows, "/v1/users/ann", linked="true")["visitors_incomplete"] is True


def test_a_visit_goes_on_across_a_login_and_one_with_a_label_by_its_label() -> None:
    rows = Rows()
    for key, who, minutes in ((known_user_key("ann"), "ann", (20, 25)), (anonymous_key("v1"), "v1", (0, 9))):
        rows.put(*key, user_of(*[did(1 + minute, who, minute, "a") for minute in minutes]))
    link(rows, "ann", "v1")
    sessions = get(rows, "/v1/users/ann", linked="true")["sessions"]
    assert (sessions["count"], sessions["recent"][0]["events"]) == (1, 4)
    assert sessions["recent"][0]["start"] == "2026-03-10T10:00:00Z"


def recommended(rows: Rows) -> list[Any]:
    """What is recommended to Ann, with links: by the path, by a session, by a ranking."""
    path = get(rows, "/v1/users/ann/recommendations", linked="true", include_seen="true")
    bodies: dict[str, Any] = {
        "sessions:recommend": {"items": [], "include_seen": True},
        "items:rank": {"items": ["a", "b", "c"]},
    }
    answers = [path]
    for last, body in bodies.items():
        packed = json.dumps({"user_id": "ann", "linked": True, **body}).encode()
        asked = Request(method="POST", path=("v1", last), raw_body=packed)
        answers.append(json.loads(respond(asked, rows, NOON_S).body))
    return answers


@given(DONE)
def test_recommendations_are_for_the_person(done: list[tuple[str, int, str]]) -> None:
    rows, whose = shop([("ann", 0, "a"), *done])
    for item in "abc":
        rows.put(item_partition(item), stripe_sort_key(0), item_of(viewed={"goal": 1}))
    rows.put_state(*head_key(0), b"", version=1)
    recent = sorted(
        [entry for who, state in whose.items() if who != "v3" for entry in state.recent], key=newest_first
    )
    seen = list(dict.fromkeys(entry.item_id for entry in recent))
    bought = {entry.item_id for entry in recent if EVENT_TYPES[entry.type_code] == "purchase"}
    path, session, ranked = recommended(rows)
    for answer in (path, session, ranked):
        assert answer["based_on"] == seen
    for answer in (path, session):
        assert {each["item_id"] for each in answer["items"]} == {"goal", *seen[1:]} - bought


def test_a_visitor_has_no_visitors() -> None:
    rows, _ = shop([("v1", 3, "b")])
    plain, linked = (get(rows, "/v1/users/v1/recommendations", linked=each) for each in ("false", "true"))
    assert plain == linked
