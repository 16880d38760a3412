"""DynamoDB's expressions: conditions, key conditions, filters, projections.

Update expressions, which share the operands, are in `tapstack_emulator.dynamodb.updates`. Grammar
(read 2026-11-23):
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from tapstack_emulator.dynamodb.reserved import RESERVED_WORDS
from tapstack_emulator.dynamodb.sizes import value_bytes
from tapstack_emulator.dynamodb.values import Item, Value, canonical, invalid, kind_of, order

Path = tuple[str | int, ...]
Condition = Callable[[Item], bool]
Operand = Callable[[Item], Value | None]

_TOKEN = re.compile(r"\s*(?:(?P<token>[#:]?\w+|<>|<=|>=|[=<>(),.\[\]+\-])|(?P<end>$)|(?P<bad>.))")
_COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_TYPES = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})


class Operands:
    """The names and values a request gives to its expressions; every one must be used.

    Parameters
    ----------
    request
        With ``ExpressionAttributeNames`` and ``ExpressionAttributeValues``, if there are any.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._names: Mapping[str, str] = request.get("ExpressionAttributeNames") or {}
        given: Mapping[str, Any] = request.get("ExpressionAttributeValues") or {}
        self._values = {name: canonical(value) for name, value in given.items()}
        self._used: set[str] = set()
        for member in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            if request.get(member) == {}:
                raise invalid(f"{member} must not be empty")

    def name(self, token: str, kind: str) -> str:
        """Resolve an attribute's name, spelled out or as ``#placeholder``."""
        if not token.startswith("#"):
            if token.upper() in RESERVED_WORDS:
                problem = f"Attribute name is a reserved keyword; reserved keyword: {token}"
                raise invalid(f"Invalid {kind}: {problem}")
            return token
        if token not in self._names:
            problem = "An expression attribute name used in the document path is not defined"
            raise invalid(f"Invalid {kind}: {problem}; attribute name: {token}")
        self._used.add(token)
        return self._names[token]

    def value(self, token: str, kind: str) -> Value:
        """Resolve a ``:placeholder``."""
        if token not in self._values:
            problem = "An expression attribute value used in expression is not defined"
            raise invalid(f"Invalid {kind}: {problem}; attribute value: {token}")
        self._used.add(token)
        return self._values[token]

    def finish(self) -> None:
        """Refuse what no expression used.

        Raises
        ------
        AwsError
            ``ValidationException``.
        """
        for member, given in (("Names", self._names), ("Values", self._values)):
            unused = sorted(given.keys() - self._used)
            if unused:
                keys = ", ".join(unused)
                raise invalid(
                    f"Value provided in ExpressionAttribute{member} unused in expressions: keys: {{{keys}}}"
                )


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[str, ...]:
    """Cut an expression into tokens; an unknown character becomes a token that no rule accepts."""
    found = [match["token"] or match["bad"] for match in _TOKEN.finditer(text) if not match["end"]]
    return tuple(token for token in found if token)


class Reader:
    """A cursor over the tokens of one expression.

    Parameters
    ----------
    text
        The expression.
    operands
        What its placeholders mean.
    kind
        The request's member, such as ``ConditionExpression``, for messages.
    """

    def __init__(self, text: str, operands: Operands, kind: str) -> None:
        self.tokens = tokens(text)
        self.at = 0
        self.kind = kind
        self.operands = operands
        if not self.tokens:
            raise invalid(f"Invalid {kind}: The expression can not be empty;")

    def peek(self) -> str:
        """Return the next token; empty at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def keyword(self, word: str) -> bool:
        """Consume `word` if it comes next, in any case."""
        found = self.peek().upper() == word
        self.at += found
        return found

    def take(self) -> str:
        """Consume a token."""
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""

    def expect(self, token: str) -> None:
        """Consume `token` or refuse the expression."""
        if not self.keyword(token):
            raise self.unexpected()

    def unexpected(self) -> Exception:
        """Make the error for the next token."""
        near = " ".join(self.tokens[max(0, self.at - 1) : self.at + 2])
        return invalid(
            f'Invalid {self.kind}: Syntax error; token: "{self.peek() or "<EOF>"}", near: "{near}"'
        )

    def end(self) -> None:
        """Refuse anything further."""
        if self.at < len(self.tokens):
            raise self.unexpected()

    def path(self) -> Path:
        """Read a document path: ``a.#b[0].c``."""
        if not re.fullmatch(r"#\w+|[A-Za-z_]\w*", self.peek()):
            raise self.unexpected()
        parts: list[str | int] = [self.operands.name(self.take(), self.kind)]
        while self.peek() in {".", "["}:
            if self.take() == ".":
                parts.append(self.operands.name(self.take(), self.kind))
            elif self.peek().isdecimal():
                parts.append(int(self.take()))
                self.expect("]")
            else:
                raise self.unexpected()
        return tuple(parts)


