"""The checker and the dead letters: an event that is one without a reason is lost."""

import msgspec
import pytest
from reconcile_world import (
    AT,
    AT_S,
    CLIENT,
    EVENTS,
    RAW,
    VIEW,
    ByHand,
    accepted_of,
    hundred,
    outcome,
    purchase,
    view,
)

from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.tables import StoredEvent, Tables


def stored(event, *, days=40, skew_ms=0):
    """The object of an event that was so many days on its way from the collector to the consumer."""
    data = msgspec.json.encode({**event, "received_at": AT, "clock_skew_ms": skew_ms})
    return StoredEvent("late/shardId-000000000000/1-0.json", "why", data, AT_S + days * 86_400)


def test_an_event_in_the_late_store_is_not_lost():
    rows = ByHand()
    rows.late = [stored(view(3, "b"))]
    assert outcome(rows, *EVENTS, view(3, "b")) == (0, 0)
    assert outcome(rows, *EVENTS, view(3, "b"), view(4)) == (1, 0)


def test_an_event_in_the_late_store_may_have_been_counted_before():
    rows = ByHand()
    rows.late = [stored(view(2))]
    assert outcome(rows) == (0, 0)


def test_a_long_event_in_the_late_store_is_there_whole():
    rows = ByHand()
    event = hundred(event_id="e-2")
    rows.late = [stored(event)]
    assert outcome(rows, *EVENTS, event) == (0, 0)


@pytest.mark.parametrize("kind", ["late", "quarantined"])
def test_a_pipeline_that_makes_every_event_a_dead_letter_loses_everything(kind):
    events = [view(0), view(1, "b"), purchase()]
    tables = Tables(**{kind: [stored(event, days=0) for event in events]})
    result = reconcile(accepted_of(*events), tables)
    assert (result.applied, result.lost) == (0, 3)


def test_an_accepted_event_in_quarantine_is_lost_however_old():
    tables = Tables(quarantined=[stored(view(0))])
    assert reconcile(accepted_of(view(0)), tables).lost == 1


def test_poison_that_the_collector_never_saw_is_nobodys_loss():
    tables = ByHand().tables()
    tables.quarantined = [StoredEvent("quarantine/1", "no JSON", b"?", AT_S), stored(view(9))]
    result = reconcile(accepted_of(*EVENTS), tables)
    assert (result.quarantined, result.lost, result.overcounted) == (2, 0, 0)


BIRTH_MS = int(CLIENT.replace("-", "")[:12], 16)
REASONS = {
    "too old": (stored(view(3, "b"), days=31), {}),
    "of a time before the floor": (
        stored(purchase() | {"event_id": "e-9"}, days=0),
        {"ids_floor_ms": AT_S * 1_000},
    ),
    "of a client born before the floor": (
        stored(view(3, "b"), days=0),
        {"clients": {}, "clients_floor_ms": BIRTH_MS},
    ),
    "below what is known of its client": (stored(view(3, "b"), days=0), {"clients": {RAW: [4, 5, []]}}),
    "too long": (stored(hundred(event_id="e-2"), days=0), {}),
}


@pytest.mark.parametrize(("event", "memory"), REASONS.values(), ids=REASONS)
@pytest.mark.parametrize("has_reason", [True, False], ids=["seen", "not seen"])
def test_a_late_event_is_excused_only_by_a_reason_that_the_checker_sees(event, memory, has_reason):
    tables = ByHand().tables()
    tables.late = [event]
    if has_reason:
        for name, value in memory.items():
            setattr(tables.users["U#u"], name, value)
    elif not memory:
        event = tables.late[0] = stored(view(3, "b"), days=29)
    payload = msgspec.json.decode(event.data)
    accepted = accepted_of(*EVENTS, payload)
    finding = next(each for each in reconcile(accepted, tables).findings if "dead letters" in each.name)
    assert (finding.compared, finding.short) == (1, 0 if has_reason else 1)


def test_dead_letters_without_a_reason_add_to_what_is_nowhere():
    tables = ByHand().tables()
    tables.quarantined = [stored(view(4)), stored(view(4))]
    tables.late = [stored(view(5), days=0)]
    result = reconcile(accepted_of(*EVENTS, view(3, "b"), view(4), view(5)), tables)
    assert (result.lost, result.overcounted) == (3, 0)
    [finding] = [each for each in result.findings if "dead letters" in each.name]
    assert (finding.compared, finding.short) == (3, 2)


@pytest.mark.parametrize("kind", ["late", "quarantined"])
def test_a_dead_letter_that_is_a_copy_of_an_event_that_is_counted_is_no_loss(kind):
    tables = ByHand().tables()
    setattr(tables, kind, [stored(view(2), days=0), stored(purchase(), days=0)])
    result = reconcile(accepted_of(*EVENTS), tables)
    assert (result.lost, result.overcounted) == (0, 0)


def test_whether_a_quarantined_event_that_its_row_forgot_is_lost_the_counters_say():
    tables = ByHand().tables()
    tables.users["U#u"].clients = {RAW: [3, 2, []]}
    tables.quarantined = [stored(view(2), days=0)]
    assert reconcile(accepted_of(*EVENTS), tables).lost == 0
    tables.users["U#u"].counters[VIEW] -= 1
    assert reconcile(accepted_of(*EVENTS), tables).lost == 1


def test_a_clock_ahead_is_no_excuse():
    tables = ByHand().tables()
    tables.late = [stored(view(3, "b"), days=0, skew_ms=-1)]
    assert reconcile(accepted_of(*EVENTS, view(3, "b")), tables).lost == 1
