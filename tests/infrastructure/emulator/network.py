"""The regional NAT gateway, which moto 5.2.5 does not know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.utils import random_nat_gateway_id, random_route_table_id

from .patching import adds, replaces


class RegionalNatGateway(NatGateway):
    """A NAT gateway that belongs to a VPC and to no subnet."""

    subnet_id = None  # type: ignore[assignment]
    private_ip = None  # type: ignore[assignment]

    def __init__(
        self, backend: Any, vpc_id: str, zone_addresses: list[dict[str, Any]], tags: dict[str, str]
    ) -> None:
        backend.get_vpc(vpc_id)
        self.id = random_nat_gateway_id()
        self.vpc_id = vpc_id
        self.state = "available"
        self.connectivity_type = "public"
        self.availability_mode = "regional"
        self._created_at = utcnow()
        self.ec2_backend = backend
        self.address_set = [
            {
                "allocationId": allocation_id,
                "publicIp": backend.address_by_allocation([allocation_id])[0].public_ip,
            }
            for zone in zone_addresses
            for allocation_id in zone["AllocationIds"]
        ]
        self.route_table_id = random_route_table_id()
        self.add_tags(tags)
        backend.nat_gateways[self.id] = self

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Return what a template may ask of the gateway: its own route table."""
        if attribute_name == "RouteTableId":
            return self.route_table_id
        raise UnformattedGetAttTemplateException


@replaces(
    NatGateway,
    "create_from_cloudformation_json",
    why="moto demands SubnetId; AWS takes AvailabilityMode=regional with VpcId and AvailabilityZoneAddresses",
)
def create_from_cloudformation(
    original: Callable[..., Any],
    _: Any,
    resource_name: str,
    cloudformation_json: Any,
    account_id: str,
    region_name: str,
    **kwargs: Any,
) -> NatGateway:
    """Make a gateway of either kind from a template."""
    properties = cloudformation_json["Properties"]
    if properties.get("AvailabilityMode") != "regional":
        return original(resource_name, cloudformation_json, account_id, region_name, **kwargs)
    tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    backend = ec2_backends[account_id][region_name]
    return RegionalNatGateway(
        backend, properties["VpcId"], properties.get("AvailabilityZoneAddresses", []), tags
    )


@adds(
    NatGateway,
    "delete_from_cloudformation_json",
    why="moto leaves the gateway behind when its stack is deleted; AWS deletes it",
)
def delete_from_cloudformation(
    _: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
) -> None:
    """Delete the gateway of a deleted stack."""
    del cloudformation_json
    ec2_backends[account_id][region_name].delete_nat_gateway(resource_name)
