"""Declared attributes at the end of a run: what the API answers, against what the accepted events make."""

from __future__ import annotations

import asyncio
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from math import isclose
from typing import Any, NamedTuple

import aiohttp

from tapstack_local.reconciliation.attributes import Seen, expected
from tapstack_local.reconciliation.finding import Finding
from tapstack_local.reconciliation.words import category_of

USERS_A_CALL, ATTEMPTS, PAUSE_S = 50, 20, 0.1
ESTIMATE_ERROR, AGE_ERROR_S = (
    0.3,
    2.0,
)  # of approx_count_distinct, nearly five times its standard error; of ages
Events = Mapping[str, Sequence[Mapping[str, Any]]]  # by the partition key of their user


class _Feature(NamedTuple):
    """A feature: as the API calls it, what its file says, and whether its view forgets after a while."""

    name: str
    attribute: Mapping[str, Any]
    window: str
    has_ttl: bool

    @property
    def view(self) -> str:
        """Return its view, with the version."""
        return self.name.partition(":")[0]


async def check_declared(base_url: str, text: str, events: Events, unsure: Collection[str]) -> Finding:
    """Ask for all features of users, and compare them.

    Parameters
    ----------
    base_url
        The API.
    text
        The file that declares them.
    events
        The accepted events.
    unsure
        Users of whom more may be counted than these events, or less.
    """
    finding = Finding("declared attributes of users")
    features = list(_features(text, "user"))
    known = {user[2:] for user in events if user.startswith("U#")}
    users = [
        user for user in sorted(events) if user not in unsure and (user[0] == "U" or user[2:] not in known)
    ]
    async with aiohttp.ClientSession() as session:
        for start in range(0, len(users) if features else 0, USERS_A_CALL):
            asked = users[start : start + USERS_A_CALL]
            query = {"users": [user[2:] for user in asked], "user_features": [each.name for each in features]}
            answer = await _ask(session, f"{base_url}/v1/features:batchGet", query)
            ends = [answer["as_of"], *(window["end"] for window in answer["windows"].values())]
            now_s = max(int(datetime.fromisoformat(end).timestamp()) for end in ends)
            for user, row in zip(asked, answer["users"]["rows"], strict=True):
                _hold(finding, user, row, features, [_seen(each) for each in events[user]], now_s)
    return finding


async def check_declared_catalogue(
    base_url: str, text: str, events: Events, unsure: Collection[str]
) -> Finding:
    """Ask for all features of items and categories, and compare them; see `check_declared`.

    What events of unsure users name is left out.
    """
    finding = Finding("declared attributes of items and categories")
    async with aiohttp.ClientSession() as session:
        for entity, kind, id_of in (("item", "items", _item_id), ("category", "categories", category_of)):
            features = list(_features(text, entity))
            by_id = _by_id(events, id_of, unsure) if features else {}
            ids = sorted(by_id)
            for start in range(0, len(ids), USERS_A_CALL):
                asked = ids[start : start + USERS_A_CALL]
                query = {kind: asked, f"{entity}_features": [each.name for each in features]}
                answer = await _ask(session, f"{base_url}/v1/features:batchGet", query)
                ends = [answer["as_of"], *(window["end"] for window in answer["windows"].values())]
                now_s = max(int(datetime.fromisoformat(end).timestamp()) for end in ends)
                for id_, row in zip(asked, answer[kind]["rows"], strict=True):
                    if entity == "item" or not row.get("since"):  # a category may have had no room
                        _hold(finding, f"{entity} {id_}", row, features, by_id[id_], now_s)
    return finding


def _item_id(item: Mapping[str, Any]) -> str:
    return item.get("item_id") or ""


def _by_id(
    events: Events, id_of: Callable[[Mapping[str, Any]], str], unsure: Collection[str]
) -> dict[str, list[Seen]]:
    """Return the events of each item or category, each as if it had no other items."""
    found: dict[str, list[Seen]] = {}
    doubted: set[str] = set()
    for user, own in events.items():
        for seen in map(_seen, own):
            items = seen.event.get("items") or ()
            for id_ in {*map(id_of, items)} - {""}:
                alone = [item for item in items if id_of(item) == id_]
                found.setdefault(id_, []).append(seen._replace(event={**seen.event, "items": alone}))
                if user in unsure:
                    doubted.add(id_)
    return {id_: seen for id_, seen in found.items() if id_ not in doubted}


async def _ask(session: aiohttp.ClientSession, url: str, query: Mapping[str, Any]) -> Any:
    """Ask until there is an answer: faults are on."""
    for attempt in range(ATTEMPTS):
        try:
            async with session.post(url, json=query) as response:
                if response.status == 200:
                    return await response.json()
                text = f"{response.status}: {await response.text()}"
        except (aiohttp.ClientError, TimeoutError) as error:
            text = str(error) or type(error).__name__
        await asyncio.sleep(PAUSE_S * attempt)
    raise TimeoutError(f"features:batchGet does not answer: {text}")


def _features(text: str, entity: str) -> Iterator[_Feature]:
    for view in tomllib.loads(text).get("feature_view", ()):
        if view["entity"] == entity:
            for attribute in view["attribute"]:
                for window in attribute.get("windows", ["lifetime"]):
                    name = f"{view['name']}@{view.get('version', 1)}:{attribute['name']}_{window}"
                    yield _Feature(name, attribute, window, "ttl" in view)


def _seen(event: Mapping[str, Any]) -> Seen:
    at_ms = round(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1_000_000) // 1_000
    return Seen(event, at_ms, at_ms // 1_000)


def _hold(
    finding: Finding,
    user: str,
    row: Mapping[str, Any],
    features: Sequence[_Feature],
    seen: Sequence[Seen],
    now_s: int,
) -> None:
    missing, since = row.get("missing_max", {}), row.get("since", {})
    for feature, value in zip(features, row["values"], strict=True):
        if feature.has_ttl and feature.view in since:  # forgotten: it holds what came since
            continue
        finding.compared += 1
        wanted = expected(feature.attribute, feature.window, seen, now_s)
        if not _is_right(feature.attribute, value, wanted, missing.get(feature.name, 0)):
            if isinstance(value, int | float) and isinstance(wanted, int | float) and value > wanted:
                finding.over += 1
            else:
                finding.short += 1
            finding.give_example(f"{user}: {feature.name} is {value!r}; its events make {wanted!r}")


def _is_right(attribute: Mapping[str, Any], value: Any, wanted: Any, missing: int) -> bool:
    kind = attribute["aggregation"]
    if kind == "category_count":
        counts = Counter(value or {})
        return (
            all(true - missing <= counts[text] <= true for text, true in wanted.items()) and counts <= wanted
        )
    if kind == "most_frequent":
        return bool(missing) or value == min(wanted, key=lambda text: (-wanted[text], text), default=None)
    if isinstance(value, int | float) and isinstance(wanted, int | float):
        relative = ESTIMATE_ERROR if kind == "approx_count_distinct" else 1e-9
        return isclose(
            value, wanted, rel_tol=relative, abs_tol=AGE_ERROR_S if kind.startswith("time") else 1e-9
        )
    return bool(value == wanted)
