"""Write the tables of docs/reference/wire-formats.md: ``python tests/collector/wire_formats_page.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tapstack.collector.formats import FORMATS
from tapstack.collector.translation import names
from tapstack.collector.translation.items import ITEM_FIELDS, VALUE_FIELDS
from tapstack.core.events import EVENT_TYPES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "wire-formats.md"
VOCABULARIES: Mapping[str, Mapping[str, str]] = {
    "Segment, RudderStack": names.SEGMENT,
    "Google": names.GOOGLE,
    "Personalize": names.PERSONALIZE,
    "PostHog": names.POSTHOG,
    "Snowplow's e-commerce actions": names.SNOWPLOW,
}


def rendered(text: str) -> str:
    """The page with its tables written anew."""
    for name, lines in {"paths": _paths(), "names": _names(), "items": _items(), "fields": _fields()}.items():
        table = "\n".join(lines)
        pattern = rf"(?s)<!-- {name} -->\n.*?<!-- end -->"
        text = re.sub(pattern, lambda _: f"<!-- {name} -->\n{table}\n<!-- end -->", text)  # noqa: B023 - at once
    return text


def _paths() -> Iterator[str]:
    yield "| Format | Paths | Methods |"
    yield "|---|---|---|"
    for each in FORMATS:
        by_methods: dict[tuple[str, ...], list[str]] = {}
        for route in each.ROUTES:
            by_methods.setdefault(route.methods, []).append(f"`{route.path}`")
        for methods, paths in by_methods.items():
            yield f"| {each.NAME} | {', '.join(paths)} | {', '.join(methods)} |"


def _names() -> Iterator[str]:
    yield f"| Ours | {' | '.join(VOCABULARIES)} |"
    yield "|---|" + "---|" * len(VOCABULARIES)
    for kind in EVENT_TYPES:
        theirs = [
            ", ".join(f"`{name}`" for name, ours in vocabulary.items() if ours == kind)
            for vocabulary in VOCABULARIES.values()
        ]
        if any(theirs):
            yield f"| `{kind}` | {' | '.join(theirs)} |"


def _items() -> Iterator[str]:
    yield "| Ours | Theirs |"
    yield "|---|---|"
    yield from _by_ours("items[].", ITEM_FIELDS)
    yield from _by_ours("", VALUE_FIELDS)


def _fields() -> Iterator[str]:
    yield "| Format | Ours | Theirs |"
    yield "|---|---|---|"
    for each in FORMATS:
        for line in _by_ours("", each.FIELDS):
            yield f"| {each.NAME} {line}"


def _by_ours(prefix: str, table: Mapping[str, str]) -> Iterator[str]:
    for ours in dict.fromkeys(table.values()):
        theirs = ", ".join(f"`{name}`" for name, field in table.items() if field == ours)
        yield f"| `{prefix}{ours}` | {theirs} |"


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
