"""What is asked of the API once all is quiet, with the answer each question must get."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tapstack_simulation.checking.boards import NEWEST, TRENDS
from tapstack_simulation.checking.categories import Asked as AskedCategories
from tapstack_simulation.checking.categories import categories_answer, category_answer, names_in
from tapstack_simulation.checking.impressions import (
    SPANS,
    conversion_answer,
    list_answer,
    places,
    recommendation_answer,
)
from tapstack_simulation.checking.item_facts import ANY, Wanted
from tapstack_simulation.checking.links import Pairs, own_rows, person_answer
from tapstack_simulation.checking.recommendations import similar_answer, user_recommendations
from tapstack_simulation.checking.rows import WINDOWS
from tapstack_simulation.checking.trends import Asked, trending_answer
from tapstack_simulation.checking.views import (
    OPEN_S,
    Answer,
    Partitions,
    item_answer,
    partners_answer,
    search_terms_answer,
    user_answer,
)

RECOMMENDED_EACH = 7  # items and users: an answer reads twenty items
# Asked about at all moments in a run: all there are but in a crowd, whose other users are asked about once;
# `check_boards` compares all items.
CHOSEN_MAX = 40
LISTED_DEFAULT, LISTED_MAX = 20, 100
FILTERS = (Wanted("shoes"), Wanted(" hats "), Wanted("", 20.0, "EUR"), Wanted("shoes", 50.0, "USD"))
NOBODY = "nobody has this id"


class Question(NamedTuple):
    """A request and its answer.

    Parameters
    ----------
    path
        Segments.
    query
        Parameters.
    now_s
        The moment it is asked at, Unix seconds; another than the present changes nothing but what has
        expired and which windows are served.
    expected
        The answer; None if nothing may be known.
    """

    path: tuple[str, ...]
    query: dict[str, str]
    now_s: int
    expected: Answer | None


def agrees(shown: object, expected: object) -> bool:
    """Compare answers; scores are sums, whose last digits depend on the order of their terms."""
    if shown == expected:
        return True
    if isinstance(shown, float) and isinstance(expected, float):
        return math.isclose(shown, expected, abs_tol=1e-6)
    if isinstance(shown, dict) and isinstance(expected, dict):
        return shown.keys() == expected.keys() and all(agrees(shown[key], expected[key]) for key in shown)
    if isinstance(shown, list) and isinstance(expected, list):
        return len(shown) == len(expected) and all(map(agrees, shown, expected))
    return False


def questions(partitions: Partitions, pairs: Pairs, now_s: int) -> Iterator[Question]:
    """Ask about every user, the items and the trends, at moments at which an answer changes."""
    chosen = frozenset(_chosen(partitions, "UA"))
    for user_id in sorted({pk[2:] for pk in partitions if pk[0] in "UA"}):
        is_chosen = user_id in chosen
        for at_s in _moments_of_user(partitions, user_id, now_s) if is_chosen else [now_s]:
            expected = user_answer(partitions, user_id, at_s)
            yield Question(("v1", "users", user_id), {}, at_s, expected)
        if is_chosen:
            yield from _about_person(partitions, pairs, user_id, now_s)
    for index, item_id in enumerate(_chosen(partitions, "I")):
        yield from _about_item(partitions, item_id, index, now_s)
    yield from _about_recommendations(partitions, pairs, now_s)
    for position in range(len(TRENDS)):
        yield from _about_trends(partitions, position, now_s)
    yield from _about_categories(partitions, now_s)
    for position in range(len(WINDOWS)):
        yield from _about_search_terms(partitions, position, now_s)
    yield from _about_showings(partitions, now_s)
    yield Question(("v1", "users", NOBODY), {}, now_s, None)
    for rest in ((), ("also-viewed",), ("also-bought",)):
        yield Question(("v1", "items", NOBODY, *rest), {}, now_s, None)


def _about_person(partitions: Partitions, pairs: Pairs, user_id: str, now_s: int) -> Iterator[Question]:
    """Ask for a user with its visitors, and for the visits of both."""
    path, linked = ("v1", "users", user_id), {"linked": "true"}
    expected = person_answer(partitions, pairs, user_id, now_s)
    yield Question(path, linked, now_s, expected)
    for query, whole in ((linked, expected), ({}, user_answer(partitions, user_id, now_s))):
        if whole is not None:
            shown: Answer = {
                key: whole[key] for key in ("user_id", "anonymous_id", "sessions") if key in whole
            }
            yield Question((*path, "sessions"), query, now_s, shown)


def _moments_of_user(partitions: Partitions, user_id: str, now_s: int) -> list[int]:
    """Choose now, when a row has just expired, and the last and the first moment of a session open or not."""
    image = (partitions.get(f"U#{user_id}") or partitions[f"A#{user_id}"])[0]
    sessions = image.state[4][0]
    ends = [sessions[-1][2] + OPEN_S, sessions[-1][2] + OPEN_S + 1] if sessions else []
    return [now_s, image.ttl_s, *ends]


def _chosen(partitions: Partitions, kinds: str) -> list[str]:
    """Choose all items or users, or of many those with the largest rows and some of the others."""
    sizes: Counter[str] = Counter()
    for pk, images in partitions.items():
        if pk[0] in kinds:
            sizes[pk[2:]] += sum(len(image.packed) for image in images)
    ranked = sorted(sizes, key=lambda id_: (-sizes[id_], id_))
    if len(ranked) <= CHOSEN_MAX:
        return ranked
    half = CHOSEN_MAX // 2
    rest = ranked[half:]
    return ranked[:half] + rest[:: -(-len(rest) // half)]


def _about_item(partitions: Partitions, item_id: str, index: int, now_s: int) -> Iterator[Question]:
    path = ("v1", "items", item_id)
    images = partitions[f"I#{item_id}"]
    expiry_s = images[index % len(images)].ttl_s
    position = index % len(WINDOWS)
    _, length_s, kept = WINDOWS[position]
    numbers = sorted({number for image in images for number in image.state[0][1][position]})
    # A window is served until it is the oldest kept.
    turns = [(numbers[-1] + kept) * length_s - 1, (numbers[-1] + kept) * length_s] if numbers else []
    for at_s in (now_s, expiry_s, *turns):
        yield Question(path, {}, at_s, item_answer(partitions, item_id, at_s))
    for bought, last in ((False, "also-viewed"), (True, "also-bought")):
        for at_s, n in ((now_s, LISTED_MAX), (expiry_s, 1 + index % 5)):
            expected = partners_answer(partitions, item_id, at_s, bought=bought, n=n)
            yield Question((*path, last), {"n": str(n)}, at_s, expected)


def _about_recommendations(partitions: Partitions, pairs: Pairs, now_s: int) -> Iterator[Question]:
    """Ask what goes with some items, and what is recommended to some users, and to nobody."""
    for index, item_id in enumerate(_chosen(partitions, "I")[::RECOMMENDED_EACH]):
        path = ("v1", "items", item_id, "similar")
        n = LISTED_MAX if index % 2 else 1 + index
        for wanted in (ANY, FILTERS[index % len(FILTERS)]):
            expected = similar_answer(partitions, item_id, now_s, n, wanted)
            yield Question(path, {"n": str(n), **wanted.query}, now_s, expected)
    users = sorted({pk[2:] for pk in partitions if pk[0] in "UA"})
    for index, user_id in enumerate([NOBODY, *users[::RECOMMENDED_EACH]]):
        path = ("v1", "users", user_id, "recommendations")
        seen = {"n": str(LISTED_MAX), "include_seen": "true" if index % 2 else "false"}
        for wanted, linked in ((ANY, False), (ANY, True), (FILTERS[index % len(FILTERS)], False)):
            expected = user_recommendations(
                partitions,
                user_id,
                now_s,
                LISTED_MAX,
                seen=bool(index % 2),
                wanted=wanted,
                visitors=own_rows(partitions, pairs, user_id, now_s) if linked else (),
            )
            query = {**seen, **wanted.query, "linked": "true" if linked else "false"}
            yield Question(path, query, now_s, expected)


def _about_trends(partitions: Partitions, position: int, now_s: int) -> Iterator[Question]:
    """Ask for the present, just before the last arrival, and for when sub-windows fall out."""
    name, span, where = TRENDS[position]
    sub, length_s, _ = WINDOWS[where]
    newest = max((image.state[NEWEST] for image in partitions.get(f"T#{sub}", ())), default=now_s // length_s)
    for at_s, kind, n in (
        (now_s, "all", LISTED_MAX),
        (newest * length_s - 1, "purchase", LISTED_MAX),
        ((newest + 1) * length_s, "item_view", 5),
        ((newest + span) * length_s, "all", 2),
        ((newest + span + 1) * length_s, "all", LISTED_MAX),
    ):
        asked = Asked(position, kind, n, at_s)
        yield Question(("v1", "trending"), asked.query, at_s, trending_answer(partitions, asked))
    for wanted in FILTERS:
        asked = Asked(position, "all", LISTED_MAX, now_s, wanted)
        yield Question(("v1", "trending"), asked.query, now_s, trending_answer(partitions, asked))
    if name == "1h":
        expected = trending_answer(partitions, Asked(position, "all", LISTED_DEFAULT, now_s))
        yield Question(("v1", "trending"), {}, now_s, expected)


def _about_showings(partitions: Partitions, now_s: int) -> Iterator[Question]:
    """Ask for lists, recommendations and conversion, now and a while after."""
    for index, name in enumerate([NOBODY, *places(partitions, "L")]):
        for at_s, days in ((now_s, 7), (now_s + index * 86_400, 1)):
            expected = list_answer(partitions, name, at_s, days)
            yield Question(("v1", "lists", name, "impressions"), {"days": str(days)}, at_s, expected)
    for name in (NOBODY, *places(partitions, "R")):
        expected = recommendation_answer(partitions, name, now_s)
        yield Question(("v1", "recommendations", name), {}, now_s, expected)
    for window in SPANS:
        for at_s in (now_s, now_s - 1_800, now_s + 3_600):
            expected = conversion_answer(partitions, window, at_s)
            yield Question(("v1", "conversion"), {"window": window}, at_s, expected)


def _about_categories(partitions: Partitions, now_s: int) -> Iterator[Question]:
    """Ask for the categories of each window, of some types, and for each of them."""
    rows = [image.state for pk, images in partitions.items() if pk[0] == "C" for image in images]
    for position, (name, span, where) in enumerate(TRENDS):
        for at_s, kind, n in ((now_s, "all", LISTED_MAX), (now_s + span * WINDOWS[where][1], "item_view", 1)):
            asked = AskedCategories(position, kind, n, at_s)
            yield Question(("v1", "categories"), asked.query, at_s, categories_answer(partitions, asked))
        for category in [*names_in(rows), NOBODY]:
            asked = AskedCategories(position, "all", 1, now_s)
            expected = category_answer(partitions, category, asked)
            yield Question(("v1", "categories", category), {"window": name}, now_s, expected)


def _about_search_terms(partitions: Partitions, position: int, now_s: int) -> Iterator[Question]:
    """Ask for the present, for when most was searched for, and for the window after that."""
    name, length_s, _ = WINDOWS[position]
    prefix = f"Q#{name}#"
    sizes = {
        int(pk.removeprefix(prefix)): sum(len(image.packed) for image in images)
        for pk, images in partitions.items()
        if pk.startswith(prefix)
    }
    busiest = max(sizes, key=lambda number: (sizes[number], number), default=0)
    for at_s, n in ((now_s, LISTED_MAX), (busiest * length_s, 1), ((busiest + 1) * length_s, LISTED_MAX)):
        expected = search_terms_answer(partitions, position, at_s, n)
        yield Question(("v1", "search-terms"), {"window": name, "n": str(n)}, at_s, expected)
