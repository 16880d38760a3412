"""lib/tap_stack.tf, parsed without Terraform."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import hcl2

from .toolbox import LIB

STACK = LIB / "tap_stack.tf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of the stack.

    Attributes
    ----------
    kind
        ``variable``, ``data``, ``resource`` or ``output``.
    address
        As Terraform writes it: ``aws_vpc.main``, or the name of a variable or output.
    body
        Attributes by name; an expression is text in ``${}``.
    nested
        Nested blocks by name, in order.
    """

    kind: str
    address: str
    body: dict[str, Any]


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    # The parser wraps every attribute and every nested block in a list; attributes have exactly one entry.
    return {name: value for name, value in body.items() if not name.startswith("__")}


@functools.cache
def document() -> dict[str, Any]:
    """Parse the stack once."""
    with STACK.open() as text:
        parsed: dict[str, Any] = hcl2.load(text)
    return parsed


def blocks(kind: str) -> Iterator[Block]:
    """Yield every block of a kind.

    Parameters
    ----------
    kind
        ``variable``, ``output``, ``data`` or ``resource``.
    """
    for entry in document()[kind]:
        for first, inner in entry.items():
            if kind in ("variable", "output"):
                yield Block(kind=kind, address=first, body=_plain(inner))
            else:
                for name, body in inner.items():
                    yield Block(kind=kind, address=f"{first}.{name}", body=_plain(body))


def block(kind: str, address: str) -> Block:
    """Find one block by its address."""
    return next(found for found in blocks(kind) if found.address == address)


@functools.cache
def local_values() -> dict[str, Any]:
    """Give every local value by name; what is an expression stays text."""
    return {
        name: value[0]
        for part in document()["locals"]
        for name, value in part.items()
        if not name.startswith("__")
    }


def rules(table: str) -> list[dict[str, Any]]:
    """List the rules of a table, each with its place, what it opens to and when.

    Parameters
    ----------
    table
        ``network_acl_rules`` or ``security_group_rules``, which hold lists by place, as in ``alb-in``.
    """
    return [
        {
            "place": place.rpartition("-")[0],
            "direction": place.rpartition("-")[2],
            "action": "allow",
            "when": "always",
            **rule,
        }
        for place, listed in local_values()[table].items()
        for rule in listed
    ]


def one(value: list[Any]) -> Any:
    """Unwrap an attribute."""
    (inner,) = value
    return inner


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every policy statement with the address of its document, those of dynamic blocks too."""
    for found in blocks("data"):
        if not found.address.startswith("aws_iam_policy_document."):
            continue
        for statement in found.body.get("statement", []):
            yield found.address, statement
        for dynamic in found.body.get("dynamic", []):
            for content in dynamic.get("statement", {}).get("content", []):
                yield found.address, content
