"""docs/reference/network.md as the stack's locals say it must be.

``python -m infrastructure.network_page`` writes the page; a test compares it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .stack_text import local_values, rules
from .toolbox import ROOT

PAGE = ROOT / "docs/reference/network.md"

WHEN = {
    "always": "always",
    "https": "`certificate_arn` is given",
    "ip_targets": "a service in `api_services` has ip targets",
    "operations_host": "`enable_operations_host`",
    "internet_egress": "`enable_function_internet_egress`",
}

PEERS = {
    "alb": "alb subnets",
    "app": "app subnets",
    "endpoint": "endpoint subnets",
    "clients": "`allowed_client_cidrs` (none)",
    "ssh": "`ssh_allowed_cidr` (the VPC)",
    "vpc": "the VPC",
    "internet": "0.0.0.0/0",
    "prefix-list:dynamodb": "DynamoDB's prefix list",
    "prefix-list:s3": "S3's prefix list",
}

INTRODUCTION = """# Network rules

Made from `lib/tap_stack.tf` (`network_acl_rules`, `security_groups`, `security_group_rules`) by
`python -m infrastructure.network_page` in `tests/`; `make infra-test` fails when page and stack differ.

Three tiers, each with one subnet in every availability zone, one network ACL, and no public address:

| Tier | Holds | Routes beside the VPC's own |
|---|---|---|
| app | functions, clients, ip targets, operations host | NAT, gateway endpoints of DynamoDB and S3 |
| alb | internal load balancer | `client_routes`, none by default |
| endpoint | interface endpoint of Kinesis | none |
| egress | zonal NAT gateways, only with `nat_gateway_mode = "zonal"` | internet gateway |

With the regional NAT gateway, the default, no subnet has a route to the internet gateway. The Lambda
service calls functions and polls Kinesis and the table's stream from outside the VPC, so the load balancer
needs no path to functions, the consumer none to Kinesis, and the projector none to the stream. AWS never
filters its resolver, DHCP, time and metadata addresses by network ACL, so no rule names them.

**Who may call the API.** Everything in the app subnets that has the security group `clients`. The group
allows connections to the load balancer only; a caller that needs more takes other groups in addition.
All other callers need a range in `allowed_client_cidrs`, at most four. Callers outside of this VPC also need
a route back in `client_routes`; callers in other subnets of the VPC need a network ACL that allows the ports
out and the replies in.

The tables are checked pair by pair: `tests/infrastructure/test_reach.py` computes from groups, network ACLs
and routes of the stack which tier reaches which. A function with the group `clients` (example:
`lib/tests/caller`) reaches only the load balancer.
"""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _ports(name: str, ports: Mapping[str, Any]) -> str:
    if ports["protocol"] == "-1":
        return "all"
    if isinstance(ports["from"], str):
        return f"{ports['protocol']} `ip_target_port`"
    span = str(ports["from"]) if ports["from"] == ports["to"] else f"{ports['from']}-{ports['to']}"
    return f"{ports['protocol']} {span}"


def _peer(name: str) -> str:
    return f"group {name.removeprefix('group:')}" if name.startswith("group:") else PEERS[name]


def page() -> str:
    """Write the page from the stack."""
    values = local_values()
    ports = {name: _ports(name, entry) for name, entry in values["ports"].items()}
    acl = [
        (
            rule["place"],
            rule["direction"],
            str(rule["number"]),
            rule["action"],
            ports[rule["ports"]],
            _peer(rule["peer"]),
            WHEN[rule["when"]] if rule["place"] != "egress" else '`nat_gateway_mode = "zonal"`',
            rule["why"],
        )
        for rule in rules("network_acl_rules")
    ]
    groups = [
        (name, WHEN[group.get("when", "always")], group["why"])
        for name, group in values["security_groups"].items()
    ]
    group_rules = [
        (
            rule["place"],
            rule["direction"],
            ports[rule["ports"]],
            _peer(rule["peer"]),
            WHEN[rule["when"]],
            rule["why"],
        )
        for rule in rules("security_group_rules")
    ]
    return "\n".join(
        [
            INTRODUCTION,
            "## Network ACLs\n",
            "Stateless, so replies are listed. A rule with several ranges takes consecutive numbers.\n",
            _table(("Tier", "Direction", "Number", "Action", "Ports", "Peer", "When", "Why"), acl),
            "## Security groups\n",
            _table(("Group", "When", "Role"), groups),
            "## Security group rules\n",
            "Stateful, so only the side that opens a connection is listed.\n",
            _table(("Group", "Direction", "Ports", "Peer", "When", "Why"), group_rules),
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page())
