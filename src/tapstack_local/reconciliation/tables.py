"""Reading back what the pipeline wrote: the whole table and the buckets, by plain HTTP.

Rows are generic MessagePack, laid out as docs/reference/table.md says: nothing of the code that wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import unescape

import aiohttp
import msgspec

from tapstack.dead_letters import AnyLetter, DeadLetter, RefusedEvent, decode, distinct
from tapstack.errors import Unavailable

# The emulator recognises the service by the scope of the credential, and does not check signatures.
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=local/20260101/{region}/{service}/aws4_request, "
    "SignedHeaders=host, Signature=0"
)
_TIMEOUT = aiohttp.ClientTimeout(total=120)


@dataclass(slots=True)
class UserRow:
    """What a user's row says, as far as it is checked."""

    clients: dict[bytes, list[Any]]
    ids: dict[int, int]
    floor_s: int
    floor_day: int
    counters: dict[int | str, int]
    pairs_count: int
    traits: dict[str, Any] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    recent: list[Any] = field(default_factory=list)
    history: list[Any] | None = None
    sessions: list[Any] = field(default_factory=list)
    paged: set[int] = field(default_factory=set)

    def knows(self, digest: int) -> bool:
        """Return whether the row or one of its pages holds an id."""
        return digest in self.ids or digest in self.paged


@dataclass(slots=True)
class ItemRow:
    """What an item's row in one stripe says."""

    lifetime: dict[int | str, int]
    windows: list[dict[int, dict[int | str, int]]]
    arrived_s: int
    viewed_with: dict[str, int]
    bought_with: dict[str, int]
    facts: list[Any] = field(default_factory=lambda: [None] * 4)
    amounts: dict[int | str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Journal:
    """The journal, and how much of it derived rows say they hold.

    Parameters
    ----------
    heads
        By lane, the number of its last entry.
    numbers
        By lane, the numbers of the entries that are there.
    marks
        By projection, then by lane: the last entry that is folded.
    since_s
        By projection: what was counted before is not in it; 0 if nothing is missing.
    applied
        By key of a derived row, then by lane: the last entry that is in it.
    arrived_s
        When the newest record of any entry arrived.
    """

    heads: dict[int, int] = field(default_factory=dict)
    numbers: dict[int, set[int]] = field(default_factory=dict)
    marks: dict[str, dict[int, int]] = field(default_factory=dict)
    since_s: dict[str, int] = field(default_factory=dict)
    applied: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)
    arrived_s: int = 0


