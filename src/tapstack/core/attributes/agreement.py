"""What the members of an attribute, a condition and a whole file say together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapstack.core.attributes.definitions import (
    CATALOGUE,
    LIMITS,
    OF_NUMBERS,
    OF_TEXT,
    WITHOUT_PROPERTY,
    Definitions,
)
from tapstack.core.attributes.durations import LIFETIME, hop_of, seconds_of
from tapstack.core.attributes.faults import Faults
from tapstack.core.attributes.lines import Path
from tapstack.core.attributes.members import VALUES_MAX, got, scalar
from tapstack.core.attributes.prediction import (
    ATTRIBUTES_MAX,
    ENTRY_BYTES_MAX,
    ROW_BYTES_MAX,
    ROW_BYTES_USUAL_MAX,
    entry_bytes,
    predicted,
    size_of_view,
)
from tapstack.core.attributes.told import NAMES_NO_PERSON, property_of

_ORDERED = frozenset({"<", "<=", ">", ">="})
_TILES_MAX = 120
_DEFAULTS: Mapping[str, type | tuple[type, ...]] = {
    "most_frequent": str,
    "first": (str, int, float),
    "last": (str, int, float),
}
_NO_DEFAULT = frozenset({"counter", "unique_list", "category_count", "approx_count_distinct"})


def check_attribute(path: Path, said: Mapping[str, Any], faults: Faults) -> None:
    """Check an attribute whose members are right one by one."""
    aggregation = said["aggregation"]
    if aggregation in WITHOUT_PROPERTY:
        if "property" in said:
            faults.add((*path, "property"), f"{aggregation} takes none; use a filter")
    elif "property" not in said:
        faults.add(path, f"property is required by {aggregation}")
    elif aggregation in OF_NUMBERS and property_of(said["property"]).kind == "text":
        faults.add(
            (*path, "property"), f"expected a number for {aggregation}, got the text {said['property']}"
        )
    for member, takers in (("limit", LIMITS), ("bytes_max", OF_TEXT)):
        if member in said and aggregation not in takers:
            faults.add(
                (*path, member), f"{aggregation} takes none; expected one of {', '.join(sorted(takers))}"
            )
    _check_default(path, said, faults)
    _check_windows(path, said, faults)


def _check_default(path: Path, said: Mapping[str, Any], faults: Faults) -> None:
    if "default" not in said:
        return
    aggregation, default = said["aggregation"], said["default"]
    if aggregation in _NO_DEFAULT:
        faults.add(
            (*path, "default"), f"{aggregation} takes none: it has a value where nothing counted, or none"
        )
        return
    kinds = _DEFAULTS.get(aggregation, (int, float))
    if not isinstance(default, kinds) or (isinstance(default, bool) and aggregation not in {"first", "last"}):
        word = "a text" if kinds is str else "a number"
        faults.add((*path, "default"), f"expected {word} for {aggregation}, got {got(default)}")


def _check_windows(path: Path, said: Mapping[str, Any], faults: Faults) -> None:
    names = [name for name in said.get("windows", [LIFETIME]) if name != LIFETIME]
    if said["aggregation"] == "approx_count_distinct" and names:
        faults.add(
            (*path, "windows"),
            "approx_count_distinct has the lifetime alone; unique_list counts up to its limit in windows",
        )
        return
    if "hop" in said and not names:
        faults.add((*path, "hop"), "expected a window that it divides; the lifetime has no tiles")
    for name in names:
        length_s = seconds_of(name)
        hop_s = seconds_of(said["hop"]) if "hop" in said else hop_of(length_s)
        if length_s % hop_s:
            faults.add(
                (*path, "windows"),
                f"expected a multiple of its hop of {hop_s} s, got {got(name)}; hop sets another",
            )
        elif length_s // hop_s > _TILES_MAX:
            faults.add(
                (*path, "hop"),
                f"expected at most {_TILES_MAX} tiles a window, got {length_s // hop_s} of {name}",
            )


def check_of_catalogue(path: Path, said: Mapping[str, Any], faults: Faults) -> None:
    """Check an attribute of items or categories, whose rows name no person."""
    name = said.get("property")
    if name is not None and name not in NAMES_NO_PERSON:
        expected = ", ".join(sorted(NAMES_NO_PERSON))
        faults.add(
            (*path, "property"),
            f"expected one of {expected}: rows of items and categories name no person, got {name!r}",
        )


def check_condition(path: Path, said: Mapping[str, Any], faults: Faults) -> None:
    """Check a comparison whose property and operator are right."""
    operator = said["operator"]
    if operator in {"is null", "is not null"}:
        if "value" in said:
            faults.add((*path, "value"), f"{operator!r} takes none")
        return
    if "value" not in said:
        faults.add(path, f"value is required by {operator!r}")
        return
    kind, value = property_of(said["property"]).kind, said["value"]
    is_list = isinstance(value, list) and 1 <= len(value) <= VALUES_MAX
    values = value if operator in {"in", "not in"} and is_list else [value]
    if operator in {"in", "not in"} and not is_list:
        expected = f"a list of 1 to {VALUES_MAX} values"
    elif kind == "number" or (kind == "any" and operator in _ORDERED and not isinstance(value, str)):
        expected = (
            "" if all(_is_number(each) for each in values) and operator != "starts with" else "a number"
        )
    elif kind == "text" or operator == "starts with":
        expected = "" if all(isinstance(each, str) and not scalar(each) for each in values) else "a text"
    else:
        expected = "" if not any(scalar(each) for each in values) else "a text, a number or a boolean"
    if kind == "number" and operator == "starts with":
        faults.add((*path, "operator"), f"expected a text to start with, {said['property']} is a number")
    elif expected:
        faults.add(
            (*path, "value"), f"expected {expected} for {said['property']} {operator}, got {got(value)}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not scalar(value)


def check_definitions(definitions: Definitions, faults: Faults) -> None:
    """Check names, services and the bytes of rows, of a file whose tables are right one by one."""
    seen: set[object] = set()
    for place, view in enumerate(definitions.feature_view):
        path: Path = ("feature_view", place)
        _once((*path, "name"), view.key, "name and version", seen, faults)
        if view.entity in CATALOGUE and view.ttl:
            faults.add((*path, "ttl"), f"{view.entity} takes none: rows expire after the last event")
        served: set[object] = set()
        for position, attribute in enumerate(view.attribute):
            _once((*path, "attribute", position, "name"), attribute.name, "name", served, faults)
    names: set[object] = set()
    for place, service in enumerate(definitions.feature_service):
        _once(("feature_service", place, "name"), service.name, "name", names, faults)
        for feature in service.features:
            if feature not in definitions.features:
                faults.add(
                    ("feature_service", place, "features"),
                    f"expected features of the file, got {got(feature)}",
                )
    _check_rows(definitions, faults)


def _once(path: Path, name: str, what: str, seen: set[object], faults: Faults) -> None:
    if name in seen:
        faults.add(path, f"expected each {what} once, got {name} again")
    seen.add(name)


def _check_rows(definitions: Definitions, faults: Faults) -> None:
    row = predicted(definitions)
    path: Path = ("feature_view", 0)
    said = entry_bytes(definitions)
    if said > ENTRY_BYTES_MAX:
        faults.add(
            path,
            f"expected {ENTRY_BYTES_MAX} bytes an item of an event at most, for all attributes of items and "
            f"categories, got {said}: fewer of them, or a smaller bytes_max make it less",
        )
    if row.attributes > ATTRIBUTES_MAX:
        faults.add(path, f"expected at most {ATTRIBUTES_MAX} attributes, got {row.attributes}")
    advice = "fewer windows, a longer hop, or smaller limit and bytes_max make it less"
    sizes = [(path, row.size)]
    for place, view in enumerate(definitions.feature_view):
        if view.entity in CATALOGUE:  # each has rows of its own
            sizes.append((("feature_view", place), size_of_view(view)))
    for where, size in sizes:
        if size.usual > ROW_BYTES_USUAL_MAX:
            faults.add(
                where, f"expected {ROW_BYTES_USUAL_MAX} bytes a row usually, got {size.usual}: {advice}"
            )
        elif size.most > ROW_BYTES_MAX:
            faults.add(where, f"expected {ROW_BYTES_MAX} bytes a row at most, got {size.most}: {advice}")
