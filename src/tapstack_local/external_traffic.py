"""External traffic: what others send to the API during a run. It is counted apart and never fails the run.

Somebody may try a request, or an SDK, while the generated shop is sending. From the first such request on,
the checker accepts that a record of the collector may be counted, unless the run's own sender got an answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tapstack_local.reconciliation.accepted_events import AcceptedEvents, Effect, Identity, effect_of
from tapstack_local.reconciliation.dead_letters import is_known, stored_effect
from tapstack_local.reconciliation.tables import Tables


class _Entry(msgspec.Struct):
    Data: bytes


class _Put(msgspec.Struct):
    Records: list[_Entry]


class Counted(NamedTuple):
    """Events of others: in their users' rows, and in the late store."""

    applied: int
    late: int


_decoder = msgspec.json.Decoder(_Put)
_PROTOCOL = b'"protocol":'
_SOURCE = b'"source":'


class ExternalTraffic:
    """Observes a cloud; see `tapstack_local.witness.Witness`.

    Parameters
    ----------
    ledger
        Records the events that may be counted or not.
    own_agent
        The ``User-Agent`` of the run's own sender.
    """

    def __init__(self, ledger: AcceptedEvents, own_agent: str) -> None:
        self.request_count = 0
        self._ledger = ledger
        self._own_agent = own_agent
        self._seen: dict[Identity, Effect] = {}
        self._sources: dict[Identity, tuple[str, Effect]] = {}

    def request(self, method: str, headers: Mapping[str, str]) -> None:
        """Observe a request that the load balancer forwards."""
        if method == "POST" and headers.get("User-Agent") != self._own_agent:
            self.request_count += 1

    def put(self, body: bytes) -> None:
        """Observe a PutRecords of the collector, successful or not.

        The run's sender speaks the native format, so a record that names another is of others, also if it
        came by GET as a pixel's does.
        """
        for entry in _decoder.decode(body).Records:
            if _SOURCE in entry.Data:
                self._note_source(msgspec.json.decode(entry.Data))
            if not self.request_count and _PROTOCOL not in entry.Data:
                continue
            event: dict[str, Any] = msgspec.json.decode(entry.Data)
            effect = effect_of(event)
            self._seen[effect.identity] = effect
            self._ledger.doubt(event)

    def _note_source(self, event: dict[str, Any]) -> None:
        if isinstance(source := event.get("source"), str):
            effect = effect_of(event)
            self._sources[effect.identity] = source, effect

    def by_source(self, tables: Tables) -> dict[str, int]:
        """Return how many distinct events of each source are counted; none if keys are not checked."""
        rows = tables.users
        counted = (
            source
            for source, effect in self._sources.values()
            if effect.user in rows and is_known(effect, rows[effect.user])
        )
        return dict(sorted(Counter(counted).items()))

    def counted(self, tables: Tables) -> Counted:
        """Return what came of the events that the sender got no answer for, when all is consumed."""
        others = {name: each for name, each in self._seen.items() if not self._ledger.knows(name)}
        late = {effect.identity for effect in map(stored_effect, tables.late) if effect is not None}
        rows = tables.users
        applied = sum(each.user in rows and is_known(each, rows[each.user]) for each in others.values())
        return Counted(applied, len(late & others.keys()))
