"""Actions on deployments: other settings of the function, permissions that are taken away."""

from __future__ import annotations

from msgspec.structs import replace

from tapstack_simulation.functions import DECLARED, Functions
from tapstack_simulation.kernel import Actor
from tapstack_simulation.observed_aws import ObservedAws


class Deployments:
    """Actions on code and permissions.

    Parameters
    ----------
    aws
        The services.
    functions
        What is deployed.
    """

    def __init__(self, aws: ObservedAws, functions: Functions) -> None:
        self._aws, self._functions = aws, functions

    def deploy(self, actor: Actor) -> None:
        """Deploy the consumer with another number of lanes and other attributes, a few times (O1)."""
        for _ in range(actor.random.randint(1, 3)):
            if self._functions.running:
                self._aws.faults.count("O1")
            lanes = actor.random.choice([n for n in (1, 2, 3, 8, 40) if n != self._functions.limits.lanes])
            declared = DECLARED[lanes % len(DECLARED)]
            self._functions.deploy(replace(self._functions.limits, lanes=lanes, declared=declared))
            self._aws.kernel.sleep(actor.random.randrange(5_000_000))

    def deny(self, actor: Actor) -> None:
        """Take a role's permission away for a while (O6)."""
        role = actor.random.choice(("consumer", "projector", "bucket", "collector", "mapping"))
        self._aws.denied.add(role)
        self._aws.kernel.sleep(actor.random.randrange(10_000_000))
        self._aws.denied.discard(role)

    def heal(self) -> None:
        """Give every role its permission back."""
        self._aws.denied.clear()