@dataclass(slots=True)
class Tables:
    """Everything that was read back.

    Parameters
    ----------
    users
        By partition key.
    items
        By item, then by stripe.
    paged
        Digests on pages of ids, by the partition key of their user.
    history_pages
        Version and interactions of pages of history, by the partition key of their user and sort key.
    to_visitors, to_users
        What pointers say, in the partitions of users and of visitors: pairs of a user's partition key and a
        visitor's id.
    boards
        By length of sub-windows and stripe.
    terms
        Rows of search terms, by window name, number and stripe: by digest the count, the places and the text.
    places
        Rows of lists, recommendations and the shop, by place and stripe.
    categories
        Rows of categories, by window name, number and stripe: the counters of all, and by name those of each.
    journal
        The journal.
    late, quarantined
        The consumer's dead letters, each once.
    refused
        The collector's.
    strange
        Keys of rows that are none of these.
    """

    users: dict[str, UserRow] = field(default_factory=dict)
    paged: dict[str, set[int]] = field(default_factory=dict)
    history_pages: dict[str, dict[str, tuple[int, list[Any]]]] = field(default_factory=dict)
    to_visitors: set[tuple[str, str]] = field(default_factory=set)
    to_users: set[tuple[str, str]] = field(default_factory=set)
    items: dict[str, dict[str, ItemRow]] = field(default_factory=dict)
    boards: dict[tuple[str, str], Any] = field(default_factory=dict)
    terms: dict[tuple[str, int, str], dict[int, list[Any]]] = field(default_factory=dict)
    places: dict[str, dict[str, Any]] = field(default_factory=dict)
    categories: dict[tuple[str, int, str], list[Any]] = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal)
    late: list[DeadLetter] = field(default_factory=list)
    quarantined: list[DeadLetter] = field(default_factory=list)
    refused: list[RefusedEvent] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    def add_letters(self, letters: Iterable[AnyLetter], records: list[DeadLetter]) -> None:
        """Add a bucket's dead letters: the consumer's to a list, the collector's to `refused`."""
        for letter in letters:
            if isinstance(letter, RefusedEvent):
                self.refused.append(letter)
            else:
                records.append(letter)

    def add(self, pk: str, sk: str, state: bytes, version: int = 1) -> None:
        """Add a row."""
        fields = msgspec.msgpack.decode(state)
        kind, _, name = pk.partition("#")
        if kind in {"U", "A"} and sk == "-":
            self._add_user(pk, fields)
        elif kind in {"U", "A"} and sk.startswith("hist#"):
            self.history_pages.setdefault(pk, {})[sk] = (version, fields)
        elif kind == "U" and sk.startswith("was#"):
            self.to_visitors.add((pk, sk.removeprefix("was#")))
        elif kind == "A" and sk.startswith("is#"):
            self.to_users.add(("U#" + sk.removeprefix("is#"), name))
        elif kind in {"U", "A"} and sk.startswith("seen#"):
            digests = [
                int.from_bytes(fields[at : at + 8], "big", signed=True) for at in range(0, len(fields), 8)
            ]
            self.paged.setdefault(pk, set()).update(digests)
        elif kind in {"I", "T", "Q", "P", "C", "F"}:
            applied, body = fields
            self.journal.applied[pk, sk] = applied
            self._add_derived(kind, name, sk, body)
        elif kind == "J":
            self.journal.numbers.setdefault(int(name), set()).add(int(sk))
            self.journal.arrived_s = max(self.journal.arrived_s, fields[0])
        elif pk == "L#":
            self.journal.heads[int(sk)] = version
        elif pk == "W#":
            self.journal.marks[sk], self.journal.since_s[sk] = fields[:2]
        else:
            self.strange.append(f"{pk} {sk}")

    def _add_user(self, pk: str, fields: Any) -> None:
        seen, profile, counters, recent, sessions, pairs, *rest = fields
        clients, ids, _, floor_s, floor_day = seen[:5]
        self.users[pk] = UserRow(
            clients,
            ids,
            floor_s,
            floor_day,
            whole(counters),
            pairs,
            traits=profile[3] if profile else {},
            aliases=profile[5] if profile else [],
            recent=recent,
            history=rest[0] if rest else None,
            sessions=[session[:6] for session in sessions[0]] if sessions else [],
            paged=self.paged.setdefault(pk, set()),
        )

    def _add_derived(self, kind: str, name: str, stripe: str, body: Any) -> None:
        if kind == "F":  # asked of the API, and compared with events: `tapstack_local.declared_check`
            return
        if kind == "T":
            self.boards[name, stripe] = body
            return
        if kind == "P":
            self.places.setdefault(name, {})[stripe] = body
            return
        if kind == "C":
            window, _, number = name.partition("#")
            categories = {each: [whole(counters), missed] for each, (counters, missed, *_) in body[1].items()}
            self.categories[window, int(number), stripe] = [whole(body[0]), categories]
            return
        if kind == "Q":
            window, _, number = name.partition("#")
            self.terms[window, int(number), stripe] = body
            return
        (lifetime, windows, arrived_s), viewed_with, bought_with, facts, amounts = [*body, None, None][:5]
        numbered = [{number: whole(each) for number, each in kept.items()} for kept in windows]
        row = ItemRow(whole(lifetime), numbered, arrived_s, viewed_with, bought_with)
        row.facts = [*(facts or []), *[None] * 4][:4]
        row.amounts = whole(amounts[0]) if amounts else {}
        self.items.setdefault(name, {})[stripe] = row


