"""DynamoDB's expressions as far as conditional writes need them: operands, tokens, conditions.

Key conditions, which share them, are in `tapstack_emulator.dynamodb.key_conditions`. What is left out of the
grammar, and why: docs/decisions/0011. Grammar (read 2026-11-23):
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from tapstack_emulator.aws_request import not_implemented
from tapstack_emulator.dynamodb.reserved import RESERVED_WORDS
from tapstack_emulator.dynamodb.values import Item, Value, canonical, invalid, kind_of, order
from tapstack_emulator.dynamodb.wire import Expressions

Condition = Callable[[Item], bool]
Operand = Callable[[Item], Value | None]

_TOKEN = re.compile(r"\s*(?:(?P<token>[#:]?\w+|<>|<=|>=|[=<>(),.\[\]+\-])|(?P<end>$)|(?P<bad>.))", re.DOTALL)
_ATTRIBUTE = re.compile(r"#\w+|[A-Za-z_]\w*")
_COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})


class Operands:
    """The names and values that a request gives to its expressions; every one must be used.

    Parameters
    ----------
    request
        The request.
    """

    def __init__(self, request: Expressions) -> None:
        given = request.expression_attribute_names, request.expression_attribute_values
        for member, content in zip(("Names", "Values"), given, strict=True):
            if content == {}:
                raise invalid(f"ExpressionAttribute{member} must not be empty")
        self._names = given[0] or {}
        self._values = {name: canonical(value) for name, value in (given[1] or {}).items()}
        self._used: set[str] = set()

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
        for member, given in (("Names", self._names.keys()), ("Values", self._values.keys())):
            unused = sorted(given - self._used)
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

    def peek(self, ahead: int = 0) -> str:
        """Return the next token, or one after it; empty at the end."""
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else ""

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
        """Return the error for the next token."""
        near = " ".join(self.tokens[max(0, self.at - 1) : self.at + 2])
        return invalid(
            f'Invalid {self.kind}: Syntax error; token: "{self.peek() or "<EOF>"}", near: "{near}"'
        )

    def end(self) -> None:
        """Refuse anything further."""
        if self.at < len(self.tokens):
            raise self.unexpected()

    def attribute(self) -> str:
        """Read the name of an attribute."""
        if not _ATTRIBUTE.fullmatch(self.peek()):
            raise self.unexpected()
        if self.peek(1) in {".", "["}:
            raise not_implemented(f"A document path in {self.kind}")
        return self.operands.name(self.take(), self.kind)

    def value(self) -> Value:
        """Read a ``:placeholder``."""
        return self.operands.value(self.take(), self.kind)


def parse_condition(text: str, operands: Operands) -> Condition:
    """Compile a condition.

    Raises
    ------
    AwsError
        ``ValidationException``, worded as AWS does.
    """
    reader = Reader(text, operands, "ConditionExpression")
    condition = _either(reader)
    reader.end()
    return condition


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
    return _function(reader) if reader.peek(1) == "(" else _comparison(reader)


def _function(reader: Reader) -> Condition:
    name = reader.take()
    if name not in {"attribute_exists", "attribute_not_exists"}:
        raise not_implemented(f"The function {name} in {reader.kind}")
    reader.expect("(")
    attribute = reader.attribute()
    reader.expect(")")
    if name == "attribute_exists":
        return lambda item: attribute in item
    return lambda item: attribute not in item


def _comparison(reader: Reader) -> Condition:
    left = _operand(reader)
    if reader.peek().upper() in {"BETWEEN", "IN"}:
        raise not_implemented(f"{reader.peek()} in {reader.kind}")
    if reader.peek() not in _COMPARATORS:
        raise reader.unexpected()
    comparator = reader.take()
    right = _operand(reader)
    return lambda item: compare(left(item), comparator, right(item))


def _operand(reader: Reader) -> Operand:
    if reader.peek().startswith(":"):
        value = reader.value()
        return lambda _: value
    attribute = reader.attribute()
    return lambda item: item.get(attribute)


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
