"""Security group rules: descriptions of peers that are groups or prefix lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.ec2.models.security_groups import SecurityGroupBackend

from .patching import replaces

WHY = "moto keeps the description of a rule only if its peer is an address range; AWS keeps every description"


def _keep_description(answer: Any, arguments: dict[str, Any]) -> Any:
    peers = [*(arguments.get("source_groups") or []), *(arguments.get("prefix_list_ids") or [])]
    descriptions = [peer["Description"] for peer in peers if "Description" in peer]
    rules, _ = answer
    for rule in rules:
        if descriptions and not rule.ip_range:
            rule.ip_range = {"Description": descriptions[0]}
    return answer


@replaces(SecurityGroupBackend, "authorize_security_group_egress", why=WHY)
def authorize_egress(original: Callable[..., Any], backend: Any, **arguments: Any) -> Any:
    """Open a way out, with its description."""
    return _keep_description(original(backend, **arguments), arguments)


@replaces(SecurityGroupBackend, "authorize_security_group_ingress", why=WHY)
def authorize_ingress(original: Callable[..., Any], backend: Any, **arguments: Any) -> Any:
    """Open a way in, with its description."""
    return _keep_description(original(backend, **arguments), arguments)
