"""Who reaches whom: security groups, network ACLs and routes of an applied stack, asked for one connection.

The rules are AWS's: a security group allows what one of its rules allows, and answers always [1]_; a network
ACL takes the first rule that matches, in each direction, and not within a subnet [2]_.

References
----------
.. [1] https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html (from knowledge)
.. [2] https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html (from knowledge)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from typing import Any

EPHEMERAL_PORTS = (1024, 3388, 3390, 32768, 65535)
"""Where an answer may go: the ends of AWS's range, and both sides of the port that is never open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Something with an address.

    Attributes
    ----------
    address
        Its address.
    groups
        Identifiers of its security groups; empty for what has none, which then allows everything.
    prefix_list
        Identifier of the prefix list that its address belongs to, if any.
    """

    address: IPv4Address
    groups: frozenset[str] = frozenset()
    prefix_list: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What decides about a connection; made by `network`."""

    vpc: IPv4Network
    subnets: Mapping[str, IPv4Network]
    group_rules: Sequence[tuple[bool, Mapping[str, Any]]]
    acl_rules: Mapping[str, Sequence[Mapping[str, Any]]]
    routes: Mapping[str, Sequence[IPv4Network]]

    def reaches(self, source: Host, target: Host, port: int) -> bool:
        """Return whether a TCP connection can be opened and answered.

        Parameters
        ----------
        source, target
            Who opens it, and to whom.
        port
            On which the target listens.
        """
        return (
            self._group_allows(source, target, port, ingress=False)
            and self._group_allows(target, source, port, ingress=True)
            and self._routed(source, target)
            and self._routed(target, source)
            and self._acls_allow(source, target, port)
            and all(self._acls_allow(target, source, each) for each in EPHEMERAL_PORTS)
        )

    def _group_allows(self, host: Host, peer: Host, port: int, *, ingress: bool) -> bool:
        return not host.groups or any(
            direction == ingress
            and rule["security_group_id"] in host.groups
            and rule["from_port"] <= port <= rule["to_port"]
            and _names(rule, peer)
            for direction, rule in self.group_rules
        )

    def _subnet(self, host: Host) -> str | None:
        return next((name for name, cidr in self.subnets.items() if host.address in cidr), None)

    def _routed(self, source: Host, target: Host) -> bool:
        subnet = self._subnet(source)
        return (
            subnet is None
            or target.address in self.vpc
            or any(target.address in cidr for cidr in self.routes[subnet])
        )

    def _acls_allow(self, source: Host, target: Host, port: int) -> bool:
        start, end = self._subnet(source), self._subnet(target)
        return start == end or all(
            self._first_match(subnet, egress, peer.address, port) == "allow"
            for subnet, egress, peer in ((start, True, target), (end, False, source))
            if subnet is not None
        )

    def _first_match(self, subnet: str, egress: bool, peer: IPv4Address, port: int) -> str:
        for rule in self.acl_rules[subnet]:
            everything = rule["protocol"] == "-1"
            if (
                rule["egress"] == egress
                and peer in ip_network(rule["cidr_block"])
                and (everything or rule["from_port"] <= port <= rule["to_port"])
            ):
                return str(rule["rule_action"])
        return "deny"


def _names(rule: Mapping[str, Any], peer: Host) -> bool:
    if rule.get("cidr_ipv4"):
        return peer.address in ip_network(rule["cidr_ipv4"])
    if rule.get("prefix_list_id"):
        return rule["prefix_list_id"] == peer.prefix_list
    return rule["referenced_security_group_id"] in peer.groups


def network(resources: Iterable[Mapping[str, Any]]) -> Network:
    """Read the network from the resources of a state.

    Parameters
    ----------
    resources
        As ``terraform show -json`` lists them.
    """
    by_type: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        by_type.setdefault(resource["type"], []).append(resource["values"])
    tables = {each["subnet_id"]: each["route_table_id"] for each in by_type["aws_route_table_association"]}
    acls = {subnet: acl["id"] for acl in by_type["aws_network_acl"] for subnet in acl["subnet_ids"]}
    (vpc,) = by_type["aws_vpc"]
    return Network(
        vpc=_cidr(vpc["cidr_block"]),
        subnets={subnet["id"]: _cidr(subnet["cidr_block"]) for subnet in by_type["aws_subnet"]},
        group_rules=[
            *((True, rule) for rule in by_type["aws_vpc_security_group_ingress_rule"]),
            *((False, rule) for rule in by_type["aws_vpc_security_group_egress_rule"]),
        ],
        acl_rules={
            subnet: sorted(
                (rule for rule in by_type["aws_network_acl_rule"] if rule["network_acl_id"] == acl),
                key=lambda rule: int(rule["rule_number"]),
            )
            for subnet, acl in acls.items()
        },
        routes={
            subnet: [
                _cidr(route["destination_cidr_block"])
                for route in by_type["aws_route"]
                if route["route_table_id"] == table
            ]
            for subnet, table in tables.items()
        },
    )


def host_in(cidr: str, index: int, **attributes: Any) -> Host:
    """Return the host with a number in a range; `attributes` as of `Host`."""
    return Host(address=IPv4Address(_cidr(cidr)[index]), **attributes)


def host_at(address: str, **attributes: Any) -> Host:
    """Return the host at an address; `attributes` as of `Host`."""
    return Host(address=IPv4Address(ip_address(address)), **attributes)


def _cidr(text: str) -> IPv4Network:
    return IPv4Network(text)
