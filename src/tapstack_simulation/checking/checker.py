"""The checker: observes the running pipeline, and knows nothing of how it works.

It sees what clients made, what the collector acknowledged, what the stream stored, every commit at the moment
it takes effect, every checkpoint as it moves, and the final tables; it holds `INVARIANTS` against
them. It imports nothing of the product. The sixth and the tenth are held by `tapstack_simulation.run`, which
replays and redrives everything at the end.
"""

from __future__ import annotations

from typing import Any

from tapstack_simulation.checking.collected import Collected
from tapstack_simulation.checking.ending import check_fold, check_memory
from tapstack_simulation.checking.facts import Amounts, Fact, Name, read_event
from tapstack_simulation.checking.history import Histories
from tapstack_simulation.checking.journal import Journal
from tapstack_simulation.checking.links import check_pointers
from tapstack_simulation.checking.nobody import check_welcome
from tapstack_simulation.checking.past import Past
from tapstack_simulation.checking.rows import (
    DERIVED,
    Change,
    Image,
    Key,
    Violation,
    is_beside,
    is_history,
    is_page,
    is_pointer,
    read_image,
)
from tapstack_simulation.checking.stored import Promises, Stored
from tapstack_simulation.checking.users import AtHand, Turns, Way, check_user

ROWS_MAX = 100  # of a transaction: users, pages, an entry of the journal and its lane's head
LARGE_ROW_BYTES = 360 * 1024
WRITTEN_BY_PROJECTIONS = (*DERIVED, "W")


