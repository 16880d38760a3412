"""A generated clickstream of a realistic shop: pure, seeded, without I/O.

`generate` yields timed requests as SDKs would send them. The proportions stand where they are decided:
the shop in `catalogue`, who comes in `people`, what they do in `journey`, what goes wrong in `sins`.
"""

from tapstack_local.traffic.generate import EVENTS_PER_MIN, Request, generate
from tapstack_local.traffic.sins import NOT_JSON, SINLESS, Payload, Sins

__all__ = ["EVENTS_PER_MIN", "NOT_JSON", "SINLESS", "Payload", "Request", "Sins", "generate"]
