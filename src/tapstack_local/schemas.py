"""Which events have to be refused for a schema: read from the folder again, without the collector's code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec


class _Rule(NamedTuple):
    name: str
    wanted: Mapping[str, frozenset[str]]  # by field of an event, or source; empty: any
    validator: jsonschema_rs.Validator


class Judge:
    """Says which events break a schema whose strictness is ``quarantine``.

    Parameters
    ----------
    folder
        The schemas, all of them in order.
    source
        Who sends the events, by the write key; None without keys.
    """

    def __init__(self, folder: Path, source: str | None = None) -> None:
        self._source = source
        self._rules: list[_Rule] = []
        for path in sorted(folder.glob("*/*.json")):
            document = msgspec.json.decode(path.read_bytes())
            use = document["x-tapstack"]
            if use["strictness"] == "quarantine":
                fields = {"event_type": "event_types", "event_name": "event_names", "source": "sources"}
                wanted = {field: frozenset(use.get(name, ())) for field, name in fields.items()}
                validator = jsonschema_rs.validator_for(document, validate_formats=True)
                self._rules.append(
                    _Rule(path.relative_to(folder).with_suffix("").as_posix(), wanted, validator)
                )

    def broken(self, event: Mapping[str, Any]) -> str | None:
        """Return the first schema that an event may not break and does."""
        named = {**event, "source": self._source}
        for rule in self._rules:
            is_for = all(not names or named.get(field) in names for field, names in rule.wanted.items())
            if is_for and not rule.validator.is_valid(event):
                return rule.name
        return None
