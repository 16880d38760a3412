# Who reaches whom: the stack as applied to the mocked provider, and a caller beside it. The assertions stand in
# tests/infrastructure/test_reach.py, which reads the states of these runs.

mock_provider "aws" {
  source = "./tests/mocks"
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  package_dir     = "./tests/zips" # empty files: without a zip every plan says so, too
}

run "stack" {
  command = apply

  assert {
    condition     = contains(keys(output.security_group_ids), "clients")
    error_message = "The group that callers attach is an output."
  }
}

run "caller" {
  command = apply

  module {
    source = "./tests/caller"
  }

  variables {
    subnet_ids        = [for name, id in run.stack.private_subnet_ids : id if startswith(name, "app-")]
    security_group_id = run.stack.security_group_ids["clients"]
  }

  assert {
    condition     = length(aws_lambda_function.caller.vpc_config[0].subnet_ids) == 2
    error_message = "The caller lies in the app subnets of both zones."
  }
}

run "everything" {
  command = apply

  variables {
    allowed_client_cidrs   = ["10.1.0.0/16"]
    client_routes          = { "10.1.0.0/16" = "pcx-0123456789abcdef0" }
    enable_operations_host = true
    api_services = {
      collector = { priority = 10, paths = ["/v1/events"], methods = ["POST"] }
      search    = { priority = 30, target_type = "ip", paths = ["/v1/search"], methods = ["GET"], health_check_path = "/healthz" }
    }
  }

  assert {
    condition     = length(aws_route.alb_to_clients) == 1
    error_message = "Clients outside the VPC get answers."
  }
}
