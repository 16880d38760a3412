# Private only: how packets can travel, in both NAT modes and with every network toggle.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  package_dir     = "./tests/zips" # empty files: without a zip every plan says so, too
}

run "by_default" {
  command = plan

  # Regional NAT is the default and no subnet reaches the internet gateway.
  assert {
    condition     = length(aws_route.egress_to_internet) == 0 && !contains(keys(aws_route_table.this), "egress")
    error_message = "With regional NAT no route of ours may lead to the internet gateway."
  }

  assert {
    condition     = alltrue([for route in aws_route.app_to_nat : route.nat_gateway_id == "nat-0regional" && route.gateway_id == null])
    error_message = "The default route of every app subnet must lead to the regional NAT gateway."
  }

  assert {
    condition     = jsondecode(aws_cloudformation_stack.nat[0].template_body).Resources.NatGateway.Properties.AvailabilityMode == "regional"
    error_message = "The NAT gateway must be a regional one."
  }

  assert {
    condition     = [for address in jsondecode(aws_cloudformation_stack.nat[0].template_body).Resources.NatGateway.Properties.AvailabilityZoneAddresses : address.AvailabilityZone] == [for az in local.azs : az]
    error_message = "The NAT gateway must have an address in every zone."
  }

  assert {
    condition     = length(aws_nat_gateway.zonal) == 0 && length(aws_eip.nat) == 2
    error_message = "One address a zone and no zonal gateway."
  }

  assert {
    condition     = toset([for subnet in values(local.subnets) : subnet.tier]) == toset(["app", "alb", "endpoint"])
    error_message = "No tier but app, alb and endpoint may exist."
  }

  assert {
    condition     = length(output.egress_subnet_ids) == 0 && length(output.private_subnet_ids) == 6 && keys(output.route_table_ids) == ["alb", "app-us-east-1a", "app-us-east-1b", "endpoint"] && output.nat_route_table_id == "rtb-0regional"
    error_message = "The outputs name the private subnets and their route tables."
  }

  assert {
    condition     = output.internet_gateway_id == "igw-0123456789abcdef0" && output.nat_allocation_ids == { us-east-1a = "eipalloc-0123456789abcdef0", us-east-1b = "eipalloc-0123456789abcdef0" } && output.kms_key_aliases == { for name in ["stream", "table", "objects", "operations"] : name => "alias/tapstack-dev-${name}" }
    error_message = "Gateway, allocations and aliases are named."
  }

  # Network ACLs hold exactly the rules of the table.
  assert {
    condition = { for key, rule in aws_network_acl_rule.this : key => "${rule.rule_action} ${rule.protocol} ${rule.from_port}-${rule.to_port} ${rule.cidr_block} ${rule.egress ? "out" : "in"}" } == {
      "alb-in-130"       = "allow tcp 80-80 10.42.0.0/24 in"
      "alb-in-131"       = "allow tcp 80-80 10.42.1.0/24 in"
      "alb-in-140"       = "allow tcp 443-443 10.42.0.0/24 in"
      "alb-in-141"       = "allow tcp 443-443 10.42.1.0/24 in"
      "alb-out-130"      = "allow tcp 1024-65535 10.42.0.0/24 out"
      "alb-out-131"      = "allow tcp 1024-65535 10.42.1.0/24 out"
      "app-in-120"       = "allow tcp 1024-65535 10.42.8.0/24 in"
      "app-in-121"       = "allow tcp 1024-65535 10.42.9.0/24 in"
      "app-in-150"       = "allow tcp 1024-65535 10.42.4.0/24 in"
      "app-in-151"       = "allow tcp 1024-65535 10.42.5.0/24 in"
      "app-in-300"       = "deny -1 0-0 10.42.0.0/16 in"
      "app-in-400"       = "allow tcp 1024-3388 0.0.0.0/0 in"
      "app-in-410"       = "allow tcp 3390-65535 0.0.0.0/0 in"
      "app-out-120"      = "allow tcp 443-443 10.42.8.0/24 out"
      "app-out-121"      = "allow tcp 443-443 10.42.9.0/24 out"
      "app-out-150"      = "allow tcp 80-80 10.42.4.0/24 out"
      "app-out-151"      = "allow tcp 80-80 10.42.5.0/24 out"
      "app-out-160"      = "allow tcp 443-443 10.42.4.0/24 out"
      "app-out-161"      = "allow tcp 443-443 10.42.5.0/24 out"
      "app-out-300"      = "deny -1 0-0 10.42.0.0/16 out"
      "app-out-400"      = "allow tcp 443-443 0.0.0.0/0 out"
      "endpoint-in-100"  = "allow tcp 443-443 10.42.0.0/24 in"
      "endpoint-in-101"  = "allow tcp 443-443 10.42.1.0/24 in"
      "endpoint-out-100" = "allow tcp 1024-65535 10.42.0.0/24 out"
      "endpoint-out-101" = "allow tcp 1024-65535 10.42.1.0/24 out"
    }
    error_message = "The network ACL rules differ from the table."
  }

  # Security groups hold exactly the rules of the table.
  assert {
    condition     = toset(keys(aws_security_group.role)) == toset(["alb", "clients", "consumer", "projector", "drainer", "collector", "insights", "endpoints"])
    error_message = "One group for each role, and no other."
  }

  assert {
    condition     = toset(keys(aws_vpc_security_group_ingress_rule.this)) == toset(["alb-in-http-clients", "alb-in-https-clients", "endpoints-in-https-collector", "endpoints-in-https-drainer"])
    error_message = "Ingress rules differ from the table."
  }

  assert {
    condition = toset(keys(aws_vpc_security_group_egress_rule.this)) == toset([
      "clients-out-http-alb", "clients-out-https-alb",
      "consumer-out-https-dynamodb", "consumer-out-https-s3", "consumer-out-https-internet-0.0.0.0/0",
      "projector-out-https-dynamodb", "projector-out-https-internet-0.0.0.0/0",
      "drainer-out-https-endpoints", "drainer-out-https-s3", "drainer-out-https-internet-0.0.0.0/0",
      "collector-out-https-endpoints", "collector-out-https-s3", "collector-out-https-internet-0.0.0.0/0",
      "insights-out-https-dynamodb", "insights-out-https-internet-0.0.0.0/0",
    ])
    error_message = "Egress rules differ from the table."
  }

  assert {
    condition     = alltrue([for rule in concat(values(aws_vpc_security_group_ingress_rule.this), values(aws_vpc_security_group_egress_rule.this)) : rule.ip_protocol == "tcp" && rule.from_port == rule.to_port && rule.description != ""])
    error_message = "Every rule names one TCP port and says why."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.this : rule.cidr_ipv4 == null])
    error_message = "No range may come in, only groups."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.this : rule.cidr_ipv4 == null || rule.from_port == 443])
    error_message = "Only HTTPS may go out to ranges."
  }

  # Without the host nothing listens on port 22.
  assert {
    condition     = length(aws_instance.operations) == 0 && length([for rule in aws_vpc_security_group_ingress_rule.this : rule if rule.from_port == 22]) == 0 && length([for rule in aws_network_acl_rule.this : rule if rule.from_port == 22]) == 0
    error_message = "No host, no port 22."
  }

  # Block public access is off by default because it rules the whole region.
  assert {
    condition     = length(aws_vpc_block_public_access_options.region) == 0
    error_message = "It must be asked for."
  }

  # One endpoint is enough.
  assert {
    condition     = keys(aws_vpc_endpoint.interface) == ["kinesis-streams"]
    error_message = "Only what a function calls by default."
  }
}

