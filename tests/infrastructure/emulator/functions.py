"""Lambda: where a function logs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction

from .patching import replaces


@replaces(LambdaBackend, "create_function", why="moto drops LoggingConfig of CreateFunction; AWS keeps it")
def create_function(original: Callable[..., Any], backend: Any, spec: dict[str, Any]) -> Any:
    """Create a function that remembers where it logs to."""
    function = original(backend, spec)
    function.logging_config = spec.get("LoggingConfig")
    return function


@replaces(LambdaFunction, "get_configuration", why="moto never answers LoggingConfig; AWS does")
def get_configuration(
    original: Callable[..., Any], function: Any, *args: Any, **kwargs: Any
) -> dict[str, Any]:
    """Answer a function's settings, with where it logs to."""
    answer: dict[str, Any] = original(function, *args, **kwargs)
    if logging_config := getattr(function, "logging_config", None):
        answer["LoggingConfig"] = logging_config
    return answer
