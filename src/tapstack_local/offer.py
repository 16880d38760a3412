"""Example requests to try while the API stays up."""

from __future__ import annotations

import shlex

from tapstack_local.paths import path_segment
from tapstack_local.reconciliation.accepted_events import CODES
from tapstack_local.reconciliation.tables import Tables

_PURCHASE = CODES["purchase"]


def examples(base_url: str, tables: Tables) -> str:
    """Return commands to try, safe for a shell whatever the ids are, and the pages of both APIs."""
    paths = ["/v1/trending?window=1h&n=5"]
    if tables.items:
        paths.append(f"/v1/items/{path_segment(_item(tables))}/also-viewed")
    if tables.users:
        user = f"/v1/users/{path_segment(busiest_user(tables))}"
        paths += [user, f"{user}/recommendations?n=5"]
    commands = "\n".join(f"  {_curl(base_url + path)}" for path in paths)
    pages = f"{base_url}/v1/docs (reading) and {base_url}/v1/events/docs (sending)"
    return f"Try:\n{commands}\nIn a browser: {pages}"


def _curl(url: str) -> str:
    # curl resolves a segment of dots even if it is escaped, except with --path-as-is.
    as_is = "--path-as-is " if "%2E" in url else ""
    return f"curl -s {as_is}{shlex.quote(url)}"


def _item(tables: Tables) -> str:
    """Choose the item that was viewed with the most others, most often."""

    def partners(item: str) -> tuple[int, int]:
        counts = [count for row in tables.items[item].values() for count in row.viewed_with.values()]
        return sum(count > 1 for count in counts), sum(counts)

    return max(sorted(tables.items), key=partners)


def busiest_user(tables: Tables) -> str:
    """Choose the user with the most events, among those who bought if there are any."""

    def activity(user: str) -> tuple[bool, int]:
        counters = tables.users[user].counters
        return counters.get(_PURCHASE, 0) > 0, sum(n for key, n in counters.items() if isinstance(key, int))

    return max(sorted(tables.users), key=activity).partition("#")[2]
