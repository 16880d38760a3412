"""Which events the users' rows say they have seen, one by one, against those that were accepted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from tapstack_local.reconciliation.accepted_events import AcceptedEvents, Identity, number_digest
from tapstack_local.reconciliation.finding import EXAMPLES_MAX, Finding
from tapstack_local.reconciliation.intervals import Interval, Numbers, count, numbers, without
from tapstack_local.reconciliation.tables import Tables, UserRow


class _Doubted:
    """Events that may count or not, by user."""

    def __init__(self, identities: Iterable[Identity]) -> None:
        self._clients: dict[tuple[str, str], Numbers] = {}
        self._id_counts: dict[str, int] = {}
        for user, client, n in identities:
            if isinstance(n, int):
                self._clients.setdefault((user, client), Numbers()).add(n)
            else:
                self._id_counts[user] = self._id_counts.get(user, 0) + 1

    def of_client(self, user: str, client: str) -> list[Interval]:
        """Return the numbers of a client."""
        found = self._clients.get((user, client))
        return [] if found is None else found.intervals()

    def id_count(self, user: str) -> int:
        """Return how many of a user's events are known by an id."""
        return self._id_counts.get(user, 0)


def check_identities(
    accepted: AcceptedEvents, tables: Tables, late: Collection[Identity]
) -> tuple[Finding, int]:
    """Look up every accepted event in its user's row, and every event of a row among the accepted.

    Parameters
    ----------
    accepted
        What was accepted.
    tables
        What was read back.
    late
        Events that are late for a reason, which a row need not know.

    Returns
    -------
    tuple
        What was found, and how many numbers the rows miss in their clients' sequences.
    """
    found = Finding("events known by the users' rows")
    doubted = _Doubted(accepted.doubted())
    empty = UserRow({}, {}, -1, -1, {}, 0)
    excused: dict[tuple[str, str], Numbers] = {}
    for user, client, n in late:
        if isinstance(n, int):
            excused.setdefault((user, client), Numbers()).add(n)
    gaps = 0
    for (user, client), known in accepted.clients.items():
        found.compared += count(known.intervals())
        row = tables.users.get(user, empty)
        unseen = _unseen(row, client, known.intervals())
        if unseen and (row.ids or row.paged):
            by_id = Numbers()
            for n in numbers(unseen):
                if row.knows(number_digest(client, n)):
                    by_id.add(n)
            unseen = without(unseen, by_id.intervals())
            gaps -= sum(1 for n in numbers(by_id.intervals()) if n <= _top(row, client))
        if unseen and (user, client) in excused:
            unseen = without(unseen, excused[user, client].intervals())
        _miss(found, count(unseen), (f"{user} client {client} n {n}" for n in numbers(unseen)))
    for user, names in accepted.ids.items():
        _find_unseen_ids(found, user, names, tables.users.get(user, empty), late)
    for user, row in tables.users.items():
        gaps += sum(count(missing) for _, missing, *_ in row.clients.values())
        _find_phantoms(found, accepted, user, row, doubted)
    return found, gaps


def _miss(found: Finding, count: int, names: Iterable[str]) -> None:
    """Note events that were accepted and never seen."""
    found.short += count
    _give_examples(found, names, "accepted, and never seen")


def _invent(found: Finding, count: int, names: Iterable[str]) -> None:
    """Note events that were seen and never accepted."""
    found.over += count
    _give_examples(found, names, "seen, and never accepted")


def _give_examples(found: Finding, names: Iterable[str], what: str) -> None:
    for name in islice(names, EXAMPLES_MAX - len(found.examples)):  # the others are never spelled
        found.give_example(f"{name}: {what}")


def _find_unseen_ids(
    found: Finding,
    user: str,
    names: Mapping[int, tuple[str, int]],
    row: UserRow,
    late: Collection[Identity],
) -> None:
    found.compared += len(names)
    unseen = [
        name
        for digest, (name, client_ms) in names.items()
        if not row.knows(digest) and client_ms // 1_000 > row.floor_s and (user, "", name) not in late
    ]
    _miss(found, len(unseen), (f"{user} event {name}" for name in unseen))


def _unseen(row: UserRow, client: str, accepted: list[Interval]) -> list[Interval]:
    """Return the numbers that a row knows it has not seen."""
    seen = row.clients.get(bytes.fromhex(client.replace("-", "")))
    if seen is None:
        return accepted
    top, gaps, *_ = seen
    return without(accepted, without([(0, top)], gaps))


def _top(row: UserRow, client: str) -> int:
    seen = row.clients.get(bytes.fromhex(client.replace("-", "")))
    return -1 if seen is None else int(seen[0])


def _find_phantoms(
    found: Finding, accepted: AcceptedEvents, user: str, row: UserRow, doubted: _Doubted
) -> None:
    for raw, (top, gaps, *_) in row.clients.items():
        text = raw.hex()
        client = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        known = accepted.clients.get((user, client), Numbers()).intervals()
        phantoms = without(without(without([(0, top)], gaps), known), doubted.of_client(user, client))
        _invent(found, count(phantoms), (f"{user} client {client} n {n}" for n in numbers(phantoms)))
    known_ids = accepted.ids.get(user, {})
    unknown = [digest for digest in (*row.ids, *row.paged) if digest not in known_ids]
    if unknown:
        aliases = {
            number_digest(client, n)
            for (owner, client), known in accepted.clients.items()
            if owner == user
            for n in numbers(known.intervals())
        }
        unknown = [digest for digest in unknown if digest not in aliases][doubted.id_count(user) :]
    _invent(found, len(unknown), (f"{user} event with digest {digest}" for digest in unknown))