def whole(counters: dict[int | str, int]) -> dict[int | str, int]:
    """Return counters with sums in one integer each: ``IRRe12`` counts millions of millions of ``IRR``."""
    sums: dict[int | str, int] = {}
    for key, amount in counters.items():
        is_large = isinstance(key, str) and key.endswith("e12")
        currency = key.removesuffix("e12") if isinstance(key, str) else key
        sums[currency] = sums.get(currency, 0) + amount * (10**18 if is_large else 1)
    return sums


class _Attribute(msgspec.Struct):
    S: str | None = None
    B: bytes = b""
    N: str = ""


class _Row(msgspec.Struct):
    pk: _Attribute
    sk: _Attribute
    s: _Attribute
    v: _Attribute


class _Page(msgspec.Struct):
    Items: list[_Row] = []
    LastEvaluatedKey: dict[str, Any] | None = None


_page_decoder = msgspec.json.Decoder(_Page)


class Reader:
    """Reads DynamoDB and S3 at plain endpoints.

    Parameters
    ----------
    session
        For the requests.
    dynamodb_url, s3_url
        Endpoints.
    region
        Their region.
    """

    def __init__(self, session: aiohttp.ClientSession, dynamodb_url: str, s3_url: str, region: str) -> None:
        self._session = session
        self._dynamodb_url = dynamodb_url
        self._s3_url = s3_url.rstrip("/")
        self._region = region

    async def read_all(self, table: str, late_bucket: str, quarantine_bucket: str) -> Tables:
        """Read everything.

        Raises
        ------
        Unavailable
            If an endpoint does not answer as it should.
        """
        tables = Tables()
        start: dict[str, Any] | None = None
        while True:
            page = await self._scan(table, start)
            for row in page.Items:
                tables.add(row.pk.S or "", row.sk.S or "", row.s.B, int(row.v.N))
            start = page.LastEvaluatedKey
            if start is None:
                break
        tables.add_letters(await self._dead_letters(late_bucket), tables.late)
        tables.add_letters(await self._dead_letters(quarantine_bucket), tables.quarantined)
        return tables

    async def _scan(self, table: str, start: dict[str, Any] | None) -> _Page:
        request = {
            "TableName": table,
            "ConsistentRead": True,
            **({"ExclusiveStartKey": start} if start else {}),
        }
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": "DynamoDB_20120810.Scan",
            "authorization": _AUTHORIZATION.format(region=self._region, service="dynamodb"),
        }
        body = msgspec.json.encode(request)
        async with self._session.post(
            self._dynamodb_url, data=body, headers=headers, timeout=_TIMEOUT
        ) as answer:
            return _page_decoder.decode(await _body(answer))

    async def _dead_letters(self, bucket: str) -> list[AnyLetter]:
        bodies = [await self._get(f"/{bucket}/{quote(key)}") for key in await self._keys(bucket)]
        return list(distinct(letter for body in bodies for letter in decode(body)))

    async def _keys(self, bucket: str) -> Iterable[str]:
        keys: list[str] = []
        token = ""
        while True:
            text = (await self._get(f"/{bucket}?list-type=2{token}")).decode()
            keys += [unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", text)]
            following = re.search(r"<NextContinuationToken>(.*?)</NextContinuationToken>", text)
            if following is None:
                return keys
            token = f"&continuation-token={quote(unescape(following[1]), safe='')}"

    async def _get(self, path: str) -> bytes:
        headers = {"authorization": _AUTHORIZATION.format(region=self._region, service="s3")}
        async with self._session.get(self._s3_url + path, headers=headers, timeout=_TIMEOUT) as answer:
            return await _body(answer)


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = await answer.read()
    if answer.status != 200:
        raise Unavailable(f"{answer.method} {answer.url} answered {answer.status}: {body[:200]!r}")
    return body
