# ruff: noqa: E501 - lines of the product are quoted as they stand
"""The mutants: each weakens one guard of the design, or is one of the designs that failed on paper."""

from __future__ import annotations

from .attributes import ATTRIBUTES
from .behaviour import BEHAVIOUR, CONTENTS
from .categories import OF_CATEGORIES
from .changes import CHANGES
from .edges import EDGES
from .failing_designs import FAILED_DESIGNS, REDRIVEN
from .filtering import FILTERING
from .history import HISTORIES
from .impressions import IMPRESSIONS
from .item_facts import ITEM_FACTS
from .links import LINKED
from .mutant import (
    CONSUME,
    DEAD_LETTERS,
    INTAKE,
    MEMORY,
    PUBLISH,
    RECORDS,
    ROW_CACHE,
    STREAM,
    TABLE,
    TRANSACTION,
    USER_ROWS,
    Mutant,
    one,
)
from .patching import Edit
from .progress import PROGRESS
from .projecting import PROJECTING
from .reading import READERS
from .recommending import RECOMMENDING
from .refusing import REFUSING
from .searching import SEARCHING
from .trends import TRENDS

_TOO_OLD = "            if delivery.too_old and verdict in {NEW, MEMORY_FULL}:\n"
_RESUME = "    report.resume_from = records[first].sequence_number if first < len(records) else None\n"
_PUT = "            self._put(self._buckets[prefix], object_key(prefix, letters), encode(letters))\n"
_UNCONDITIONAL = Edit(
    TABLE,
    '        return _Put(self._name, item, "v = :v", _Seen(_N(str(write.seen_version))), "ALL_OLD")',
    '        return _Put(self._name, item, "attribute_exists(pk)", None, "ALL_OLD")',
)

PAGES = (
    one(
        "page_read_stale",
        "pages are read as the last write left them",
        TABLE,
        '"KeyConditionExpression": condition, "ConsistentRead": True',
        '"KeyConditionExpression": condition, "ConsistentRead": False',
    ),
    one(
        "page_not_written",
        "ids that leave the row go to a page in the same transaction",
        USER_ROWS,
        "        for seen in self.pages:\n",
        "        for seen in self.pages[1:]:\n",
    ),
    one(
        "page_loses_an_id",
        "every id that leaves the row stands on its page",
        MEMORY,
        "frozenset(digests))\n\n\ndef _close_old",
        "frozenset(digests[1:]))\n\n\ndef _close_old",
    ),
    one(
        "page_unseen_in_its_chunk",
        "a page counts from the event on that filled it",
        TRANSACTION,
        "{page.sort_key: page.digests for page in user.pages}",
        "{page.sort_key: frozenset() for page in user.pages}",
    ),
    one(
        "pages_kept_beside_a_newer_row",
        "pages are read again when another image of their row is known",
        ROW_CACHE,
        "        self._rows.update(images)\n        self._drop_pages(images)\n",
        "        self._rows.update(images)\n",
    ),
    one(
        "pages_kept_beside_a_row_just_written",
        "pages are read again when their row was written with more of them",
        ROW_CACHE,
        "        self._rows.update(written)\n        self._drop_pages(written)\n",
        "        self._rows.update(written)\n",
    ),
    one(
        "pages_without_a_row_counted",
        "a transaction holds a hundred rows, pages among them",
        TRANSACTION,
        "        return self._rows_count + more <= ROWS_MAX\n",
        "        pages_count += sum([len(each.pages) + each.has_history_page for each in self._users.values()])\n"
        "        return self._rows_count + more - pages_count <= ROWS_MAX\n",
    ),
    one(
        "index_forgets_a_page",
        "the row lists every page",
        MEMORY,
        "    note.rows_count += 1\n",
        "    note.rows_count += day % 3 != 1\n",
    ),
    one(
        "index_bound_too_low",
        "an id as late as the latest of its page's day is looked up",
        MEMORY,
        "client_s <= note.bound_s",
        "client_s < note.bound_s",
    ),
    one(
        "index_bound_not_raised",
        "the row knows the latest time on its pages",
        MEMORY,
        "else max(note.bound_s, *times_s)",
        "else note.bound_s",
    ),
    one(
        "timeless_not_looked_up",
        "events without a time have pages of their own",
        MEMORY,
        "        return [group for group in seen.pages if group % len(_SHELVES) == _TIMELESS.number]\n",
        "        return []\n",
    ),
    one(
        "ahead_not_looked_up",
        "a copy of what once was far ahead is looked up there",
        MEMORY,
        "_AHEAD.number and client_s >= note.bound_s",
        "_AHEAD.number and False",
    ),
    one(
        "evicted_by_the_clients_clock",
        "what arrived first leaves the row first",
        MEMORY,
        "islice(seen.ids.items(), bounds.hot_ids // 2)",
        "islice(sorted(seen.ids.items(), key=lambda entry: entry[1]), bounds.hot_ids // 2)",
    ),
)

