# Renders the policies, environments, mapping and rules of the functions with the real provider, which turns policy
# documents into JSON on its own. Nothing is called: what a plan cannot know, or would ask AWS for, stands here.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "testing"
  secret_key                  = "testing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = data.aws_availability_zones.available
  values = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
}

override_resource {
  target          = aws_kms_key.this["stream"]
  override_during = plan
  values          = { arn = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000a" }
}

override_resource {
  target          = aws_kms_key.this["table"]
  override_during = plan
  values          = { arn = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000b" }
}

override_resource {
  target          = aws_kms_key.this["objects"]
  override_during = plan
  values          = { arn = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000c" }
}

override_resource {
  target          = aws_kms_key.this["operations"]
  override_during = plan
  values          = { arn = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-00000000000d" }
}

run "functions" {
  command = plan

  assert {
    condition     = alltrue([for policy in values(aws_iam_role_policy.function) : can(jsondecode(policy.policy))])
    error_message = "Every policy is known in the plan."
  }
}
