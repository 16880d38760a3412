"""The whole pipeline in one process and one thread, from one seed, under every fault we know.

`kernel` runs actors on a virtual clock; `cloud` is AWS in memory, where every call is a point at which the
schedule may turn; `clients`, `collectors`, `mapping`, `functions`, `operators` and `readers` are the actors;
`checker` looks on and shares no code with the product; `run` puts one seed together, `shrink` makes a failure
small, `campaign` runs many seeds. See docs/delivery-guarantees.md.
"""

from tapstack_simulation.campaign import CampaignResult, run_simulations
from tapstack_simulation.plan import Plan
from tapstack_simulation.run import Outcome, simulate

__all__ = ["CampaignResult", "Outcome", "Plan", "run_simulations", "simulate"]