def lookup(item: Item, path: Path) -> Value | None:
    """Find the value at a path; None if there is none."""
    value: Value | None = item.get(str(path[0]))
    for part in path[1:]:
        if value is None:
            return None
        if isinstance(part, int):
            elements = value.get("L", ())
            value = elements[part] if part < len(elements) else None
        else:
            value = value.get("M", {}).get(part)
    return value


def parse_condition(text: str, operands: Operands, kind: str = "ConditionExpression") -> Condition:
    """Compile a condition.

    Raises
    ------
    AwsError
        ``ValidationException``, worded as AWS does.
    """
    reader = Reader(text, operands, kind)
    condition = _either(reader)
    reader.end()
    return condition


def parse_projection(text: str, operands: Operands) -> list[Path]:
    """Read the paths of a projection; overlapping ones are refused."""
    reader = Reader(text, operands, "ProjectionExpression")
    paths = [reader.path()]
    while reader.keyword(","):
        paths.append(reader.path())
    reader.end()
    refuse_overlaps(paths, "ProjectionExpression")
    return paths


def refuse_overlaps(paths: list[Path], kind: str) -> None:
    """Refuse two paths of which one leads through the other."""
    for index, one in enumerate(paths):
        for two in paths[index + 1 :]:
            length = min(len(one), len(two))
            if one[:length] == two[:length]:
                raise invalid(
                    f"Invalid {kind}: Two document paths overlap with each other; must remove or rewrite"
                    f" one of these paths; path one: {_shown(one)}, path two: {_shown(two)}"
                )


def _shown(path: Path) -> str:
    return "[" + ", ".join(f"[{part}]" if isinstance(part, int) else part for part in path) + "]"


def _either(reader: Reader) -> Condition:
    left = _both(reader)
    while reader.keyword("OR"):
        left = _or(left, _both(reader))
    return left


def _or(left: Condition, right: Condition) -> Condition:
    return lambda item: left(item) or right(item)


def _both(reader: Reader) -> Condition:
    left = _negation(reader)
    while reader.keyword("AND"):
        left = _and(left, _negation(reader))
    return left


def _and(left: Condition, right: Condition) -> Condition:
    return lambda item: left(item) and right(item)


def _negation(reader: Reader) -> Condition:
    if reader.keyword("NOT"):
        inner = _negation(reader)
        return lambda item: not inner(item)
    if reader.keyword("("):
        inner = _either(reader)
        reader.expect(")")
        return inner
    return _function(reader) or _comparison(reader)


def _function(reader: Reader) -> Condition | None:
    name = reader.peek()
    make = _FUNCTIONS.get(name)
    if make is None or reader.tokens[reader.at + 1 : reader.at + 2] != ("(",):
        return None
    reader.at += 2
    condition = make(reader)
    reader.expect(")")
    return condition


def _exists(reader: Reader) -> Condition:
    path = reader.path()
    return lambda item: lookup(item, path) is not None


def _not_exists(reader: Reader) -> Condition:
    path = reader.path()
    return lambda item: lookup(item, path) is None


def _attribute_type(reader: Reader) -> Condition:
    path = reader.path()
    reader.expect(",")
    wanted = reader.operands.value(reader.take(), reader.kind).get("S")
    if wanted not in _TYPES:
        raise invalid(f"Invalid {reader.kind}: Invalid attribute type name found; type: {wanted}")
    return lambda item: wanted in (lookup(item, path) or {})


