"""How an event breaks a JSON Schema, in the words of our other messages: the field, and what was expected.

What a sender wrote is in none of them but for the names of fields, and those only in part. The library,
jsonschema-rs, is imported here alone, and only where there are schemas: docs/decisions/0023 compares it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tapstack.core.events import shown_name

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

# What an answer spends on an event that breaks a schema: 2,500 of them fit through the load balancer.
FIELD_BYTES_MAX = 64
REASON_BYTES_MAX = 160
_COSTS = {'"': 4, "\\": 4}  # of a character in an answer: JSON in JSON
_COST_MAX = 12

_TYPES = {
    "string": "a string", "integer": "a whole number", "number": "a number", "boolean": "a boolean",
    "null": "null", "object": "an object", "array": "an array",
}  # fmt: skip
# By keyword: what was expected, given the keyword's value.
_LIMITS = {
    "minimum": "expected a number of at least {}",
    "maximum": "expected a number of at most {}",
    "exclusiveMinimum": "expected a number above {}",
    "exclusiveMaximum": "expected a number below {}",
    "multipleOf": "expected a multiple of {}",
    "minLength": "expected at least {} characters",
    "maxLength": "expected at most {} characters",
    "minItems": "expected at least {} elements",
    "maxItems": "expected at most {} elements",
    "minProperties": "expected at least {} fields",
    "maxProperties": "expected at most {} fields",
    "pattern": "expected a string that matches {}",
    "format": "expected a string of the format {}",
    "const": "expected {}",
}
_PLAIN = {
    "uniqueItems": "expected no element twice",
    "contains": "has no element as the schema wants one",
    "falseSchema": "is not allowed",
}
_UNNAMED = "the schema does not name this field"


class Broken(NamedTuple):
    """Where an event breaks a schema, and what was expected there."""

    field: str
    reason: str

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.field}: {self.reason}" if self.field else self.reason


class Uncompilable(ValueError):  # noqa: N818 - what is wrong with a document, for the caller to word
    """The document is no JSON Schema.

    Parameters
    ----------
    pointer
        JSON pointer to what is wrong in it (RFC 6901).
    reason
        What is.
    """

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer}: {reason}" if pointer else reason)


def broken_by(document: Mapping[str, Any]) -> Callable[[Any], Broken | None]:
    """Compile a schema; nothing is fetched, and its patterns take time in proportion to the text.

    Parameters
    ----------
    document
        A JSON Schema; without ``$schema``, of draft 2020-12.

    Returns
    -------
    Callable
        Returns how a value breaks it, None if it does not.

    Raises
    ------
    Uncompilable
        If it is no JSON Schema.
    """
    import jsonschema_rs

    try:
        validator = jsonschema_rs.validator_for(
            dict(document),
            validate_formats=True,
            ignore_unknown_formats=False,
            pattern_options=jsonschema_rs.RegexOptions(),
            offline=True,
        )
    except jsonschema_rs.ValidationError as error:
        raise Uncompilable(pointer_of(error.instance_path), error.message.splitlines()[0]) from None

    def find(value: Any) -> Broken | None:
        error = next(iter(validator.iter_errors(value)), None)
        return None if error is None else _in_words(error)

    return find


def pointer_of(path: Sequence[str | int]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join([f"/{str(each).replace('~', '~0').replace('/', '~1')}" for each in path])


def _in_words(error: ValidationError) -> Broken:
    keyword, details = error.kind.name, error.kind.as_dict()
    path = list(error.instance_path)
    if keyword == "required":
        return _broken([*path, details["property"]], "is required")
    if keyword in {"additionalProperties", "unevaluatedProperties"}:
        return _broken([*path, details["unexpected"][0]], _UNNAMED)
    if keyword == "falseSchema" and error.schema_path[-1:] == ["additionalProperties"]:
        return _broken(path, "holds a field that the schema does not name")  # which one is not said
    return _broken(path, _reason(keyword, details, error.instance))


def _reason(keyword: str, details: Mapping[str, Any], value: object) -> str:
    if keyword == "type":
        wanted = " or ".join([_TYPES[name] for name in details["types"]])
        return f"expected {wanted}, got {_type_of(value, details['types'])}"
    if keyword == "enum":
        return f"expected one of {', '.join(map(str, details['options']))}"
    if keyword in _LIMITS:
        return _LIMITS[keyword].format(next(iter(details.values())))
    return _PLAIN.get(keyword, f"breaks {keyword} of the schema")


def _type_of(value: object, wanted: Sequence[str]) -> str:
    if isinstance(value, float) and "integer" in wanted:
        return "a fraction"
    kinds = (
        (bool, "boolean"),
        (str, "string"),
        (int | float, "number"),
        (Mapping, "object"),
        (type(None), "null"),
    )
    return _TYPES[next((name for kind, name in kinds if isinstance(value, kind)), "array")]


def _broken(path: Sequence[str | int], reason: str) -> Broken:
    parts = [f"[{each}]" if isinstance(each, int) else f".{shown_name(each)}" for each in path]
    return Broken(_cut("".join(parts).removeprefix("."), FIELD_BYTES_MAX), _cut(reason, REASON_BYTES_MAX))


def _cut(text: str, bytes_max: int) -> str:
    """Return what of a text an answer has room for."""
    left = bytes_max
    for place, character in enumerate(text):
        is_plain = character.isascii() and character.isprintable()
        left -= _COSTS.get(character, 1 if is_plain else _COST_MAX)
        if left < 0:
            return f"{text[:place]}..."
    return text
