"""What ten declared counters in three windows cost: bytes of a user's row, write units, CPU of an event.

A *usual* user comes back three times in ten days, with four events each. A *busy* one has an event
of each type every five minutes of twelve hours on each of eight days, so every tile counts that can. CPU is
that of `fold_event` with the row decoded before and encoded after, as a transaction of one event a user does
it; what goes to pages of history is left out.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from benchmarks._report import finish, options, progress
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.attributes.prediction import predicted
from tapstack.core.attributes.reading import read_definitions
from tapstack.core.capacity import row_bytes, transaction_units
from tapstack.core.events import Event, decode_event
from tapstack.core.fold import fold_event
from tapstack.core.identity import identify
from tapstack.core.memory import Bounds, remember
from tapstack.core.rows import UserState, decode_user, encode_user

KEY = ("U#user-000017", "-")
START_S = 1_795_000_000
TYPES = ("item_view", "item_click", "search", "cart_add", "cart_remove", "wishlist_add", "purchase", "share",
         "page_view", "checkout_start")  # fmt: skip
TEN = 'version = 1\n[[feature_view]]\nname = "stats"\nentity = "user"\n' + "".join(
    f'[[feature_view.attribute]]\nname = "{name}"\naggregation = "counter"\nevents = ["{name}"]\n'
    f'windows = ["1h", "24h", "7d"]\n'
    for name in TYPES
)
BYTES_MAX = 800  # what is promised
ROUNDS = 7


def moments(*, busy: bool) -> Iterator[int]:
    """Yield when a user does something, Unix seconds."""
    for day in range(8) if busy else (0, 5, 9):
        for step in range(144) if busy else range(4):
            yield from [START_S + day * 86_400 + step * 300] * (len(TYPES) if busy else 1)


def records(*, busy: bool) -> list[tuple[bytes, Event, int]]:
    """Return a user's records as the stream has them."""
    made = []
    for number, (at_s, kind) in enumerate(zip(moments(busy=busy), itertools.cycle(TYPES), strict=False)):
        at = datetime.fromtimestamp(at_s, UTC).isoformat()
        said = {
            "event_type": kind,
            "user_id": "user-000017",
            "client_id": "0190a6e0-1111-7000-8000-000000000001",
            "n": number,
            "items": [{"item_id": f"sku-{number % 97:05}"}],
            "occurred_at": at,
            "received_at": at,
            "clock_skew_ms": 0,
            "session_id": f"s-{at_s // 86_400}",
        }
        data = msgspec.json.encode(said)
        made.append((data, decode_event(data), at_s))
    return made


def folded(user: UserState, data: bytes, event: Event, at_s: int, declared: Declared) -> UserState:
    """Count one event, as a transaction does it."""
    user = decode_user(encode_user(user))
    remember(user.seen, identify(event), at_s // 86_400, Bounds(keep_days=398))
    fold_event(user, event, at_s, at_s, declared, data)
    user.history = None
    return user


def row_of(made: list[tuple[bytes, Event, int]], declared: Declared) -> UserState:
    """Return a user's row after all of it."""
    user = UserState()
    for data, event, at_s in made:
        user = folded(user, data, event, at_s, declared)
    return user


def cpu_us(user: UserState, made: list[tuple[bytes, Event, int]], declared: Declared) -> float:
    """Return what another event costs a row, microseconds: the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for data, event, at_s in made:
            folded(user, data, event, at_s, declared)
        best = min(best, (time.process_time() - began) / len(made) * 1e6)
    return best


def main() -> None:
    """Measure."""
    as_json = options("attributes", __doc__).parse_args().json
    ten = Declared(read_definitions(TEN))
    row = predicted(ten.definitions)
    figures: dict[str, float | int] = {
        "predicted_bytes_usual": row.size.usual,
        "predicted_bytes_max": row.size.most,
    }
    peers: dict[str, dict[str, float | int]] = {"nothing_declared": {}}
    ratios: dict[str, float] = {}
    for name, busy in (("usual", False), ("busy", True)):
        progress(f"a {name} user")
        made = records(busy=busy)
        without, with_ten = row_of(made, NOTHING_DECLARED), row_of(made, ten)
        last = made[-144:]
        for user, declared, into in (
            (without, NOTHING_DECLARED, peers["nothing_declared"]),
            (with_ten, ten, figures),
        ):
            size_bytes = row_bytes(KEY, encode_user(user))
            into[f"{name}_row_bytes"] = size_bytes
            into[f"{name}_write_units"] = transaction_units([size_bytes])
            into[f"{name}_cpu_us_an_event"] = cpu_us(user, last, declared)
        added = len(encode_user(with_ten)) - len(encode_user(without))
        figures[f"{name}_bytes_of_attributes"] = added
        ratios[f"{name}_bytes_of_attributes_to_{BYTES_MAX}"] = added / BYTES_MAX
        ratios[f"{name}_cpu_to_nothing_declared"] = (
            figures[f"{name}_cpu_us_an_event"] / peers["nothing_declared"][f"{name}_cpu_us_an_event"]
        )
    finish("attributes", figures, peers, ratios, as_json=as_json)


if __name__ == "__main__":
    main()