NUMBERS = (
    one(
        "gap_is_duplicate",
        "a missing number is NEW when it comes",
        MEMORY,
        "    return not any(a <= identity.n <= b for a, b in known.gaps)\n",
        "    return True\n",
    ),
    one(
        "gap_not_kept",
        "numbers that were skipped are remembered as missing",
        MEMORY,
        "        return [*known.gaps, (known.top + 1, n - 1)]\n",
        "        return known.gaps\n",
    ),
    one(
        "duplicate_is_new",
        "a number that was seen is a duplicate",
        MEMORY,
        "        if _is_in_intervals(seen, identity):\n            return DUP\n",
        "        if _is_in_intervals(seen, identity):\n            return NEW\n",
    ),
    one(
        "first_numbers_not_missing",
        "a client that begins above 0 misses the numbers below",
        MEMORY,
        "known = ClientSeen(n, [(0, n - 1)] if n else [], seen.day)",
        "known = ClientSeen(n, [], seen.day)",
    ),
    one(
        "number_without_room_forgotten",
        "a number for which the intervals have no room is kept as an id",
        MEMORY,
        "    if not _has_room(seen, identity, seen.day - bounds.keep_days, bounds):\n        return False\n",
        "    if not _has_room(seen, identity, seen.day - bounds.keep_days, bounds):\n        return True\n",
    ),
    one(
        "number_kept_as_an_id_is_new",
        "a number that is kept as an id is a duplicate",
        MEMORY,
        "        if not (seen.ids or seen.pages):\n            return NEW\n",
        "        return NEW\n",
    ),
    one(
        "client_in_use_dropped",
        "only a client that is idle for long makes room for another",
        MEMORY,
        "    return oldest if seen.clients[oldest].day < horizon else None\n",
        "    return oldest\n",
    ),
)

LATE = (
    one(
        "age_ignored",
        "what is older than a row lives is not counted",
        TRANSACTION,
        _TOO_OLD,
        "            if False:\n",
    ),
    Mutant(
        "old_copy_is_late",
        "a copy of what the row knows is a duplicate, however old",
        (Edit(TRANSACTION, _TOO_OLD, "            if delivery.too_old:\n"),),
        faults=("O2",),  # without stale reads, which may show the row as it was before
    ),
    one(
        "late_is_new",
        "what cannot be deduplicated is never counted",
        TRANSACTION,
        _TOO_OLD,
        "            if verdict is not Verdict.DUP:\n                verdict = NEW\n            if False:\n",
    ),
    one(
        "everything_late",
        "only what memory does not reach is late",
        TRANSACTION,
        _TOO_OLD,
        "            if verdict is NEW and delivery.arrived_at_s % 7 == 3:\n",
    ),
)

