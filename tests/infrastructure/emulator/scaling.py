"""Application Auto Scaling: tags, which moto 5.2.5 does not keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse as Response

from .patching import adds, replaces

_tags: dict[str, dict[str, str]] = {}


@replaces(
    Response, "register_scalable_target", why="moto drops the Tags of RegisterScalableTarget; AWS keeps them"
)
def register_scalable_target(original: Callable[..., Any], response: Any) -> str:
    """Register a target with its tags."""
    answer = original(response)
    _tags.setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(response._get_param("Tags") or {})
    return answer


@adds(
    Response,
    "list_tags_for_resource",
    why="moto lacks ListTagsForResource, which the provider reads after each apply",
)
def list_tags_for_resource(response: Any) -> str:
    """List a target's tags."""
    return json.dumps({"Tags": _tags.get(response._get_param("ResourceARN"), {})})


@adds(Response, "tag_resource", why="moto lacks TagResource, which changes tags later")
def tag_resource(response: Any) -> str:
    """Change a target's tags."""
    _tags.setdefault(response._get_param("ResourceARN"), {}).update(response._get_param("Tags"))
    return "{}"
