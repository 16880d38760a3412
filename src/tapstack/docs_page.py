"""The OpenAPI document as a page to read: one file, no script, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Json = Mapping[str, Any]

VALUES_MAX = 24  # of an enumeration that is shown whole

_STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --quiet: #5b6472; --mark: #0b5cad; --card: #f6f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a414c; --quiet: #a3adba; --mark: #7db8f5; --card: #1d2128; }
  body { background: #14171c; color: #e6e9ee; }
}
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; }
h1 { margin: 0; } h2 { margin-top: 3rem; } h3 { margin: 2.5rem 0 0.25rem; overflow-wrap: anywhere; }
a { color: var(--mark); } code, h3, .type { font-family: ui-monospace, monospace; font-size: 0.95em; }
.method { background: var(--mark); border-radius: 4px; color: #fff; font-size: 0.8em; padding: 0.1em 0.5em; }
@media (prefers-color-scheme: dark) { .method { color: #14171c; } }
.quiet { color: var(--quiet); } ul.contents { columns: 20rem; list-style: none; padding: 0; }
ul.contents li { break-inside: avoid; overflow-wrap: anywhere; padding: 0.15rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: 0.75rem 0; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.75rem 0.35rem 0; text-align: left;
  vertical-align: top; }
th { color: var(--quiet); font-size: 0.85em; font-weight: 600; }
td:first-child { white-space: nowrap; } section.schema { background: var(--card); border-radius: 8px;
  margin: 1rem 0; padding: 0.25rem 1rem 0.75rem; } section.schema h3 { margin-top: 0.75rem; }
@media (max-width: 36rem) {
  th { display: none; } td { border: 0; display: block; overflow-wrap: anywhere; padding: 0; }
  td:first-child { font-weight: 600; }
  td:last-child { border-bottom: 1px solid var(--line); margin-bottom: 0.35rem; padding-bottom: 0.35rem; }
}
"""


def page(document: Json) -> str:
    """Return the page of an OpenAPI document, HTML."""
    info = document["info"]
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    answers = document["components"]["responses"]
    return "".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style><body>",
            f"<h1>{escape(info['title'])}</h1><p class=quiet>Version {escape(info['version'])}, ",
            'as data: <a href="openapi.json">openapi.json</a></p>',
            f"<p>{_prose(info['description'])}</p><ul class=contents>",
            *(_contents(*operation) for operation in operations),
            "</ul><h2>Requests</h2>",
            *(_operation(method, path, operation, answers) for method, path, operation in operations),
            "<h2>Types</h2>",
            *(_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())),
            "</body></html>",
        ]
    )


def _contents(method: str, path: str, operation: Json) -> str:
    target = escape(operation["operationId"])
    return f'<li><a href="#{target}"><code>{method.upper()} {escape(path)}</code></a></li>'


def _operation(method: str, path: str, operation: Json, answers: Json) -> str:
    parameters = [
        (each["name"], _type(each["schema"]), each.get("description", "")) for each in operation["parameters"]
    ]
    told = [
        (status, _content_type(each), each["description"])
        for status, each in (
            (status, answers[status] if "$ref" in each else each)
            for status, each in operation["responses"].items()
        )
    ]
    body = operation.get("requestBody")
    body_type = _content_type(body) if body else ""
    return (
        f'<section id="{escape(operation["operationId"])}">'
        f"<h3><span class=method>{method.upper()}</span> {escape(path)}</h3>"
        f"<p>{_prose(_sentence(operation['summary']))} "
        f"<span class=quiet>{_prose(operation.get('description', ''))}</span></p>"
        f"{f'<p>Body: <span class=type>{body_type}</span></p>' if body else ''}"
        f"{_table(('Parameter', 'Type', 'Meaning'), parameters) if parameters else ''}"
        f"{_table(('Status', 'Answer', 'When'), told)}</section>"
    )


def _schema(name: str, schema: Json) -> str:
    required = set(schema.get("required", ()))
    fields = [
        (
            field,
            _type(each) + ("" if field in required else " <span class=quiet>(may be absent)</span>"),
            each.get("description", ""),
        )
        for field, each in schema.get("properties", {}).items()
    ]
    return (
        f'<section class=schema id="{escape(name)}"><h3>{escape(name)}</h3>'
        f"<p>{_prose(schema.get('description', ''))}</p>"
        f"{_table(('Field', 'Type', 'Meaning'), fields)}</section>"
    )


def _table(heads: tuple[str, str, str], rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a table; the middle column is HTML already."""
    written = "".join(
        f"<tr><td><code>{escape(first)}</code><td class=type>{middle}<td>{_prose(last)}"
        for first, middle, last in rows
    )
    return f"<div class=wide><table><tr>{''.join(f'<th>{head}' for head in heads)}{written}</table></div>"


def _content_type(answer: Json) -> str:
    return " or ".join(_type(content["schema"]) for content in answer.get("content", {}).values())


def _type(schema: Json) -> str:
    """Return a schema in a few words, HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return _one_of(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"map to {_type(schema['additionalProperties'])}"
    return escape(str(schema.get("type", "anything")))


def _one_of(values: Sequence[object]) -> str:
    """Return the values of an enumeration; of a long one, such as the world's currencies, the first few."""
    shown = values if len(values) <= VALUES_MAX else values[:3]
    names = " or ".join(f"<code>{escape(str(each))}</code>" for each in shown)
    return names if shown is values else f"{names} and so on, {len(values)} in all"


def _prose(text: str) -> str:
    """Return text as HTML, what stands in backticks as code."""
    return re.sub("`+([^`]+)`+", r"<code>\1</code>", escape(text))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
