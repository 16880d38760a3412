"""Identity and time of an event, fixed when it is sent first and never changed after."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from tapstack.core.client_events import check_nesting, read_client_object
from tapstack.core.events import EVENT_BYTES_MAX, ClientEvent
from tapstack.errors import InvalidEvent
from tapstack.producer.events import Event

# Users with a client id of their own; who is forgotten takes a new one with the next event. 4 MB.
USERS_MAX = 16_384

User = tuple[str | None, str | None]  # a known user, or a visitor

_encoder = msgspec.json.Encoder()
# Before its number is known an event is checked with this one: the check wants an identity.
_UNNUMBERED = {"client_id": "00000000-0000-7000-8000-000000000000", "n": 0}


class EventId(NamedTuple):
    """What makes an event that event; every copy of it has the same.

    Parameters
    ----------
    client_id, n
        The number that the producer gave it; None if the application gave it an id.
    event_id
        The application's id.
    """

    client_id: str | None
    n: int | None
    event_id: str | None


class Checked(NamedTuple):
    """An event that the collector will take.

    Parameters
    ----------
    event
        With its time; without its number, if `user` is not None.
    user
        Whose numbers it takes; None if it has an identity already.
    notes
        What is taken in another way than it was said, such as a currency that does not exist.
    """

    event: ClientEvent
    user: User | None
    notes: tuple[str, ...]


class Numbers:
    """Numbers the events of each user from 0, without holes.

    The identity's client is a user in this process: the table remembers numbers by user, and a number that
    another user's event took would be a hole to it. Copies would be recognised all the same, but each hole
    costs memory, and a gap would no longer mean a lost event.

    Parameters
    ----------
    now_ms
        Returns the Unix time, which a client id begins with.
    entropy
        Returns so many random bytes.
    users_max
        How many users are known at once, ``>= 1``.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes] = os.urandom,
        users_max: int = USERS_MAX,
    ) -> None:
        self._now_ms = now_ms
        self._entropy = entropy
        self._users_max = users_max
        self._next: dict[User, tuple[str, int]] = {}  # in order of last use

    def next_of(self, user: User) -> tuple[str, int]:
        """Return the client id and number of a user's next event; `take` uses them up."""
        known = self._next.pop(user, None)
        if known is None:
            if len(self._next) >= self._users_max:
                del self._next[next(iter(self._next))]
            known = uuid7(self._now_ms(), self._entropy(10)), 0
        self._next[user] = known
        return known

    def take(self, user: User) -> None:
        """Use the number that `next_of` returned last for this user."""
        client_id, n = self._next[user]
        self._next[user] = client_id, n + 1

    def give_back(self, user: User) -> None:
        """Have the number that was taken last come again."""
        client_id, n = self._next[user]
        self._next[user] = client_id, n - 1


def check(event: Event | Mapping[str, Any], now_ms: int) -> Checked:
    """Check an event as the collector will, and give it a time.

    Raises
    ------
    InvalidEvent
        Naming the first field that is wrong, and what was expected there.
    """
    fields = _fields(event)
    has_identity = any(fields.get(name) not in {None, ""} for name in ("event_id", "client_id", "n"))
    said = read_client_object(fields if has_identity else {**fields, **_UNNUMBERED})
    checked = said.event
    if checked.occurred_at is None:
        checked = msgspec.structs.replace(checked, occurred_at=_moment(now_ms))
    user = (checked.user_id, None) if checked.user_id is not None else (None, checked.anonymous_id)
    return Checked(checked, None if has_identity else user, tuple(said.notes))


def encode(checked: Checked, numbers: Numbers) -> tuple[bytes, EventId]:
    """Write an event with its identity; its number is not used up yet.

    Raises
    ------
    InvalidEvent
        If it is too large, nested too deep, or holds what JSON cannot.
    """
    event = checked.event
    if checked.user is not None:
        client_id, n = numbers.next_of(checked.user)
        event = msgspec.structs.replace(event, client_id=client_id, n=n)
    try:
        data = _encoder.encode(event)
    except (UnicodeEncodeError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidEvent("", f"expected what JSON can hold; {error}") from None
    if len(data) > EVENT_BYTES_MAX:
        raise InvalidEvent("", f"expected at most {EVENT_BYTES_MAX} bytes, got {len(data)}", "too_many_bytes")
    check_nesting(data)
    return data, EventId(event.client_id, event.n, event.event_id)


def uuid7(now_ms: int, entropy: bytes) -> str:
    """Return a UUIDv7 of a moment and ten random bytes (RFC 9562, section 5.7)."""
    bits = (now_ms & (2**48 - 1)) << 80 | int.from_bytes(entropy, "big")
    bits = bits & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _fields(event: Event | Mapping[str, Any]) -> dict[str, Any]:
    try:
        fields = msgspec.to_builtins(event, str_keys=True)
    except (TypeError, OverflowError, RecursionError) as error:
        raise InvalidEvent("", f"expected what JSON can hold; {error}") from None
    if not isinstance(fields, dict):
        raise InvalidEvent("", f"expected an event or a mapping, got {type(event).__name__}")
    if isinstance(event, Event):
        fields["event_type"] = event.event_type
    return fields


def _moment(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms // 1_000, tz=UTC).replace(microsecond=now_ms % 1_000 * 1_000)
