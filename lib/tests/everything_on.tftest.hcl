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

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "111122223333" }
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
    certificate_arn                = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
    enable_operations_host         = true
    enable_vpc_block_public_access = true
    interface_endpoints            = ["kinesis-streams", "logs", "sqs", "kms", "monitoring", "xray"]
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
}
