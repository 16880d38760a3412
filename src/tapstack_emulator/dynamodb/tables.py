"""A table: keys, sorted partitions, the past of every row, and rows that are due to expire."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from tapstack_emulator.dynamodb.sizes import value_bytes
from tapstack_emulator.dynamodb.values import Item, canonical, empty_key, invalid, kind_of, order

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html, read 2026-11-23.
_HASH_BYTES_MAX = 2048
_RANGE_BYTES_MAX = 1024
TTL_AGE_S_MAX = 5 * 365 * 86_400  # rows that expired longer ago are never deleted

RowKey = tuple[str, str]


class KeyAttribute(NamedTuple):
    """An attribute of the primary key and its type, S, N or B."""

    name: str
    kind: str


class Bounds(NamedTuple):
    """Between which range keys; each by what `order` makes of it, None for no bound."""

    low: Any = None
    high: Any = None
    low_excluded: bool = False
    high_excluded: bool = False


class Stored(NamedTuple):
    """A version of a row and its size, which is counted once; without an item, of a row that is not there."""

    item: Item | None
    size_bytes: int


NOTHING = Stored(None, 0)
_BY_PLACE = itemgetter(0)


class Table:
    """Rows by primary key.

    Parameters
    ----------
    name
        Its name.
    hash_key, range_key
        The primary key; a table may do without a range key.
    versions_max
        How many versions of each row are kept, the present one included; ``>= 1``.
    """

    def __init__(
        self, name: str, hash_key: KeyAttribute, range_key: KeyAttribute | None, versions_max: int
    ) -> None:
        self.name = name
        self.hash_key = hash_key
        self.range_key = range_key
        self.ttl_attribute: str | None = None
        self.created_s = 0.0
        self.throughput: dict[str, int] | None = None
        self._versions_max = versions_max
        self._rows: dict[RowKey, list[Stored]] = {}
        self._partitions: dict[str, list[tuple[Any, str]]] = {}
        self._expiring: list[tuple[float, RowKey]] = []
        self._due: dict[RowKey, None] = {}

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of the key's attributes."""
        return (self.hash_key.name,) if self.range_key is None else (self.hash_key.name, self.range_key.name)

    # Keys.

    def key_of(self, item: Item) -> RowKey:
        """Return the key of an item to be written.

        Raises
        ------
        AwsError
            ``ValidationException`` if a part is missing, empty, too long or of the wrong type.
        """
        parts = [_key_part(item, self.hash_key, _HASH_BYTES_MAX, "hashkey")]
        if self.range_key is not None:
            parts.append(_key_part(item, self.range_key, _RANGE_BYTES_MAX, "rangekey"))
        return parts[0], parts[1] if len(parts) > 1 else ""

    def key_from(self, given: Mapping[str, Any]) -> tuple[RowKey, Item]:
        """Return the key given in a request, which holds nothing else, and its attributes."""
        if given.keys() != set(self.key_names):
            raise invalid("The provided key element does not match the schema")
        attributes = {name: canonical(value) for name, value in given.items()}
        for part in (self.hash_key, self.range_key):
            if part is not None and kind_of(attributes[part.name]) != part.kind:
                raise invalid("The provided key element does not match the schema")
        return self.key_of(attributes), attributes

    def key_attributes(self, item: Item) -> Item:
        """Return the attributes of the key alone."""
        return {name: item[name] for name in self.key_names}

    # Rows.

    def get(self, key: RowKey) -> Item | None:
        """Return the row as it is; None if there is none."""
        return self.past(key).item

    def ages(self, key: RowKey) -> int:
        """Count the older versions kept of a row."""
        return max(0, len(self._rows.get(key, ())) - 1)

    def past(self, key: RowKey, back: int = 0) -> Stored:
        """Return a row as it was `back` versions ago; ``0..ages(key)``."""
        versions = self._rows.get(key)
        return versions[-1 - back] if versions else NOTHING

    def store(self, key: RowKey, version: Stored) -> None:
        """Make `version` the row's present one; `NOTHING` deletes the row."""
        item, versions = version.item, self._rows.get(key)
        if versions is None:
            if item is None:
                return
            versions = self._rows[key] = [NOTHING]  # before its first version a row did not exist
            insort(self._partitions.setdefault(key[0], []), self._place(key))
        versions.append(version)
        del versions[: -self._versions_max]
        if item is None and all(each.item is None for each in versions):
            self._drop(key)
        elif item is not None and self.ttl_attribute is not None:
            self._expect(key, item)

    def partition(self, hash_part: str) -> list[RowKey]:
        """List the keys of a partition in order, those of deleted rows with a past included."""
        return [(hash_part, sort) for _, sort in self._partitions.get(hash_part, ())]

    def between(self, hash_part: str, bounds: Bounds) -> list[RowKey]:
        """List the keys of a part of a partition in order, as `partition` does."""
        places = self._partitions.get(hash_part, [])
        low = bisect_right if bounds.low_excluded else bisect_left
        high = bisect_left if bounds.high_excluded else bisect_right
        first = 0 if bounds.low is None else low(places, bounds.low, key=_BY_PLACE)
        last = len(places) if bounds.high is None else high(places, bounds.high, key=_BY_PLACE)
        return [(hash_part, sort) for _, sort in places[first:last]]

    def keys(self) -> Iterator[RowKey]:
        """Iterate over every key, partition after partition."""
        for hash_part in self._partitions:
            yield from self.partition(hash_part)

    def place(self, key: RowKey) -> Any:
        """Return what the range key is ordered by."""
        return self._place(key)[0]

    def _place(self, key: RowKey) -> tuple[Any, str]:
        return ("" if self.range_key is None else order({self.range_key.kind: key[1]})), key[1]

    def _drop(self, key: RowKey) -> None:
        del self._rows[key]
        places = self._partitions[key[0]]
        del places[bisect_left(places, self._place(key))]
        if not places:
            del self._partitions[key[0]]

    # Time to live.

    def set_ttl(self, attribute: str | None) -> None:
        """Let rows expire by this attribute; None stops it."""
        self.ttl_attribute = attribute
        self._expiring.clear()
        self._due.clear()
        if attribute is not None:
            for key in self.keys():
                item = self.get(key)
                if item is not None:
                    self._expect(key, item)

    def due(self, now_s: float) -> list[RowKey]:
        """List the rows whose time has passed and that are still there."""
        while self._expiring and self._expiring[0][0] < now_s:
            self._due[heapq.heappop(self._expiring)[1]] = None
        for key in list(self._due):
            expires_s = self._expires_s(self.get(key))
            if expires_s is None or not now_s - TTL_AGE_S_MAX <= expires_s < now_s:
                del self._due[key]  # deleted or prolonged since
        return list(self._due)

    def _expect(self, key: RowKey, item: Item) -> None:
        expires_s = self._expires_s(item)
        if expires_s is not None:
            heapq.heappush(self._expiring, (expires_s, key))

    def _expires_s(self, item: Item | None) -> float | None:
        value = (item or {}).get(self.ttl_attribute or "", {})
        return float(value["N"]) if "N" in value else None


def _key_part(item: Item, part: KeyAttribute, bytes_max: int, what: str) -> str:
    value = item.get(part.name)
    if value is None:
        raise invalid(f"One or more parameter values were invalid: Missing the key {part.name} in the item")
    kind, content = next(iter(value.items()))
    if kind != part.kind:
        raise invalid(
            "One or more parameter values were invalid: Type mismatch for key"
            f" {part.name} expected: {part.kind} actual: {kind}"
        )
    if content == "":
        raise empty_key(part.name, kind)
    if value_bytes(value) > bytes_max:
        raise invalid(
            f"One or more parameter values were invalid: Size of {what} has exceeded the maximum size limit"
            f" of{bytes_max} bytes"
        )
    return str(content)
