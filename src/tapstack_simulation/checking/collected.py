"""What the collector did with what clients said: on the stream, spilled, refused; and what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tapstack_simulation.checking.contents import misquoted
from tapstack_simulation.checking.facts import Fact, Name, read_event
from tapstack_simulation.checking.nobody import check_welcome
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.checking.stored import Promises

_decode = msgspec.json.Decoder().decode


class Collected:
    """Holds the collector to its answers; raises `Violation` where one is not true.

    Parameters
    ----------
    promises
        The configuration.
    facts
        The events that ever stood on the stream, as they come.
    """

    def __init__(self, promises: Promises, facts: Mapping[tuple[str, Name], Fact]) -> None:
        self._promises = promises
        self._facts = facts
        self._said: dict[tuple[str, Name], dict[str, Any]] = {}
        self._confirmed: dict[tuple[str, bytes], None] = {}
        self._acknowledged: dict[tuple[str, Name], None] = {}
        self._spilled: dict[str, dict[tuple[str, Name], None]] = {}  # by key, what waits in the spill bucket
        self._refused: dict[tuple[str, bytes], None] = {}
        self._refusals: dict[tuple[str, str], tuple[str, bytes]] = {}

    def said(self, pk: str, name: Name, body: bytes) -> None:
        """Note an event as its client made it."""
        source = {} if self._promises.source is None else {"source": self._promises.source}
        self._said[pk, name] = {**_decode(body), **source}

    def check_quoted(self, place: str, fact: Fact, partition_key: str, now_ms: int) -> None:
        """Check that an event is what its client said, and keyed by its user (invariant 4)."""
        wrong = misquoted(fact.event, self._said.get((fact.pk, fact.name)), now_ms)
        if wrong or partition_key != fact.pk[2:]:
            raise Violation(4, f"{place} {fact.pk} {fact.name}: {wrong or 'not keyed by its user'}")

    def acknowledged(self, pk: str, name: Name) -> None:
        """Note that a client was told that its event is safe (invariant 4)."""
        is_spilled = any((pk, name) in names for names in self._spilled.values())
        if (pk, name) not in self._facts and not is_spilled:
            raise Violation(4, f"{pk} {name} was acknowledged and is neither on the stream nor spilled")
        self._acknowledged[pk, name] = None

    def spilled(self, key: str, datas: list[tuple[str, bytes]], now_ms: int) -> None:
        """Check an object of the spill bucket at the moment it is stored (invariant 4).

        Parameters
        ----------
        key
            Of the object.
        datas
            The partition key and the payload of each record.
        now_ms
            The moment.
        """
        names: dict[tuple[str, Name], None] = {}
        for partition_key, data in datas:
            check_welcome(key, data, self._promises.pseudonyms)
            fact = read_event(data).fact
            self.check_quoted(f"{key}:", fact, partition_key, now_ms)
            names[fact.pk, fact.name] = None
        if self._spilled.setdefault(key, names) != names:
            raise Violation(4, f"{key} replaces an object with other events")

    def spill_deleted(self, key: str) -> None:
        """Check that the stream holds what is deleted from the spill bucket (invariant 4)."""
        for pk, name in self._spilled.pop(key, {}):
            if (pk, name) not in self._facts:
                raise Violation(4, f"{pk} {name} was deleted from the spill bucket and is not on the stream")

    def refusal_kept(self, request: str, coordinates: tuple[str, str], data: bytes, detail: str = "") -> None:
        """Note what a request left in quarantine, at the moment it is stored (invariant 14)."""
        check_welcome(f"quarantine {coordinates}", data + detail.encode(), self._promises.pseudonyms)
        if self._refusals.setdefault(coordinates, (request, data)) != (request, data):
            raise Violation(1, f"quarantine {coordinates} was stored before, for another event")
        self._refused[request, data] = None

    def refused(self, request: str, data: bytes) -> None:
        """Note that a client was told that its event is refused for good (invariant 4)."""
        if (request, data) not in self._refused:
            raise Violation(4, f"{data!r} was refused and is not in quarantine")

    def entries_put(self, request: str, datas: list[bytes], confirmed: list[bool]) -> None:
        """Note a call of PutRecords whose answer arrived: what it confirmed must not be put again."""
        for data, is_confirmed in zip(datas, confirmed, strict=True):
            if (request, data) in self._confirmed:
                raise Violation(9, "the collector put an entry again that the stream had confirmed")
            if is_confirmed:
                self._confirmed[request, data] = None

    # The end.

    def check_refusals(self, found: set[tuple[str, str]]) -> None:
        """Check that quarantine still holds what a request left there (invariant 1)."""
        for request_id, index in self._refusals:
            if (request_id, index) not in found:
                raise Violation(1, f"quarantine {request_id}/{index} was stored and is gone")

    def check_acknowledged(self) -> None:
        """Check that all that clients were told is safe came to the stream (invariant 4)."""
        for pk, name in self._acknowledged:
            if (pk, name) not in self._facts:
                raise Violation(4, f"{pk} {name} was acknowledged and never came to the stream")
