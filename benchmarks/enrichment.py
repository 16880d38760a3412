"""What each enrichment costs an event, in microseconds of CPU, and what a collector without any pays.

Each is applied alone to events as browsers send them: a page with its address and the one before, a user
agent of a thousand different ones, an address, traits. ``all`` is everything at once. ``native_off`` and
``native_all`` are whole requests of 20 such events, as `benchmarks.collector` measures them, without and with
everything.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks._report import finish, options, progress
from benchmarks.collector import Stream, ours
from tapstack.collector.enrichment.order import STEPS, Arrival, Enrichment
from tapstack.collector.enrichment.pseudonyms import Pseudonymise
from tapstack.core.client_events import decode_client_event
from tapstack.core.events import ClientEvent
from tapstack_local.traffic import generate

EVENTS = 2_000
TURNS = 7
SIZE = 20
AGENTS = 1_000
KEY = "0123456789abcdef0123456789abcdef"
FIELDS = ("user_id", "anonymous_id", "traits.email", "context.ip")
EVERYTHING = {
    "TAPSTACK_ENRICHMENT": ",".join(STEPS),
    "TAPSTACK_CONSENT": "anonymous",
    "TAPSTACK_PSEUDONYMISED_FIELDS": ",".join(FIELDS),
}
NOTHING = dict.fromkeys(EVERYTHING, "")


def enrichments() -> Mapping[str, Enrichment]:
    """Return each enrichment alone, and all together."""
    key, hashed = KEY.encode(), Pseudonymise(FIELDS)
    return {
        **{step: Enrichment(steps=frozenset({step})) for step in STEPS},
        "consent": Enrichment(consent="refused"),
        "anonymous": Enrichment(consent="anonymous", key=key),
        "pseudonyms": Enrichment(pseudonymise=hashed, key=key),
        "all": Enrichment(steps=frozenset(STEPS), consent="anonymous", pseudonymise=hashed, key=key),
    }


def browsed(event: dict[str, Any], n: int) -> dict[str, Any]:
    """Return an event as a browser would send it."""
    return {
        **event,
        "context": {
            "ip": f"203.0.{n % 200}.77",
            "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/129.0.{n % AGENTS}.0 Safari/537.36",
            "locale": "en-GB",
            "page": {
                "url": f"https://shop.example/items/{n % 50}?utm_source=news&utm_medium=mail&utm_id=7",
                "referrer": "https://www.google.com/",
            },
        },
        "traits": {"email": f"user{n % 99}@shop.example"},
        "consent": {"analytics": True, "advertising": False},
    }


def us_an_event(enrichment: Enrichment, events: Sequence[ClientEvent]) -> float:
    """Return the CPU time of one event."""
    now = datetime.now(UTC)
    arrival = Arrival(now, now - timedelta(hours=1))
    start = time.process_time()
    for event in events:
        enrichment.apply(event, arrival)
    return (time.process_time() - start) / len(events) * 1e6


def denied(event: ClientEvent) -> ClientEvent:
    """Return an event whose user denied analytics."""
    return decode_client_event(
        json.dumps({"event_type": "page_view", "event_id": event.event_id or "x", "user_id": "u",
                    "consent": {"analytics": False}}).encode()
    )  # fmt: skip


def main() -> None:
    """Measure."""
    as_json = options("enrichment", __doc__).parse_args().json
    requests = generate(1, EVENTS * 11 // 10, base_ms=time.time_ns() // 1_000_000 - 60_000)
    said = [event for request in requests for event in request.events if isinstance(event, dict)][:EVENTS]
    said = [browsed(event, n) for n, event in enumerate(said)]
    events = [decode_client_event(json.dumps(event).encode()) for event in said]
    costs: dict[str, list[float]] = {}
    bodies = [json.dumps(said[at : at + SIZE]).encode() for at in range(0, EVENTS, SIZE)]
    rates: dict[str, list[float]] = {}
    with tempfile.NamedTemporaryFile() as file:
        file.write(KEY.encode())
        file.flush()
        asks = {
            name: ours(Stream(), variables={**variables, "TAPSTACK_PSEUDONYM_KEY": f"file:{file.name}"})
            for name, variables in (("native_off", NOTHING), ("native_all", EVERYTHING))
        }
        for turn in range(TURNS + 1):
            progress(f"turn {turn} of {TURNS}" if turn else "warming up")
            for name, enrichment in enrichments().items():
                subject = list(map(denied, events)) if name == "anonymous" else events
                costs.setdefault(f"{name}_us", []).append(us_an_event(enrichment, subject))
            for name, ask in asks.items():
                rates.setdefault(name, []).append(EVENTS / ask("/v1/events", bodies))
    figures = {name: statistics.median(turns[1:]) for name, turns in {**costs, **rates}.items()}
    ratio = statistics.median(
        [on / off for on, off in zip(rates["native_all"][1:], rates["native_off"][1:], strict=True)]
    )
    finish("enrichment", figures, {}, {"native_all_times_off": ratio}, as_json=as_json)


if __name__ == "__main__":
    main()
