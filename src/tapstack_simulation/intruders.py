"""Senders without a key that may send: what they say must be stored nowhere."""

from __future__ import annotations

import json

from tapstack_simulation.checking.nobody import UNWELCOME
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.collectors import Collectors
from tapstack_simulation.kernel import Actor, Kernel

REQUESTS = 12
PACE_US = 4_000_000
LATE_US = 90_000_000  # when a revoked key is revoked everywhere


class Intruder:
    """Sends requests that have to be refused, while the devices send theirs.

    Parameters
    ----------
    kernel
        The scheduler.
    collectors
        Where it sends to.
    """

    def __init__(self, kernel: Kernel, collectors: Collectors) -> None:
        self._kernel, self._collectors = kernel, collectors
        self.is_done = not collectors.guard.checks_keys
        if not self.is_done:
            kernel.spawn("intruder", self._live)

    def _live(self, actor: Actor) -> None:
        for n in range(REQUESTS):
            self._kernel.sleep(int(actor.random.expovariate(1.0) * PACE_US))
            if n == REQUESTS // 2:
                self._kernel.sleep(LATE_US)
            self._intrude(actor, n)
        self.is_done = True

    def _intrude(self, actor: Actor, n: int) -> None:
        events = [
            {
                "event_type": "page_view",
                "user_id": f"{UNWELCOME}-{n}",
                "event_id": f"{UNWELCOME}-{n}-{k}",
            }
            for k in range(actor.random.choice((1, 3)))
        ]
        bodies = [json.dumps(event).encode() for event in events]
        if actor.random.random() < 0.3:  # what would be refused for itself is no more welcome
            bodies.append(f'{{"event_type":"{UNWELCOME}"}}'.encode())
        key = self._collectors.guard.wrong_key(actor.random)
        status = self._collectors.status_of(actor, f"x{n}", bodies, key)
        if status not in {401, 503, None}:
            raise Violation(14, f"a request with a key that may not send was answered {status}")
