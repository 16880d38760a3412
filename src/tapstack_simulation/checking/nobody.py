"""What must be stored nowhere, and what may be stored of it, computed a second time.

Shares no code with the product; docs/reference/enrichment.md says what is left of an event whose user denied.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from tapstack_simulation.checking.pseudonyms import NAMES, Pseudonyms
from tapstack_simulation.checking.rows import Violation

UNWELCOME = "unwelcome"  # stands in whatever of a request may be stored nowhere
_KEPT = ("event_type", "occurred_at", "value", "currency")
_OF_ITEMS = ("variant", "position", "list_id")


def check_welcome(place: str, data: bytes, pseudonyms: Pseudonyms) -> None:
    """Refuse bytes that hold what may be stored nowhere, or a name and not its pseudonym (invariant 14)."""
    if UNWELCOME.encode() in data:
        raise Violation(14, f"{place} holds what may be stored nowhere")
    if pseudonyms.fields and (found := NAMES.search(data)):
        raise Violation(14, f"{place} holds the name {found[0].decode()}, not its pseudonym")


def nobodys(event: dict[str, Any], key: bytes) -> dict[str, Any]:
    """Return what is counted of an event whose user denied analytics."""
    who = [event.get(name) for name in ("user_id", "anonymous_id", "event_id", "client_id", "n")]
    text = json.dumps(who, separators=(",", ":"), ensure_ascii=False).encode()
    name = hmac.new(key, text, hashlib.sha256).hexdigest()[:32]
    left = {field: event[field] for field in _KEPT if field in event}
    if "items" in event:
        left["items"] = [
            {field: value for field, value in item.items() if field not in _OF_ITEMS}
            for item in event["items"]
        ]
    return {**left, "event_id": name, "anonymous_id": f"denied-{name}", "consent": {"analytics": False}}
