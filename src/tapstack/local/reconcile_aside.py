"""What was set aside, against the reasons there can be: who sets everything aside counts nothing."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tapstack.local.reconcile_finding import EXAMPLES_MAX, Finding
from tapstack.local.reconcile_ledger import Effect, Identity, Ledger, effect_of
from tapstack.local.reconcile_tables import StoredEvent, Tables, UserRow

PART_ITEMS_MAX = 80  # a longer event goes on in further parts, and waits for room in its user's row


def stored_effect(stored: StoredEvent) -> Effect | None:
    """Read a stored event; what is no event of ours has no effect."""
    try:
        return effect_of(msgspec.json.decode(stored.data))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None


def check_set_aside(ledger: Ledger, tables: Tables, age_max_s: int) -> Finding:
    """Look for accepted events in quarantine, and for late ones that nothing makes late.

    Parameters
    ----------
    ledger
        What was accepted.
    tables
        What was read back.
    age_max_s
        How old an event may be when it arrives.
    """
    finding = Finding("events set aside without a reason")
    told: set[Identity] = set()
    for stored, is_late in [(each, True) for each in tables.late] + [
        (each, False) for each in tables.quarantined
    ]:
        effect = stored_effect(stored)
        if effect is None or not ledger.knows(effect.identity):
            continue
        finding.compared += 1
        excused = is_late and _may_be_late(effect, stored, tables.users.get(effect.user), age_max_s)
        if not excused and effect.identity not in told:
            told.add(effect.identity)
            finding.short += 1
            finding.examples = [*finding.examples, f"{stored.key}: {stored.reason}"][:EXAMPLES_MAX]
    return finding


def _may_be_late(effect: Effect, stored: StoredEvent, row: UserRow | None, age_max_s: int) -> bool:
    """Tell whether an event is too old, too long, or below what its user's row remembers."""
    received_ms = _received_ms(stored)
    born_ms = min(effect.client_ms or received_ms, received_ms)
    if born_ms // 1_000 < stored.arrived_at_s - age_max_s or len(effect.items) > PART_ITEMS_MAX:
        return True
    if row is None:
        return False
    _, client, n = effect.identity
    if not isinstance(n, int):
        return effect.client_ms <= row.ids_floor_ms
    text = client.replace("-", "")
    low, *_ = row.clients.get(bytes.fromhex(text), (0,))
    return n < low or int(text[:12], 16) <= row.clients_floor_ms


def _received_ms(stored: StoredEvent) -> int:
    said = msgspec.json.decode(stored.data)["received_at"]
    return round(datetime.fromisoformat(said).timestamp() * 1_000)
