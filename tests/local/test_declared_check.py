"""The comparison of declared attributes at the end of a run: what is wrong in an answer is found."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from tapstack_local.declared_check import (
    check_declared,
    check_declared_catalogue,
    check_declared_sessions,
    unsure_of,
)
from tapstack_local.reconciliation.accepted_events import effect_of
from tapstack_local.reconciliation.finding import Finding

END = "2026-03-10T12:00:00Z"
TEXT = """\
version = 1
[[feature_view]]
name = "v"
entity = "user"
attribute = [
    { name = "views", aggregation = "counter", events = ["item_view"], windows = ["1h", "lifetime"] },
    { name = "age", aggregation = "time_since_last" },
    { name = "kinds", aggregation = "category_count", property = "event_type", limit = 1 },
    { name = "seen", aggregation = "unique_list", property = "items.item_id" },
]
[[feature_view]]
name = "brief"
entity = "user"
ttl = "5m"
attribute = [{ name = "views", aggregation = "counter" }]
[[feature_view]]
name = "visit"
entity = "session"
attribute = [{ name = "views", aggregation = "counter" }]
[[feature_view]]
name = "goods"
entity = "item"
attribute = [{ name = "views", aggregation = "counter" }]
[[feature_view]]
name = "shelf"
entity = "category"
attribute = [{ name = "last", aggregation = "last", property = "items.item_id" }]
"""
RIGHT = {
    "v@1:views_1h": 1,
    "v@1:views_lifetime": 2,
    "v@1:age_lifetime": 60.5,
    "v@1:kinds_lifetime": {"item_view": 1},
    "v@1:seen_lifetime": ["mug", "lamp"],
    "brief@1:views_lifetime": 3,
}
MISSING = {"v@1:kinds_lifetime": 1}
EVENTS = {
    "U#ann": [
        {
            "event_type": "item_view",
            "items": [{"item_id": "mug", "category": "k"}, {"item_id": "mug", "category": " k "}],
            "occurred_at": "2026-03-10T09:00:00Z",
        },
        {"event_type": "item_view", "items": [{"item_id": "lamp"}], "occurred_at": "2026-03-10T11:58:00Z"},
        {"event_type": "search", "occurred_at": "2026-03-10T11:59:00Z"},
    ]
}


KINDS = ("users", "sessions", "items", "categories")


def checked(
    values: Mapping[str, Any],
    *,
    unsure: frozenset[str] = frozenset(),
    failures: int = 0,
    since: Mapping[str, str] | None = None,
    events: Mapping[str, Any] = EVENTS,
    changed: tuple[str, ...] = (),
    check: Any = check_declared,
) -> Finding:
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        if len(asked) <= failures:
            return web.Response(status=503)
        member = next(member for member in asked[-1] if member.endswith("_features"))
        row = {
            "values": [values[name] for name in asked[-1][member]],
            "missing_max": MISSING,
            "since": since or {},
        }
        rows = [row] * max(len(asked[-1].get(kind, ())) for kind in KINDS)
        window = {"1h": {"start": "2026-03-10T11:00:00Z", "end": END}}
        return web.json_response(
            {"as_of": END, "windows": window, **{kind: {"rows": rows} for kind in KINDS}}
        )

    async def run() -> Finding:
        app = web.Application()
        app.router.add_post("/v1/features:batchGet", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        try:
            return await check(f"http://127.0.0.1:{port}", TEXT, events, unsure, changed)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_right_values_are_right_also_after_failures() -> None:
    finding = checked(RIGHT, failures=1)
    assert (finding.compared, finding.short, finding.over) == (6, 0, 0)


@pytest.mark.parametrize(
    ("name", "value", "short", "over"),
    [
        ("v@1:views_lifetime", 1, 1, 0),
        ("v@1:views_1h", 2, 0, 1),
        ("v@1:age_lifetime", 70.0, 0, 1),
        ("v@1:kinds_lifetime", {"item_view": 3}, 1, 0),
        ("v@1:kinds_lifetime", None, 1, 0),
        ("v@1:seen_lifetime", ["lamp", "mug"], 1, 0),
        ("v@1:seen_lifetime", None, 1, 0),
    ],
)
def test_a_wrong_value_is_found(name: str, value: Any, short: int, over: int) -> None:
    finding = checked({**RIGHT, name: value})
    assert (finding.short, finding.over) == (short, over)
    assert finding.examples[0].startswith(f"U#ann: {name} is {value!r}; its events make ")


@pytest.mark.parametrize(("view", "short"), [("brief@1", 0), ("v@1", 1)])
def test_what_a_view_forgot_by_its_ttl_is_not_missing(view: str, short: int) -> None:
    feature = f"{view}:views_lifetime"
    assert checked({**RIGHT, feature: 0}).short == 1
    assert checked({**RIGHT, feature: 0}, since={view: END}).short == short


@pytest.mark.parametrize(
    ("labels", "compared", "short"),
    [
        (["s-1", "s-1", "s-1"], 1, 1),
        (["s-1", "s-2", "s-2"], 2, 1),
        (["s-1", "s-2", "s-3"], 3, 0),
        (["s-1", "s-2", "s-3", "s-4"], 0, 0),  # more than a row keeps
        (["s-1", None, "s-1"], 0, 0),  # who knows how many without a label
    ],
)
def test_sessions_are_compared_that_a_row_must_still_have(
    labels: list[str | None], compared: int, short: int
) -> None:
    events = [{**EVENTS["U#ann"][2], "session_id": label} for label in labels]
    said = {"U#ann": [each for each in events if each["session_id"] or each.pop("session_id") is None]}
    finding = checked({"visit@1:views_lifetime": 1}, check=check_declared_sessions, events=said)
    assert (finding.compared, finding.short, finding.over) == (compared, short, 0)


def test_what_enrichment_may_change_is_left_out() -> None:
    assert checked({**RIGHT, "v@1:seen_lifetime": None}, changed=("items.",)).compared == 5
    events = {"U#ann": [{**EVENTS["U#ann"][2], "session_id": "s-1"}]}
    sessions = checked({}, check=check_declared_sessions, events=events, changed=("session_id",))
    assert sessions.compared == 0


def test_a_user_of_whom_nobody_can_be_sure_is_left_out() -> None:
    assert checked({}, unsure=frozenset({"U#ann"})).compared == 0


@pytest.mark.parametrize(
    ("views", "last", "short", "over"),
    [(1, "mug", 0, 0), (2, "mug", 0, 2), (1, "lamp", 1, 0), (0, None, 3, 0)],
)
def test_items_and_categories_are_compared(views: int, last: str | None, short: int, over: int) -> None:
    values = {"goods@1:views_lifetime": views, "shelf@1:last_lifetime": last}
    finding = checked(values, check=check_declared_catalogue)
    assert (finding.compared, finding.short, finding.over) == (3, short, over)
    unsure = checked(values, check=check_declared_catalogue, unsure=frozenset({"U#ann"}))
    assert unsure.compared == 0


def test_items_and_categories_of_events_that_may_be_counted_or_not_are_left_out() -> None:
    """Of a user who has no other event, as of others who use the API during a run."""
    event = {**EVENTS["U#ann"][0], "user_id": "eve", "event_id": "e-1"}
    unsure = unsure_of([[effect_of(event)]])
    assert unsure == {"U#eve", "I#mug", "C#k"}
    values = {"goods@1:views_lifetime": 1, "shelf@1:last_lifetime": "mug"}
    assert checked(values, check=check_declared_catalogue, unsure=frozenset(unsure)).compared == 1
