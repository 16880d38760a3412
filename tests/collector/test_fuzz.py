"""A short run of `make fuzz`: spoiled requests of every wire format."""

from __future__ import annotations

from random import Random

from fuzz import originals, run, spoiled


def test_spoiled_requests_get_planned_answers_and_every_event_has_one_fate() -> None:
    found = run(400, seed=7)
    assert {"answers 200", "answers 400", "answers 503", "events ok", "events invalid"} <= found.keys()


def test_a_request_follows_from_its_seed_and_number() -> None:
    requests = originals()
    one, other = (spoiled(requests[3], requests, Random("7 3")).event() for _ in range(2))
    assert one == other
