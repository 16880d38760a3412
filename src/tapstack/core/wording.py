"""msgspec's errors in the words of JSON: where, what was expected there, and what came."""

from __future__ import annotations

import re

EXAMPLE_TIME = "2026-03-10T12:00:00Z"

# Patterns are compiled at their first use: each cold start would pay for what seldom happens.
# What a sender wrote may look like the end of a message; the path after it is ours, and holds no tick.
_PLACE = r"(?s)(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?"
_TYPE = r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`"
_LENGTH = r"Expected `(?P<kind>[^`]+)` of length (?P<bound>[<>]=) (?P<length>\d+)"
_RANGE = r"Expected `(?P<kind>[^`]+)` (?P<bound>[<>]=) (?P<limit>\S+)"
_LONE_SURROGATE = rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"

_WORDS = {
    "str": "a string", "int": "a whole number", "float": "a number", "bool": "a boolean", "null": "null",
    "object": "an object", "array": "an array", "datetime": "an RFC 3339 time",
}  # fmt: skip
_BOUNDS = {"<=": "at most", ">=": "at least"}


def place_of(message: str) -> tuple[str, str]:
    """Return what msgspec says, and the path of the field that it says it of."""
    place = re.fullmatch(_PLACE, message)
    if place is None:
        raise AssertionError("the pattern matches any text")
    return place["what"], (place["path"] or "").lstrip(".")


def expectation(what: str) -> str:
    """Return in JSON's words what msgspec says of a value."""
    if found := re.fullmatch(_TYPE, what):
        wanted = found["wanted"].split(" | ")
        got = "a number" if found["got"] in {"int", "float"} and "int" not in wanted else _WORDS[found["got"]]
        if found["got"] == "float" and "int" in wanted:
            got = "a fraction"
        return f"expected {' or '.join(_WORDS[kind] for kind in wanted)}, got {got}"
    if found := re.fullmatch(_LENGTH, what):
        unit = "elements" if found["kind"] == "array" else "characters"
        unit = unit[:-1] if found["length"] == "1" else unit
        return f"expected {_BOUNDS[found['bound']]} {found['length']} {unit}"
    if found := re.fullmatch(_RANGE, what):
        limit = found["limit"].removesuffix(".0")
        return f"expected {_WORDS[found['kind']]} of {_BOUNDS[found['bound']]} {limit}"
    if what.endswith("out of range"):
        return "expected a number that 64 bits hold"
    return f"expected an RFC 3339 time with a zone, such as {EXAMPLE_TIME}"  # what is left is said of times


def malformed(error: Exception, data: bytes) -> tuple[str, int | None]:
    """Return what is wrong with a text that is no JSON, and at which byte, from 0, if that is known."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8", None
    if isinstance(error, RecursionError):
        return "it is nested too deep", None
    said = re.fullmatch(r"JSON is malformed: (?P<what>.*) \(byte (?P<byte>\d+)\)", str(error))
    if said is not None:
        return said["what"], int(said["byte"])
    if half := re.search(_LONE_SURROGATE, data):
        return "half of a surrogate pair (an emoji that was cut)", half.start()
    return "it ends too early", len(data)
