"""The checker and the dead letters: an event that is one without a reason is lost."""

import msgspec
import pytest
from reconcile_world import (
    AT,
    AT_S,
    EVENTS,
    PURCHASE,
    ByHand,
    accepted_of,
    hundred,
    letter,
    named,
    outcome,
    purchase,
    refused,
    view,
)

from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.tables import Tables


def stored(event, *, days=40, skew_ms=0):
    """The object of an event that was so many days on its way from the collector to the consumer."""
    data = msgspec.json.encode({**event, "received_at": AT, "clock_skew_ms": skew_ms})
    return letter(data, AT_S + days * 86_400)


def test_an_event_in_the_late_store_is_not_lost():
    rows = ByHand()
    rows.late = [stored(view(3, "b"))]
    assert outcome(rows, *EVENTS, view(3, "b")) == (0, 0)
    assert outcome(rows, *EVENTS, view(3, "b"), view(4)) == (1, 0)


def test_an_event_in_the_late_store_may_have_been_counted_before():
    rows = ByHand()
    rows.late = [stored(purchase())]
    rows.user[0][1], rows.user[0][3] = {}, AT_S  # and forgotten since
    assert outcome(rows) == (0, 0)


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
    tables.quarantined = [letter(b"?", AT_S), stored(view(9))]
    result = reconcile(accepted_of(*EVENTS), tables)
    assert (result.quarantined, result.lost, result.overcounted) == (2, 0, 0)


REASONS = {
    "too old": (stored(view(3, "b"), days=31), {}),
    "of a time before the floor": (
        stored(purchase() | {"event_id": "e-9"}, days=0),
        {"floor_s": AT_S},
    ),
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
    finding = named(reconcile(accepted, tables), "dead letters")
    assert (finding.compared, finding.short) == (1, 0 if has_reason else 1)


@pytest.mark.parametrize(("kept", "lost"), [(0, 2), (1, 1), (2, 0), (3, 0)])
def test_refused_events_that_are_kept_under_other_names_are_counted(kept, lost):
    accepted = accepted_of()
    for data in (b'{"user_id":"ann"}', b"?"):
        accepted.refuse(data)
    tables = Tables()
    tables.add_letters(map(refused, [b'{"user_id":"5f0c"}', b"", b""][:kept]), tables.quarantined)
    assert reconcile(accepted, tables, refused_as_sent=False).lost == lost


def test_every_event_that_was_refused_is_to_be_in_quarantine_as_often_as_it_was():
    accepted = accepted_of(*EVENTS)
    for data in (b"?", b"{}", b"{}", b"7"):
        accepted.refuse(data)
    tables = ByHand().tables()
    tables.add_letters(map(refused, [b"[?]", b"{}", b"{}", b"{}"]), tables.quarantined)
    result = reconcile(accepted, tables)
    assert (result.lost, result.overcounted, result.quarantined) == (1, 0, 0)
    finding = named(result, "refused events")
    assert (finding.compared, finding.short) == (3, 1)
    assert finding.examples == ["one of 1 bytes: 0 instead of 1"]


def test_dead_letters_without_a_reason_add_to_what_is_nowhere():
    tables = ByHand().tables()
    tables.quarantined = [stored(view(4)), stored(view(4))]
    tables.late = [stored(view(5), days=0)]
    result = reconcile(accepted_of(*EVENTS, view(3, "b"), view(4), view(5)), tables)
    assert (result.lost, result.overcounted) == (3, 0)
    finding = named(result, "dead letters")
    assert (finding.compared, finding.short) == (3, 2)


@pytest.mark.parametrize("kind", ["late", "quarantined"])
@pytest.mark.parametrize("days", [0, 40])
def test_an_event_that_is_counted_and_a_dead_letter_as_well_is_one_too_many(kind, days):
    tables = ByHand().tables()
    letters = [stored(view(2), days=days), stored(purchase(), days=days), stored(view(2), days=days)]
    setattr(tables, kind, letters)
    result = reconcile(accepted_of(*EVENTS), tables)
    assert (result.lost, result.overcounted) == (0, 2)
    assert f"{letters[0].coordinates}: counted as well" in named(result, "dead letters").examples


def test_a_long_event_is_no_reason_to_be_late():
    event = hundred(event_id="e-2")
    tables = ByHand().tables()
    tables.late = [stored(event, days=0)]
    assert reconcile(accepted_of(*EVENTS, event), tables).lost > 0


NO_EVENTS_OF_OURS = {
    "no JSON": b"?",
    "brackets in brackets": b"[" * 100_000,
    "a list": b"[]",
    "an id that is a list": view(0) | {"client_id": [1]},
    "an id that is no UUID": view(0) | {"client_id": "z"},
    "a number that is a list": view(0) | {"n": [1]},
    "a time that is none": view(0) | {"occurred_at": "soon"},
    "a time before all times": view(9) | {"occurred_at": "0001-01-01T00:00:00+23:00"},
    "an amount beyond numbers": purchase() | {"value": 1e308},
    "an item without an id": view(0) | {"items": [{}]},
    "items that are none": view(0) | {"items": 7},
}


@pytest.mark.parametrize("data", NO_EVENTS_OF_OURS.values(), ids=NO_EVENTS_OF_OURS)
def test_whatever_others_write_to_the_stream_the_checker_goes_on(data):
    tables = ByHand().tables()
    raw = data if isinstance(data, bytes) else msgspec.json.encode(data)
    tables.quarantined = [letter(raw, AT_S)]
    result = reconcile(accepted_of(*EVENTS), tables)
    assert (result.lost, result.overcounted, result.quarantined) == (0, 0, 1)


def test_whether_a_quarantined_event_that_its_row_forgot_is_lost_the_counters_say():
    tables = ByHand().tables()
    tables.users["U#u"].ids, tables.users["U#u"].floor_s = {}, AT_S
    tables.quarantined = [stored(purchase(), days=0)]
    assert reconcile(accepted_of(*EVENTS), tables).lost == 0
    tables.users["U#u"].counters[PURCHASE] -= 1
    assert reconcile(accepted_of(*EVENTS), tables).lost == 1


def test_a_clock_ahead_is_no_excuse():
    tables = ByHand().tables()
    tables.late = [stored(view(3, "b"), days=0, skew_ms=-1)]
    assert reconcile(accepted_of(*EVENTS, view(3, "b")), tables).lost == 1
