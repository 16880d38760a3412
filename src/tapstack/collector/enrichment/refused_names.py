"""Pseudonyms in what is refused: it is kept without the names that accepted events are stored without.

A refused event may be no event at all, and may be refused because it misspells a field. So its text is
asked: what can be read as JSON, a query or a form has pseudonyms in place of every member that any format, or
a near spelling, calls one of the fields, at any depth. Addresses are cut there as in accepted events. What
cannot be read may hold names and addresses anywhere: of that only the reason is kept.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from tapstack.collector.enrichment.addresses import cut_in
from tapstack.collector.enrichment.pseudonyms import ELSEWHERE, PERSONS, pseudonym_of
from tapstack.collector.translation.reading import from_base64, read_container
from tapstack.errors import InvalidEvent

PACKED = frozenset({"cx", "ue_px", "data"})  # members that hold JSON in base64
_FORM = rb'[A-Za-z0-9_.%+\[\]-]+=[^"{<>\s]*'  # whatever could be JSON is escaped in it
OPENED_MAX = 2  # JSON in JSON: what is packed deeper is not kept


class RefusedNames:
    """Replaces fields in payloads of any format.

    Parameters
    ----------
    fields
        The fields that are replaced in accepted events.
    tables
        What formats call our fields.
    key
        The key.
    cuts_addresses
        Whether IP addresses are cut to their networks.
    """

    def __init__(
        self,
        fields: Sequence[str],
        tables: Iterable[Mapping[str, str]],
        key: bytes,
        *,
        cuts_addresses: bool = False,
    ) -> None:
        self._names = frozenset(_folded(path.rpartition(".")[2]) for path in _paths(fields, tables))
        self._key = key
        self._cuts_addresses = cuts_addresses

    def __call__(self, payload: bytes) -> bytes:
        """Return what may be kept of a payload; nothing if it cannot be read."""
        try:
            return self._text(payload.decode(), 0).encode()
        except (InvalidEvent, UnicodeDecodeError):
            pass
        if re.fullmatch(_FORM, payload) is None:
            return b""
        try:
            pairs = parse_qsl(payload.decode(), keep_blank_values=True)
        except ValueError:  # of another encoding, or with too many fields
            return b""
        said = [self._without_addresses({name: value}) for name, value in pairs]
        return urlencode(
            [(name, self._member(name, value, 0)) for pair in said for name, value in pair.items()]
        ).encode()

    def _text(self, text: str, opened: int) -> str:
        if opened > OPENED_MAX:
            raise InvalidEvent("", "packed too deep")
        said = self._without_addresses(read_container(text.encode(errors="replace")))
        return msgspec.json.encode(self._value(said, opened)).decode()

    def _without_addresses(self, said: Any) -> Any:
        return cut_in(said) if self._cuts_addresses else said

    def _value(self, value: object, opened: int) -> object:
        if isinstance(value, list):
            return [self._value(each, opened) for each in value]
        if isinstance(value, dict):
            return {name: self._member(name, inside, opened) for name, inside in value.items()}
        if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
            return self._opened(value, opened)
        return value

    def _member(self, name: str, value: object, opened: int) -> object:
        if _folded(name) in self._names:
            return pseudonym_of(value, self._key)
        if name not in PACKED or not isinstance(value, str) or value.lstrip()[:1] in {"{", "["}:
            return self._value(value, opened)
        try:
            text = self._opened(from_base64(value.strip()).decode(errors="replace"), opened)
        except InvalidEvent:
            return ""
        return base64.b64encode(text.encode()).decode()

    def _opened(self, text: str, opened: int) -> str:
        try:
            return self._text(text, opened + 1)
        except InvalidEvent:
            return ""


def _paths(fields: Sequence[str], tables: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield what the fields are called: those of a person all together, as `Pseudonymise` takes them."""
    persons = PERSONS if PERSONS & set(fields) else frozenset()
    meant = {*fields, *persons}
    yield from meant
    yield from (".".join(path) for path in ELSEWHERE if persons)
    for table in tables:
        yield from (theirs for theirs, ours in table.items() if ours in meant)


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
