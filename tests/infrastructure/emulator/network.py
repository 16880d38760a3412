"""The regional NAT gateway, which moto 5.2.5 does not know, and what is in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.utils import random_nat_gateway_id, random_route_table_id
from moto.elbv2.models import elbv2_backends

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
        self.take_addresses(zone_addresses)
        self.route_table_id = random_route_table_id()
        self.add_tags(tags)
        backend.nat_gateways[self.id] = self

    def take_addresses(self, zone_addresses: list[dict[str, Any]]) -> None:
        """Use these addresses and no others."""
        self.address_set = [
            {
                "allocationId": allocation_id,
                "publicIp": self.ec2_backend.address_by_allocation([allocation_id])[0].public_ip,
            }
            for zone in zone_addresses
            for allocation_id in zone["AllocationIds"]
        ]

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
    "update_from_cloudformation_json",
    why="moto drops the gateway of a stack that is updated; AWS takes and lets go of addresses in place",
)
def update_from_cloudformation(
    _: Any, original_resource: Any, cloudformation_json: Any, **kwargs: Any
) -> RegionalNatGateway:
    """Give a regional gateway the addresses that its template says now."""
    del kwargs
    gateway: RegionalNatGateway = original_resource
    gateway.take_addresses(cloudformation_json["Properties"]["AvailabilityZoneAddresses"])
    return gateway


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


def _subnets_in_use(backend: Any) -> set[str]:
    account_id, region_name = backend.account_id, backend.region_name
    functions = lambda_backends[account_id][region_name].list_functions()
    load_balancers = elbv2_backends[account_id][region_name].load_balancers.values()
    return {
        *(
            subnet_id
            for function in functions
            for subnet_id in (function.vpc_config or {}).get("SubnetIds", [])
        ),
        *(subnet.id for load_balancer in load_balancers for subnet in load_balancer.subnets),
        *(
            subnet_id
            for endpoint in backend.vpc_end_points.values()
            if endpoint.state != "deleted"
            for subnet_id in endpoint.subnet_ids or []
        ),
    }


@replaces(
    SubnetBackend,
    "delete_subnet",
    why="moto deletes a subnet that something is in; AWS refuses, for as long as the provider is patient",
)
def delete_subnet(original: Callable[..., Any], backend: Any, subnet_id: str) -> Any:
    """Delete a subnet unless something is in it; the error is one that the provider does not wait for."""
    if subnet_id in _subnets_in_use(backend):
        raise EC2ClientError("SubnetInUse", f"{subnet_id} holds a function, a load balancer or an endpoint")
    return original(backend, subnet_id)


@replaces(
    VPCBackend,
    "modify_vpc_endpoint",
    why="moto lets an endpoint go from a route table that no longer exists; AWS answers that there is none",
)
def modify_vpc_endpoint(original: Callable[..., Any], backend: Any, **arguments: Any) -> None:
    """Change an endpoint, if the route tables that it leaves exist."""
    for route_table_id in arguments.get("remove_route_tables") or []:
        backend.get_route_table(route_table_id)
    original(backend, **arguments)
