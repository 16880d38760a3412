"""How many examples a test takes whose examples cost more, or less, than the usual ones."""

from __future__ import annotations

from hypothesis import settings


def share(of_usual: float) -> settings:
    """Return settings with this share of the profile's examples, so that `thorough` holds for every test."""
    return settings(max_examples=max(1, round(settings.default.max_examples * of_usual)))