run "as_asked_for" {
  command = plan

  variables {
    enable_function_internet_egress = false
    az_count                        = 3
    allowed_client_cidrs            = ["10.2.0.0/16"]
    enable_vpc_block_public_access  = true
  }

  # Functions work without the internet.
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.this : rule.cidr_ipv4 == null])
    error_message = "Without internet egress no group may open connections to ranges."
  }

  # Three zones.
  assert {
    condition     = length(aws_subnet.private) == 9 && length(distinct([for subnet in aws_subnet.private : subnet.cidr_block])) == 9
    error_message = "Three tiers in three zones, with different addresses."
  }

  # A range that goes leaves the rules of the others alone.
  assert {
    condition     = aws_vpc_security_group_ingress_rule.this["alb-in-http-clients-10.2.0.0/16"].cidr_ipv4 == "10.2.0.0/16" && aws_vpc_security_group_ingress_rule.this["alb-in-https-clients-10.2.0.0/16"].cidr_ipv4 == "10.2.0.0/16"
    error_message = "A rule is known by its range: a rule that took another's range would clash with it."
  }

  # Block public access can be turned on.
  assert {
    condition     = aws_vpc_block_public_access_options.region[0].internet_gateway_block_mode == "block-ingress"
    error_message = "The mode must be block-ingress."
  }
}

