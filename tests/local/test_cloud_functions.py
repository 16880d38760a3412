"""The embedded cloud's own blueprint is what Terraform deploys by default, where both say the same thing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tapstack.collector.formats import FORMATS
from tapstack.insights.routes import ROUTES
from tapstack_emulator.load_balancer.server import FixedResponse, ListenerRule
from tapstack_local.cloud_functions import RULE_VALUES_MAX, embedded

STACK = (Path(__file__).parents[2] / "lib" / "tap_stack.tf").read_text()
BLUEPRINT = embedded(shards=2, lanes=2)


def variable(name: str) -> str:
    """Return the text of a variable's default."""
    found = re.search(
        rf'^variable "{name}" {{\n(?:  .*\n|\n)*?  default     = (?P<one>.*)\n', STACK, re.MULTILINE
    ) or re.search(
        rf'^variable "{name}" {{\n(?:  .*\n|\n)*?  default = {{\n(?P<many>(?:    .*\n)+)  }}\n',
        STACK,
        re.MULTILINE,
    )
    assert found is not None, f"no default of {name} in the stack"
    return next(text for text in found.groups() if text is not None)


def deployed_rules() -> list[ListenerRule]:
    """Read the services, and make rules of five values as the stack does."""
    services = re.finditer(
        r"    (?P<name>\w+) = {\n"
        r"      priority = (?P<priority>\d+)\n"
        r"      paths +=(?P<paths>[^=]*)\n"
        r"(?:      methods  = (?P<methods>.*)\n)?"
        r"    }\n",
        variable("api_services"),
    )
    rules = []
    for service in services:
        paths = re.findall(r'"([^"]*)"', service["paths"])
        methods = tuple(json.loads(service["methods"] or "[]"))
        step = RULE_VALUES_MAX - len(methods)
        rules += [
            ListenerRule(
                priority=int(service["priority"]) + start // step,
                path_patterns=tuple(paths[start : start + step]),
                methods=methods,
                action=service["name"],
            )
            for start in range(0, len(paths), step)
        ]
    return rules


def test_the_functions_may_run_as_long_as_the_deployed_ones() -> None:
    deployed = {"consumer": "consumer_timeout_s", "collector": "api_timeout_s", "insights": "api_timeout_s"}
    told = {function.name.removeprefix("tapstack-"): function.timeout_s for function in BLUEPRINT.functions}
    least = re.search(r"projector_timeout_s = max\((\d+), 3 \* var\.projection_interval_s\)", STACK)
    assert least is not None
    projector_s = max(float(least[1]), 3 * float(variable("projection_interval_s")))
    assert told == {
        "projector": projector_s, "drainer": 60.0,
        **{name: float(variable(limit)) for name, limit in deployed.items()},
    }  # fmt: skip


def test_the_rules_are_the_deployed_ones() -> None:
    deployed = deployed_rules()
    assert {rule.action for rule in deployed} == {"collector", "insights"}
    prefix = "tapstack-"
    assert [
        replace(rule, action=str(rule.action).removeprefix(prefix)) for rule in BLUEPRINT.rules
    ] == deployed


def patterns(rules: Sequence[ListenerRule], function: str) -> list[str]:
    return [path for rule in rules if rule.action == function for path in rule.path_patterns]


def test_the_collector_has_the_paths_of_every_wire_format_and_no_other() -> None:
    taken = patterns(BLUEPRINT.rules, "tapstack-collector")
    paths = [route.path + end for each in FORMATS for route in each.ROUTES for end in ("", "/")]
    for path in paths:
        assert any(fnmatchcase(path, pattern) for pattern in taken), path
    for pattern in taken:
        assert any(fnmatchcase(path, pattern) for path in paths), pattern
    for route in ROUTES:
        assert not any(fnmatchcase(route.path, pattern) for pattern in taken)


def test_what_no_rule_matches_is_answered_as_deployed() -> None:
    bodies = re.findall(r"message_body = jsonencode\({(.*)}\)", STACK)
    types = re.findall(r'content_type = "(.*)"\n *message_body', STACK)
    action = BLUEPRINT.default_action
    assert isinstance(action, FixedResponse)
    assert action.status == 404
    assert set(types) == {action.content_type}
    said = {name: json.loads(text) for name, text in re.findall(r'(\w+) = ("[^"]*")', bodies[0])}
    assert len(set(bodies)) == 1
    # Terraform's jsonencode writes no spaces and sorts the names.
    assert action.body == json.dumps(said, separators=(",", ":"), sort_keys=True)


@pytest.mark.parametrize(
    ("function", "name", "default"),
    [
        ("collector", "TAPSTACK_EVENT_BYTES_MAX", "event_bytes_max"),
        ("collector", "TAPSTACK_REQUEST_BYTES_MAX", "request_bytes_max"),
        ("consumer", "TAPSTACK_ROW_TTL_DAYS", "row_ttl_days"),
        ("consumer", "TAPSTACK_EVENT_AGE_MAX_DAYS", "event_age_max_days"),
        ("consumer", "TAPSTACK_SEARCH_USERS_MIN", "search_users_min"),
        ("collector", "TAPSTACK_EVENT_AGE_MAX_DAYS", "event_age_max_days"),
        ("projector", "TAPSTACK_ROW_TTL_DAYS", "row_ttl_days"),
        ("consumer", "TAPSTACK_HISTORY_INTERACTIONS", "history_interactions"),
        ("consumer", "TAPSTACK_HISTORY_DAYS", "history_days"),
        ("insights", "TAPSTACK_HISTORY_INTERACTIONS", "history_interactions"),
        ("insights", "TAPSTACK_HISTORY_DAYS", "history_days"),
    ],
)
def test_the_functions_limits_are_the_deployed_ones(function: str, name: str, default: str) -> None:
    (environment,) = (each.environment for each in BLUEPRINT.functions if each.name == f"tapstack-{function}")
    assert environment[name] == variable(default)
