"""What a run is made of: the seed says it all, and a plan may only take things away."""

from __future__ import annotations

import random
from typing import Literal, get_args

import msgspec

Profile = Literal["calm", "swarm", "storm"]
PROFILES: tuple[str, ...] = get_args(Profile)

DAY_S = 86_400
CROWD_SHARE = 0.5  # of the usual runs; one takes as long as two others
AGE_MAX_S = 14 * DAY_S
ROW_TTL_S = 30 * DAY_S
NATIVE_SHARES = {"": 0.6, "seldom": 0.6, "anonymous": 0.0, "backfill": 0.3, "timeless": 0.0}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Parameters
    ----------
    seed
        Says everything.
    profile
        ``calm`` has no faults, ``swarm`` a random subset of them, ``storm`` nearly all.
    only
        If given, only these decisions of the schedule happen.
    devices
        If given, only these devices exist, by number.
    events_max
        If given, no device makes more events than this.
    """

    seed: int
    profile: str = "swarm"
    only: frozenset[str] | None = None
    devices: tuple[int, ...] | None = None
    events_max: int | None = None

    def command(self) -> str:
        """Return the command that runs exactly this."""
        parts = [f"tapstack simulate --seeds 1 --first-seed {self.seed} --profile {self.profile}"]
        if self.devices is not None:
            parts.append(f"--devices {','.join(map(str, self.devices))}")
        if self.events_max is not None:
            parts.append(f"--events-max {self.events_max}")
        if self.only is not None:
            parts.append(f"--only '{','.join(sorted(self.only))}'")
        return " ".join(parts)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a seed draws before anything runs.

    Parameters
    ----------
    native_share
        How many of the devices number their events.
    habit
        ``restless``: devices change their client ids all the time; ``forgetful``: half of the numbered
        events are lost before they are sent, or sent at the very end; ``anonymous``: one user with no
        numbers at all; ``backfill``: what happened in the last days is sent in any order; ``timeless``: no
        event says when it happened; ``seldom``: a month passes now and then, so that rows expire; ``crowd``:
        so many users at once that a batch takes several transactions, some of them full.
    clients, gaps, hot_ids
        How much a user's row remembers by itself.
    entries_max
        Entries of a lane that the projector folds at a time.
    history_interactions, history_days, history_page
        How much of a user's interactions is kept, and how many wait for a page.
    schemas
        What becomes of events that break the schema of `tapstack_simulation.event_schemas`.
    """

    shards: int
    lanes: int
    users: int
    devices: int
    events: int
    items: int
    batch_size: int
    parallelization_factor: int
    batching_window_s: int
    timeout_ms: int
    pace_us: int
    actions: int
    native_share: float
    habit: str
    clients: int = 16
    gaps: int = 64
    hot_ids: int = 64
    entries_max: int = 64
    history_interactions: int = 500
    history_days: int = 20
    history_page: int = 16
    schemas: Literal["off", "warn", "quarantine"] = "off"


def with_history(shape: Shape, rng: random.Random) -> Shape:
    """Draw how much of a history is kept: mostly so little that a run has more than that."""
    is_shuffled = shape.habit == "backfill"  # so that pages overlap until one has to go before its time
    return msgspec.structs.replace(
        shape,
        history_interactions=22 if is_shuffled else rng.choice((20, 22, 30, 60, 500)),
        history_days=rng.choice((2, 20, 20)),
        history_page=rng.choice((1, 2, 5, 16)),
    )


def draw_shape(rng: random.Random, *, is_crowd: bool = False) -> Shape:
    """Draw the sizes of a run: small ones, as what breaks shows in small ones.

    Parameters
    ----------
    rng
        The seed's.
    is_crowd
        Make a run of the usual habit a crowd, in which a batch takes several transactions.
    """
    devices = rng.randint(4, 10)
    # Some runs press on one of the bounds of a user's memory: clients, gaps or ids.
    habit = rng.choice(
        ("", "", "", "", "", "restless", "forgetful", "anonymous", "seldom", "seldom", "backfill", "timeless")
    )
    if habit == "forgetful":
        devices = rng.randint(1, 3)
    shape = Shape(
        shards=rng.randint(1, 4),
        lanes=rng.choice((1, 2, 4, 16)),
        users=rng.randint(1, 6) if habit in {"", "seldom", "backfill", "timeless"} else 1,
        devices=devices,
        events=rng.randint(100, 140),
        items=rng.choice((3, 8, 40)),
        batch_size=rng.choice((1, 5, 10, 10, 100, 100)),
        parallelization_factor=rng.choice((1, 1, 2, 5)),
        batching_window_s=rng.choice((0, 0, 1, 3)),
        timeout_ms=rng.choice((21_000, 60_000)),
        pace_us=rng.choice((300_000, 2_000_000)),
        actions=rng.randint(0, 6),
        native_share={"": 0.6, "seldom": 0.6, "anonymous": 0.0, "backfill": 0.3, "timeless": 0.0}.get(
            habit, 1.0
        ),
        habit=habit,
        # Small memories, whose ids go to pages all the time, as often as usual ones.
        clients=rng.choice((1, 3, 16)),
        gaps=rng.choice((1, 4, 64)),
        hot_ids=rng.choice((2, 4, 8, 64)),
        entries_max=rng.choice((1, 2, 5, 64)),
    )
    if habit == "" and is_crowd:
        return msgspec.structs.replace(
            shape, habit="crowd", shards=1, lanes=2, users=2_000, devices=120, events=300, items=100,
            hot_ids=2, native_share=0.1, batch_size=300, batching_window_s=5, pace_us=100_000,
            parallelization_factor=1,
        )  # fmt: skip
    return shape
