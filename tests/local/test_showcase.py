"""The recommendation that a run ends with says why in words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tapstack_local.reconciliation.tables import Tables
from tapstack_local.showcase import described, recommendation


def why(reason: str = "pairs", item_id: str | None = "mug", via: str | None = None, count: int = 1) -> Any:
    return {"reason": reason, "item_id": item_id, "via": via, "count": count, "score": 1.0}


WORDS = {
    "pairs": (why(count=1_200), "1,200 times in one session with mug"),
    "a pair": (why(), "once in one session with mug"),
    "at one remove": (why(via="lamp", count=3), "3 times with lamp, which goes with mug"),
    "seen": (why("seen", count=0), "seen before"),
    "popular": (why("popular", None, count=7), "popular, 7 interactions in seven days"),
}


@pytest.mark.parametrize(("reason", "words"), WORDS.values(), ids=WORDS)
def test_a_reason_is_put_into_words(reason: Any, words: str) -> None:
    answer = {"based_on": ["mug"], "items": [{"item_id": "vase", "why": [reason]}]}
    assert described("ann", answer) == (
        f"Recommended to ann, who was last interested in mug:\n  vase: {words}"
    )


def test_who_gets_nothing_is_told_so() -> None:
    assert described("ann", {"based_on": [], "items": []}).endswith("nothing that is known:\n  nothing yet")


def test_without_users_nothing_is_asked() -> None:
    assert asyncio.run(recommendation("http://127.0.0.1:1", Tables())) == ""
