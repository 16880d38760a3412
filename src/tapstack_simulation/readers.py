"""Readers: the insights API, asked while everything else happens and once more when all is quiet."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tapstack.aws.table_reader import TableReader
from tapstack.core.events import EVENT_TYPES
from tapstack.core.history import HistoryBounds
from tapstack.errors import Unavailable
from tapstack.http import Gone, NotFound, Request
from tapstack.insights.freshness import FreshnessCache
from tapstack.insights.respond import respond
from tapstack.ports import Key, Row, RowReader
from tapstack_simulation.checking import attributes, catalogue_attributes
from tapstack_simulation.checking.boards import TRENDS
from tapstack_simulation.checking.categories import Asked as AskedCategories
from tapstack_simulation.checking.categories import as_of_s, hold_categories
from tapstack_simulation.checking.changes import Follower
from tapstack_simulation.checking.impressions import hold_list
from tapstack_simulation.checking.item_facts import ANY, ITEM_FEATURES, described_features
from tapstack_simulation.checking.links import Pairs, hold_person
from tapstack_simulation.checking.past import (
    hold_freshness,
    hold_item,
    hold_partners,
    hold_search_terms,
    hold_user,
)
from tapstack_simulation.checking.questions import FILTERS, Question, agrees, questions
from tapstack_simulation.checking.recommendations import hold_recommendations
from tapstack_simulation.checking.rows import WINDOWS, Violation
from tapstack_simulation.checking.trends import TYPES, Asked, check_boards, hold_trends
from tapstack_simulation.checking.views import Partitions, by_partition, spelled
from tapstack_simulation.event_details import LISTS
from tapstack_simulation.faulty_channels import FaultyChannel
from tapstack_simulation.functions import DECLARED
from tapstack_simulation.kernel import Actor, Stuck, TrueClock
from tapstack_simulation.observed_aws import TABLE, ObservedAws

USERS_MAX = 10  # whose histories are read in the end; a crowd has a thousand
# Time may skip days within a question; TTL has deleted the boards of its moment then.
LONGEST_ASK_S = 86_400

_decode = msgspec.json.Decoder().decode


class Readers:
    """Asks for views.

    Parameters
    ----------
    aws
        The services.
    users, items
        How many there are to ask about.
    history
        How much of a user's interactions is shown.
    """

    def __init__(self, aws: ObservedAws, users: int, items: int, history: HistoryBounds) -> None:
        self._aws = aws
        self._history = history
        self._users, self._items = users, items
        channel = FaultyChannel(aws, aws.table_api, "dynamodb", "reader")
        self._table = TableReader(channel, TABLE, TrueClock(aws.kernel), jitter=lambda: 0.5)
        self._freshness = self._at_rest = FreshnessCache(self._table)
        aws.checker.past.is_needed = aws.faults.enabled("R1")
        self._follower = Follower(aws.checker.journal, lambda: aws.kernel.now_ms // 1000)
        self._catalogue: Partitions = {}
        self.stop = False

    def start(self) -> None:
        """Start a reader if the run has one."""
        if self._aws.checker.past.is_needed:
            self._aws.kernel.spawn("r0", self._live)

    def _live(self, actor: Actor) -> None:
        while not self.stop:
            self._aws.kernel.sleep(actor.random.randrange(6_000_000))
            try:
                with self._aws.checker.past.kept():
                    self._ask(actor)
            except Unavailable:
                continue
            if not self._aws.faults.healed:
                self._aws.faults.count("R1")

    def _ask(self, actor: Actor) -> None:
        """Ask for one view of each kind and hold it against what the table had meanwhile (invariant 11)."""
        past, now_s, rng = self._aws.checker.past, self._aws.kernel.now_ms // 1000, actor.random
        item_id = f"p{int(rng.random() ** 2 * self._items)}"
        user_id = self._drawn(rng)
        item = self._get(self._table, now_s, "items", item_id)
        hold_item(past, item_id, now_s, item)
        checker = self._aws.checker
        if item is not None and not checker.has_expired(f"I#{item_id}", now_s):
            hold_freshness(item_id, now_s, item, lambda at_s: checker.journal.counted_before(item_id, at_s))
        hold_user(past, user_id, now_s, self._get(self._table, now_s, "users", user_id))
        before = Pairs(checker.rows)
        person = self._get(self._table, now_s, "users", user_id, linked="true")
        hold_person(past, user_id, now_s, person, (before, Pairs(checker.rows)))
        bought, n = rng.random() < 0.5, rng.choice((1, 5, 100))
        last = "also-bought" if bought else "also-viewed"
        partners = self._get(self._table, now_s, "items", item_id, last, n=str(n))
        hold_partners(past, item_id, now_s, n, partners, bought=bought)
        # Days may have passed since the first question, and what shows its moment may be deleted since.
        asked = Asked(rng.randrange(len(TRENDS)), rng.choice((TYPES[0], *TYPES)), n, self._now_s)
        trends = self._get(self._table, asked.now_s, "trending", **asked.query)
        if self._is_prompt(asked.now_s):
            hold_trends(asked, trends or {}, checker.journal, self._aws.kernel.now_ms)
        self._ask_for_categories(AskedCategories(*asked[:3], self._now_s))
        position = rng.randrange(len(WINDOWS))
        name = WINDOWS[position][0]
        for wanted, linked in ((ANY, "true"), (rng.choice(FILTERS), "false")):
            query = {"n": str(n), "linked": linked, **wanted.query}
            recommended = self._get(self._table, now_s, "users", user_id, "recommendations", **query)
            hold_recommendations(past, now_s, n, recommended or {}, wanted)
        terms = self._get(self._table, now_s, "search-terms", n=str(n), window=name)
        hold_search_terms(past, position, now_s, n, terms or {})
        list_id, days = rng.choice(LISTS), rng.choice((0, 7))
        shown = self._get(self._table, now_s, "lists", list_id, "impressions", days=str(days))
        hold_list(past, list_id, now_s, days, shown)
        self._follower.step(self._ask_changes, rng.choice((1, 3, 20)))
        if rng.random() < 0.5:
            kind = rng.choice(("any", "any", "item_view", "purchase"))
            self._walk(self._table, now_s, self._drawn(rng), kind, rng.choice((1, 7, 100)))

    def _drawn(self, rng: random.Random) -> str:
        """Draw a user, as its rows call it."""
        return self._aws.checker.promises.pseudonyms.of(f"user{rng.randrange(self._users)}")

    def _ask_changes(self, query: Mapping[str, str]) -> dict[str, Any] | None:
        now_s = self._aws.kernel.now_ms // 1000
        try:
            return self._answer(self._table, None, now_s, ("changes",), query)
        except Gone:
            return None

    @property
    def _now_s(self) -> int:
        return self._aws.kernel.now_ms // 1000

    def _is_prompt(self, asked_s: int) -> bool:
        return self._aws.kernel.now_ms < (asked_s + LONGEST_ASK_S) * 1000

    def _ask_for_categories(self, asked: AskedCategories) -> None:
        journal, (from_s, to_s) = self._aws.checker.journal, asked.covered
        answer = self._get(self._table, asked.now_s, "categories", **asked.query) or {}
        low = journal.of_categories(from_s, to_s, as_of_s(answer) * 1000)
        if self._is_prompt(asked.now_s):
            hold_categories(
                asked, answer, low, journal.of_categories(from_s, to_s, self._aws.kernel.now_ms + 1)
            )

    def _walk(self, reader: RowReader, now_s: int, user_id: str, kind: str, n: int) -> None:
        """Read a history part by part, whatever is counted meanwhile, and check the whole."""
        histories = self._aws.checker.histories
        before = {pk: (histories.of(pk), histories.life(pk)) for pk in (f"U#{user_id}", f"A#{user_id}")}
        shown: list[Any] = []
        owners, since = set(), ""
        cursor: str | None = ""
        while cursor is not None:
            query = {"n": str(n), "type": kind, **({"cursor": cursor} if cursor else {})}
            part = self._get(reader, now_s, "users", user_id, "history", **query)
            if part is None:
                return
            owners.add("U#" if "user_id" in part else "A#")
            shown += part["items"]
            since = max(since, part["since"] or "")
            cursor = part["next_cursor"]
        pk = owners.pop() + user_id
        counted, life = before[pk]
        if not owners and histories.life(pk) == life:
            histories.hold_walk(pk, shown, counted, (kind, since), self._now_s)  # pages may have expired

    def check_all(self) -> None:
        """Ask for everything when nothing is stale or changing, and compare it with the rows."""
        now_s = self._aws.kernel.now_ms // 1000
        rows = self._aws.checker.rows
        if not self._aws.checker.journal.lanes:  # what D9 planted is in no stripe where nothing was counted
            rows = {key: image for key, image in rows.items() if key[0][0] != "I"}
        check_boards(rows, now_s)
        self._catalogue = by_partition({key: rows[key] for key in sorted(rows) if key[0][0] in "FI"})
        reader = _Remembering(self._table)
        self._at_rest = FreshnessCache(reader, 1)  # a moment later another answer is right
        for question in questions(by_partition(rows), Pairs(rows), now_s):
            self._compare(question, reader)
            self._compare_features(question, reader)
            self._compare_attributes(question, reader)
            self._compare_catalogue(question, reader)
        self._follower.finish(self._ask_changes)
        for user_id in sorted({pk[2:] for pk, sk in rows if pk[0] in "UA" and sk == "-"})[:USERS_MAX]:
            for n in (3, 100):
                self._walk(self._table, now_s, user_id, "any", n)

    def _compare(self, question: Question, reader: RowReader) -> None:
        path, query, now_s, expected = question
        answer = self._get(reader, now_s, *path[1:], **query)
        if not agrees(answer, expected):
            raise Violation(11, f"{'/'.join(path)} {query} at {now_s} is {answer}; the rows say {expected}")

    def _compare_features(self, question: Question, reader: RowReader) -> None:
        """Ask for the counts of a user or an item as features, and compare them with its own answer's."""
        path, _, now_s, expected = question
        kind, names = path[1], [f"{name}_count" for name in EVENT_TYPES]
        if len(path) != 3 or kind not in {"users", "items"} or question.query:
            return
        names += ITEM_FEATURES if kind == "items" else ()
        body = msgspec.json.encode({kind: [path[2]], f"{kind[:-1]}_features": names})
        request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=body)
        (row,) = _decode(respond(request, reader, now_s, self._at_rest).body)[kind]["rows"]
        values = dict(zip(names, row["values"], strict=True))
        counts = {name: count for name in EVENT_TYPES if (count := values.pop(f"{name}_count"))}
        wanted = described_features(expected) if expected and values else dict.fromkeys(values)
        if counts != (expected["counts"] if expected else {}) or (row["status"] == "found") != bool(expected):
            raise Violation(
                11, f"features of {'/'.join(path)} at {now_s} count {row}; its answer is {expected}"
            )
        if not agrees(values, wanted):
            raise Violation(
                11, f"features of {'/'.join(path)} at {now_s} are {row}; its answer is {expected}"
            )

    def _compare_attributes(self, question: Question, reader: RowReader) -> None:
        """Ask for the declared features of a user, and compare them with its row."""
        path, query, now_s, expected = question
        if path[1] != "users" or len(path) != 3 or query or not expected:
            return
        pk = f"U#{path[2]}" if "user_id" in expected else f"A#{path[2]}"
        states = self._aws.checker.rows[pk, "-"].state[7]
        at_s = max([now_s, *(newest_s for _, _, newest_s, _ in states.values())])
        wanted = attributes.answered(pk, states, at_s)
        body = msgspec.json.encode({"users": [path[2]], "user_features": list(wanted)})
        request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=body)
        declared = DECLARED[attributes.file_of(pk, states)]
        (row,) = _decode(respond(request, reader, now_s, self._at_rest, declared=declared).body)["users"][
            "rows"
        ]
        values = dict(zip(wanted, row["values"], strict=True))
        if values != wanted:
            raise Violation(11, f"attributes of {pk} at {now_s} are {values}; its row says {wanted}")

    def _compare_catalogue(self, question: Question, reader: RowReader) -> None:
        """Ask for the declared features of an item and its category, and compare them with their rows."""
        path, query, now_s, expected = question
        if path[1] != "items" or len(path) != 3 or query or not expected:
            return
        self._hold_catalogue(reader, now_s, "items", "item_features", path[2], "goods@1")
        if expected.get("category"):
            name = expected["category"]
            self._hold_catalogue(reader, now_s, "categories", "category_features", name, "shelves@1")

    def _hold_catalogue(
        self, reader: RowReader, now_s: int, kind: str, member: str, id_: str, key: str
    ) -> None:
        journal = self._aws.checker.journal
        prefix = f"{catalogue_attributes.PREFIX}{key}#"
        for projection in [name for name in journal.marks if name.startswith(prefix)]:
            definition = projection.removeprefix(catalogue_attributes.PREFIX)
            wanted = catalogue_attributes.answered(self._catalogue, definition, id_, now_s)
            if wanted is None:
                continue
            body = msgspec.json.encode({kind: [id_], member: list(wanted)})
            request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=body)
            answer = respond(request, reader, now_s, self._at_rest, declared=DECLARED[-1]).body
            (row,) = _decode(answer)[kind]["rows"]
            values, since_s = dict(zip(wanted, row["values"], strict=True)), journal.since_s[projection]
            if values != wanted or row.get("since", {}) != ({key: spelled(since_s)} if since_s else {}):
                raise Violation(
                    11, f"{projection} of {id_} at {now_s} is {row}, not {wanted} since {since_s}"
                )

    def _get(self, reader: RowReader, now_s: int, *path: str, **query: str) -> dict[str, Any] | None:
        # What is known of the journal while everything changes; when nothing does it is asked once more.
        known = self._freshness if reader is self._table else self._at_rest
        return self._answer(reader, known, now_s, path, query)

    def _answer(
        self,
        reader: RowReader,
        known: FreshnessCache | None,
        now_s: int,
        path: tuple[str, ...],
        query: Mapping[str, str],
    ) -> dict[str, Any] | None:
        try:
            response = respond(_request(path, query), reader, now_s, known, history=self._history)
        except NotFound:
            return None
        except (Violation, Stuck, Unavailable, Gone):
            raise
        except Exception as error:
            raise Violation(11, f"{'/'.join(path)} raised {type(error).__name__}: {error}") from error
        answer: dict[str, Any] = _decode(response.body)
        return answer