run "with_zonal_nat_gateways" {
  command = plan

  variables {
    nat_gateway_mode = "zonal"
  }

  # Zonal NAT is the only reason for a route to the internet gateway.
  assert {
    condition     = length(aws_cloudformation_stack.nat) == 0 && length(aws_nat_gateway.zonal) == 2
    error_message = "One gateway a zone and no regional one."
  }

  assert {
    condition     = aws_route.egress_to_internet[0].gateway_id == "igw-0123456789abcdef0"
    error_message = "The egress subnets must reach the internet gateway."
  }

  assert {
    condition     = alltrue([for route in aws_route.app_to_nat : route.nat_gateway_id == "nat-0zonal" && route.gateway_id == null])
    error_message = "App subnets must leave through NAT."
  }

  assert {
    condition     = alltrue([for key, subnet in aws_subnet.private : endswith(subnet.cidr_block, "/28") if startswith(key, "egress-")])
    error_message = "Egress subnets must be too small for anything but the gateway."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.private : subnet.map_public_ip_on_launch == false])
    error_message = "Not even egress subnets hand out public addresses."
  }

  assert {
    condition     = keys(output.egress_subnet_ids) == ["us-east-1a", "us-east-1b"] && alltrue([for key in keys(output.private_subnet_ids) : !startswith(key, "egress-")]) && length(output.private_subnet_ids) == 6 && contains(keys(output.route_table_ids), "egress")
    error_message = "The outputs must not call egress subnets private, nor leave out their route table."
  }

  assert {
    condition     = length([for key, rule in aws_network_acl_rule.this : key if startswith(key, "egress-")]) == 9 && output.nat_route_table_id == null
    error_message = "The egress tier needs its own rules."
  }

  # Each kind of NAT gateway has addresses of its own.
  assert {
    condition     = toset(keys(aws_eip.nat)) == toset(["zonal-us-east-1a", "zonal-us-east-1b"])
    error_message = "An address that the regional gateway still holds cannot be given to a zonal one."
  }
}

run "own_addresses_replace_the_computed_ones" {
  command = plan

  variables {
    vpc_cidr           = "10.9.0.0/20"
    availability_zones = ["us-east-1c", "us-east-1d"]
    subnet_cidrs       = { app = ["10.9.10.0/24", "10.9.11.0/24"] }
  }

  assert {
    condition     = local.subnets["app-us-east-1c"].cidr == "10.9.10.0/24" && local.subnets["alb-us-east-1d"].cidr == "10.9.5.0/24"
    error_message = "Given ranges are used, the others are computed."
  }
}

run "ip_targets_open_exactly_their_path" {
  command = plan

  variables {
    api_services = {
      search = { priority = 5, target_type = "ip", paths = ["/v1/search"], methods = ["GET"], health_check_path = "/healthz" }
    }
  }

  assert {
    condition     = aws_network_acl_rule.this["alb-out-120"].from_port == 8443 && aws_network_acl_rule.this["app-in-100"].cidr_block == "10.42.4.0/24"
    error_message = "The load balancer must reach the targets' port."
  }

  assert {
    condition     = contains(keys(aws_security_group.role), "services") && aws_vpc_security_group_ingress_rule.this["services-in-ip_target-alb"].from_port == 8443
    error_message = "The targets' group admits the load balancer."
  }

  assert {
    condition = sort([for key, rule in aws_vpc_security_group_egress_rule.this : "${key} ${rule.from_port} ${coalesce(rule.cidr_ipv4, "-")}" if startswith(key, "services-")]) == tolist([
      "services-out-https-dynamodb 443 -",
      "services-out-https-endpoints 443 -",
      "services-out-https-internet-0.0.0.0/0 443 0.0.0.0/0",
      "services-out-https-s3 443 -",
    ])
    error_message = "A container reaches its registry through NAT, and the layers of its image in S3."
  }

  assert {
    condition     = [for statement in data.aws_iam_policy_document.endpoint["s3"].statement : statement.resources if statement.sid == "ObjectsOfAws"] == [toset(["arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"])]
    error_message = "The S3 endpoint lets layers of images through."
  }

  assert {
    condition     = aws_lb_target_group.ip["search"].protocol == "HTTPS" && length(aws_lb_target_group.function) == 0
    error_message = "The service gets an ip target group."
  }
}

