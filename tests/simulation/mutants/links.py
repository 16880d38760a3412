"""Mutants of links: their pointers, and what is shown of a person."""

from __future__ import annotations

from .mutant import CONSUME, LINKS, PERSON, TRANSACTION, USER_ROWS, Mutant, one
from .patching import Edit

POINTERS = (
    one(
        "pointer_not_written",
        "an event that names both leaves a pointer to the user as well",
        TRANSACTION,
        "            user.pointers.append(Key(*user_pointer(visitor, user_id)))\n",
        "",
    ),
    one(
        "pointer_to_the_visitor_not_written",
        "and one to the visitor",
        TRANSACTION,
        "            user.pointers.append(Key(*visitor_pointer(user.key.pk, anonymous_id)))\n",
        "",
    ),
    Mutant(
        "pointer_outside_the_transaction",
        "pointers are written only together with their user's row",
        (
            Edit(
                CONSUME,
                "            conflict = self._table.commit(writes)\n",
                "            pointers = [w for w in writes if w.key.sk.startswith(('was#', 'is#'))]\n"
                "            if pointers:\n"
                "                self._table.commit(pointers)\n"
                "            conflict = self._table.commit([w for w in writes if w not in pointers])\n",
            ),
        ),
    ),
    one(
        "pointers_not_counted",
        "pointers that wait take room in a transaction",
        TRANSACTION,
        "            self._rows_count += 2\n",
        "",
    ),
    one(
        "pointer_cut_at_the_aliases",
        "a visitor that the row no longer lists stays linked",
        LINKS,
        "LINKS_MAX = 64",
        "LINKS_MAX = 4",
    ),
    one(
        "pointer_written_every_time",
        "a pair that is known costs nothing",
        LINKS,
        "    return written is None or day - written >= max(1, keep_days // 4)\n",
        "    return True\n",
    ),
    one(
        "pointer_never_written_again",
        "pointers of a pair in use do not expire",
        LINKS,
        "    return written is None or day - written >= max(1, keep_days // 4)\n",
        "    return written is None\n",
    ),
    one(
        "pointer_expires_with_its_day",
        "pointers live as long as a row does",
        USER_ROWS,
        "POINTER_STATE, expires_at_s)",
        "POINTER_STATE, expires_at_s - 86_400)",
    ),
)

READERS_OF_LINKS = (
    one(
        "shared_visitor_added",
        "what the visitor of several users did is nobody's",
        PERSON,
        "if each.state is not None and not each.is_shared]",
        "if each.state is not None]",
    ),
    one(
        "visitor_not_added",
        "a person did what its visitors did",
        PERSON,
        "    for part in parts:\n        merge_counts(counters, part.counters)\n",
        "    for part in parts[:1]:\n        merge_counts(counters, part.counters)\n",
    ),
    one(
        "expired_pointer_followed",
        "a pointer that has expired leads nowhere",
        PERSON,
        "    pointers = alive(reader.read_prefix(known_user_key(user_id)[0], VISITOR_PREFIX), now_s)\n",
        "    pointers = reader.read_prefix(known_user_key(user_id)[0], VISITOR_PREFIX)\n",
    ),
    one(
        "visit_cut_at_the_login",
        "a visit goes on across a login",
        "tapstack.core.sessions",
        "        before = [visit for visit in visits if _belongs(visit, part.start_s, part.label)]\n",
        "        before: list[Session] = []\n",
    ),
)

LINKED = (*POINTERS, *READERS_OF_LINKS)
