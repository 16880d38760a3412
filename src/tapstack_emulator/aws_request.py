"""Requests as typed values: what a service implements of its API, and what AWS answers to the rest.

A request is a `msgspec.Struct` of the members that are implemented, with the constraints of the service's
model; a test holds it to the model that botocore ships. msgspec reads and checks it in one pass; only what
it refuses is looked at again, to say why in AWS's words. A member that is not implemented is refused, never
ignored.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from tapstack.ports import AwsError
from tapstack_emulator.aws_json import failure, violation, violations

Request = TypeVar("Request")

VIOLATIONS_MAX = 10
"""How many constraints AWS names in one answer (mhart/kinesalite, validations/index.js, read 2026-11-29)."""

_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class Wire(msgspec.Struct, rename="pascal", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A structure whose members are spelled ``LikeThis``; others than those it lists are refused."""


class Wording(NamedTuple):
    """How a service words values of the wrong type.

    Recorded on AWS by mhart/kinesalite and mhart/dynalite (validations/index.js, read 2026-11-29).

    Parameters
    ----------
    prefix
        What stands before ``SerializationException`` in ``__type``.
    string, true, false, whole, decimal
        The names of JSON's scalars.
    scalar
        A scalar where another was expected, with ``{name}`` and ``{type}``.
    listed, mapped
        A list, or an object, where neither was expected.
    no_list, no_map
        A scalar where a list, or an object, was expected.
    """

    prefix: str
    string: str
    true: str
    false: str
    whole: str
    decimal: str
    scalar: str
    listed: str
    mapped: str
    no_list: str
    no_map: str


_NUMBER = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber"
KINESIS = Wording(
    prefix="",
    string="class java.lang.String",
    true="class java.lang.Boolean",
    false="class java.lang.Boolean",
    whole=_NUMBER,
    decimal=_NUMBER,
    scalar="{name} can not be converted to an {type}",
    listed="Start of list found where not expected",
    mapped="Start of structure or map found where not expected.",
    no_list="Expected list or null",
    no_map="Expected null",
)
DYNAMODB = Wording(
    prefix="com.amazon.coral.service#",
    string="STRING_VALUE",
    true="TRUE_VALUE",
    false="FALSE_VALUE",
    whole="NUMBER_VALUE",
    decimal="DECIMAL_VALUE",
    scalar="{name} cannot be converted to {type}",
    listed="Unrecognized collection type class java.lang.{type}",
    mapped="Start of structure or map found where not expected",
    no_list="Unexpected field type",
    no_map="Unexpected field type",
)


def matching(pattern: str, *, min_length: int | None = None, max_length: int | None = None) -> msgspec.Meta:
    """Return the constraint that a whole text matches a pattern of the model, read as Java reads it."""
    return msgspec.Meta(pattern=rf"^(?a:{pattern})\Z", min_length=min_length, max_length=max_length)


def pattern_of(found: str) -> str:
    """Return the model's pattern within one that `matching` made."""
    return found.removeprefix("^(?a:").removesuffix(r")\Z")


def decode(decoder: msgspec.json.Decoder[Request], body: bytes, wording: Wording) -> Request:
    """Read a request, answering what AWS answers to one that it cannot read.

    Raises
    ------
    AwsError
        ``SerializationException`` for what is no JSON or of the wrong type, ``ValidationException`` for what
        is missing, out of bounds, or not implemented here.
    """
    try:
        return decoder.decode(body or b"{}")
    except _UNREADABLE as error:
        raise _refusal(decoder.type, body, wording, str(error)) from None


def not_implemented(what: str) -> AwsError:
    """Return the error for a part of the API that exists on AWS, or nowhere, but not here."""
    return failure("ValidationException", f"{what} is not implemented by tapstack_emulator")


def _refusal(kind: Any, body: bytes, wording: Wording, reason: str) -> AwsError:
    try:
        value = msgspec.json.decode(body or b"{}")
    except _UNREADABLE:
        return failure("SerializationException", "", prefix=wording.prefix)
    look = _Look(wording)
    try:
        look.at(inspect.type_info(kind), value, "")
    except AwsError as error:
        return error
    if look.unknown:
        return not_implemented(f"The parameter {look.unknown[0]}")
    if look.found:
        return violations(look.found[:VIOLATIONS_MAX])
    return failure("SerializationException", reason, prefix=wording.prefix)


