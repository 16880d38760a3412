"""Kinesis: tags given at creation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.kinesis.responses import KinesisResponse

from .patching import replaces


@replaces(KinesisResponse, "create_stream", why="moto drops the Tags of CreateStream; AWS keeps them")
def create_stream(original: Callable[..., Any], response: Any) -> Any:
    """Create a stream with its tags."""
    answer = original(response)
    if tags := response._get_param("Tags"):
        response.kinesis_backend.add_tags_to_stream(None, response._get_param("StreamName"), tags)
    return answer
