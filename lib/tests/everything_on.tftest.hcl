# Every toggle on, planned by the real provider, which checks each argument. Nothing is called: what a plan would ask
# AWS for stands here.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "testing"
  secret_key                  = "testing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true

  default_tags {
    tags = { Project = "tapstack", Environment = "dev", ManagedBy = "terraform" }
  }
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  package_dir     = "./tests/zips" # empty files: without a zip every plan says so, too
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = data.aws_vpc_endpoint_service.interface["kinesis-streams"]
  values = { availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"] }
}

override_data {
  target = data.aws_vpc_endpoint_service.interface["secretsmanager"]
  values = { availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"] }
}

override_data {
  target = data.aws_availability_zones.available
  values = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
}

override_data {
  target = data.aws_ssm_parameter.operations_image
  values = { insecure_value = "ami-0123456789abcdef0" }
}

run "everything_on" {
  command = plan

  variables {
    alarm_email                    = "on-call@example.com"
    az_count                       = 3
    enable_operations_host         = true
    enable_vpc_block_public_access = true
    enable_tracing                 = true
    require_write_keys             = true
    enrichment                     = { consent = "anonymous", pseudonymised_fields = ["user_id", "traits.email"] }
    enable_schemas                 = true
    permissions_boundary_arn       = "arn:aws:iam::111122223333:policy/boundary"
    api_hostname                   = "tapstack.example.internal"
    allowed_client_cidrs           = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"]
    client_routes                  = { "10.1.0.0/16" = "pcx-0123456789abcdef0", "10.2.0.0/16" = "tgw-0123456789abcdef0" }
    nat_gateway_mode               = "zonal"
    api_services = {
      collector = { priority = 10, paths = ["/v1/events"], methods = ["POST"] }
      search    = { priority = 30, target_type = "ip", paths = ["/v1/search"], methods = ["GET"], health_check_path = "/healthz" }
    }
  }

  assert {
    condition     = length(aws_instance.operations) == 1 && length(aws_lb_target_group.ip) == 1 && length(aws_nat_gateway.zonal) == 3 && length(aws_lb_listener.https) == 1
    error_message = "Every toggle must be on here."
  }

  assert {
    condition     = local.function_environment.collector.TAPSTACK_SCHEMAS == "schemas"
    error_message = "The collector reads the schemas in its zip."
  }

  assert {
    condition = (
      output.sources_secret == "tapstack-dev-sources" && output.pseudonyms_secret == "tapstack-dev-pseudonyms"
      && local.function_environment.collector.TAPSTACK_PSEUDONYMISED_FIELDS == "traits.email,user_id"
      && keys(aws_vpc_endpoint.interface) == ["kinesis-streams", "secretsmanager"]
    )
    error_message = "With write keys and pseudonyms there is a secret for each, and an endpoint through which the collector reads them."
  }

  assert {
    condition = { for place in distinct([for entry in local.network_acl_entries : "${entry.tier}-${entry.egress ? "out" : "in"}"]) : place => length([
      for entry in local.network_acl_entries : entry if "${entry.tier}-${entry.egress ? "out" : "in"}" == place
      ]) } == {
      alb-in      = 17
      alb-out     = 10
      app-in      = 13
      app-out     = 15
      egress-in   = 6
      egress-out  = 5
      endpoint-in = 3, endpoint-out = 3
    }
    error_message = "AWS's quota is 20 network ACL rules a direction; this is the most that there can be."
  }
}

# The provider checks names of load balancers, roles and the like, and not those of buckets.
run "the_longest_names_fit" {
  command = plan

  variables {
    name_prefix            = "abcdefghij"
    environment            = "abcdefghij"
    unique_suffix          = "abcdefghijabcdefghijabcdefghij"
    enable_operations_host = true
    require_write_keys     = true
    enrichment             = { consent = "anonymous" }
  }

  assert {
    condition     = max([for bucket in aws_s3_bucket.this : length(bucket.bucket)]...) == 63
    error_message = "S3 takes names of 63 characters."
  }

  assert {
    condition     = alltrue([for group in aws_lb_target_group.function : length(group.name) <= 32]) && length(aws_lb.api.name) <= 32
    error_message = "Load balancers and target groups take names of 32 characters."
  }

  # With the account and the longest of AWS's regions, such as ap-southeast-1, in place of a suffix.
  assert {
    condition     = max([for name in keys(local.buckets) : length("${local.name}-${name}-111122223333-ap-southeast-1")]...) <= 63
    error_message = "Names of buckets without a suffix must fit too."
  }
}
