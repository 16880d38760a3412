"""Declared attributes at the end of a run: what the API answers, against what the accepted events make."""

from __future__ import annotations

import asyncio
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from math import isclose
from typing import Any, NamedTuple, Self, TypeVar

import aiohttp

from tapstack_local.reconciliation.accepted_events import Effect
from tapstack_local.reconciliation.attributes import Seen, expected, names_any
from tapstack_local.reconciliation.finding import Finding
from tapstack_local.reconciliation.words import category_of

IDS_A_CALL, ATTEMPTS, PAUSE_S = 50, 20, 0.1
SESSIONS_MAX = 3  # that a user's row keeps
ESTIMATE_ERROR, AGE_ERROR_S = (
    0.3,
    2.0,
)  # of approx_count_distinct, nearly five times its standard error; of ages
_PREFIXES = {"item": "I#", "category": "C#"}  # of the names of what is unsure
K = TypeVar("K", str, tuple[str, str])
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


async def check_declared(
    base_url: str, text: str, events: Events, unsure: Collection[str], changed: tuple[str, ...] = ()
) -> Finding:
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
        Users, items and categories that may have more or fewer events counted; see `unsure_of`.
    changed
        How properties begin that enrichment may change: what names them is left out.
    """
    finding = Finding("declared attributes of users")
    seen = {user: [_seen(each) for each in events[user]] for user in _sure(events, unsure)}
    async with _Api(base_url, text, changed) as api:
        async for user, row, features, now_s in api.rows("user", "users", seen, lambda user: user[2:]):
            _hold(finding, user, row, features, seen[user], now_s)
    return finding


async def check_declared_sessions(
    base_url: str, text: str, events: Events, unsure: Collection[str], changed: tuple[str, ...] = ()
) -> Finding:
    """Ask for all features of sessions, and compare them; see `check_declared`.

    Those of users who may have had more sessions than a row keeps are left out, and all if ids are changed.
    """
    finding = Finding("declared attributes of sessions")
    seen: dict[tuple[str, str], list[Seen]] = {}
    for user in _sure(events, unsure) if "session_id" not in changed else ():
        labels = {each.get("session_id") or "" for each in events[user]}
        for each in events[user] if "" not in labels and len(labels) <= SESSIONS_MAX else ():
            seen.setdefault((user, each["session_id"]), []).append(_seen(each))
    async with _Api(base_url, text, changed) as api:
        async for key, row, features, now_s in api.rows("session", "sessions", seen, _session):
            _hold(finding, f"{key[0]}, session {key[1]}", row, features, seen[key], now_s)
    return finding


async def check_declared_catalogue(
    base_url: str, text: str, events: Events, unsure: Collection[str], changed: tuple[str, ...] = ()
) -> Finding:
    """Ask for all features of items and categories, and compare them; see `check_declared`.

    What events of unsure users name is left out.
    """
    finding = Finding("declared attributes of items and categories")
    async with _Api(base_url, text, changed) as api:
        for entity, kind, id_of in (("item", "items", _item_id), ("category", "categories", category_of)):
            seen = _by_id(events, id_of, unsure, _PREFIXES[entity])
            async for id_, row, features, now_s in api.rows(entity, kind, seen, str):
                if entity == "item" or not row.get("since"):  # a category may have had no room
                    _hold(finding, f"{entity} {id_}", row, features, seen[id_], now_s)
    return finding


def unsure_of(doubted: Iterable[Sequence[Effect]]) -> set[str]:
    """Return the users, items and categories of events that may be counted or not; of each, its copies."""
    found: set[str] = set()
    for effect in [effect for copies in doubted for effect in copies]:
        found.add(effect.user)
        found |= {f"{_PREFIXES['item']}{item_id}" for item_id, _ in effect.items}
        found |= {f"{_PREFIXES['category']}{name}" for name in effect.categories if name}
    return found


def _sure(events: Events, unsure: Collection[str]) -> list[str]:
    """Return the users that are compared; a visitor is not found if there is a user of its id."""
    known = {user[2:] for user in events if user.startswith("U#")}
    return [
        user for user in sorted(events) if user not in unsure and (user[0] == "U" or user[2:] not in known)
    ]


def _session(key: tuple[str, str]) -> Mapping[str, str]:
    return {"user_id": key[0][2:], "session_id": key[1]}


def _item_id(item: Mapping[str, Any]) -> str:
    return item.get("item_id") or ""


def _by_id(
    events: Events, id_of: Callable[[Mapping[str, Any]], str], unsure: Collection[str], prefix: str
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
    return {id_: seen for id_, seen in found.items() if id_ not in doubted and f"{prefix}{id_}" not in unsure}


class _Api:
    """The API, asked for all features that a file declares; a context manager."""

    def __init__(self, base_url: str, text: str, changed: tuple[str, ...]) -> None:
        self._url = f"{base_url}/v1/features:batchGet"
        self._text = text
        self._changed = changed
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def rows(
        self, entity: str, kind: str, keys: Collection[K], spelled: Callable[[K], object]
    ) -> AsyncIterator[tuple[K, Mapping[str, Any], Sequence[_Feature], int]]:
        """Yield each with its row, the features in order, and when windows end; nothing without features.

        Parameters
        ----------
        entity, kind
            What is asked for, as files and as requests say it.
        keys
            Which of them.
        spelled
            Returns one as a request names it.
        """
        every = _features(self._text, entity)
        features = [each for each in every if not names_any(each.attribute, self._changed)]
        ordered = sorted(keys) if features else []
        for start in range(0, len(ordered), IDS_A_CALL):
            asked = ordered[start : start + IDS_A_CALL]
            names = [each.name for each in features]
            answer: Any = await self._ask(
                {kind: [spelled(key) for key in asked], f"{entity}_features": names}
            )
            ends = [answer["as_of"], *(window["end"] for window in answer["windows"].values())]
            now_s = max(int(datetime.fromisoformat(end).timestamp()) for end in ends)
            for key, row in zip(asked, answer[kind]["rows"], strict=True):
                yield key, row, features, now_s

    async def _ask(self, query: Mapping[str, Any]) -> Any:
        """Ask until there is an answer: faults are on."""
        if self._session is None:
            raise ValueError("the API is not open")
        for attempt in range(ATTEMPTS):
            try:
                async with self._session.post(self._url, json=query) as response:
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
