"""Links of users and visitors, computed anew: what a commit must write of them, how a person is shown.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from tapstack_simulation.checking.behaviour import RECENT_MAX, VISITS_MAX, Turn, join_visits
from tapstack_simulation.checking.facts import Amounts, merge
from tapstack_simulation.checking.past import Past
from tapstack_simulation.checking.rows import Change, Image, Key, Violation, is_pointer
from tapstack_simulation.checking.views import (
    Answer,
    Partitions,
    alive,
    described_user,
    event_count,
    is_incomplete,
    spelled,
)

DAY_S = 86_400
LINKS_MAX, USERS_SHOWN_MAX = 64, 8
PROFILE, ALIASES, LINKS = 1, 5, 6


def take_links(state: Any, pk: str, turns: Iterable[Turn], keep_days: int) -> dict[Key, int]:
    """Note in a user's row, in place, which visitors its events link.

    Returns
    -------
    dict
        The pointers to be written, each with when the record arrived that links.
    """
    written: dict[Key, int] = {}
    for turn in turns:
        user, visitor = turn.fact.event.get("user_id"), turn.fact.event.get("anonymous_id")
        if user is None or visitor is None:
            continue
        known, day = state[PROFILE][LINKS], turn.arrived_s // DAY_S
        name = int.from_bytes(blake2b(visitor.encode(), digest_size=8).digest(), "big", signed=True)
        if name in known and day < known[name] + max(1, keep_days // 4):
            continue
        if name not in known and len(known) == LINKS_MAX:
            continue  # no run has so many
        known[name] = day
        written |= {(pk, f"was#{visitor}"): turn.arrived_s, (f"A#{visitor}", f"is#{user}"): turn.arrived_s}
    return written


def check_pointers(found: Iterable[Change], wanted: Mapping[Key, int], versions: Mapping[str, int]) -> None:
    """Check that a commit writes the pointers of its links, and no other.

    Parameters
    ----------
    found
        The pointers in the commit.
    wanted
        By key, until when each must live at least.
    versions
        Of the users' rows in the commit, by partition key.
    """
    keys = {change.key for change in found}
    if keys != wanted.keys():
        raise Violation(2, f"pointers {sorted(keys)} are written; the events make {sorted(wanted)}")
    for change in found:
        user = change.key[0] if change.key[0][0] == "U" else f"U#{change.key[1].removeprefix('is#')}"
        after = change.after
        if after.state != [] or after.version != versions[user] or after.ttl_s < wanted[change.key]:
            raise Violation(12, f"{change.key} is written as {after}")


class Pairs:
    """The pointers in a table.

    Parameters
    ----------
    rows
        The table.
    """

    def __init__(self, rows: Mapping[Key, Image]) -> None:
        self._visitors: dict[str, dict[str, int]] = {}
        self._users: dict[str, dict[str, int]] = {}
        for (pk, sk), image in rows.items():
            if is_pointer((pk, sk)):
                into = self._visitors if sk.startswith("was#") else self._users
                into.setdefault(pk[2:], {})[sk.partition("#")[2]] = image.ttl_s

    def visitors(self, user_id: str, at_s: int) -> list[str]:
        """Return the visitors that a user was."""
        return sorted(each for each, ttl_s in self._visitors.get(user_id, {}).items() if ttl_s > at_s)

    def users(self, visitor: str, at_s: int) -> list[str]:
        """Return the users that a visitor became."""
        return sorted(each for each, ttl_s in self._users.get(visitor, {}).items() if ttl_s > at_s)

    def is_shared(self, visitor: str, at_s: int) -> bool:
        """Return whether a visitor became several users."""
        return len(self.users(visitor, at_s)) > 1


def person_answer(partitions: Partitions, pairs: Pairs, user_id: str, at_s: int) -> Answer | None:
    """Return the expected answer about a user with its visitors, or about a visitor with its users."""
    for user in alive(partitions, f"U#{user_id}", at_s):
        visitors = pairs.visitors(user_id, at_s)
        rows = {each: row for each in visitors for row in alive(partitions, f"A#{each}", at_s)}
        own = own_rows(partitions, pairs, user_id, at_s)
        whole = described_user(user_id, _added(user, own), at_s, is_known=True)
        return {
            **whole,
            "value_incomplete": any(is_incomplete(row[2]) for row in (user, *own)),
            "visitors": [
                {
                    "anonymous_id": each,
                    "shared": pairs.is_shared(each, at_s),
                    "events": event_count(rows[each]) if each in rows else 0,
                    "last_seen": spelled(rows[each][PROFILE][1]) if each in rows else None,
                }
                for each in visitors
            ],
            "visitors_incomplete": len(user[PROFILE][LINKS]) >= LINKS_MAX,
        }
    for visitor in alive(partitions, f"A#{user_id}", at_s):
        shown = described_user(user_id, visitor, at_s, is_known=False)
        return {**shown, "user_ids": pairs.users(user_id, at_s)[:USERS_SHOWN_MAX]}
    return None


def own_rows(partitions: Partitions, pairs: Pairs, user_id: str, at_s: int) -> list[Any]:
    """Return the rows of visitors that were a user and no other."""
    own = [each for each in pairs.visitors(user_id, at_s) if not pairs.is_shared(each, at_s)]
    return [row for each in own for row in alive(partitions, f"A#{each}", at_s)]


def _added(user: Any, visitors: list[Any]) -> Any:
    """Return a user's row with what its visitors did."""
    whole = copy.deepcopy(user)
    amounts: Amounts = {}
    for row in (user, *visitors):
        merge(amounts, row[2])
    whole[2] = amounts
    whole[PROFILE][0] = min(row[PROFILE][0] for row in (user, *visitors))
    whole[PROFILE][1] = max(row[PROFILE][1] for row in (user, *visitors))
    entries = [entry for row in (user, *visitors) for entry in row[3]]
    entries.sort(key=lambda entry: (-entry[0], -entry[3], -entry[1], entry[2]))
    whole[3] = entries[:RECENT_MAX]
    visits = join_visits(visit for row in (user, *visitors) for visit in copy.deepcopy(row[4][0]))
    earlier = sum(row[4][1] for row in (user, *visitors)) + max(0, len(visits) - VISITS_MAX)
    whole[4] = [visits[-VISITS_MAX:], earlier, -1]
    return whole


