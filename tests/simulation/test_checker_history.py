"""The checker of histories notices what is lost, doubled, overwritten or shown wrongly."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tapstack_simulation.checking.behaviour import Turn
from tapstack_simulation.checking.facts import read_event
from tapstack_simulation.checking.history import Entry, Histories
from tapstack_simulation.checking.rows import EMPTY_USER, Change, Image, Violation
from tapstack_simulation.checking.stored import Promises

DAY_S = 86_400
NOW_S = 1_767_225_600
TTL_S = NOW_S + 30 * DAY_S
PROMISES = Promises(
    age_max_s=14 * DAY_S,
    row_ttl_s=30 * DAY_S,
    retention_s=7 * DAY_S,
    history_interactions=23,
    history_days=10,
    history_page=2,
)
OLD, PAGED, RECENT = [[NOW_S - 100 - at, 1, "p", 0] for at in (40, 30, 0)]


def turn(at_s: int) -> Turn:
    data = msgspec.json.encode(
        {
            "event_type": "item_view",
            "user_id": "a",
            "event_id": f"e-{at_s}",
            "items": [{"item_id": "p"}],
            "occurred_at": "2026-01-01T00:00:00Z",
            "received_at": "2026-01-01T00:00:00Z",
            "clock_skew_ms": 0,
        }
    )
    return Turn(read_event(data).fact, at_s * 1_000, NOW_S)


def image(state: Any, version: int = 1, ttl_s: int = TTL_S) -> Image:
    return Image(version, ttl_s, state, msgspec.msgpack.encode(state))


def user(recent: list[Any], history: Any) -> Any:
    state = copy.deepcopy(EMPTY_USER)
    state[3], state[6] = copy.deepcopy(recent), history
    return state


NEWEST = [[NOW_S - at, 1, "p", 0] for at in range(20)]
TIMES = [*(NOW_S - at for at in range(20)), OLD[0], PAGED[0]]
PAGE_TTL_S = PAGED[0] + 10 * DAY_S


def commit(damage: Callable[[Any, Image], tuple[Any, Image] | None] | None = None) -> Histories:
    """22 interactions, two of which go to the first page."""
    state = user(NEWEST, [b"", 0, 1, [[1, PAGED[0], 10, 2]], -1])
    page: Image = image([OLD, PAGED], 1, PAGE_TTL_S)
    if damage is not None and (changed := damage(state, page)) is not None:
        state, page = changed
    histories = Histories(PROMISES)
    change = Change(("U#a", "-"), None, image(state))
    pages = [] if page is None else [Change(("U#a", "hist#0000"), None, page)]
    histories.commit(change, pages, [turn(at_s) for at_s in TIMES], {}, NOW_S)
    return histories


def history(position: int, value: Any) -> Callable[[Any, Image], None]:
    return lambda state, page: state[6].__setitem__(position, value)


WRONG: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "no page": (lambda state, page: (state, None), "wrote 0 pages"),
    "a page that lacks one": (
        lambda state, page: (
            user(NEWEST, [b"", 0, 1, [[1, PAGED[0], 0, 1]], -1]), image([PAGED], 1, PAGE_TTL_S)
        ),
        "lacks",
    ),
    "one twice": (
        lambda state, page: (
            user(NEWEST, [msgspec.msgpack.encode(OLD), 1, 1, [[1, PAGED[0], 10, 2]], -1]), page
        ),
        "and has",
    ),
    "one that nobody sent": (lambda state, page: state[3].__setitem__(0, [NOW_S, 2, "p", 0]), "lacks"),
    "a page that is not listed": (history(3, []), "lists the pages"),
    "a page listed with other times": (history(3, [[1, PAGED[0], 9, 2]]), "lists the pages"),
    "a number that was not counted": (history(2, 2), "wrote 1 pages"),
    "too many that wait": (history(1, 2), "lets 2 interactions wait"),
    "something missing without need": (history(4, OLD[0]), "interactions are missing"),
    "a page that expires early": (
        lambda state, page: (state, page._replace(ttl_s=PAGE_TTL_S - 1)), "has version 1, TTL"
    ),
    "a page of another version": (lambda state, page: (state, page._replace(version=3)), "has version 3"),
}  # fmt: skip


def test_what_is_right_is_no_violation() -> None:
    assert len(commit().of("U#a")) == 22


@pytest.mark.parametrize(("damage", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_commit_is_noticed(damage: Any, words: str) -> None:
    with pytest.raises(Violation, match=words):
        commit(damage)


def shown(histories: Histories) -> list[Any]:
    return [entry.described() for entry in histories.of("U#a")]


WALKS: dict[str, tuple[Callable[[list[Any]], Any], str]] = {
    "one passed over": (lambda parts: parts.pop(3), "passes over"),
    "one twice": (lambda parts: parts.insert(3, parts[3]), "more often"),
    "another order": (lambda parts: parts.reverse(), "newest first"),
    "one that nobody sent": (lambda parts: parts[0].update(item_id="q"), "more often"),
}


def test_a_walk_that_shows_everything_is_no_violation() -> None:
    histories = commit()
    histories.hold_walk("U#a", shown(histories), histories.of("U#a"), ("any", None), NOW_S)
    histories.hold_walk("U#a", [], histories.of("U#a"), ("purchase", None), NOW_S)
    since = Entry(-NOW_S * 1_000, -1, "p").described()["at"]
    histories.hold_walk("U#a", shown(histories)[:1], histories.of("U#a"), ("any", since), NOW_S)


@pytest.mark.parametrize(("damage", "words"), WALKS.values(), ids=WALKS)
def test_a_wrong_walk_is_noticed(damage: Any, words: str) -> None:
    histories = commit()
    parts = shown(histories)
    damage(parts)
    with pytest.raises(Violation, match=words):
        histories.hold_walk("U#a", parts, histories.of("U#a"), ("any", None), NOW_S)


def test_a_row_that_ttl_deleted_begins_anew() -> None:
    histories = commit()
    histories.forget("U#a")
    assert (histories.of("U#a"), histories.life("U#a")) == ([], 1)