def _begins_with(reader: Reader) -> Condition:
    operand, prefix = _pair(reader)
    return lambda item: _starts(operand(item), prefix(item))


def _starts(value: Value | None, prefix: Value | None) -> bool:
    if value is None or prefix is None or kind_of(value) != kind_of(prefix) or kind_of(value) not in "SB":
        return False
    return bool(order(value).startswith(order(prefix)))


def _contains(reader: Reader) -> Condition:
    operand, wanted = _pair(reader)
    return lambda item: _holds(operand(item), wanted(item))


def _holds(value: Value | None, wanted: Value | None) -> bool:
    if value is None or wanted is None:
        return False
    kind = kind_of(value)
    if kind == "L":
        return wanted in value["L"]
    if kind in {"SS", "NS", "BS"}:
        return wanted.get(kind[0]) in value[kind]
    return kind in "SB" and kind == kind_of(wanted) and order(wanted) in order(value)


def _pair(reader: Reader) -> tuple[Operand, Operand]:
    first = _operand(reader)
    reader.expect(",")
    return first, _operand(reader)


_FUNCTIONS: Mapping[str, Callable[[Reader], Condition]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _not_exists,
    "attribute_type": _attribute_type,
    "begins_with": _begins_with,
    "contains": _contains,
}


def _comparison(reader: Reader) -> Condition:
    left = _operand(reader)
    if reader.keyword("BETWEEN"):
        first = reader.peek()
        low = _operand(reader)
        reader.expect("AND")
        if first.startswith(":") and reader.peek().startswith(":"):
            check_bounds(reader, first, reader.peek())
        high = _operand(reader)
        return lambda item: compare(left(item), ">=", low(item)) and compare(left(item), "<=", high(item))
    if reader.keyword("IN"):
        reader.expect("(")
        options = [_operand(reader)]
        while reader.keyword(","):
            options.append(_operand(reader))
        reader.expect(")")
        return lambda item: any(compare(left(item), "=", option(item)) for option in options)
    if reader.peek() not in _COMPARATORS:
        raise reader.unexpected()
    comparator = reader.take()
    right = _operand(reader)
    return lambda item: compare(left(item), comparator, right(item))


def check_bounds(reader: Reader, low: str, high: str) -> None:
    """Refuse BETWEEN two placeholders whose values are of two types or in the wrong order."""
    lower, upper = (reader.operands.value(name, reader.kind) for name in (low, high))
    must = "upper bound to be greater than or equal to lower bound"
    if kind_of(lower) != kind_of(upper):
        must = "same data type for lower and upper bounds"
    elif compare(lower, "<=", upper):
        return
    shown = [f"{{{kind}:{content}}}" for value in (lower, upper) for kind, content in value.items()]
    raise invalid(
        f"Invalid {reader.kind}: The BETWEEN operator requires {must}; lower bound operand: AttributeValue:"
        f" {shown[0]}, upper bound operand: AttributeValue: {shown[1]}"
    )


def compare(left: Value | None, comparator: str, right: Value | None) -> bool:
    """Compare as DynamoDB does: nothing is true of a missing value, except that it differs."""
    if comparator == "=":
        return left is not None and left == right
    if comparator == "<>":
        return left != right
    if left is None or right is None or kind_of(left) != kind_of(right):
        return False
    one, two = order(left), order(right)
    if one is None:
        return False
    return bool({"<": one < two, "<=": one <= two, ">": one > two, ">=": one >= two}[comparator])


def _operand(reader: Reader) -> Operand:
    following = reader.peek()
    if following.startswith(":"):
        value = reader.operands.value(reader.take(), reader.kind)
        return lambda _: value
    if following == "size" and reader.tokens[reader.at + 1 : reader.at + 2] == ("(",):
        reader.at += 2
        path = reader.path()
        reader.expect(")")
        return lambda item: _size(lookup(item, path))
    path = reader.path()
    return lambda item: lookup(item, path)


def _size(value: Value | None) -> Value | None:
    if value is None:
        return None
    kind, content = next(iter(value.items()))
    if kind in {"N", "BOOL", "NULL"}:
        return None
    size = value_bytes(value) if kind == "B" else len(content.encode() if kind == "S" else content)
    return {"N": str(size)}
