"""Every pair of the stack is asked whether one reaches the other; what is not listed here is shut."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from .reach import Host, Network, host_at, host_in, network
from .toolbox import LIB, Initialised, program

PORTS = (22, 80, 443, 3389, 8080, 8443)
AWS = ("dynamodb", "s3")

Resources = list[dict[str, Any]]


@pytest.fixture(scope="module")
def states(initialised: Initialised) -> dict[str, Resources]:
    """Give the resources of each run of ``clients.tftest.hcl`` after its apply to the mocked provider."""
    command = [program("terraform"), f"-chdir={LIB}", "test", "-json", "-verbose"]
    done = subprocess.run(
        [*command, "-filter=tests/clients.tftest.hcl"],
        env=initialised.env,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    messages = [json.loads(line) for line in done.stdout.splitlines() if '"test_state"' in line]
    return {
        each["@testrun"]: each["test_state"]["root_module"]["resources"]
        for each in messages
        if "test_state" in each
    }


def _values(resources: Resources, kind: str, index: str) -> dict[str, Any]:
    (found,) = [each["values"] for each in resources if each["type"] == kind and each.get("index") == index]
    return dict(found)


def _hosts(resources: Resources) -> dict[str, Host]:
    """Name everything that may open a connection or be its target, each in another subnet where it can."""
    roles = {
        each["index"]: frozenset({each["values"]["id"]})
        for each in resources
        if each["type"] == "aws_security_group"
    }
    lists = {name: _values(resources, "aws_vpc_endpoint", name)["prefix_list_id"] for name in AWS}
    subnet = {
        tier: _values(resources, "aws_subnet", f"{tier}-us-east-1b")["cidr_block"]
        for tier in ("app", "alb", "endpoint")
    }
    app = _values(resources, "aws_subnet", "app-us-east-1a")["cidr_block"]
    hosts = {
        "alb": host_in(subnet["alb"], 5, groups=roles["alb"]),
        "endpoint": host_in(subnet["endpoint"], 5, groups=roles["endpoints"]),
        "dynamodb": host_at("3.218.180.10", prefix_list=lists["dynamodb"]),
        "s3": host_at("3.5.0.10", prefix_list=lists["s3"]),
        "internet": host_at("198.51.100.7"),
        "peer": host_at("10.1.2.3"),
        "stranger": host_at("10.2.2.3"),
        "elsewhere in the VPC": host_in("10.42.64.0/24", 9),
    }
    functions = ("consumer", "collector", "insights", "projector", "drainer")
    roles_in_app = (*functions, "clients", "services", "operations")
    for index, role in enumerate(roles_in_app):
        if role in roles:
            # In either zone, so that network ACLs are asked between neighbours too.
            place = app if index % 2 else subnet["app"]
            groups = roles[role] | (roles["clients"] if role == "operations" else frozenset())
            hosts[role] = host_in(place, 10 + index, groups=groups)
    return hosts


def _reached(world: Network, hosts: dict[str, Host]) -> dict[str, set[str]]:
    """List the targets of each source with their ports; outside of it, `internet` stands for the rest."""
    inside = {name for name, host in hosts.items() if host.groups}
    targets = hosts.keys() - {"peer", "stranger"}
    return {
        source: found
        for source in hosts
        if (
            found := {
                f"{target}:{port}"
                for target in targets
                for port in PORTS
                if target != source
                and (source in inside or target in inside)
                and world.reaches(hosts[source], hosts[target], port)
            }
        )
    }


AWS_AND_INTERNET = {"dynamodb:443", "s3:443", "internet:443"}
"""0.0.0.0/0 holds AWS's addresses too: what may use NAT has a path to them, and endpoint policies decide."""

BY_DEFAULT = {
    "clients": {"alb:80", "alb:443"},
    "consumer": AWS_AND_INTERNET,
    "projector": AWS_AND_INTERNET,
    "collector": {"endpoint:443", *AWS_AND_INTERNET},
    "drainer": {"endpoint:443", *AWS_AND_INTERNET},
    "insights": AWS_AND_INTERNET,
}


def test_by_default_clients_reach_the_load_balancer_and_everything_else_is_shut(
    states: dict[str, Resources],
) -> None:
    assert _reached(network(states["stack"]), _hosts(states["stack"])) == BY_DEFAULT


def test_a_function_with_the_group_clients_reaches_the_load_balancer_and_nothing_else(
    states: dict[str, Resources],
) -> None:
    resources = states["stack"]
    (caller,) = [
        each["values"]["vpc_config"][0] for each in states["caller"] if each["type"] == "aws_lambda_function"
    ]
    subnets = {
        each["values"]["id"]: each["values"]["cidr_block"]
        for each in resources
        if each["type"] == "aws_subnet"
    }
    assert len(caller["subnet_ids"]) == 2
    for subnet in caller["subnet_ids"]:
        hosts = {
            **_hosts(resources),
            "caller": host_in(subnets[subnet], 77, groups=frozenset(caller["security_group_ids"])),
        }
        reached = _reached(network(resources), hosts)
        assert reached["caller"] == {"alb:80", "alb:443"}
        assert not [
            source for source, targets in reached.items() if any("caller:" in each for each in targets)
        ]


def test_with_everything_on_nothing_opens_but_what_was_asked_for(states: dict[str, Resources]) -> None:
    assert _reached(network(states["everything"]), _hosts(states["everything"])) == {
        **BY_DEFAULT,
        "alb": {"services:8443"},
        "services": {"endpoint:443", *AWS_AND_INTERNET},
        "operations": {"alb:80", "alb:443", "endpoint:443", *AWS_AND_INTERNET},
        "peer": {"alb:80", "alb:443"},
        "elsewhere in the VPC": {"operations:22"},
    }


@pytest.mark.parametrize(
    "gone",
    [
        "aws_vpc_security_group_egress_rule",
        "aws_vpc_security_group_ingress_rule",
        "aws_network_acl_rule",
        "aws_route",
    ],
)
def test_the_model_needs_every_kind_of_rule(states: dict[str, Resources], gone: str) -> None:
    resources = states["everything"]
    fewer = [each for each in resources if each["type"] != gone]
    owned_by_nothing = [
        {**each, "values": _harmless(each["values"])} for each in resources if each["type"] == gone
    ]
    world = network([*fewer, *owned_by_nothing])
    assert _reached(world, _hosts(resources)) != _reached(network(resources), _hosts(resources))


def _harmless(values: dict[str, Any]) -> dict[str, Any]:
    """Return a rule that belongs to nothing."""
    owners = ("security_group_id", "network_acl_id", "route_table_id")
    return {**values, **dict.fromkeys(owners, "nothing")}