def _request(path: tuple[str, ...], query: Mapping[str, str]) -> Request:
    return Request(method="GET", path=("v1", *path), query=tuple(query.items()))


class _Remembering:
    """`tapstack.ports.RowReader` of a table that no longer changes: nothing is read twice."""

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        self._rows: dict[tuple[object, ...], Sequence[Row]] = {}
        self._known: dict[Key, Row | None] = {}

    def get(self, key: Key) -> Row | None:
        if key not in self._known:
            self._known[key] = self._reader.get(key)
        return self._known[key]

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        return self._once(lambda: self._reader.read_prefix(pk, sk_prefix), pk, sk_prefix)

    def read_range(self, pk: str, first: str, last: str, limit: int) -> Sequence[Row]:
        return self._once(lambda: self._reader.read_range(pk, first, last, limit), pk, first, last, limit)

    def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
        return self._once(lambda: self._reader.query(pk, consistent=consistent), pk)

    def _once(self, read: Callable[[], Sequence[Row]], *asked: object) -> Sequence[Row]:
        if asked not in self._rows:
            self._rows[asked] = read()
        return self._rows[asked]

    def read_all(self, keys: Sequence[Key], *, consistent: bool = False) -> Mapping[Key, Row]:
        left = [key for key in keys if key not in self._known]
        found = self._reader.read_all(left, consistent=consistent) if left else {}
        self._known |= {key: found.get(key) for key in left}
        return {key: row for key in keys if (row := self._known[key]) is not None}
