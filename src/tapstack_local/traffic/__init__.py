"""A generated clickstream of a realistic shop: pure, seeded, without I/O.

`generate` yields timed requests as SDKs would send them. The proportions are where they are decided: the shop
in `catalogue`, the visitors in `people`, what they do in `journey`, copies, delays and mistakes in `defects`.
"""

from tapstack_local.traffic.defects import NO_DEFECTS, NOT_JSON, Defects, Payload
from tapstack_local.traffic.generate import EVENTS_PER_MIN, Request, generate

__all__ = ["EVENTS_PER_MIN", "NOT_JSON", "NO_DEFECTS", "Defects", "Payload", "Request", "generate"]
