"""Pseudonyms, computed a second time: of a name, of an event, and of what is kept of a refused one.

Shares no code with the product; docs/reference/enrichment.md says what is replaced where.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any, NamedTuple

import msgspec

NAMES = re.compile(rb"(?:user|visitor)\d|namesake")  # of people, all of them; no pseudonym has such letters
PLAN = "traits.plan"
_ALWAYS = frozenset({"userid", "anonymousid", "clientid"})  # which some format calls a person, as folded
_HALF_AN_EMOJI = rb"\ud83d"

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Pseudonyms(NamedTuple):
    """What a run pseudonymises.

    Parameters
    ----------
    fields
        With ``user_id`` and ``anonymous_id``, if any; none leaves everything as it is.
    key
        The key.
    """

    fields: tuple[str, ...] = ()
    key: bytes = b""

    def of(self, name: str) -> str:
        """Return what a name is stored as."""
        return hmac.new(self.key, name.encode(), hashlib.sha256).hexdigest()[:32] if self.fields else name

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an event as it is stored."""
        if not self.fields:
            return event
        said = {name: self.of(value) if name in self.fields else value for name, value in event.items()}
        if PLAN in self.fields and "plan" in event.get("traits", {}):
            said["traits"] = {**event["traits"], "plan": self.of(event["traits"]["plan"])}
        return said

    def kept(self, payload: bytes) -> bytes:
        """Return what quarantine holds of a refused event; nothing of one that cannot be read."""
        if not self.fields:
            return payload
        try:
            said = _decode(payload.replace(_HALF_AN_EMOJI, "\N{REPLACEMENT CHARACTER}".encode()))
        except msgspec.DecodeError:
            return b""
        return _encode(self._replaced(said)) if isinstance(said, dict | list) else b""

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._replaced(each) for each in value]
        if not isinstance(value, dict):
            return value
        members = _ALWAYS | {_folded(field.rpartition(".")[2]) for field in self.fields}
        return {
            name: self.of(inside) if _folded(name) in members else self._replaced(inside)
            for name, inside in value.items()
        }


def _folded(name: str) -> str:
    return re.sub(r"\W|_", "", name).lower()
