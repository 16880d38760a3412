# ruff: noqa: E501 - lines of the product are quoted as they stand
"""The designs that failed on paper, written into the product; each dies by the fault it is named for, alone.

A high-water mark: an event is new only if the sequence number of its record is higher than the mark. Beside
the mark stands the row's memory of identities, as the bounded map of ids. So
without faults each of these designs counts every event once, and none dies of what memory forgets.
"""

from __future__ import annotations

from .mutant import CONSUME, RECORDS, ROW_CACHE, TRANSACTION, Mutant
from .patching import Edit

_JUDGED = "            verdict = self._judge(user, delivery)\n"
_FOLDED = "        self._counted.append((delivery, effects))\n"
_PARSED = "        deliveries.append(_delivery(position, record, event, oldest, waited_max_s))\n"
_PARSED_ANEW = _PARSED.replace("deliveries.append(", "made = [").replace("))\n", ")]\n")
# The number travels beside the flag that says an event is too old.
_TOO_OLD = Edit(TRANSACTION, "if delivery.too_old and verdict in", "if delivery.too_old[0] and verdict in")

# The mark of a user's row, the time and the counter of the number, is one more field at the end of it.
_NUMBER = Edit(
    RECORDS,
    _PARSED,
    _PARSED_ANEW + "        number = int(record.sequence_number)\n"
    "        number = ((number >> 148) - (2 << 36) - 1767225000 << 24 | number >> 80 & 0xFFFFFF) * 4\n"
    "        deliveries += [msgspec.structs.replace(d, too_old=(d.too_old, number)) for d in made]\n",
)
_KEEP_MARK = Edit(TRANSACTION, _FOLDED, _FOLDED + "        state.mark = delivery.too_old[1]\n")
_LAST_FIELD = "    attributes: ViewStates = {}  # declared ones\n"
_HAS_MARK = Edit("tapstack.core.rows", _LAST_FIELD, _LAST_FIELD + "    mark: int = 0\n")
_MARK_IN_THE_ROW = (_NUMBER, _TOO_OLD, _KEEP_MARK, _HAS_MARK)
_BELOW_IS_DUPLICATE = (
    "            if verdict is NEW and number <= user.state.mark:\n                verdict = Verdict.DUP\n"
)
_BY_MARK = Edit(
    TRANSACTION, _JUDGED, _JUDGED + "            _, number = delivery.too_old\n" + _BELOW_IS_DUPLICATE
)
_PER_ROW = (*_MARK_IN_THE_ROW, _BY_MARK)

# A map of the four newest ids of a client (of a user, where clients have no ids), and nothing below it.
_BY_MARK_AND_SHORT_MAP = Edit(
    TRANSACTION,
    _JUDGED,
    _JUDGED + "            name, n = (*__import__('msgspec').structs.astuple(delivery.identity), 0)[:2]\n"
    "            seen = user.state.seen\n"
    "            client = seen.clients.get(name)\n"
    "            held = name in list(seen.ids)[-4:] if client is None else n > client.top - 4\n"
    "            if verdict is Verdict.DUP and not held:\n"
    "                verdict = NEW\n"
    "            _, number = delivery.too_old\n" + _BELOW_IS_DUPLICATE,
)

# The mark is what a read showed, and what this invocation wrote since; the counters are added to the row as it
# is (a refused commit shows it). After a refusal the mark is read again, which may again be a read of the past.
_STALE = (
    _NUMBER,
    _TOO_OLD,
    _HAS_MARK,
    Edit(
        ROW_CACHE,
        "            self._rows.update(found)\n",
        "            self._rows.update(found)\n"
        "            self.read.update((key, found.get(key)) for key in asked if key not in again)\n",
    ),
    Edit(
        ROW_CACHE,
        "        self._rows: dict[Key, Row | None] = {}\n",
        "        self._rows: dict[Key, Row | None] = {}\n        self.read = {}\n",
    ),
    Edit(
        ROW_CACHE,
        "        self._rows.update(written)\n",
        "        self._rows.update(written)\n        self.read.update(written)\n",
    ),
    Edit(
        ROW_CACHE,
        "        self._rows.update(images)\n",
        "        self.forget(images)\n        self.load(images)\n        self._rows.update(images)\n",
    ),
    Edit(
        TRANSACTION,
        _JUDGED,
        _JUDGED + "            _, number = delivery.too_old\n"
        "            if verdict in (NEW, Verdict.DUP):\n"
        "                read = self._row_cache.read.get(delivery.user_key)\n"
        "                mark = 0 if read is None else decode_user(read.state).mark\n"
        "                mark = max(mark, self._marks.get(delivery.user_key, 0))\n"
        "                verdict = NEW if number > mark else Verdict.DUP\n",
    ),
    Edit(
        TRANSACTION,
        _FOLDED,
        _FOLDED + "        _, number = delivery.too_old\n"
        "        self._marks[delivery.user_key] = number\n"
        "        state.mark = max(number, state.mark)\n",
    ),
    Edit(
        TRANSACTION,
        "        self._arrived_at_s = 0\n",
        "        self._arrived_at_s = 0\n        self._marks = {}\n",
    ),
)

