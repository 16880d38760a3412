"""Update expressions: SET, REMOVE, ADD and DELETE on document paths."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tapstack.ports import AwsError
from tapstack_emulator.dynamodb.expressions import Operand, Operands, Path, Reader, lookup, refuse_overlaps
from tapstack_emulator.dynamodb.values import Item, Value, add_numbers, invalid, kind_of

KIND = "UpdateExpression"
_CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")
Change = Callable[[Item, Item], None]


class Update:
    """A compiled update.

    Parameters
    ----------
    paths
        What it touches.
    changes
        Each reads the item as it was and changes the item as it becomes.
    """

    def __init__(self, paths: list[Path], changes: list[Change]) -> None:
        self.paths = paths
        self._changes = changes
        self._nested = any(len(path) > 1 for path in paths)

    def apply(self, item: Item) -> Item:
        """Return the item as it becomes; `item` stays as it is.

        Raises
        ------
        AwsError
            ``ValidationException`` if an operand is missing or of the wrong type.
        """
        after = copy.deepcopy(item) if self._nested else dict(item)
        for change in self._changes:
            change(item, after)
        return after


def parse_update(text: str, operands: Operands) -> Update:
    """Compile an update expression.

    Raises
    ------
    AwsError
        ``ValidationException``, worded as AWS does.
    """
    reader = Reader(text, operands, KIND)
    paths: list[Path] = []
    changes: dict[str, list[Change]] = {}
    while reader.peek():
        clause = reader.take().upper()
        if clause not in _CLAUSES:
            reader.at -= 1
            raise reader.unexpected()
        if clause in changes:
            raise invalid(
                f'Invalid {KIND}: The "{clause}" section can only be used once in an update expression;'
            )
        changes[clause] = _clause(clause, reader, paths)
    refuse_overlaps(paths, KIND)
    ordered = [change for clause in ("SET", "ADD", "DELETE", "REMOVE") for change in changes.get(clause, [])]
    return Update(paths, ordered)


def _clause(clause: str, reader: Reader, paths: list[Path]) -> list[Change]:
    actions = [_action(clause, reader)]
    while reader.keyword(","):
        actions.append(_action(clause, reader))
    paths += [path for path, _ in actions]
    if clause == "REMOVE":  # from behind, so that the indexes of lists mean the item as it was
        actions.sort(key=lambda action: [part if isinstance(part, int) else -1 for part in action[0]])
        actions.reverse()
    return [change for _, change in actions]


def _action(clause: str, reader: Reader) -> tuple[Path, Change]:
    path = reader.path()
    return path, _change(clause, reader, path)


def _change(clause: str, reader: Reader, path: Path) -> Change:
    if clause == "SET":
        reader.expect("=")
        return _set(path, _sum(reader))
    if clause == "REMOVE":
        return lambda _, after: _store(after, path, None)
    value = reader.operands.value(reader.take(), KIND)
    return _add(path, value) if clause == "ADD" else _delete(path, value)


def _set(path: Path, operand: Operand) -> Change:
    def change(before: Item, after: Item) -> None:
        value = operand(before)
        if value is None:
            raise invalid("The provided expression refers to an attribute that does not exist in the item")
        _store(after, path, value)

    return change


def _sum(reader: Reader) -> Operand:
    left = _operand(reader)
    if reader.peek() not in {"+", "-"}:
        return left
    minus = reader.take() == "-"
    right = _operand(reader)

    def total(item: Item) -> Value | None:
        one, two = left(item), right(item)
        if one is None or two is None:
            return None
        if kind_of(one) != "N" or kind_of(two) != "N":
            raise invalid("An operand in the update expression has an incorrect data type")
        return {"N": add_numbers(one["N"], two["N"], minus=minus)}

    return total


def _operand(reader: Reader) -> Operand:
    token = reader.peek()
    if token.startswith(":"):
        value = reader.operands.value(reader.take(), KIND)
        return lambda _: value
    if reader.tokens[reader.at + 1 : reader.at + 2] == ("(",):
        return _function(reader)
    path = reader.path()
    return lambda item: lookup(item, path)


def _function(reader: Reader) -> Operand:
    name = reader.take()
    if name not in {"if_not_exists", "list_append"}:
        raise invalid(f"Invalid {KIND}: Invalid function name; function: {name}")
    reader.expect("(")
    left = _operand(reader)
    reader.expect(",")
    right = _operand(reader)
    reader.expect(")")
    if name == "if_not_exists":
        return lambda item: right(item) if (found := left(item)) is None else found

    def joined(item: Item) -> Value | None:
        one, two = left(item), right(item)
        if one is None or two is None:
            return None
        if kind_of(one) != "L" or kind_of(two) != "L":
            raise invalid("An operand in the update expression has an incorrect data type")
        return {"L": one["L"] + two["L"]}

    return joined


def _add(path: Path, value: Value) -> Change:
    kind = kind_of(value)
    if kind not in {"N", "SS", "NS", "BS"}:
        raise _operand_type("ADD", kind)

    def change(before: Item, after: Item) -> None:
        old = lookup(before, path)
        if old is None:
            _store(after, path, value)
            return
        if kind_of(old) != kind:
            raise invalid("An operand in the update expression has an incorrect data type")
        if kind == "N":
            _store(after, path, {"N": add_numbers(old["N"], value["N"])})
        else:
            _store(after, path, {kind: sorted({*old[kind], *value[kind]})})

    return change


def _delete(path: Path, value: Value) -> Change:
    kind = kind_of(value)
    if kind not in {"SS", "NS", "BS"}:
        raise _operand_type("DELETE", kind)

    def change(before: Item, after: Item) -> None:
        old = lookup(before, path)
        if old is None:
            return
        if kind_of(old) != kind:
            raise invalid("An operand in the update expression has an incorrect data type")
        left = sorted(set(old[kind]) - set(value[kind]))
        _store(after, path, {kind: left} if left else None)

    return change


def _operand_type(operator: str, kind: str) -> AwsError:
    problem = "Incorrect operand type for operator or function"
    return invalid(f"Invalid {KIND}: {problem}; operator: {operator}, operand type: {kind}")


def _store(item: Item, path: Path, value: Value | None) -> None:
    """Put `value` at a path, or remove what is there; the path's parent must exist."""
    holder: Any = item
    for depth, part in enumerate(path[:-1]):
        holder = _child(holder, part)
        wanted = "L" if isinstance(path[depth + 1], int) else "M"
        if holder is None or wanted not in holder:
            raise invalid("The document path provided in the update expression is invalid for update")
        holder = holder[wanted]
    last = path[-1]
    if isinstance(last, int):
        _store_element(holder, last, value)
    elif value is None:
        holder.pop(last, None)
    else:
        holder[last] = value


def _child(holder: Any, part: str | int) -> Any:
    if isinstance(part, int):
        return holder[part] if part < len(holder) else None
    return holder.get(part)


def _store_element(elements: list[Value], index: int, value: Value | None) -> None:
    if value is None:
        del elements[index : index + 1]
    elif index < len(elements):
        elements[index] = value
    else:
        elements.append(value)
