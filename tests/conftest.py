"""Hypothesis profiles: the usual one is short and, in CI, the same every time. What is imported is frozen."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import HealthCheck, Phase, settings

# The machine may be slow and shared: no deadline for an example, no complaint about a slow draw.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("usual", max_examples=50, **_PATIENT)
settings.register_profile("ci", parent=settings.get_profile("usual"), derandomize=True, print_blob=True)
settings.register_profile("thorough", parent=settings.get_profile("usual"), max_examples=2_000)
settings.register_profile(  # `make mutation`: a mutant that dies needs no smallest example
    "mutation",
    parent=settings.get_profile("usual"),
    max_examples=10,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "usual"))


def pytest_collection_finish() -> None:
    """Keep the garbage collector off what lives to the end: an eighth of the CPU of all tests."""
    gc.freeze()


pytest.register_assert_rewrite("consumer_world")  # of the helpers, the one that tests assert with
