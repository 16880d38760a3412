"""Clients: what people do in front of shops, and what SDKs do with it when the network is bad."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import msgspec

from tapstack_simulation.checking.facts import Name, native_name, opaque_name, row_of
from tapstack_simulation.checking.nobody import UNWELCOME, nobodys
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.collectors import Collectors
from tapstack_simulation.event_details import decorate, describe, exaggerate, judge, search
from tapstack_simulation.event_schemas import breaks
from tapstack_simulation.faults import FaultSchedule
from tapstack_simulation.guard import HASH_KEY
from tapstack_simulation.kernel import DAY_US, Actor, Kernel
from tapstack_simulation.poison import DENIED_NO_EVENTS, NAMED_NO_EVENTS, NO_EVENTS

KINDS = ("item_view",) * 9 + (
    "item_click", "item_list_view", "search", "cart_add", "cart_add", "cart_remove", "wishlist_add",
    "purchase", "purchase", "page_view", "identify", "custom", "share",
)  # fmt: skip
WITH_ITEMS = frozenset({
    "item_view", "item_click", "item_list_view", "cart_add", "cart_remove", "wishlist_add", "purchase",
    "share",
})  # fmt: skip
LONG_ITEMS = 95  # of a purchase that is counted in two parts
LONG_SHARE = 0.2  # of purchases: what may happen between the parts lost one for real, at 0.04 unseen
SKEWS_MS = (0, 0, 0, 1_500, -40_000, 3_600_000, 2 * 86_400_000, 9 * 86_400_000, -3 * 86_400_000)
WILD_SKEW_MS = -400 * 86_400_000
# A copy of an event without a time, or with a time in the future, must not come when its row may be gone.
RESEND_MAX_US = 15 * DAY_US
BACKFILL_US = 12 * DAY_US  # a little less than how old an event may be

DENIED_SHARE = 0.15
DENIALS: tuple[dict[str, Any], ...] = (
    {"consent": {"analytics": False}},
    {"consent": {"categoryPreferences": {"Statistics": "denied"}}},
    {"context": {"consentManagement": {"deniedConsentIds": ["C0002"]}}},
)
IDENTITY = ("user_id", "anonymous_id", "client_id", "n", "event_id", "consent")

_encode = msgspec.json.Encoder().encode


class Sent(msgspec.Struct, frozen=True):
    """An event in a client's outbox; of one that has to be refused for its consent, `pk` is empty."""

    body: bytes
    pk: str
    name: Name
    made_us: int
    breaks_schema: bool = False


class Device(msgspec.Struct, kw_only=True):
    """A browser, a phone or a server that sends events.

    Parameters
    ----------
    name
        Its name in this run.
    user
        Fields that name its user.
    native
        Whether its SDK numbers its events.
    events_left
        How many it will make.
    pace_us
        Mean time between two bursts.
    """

    name: str
    user: dict[str, str]
    native: bool
    events_left: int
    pace_us: int
    habit: str = ""
    client_id: str = ""
    n: int = 0
    skew_ms: int = 0
    made: int = 0
    requests: int = 0
    outbox: list[Sent] = []
    held: list[Sent] = []
    history: list[Sent] = []
    dropped: int = 0
    finished: bool = False


