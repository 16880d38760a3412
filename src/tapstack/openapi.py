"""What the OpenAPI 3.1 documents of both APIs share: types as schemas, with what their docstrings say [1]_.

References
----------
.. [1] https://spec.openapis.org/oas/v3.1.1.html, read 2026-11-30
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from textwrap import dedent
from typing import Any

import msgspec

from tapstack import __version__

Json = dict[str, Any]
REF = "#/components/schemas/"


def document(
    title: str,
    description: str,
    *,
    paths: Mapping[str, Json],
    types: Iterable[type[msgspec.Struct]],
    responses: Mapping[str, Json],
    security_schemes: Mapping[str, Json],
) -> Json:
    """Return a document.

    Parameters
    ----------
    title, description
        Of the API.
    paths
        Operations by path and method.
    types
        Those that `reference` is given.
    responses, security_schemes
        What operations refer to, by name.
    """
    _, schemas = msgspec.json.schema_components(list(types), ref_template=REF + "{name}")
    for schema in schemas.values():
        _describe_fields(schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": description},
        "servers": [{"url": "/"}],
        "paths": dict(paths),
        "components": {
            "schemas": schemas,
            "responses": dict(responses),
            "securitySchemes": dict(security_schemes),
        },
    }


def reference(kind: type[msgspec.Struct]) -> Json:
    """Return the schema of a type that is among the document's."""
    return {"$ref": REF + kind.__name__}


def response(description: str, media_type: str, schema: Json) -> Json:
    """Return an answer of one media type."""
    return {"description": description, "content": {media_type: {"schema": schema}}}


def words_of(path: str) -> str:
    """Return the words of a path as a name goes on: ``ItemsAlsoViewed``."""
    words = re.findall(r"[A-Za-z0-9]+", path)
    return "".join(word[:1].upper() + word[1:] for word in words)


def _describe_fields(schema: Json) -> None:
    """Take a type's docstring apart: its prose describes the type, its parameters describe the fields."""
    prose, _, listed = str(schema.get("description", "")).partition("Parameters\n")
    schema["description"] = _joined(prose.splitlines())
    listed = dedent(listed)  # Python 3.13 has done so when it compiled the docstring
    for names, text in re.findall(r"^(\w+(?:, \w+)*)\n((?: {4,}.*(?:\n|$))+)", listed, re.MULTILINE):
        for name in names.split(", "):
            if name in schema.get("properties", {}):
                schema["properties"][name]["description"] = _joined(text.splitlines())


def _joined(lines: Sequence[str]) -> str:
    return " ".join(line.strip() for line in lines if line.strip())
