"""What declared attributes should be: recomputed from events, without the product's code, and not fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}
_NUMBER_MAX = 2**53 - 1
_AMOUNT_MAX = 10**12


class Seen(NamedTuple):
    """An event as JSON has it; when it was, Unix ms, not later than it arrived at the stream, Unix s."""

    event: Mapping[str, Any]
    at_ms: int
    arrived_s: int


def seconds(duration: str) -> int:
    """Return a duration in seconds."""
    return int(duration[:-1]) * _UNITS_S[duration[-1]]


def hop_s_of(attribute: Mapping[str, Any], window: str) -> int:
    """Return the length of a window's tiles."""
    if "hop" in attribute:
        return seconds(attribute["hop"])
    length_s = seconds(window)
    return 300 if length_s <= 3_600 else 3_600 if length_s <= 86_400 else 86_400


def covered_from_s(attribute: Mapping[str, Any], window: str, now_s: int) -> int | None:
    """Return when a window that ends now begins; None for the lifetime."""
    if window == "lifetime":
        return None
    hop_s = hop_s_of(attribute, window)
    return (now_s - seconds(window)) // hop_s * hop_s


def values_of(
    attribute: Mapping[str, Any], window: str, events: Iterable[Seen], now_s: int
) -> list[tuple[int, Any]]:
    """Return when and what: of each event in a window that counts, or of each of its items."""
    start_s = covered_from_s(attribute, window, now_s)
    found = []
    for seen in events:
        if start_s is not None and seen.at_ms < start_s * 1_000:
            continue
        if attribute.get("events") and seen.event["event_type"] not in attribute["events"]:
            continue
        for item in seen.event.get("items", ()) if names_any(attribute, ("items.",)) else ({},):
            if "filter" in attribute and not _passes(attribute["filter"], seen.event, item):
                continue
            value = _value(attribute["property"], seen.event, item) if "property" in attribute else None
            found.append((seen.at_ms, value))
    return found


def expected(attribute: Mapping[str, Any], window: str, events: Iterable[Seen], now_s: int) -> Any:
    """Return the value that an attribute should have, were nothing left out for want of room.

    Of `category_count` and `most_frequent` all counts; of `approx_count_distinct` the exact number.
    """
    found = values_of(attribute, window, events, now_s)
    aggregation = attribute["aggregation"]
    if aggregation == "counter":
        return len(found)
    if aggregation in {"sum", "min", "max", "mean"}:
        value = _of_numbers(aggregation, [value for _, value in found if _is_amount(value)])
    elif aggregation in {"first", "last", "time_since_first", "time_since_last"}:
        value = _of_a_moment(attribute, found, now_s)
    else:
        value = _of_texts(attribute, [(at_ms, _text(value)) for at_ms, value in found if _is_scalar(value)])
    return attribute.get("default") if value is None else value


def _of_a_moment(attribute: Mapping[str, Any], found: Sequence[tuple[int, Any]], now_s: int) -> Any:
    pick = min if attribute["aggregation"].endswith("first") else max
    if attribute["aggregation"].startswith("time"):
        moments = [at_ms for at_ms, _ in found]
        return max(0, now_s * 1_000 - pick(moments)) / 1_000 if moments else None
    bytes_max = attribute.get("bytes_max", 40)
    kept = [
        (at_ms, _cut(value, bytes_max) if isinstance(value, str) else value)
        for at_ms, value in found
        if _is_scalar(value)
    ]
    return pick(kept, key=lambda each: (each[0], _kind(each[1]), each[1]))[1] if kept else None


def _of_texts(attribute: Mapping[str, Any], found: Sequence[tuple[int, str]]) -> Any:
    if attribute["aggregation"] == "approx_count_distinct":
        return len({text for _, text in found}) or None
    cut = [(at_ms, _cut(text, attribute.get("bytes_max", 40))) for at_ms, text in found]
    if attribute["aggregation"] == "unique_list":
        return _unique(cut, attribute.get("limit", 20))
    return Counter([text for _, text in cut])


def _of_numbers(aggregation: str, numbers: Sequence[float]) -> Any:
    if not numbers:
        return None
    micros = [_micros(number) for number in numbers]
    if aggregation == "mean":
        return sum(micros) / len(micros) / 1e6
    total = sum(micros) if aggregation == "sum" else min(micros) if aggregation == "min" else max(micros)
    return total / 1e6


def _unique(counted: Sequence[tuple[int, str]], limit: int) -> list[str] | None:
    seen: dict[str, int] = {}
    for at_ms, text in counted:
        seen[text] = max(at_ms // 1_000, seen.get(text, at_ms // 1_000))
    return [text for text, _ in sorted(seen.items(), key=lambda each: (each[1], each[0]))][-limit:] or None


def _micros(number: float) -> int:
    product = number * 1_000_000
    return round(product) if abs(product) < 2**53 else round(Decimal(repr(number)) * 1_000_000)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _NUMBER_MAX


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _AMOUNT_MAX


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _cut(text: str, bytes_max: int) -> str:
    while len(text.encode()) > bytes_max:
        text = text[:-1]
    return text


def names_any(attribute: Mapping[str, Any], prefixes: tuple[str, ...]) -> bool:
    """Return whether an attribute, or its filter, names a property that begins so."""
    names = [attribute.get("property", ""), *_named(attribute.get("filter"))]
    return any(name.startswith(prefixes) for name in names)


def _named(condition: Mapping[str, Any] | None) -> Iterable[str]:
    if condition is None:
        return
    if "property" in condition:
        yield condition["property"]
    for part in [*condition.get("all", ()), *condition.get("any", ())]:
        yield from _named(part)


def _value(name: str, event: Mapping[str, Any], item: Mapping[str, Any]) -> Any:
    value: Any = event
    if name.startswith("items."):
        value, name = item, name.removeprefix("items.")
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _passes(condition: Mapping[str, Any], event: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    if "all" in condition:
        return all(_passes(part, event, item) for part in condition["all"])
    if "any" in condition:
        return any(_passes(part, event, item) for part in condition["any"])
    found = _value(condition["property"], event, item)
    return _compares(found, condition["operator"], condition.get("value"))


def _compares(found: Any, operator: str, value: Any) -> bool:
    if operator in {"is null", "is not null"}:
        return (found is None) == (operator == "is null")
    if operator in {"=", "in", "!=", "not in"}:
        values = value if isinstance(value, list) else [value]
        among = any(_kind(found) == _kind(each) and found == each for each in values)
        return found is not None and among == (operator in {"=", "in"})
    if operator == "starts with":
        return isinstance(found, str) and found.startswith(value)
    if _kind(found) != _kind(value) or not _is_scalar(found):
        return False
    return bool(
        {"<": found < value, "<=": found <= value, ">": found > value, ">=": found >= value}[operator]
    )


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if _is_number(value) else "text" if isinstance(value, str) else "other"
