"""The sources as the collector knows them: read anew when they are old, and trusted for a bounded time.

What is known too long, or not at all, lets nobody in and refuses nobody for good: `Unavailable` is answered
with 503, and SDKs send again.
"""

from __future__ import annotations

from collections.abc import Callable

from tapstack.core.sources import Sources, read_sources
from tapstack.errors import Unavailable
from tapstack.ports import Clock

FRESH_MS = 60_000  # a revoked key is let in for so long
# An unknown key may be new: it is refused by what was read in the last seconds only.
FRESH_FOR_REFUSAL_MS = 5_000
TRUSTED_MS = 15 * 60_000  # while the document cannot be read
RETRY_MS = 1_000  # between two attempts to read it, whatever is asked


class KnownSources:
    """The sources of one execution environment.

    Parameters
    ----------
    read
        Returns the document; raises `Unavailable`.
    clock
        The time.
    """

    def __init__(self, read: Callable[[], bytes], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._sources: Sources | None = None
        self._read_ms = 0
        self._error: Unavailable | None = None
        self._failed_ms = 0

    def current(self) -> Sources:
        """Return the sources, up to a minute old, or a quarter of an hour if they cannot be read anew.

        Raises
        ------
        Unavailable
            If they are older, or not known.
        """
        return self._at_most(FRESH_MS, TRUSTED_MS)

    def latest(self) -> Sources:
        """Return the sources as they were some seconds ago: those by which a key may be refused.

        Raises
        ------
        Unavailable
            If they are not known.
        """
        return self._at_most(FRESH_FOR_REFUSAL_MS, FRESH_FOR_REFUSAL_MS)

    def _at_most(self, fresh_ms: int, trusted_ms: int) -> Sources:
        now_ms = self._clock.now_ms()
        if self._sources is not None and 0 <= now_ms - self._read_ms <= fresh_ms:
            return self._sources
        if self._error is None or not 0 <= now_ms - self._failed_ms < RETRY_MS:
            try:
                self._sources, self._read_ms, self._error = read_sources(self._read()), now_ms, None
            except Unavailable as error:
                self._error, self._failed_ms = error, now_ms
            else:
                return self._sources
        if self._sources is not None and 0 <= now_ms - self._read_ms <= trusted_ms:
            return self._sources
        raise self._error