class Checker:
    """Holds the invariants while a run goes on; raises `Violation` where one breaks.

    Parameters
    ----------
    promises
        The configuration.

    Attributes
    ----------
    records : dict[tuple[str, str], Stored]
        By shard and sequence number, everything that ever stood on the stream.
    applied : dict[tuple[str, Name], int]
        Every event that was counted, and by which commit.
    rows : dict[tuple[str, str], Image]
        The table, as the commits make it.
    collected : Collected
        What the collector did with what clients said.
    journal : Journal
        What the commits say of derived rows.
    past : Past
        The versions that its rows had.
    histories : Histories
        Every interaction that was counted.
    """

    def __init__(self, promises: Promises) -> None:
        self.promises = promises
        self.records: dict[tuple[str, str], Stored] = {}
        self.applied: dict[tuple[str, Name], int] = {}
        self.rows: dict[Key, Image] = {}
        self.deleted_rows: dict[Key, None] = {}
        self.journal = Journal(promises.search_users_min)
        self.past = Past()
        self.histories = Histories(promises)
        self.commits = 0
        self.full_transactions = 0
        self.large_rows = 0
        self.user_row_bytes: list[int] = []
        self._poison: dict[bytes, None] = {}
        self._facts: dict[tuple[str, Name], Fact] = {}
        self.collected = Collected(promises, self._facts)
        self._unapplied: dict[str, dict[Name, Fact]] = {}
        self._polled: dict[tuple[str, str], list[str]] = {}
        self._floors: dict[str, tuple[int, int]] = {}
        self._planted: dict[str, Amounts] = {}
        self._pages_gone: dict[str, None] = {}

    # The stream.

    def expect_poison(self, data: bytes) -> None:
        """Announce a payload that is no event."""
        self._poison[data] = None

    def stored(self, shard_id: str, number: str, data: bytes, key: str, now_ms: int) -> None:
        """Check a record of the stream against what its client said (invariant 4).

        Parameters
        ----------
        shard_id, number
            Where it stands.
        data
            The payload.
        key
            Its partition key.
        now_ms
            When it arrived.
        """
        check_welcome(f"record {number}", data, self.promises.pseudonyms)
        if data in self._poison:
            self.records[shard_id, number] = Stored(None, data, now_ms // 1000)
            return
        fact, counted_ms, born_s, received_s = read_event(data)
        name = fact.name
        self.collected.check_quoted(f"record {number} of", fact, key, now_ms)
        known = self._facts.setdefault((fact.pk, name), fact)
        if known is fact:
            self._unapplied.setdefault(fact.pk, {})[name] = fact
        known.arrivals_s.append(now_ms // 1000)
        known.ages_s.append(self.promises.age_s(now_ms // 1000, born_s, received_s))
        self.records[shard_id, number] = Stored(
            known, data, now_ms // 1000, known.ages_s[-1], counted_ms, received_s
        )

    # The table.

    def planted(self, item: dict[str, Any]) -> None:
        """Note a row that was there before the run, with counts of its own."""
        image = read_image(item)
        self.rows[item["pk"]["S"], item["sk"]["S"]] = image
        self.past.note((item["pk"]["S"], item["sk"]["S"]), image)
        self._planted[item["pk"]["S"]] = dict(image.state[0][0])

    def deleted(self, pk: str, sk: str) -> None:
        """Note that TTL deleted a row."""
        image = self.rows.pop((pk, sk), None)
        if is_page((pk, sk)):
            self._pages_gone[pk] = None
        elif not is_beside((pk, sk)):
            if pk[0] in "UA":
                self.histories.forget(pk)
            if image is not None and pk[0] in DERIVED:
                ended = self.journal.ended.get((pk, sk), {})
                self.journal.ended[pk, sk] = {**ended, **image.applied}
            self.deleted_rows[pk, sk] = None
            self.past.note((pk, sk), None)

    def committed(self, actions: list[dict[str, Any]], batch: list[tuple[str, str]], now_ms: int) -> None:
        """Check a transaction at the moment it takes effect (invariants 2, 3, 7, 8, 12).

        Parameters
        ----------
        actions
            The transaction as it is on the wire.
        batch
            The records that its sender was working on.
        now_ms
            The moment.
        """
        self.commits += 1
        self.full_transactions += len(actions) == ROWS_MAX
        turns = self._at_hand(batch)
        changes = [self._change(action["Put"]["Item"]) for action in actions]
        kinds: dict[str, list[Change]] = {kind: [] for kind in "UJL"}
        for change in changes:
            kind = "U" if change.key[0][0] == "A" else change.key[0][0]
            if kind in WRITTEN_BY_PROJECTIONS:
                raise Violation(3, f"{change.key} is written in a transaction of users")
            if not is_beside(change.key) and kind in kinds:
                kinds[kind].append(change)
            if not is_history(change.key) and not is_pointer(change.key):
                self._check_succession(change)
        users = kinds["U"]
        pages, interactions = self._pages(changes, users)
        ways = [
            check_user(change, pages[pk], self._unapplied.get(pk, {}), turns, self.promises)
            for change in users
            for pk in change.key[:1]
        ]
        self.journal.commit(kinds["J"], kinds["L"], ways, now_ms)
        self._check_pointers(changes, users, ways)
        for change, way in zip(users, ways, strict=True):
            self._check_age(way.counted)
            self._check_life(change, way)
            pk = change.key[0]
            self.histories.commit(change, interactions[pk], way.turns, self.rows, now_ms // 1000)
            self._raise_floors(change)
            self.user_row_bytes.append(len(change.after.packed))
            for fact in way.counted:
                self.applied[fact.pk, fact.name] = self.commits
                del self._unapplied[fact.pk][fact.name]
        for change in changes:
            self._note(change)

    def projected(self, item: dict[str, Any]) -> None:
        """Check a row that a projection writes, at the moment it takes effect (invariants 2, 3, 7, 8, 12)."""
        change = self._change(item)
        kind = change.key[0][0]
        if kind == "W":
            self.journal.mark(change.key[1], change.after.state, self.rows, self.deleted_rows.__contains__)
        elif kind in DERIVED:
            self._check_succession(change)
            self.journal.fold(change, self.rows, self.promises.row_ttl_s)
        else:
            raise Violation(3, f"{change.key} is written by a projection")
        self._note(change)

    def _change(self, item: dict[str, Any]) -> Change:
        key = (item["pk"]["S"], item["sk"]["S"])
        change = Change(key, self.rows.get(key), read_image(item))
        layout = 1 if change.before is None else change.before.layout
        check_welcome(f"row {key}", f"{key}".encode() + change.after.packed, self.promises.pseudonyms)
        if change.after.layout < layout:
            raise Violation(3, f"{key} is to have layout {layout} or a later one, not {change.after.layout}")
        return change

    def _note(self, change: Change) -> None:
        self.rows[change.key] = change.after
        if change.key[0][0] in "UAITQP" and not is_beside(change.key):
            self.past.note(change.key, change.after)
        self.large_rows += len(change.after.packed) > LARGE_ROW_BYTES

    def _pages(
        self, changes: list[Change], users: list[Change]
    ) -> tuple[dict[str, list[Change]], dict[str, list[Change]]]:
        """Return the pages in a commit, of ids and of interactions, by user: all beside their user's row."""
        ids: dict[str, list[Change]] = {change.key[0]: [] for change in users}
        interactions: dict[str, list[Change]] = {pk: [] for pk in ids}
        for change in changes:
            if not is_beside(change.key) or is_pointer(change.key):
                continue
            is_again = change.before is not None and is_page(change.key)
            if is_again or change.key[0] not in ids:
                raise Violation(8, f"{change.key} was written before, or without its user's row")
            (ids if is_page(change.key) else interactions)[change.key[0]].append(change)
        return ids, interactions

    def _check_pointers(self, changes: list[Change], users: list[Change], ways: list[Way]) -> None:
        wanted = {
            key: arrived_s + self.promises.row_ttl_s
            for way in ways
            for key, arrived_s in way.pointers.items()
        }
        found = [change for change in changes if is_pointer(change.key)]
        check_pointers(found, wanted, {user.key[0]: user.after.version for user in users})

    def _check_succession(self, change: Change) -> None:
        before, after = change.before, change.after
        if before is not None and after.version != before.version + 1:
            raise Violation(3, f"{change.key} went from version {before.version} to {after.version}")
        if before is not None and after.ttl_s < before.ttl_s:
            raise Violation(12, f"{change.key} is to expire earlier than before")
        if after.ttl_s == 0 and change.key[0] != "L#":
            raise Violation(12, f"{change.key} never expires")

    def _check_age(self, fresh: list[Fact]) -> None:
        for fact in fresh:
            if min(fact.ages_s) > self.promises.age_max_s:
                raise Violation(12, f"{fact.pk} counts {fact.name}, older than memory reaches")

    def _check_life(self, change: Change, way: Way) -> None:
        """Check that a row outlives what it counts, and what else was on the stream then."""
        newest_s = max((min(fact.arrivals_s) for fact in way.counted), default=0)
        if change.after.ttl_s < newest_s + self.promises.row_ttl_s:
            raise Violation(12, f"{change.key} expires before a copy of its events could still arrive")

    def _at_hand(self, batch: list[tuple[str, str]]) -> Turns:
        """Return the events that a commit's sender could count, by the first copy that is not too old."""
        found: Turns = {}
        for position, key in enumerate(batch):
            record = self.records[key]
            fact = record.fact
            if fact is None or record.age_s > self.promises.age_max_s:
                continue
            here = AtHand(position, record.counted_ms, record.arrived_s, record.received_s)
            found.setdefault((fact.pk, fact.name), here)
        return found

    def _raise_floors(self, change: Change) -> None:
        *_, floor_s, floor_day, _ = change.after.state[0]
        self._floors[change.key[0]] = (floor_s, floor_day)

    def has_expired(self, pk: str, now_s: int) -> bool:
        """Return whether a row of a partition has expired, so that readers may lack what it held."""
        expired = [key for key, image in self.rows.items() if image.ttl_s and image.ttl_s <= now_s]
        return any(key[0] == pk for key in (*expired, *self.deleted_rows))

    # What is kept beside the table.

    def kept(self, kind: str, coordinates: tuple[str, str], data: bytes, began_at: int | None = None) -> None:
        """Check a dead letter at the moment it is stored (invariants 1 and 8).

        Parameters
        ----------
        kind
            ``quarantine`` or ``late``.
        coordinates
            The shard and the sequence number.
        data
            The record's payload, as the letter holds it.
        began_at
            How many commits there were when the invocation that stores it began; None if its reads may
            show rows as they were before.
        """
        shard_id, number = coordinates
        name = f"{kind} {shard_id}/{number}"
        record = self.records.get((shard_id, number))
        if record is None:
            raise Violation(1, f"{name} is the place of no record of the stream")
        if data != record.data:
            raise Violation(1, f"{name} does not hold its record")
        if kind == "quarantine":
            if record.fact is not None:
                raise Violation(1, f"{name} is an event and was quarantined")
            record.quarantined = True
            return
        if record.fact is None:
            raise Violation(1, f"{name} is not an event and was taken for a late one")
        if not self._may_be_late(record, record.fact):
            raise Violation(8, f"{name} is neither too old nor forgotten, yet was taken for late")
        if began_at is not None and self._was_known(record, record.fact, began_at):
            raise Violation(8, f"{name} was counted and not forgotten, yet was taken for late")
        record.is_late = True

    def reread(self, kind: str, found: set[tuple[str, str]]) -> None:
        """Check in the end that each dead letter is still stored, or its event was counted (invariant 1).

        Parameters
        ----------
        kind
            ``quarantine`` or ``late``.
        found
            The coordinates of what the bucket holds.
        """
        for (shard_id, number), record in self.records.items():
            if not (record.is_late if kind == "late" else record.quarantined):
                continue
            is_counted = record.fact is not None and (record.fact.pk, record.fact.name) in self.applied
            if (shard_id, number) not in found and not is_counted:
                raise Violation(1, f"{kind} {shard_id}/{number} was stored and is gone")
        if kind == "quarantine":
            self.collected.check_refusals(found)

    def _may_be_late(self, record: Stored, fact: Fact) -> bool:
        if record.age_s > self.promises.age_max_s:
            return True
        return self._may_be_forgotten(record, fact)

    def _was_known(self, record: Stored, fact: Fact, began_at: int) -> bool:
        """Return whether an event's row showed it as counted to every invocation that began then."""
        counted_by = self.applied.get((fact.pk, fact.name))
        is_deleted = (fact.pk, "-") in self.deleted_rows or fact.pk in self._pages_gone
        is_counted = counted_by is not None and counted_by <= began_at
        # Pages are used for two days less than rows live; who was spilled and redriven may come later.
        oldest_s = record.arrived_s - self.promises.row_ttl_s + 3 * 86_400
        # What a fast clock says is ahead is on the page of the day on which it was received.
        is_paged = min(fact.client_ms // 1000 or record.received_s, record.received_s) > oldest_s
        return is_counted and is_paged and not is_deleted and not self._may_be_forgotten(record, fact)

    def _may_be_forgotten(self, record: Stored, fact: Fact) -> bool:
        floor_s, floor_day = self._floors.get(fact.pk, (-1, -1))
        if fact.client_ms:
            return fact.client_ms // 1000 <= floor_s
        return record.received_s // 86_400 <= floor_day

    # The mapping.

    def is_done(self, shard_id: str, number: str) -> bool:
        """Return whether a record needs no further delivery."""
        record = self.records[shard_id, number]
        if record.fact is None:
            return record.quarantined
        return record.is_late or (record.fact.pk, record.fact.name) in self.applied

    def responded(self, shard_id: str, numbers: list[str]) -> None:
        """Check what an invocation said it was done with (invariant 9)."""
        for number in numbers:
            if not self.is_done(shard_id, number):
                raise Violation(9, f"an invocation answered that {shard_id} {number} is done; it is not")

    def polled(self, mapping: str, shard_id: str, numbers: list[str]) -> None:
        """Note what a mapping read."""
        pending = self._polled.setdefault((mapping, shard_id), [])
        last = int(pending[-1]) if pending else -1
        pending += [number for number in numbers if int(number) > last]

    def skipped(self, shard_id: str, numbers: list[str], reason: str) -> None:
        """Note records that a mapping gave up."""
        for number in numbers:
            self.records[shard_id, number].skipped = reason

    def checkpoint(self, mapping: str, shard_id: str, number: str, now_s: int) -> None:
        """Check a checkpoint as it moves (invariant 5); what retention took is no longer there to be done."""
        horizon_s = now_s - self.promises.retention_s
        pending = self._polled.get((mapping, shard_id), [])
        limit, count = int(number), 0
        while count < len(pending) and int(pending[count]) <= limit:
            record = self.records[shard_id, pending[count]]
            gone = bool(record.skipped) or record.arrived_s <= horizon_s
            if not gone and not self.is_done(shard_id, pending[count]):
                raise Violation(5, f"{mapping} moved its checkpoint over {shard_id} {pending[count]}")
            count += 1
        del pending[:count]

    # The end.

    def undone(self) -> list[tuple[str, str]]:
        """List the records that still need a delivery."""
        return [key for key in self.records if not self.is_done(*key)]

    def late_events(self) -> dict[tuple[str, Name], None]:
        """List the events that were stored as late."""
        return {
            (record.fact.pk, record.fact.name): None
            for record in self.records.values()
            if record.is_late and record.fact is not None
        }

    def finish(self, items: list[dict[str, Any]], lost: dict[tuple[str, str], None]) -> None:
        """Check the final tables (invariants 1, 2, 3, 4).

        Parameters
        ----------
        items
            Every row of the table as it is on the wire.
        lost
            Records that the schedule itself took away: retention, or a destination that failed.
        """
        final = {(item["pk"]["S"], item["sk"]["S"]): read_image(item) for item in items}
        if final != self.rows:
            wrong = [key for key in {**final, **self.rows} if final.get(key) != self.rows.get(key)]
            raise Violation(3, f"rows differ from what was committed: {wrong[:3]}")
        for key in self.records:
            if key not in lost and not self.is_done(*key):
                raise Violation(1, f"record {key} was neither counted, nor stored as late, nor quarantined")
        gone = {pk: None for pk, _ in self.deleted_rows}
        self.collected.check_acknowledged()
        check_fold(self._facts.values(), self.applied, self.rows, self._planted, gone)
        keep_days = self.promises.row_ttl_s // 86_400 - 2
        check_memory(self._facts.values(), self.applied, self.rows, gone, self._pages_gone, keep_days)
