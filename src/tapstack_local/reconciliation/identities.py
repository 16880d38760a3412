"""Which events the users' rows say they have seen, one by one, against those that were accepted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from tapstack_local.reconciliation.accepted_events import AcceptedEvents, Identity
from tapstack_local.reconciliation.tables import Tables, UserRow

CLIENTS_MAX = 16  # clients a row remembers; a further one makes it forget the one used longest ago


@dataclass(slots=True)
class Identities:
    """Events accepted and not seen, and seen and not accepted.

    Parameters
    ----------
    compared
        How many were looked up.
    missing, phantom
        Names of both kinds.
    """

    compared: int = 0
    missing: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)

    def totals(self) -> tuple[int, int]:
        """Return how many are missing, and how many should not be there."""
        return len(self.missing), len(self.phantom)

    @property
    def examples(self) -> list[str]:
        """Say it to a person."""
        return [f"{name}: accepted, and never seen" for name in self.missing] + [
            f"{name}: seen, and never accepted" for name in self.phantom
        ]


def check_identities(
    accepted: AcceptedEvents, tables: Tables, late: Collection[Identity]
) -> tuple[Identities, int]:
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
    found = Identities()
    doubted = accepted.doubted()
    empty = UserRow({}, -1, {}, -1, [], {}, 0)
    for (user, client), numbers in accepted.clients.items():
        row = tables.users.get(user, empty)
        found.compared += len(numbers)
        for n in sorted(_unseen(row, client, numbers)):
            if (user, client, n) not in late:
                found.missing.append(f"{user} client {client} n {n}")
    for user, names in accepted.ids.items():
        row = tables.users.get(user, empty)
        found.compared += len(names)
        for digest, (name, client_ms) in names.items():
            if digest not in row.ids and client_ms > row.ids_floor_ms and (user, "", name) not in late:
                found.missing.append(f"{user} event {name}")
    gaps = 0
    for user, row in tables.users.items():
        gaps += sum(last - first + 1 for _, _, missing in row.clients.values() for first, last in missing)
        found.missing += [f"{user} part with digest {part}" for part in row.parts]
        _find_phantoms(found, accepted, user, row, doubted)
    return found, gaps


def _unseen(row: UserRow, client: str, numbers: set[int]) -> set[int]:
    """Return the numbers that a row knows it has not seen."""
    seen = row.clients.get(bytes.fromhex(client.replace("-", "")))
    if seen is None:
        forgotten = len(row.clients) >= CLIENTS_MAX and row.clients_floor_ms >= int(
            client.replace("-", "")[:12], 16
        )
        return set() if forgotten else numbers
    _, top, gaps = seen
    if not gaps and max(numbers) <= top:
        return set()
    return {n for n in numbers if n > top or any(first <= n <= last for first, last in gaps)}


def _find_phantoms(
    found: Identities, accepted: AcceptedEvents, user: str, row: UserRow, doubted: Collection[Identity]
) -> None:
    doubted_ids = {identity for identity in doubted if identity[0] == user} if doubted else set()
    for raw, (low, top, gaps) in row.clients.items():
        text = raw.hex()
        client = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        numbers = accepted.clients.get((user, client), set())
        gap_count = sum(last - first + 1 for first, last in gaps)
        if low == 0 and top + 1 - gap_count == len(numbers) == top + 1:
            continue
        missing = {n for first, last in gaps for n in range(first, last + 1)}
        found.phantom += [
            f"{user} client {client} n {n}"
            for n in range(low, top + 1)
            if n not in missing and n not in numbers and (user, client, n) not in doubted_ids
        ]
    known = accepted.ids.get(user, {})
    unknown = [digest for digest in row.ids if digest not in known]
    spare = sum(1 for identity in doubted_ids if not identity[1])
    found.phantom += [f"{user} event with digest {digest}" for digest in unknown[spare:]]
