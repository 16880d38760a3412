"""The whole pipeline in one process and one thread, from one seed, under every fault we know.

`kernel` runs actors on a virtual clock. `observed_aws` is AWS in memory; at every call the scheduler may
switch to another actor or inject a fault (`faulty_channels`). `clients`, `collectors`, `mapping`,
`functions`, `operators` and `readers` are the actors. `checking` observes, and shares no
code with the product. `run` runs one seed, `shrink` makes a failure small, `campaign` runs many seeds.
See docs/delivery-guarantees.md.
"""

from tapstack_simulation.campaign import CampaignResult, run_simulations
from tapstack_simulation.plan import Plan
from tapstack_simulation.run import Outcome, simulate

__all__ = ["CampaignResult", "Outcome", "Plan", "run_simulations", "simulate"]
