"""The dead letters, against their possible reasons: a pipeline that quarantines everything counts nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from math import floor
from uuid import UUID

import msgspec

from tapstack.dead_letters import DeadLetter
from tapstack_local.reconciliation.accepted_events import (
    AcceptedEvents,
    Effect,
    Identity,
    digest,
    effect_of,
    number_digest,
)
from tapstack_local.reconciliation.finding import Finding
from tapstack_local.reconciliation.tables import Tables, UserRow

_NO_ROW = UserRow({}, {}, -1, -1, {}, 0)


def stored_effect(stored: DeadLetter) -> Effect | None:
    """Read a stored event; anything that is not an event of ours has no effect."""
    try:
        event = msgspec.json.decode(stored.data)
        if not isinstance(event.get("event_id", ""), str) or not isinstance(event.get("n", 0), int):
            return None
        if "client_id" in event:
            UUID(event["client_id"])
        return effect_of(event)
    except (msgspec.DecodeError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None
    except RecursionError:  # brackets in brackets
        return None


def check_dead_letters(
    accepted: AcceptedEvents, tables: Tables, age_max_s: int
) -> tuple[Finding, list[Effect]]:
    """Look for accepted events in quarantine, and for late ones that nothing makes late.

    Parameters
    ----------
    accepted
        What was accepted.
    tables
        What was read back.
    age_max_s
        How old an event may be when it arrives.

    Returns
    -------
    tuple
        What was found: too low by the dead letters that have no reason and are not counted either, too high
        by those that their users' rows know as counted. And the accepted events that are late for a
        reason, each once: they alone need not be counted.
    """
    finding = Finding("accepted events among the dead letters")
    late: dict[Identity, Effect] = {}
    unexcused: set[Identity] = set()
    counted: set[Identity] = set()
    letters = [(True, each) for each in tables.late] + [(False, each) for each in tables.quarantined]
    for is_late, stored in letters:
        effect = stored_effect(stored)
        if effect is None or not accepted.knows(effect.identity):
            continue
        finding.compared += 1
        row = tables.users.get(effect.user, _NO_ROW)
        if is_known(effect, row) and effect.identity not in counted:
            counted.add(effect.identity)
            finding.over += 1
            finding.give_example(f"{stored.coordinates}: counted as well")
        if is_late and _may_be_late(effect, stored, row, age_max_s):
            late[effect.identity] = effect
        elif effect.identity not in unexcused:
            unexcused.add(effect.identity)
            if not is_known(effect, row) and not _is_forgotten(effect, row):
                finding.short += 1
                finding.give_example(f"{stored.coordinates}: {stored.reason}")
    return finding, [effect for identity, effect in late.items() if identity not in unexcused]


def check_invalid_records(tables: Tables, invalid_records: Sequence[bytes]) -> Finding:
    """Check that each record that is not an event is in quarantine once."""
    finding = Finding("invalid records in quarantine")
    found = Counter(stored.data for stored in tables.quarantined)
    for data, count in Counter(invalid_records).items():
        finding.judge(f"one of {len(data):,} bytes", found[data], count, count)
    return finding


def check_refused(accepted: AcceptedEvents, tables: Tables, *, as_sent: bool = True) -> Finding:
    """Check that what was refused is in quarantine; an event alone may have been kept as a request.

    Where it is not kept as it was sent, as with pseudonyms, only how much there is can be compared.
    """
    finding = Finding("refused events in quarantine")
    found = Counter(letter.data for letter in tables.refused)
    if not as_sent:
        kept, count = found.total(), accepted.refused.total()
        finding.judge("all of them", kept, count, max(count, kept))
        return finding
    for data, count in accepted.refused.items():
        kept = found[data] + found[b"[" + data + b"]"]  # oftener, where the answer was lost
        finding.judge(f"one of {len(data):,} bytes", kept, count, max(count, kept))
    return finding


def _may_be_late(effect: Effect, stored: DeadLetter, row: UserRow, age_max_s: int) -> bool:
    """Return whether an event is too old, or its row may have forgotten it."""
    event = msgspec.json.decode(stored.data)
    said = event.get("received_at")
    received_s = 0 if said is None else floor(datetime.fromisoformat(said).timestamp())
    born_s = min(effect.client_ms // 1_000 or received_s, received_s)
    # While it was spilled it did not age.
    is_old = received_s < stored.arrived_at_s - age_max_s or born_s < received_s - age_max_s
    return is_old or _is_forgotten(effect, row)


def is_known(effect: Effect, row: UserRow) -> bool:
    """Return whether a row knows that it counts an event."""
    _, client, n = effect.identity
    if not isinstance(n, int):
        return row.knows(digest(n))
    top, gaps, *_ = row.clients.get(_raw(client), (-1, ()))
    in_intervals = n <= top and not any(first <= n <= last for first, last in gaps)
    return in_intervals or row.knows(number_digest(client, n))


def _is_forgotten(effect: Effect, row: UserRow) -> bool:
    """Return whether a row no longer knows if it counts an event."""
    if not effect.client_ms:
        return row.floor_day >= 0
    return effect.client_ms // 1_000 <= row.floor_s


def _raw(client: str) -> bytes:
    return bytes.fromhex(client.replace("-", ""))
