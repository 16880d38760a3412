"""The folder of schemas: ``NAME/VERSION.json``. What is wrong with one names its file and the place in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from tapstack.collector.schema_wording import Uncompilable, broken_by
from tapstack.collector.schemas import KEYWORD, Schema, Strictness, Use
from tapstack.core.events import EVENT_TYPES
from tapstack.core.wording import expectation, malformed, place_of
from tapstack.errors import UsageError

NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
VERSION = r"[1-9][0-9]{0,3}"
_FAULT = r"Object (?P<fault>contains unknown|missing required) field `(?P<name>.*?)`(?: - at .*)?"
_NEW_LINE = b"\n"


class Registry(NamedTuple):
    """What a folder holds: the schemas that are in order, and what is wrong with the others."""

    schemas: Sequence[Schema]
    problems: Sequence[str]


def read_folder(folder: Path) -> Registry:
    """Read every schema of a folder; other files than ``*.json`` are passed over."""
    if not folder.is_dir():
        return Registry((), [f"{folder}: expected a folder of schemas, NAME/VERSION.json"])
    schemas, problems = [], []
    for path in sorted(folder.rglob("*.json")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if not re.fullmatch(f"{NAME}/{VERSION}", name):
            problems.append(f"{path}: expected NAME/VERSION.json, such as purchase/2.json")
            continue
        found = _read(name, path.read_bytes())
        if isinstance(found, Schema):
            schemas.append(found)
        else:
            problems.append(f"{path}: {found}")
    if not schemas and not problems:
        problems.append(f"{folder}: there is no NAME/VERSION.json in it")
    return Registry(sorted(schemas, key=_order), problems)


def load_folder(folder: Path) -> Sequence[Schema]:
    """Read every schema of a folder.

    Raises
    ------
    UsageError
        If one is not in order.
    """
    registry = read_folder(folder)
    if registry.problems:
        more = len(registry.problems) - 1
        raise UsageError(registry.problems[0] + (f" (and {more} more)" if more else ""))
    return registry.schemas


def _order(schema: Schema) -> tuple[str, int]:
    name, _, version = schema.name.partition("/")
    return name, int(version)


def _read(name: str, text: bytes) -> Schema | str:
    """Return a schema, or what is wrong with it."""
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.ValidationError:
        return "expected a JSON object"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what, byte = malformed(error, text)
        line = "" if byte is None else f", line {text.count(_NEW_LINE, 0, byte) + 1}"
        return f"expected JSON: {what}{line}"
    if KEYWORD not in document:
        return f"/{KEYWORD}: is required; it says for which events the schema is, and its strictness"
    try:
        use = msgspec.convert(document[KEYWORD], Use)
    except msgspec.ValidationError as error:
        return f"/{KEYWORD}{_use_fault(str(error))}"
    try:
        broken_by(document)
    except Uncompilable as error:
        return str(error)
    return Schema(name=name, use=use, document=document)


def _use_fault(message: str) -> str:
    if named := re.fullmatch(_FAULT, message):
        return f"/{named['name']}: {'unknown field' if 'unknown' in named['fault'] else 'is required'}"
    what, path = place_of(message)
    pointer = "".join([f"/{part}" for part in _parts(path)])
    if what.startswith("Invalid enum value"):
        names = get_args(Strictness) if path == "strictness" else EVENT_TYPES
        return f"{pointer}: expected one of {', '.join(names)}"
    return f"{pointer}: {'expected the id of a source' if 'matching regex' in what else expectation(what)}"


def _parts(path: str) -> Iterator[str]:
    yield from (part for part in re.split(r"[.\[\]]", path) if part)
