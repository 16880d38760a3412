"""Actors on a virtual clock, in one thread: the actor that is due next runs until it waits.

Time is counted in microseconds of true time; what an actor's own clock shows is its business. Nothing here
depends on the wall clock, on hashes or on the order of sets, so a seed gives the same run everywhere.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from hashlib import blake2b

# greenlet publishes no type information; it is used in this file alone.
import greenlet  # type: ignore[import-untyped]

from tapstack_emulator import Crash

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
DAY_US = 86_400_000_000
STEPS_MAX = 400_000  # of a run, and so of each of its phases; the longest seen took 112,000: a row a page


class Stuck(Exception):  # noqa: N818 - a finding, not an error of the program
    """The run does not end within its limits."""


class Dice:
    """Random numbers that depend on the seed and on a name alone.

    So what one draws does not depend on what the others do.

    Parameters
    ----------
    seed
        The run's.
    name
        Whose they are: unique, and the same in every run of the seed.
    """

    __slots__ = ("drawn", "name", "random")

    def __init__(self, seed: int, name: str) -> None:
        self.name = name
        self.random = random.Random(f"{seed}/{name}")  # noqa: S311 - reproducible, not secret
        self.drawn = 0


class Actor(Dice):
    """Something that runs, waits, and may die while it waits.

    Parameters
    ----------
    name
        See `Dice`.
    kernel
        Who runs it.
    body
        What it does.
    """

    __slots__ = ("clock_offset_ms", "dead", "done", "green")

    def __init__(self, name: str, kernel: Kernel, body: Callable[[Actor], None]) -> None:
        super().__init__(kernel.seed, name)
        self.dead = False
        self.done = False
        self.clock_offset_ms = 0
        self.green = greenlet.greenlet(lambda: self._run(body), parent=kernel.hub)

    def _run(self, body: Callable[[Actor], None]) -> None:
        try:
            if not self.dead:
                body(self)
        except Crash:
            self.dead = True
        finally:
            self.done = True


class Kernel:
    """The scheduler.

    Parameters
    ----------
    seed
        Of every actor's random numbers.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now_us = START_US
        self.current: Actor | None = None
        self.actors: list[Actor] = []
        self.steps = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0
        self._warped_us = 0
        self.hub = greenlet.getcurrent()
        self._trace = blake2b(digest_size=8)
        self.log: list[str] | None = None

    @property
    def now_ms(self) -> int:
        """True time, Unix milliseconds."""
        return self.now_us // 1000

    def trace(self, text: str) -> None:
        """Add a step to the trace of the run."""
        line = f"{self.now_us}|{self.current.name if self.current else '-'}|{text}\n"
        self._trace.update(line.encode())
        if self.log is not None:
            self.log.append(line)

    def trace_hash(self) -> str:
        """Return a digest of the trace so far."""
        return self._trace.hexdigest()

    def after(self, delay_us: int, act: Callable[[], None]) -> None:
        """Call a function after a delay."""
        self._serial += 1
        heapq.heappush(self._heap, (self.now_us + max(0, delay_us), self._serial, act))

    def spawn(self, name: str, body: Callable[[Actor], None], delay_us: int = 0) -> Actor:
        """Start an actor."""
        actor = Actor(name, self, body)
        self.actors.append(actor)
        self.after(delay_us, lambda: self.resume(actor))
        return actor

    def sleep(self, duration_us: int) -> None:
        """Suspend the current actor for a time; others run meanwhile.

        Raises
        ------
        Crash
            If it was killed meanwhile.
        """
        actor = self.current
        if actor is None:
            raise AssertionError("only actors wait")
        until = self.now_us + max(0, duration_us)
        if self._heap and self._heap[0][0] <= until:
            self._serial += 1
            heapq.heappush(self._heap, (until, self._serial, lambda: self.resume(actor)))
            self.hub.switch()
        else:
            self.now_us = until  # nobody else is due before
            self.steps += 1
            if self.steps > STEPS_MAX:
                raise Stuck(f"{actor.name} does not come to an end")
        if actor.dead:
            raise Crash("killed")

    def suspend(self) -> None:
        """Suspend the current actor until it is woken.

        Raises
        ------
        Crash
            If it was killed meanwhile.
        """
        actor = self.current
        if actor is None:
            raise AssertionError("only actors wait")
        self.hub.switch()
        if actor.dead:
            raise Crash("killed")

    def kill(self, actor: Actor) -> None:
        """Kill an actor where it waits."""
        actor.dead = True

    def warp(self, duration_us: int) -> None:
        """Advance the clock at once; what was due in between runs late."""
        self.now_us += duration_us
        self._warped_us += duration_us

    def run_until(self, finished: Callable[[], bool], *, limit_us: int, steps_max: int) -> bool:
        """Run until a condition holds; False if it does not within the limits (warps do not count)."""
        end_us, end_steps = self.now_us - self._warped_us + limit_us, self.steps + steps_max
        while not finished():
            if not self._heap or self.now_us - self._warped_us > end_us or self.steps > end_steps:
                return False
            due_us, _, act = heapq.heappop(self._heap)
            self.now_us = max(self.now_us, due_us)
            self.steps += 1
            act()
        return True

    def resume(self, actor: Actor) -> None:
        """Resume an actor at once; from the scheduler only."""
        if actor.done:
            return
        self.current = actor
        try:
            actor.green.switch()
        finally:
            self.current = None

    def close(self) -> None:
        """End every actor that still waits: its frames would never be collected."""
        for actor in self.actors:
            if actor.green and not actor.done:
                self.kill(actor)
                self.current = actor
                actor.green.throw(Crash("the run is over"))
        self.current = None
        self._heap.clear()


class Reply:
    """An answer that one actor waits for and another gives.

    Parameters
    ----------
    kernel
        The scheduler.
    """

    __slots__ = ("_kernel", "_waiting", "value")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._waiting: Actor | None = None
        self.value: object = None

    def give(self, value: object, delay_us: int = 0) -> None:
        """Give the answer; it is lost if the wait is over."""
        self._kernel.after(delay_us, lambda: self._arrive(value))

    def wait(self, timeout_us: int) -> object:
        """Wait for the answer; None if it does not come in time."""
        self._waiting = self._kernel.current
        self._kernel.after(timeout_us, lambda: self._arrive(None))
        self._kernel.suspend()
        return self.value

    def _arrive(self, value: object) -> None:
        actor = self._waiting
        if actor is not None:
            self._waiting = None
            self.value = value
            self._kernel.resume(actor)


class ActorClock:
    """`tapstack.ports.Clock` as an actor's machine shows it.

    Parameters
    ----------
    kernel
        True time.
    actor
        Whose machine it is.
    """

    def __init__(self, kernel: Kernel, actor: Actor) -> None:
        self._kernel = kernel
        self._actor = actor

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return self._kernel.now_ms + self._actor.clock_offset_ms

    def sleep_ms(self, duration_ms: int) -> None:
        """Wait."""
        self._kernel.sleep(duration_ms * 1000)


class TrueClock:
    """`tapstack.ports.Clock` of the services.

    Parameters
    ----------
    kernel
        True time.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return self._kernel.now_ms

    def sleep_ms(self, duration_ms: int) -> None:
        """Do not wait: services answer at once, the way to them takes time."""
        raise AssertionError(f"a service does not sleep ({duration_ms} ms)")
