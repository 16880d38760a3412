"""Who may send in a run, with which keys, and what its collectors make of consents and names.

Drawn apart from all else, so that a seed means the same as it did without. The document of sources is written
by hand here: hashes of keys are computed a second time.
"""

from __future__ import annotations

import hashlib
import json
import random
from typing import Literal

from tapstack.errors import Unavailable
from tapstack_simulation.checking.pseudonyms import PLAN, Pseudonyms
from tapstack_simulation.kernel import Kernel

KEYS_SHARE, CONSENT_SHARE, PSEUDONYMS_SHARE = 0.4, 0.4, 0.2  # of the runs
UNREADABLE_SHARE = 0.15  # of the reads of the document
NEW_KEY_AFTER_MS = 6_000  # by when each collector knows a new key; and
OLD_KEY_UNTIL_MS = 61_000  # by when none takes a revoked one
HASH_KEY = b"a key of pseudonyms, of 32 bytes"
PERSON = ("user_id", "anonymous_id")
SOURCE = "shop"
MADE_AT = "2026-01-01T00:00:00Z"


class Guard:
    """The keys, the consents and the pseudonyms of a run.

    Parameters
    ----------
    kernel
        The scheduler, for the time.
    rotates
        Whether keys may be rotated: not where clocks jump, since it takes until a collector's clock says.
    """

    def __init__(self, kernel: Kernel, *, rotates: bool) -> None:
        rng = random.Random(f"{kernel.seed}/guard")  # noqa: S311 - reproducible, not secret
        self._rng, self._kernel, self._began_ms = rng, kernel, kernel.now_ms
        self.checks_keys = rng.random() < KEYS_SHARE
        honours = rng.random() < CONSENT_SHARE
        self.consent: Literal["off", "refused", "anonymous"] = (
            ("refused" if rng.random() < 0.5 else "anonymous") if honours else "off"
        )
        self.pseudonyms = _draw_pseudonyms(random.Random(f"{kernel.seed}/pseudonyms"))  # noqa: S311 - likewise
        self._first, self._second = (f"tapstack_{rng.getrandbits(192):048x}" for _ in range(2))
        self._rotated_ms = rng.randrange(2_000, 20_000) if rotates else None
        self._revoked_ms = 0 if self._rotated_ms is None else self._rotated_ms + rng.randrange(10_000, 30_000)
        self.is_readable = False  # to the end, once a run heals

    @property
    def _ms(self) -> int:
        return self._kernel.now_ms - self._began_ms

    def read(self) -> bytes:
        """Return the document of sources; raises `Unavailable` now and then.

        Not once a key was revoked: the last document is trusted for a quarter of an hour then.
        """
        may_fail = not self.is_readable and (self._rotated_ms is None or self._ms < self._revoked_ms)
        if may_fail and self._rng.random() < UNREADABLE_SHARE:
            raise Unavailable("secretsmanager: no answer")
        keys = [self._first, self._second]
        if self._rotated_ms is None or self._ms < self._rotated_ms:
            keys = [self._first]
        elif self._ms >= self._revoked_ms:
            keys = [self._second]
        hashes = [hashlib.sha256(key.encode()).hexdigest() for key in keys]
        live = [{"hash": each, "created_at": MADE_AT} for each in hashes]
        revoked = {"id": "revoked"}
        return json.dumps({"sources": [{"id": SOURCE, "keys": live}, revoked], "version": 1}).encode()

    @property
    def key(self) -> str | None:
        """Return the key that a device uses now; None if keys are not checked."""
        if not self.checks_keys:
            return None
        is_new = self._rotated_ms is not None and self._ms >= self._rotated_ms + NEW_KEY_AFTER_MS
        return self._second if is_new else self._first

    def wrong_key(self, rng: random.Random) -> str | None:
        """Draw a key that may not send: a part of a right one, its hash, a revoked one, another, or none."""
        right = rng.choice((self._first, self._second))
        wrong: list[str | None] = [
            right[:-1], right[:20], right + "0", right.upper(), hashlib.sha256(right.encode()).hexdigest(),
            f"tapstack_{rng.getrandbits(192):048x}", "", None,
        ]  # fmt: skip
        if self._rotated_ms is None or self._ms < self._rotated_ms - 1_000:
            wrong.append(self._second)  # not yet known, or never
        elif self._ms > self._revoked_ms + OLD_KEY_UNTIL_MS:
            wrong += [self._first] * 8
        return rng.choice(wrong)


def _draw_pseudonyms(rng: random.Random) -> Pseudonyms:
    if rng.random() >= PSEUDONYMS_SHARE:
        return Pseudonyms()
    return Pseudonyms(rng.choice((PERSON, (*PERSON, "session_id", PLAN))), HASH_KEY)