def hold_person(
    past: Past, user_id: str, now_s: int, answer: Answer | None, pairs: tuple[Pairs, Pairs]
) -> None:
    """Check the answer about a person while everything changes.

    Parameters
    ----------
    past, user_id, now_s, answer
        The answer, and what was there.
    pairs
        The pointers before the question and after the answer.
    """
    if answer is None or "visitors" not in answer:
        return
    shown = {each["anonymous_id"]: each for each in answer["visitors"]}
    before, after = (set(each.visitors(user_id, now_s)) for each in pairs)
    if not before & after <= shown.keys() <= before | after:
        raise Violation(11, f"user {user_id} is shown with visitors {sorted(shown)}, not {sorted(before)}")
    for visitor, described in shown.items():
        shared = {each.is_shared(visitor, now_s) for each in pairs}
        counts = {0 if row is None else event_count(row) for row in _versions(past, f"A#{visitor}", now_s)}
        if described["shared"] not in shared or described["events"] not in counts:
            raise Violation(11, f"visitor {visitor} is shown as {described}; it had {counts}")
    rest = answer["events"] - sum(each["events"] for each in shown.values() if not each["shared"])
    own = {event_count(row) for row in _versions(past, f"U#{user_id}", now_s) if row is not None}
    if rest not in own:
        raise Violation(11, f"user {user_id} has {rest} events beside those of visitors; it had {own}")


def _versions(past: Past, pk: str, now_s: int) -> list[Any]:
    return [state for versions in past.of(pk, now_s) for state in versions] or [None]