class _Look:
    """One look at a refused request: raises for a wrong type, collects all else.

    Parameters
    ----------
    wording
        The service's.
    """

    def __init__(self, wording: Wording) -> None:
        self.unknown: list[str] = []
        self.found: list[str] = []
        self._wording = wording

    def at(self, kind: inspect.Type, value: Any, path: str) -> None:
        """Look at a value where the model has one of `kind`."""
        match kind:
            case inspect.AnyType():
                return
            case inspect.UnionType():
                if value is not None:
                    self.at(next(t for t in kind.types if not isinstance(t, inspect.NoneType)), value, path)
            case inspect.StructType():
                self._structure(kind, self._mapping(value), path)
            case inspect.DictType():
                for name, inner in self._mapping(value).items():
                    self._member(kind.value_type, inner, f"{path}.{name}.member")
                self._length(kind, len(value), value, path)
            case inspect.ListType():
                for index, inner in enumerate(self._listed(value)):
                    self._member(kind.item_type, inner, f"{path}.{index + 1}.member")
                self._length(kind, len(value), value, path)
            case _:
                self._scalar(kind, value, path)

    def _structure(self, kind: inspect.StructType, value: dict[str, Any], path: str) -> None:
        names = {field.encode_name for field in kind.fields}
        self.unknown += [f"{path}.{name}".removeprefix(".") for name in value if name not in names]
        for field in kind.fields:
            name = field.encode_name
            at = f"{path}.{name[0].lower()}{name[1:]}".removeprefix(".")
            inner = value.get(name)
            if inner is not None or field.required:
                self._member(field.type, inner, at)

    def _member(self, kind: inspect.Type, value: Any, path: str) -> None:
        if value is None and not isinstance(kind, inspect.AnyType):
            self.found.append(violation(None, path, "Member must not be null"))
        else:
            self.at(kind, value, path)

    def _mapping(self, value: Any) -> dict[str, Any]:
        if isinstance(value, list):
            raise self._wrong(self._wording.listed.format(type="Object"))
        if not isinstance(value, dict):
            raise self._wrong(self._wording.no_map)
        return value

    def _listed(self, value: Any) -> list[Any]:
        if isinstance(value, dict):
            raise self._wrong(self._wording.mapped)
        if not isinstance(value, list):
            raise self._wrong(self._wording.no_list)
        return value

    def _scalar(self, kind: Any, value: Any, path: str) -> None:
        accepted, name = _SCALARS[type(kind)]
        if isinstance(value, list):
            raise self._wrong(self._wording.listed.format(type=name))
        if isinstance(value, dict):
            raise self._wrong(self._wording.mapped)
        if type(value) not in accepted:
            raise self._wrong(self._wording.scalar.format(name=self._named(value), type=name))
        if isinstance(kind, inspect.LiteralType):
            if value not in kind.values:
                must = f"Member must satisfy enum value set: [{', '.join(map(str, kind.values))}]"
                self.found.append(violation(value, path, must))
            return
        if isinstance(value, str):
            self._text(kind, value, path)
        elif isinstance(kind, inspect.IntType):
            self._bounds(kind, value, path)

    def _text(self, kind: Any, value: str, path: str) -> None:
        pattern = getattr(kind, "pattern", None)
        if pattern is not None and not _matches(pattern, value):
            must = f"Member must satisfy regular expression pattern: {pattern_of(pattern)}"
            self.found.append(violation(value, path, must))
        self._length(kind, len(value), value, path)

    def _bounds(self, kind: inspect.IntType, value: int, path: str) -> None:
        if kind.ge is not None and value < kind.ge:
            must = f"Member must have value greater than or equal to {kind.ge}"
            self.found.append(violation(value, path, must))
        if kind.le is not None and value > kind.le:
            must = f"Member must have value less than or equal to {kind.le}"
            self.found.append(violation(value, path, must))

    def _length(self, kind: Any, length: int, value: Any, path: str) -> None:
        low, high = getattr(kind, "min_length", None), getattr(kind, "max_length", None)
        if low is not None and length < low:
            must = f"Member must have length greater than or equal to {low}"
            self.found.append(violation(value, path, must))
        if high is not None and length > high:
            must = f"Member must have length less than or equal to {high}"
            self.found.append(violation(value, path, must))

    def _named(self, value: Any) -> str:
        words = self._wording
        match value:
            case bool():
                return words.true if value else words.false
            case str():
                return words.string
            case int():
                return words.whole
            case _:
                return words.decimal

    def _wrong(self, message: str) -> AwsError:
        return failure("SerializationException", message, prefix=self._wording.prefix)


_SCALARS: dict[type, tuple[tuple[type, ...], str]] = {
    inspect.StrType: ((str,), "String"),
    inspect.LiteralType: ((str,), "String"),
    inspect.BytesType: ((str,), "Blob"),
    inspect.BoolType: ((bool,), "Boolean"),
    inspect.IntType: ((int,), "Integer"),
    inspect.FloatType: ((int, float), "milliseconds since epoch"),
}


def _matches(pattern: str, value: str) -> bool:
    return re.search(pattern, value) is not None
