# What hangs on what. Identifiers are known after an apply only, so these runs apply to the mocked provider.

mock_provider "aws" {
  source = "./tests/mocks"
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  package_dir     = "./tests/zips" # empty files: without a zip every plan says so, too
}

run "every_subnet_has_the_acl_and_the_routes_of_its_tier" {
  command = apply

  assert {
    condition = { for key, association in aws_route_table_association.this : key => association.route_table_id } == {
      for key, subnet in local.subnets : key => aws_route_table.this[subnet.tier == "app" ? key : subnet.tier].id
    }
    error_message = "App subnets use the table of their zone, the others that of their tier."
  }

  assert {
    condition     = alltrue([for association in aws_route_table_association.this : association.subnet_id != ""]) && toset([for association in aws_route_table_association.this : association.subnet_id]) == toset([for subnet in aws_subnet.private : subnet.id])
    error_message = "Every subnet needs a route table of ours."
  }

  assert {
    condition     = { for tier, acl in aws_network_acl.tier : tier => acl.subnet_ids } == { for tier in local.tiers : tier => toset([for key, subnet in aws_subnet.private : subnet.id if startswith(key, "${tier}-")]) }
    error_message = "Every subnet needs the network ACL of its tier."
  }

  assert {
    condition     = alltrue([for key, rule in aws_network_acl_rule.this : rule.network_acl_id == aws_network_acl.tier[split("-", key)[0]].id])
    error_message = "Every rule belongs to the network ACL of its tier."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.private : subnet.map_public_ip_on_launch == false]) && aws_lb.api.internal
    error_message = "No public address, and an internal load balancer."
  }

  assert {
    condition     = aws_vpc_endpoint.gateway["dynamodb"].route_table_ids == toset([for name, table in aws_route_table.this : table.id if startswith(name, "app-")]) && aws_vpc_endpoint.gateway["s3"].route_table_ids == aws_vpc_endpoint.gateway["dynamodb"].route_table_ids
    error_message = "Every app subnet needs the gateway endpoints."
  }
}

run "functions_load_balancer_and_endpoints_use_every_zone" {
  command = apply

  variables {
    az_count = 3
  }

  assert {
    condition     = alltrue([for function in aws_lambda_function.this : function.vpc_config[0].subnet_ids == toset(local.tier_subnet_ids["app"])]) && length(local.tier_subnet_ids["app"]) == 3
    error_message = "Every function runs in the app subnets of every zone."
  }

  assert {
    condition     = aws_lb.api.subnets == toset(local.tier_subnet_ids["alb"]) && length(aws_lb.api.subnets) == 3
    error_message = "The load balancer stands in every zone."
  }

  assert {
    condition     = aws_vpc_endpoint.interface["kinesis-streams"].subnet_ids == toset(local.tier_subnet_ids["endpoint"])
    error_message = "Interface endpoints stand in every zone."
  }

  assert {
    condition     = alltrue([for name, function in aws_lambda_function.this : function.vpc_config[0].security_group_ids == toset([aws_security_group.role[name].id])])
    error_message = "Every function has the group of its own role."
  }

  assert {
    condition     = aws_vpc_endpoint.interface["kinesis-streams"].security_group_ids == toset([aws_security_group.role["endpoints"].id]) && aws_lb.api.security_groups == toset([aws_security_group.role["alb"].id])
    error_message = "Endpoints and load balancer have the group of their role."
  }
}

run "who_is_a_client_and_where_answers_go" {
  command = apply

  variables {
    enable_operations_host = true
    allowed_client_cidrs   = ["10.1.0.0/16"]
    client_routes          = { "10.1.0.0/16" = "pcx-0123456789abcdef0" }
  }

  assert {
    condition     = aws_instance.operations[0].vpc_security_group_ids == toset([aws_security_group.role["operations"].id, aws_security_group.role["clients"].id])
    error_message = "The host calls the API as any client does."
  }

  assert {
    condition     = aws_route.alb_to_clients["10.1.0.0/16"].route_table_id == aws_route_table.this["alb"].id && output.route_table_ids["alb"] != output.route_table_ids["endpoint"]
    error_message = "The load balancer's subnets, and no others, route to clients outside the VPC."
  }

  assert {
    condition     = output.security_group_ids["clients"] == aws_security_group.role["clients"].id
    error_message = "The output names the group that callers attach."
  }

  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.main.dashboard_body).widgets : widget.properties.metrics if widget.properties.title == "NAT: bytes out"] == [[["AWS/NATGateway", "BytesOutToDestination", "AvailabilityZone", "us-east-1a", "NatGatewayId", "nat-0regional"], ["AWS/NATGateway", "BytesOutToDestination", "AvailabilityZone", "us-east-1b", "NatGatewayId", "nat-0regional"]]]
    error_message = "The widget shows every zone."
  }
}
