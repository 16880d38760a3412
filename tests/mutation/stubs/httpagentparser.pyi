"""It has no types, and mutants are not checked with the project's settings, which pass over that."""

from typing import Any

def detect(agent: str) -> dict[str, Any]: ...
