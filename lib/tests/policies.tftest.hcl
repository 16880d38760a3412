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

variables {
  package_dir = "./tests/zips" # empty files: without a zip every plan says so
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

override_resource {
  target          = aws_cloudwatch_log_group.this["consumer"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-consumer" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["projector"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-projector" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["drainer"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-drainer" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["collector"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-collector" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["insights"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-insights" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["flow-logs"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/vpc/tapstack-dev-flow-logs" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["firehose"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/kinesisfirehose/tapstack-dev-archive" }
}

override_resource {
  target          = aws_kinesis_stream.events
  override_during = plan
  values          = { arn = "arn:aws:kinesis:us-east-1:111122223333:stream/tapstack-dev-events" }
}

override_resource {
  target          = aws_dynamodb_table.behaviour
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111122223333:table/tapstack-dev-behaviour"
    stream_arn = "arn:aws:dynamodb:us-east-1:111122223333:table/tapstack-dev-behaviour/stream/2026-11-29T00:00:00.000"
  }
}

override_resource {
  target          = aws_s3_bucket.this["archive"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::tapstack-dev-archive-111122223333-us-east-1", id = "tapstack-dev-archive-111122223333-us-east-1" }
}

override_resource {
  target          = aws_s3_bucket.this["quarantine"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::tapstack-dev-quarantine-111122223333-us-east-1", id = "tapstack-dev-quarantine-111122223333-us-east-1" }
}

override_resource {
  target          = aws_s3_bucket.this["late"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::tapstack-dev-late-111122223333-us-east-1", id = "tapstack-dev-late-111122223333-us-east-1" }
}

override_resource {
  target          = aws_s3_bucket.this["spill"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::tapstack-dev-spill-111122223333-us-east-1", id = "tapstack-dev-spill-111122223333-us-east-1" }
}

override_resource {
  target          = aws_s3_bucket.this["failure"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::tapstack-dev-failure-111122223333-us-east-1", id = "tapstack-dev-failure-111122223333-us-east-1" }
}

override_resource {
  target          = aws_iam_role.this["consumer"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/tapstack-dev-consumer", id = "tapstack-dev-consumer" }
}

override_resource {
  target          = aws_lambda_function.this["consumer"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:tapstack-dev-consumer" }
}

override_resource {
  target          = aws_iam_role.this["projector"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/tapstack-dev-projector", id = "tapstack-dev-projector" }
}

override_resource {
  target          = aws_iam_role.this["drainer"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/tapstack-dev-drainer", id = "tapstack-dev-drainer" }
}

override_resource {
  target          = aws_lambda_function.this["projector"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:tapstack-dev-projector" }
}

override_resource {
  target          = aws_lambda_function.this["drainer"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:tapstack-dev-drainer" }
}

override_resource {
  target          = aws_iam_role.this["collector"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/tapstack-dev-collector", id = "tapstack-dev-collector" }
}

override_resource {
  target          = aws_lambda_function.this["collector"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:tapstack-dev-collector" }
}

override_resource {
  target          = aws_iam_role.this["insights"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/tapstack-dev-insights", id = "tapstack-dev-insights" }
}

override_resource {
  target          = aws_lambda_function.this["insights"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:tapstack-dev-insights" }
}

override_resource {
  target          = aws_lb_target_group.function["collector"]
  override_during = plan
  values          = { arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/tapstack-dev-collector/0123456789abcdef" }
}

override_resource {
  target          = aws_lb_target_group.function["insights"]
  override_during = plan
  values          = { arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/tapstack-dev-insights/0123456789abcdef" }
}

override_resource {
  target          = aws_lb_listener.http
  override_during = plan
  values          = { arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:listener/app/tapstack-dev-api/0123456789abcdef/0123456789abcdef" }
}

run "functions" {
  command = plan

  expect_failures = [check.traffic_is_encrypted] # the rules hang on the plain listener here

  assert {
    condition     = aws_lambda_function.this["consumer"].environment[0].variables.TAPSTACK_TABLE == aws_dynamodb_table.behaviour.name
    error_message = "What a function is told is known in the plan."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.function_name == aws_lambda_function.this["consumer"].arn && aws_lambda_event_source_mapping.projector.function_name == aws_lambda_function.this["projector"].arn
    error_message = "What a function is invoked by is known in the plan."
  }
}
