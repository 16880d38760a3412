"""Reads the text of a file that declares attributes, and says all that is wrong with it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from tapstack.core.attributes import members
from tapstack.core.attributes.agreement import (
    check_attribute,
    check_condition,
    check_definitions,
    check_of_catalogue,
)
from tapstack.core.attributes.definitions import CATALOGUE, Definitions
from tapstack.core.attributes.faults import Fault, Faults, InvalidDefinitions
from tapstack.core.attributes.lines import Lines, Path

FILE_CHARS_MAX = 256 * 1024
DEPTH_MAX = 4  # of conditions within conditions
CONDITIONS_MAX = 20  # side by side
VIEWS_MAX, ATTRIBUTES_MAX, SERVICES_MAX = 64, 64, 100

_VIEW: Mapping[str, members.Check] = {
    "name": members.name,
    "version": members.integer(1, 9_999),
    "entity": members.entity,
    "ttl": members.ttl,
    "owner": members.text,
    "description": members.text,
}
_ATTRIBUTE: Mapping[str, members.Check] = {
    "name": members.name,
    "aggregation": members.aggregation,
    "events": members.events,
    "property": members.property_,
    "windows": members.windows,
    "hop": members.hop,
    "limit": members.integer(1, members.LIMIT_MAX),
    "bytes_max": members.integer(members.BYTES_MIN, members.BYTES_MAX),
    "default": members.scalar,
    "description": members.text,
}
_SERVICE: Mapping[str, members.Check] = {
    "name": members.name,
    "features": members.features,
    "description": members.text,
}
_CONDITION: Mapping[str, members.Check] = {"property": members.property_, "operator": members.operator}


def read_definitions(text: str) -> Definitions:
    """Read a file.

    Raises
    ------
    InvalidDefinitions
        With all that is wrong.
    """
    said = _parsed(text)
    faults = Faults(Lines(text))
    _Reader(faults).file(said)
    if not faults.found:
        definitions = msgspec.convert(
            {key: each for key, each in said.items() if key != "version"}, Definitions
        )
        check_definitions(definitions, faults)
    if faults.found:
        raise InvalidDefinitions(faults.found)
    return definitions


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > FILE_CHARS_MAX:
        raise InvalidDefinitions(
            [Fault(1, "", f"expected at most {FILE_CHARS_MAX} characters, got {len(text)}")]
        )
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InvalidDefinitions([Fault(1, "", "expected TOML that is not nested so deep")]) from None
    except ValueError as error:  # TOMLDecodeError is one; numbers of thousands of digits are others
        place = re.search(r"\(at line ([0-9]+), column [0-9]+\)$", str(error))
        detail = str(error)[: place.start()].strip() if place else str(error)
        raise InvalidDefinitions(
            [Fault(int(place[1]) if place else text.count("\n") + 1, "", f"expected TOML: {detail}")]
        ) from None


class _Reader:
    """Checks each member of each table by itself, and the tables' members against each other."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def file(self, said: Mapping[str, Any]) -> None:
        """Check a file."""
        version = said.get("version")
        if version != 1 or isinstance(version, bool):
            got = members.got(version) if "version" in said else "nothing"
            self._faults.add(("version",), f"expected 1, the version of this format, got {got}")
        self._known((), said, {"version", "feature_view", "feature_service"})
        for place, view in self._tables((), said, "feature_view", VIEWS_MAX):
            self._view(place, view)
        for place, service in self._tables((), said, "feature_service", SERVICES_MAX):
            self._members(place, service, _SERVICE, required=("name", "features"))

    def _view(self, path: Path, view: Mapping[str, Any]) -> None:
        self._members(path, view, _VIEW, required=("name", "entity", "attribute"), others=("attribute",))
        for place, attribute in self._tables(path, view, "attribute", ATTRIBUTES_MAX):
            before = len(self._faults.found)
            self._members(place, attribute, _ATTRIBUTE, required=("name", "aggregation"), others=("filter",))
            if "filter" in attribute:
                self._condition((*place, "filter"), attribute["filter"], 1)
            if len(self._faults.found) == before:
                check_attribute(place, attribute, self._faults)
                if view.get("entity") in CATALOGUE:
                    check_of_catalogue(place, attribute, self._faults)

    def _condition(self, path: Path, said: Any, depth: int) -> None:
        expected = (
            "expected { all = [...] }, { any = [...] } or { property = ..., operator = ..., value = ... }"
        )
        if not isinstance(said, dict) or depth > DEPTH_MAX:
            nested = f" nested at most {DEPTH_MAX} deep" if depth > DEPTH_MAX else ""
            self._faults.add(path, f"{expected}{nested}, got {members.got(said)}")
            return
        kinds = [key for key in ("all", "any", "property") if key in said]
        if len(kinds) != 1:
            self._faults.add(path, f"{expected}, got {members.got(said)}")
        elif kinds == ["property"]:
            before = len(self._faults.found)
            self._members(path, said, _CONDITION, required=("property", "operator"), others=("value",))
            if len(self._faults.found) == before:
                check_condition(path, said, self._faults)
        else:
            self._known(path, said, set(kinds))
            self._parts((*path, kinds[0]), said[kinds[0]], depth)

    def _parts(self, path: Path, parts: Any, depth: int) -> None:
        if not isinstance(parts, list) or not 1 <= len(parts) <= CONDITIONS_MAX:
            self._faults.add(
                path, f"expected a list of 1 to {CONDITIONS_MAX} conditions, got {members.got(parts)}"
            )
            return
        for place, part in enumerate(parts):
            self._condition((*path, place), part, depth + 1)

    def _tables(
        self, path: Path, said: Mapping[str, Any], key: str, most: int
    ) -> list[tuple[Path, dict[str, Any]]]:
        """Return the tables of an array, and what is none is a fault."""
        tables = said.get(key, [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            self._faults.add((*path, key), f"expected tables [[{key}]], got {members.got(tables)}")
            return []
        if len(tables) > most or (key in said and not tables):
            self._faults.add((*path, key), f"expected 1 to {most} tables, got {len(tables)}")
        return [((*path, key, place), each) for place, each in enumerate(tables[:most])]

    def _members(
        self,
        path: Path,
        said: Mapping[str, Any],
        checks: Mapping[str, members.Check],
        *,
        required: tuple[str, ...],
        others: tuple[str, ...] = (),
    ) -> None:
        for key in required:
            if key not in said:
                self._faults.add(path, f"{key} is required")
        self._known(path, said, {*checks, *others})
        for key, check in checks.items():
            if key in said and (expected := check(said[key])) is not None:
                self._faults.add((*path, key), f"{expected}, got {members.got(said[key])}")

    def _known(self, path: Path, said: Mapping[str, Any], known: set[str]) -> None:
        for key in said:
            if key not in known:
                self._faults.add((*path, key), f"unknown member; expected one of {', '.join(sorted(known))}")