run "the_operations_host_is_the_only_thing_that_listens_on_port_22" {
  command = plan

  variables {
    enable_operations_host = true
    ssh_allowed_cidr       = "10.42.200.0/24"
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.this : rule.cidr_ipv4 if rule.from_port == 22] == ["10.42.200.0/24"]
    error_message = "Port 22 opens to ssh_allowed_cidr alone."
  }

  assert {
    condition     = [for statement in data.aws_iam_policy_document.endpoint["s3"].statement : statement.resources if statement.sid == "ObjectsOfAws"] == [toset(["arn:aws:s3:::al2023-repos-us-east-1-de612dc2/*"])]
    error_message = "The S3 endpoint lets packages of the host's Linux through, or it could not be patched."
  }

  assert {
    condition     = aws_network_acl_rule.this["app-in-140"].cidr_block == "10.42.200.0/24" && aws_network_acl_rule.this["app-in-140"].from_port == 22
    error_message = "The network ACL opens port 22 to ssh_allowed_cidr alone."
  }

  assert {
    condition     = aws_instance.operations[0].associate_public_ip_address == false && aws_instance.operations[0].metadata_options[0].http_tokens == "required" && aws_instance.operations[0].root_block_device[0].encrypted
    error_message = "The host is private, encrypted and asks for metadata tokens."
  }
}

run "with_clients_outside_the_vpc" {
  command = plan

  variables {
    allowed_client_cidrs = ["10.1.0.0/16", "10.2.0.0/16"]
    client_routes        = { "10.1.0.0/16" = "pcx-0123456789abcdef0", "10.2.0.0/16" = "tgw-0123456789abcdef0" }
  }

  # Two ranges have a rule each.
  assert {
    condition     = alltrue([for cidr in ["10.1.0.0/16", "10.2.0.0/16"] : aws_vpc_security_group_ingress_rule.this["alb-in-http-clients-${cidr}"].cidr_ipv4 == cidr])
    error_message = "A rule is known by its range."
  }

  assert {
    condition     = [for key in ["alb-in-100", "alb-in-101", "alb-out-100", "alb-out-101"] : aws_network_acl_rule.this[key].cidr_block] == ["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16", "10.2.0.0/16"]
    error_message = "The network ACL admits both."
  }

  # Answers find the way to clients outside the VPC.
  assert {
    condition = { for cidr, route in aws_route.alb_to_clients : cidr => join(" ", [route.destination_cidr_block, coalesce(route.vpc_peering_connection_id, "-"), coalesce(route.transit_gateway_id, "-")]) } == {
      "10.1.0.0/16" = "10.1.0.0/16 pcx-0123456789abcdef0 -"
      "10.2.0.0/16" = "10.2.0.0/16 - tgw-0123456789abcdef0"
    }
    error_message = "The load balancer's subnets, and no others, route to the clients."
  }
}

run "zones_without_the_endpoints_services_are_passed_over" {
  command = plan

  override_data {
    target = data.aws_vpc_endpoint_service.interface["kinesis-streams"]
    values = { availability_zones = ["us-east-1b", "us-east-1d"] }
  }

  assert {
    condition     = output.availability_zones == tolist(["us-east-1b", "us-east-1d"])
    error_message = "The first zones that serve what the stack needs."
  }
}

run "a_service_that_names_no_zones_has_them_all" {
  command = plan

  override_data {
    target = data.aws_vpc_endpoint_service.interface["kinesis-streams"]
    values = { availability_zones = [] }
  }

  assert {
    condition     = output.availability_zones == tolist(["us-east-1a", "us-east-1b"])
    error_message = "The first zones."
  }
}

run "refuses_too_few_zones_that_serve_the_endpoints" {
  command = plan

  variables {
    az_count = 3
  }

  override_data {
    target = data.aws_vpc_endpoint_service.interface["kinesis-streams"]
    values = { availability_zones = ["us-east-1b", "us-east-1d"] }
  }

  expect_failures = [aws_vpc.main]
}

run "refuses_a_pinned_zone_that_does_not_serve_the_endpoints" {
  command = plan

  variables {
    availability_zones = ["us-east-1a", "us-east-1b"]
  }

  override_data {
    target = data.aws_vpc_endpoint_service.interface["kinesis-streams"]
    values = { availability_zones = ["us-east-1b", "us-east-1d"] }
  }

  expect_failures = [aws_vpc.main]
}