# One mark for each shard, in a row of its own that commits with the rest; events in the order of the stream.
_SHARD_MARK = (
    Edit(
        RECORDS,
        _PARSED,
        _PARSED_ANEW + "        place = (Key('M#' + record.shard_id, '-'), record.sequence_number)\n"
        "        deliveries += [msgspec.structs.replace(d, too_old=(d.too_old, *place)) for d in made]\n",
    ),
    _TOO_OLD,
    Edit(TRANSACTION, "ROWS_MAX = 98", "ROWS_MAX = 97"),
    Edit(
        TRANSACTION,
        "        self._arrived_at_s = 0\n",
        "        self._arrived_at_s = 0\n        self._mark = ()\n",
    ),
    Edit(
        TRANSACTION,
        _JUDGED,
        _JUDGED + "            _, place, number = delivery.too_old\n"
        "            row = self._row_cache.row(place)\n"
        "            read = '0' if row is None else __import__('msgspec').msgpack.decode(row.state)[0]\n"
        "            mark = self._mark[1] if self._mark else read\n"
        "            if verdict is NEW and int(number) <= int(mark):\n"
        "                verdict = Verdict.DUP\n",
    ),
    Edit(TRANSACTION, _FOLDED, _FOLDED + "        self._mark = delivery.too_old[1:]\n"),
    Edit(
        TRANSACTION,
        "        if entry is not None:\n",
        "        if self._mark:\n"
        "            row = self._row_cache.row(self._mark[0])\n"
        "            state = __import__('msgspec').msgpack.encode([self._mark[1], None, {}])\n"
        "            writes.append(row_write(self._mark[0], row, state, self._arrived_at_s, self._row_ttl_s))\n"
        "        if entry is not None:\n",
    ),
    Edit(CONSUME, "invocation.apply(_by_user(deliveries), ", "invocation.apply(deliveries, "),
    Edit(
        CONSUME,
        "                self._row_cache.load([each.user_key for each in deliveries[start:read]])\n",
        "                self._row_cache.load([each.user_key for each in deliveries[start:read]])\n"
        "            self._row_cache.load([each.too_old[1] for each in deliveries[start:read]])\n",
    ),
    Edit(
        CONSUME,
        "            self._row_cache.load(delivery.user_key for delivery in deliveries)\n",
        "            self._row_cache.load(delivery.user_key for delivery in deliveries)\n"
        "            self._row_cache.load(delivery.too_old[1] for delivery in deliveries)\n",
    ),
    # No run begins with a factor above 1: that is the fault.
    Edit(
        "tapstack_simulation.plan",
        "parallelization_factor=rng.choice((1, 1, 2, 5))",
        "parallelization_factor=rng.choice((1, 1, 1, 1))",
    ),
)

_ABOVE_IS_NEW = """\
            _, number = delivery.too_old
            if verdict is Verdict.DUP and number > user.state.mark:
                verdict = NEW
"""
# No design of the paper's: nothing but a record that is put on the stream anew shows what is wrong with it.
REDRIVEN = Mutant(
    "redriven_counts_again",
    "a record put on the stream again is the event that it was",
    (*_MARK_IN_THE_ROW, Edit(TRANSACTION, _JUDGED, _JUDGED + _ABOVE_IS_NEW)),
    ("O2",),
    (10,),
)

COUNTED_TWICE, LOST = (2, 3), (1, 9)

FAILED_DESIGNS = (
    Mutant(
        "naive_add_per_event",
        "deduplication: every delivery counts",
        (
            Edit(
                TRANSACTION,
                _JUDGED,
                _JUDGED + "            if verdict is Verdict.DUP:\n                verdict = NEW\n",
            ),
            # Whoever remembers nothing does not stand the replay that ends every run: it must not come to that.
            Edit("tapstack_simulation.run", "        self._replay_all()\n", ""),
        ),
        ("E1", "E2", "E3"),
        COUNTED_TWICE,
    ),
    Mutant(
        "high_water_mark_per_row",
        "identity: numbers of several shards say nothing about each other",
        _PER_ROW,
        ("S4",),
        LOST,
    ),
    Mutant(
        "high_water_mark_stale_read",
        "the verdict and the version come from one image of the row",
        _STALE,
        ("D8", "E3"),
        COUNTED_TWICE,
    ),
    Mutant(
        "high_water_mark_child_first",
        "identity: a child shard is read before its parent",
        _PER_ROW,
        ("S3",),
        LOST,
    ),
    Mutant(
        "high_water_mark_redriven",
        "identity: a discarded batch comes again with its old numbers",
        _PER_ROW,
        ("E15",),
        LOST,
    ),
    Mutant(
        "high_water_mark_put_anew",
        "identity: discarded batches are put anew, twice, and the bounded map has forgotten the first copy",
        (*_MARK_IN_THE_ROW, _BY_MARK_AND_SHORT_MAP),
        ("E15", "O2", "O3"),
        COUNTED_TWICE,
    ),
    Mutant(
        "high_water_mark_factor_2",
        "identity: parallel batches of one shard overtake each other",
        _SHARD_MARK,
        ("E14",),
        LOST,
    ),
)