_FORGET = "            self._row_cache.forget(write.key for write in writes)\n            return error\n"
UNIT_OF_WORK = (
    Mutant("no_version_condition", "a row is written only as it was seen", (_UNCONDITIONAL,)),
    one(
        "no_absence_condition",
        "a new row is written only if there is none",
        TABLE,
        '"attribute_not_exists(pk)"',
        '"attribute_not_exists(nothing)"',
    ),
    one(
        "conflict_is_success",
        "a cancelled transaction is decided anew",
        TABLE,
        "                return _conflict(writes, error)\n",
        "                return None\n",
    ),
    one(
        "unknown_outcome_is_success",
        "an unanswered write is not taken for done",
        CONSUME,
        _FORGET,
        "            return None if type(error).__name__ == 'OutcomeUnknown' else error\n",
    ),
    one(
        "unknown_outcome_is_remembered",
        "after an unanswered write the rows are read again",
        CONSUME,
        _FORGET,
        "            self._row_cache.note_written(writes)\n            return error\n",
    ),
    one(
        "throttled_is_success",
        "a throttled write is made again",
        CONSUME,
        "            return error  # nothing was written",
        "            return None  # nothing was written",
    ),
    one(
        "versions_begin_at_one",
        "a row begun anew takes no version twice",
        "tapstack.ports",
        "    return max(1, arrived_at_s * VERSIONS_PER_S)\n",
        "    return 1\n",
    ),
    Mutant(
        "two_units_of_work",
        "users and counters commit together",
        (
            Edit(
                CONSUME,
                "            conflict = self._table.commit(writes)\n",
                "            users = [w for w in writes if w.key.pk[0] in 'UA']\n"
                "            others = [w for w in writes if w.key.pk[0] not in 'UA']\n"
                "            conflict = self._table.commit(users)\n"
                "            if conflict is None and others:\n"
                "                conflict = self._table.commit(others)\n",
            ),
        ),
    ),
    one(
        "counters_first",
        "an event's effects exist only together with its being seen",
        TRANSACTION,
        "        page = remember(state.seen, ",
        "        page = None if event.event_type == 'cart_add' else remember(state.seen, ",
    ),
    one(
        "expiry_not_extended",
        "a row lives on after each event",
        USER_ROWS,
        "expires_at_s=max(row.expires_at_s, expires_at_s)",
        "expires_at_s=row.expires_at_s",
    ),
    one(
        "expiry_too_early",
        "a row outlives retention and what clients hold",
        TRANSACTION,
        "user.writes(self._arrived_at_s, self._row_ttl_s, ",
        "user.writes(self._arrived_at_s, self._row_ttl_s // 4, ",
    ),
    one(
        "pairs_one_sided",
        "a pair is counted at both of its items",
        "tapstack.projections.items",
        "        found[partner].viewed_with += effect.item_ids\n",
        "        pass\n",
    ),
    one(
        "windows_not_rolled",
        "windows are forgotten by the time of arrival",
        "tapstack.core.aggregates",
        "        _forget_old(state)\n",
        "        pass\n",
    ),
)

