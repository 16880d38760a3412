"""The schedule of operators: an actor for each action, each at its own time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tapstack_simulation.collectors import Collectors
from tapstack_simulation.functions import Functions
from tapstack_simulation.kernel import Actor, Dice
from tapstack_simulation.observed_aws import ObservedAws
from tapstack_simulation.operators.clocks import Clocks
from tapstack_simulation.operators.deployments import Deployments
from tapstack_simulation.operators.mappings import Mappings
from tapstack_simulation.operators.redrive import Redrive
from tapstack_simulation.operators.stream import Stream
from tapstack_simulation.plan import Shape
from tapstack_simulation.projectors import Projectors


class Operators:
    """The actions, by the name of the fault that each is.

    Parameters
    ----------
    aws, functions, projectors, collectors, mappings
        What it is done to.
    shape
        The run's sizes.
    """

    def __init__(
        self,
        aws: ObservedAws,
        functions: Functions,
        projectors: Projectors,
        collectors: Collectors,
        mappings: Mappings,
        shape: Shape,
    ) -> None:
        self.started = 0
        self.finished = 0
        self._aws, self._shape = aws, shape
        stream = Stream(aws, mappings, shape)
        clocks = Clocks(aws, functions, projectors, collectors, mappings, shape)
        deployments = Deployments(aws, functions)
        redrive = Redrive(aws, mappings)
        self._parts = (stream, clocks, deployments, mappings)
        # A seed draws from this table: another order is another run.
        self._actions: Mapping[str, Callable[[Actor], None]] = {
            "C3": clocks.skip_days,
            "C4": stream.poison,
            "C5": stream.refuse_hot_key,
            "S2": stream.duplicate,
            "S3": stream.reshard,
            "S4": stream.spread,
            "S5": clocks.stall,
            "E4": mappings.redeliver,
            "E11": mappings.disable,
            "E12": mappings.recreate,
            "E13": mappings.add_second,
            "E14": mappings.change_factor,
            "E15": mappings.give_up,
            "O1": deployments.deploy,
            "O2": redrive.redrive,
            "O3": redrive.redrive,
            "O4": mappings.replay,
            "O6": deployments.deny,
            "O7": clocks.jump,
            "C6": stream.close,
            "C7": stream.close_buckets,
        }

    def start(self) -> None:
        """Start the actors of the run."""
        dice = Dice(self._aws.kernel.seed, "operators")
        names = [name for name in self._actions if self._aws.faults.enabled(name)]
        if self._shape.habit == "seldom" and names:
            names += ["C3"] * 2 * len(names)
        for number in range(self._shape.actions + 2):
            if not names:
                return
            name = dice.random.choice(names)
            when_us = int(dice.random.random() * self._shape.pace_us * 8)
            self.started += 1
            self._aws.kernel.spawn(f"o{number}", self._act(name), when_us)

    def _act(self, name: str) -> Callable[[Actor], None]:
        def run(actor: Actor) -> None:
            if self._aws.faults.decide(actor, name, 1.0):
                self._aws.kernel.trace(f"operator {name}")
                self._actions[name](actor)
            self.finished += 1

        return run

    def heal(self) -> None:
        """Undo what the actions left behind; faults have stopped."""
        for part in self._parts:
            part.heal()