class Clients:
    """Runs devices as actors.

    Parameters
    ----------
    kernel
        The scheduler.
    faults
        The faults.
    collectors
        Where they send to.
    items
        How many items the shop has.
    """

    def __init__(self, kernel: Kernel, faults: FaultSchedule, collectors: Collectors, items: int) -> None:
        self._kernel, self._faults, self._collectors, self._items = kernel, faults, collectors, items
        self.devices: list[Device] = []
        self.flush = False

    def add(self, device: Device) -> None:
        """Start a device."""
        self.devices.append(device)
        self._kernel.spawn(device.name, lambda actor: self._live(actor, device))

    @property
    def made(self) -> int:
        """How many events were made."""
        return sum(device.made for device in self.devices)

    def _live(self, actor: Actor, device: Device) -> None:
        rng = actor.random
        self._set_up(actor, device)
        attempts = 0
        while device.events_left or device.outbox or device.held:
            if not self.flush:
                self._kernel.sleep(int(rng.expovariate(1.0) * device.pace_us))
            burst = min(device.events_left, rng.choice((1, 1, 2, 3, 5, 8)))
            device.events_left -= burst
            for _ in range(burst):
                device.outbox += self._event(rng, device)
            if self._faults.decide(actor, "C3", 0.1):
                self._misfortune(actor, device)
            self._follow_habit(actor, device)
            self._repeat(actor, device)
            self._expire(device)
            attempts = 0 if self._send(actor, device) else attempts + 1
            if attempts:
                self._kernel.sleep(int(rng.random() * min(30_000_000, 500_000 * 2**attempts)))
        device.finished = True

    def _set_up(self, actor: Actor, device: Device) -> None:
        if device.native:
            self._renew(actor, device)
        if self._faults.decide(actor, "C3"):
            wild = actor.random.random() < 0.1
            device.skew_ms = WILD_SKEW_MS if wild else actor.random.choice(SKEWS_MS)
            if device.skew_ms:
                self._faults.count("C3")

    def _misfortune(self, actor: Actor, device: Device) -> None:
        """Be offline, lose the storage, or lose the clock."""
        rng = actor.random
        chance = rng.random()
        if chance < 0.5 and not self.flush:
            self._kernel.sleep(rng.randrange(60_000_000))
        elif chance < 0.7 and device.native:
            device.dropped += len(device.outbox)  # the storage was cleared, with what was not sent yet
            device.outbox = []
            self._renew(actor, device)
        elif chance < 0.85 and device.native:
            self._renew(actor, device)  # another tab, with a client id of its own
        else:
            device.skew_ms = rng.choice(SKEWS_MS)
        self._faults.count("C3")

    def _follow_habit(self, actor: Actor, device: Device) -> None:
        """Press on one of the bounds of the user's memory."""
        rng = actor.random
        if device.habit == "restless" and rng.random() < 0.6:
            self._renew(actor, device)
        elif device.habit == "forgetful" and (device.events_left or device.held):
            chances = [rng.random() for _ in device.outbox]
            device.held += [sent for sent, p in zip(device.outbox, chances, strict=True) if 0.3 <= p < 0.5]
            kept = [sent for sent, p in zip(device.outbox, chances, strict=True) if p >= 0.5]
            device.dropped += sum(p < 0.3 for p in chances)
            device.outbox = kept
            if not device.events_left:
                device.outbox += device.held
                device.held = []

    def _repeat(self, actor: Actor, device: Device) -> None:
        """Send something again: what was just made, or what was sent long ago."""
        rate = 0.5 if device.habit else 0.1
        if self.flush or not self._faults.decide(actor, "S2", rate):
            return
        again = device.history or device.outbox
        if actor.random.random() < 0.3 and device.outbox:
            again = device.outbox[-1:]
        if again:
            device.outbox.append(actor.random.choice(again))
            self._faults.count("S2")

    def _renew(self, actor: Actor, device: Device) -> None:
        now_ms = self._kernel.now_ms + device.skew_ms
        device.client_id = uuid7(now_ms, actor.random)
        device.n = 0

    def _expire(self, device: Device) -> None:
        """Drop what has been waiting for too long."""
        oldest_us = self._kernel.now_us - RESEND_MAX_US
        kept = [sent for sent in device.outbox if sent.made_us >= oldest_us]
        device.dropped += len(device.outbox) - len(kept)
        device.outbox = kept
        device.history = [sent for sent in device.history if sent.made_us >= oldest_us]

    def _send(self, actor: Actor, device: Device) -> bool:
        """Send what waits, and keep what is not known to be safe; True if all of it is."""
        batch = device.outbox[: actor.random.choice((1, 3, 10, 25))]
        if not batch:
            return True
        statuses = self._post(actor, device, [sent.body for sent in batch])
        if statuses is None:
            return False
        kept = []
        for sent, status in zip(batch, statuses, strict=True):
            is_refused = sent.breaks_schema and self._collectors.schemas == "quarantine"
            if status not in {"retry", "invalid"} and (status == "denied") != (not sent.pk):
                raise Violation(14, f"{sent.body!r} was called {status}")
            if status == "denied":
                continue
            if status in {"ok", "duplicate"} and not is_refused:
                self._collectors.checker.collected.acknowledged(sent.pk, sent.name)
                device.history.append(sent)
            elif status == "retry":
                kept.append(sent)
            elif status != "invalid" or not is_refused:
                raise Violation(4, f"{sent.body!r} was called {status}")
        device.outbox = kept + device.outbox[len(batch) :]
        return not kept

    def _post(self, actor: Actor, device: Device, bodies: list[bytes]) -> list[str] | None:
        """Send events, now and then a bad one among them, which must harm no other."""
        device.requests += 1
        apart = random.Random(f"{self._kernel.seed}/{device.name}/r{device.requests}")  # noqa: S311 - not secret
        if apart.random() >= 0.1:
            return self._collectors.post(actor, bodies)
        place = apart.randrange(len(bodies) + 1)
        honours = self._collectors.guard.consent != "off" and apart.random() < 0.5
        others = NAMED_NO_EVENTS if self._collectors.guard.pseudonyms.fields else NO_EVENTS
        bad = apart.choice(DENIED_NO_EVENTS if honours else others)
        statuses = self._collectors.post(actor, [*bodies[:place], bad, *bodies[place:]])
        if statuses is not None and (fate := statuses.pop(place)) not in {"invalid", "retry"}:
            raise Violation(4, f"{bad!r} was called {fate}")
        return statuses

    def _event(self, rng: random.Random, device: Device) -> list[Sent]:
        """Make an event; now and then another user has one of the same id, in the same request."""
        device.made += 1
        kind = rng.choice(KINDS)
        event: dict[str, Any] = {"event_type": kind, **device.user}
        if kind in WITH_ITEMS:
            event["items"] = self._items_of(rng, kind, device.made)
        if kind == "purchase" and rng.random() < 0.3:
            event["value"] = rng.randrange(100, 90_000) / 100
        if kind == "purchase":
            event["currency"] = rng.choice(("EUR", "USD", "JPY"))
        if kind == "identify":
            event["traits"] = {"plan": rng.choice(("free", "paid"))}
        # Drawn apart, so that a seed means the same as it did without.
        apart = random.Random(f"{self._kernel.seed}/{device.name}/{device.made}")  # noqa: S311 - not secret
        if (occurred_at := self._time(rng, apart, device)) is not None:
            event["occurred_at"] = occurred_at
        if rng.random() < 0.3:
            event["session_id"] = f"s{rng.randrange(3)}"
        event = decorate(event, apart)
        beside = random.Random(f"{self._kernel.seed}/{device.name}/{device.made}/s")  # noqa: S311 - likewise
        event = search(event, beside)
        exaggerate(event, beside)
        judge(event, beside)
        describe(event, beside)
        if device.native:
            event |= {"client_id": device.client_id, "n": device.n}
            name = native_name(device.client_id, device.n)
            device.n += 1
        else:
            event["event_id"] = f"{device.name}-{device.made}"
            name = opaque_name(event["event_id"])
        made = [self._sent(event, name), *self._denied(event, device)]
        if not device.native and apart.random() < 0.1:
            made.append(self._sent({**event, "user_id": "namesake"}, name))
        return made

    def _denied(self, event: dict[str, Any], device: Device) -> list[Sent]:
        """Make an event of somebody who denied consent now and then, where consents are honoured."""
        guard, place = self._collectors.guard, f"{device.name}/{device.made}/consent"
        apart = random.Random(f"{self._kernel.seed}/{place}")  # noqa: S311 - not secret
        if guard.consent == "off" or apart.random() >= DENIED_SHARE:
            return []
        user = apart.choice(("user_id", "anonymous_id"))
        said = {name: value for name, value in event.items() if name not in IDENTITY}
        said |= {user: f"{UNWELCOME}-{place}", "event_id": f"{UNWELCOME}-{place}", **apart.choice(DENIALS)}
        said["properties"] = {"email": f"{UNWELCOME}@shop.example"}
        if guard.consent == "refused":
            return [Sent(_encode(said), "", opaque_name(place), self._kernel.now_us, breaks(said))]
        left = nobodys(said, HASH_KEY)
        return [self._sent(said, opaque_name(left["event_id"]), left)]

    def _time(self, rng: random.Random, apart: random.Random, device: Device) -> str | None:
        """Return when an event happened, by the device's clock; None if it has no time."""
        now_us = self._kernel.now_us + device.skew_ms * 1000 - rng.randrange(5_000_000)
        if apart.random() < 0.2:  # so far apart that sessions end, and meet again
            now_us -= apart.randrange(120) * 60_000_000
        if device.habit == "backfill":
            now_us -= apart.randrange(BACKFILL_US)
        if device.native or (rng.random() < 0.85 and device.habit != "timeless"):
            return _spelled(now_us - now_us % rng.choice((1, 1, 1_000, 500)))
        return None

    def _sent(self, event: dict[str, Any], name: Name, left: dict[str, Any] | None = None) -> Sent:
        """Put an event into the outbox; `left` is what is stored of it, if that is nobody's."""
        stored = self._collectors.guard.pseudonyms.event(event) if left is None else left
        sent = Sent(_encode(event), row_of(stored), name, self._kernel.now_us, breaks(event))
        self._collectors.checker.collected.said(sent.pk, name, _encode(stored))
        return sent

    def _items_of(self, rng: random.Random, kind: str, made: int) -> list[dict[str, Any]]:
        items = [self._item(rng, kind) for _ in range(_items_count(rng, kind))]
        if len(items) == LONG_ITEMS and made % 4:
            # All different, which few of the shops are large enough for: no transaction holds their rows.
            return [{**item, "item_id": f"p{n}"} for n, item in enumerate(items)]
        return items

    def _item(self, rng: random.Random, kind: str) -> dict[str, Any]:
        item: dict[str, Any] = {"item_id": f"p{int(rng.random() ** 2.5 * self._items)}"}
        if kind == "purchase":
            item["price"] = rng.choice((9.99, 0.1, 19.95, 1234.56, 3))
            if rng.random() < 0.5:
                item["quantity"] = rng.randrange(1, 4)
        return item


def _items_count(rng: random.Random, kind: str) -> int:
    if kind == "item_list_view":
        return rng.choice((3, 8, 20))
    if kind == "purchase":
        return LONG_ITEMS if rng.random() < LONG_SHARE else rng.choice((1, 1, 2, 4))
    return 1


def uuid7(now_ms: int, rng: random.Random) -> str:
    """Make a UUIDv7 (RFC 9562) from a moment and random numbers."""
    bits = (max(0, now_ms) & (2**48 - 1)) << 80 | 7 << 76 | rng.getrandbits(12) << 64
    text = f"{bits | 2 << 62 | rng.getrandbits(62):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _spelled(at_us: int) -> str:
    moment = datetime.fromtimestamp(at_us // 1_000_000, tz=UTC).replace(microsecond=at_us % 1_000_000)
    return moment.isoformat()