ACKNOWLEDGEMENT = (
    one(
        "empty_success",
        "what is not done is reported",
        CONSUME,
        _RESUME,
        "    report.resume_from = None\n",
    ),
    one(
        "only_the_first_chunk",
        "what did not fit the first transaction is committed by the next",
        CONSUME,
        "            start += len(verdicts)\n",
        "            start = len(deliveries)\n"
        "            self._settle([(d, Verdict.NEW) for d in deliveries[len(verdicts) :]])\n",
    ),
    one(
        "rest_of_a_full_chunk_is_skipped",
        "an event that does not fit waits for the next transaction",
        TRANSACTION,
        "                    return\n",
        "                    self.verdicts.append((delivery, NEW))\n                    continue\n",
    ),
    one(
        "transactions_too_large",
        "a transaction holds 100 rows",
        TRANSACTION,
        "ROWS_MAX = 98",
        "ROWS_MAX = 99",
    ),
    one(
        "an_event_needs_no_rows",
        "an event may need as many rows as there are kinds of rows for one",
        TRANSACTION,
        "ROWS_OF_AN_EVENT_MAX = 5",
        "ROWS_OF_AN_EVENT_MAX = 0",
    ),
    one(
        "new_user_not_counted",
        "a user that a transaction does not hold yet is a row more",
        TRANSACTION,
        "more = (not user.is_changed) + pages_count",
        "more = pages_count",
    ),
    one(
        "page_not_counted",
        "a page that an event may fill is a row more",
        TRANSACTION,
        "pages_count = may_write_page(state.seen, self._bounds) + may_spill",
        "pages_count = may_spill + 0",
    ),
    one(
        "swallowed_exception",
        "a transaction that was refused is committed again",
        CONSUME,
        "            refused = self._commit(writes, sizes)\n",
        "            self._commit(writes, sizes)\n            refused = None\n",
    ),
    one(
        "resumes_too_late",
        "work resumes at the first record that is not done",
        CONSUME,
        "min(invocation.undecided, default=len(records))",
        "max(invocation.undecided, default=len(records))",
    ),
    one(
        "resumes_after_a_string",
        "sequence numbers are names, never compared as text or numbers",
        CONSUME,
        _RESUME,
        "    if first < len(records):\n"
        "        report.resume_from = max((r.sequence_number for r in records), key=lambda n: n[::-1])\n",
    ),
    one(
        "resumes_at_a_rounded_number",
        "sequence numbers have more digits than a float or a DynamoDB number",
        CONSUME,
        _RESUME,
        "    if first < len(records):\n"
        "        low = float(records[first].sequence_number)\n"
        "        report.resume_from = [r for r in records if float(r.sequence_number) <= low][-1].sequence_number\n",
    ),
    one(
        "quarantine_skipped",
        "poison is kept before it is acknowledged",
        DEAD_LETTERS,
        _PUT,
        "            if prefix == 'late':\n    " + _PUT,
    ),
    one(
        "quarantine_not_confirmed",
        "poison counts as kept only once the bucket says so",
        DEAD_LETTERS,
        "                self._budget.pause(attempt, error)\n                attempt += 1\n            else:\n",
        "                return\n            else:\n",
    ),
    one(
        "late_dropped",
        "late events are kept",
        DEAD_LETTERS,
        _PUT,
        "            if prefix == 'quarantine':\n    " + _PUT,
    ),
    one(
        "acknowledged_before_stored",
        "a record is done only when its letter is stored",
        CONSUME,
        "    first = min([decided, *dead_letters.positions()])\n",
        "    first = decided\n",
    ),
    one(
        "letters_left_behind",
        "every letter of what is acknowledged is stored",
        DEAD_LETTERS,
        "object_key(prefix, letters), encode(letters))",
        "object_key(prefix, letters), encode(letters[:2]))",
    ),
    one(
        "one_object_a_day",
        "each batch has an object of its own",
        "tapstack.dead_letters",
        "{first.shard_id}/{first.sequence_number}-{last.sequence_number}",
        "{first.shard_id}",
    ),
    one(
        "poison_fails_the_batch",
        "each record is parsed by itself",
        RECORDS,
        "            poison.append(Poison(position, error.code, str(error)))\n            continue\n",
        "            raise\n",
    ),
    one(
        "poison_hides_its_neighbours",
        "one bad record harms no other",
        RECORDS,
        "            poison.append(Poison(position, error.code, str(error)))\n            continue\n",
        "            poison.append(Poison(position, error.code, str(error)))\n            break\n",
    ),
)

