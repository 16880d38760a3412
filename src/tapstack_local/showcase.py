"""A recommendation with its reasons, to end a run with: what all the counting is for."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from yarl import URL

from tapstack_local.offer import busiest_user
from tapstack_local.paths import path_segment
from tapstack_local.reconciliation.tables import Tables

SHOWN = 3
ATTEMPTS = 20  # faults are on
PAUSE_S = 0.1


async def recommendation(base_url: str, tables: Tables) -> str:
    """Ask the API for recommendations to a user, and put them into words.

    Parameters
    ----------
    base_url
        The API.
    tables
        Where a user is found who did much.

    Returns
    -------
    str
        Lines for people; empty if there are no users.
    """
    if not tables.users:
        return ""
    user = busiest_user(tables)
    url = f"{base_url}/v1/users/{path_segment(user)}/recommendations?n={SHOWN}"
    answer: dict[str, Any] | str = "no answer"
    async with aiohttp.ClientSession() as session:
        for _ in range(ATTEMPTS):
            answer = await _asked(session, url)
            if not isinstance(answer, str):
                return described(user, answer)
            await asyncio.sleep(PAUSE_S)
    return f"Nothing is recommended to {user}: {answer}"


async def _asked(session: aiohttp.ClientSession, url: str) -> dict[str, Any] | str:
    """Ask once; return what stands in the way if there is no answer."""
    try:
        async with session.get(URL(url, encoded=True)) as response:
            if response.status != 200:
                return f"the API answered {response.status}"
            answer: dict[str, Any] = await response.json()
            return answer
    except (aiohttp.ClientError, TimeoutError) as error:
        return str(error) or type(error).__name__


def described(user: str, answer: dict[str, Any]) -> str:
    """Put recommendations into words.

    Parameters
    ----------
    user
        Whom they are for.
    answer
        As the API gives it.
    """
    newest = ", ".join(answer["based_on"][:SHOWN]) or "nothing that is known"
    lines = [f"Recommended to {user}, who was last interested in {newest}:"]
    lines += [f"  {item['item_id']}: {_reasons(item['why'])}" for item in answer["items"]]
    return "\n".join(lines if answer["items"] else [*lines, "  nothing yet"])


def _reasons(why: list[dict[str, Any]]) -> str:
    return ", ".join(_reason(each) for each in why) or "no reason"


def _reason(why: dict[str, Any]) -> str:
    count, item = why["count"], why["item_id"]
    if why["reason"] == "popular":
        return f"popular, {count:,} interactions in seven days"
    if why["reason"] == "seen":
        return "seen before"
    pairs = "once" if count == 1 else f"{count:,} times"
    if why["via"] is None:
        return f"{pairs} in one session with {item}"
    return f"{pairs} with {why['via']}, which goes with {item}"
