"""What the fakes implement of each API is as botocore's model has it: names, types, bounds, patterns."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from importlib import resources
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from tapstack_emulator import MemoryDynamoDB, MemoryKinesis
from tapstack_emulator.aws_request import pattern_of

# Where the model leaves to the service what we check beforehand, or says what a fake cannot be asked.
BESIDE_THE_MODEL = {
    "PartitionKey": "needed unless a stream distributes records by itself, which is not implemented",
    "Data": "checked with its key, against the largest record of the stream",
    "AttributeDefinitions": "needed unless a table is made as a copy, which is not implemented",
    "KeySchema": "likewise",
}
KINDS = {
    inspect.StrType: "string",
    inspect.LiteralType: "string",
    inspect.BytesType: "blob",
    inspect.BoolType: "boolean",
    inspect.FloatType: "timestamp",
    inspect.ListType: "list",
    inspect.StructType: "structure",
    inspect.DictType: "map",
}


def model(service: str, version: str) -> dict[str, Any]:
    path = resources.files("botocore") / "data" / service / version / "service-2.json.gz"
    found: dict[str, Any] = msgspec.json.decode(gzip.decompress(path.read_bytes()))
    return found


def operations() -> Iterator[Any]:
    for service, version, api in (
        ("kinesis", "2013-12-02", MemoryKinesis()),
        ("dynamodb", "2012-08-10", MemoryDynamoDB()),
    ):
        described = model(service, version)
        for name, (decoder, _) in api._operations.items():
            shape = described["operations"][name]["input"]["shape"]
            yield pytest.param(described["shapes"], decoder.type, shape, id=f"{service}-{name}")


def plain(kind: inspect.Type) -> inspect.Type:
    """A type without the None that an optional member may be."""
    if isinstance(kind, inspect.UnionType):
        return next(part for part in kind.types if not isinstance(part, inspect.NoneType))
    return kind


def compare(shapes: dict[str, Any], kind: inspect.Type, shape_name: str, at: str) -> Iterator[str]:
    """Yield how a type differs from a shape of the model."""
    shape = shapes[shape_name]
    if isinstance(kind, inspect.AnyType):
        return  # attribute values, which are checked one by one
    yield from compare_one(shape, kind, at, beside=shape_name in BESIDE_THE_MODEL)
    match kind:
        case inspect.ListType():
            yield from compare(shapes, kind.item_type, shape["member"]["shape"], f"{at}[]")
        case inspect.DictType():
            yield from compare(shapes, kind.value_type, shape["value"]["shape"], f"{at}{{}}")
        case inspect.StructType():
            for field in kind.fields:
                name = field.encode_name
                if name not in shape["members"]:
                    yield f"{at}.{name}: not in the model"
                    continue
                if field.required != (name in shape.get("required", ())) and name not in BESIDE_THE_MODEL:
                    yield f"{at}.{name}: required is {field.required} here"
                yield from compare(shapes, plain(field.type), shape["members"][name]["shape"], f"{at}.{name}")


def compare_one(shape: dict[str, Any], kind: inspect.Type, at: str, *, beside: bool) -> Iterator[str]:
    """Yield how a type differs from a shape, members and elements apart."""
    number = isinstance(kind, inspect.IntType) and shape["type"] in {"integer", "long"}
    if not number and KINDS.get(type(kind)) != shape["type"]:
        yield f"{at}: {kind} is no {shape['type']}"
    names = ("ge", "le") if number else ("min_length", "max_length")
    ours, theirs = [getattr(kind, name, None) for name in names], [shape.get("min"), shape.get("max")]
    if ours != theirs and not beside:
        yield f"{at}: {ours} where the model has {theirs}"
    pattern = getattr(kind, "pattern", None)
    wanted = shape.get("pattern", "").removeprefix("^(").removesuffix(")$")
    if (pattern_of(pattern) if pattern else "") != wanted:
        yield f"{at}: pattern {pattern}, the model has {wanted}"
    if sorted(getattr(kind, "values", ())) != sorted(shape.get("enum", ())):
        yield f"{at}: {kind} where the model has {shape.get('enum')}"


@pytest.mark.parametrize(("shapes", "request_type", "shape_name"), list(operations()))
def test_a_request_is_as_the_model_says(shapes: dict[str, Any], request_type: type, shape_name: str) -> None:
    assert list(compare(shapes, inspect.type_info(request_type), shape_name, shape_name)) == []