COLLECTOR = (
    one(
        "acknowledges_before_kinesis",
        "2xx only after Kinesis confirmed",
        INTAKE,
        "    _note_stored(results, _stored(entries, dependencies, spill), twins)\n",
        "    _stored(entries, dependencies, spill)\n    _note_stored(results, entries, twins)\n",
    ),
    one(
        "twins_always_safe",
        "a duplicate fares as the event it repeats",
        INTAKE,
        "        if earlier in stored:\n",
        "        if earlier is not None:\n",
    ),
    one(
        "acknowledges_before_spill",
        "what is not on the stream is acknowledged only once it is spilled",
        INTAKE,
        "    if left and spill is not None and spill(left):\n",
        "    if left and spill is not None and [spill(left)]:\n",
    ),
    one(
        "drainer_deletes_first",
        "a spilled object is deleted only when the stream holds all of it",
        "tapstack.collector.drain",
        "    _put_all(entries, dependencies, budget)\n    retried(budget, lambda: dependencies.spill.delete_each(keys))\n",
        "    retried(budget, lambda: dependencies.spill.delete_each(keys))\n    _put_all(entries, dependencies, budget)\n",
    ),
    one(
        "drainer_puts_once",
        "what the stream refuses of a spilled object is put again",
        "tapstack.collector.drain",
        "        left = {position: entry for position, entry in left.items() if position not in stored}\n",
        "        left = {}\n",
    ),
    one(
        "spill_of_a_minute",
        "a spilled object replaces no other",
        "tapstack.spill",
        '{at:%Y%m%dT%H%M%S}.{at_ms % 1000:03}Z-{unique}.ndjson"',
        '{at:%Y%m%dT%H%M}00.000Z.ndjson"',
    ),
    one(
        "refused_event_dropped",
        "a refused event is kept before it is answered",
        INTAKE,
        "    if refused and (keep is None or keep(refused, len(events))):\n",
        "    if refused:\n",
    ),
    one(
        "schema_breach_dropped",
        "an event that breaks a schema is kept before it is answered",
        INTAKE,
        '            refused[position] = error\n            results.append(Result("retry",',
        "            if not error.schema:\n                refused[position] = error\n"
        '            results.append(Result("invalid" if error.schema else "retry",',
    ),
    one(
        "schema_breach_accepted",
        "an event that breaks a schema is refused if the schema says so",
        "tapstack.collector.schemas",
        '            if schema.use.strictness == "warn":\n',
        "            if schema.use.strictness:\n",
    ),
    one(
        "schema_warning_refused",
        "an event that breaks a schema is accepted if the schema only warns",
        "tapstack.collector.schemas",
        '            if schema.use.strictness == "warn":\n',
        "            if not schema.use.strictness:\n",
    ),
    one(
        "refusal_not_confirmed",
        "a refused event is kept only once the bucket says so",
        INTAKE,
        "    if refused and (keep is None or keep(refused, len(events))):\n",
        "    if refused and [keep and keep(refused, len(events))]:\n",
    ),
    one(
        "refusals_of_an_hour",
        "the refused events of each request have an object of their own",
        "tapstack.collector.quarantine",
        'request_id = f"{at:%H%M%S}{now_ms % 1000:03}-{self.dependencies.unique()}"',
        'request_id = f"{at:%H}"',
    ),
    one(
        "retries_accepted_entries",
        "only refused entries are put again",
        PUBLISH,
        "        pending = refused\n",
        "        pending = list(entries) if refused else []\n",
    ),
    one(
        "unknown_put_is_stored",
        "an unanswered PutRecords is not taken for done",
        PUBLISH,
        "        return [False] * len(entries)\n",
        "        return [True] * len(entries)\n",
    ),
    one(
        "partial_failure_ignored",
        "200 of PutRecords has failures inside",
        STREAM,
        "return [result.SequenceNumber is not None and result.ErrorCode is None for result in results]",
        "return [True for result in results]",
    ),
)

MUTANTS = (
    *FAILED_DESIGNS, REDRIVEN, *PAGES, *NUMBERS, *LATE, *UNIT_OF_WORK, *ACKNOWLEDGEMENT, *PROJECTING, *SEARCHING,
    *PROGRESS, *COLLECTOR, *CONTENTS, *BEHAVIOUR, *EDGES,
    *READERS, *RECOMMENDING, *REFUSING, *LINKED, *IMPRESSIONS, *CHANGES,
    *HISTORIES, *TRENDS, *ITEM_FACTS, *ATTRIBUTES, *OF_CATEGORIES, *FILTERING,
)  # fmt: skip
