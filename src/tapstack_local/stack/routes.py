"""The load balancer of the applied stack: listener rules and target groups from Terraform's resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tapstack.errors import UsageError
from tapstack_emulator.load_balancer.server import NOT_FOUND, FixedResponse, ListenerRule, TargetGroup

Resources = Callable[[str], list[dict[str, Any]]]
"""Gives the attributes of every resource of a type."""

_CONDITIONS = {"path_pattern": "path_patterns", "http_request_method": "methods"}


def target_groups(resources: Resources) -> tuple[TargetGroup, ...]:
    """Read the target groups of functions; the load balancer must be allowed to invoke each.

    Parameters
    ----------
    resources
        The stack's.

    Returns
    -------
    tuple[TargetGroup, ...]
        By name as in the stack.

    Raises
    ------
    UsageError
        If a target is no function of the stack, or the load balancer may not invoke it.
    """
    functions = {values["arn"]: values["function_name"] for values in resources("aws_lambda_function")}
    permitted = {
        (values["function_name"].rpartition(":")[2], values["source_arn"])
        for values in resources("aws_lambda_permission")
        if values["principal"] == "elasticloadbalancing.amazonaws.com"
        and values["action"] == "lambda:InvokeFunction"
    }
    groups = []
    for attachment in resources("aws_lb_target_group_attachment"):
        group, function = attachment["target_group_arn"], functions.get(attachment["target_id"])
        if function is None:
            raise UsageError(f"{group} leads to {attachment['target_id']}, which is no function of the stack")
        if (function, group) not in permitted:
            raise UsageError(f"no aws_lambda_permission lets {group} invoke {function}")
        groups.append(TargetGroup(name=_name(group), function=function))
    return tuple(groups)


def listener_rules(resources: Resources) -> tuple[ListenerRule, ...]:
    """Read the rules of the listener.

    Raises
    ------
    UsageError
        If one needs what is not emulated: other conditions than path and method, other actions than to
        forward, ip targets.
    """
    with_function = {values["target_group_arn"] for values in resources("aws_lb_target_group_attachment")}
    rules = []
    for values in resources("aws_lb_listener_rule"):
        target = _forward(values)
        if target not in with_function:
            raise UsageError(f"the rule {values['priority']} forwards to {target}, which has no function")
        matched: dict[str, tuple[str, ...]] = {}
        for condition in values["condition"]:
            matched |= _condition(condition)
        rules.append(ListenerRule(priority=values["priority"], action=_name(target), **matched))
    return tuple(rules)


def default_action(resources: Resources) -> FixedResponse:
    """Read what the listener with the rules answers by itself."""
    with_rules = {values["listener_arn"] for values in resources("aws_lb_listener_rule")}
    for listener in resources("aws_lb_listener"):
        for action in listener["default_action"] if listener["arn"] in with_rules else ():
            for fixed in action.get("fixed_response") or ():
                return FixedResponse(
                    status=int(fixed["status_code"]),
                    body=fixed["message_body"] or "",
                    content_type=fixed["content_type"],
                )
    return NOT_FOUND


def _forward(values: Mapping[str, Any]) -> str:
    action, *others = values["action"]
    if action["type"] != "forward" or others or not action.get("target_group_arn"):
        raise UsageError(f"the rule {values['priority']} does more than to forward, which is not emulated")
    return str(action["target_group_arn"])


def _condition(condition: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    matched = {}
    for kind, blocks in condition.items():
        if not blocks:
            continue
        if kind not in _CONDITIONS:
            raise UsageError(f"a listener rule has a condition {kind}, which is not emulated")
        matched[_CONDITIONS[kind]] = tuple(value for block in blocks for value in block["values"])
    return matched


def _name(target_group_arn: str) -> str:
    return target_group_arn.split("/")[1]
