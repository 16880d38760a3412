"""The folder of schemas: what is read, and that each mistake names its file and the place in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapstack.collector.schema_folder import load_folder, read_folder
from tapstack.core.events import EVENT_TYPES
from tapstack.errors import UsageError

UNKNOWN_FORMAT = "Unknown format: 'emial'. Adjust configuration to ignore unrecognized formats"
GOOD = {"x-tapstack": {"strictness": "warn"}}


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


MISTAKES: dict[str, tuple[str, object, str]] = {
    "no JSON": ("a/1.json", b'{\n"a": 1,\n}', "expected JSON: trailing comma in object, line 3"),
    "cut off": ("a/1.json", b'{"a"', "expected JSON: it ends too early, line 1"),
    "no UTF-8": ("a/1.json", b'{"a": "\xff"}', "expected JSON: it is not UTF-8"),
    "no object": ("a/1.json", [], "expected a JSON object"),
    "no use": (
        "a/1.json",
        {},
        "/x-tapstack: is required; it says for which events the schema is, and its strictness",
    ),
    "no strictness": ("a/1.json", {"x-tapstack": {}}, "/x-tapstack/strictness: is required"),
    "an odd strictness": (
        "a/1.json",
        {"x-tapstack": {"strictness": "strict"}},
        "/x-tapstack/strictness: expected one of off, warn, quarantine",
    ),
    "an odd type of event": (
        "a/1.json",
        {"x-tapstack": {"strictness": "warn", "event_types": ["share", "sale"]}},
        f"/x-tapstack/event_types/1: expected one of {', '.join(EVENT_TYPES)}",
    ),
    "an odd source": (
        "a/1.json",
        {"x-tapstack": {"strictness": "warn", "sources": ["The Web"]}},
        "/x-tapstack/sources/0: expected the id of a source",
    ),
    "a name of a wrong kind": (
        "a/1.json",
        {"x-tapstack": {"strictness": "warn", "event_names": [7]}},
        "/x-tapstack/event_names/0: expected a string, got a number",
    ),
    "an unknown field": (
        "a/1.json",
        {"x-tapstack": {"strictness": "warn", "event_type": "share"}},
        "/x-tapstack/event_type: unknown field",
    ),
    "a use of a wrong kind": ("a/1.json", {"x-tapstack": 7}, "/x-tapstack: expected an object, got a number"),
    "no JSON Schema": (
        "a/1.json",
        {**GOOD, "properties": {"a/b": {"minimum": "1"}}},
        '/properties/a~1b/minimum: "1" is not of type "number"',
    ),
    "a pattern that may take for ever": (
        "a/1.json",
        {**GOOD, "properties": {"query": {"pattern": "^(?=a)"}}},
        '/properties/query/pattern: "^(?=a)" is not a "regex"',
    ),
    "an unknown format": (
        "a/1.json",
        {**GOOD, "properties": {"query": {"format": "emial"}}},
        f"/properties/query/format: {UNKNOWN_FORMAT}",
    ),
    "no version": ("a/v1.json", GOOD, "expected NAME/VERSION.json, such as purchase/2.json"),
    "an odd name": ("A b/1.json", GOOD, "expected NAME/VERSION.json, such as purchase/2.json"),
    "no folder of its own": ("1.json", GOOD, "expected NAME/VERSION.json, such as purchase/2.json"),
    "too deep": ("a/b/1.json", GOOD, "expected NAME/VERSION.json, such as purchase/2.json"),
}


@pytest.mark.parametrize(("name", "content", "mistake"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_the_file_and_the_place_in_it(
    tmp_path: Path, name: str, content: object, mistake: str
) -> None:
    written(tmp_path, "good/1.json", GOOD)
    path = written(tmp_path, name, content)
    registry = read_folder(tmp_path)
    assert [schema.name for schema in registry.schemas] == ["good/1"]
    assert list(registry.problems) == [f"{path}: {mistake}"]
    with pytest.raises(UsageError, match="json"):
        load_folder(tmp_path)


@pytest.mark.parametrize("reference", ["https://shop.example/a.json", "other.json", "#/$defs/none"])
def test_a_reference_out_of_the_file_or_to_nothing_is_a_mistake(tmp_path: Path, reference: str) -> None:
    written(tmp_path, "a/1.json", {**GOOD, "$ref": reference})
    assert len(read_folder(tmp_path).problems) == 1


def test_versions_are_in_the_order_of_their_numbers_and_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in ("b/10.json", "b/9.json", "a/2.json"):
        written(tmp_path, name, GOOD)
    written(tmp_path, "README.md", b"#")
    assert [schema.name for schema in load_folder(tmp_path)] == ["a/2", "b/9", "b/10"]


def test_all_mistakes_are_listed_and_the_first_is_the_error(tmp_path: Path) -> None:
    first = written(tmp_path, "a/1.json", [])
    written(tmp_path, "b/1.json", [])
    assert len(read_folder(tmp_path).problems) == 2
    with pytest.raises(UsageError) as caught:
        load_folder(tmp_path)
    assert str(caught.value) == f"{first}: expected a JSON object (and 1 more)"


def test_a_folder_that_is_not_there_or_empty_is_a_mistake(tmp_path: Path) -> None:
    assert read_folder(tmp_path).problems == [f"{tmp_path}: there is no NAME/VERSION.json in it"]
    none = tmp_path / "none"
    assert read_folder(none).problems == [f"{none}: expected a folder of schemas, NAME/VERSION.json"]
