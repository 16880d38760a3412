# Whatever there is one of for each zone, function, key or bucket has an identifier of its own here, so that a swap is
# seen; and every policy that no other test reads stands here word by word.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  package_dir     = "./tests/zips" # empty files: without a zip every plan says so, too
}

override_resource {
  target          = aws_kms_key.this["stream"]
  override_during = plan
  values          = { arn = "arn:aws:kms:us-east-1:111122223333:key/stream" }
}

override_resource {
  target          = aws_kms_key.this["table"]
  override_during = plan
  values          = { arn = "arn:aws:kms:us-east-1:111122223333:key/table" }
}

override_resource {
  target          = aws_kms_key.this["objects"]
  override_during = plan
  values          = { arn = "arn:aws:kms:us-east-1:111122223333:key/objects" }
}

override_resource {
  target          = aws_kms_key.this["operations"]
  override_during = plan
  values          = { arn = "arn:aws:kms:us-east-1:111122223333:key/operations" }
}

override_resource {
  target          = aws_lambda_function.this["consumer"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:consumer" }
}

override_resource {
  target          = aws_iam_role.this["consumer"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/consumer", id = "role-consumer" }
}

override_resource {
  target          = aws_lambda_function.this["projector"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:projector" }
}

override_resource {
  target          = aws_lambda_function.this["drainer"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:drainer" }
}

override_resource {
  target          = aws_iam_role.this["projector"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/projector", id = "role-projector" }
}

override_resource {
  target          = aws_iam_role.this["drainer"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/drainer", id = "role-drainer" }
}

override_resource {
  target          = aws_lambda_function.this["collector"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:collector" }
}

override_resource {
  target          = aws_iam_role.this["collector"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/collector", id = "role-collector" }
}

override_resource {
  target          = aws_lambda_function.this["insights"]
  override_during = plan
  values          = { arn = "arn:aws:lambda:us-east-1:111122223333:function:insights" }
}

override_resource {
  target          = aws_iam_role.this["insights"]
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/insights", id = "role-insights" }
}

override_resource {
  target          = aws_lb_target_group.function["collector"]
  override_during = plan
  values          = { arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/collector/0123456789abcdef" }
}

override_resource {
  target          = aws_lb_target_group.function["insights"]
  override_during = plan
  values          = { arn = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/insights/0123456789abcdef" }
}

override_resource {
  target          = aws_s3_bucket.this["archive"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::archive", id = "archive" }
}

override_resource {
  target          = aws_s3_bucket.this["failure"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::failure", id = "failure" }
}

override_resource {
  target          = aws_s3_bucket.this["late"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::late", id = "late" }
}

override_resource {
  target          = aws_s3_bucket.this["spill"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::spill", id = "spill" }
}

override_resource {
  target          = aws_s3_bucket.this["quarantine"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::quarantine", id = "quarantine" }
}

override_resource {
  target          = aws_s3_bucket.this["logs"]
  override_during = plan
  values          = { arn = "arn:aws:s3:::logs", id = "logs" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["consumer"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:consumer" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["projector"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:projector" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["drainer"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:drainer" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["collector"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:collector" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["insights"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:insights" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["flow-logs"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:flow-logs" }
}

override_resource {
  target          = aws_cloudwatch_log_group.this["firehose"]
  override_during = plan
  values          = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:firehose" }
}

override_resource {
  target          = aws_eip.nat["us-east-1a"]
  override_during = plan
  values          = { allocation_id = "eipalloc-a" }
}

override_resource {
  target          = aws_nat_gateway.zonal["us-east-1a"]
  override_during = plan
  values          = { id = "nat-a" }
}

override_resource {
  target          = aws_subnet.private["egress-us-east-1a"]
  override_during = plan
  values          = { id = "subnet-egress-a" }
}

override_resource {
  target          = aws_route_table.this["app-us-east-1a"]
  override_during = plan
  values          = { id = "rtb-a" }
}

override_resource {
  target          = aws_eip.nat["zonal-us-east-1a"]
  override_during = plan
  values          = { allocation_id = "eipalloc-zonal-a" }
}

override_resource {
  target          = aws_eip.nat["zonal-us-east-1b"]
  override_during = plan
  values          = { allocation_id = "eipalloc-zonal-b" }
}

override_resource {
  target          = aws_eip.nat["us-east-1b"]
  override_during = plan
  values          = { allocation_id = "eipalloc-b" }
}

override_resource {
  target          = aws_nat_gateway.zonal["us-east-1b"]
  override_during = plan
  values          = { id = "nat-b" }
}

override_resource {
  target          = aws_subnet.private["egress-us-east-1b"]
  override_during = plan
  values          = { id = "subnet-egress-b" }
}

override_resource {
  target          = aws_route_table.this["app-us-east-1b"]
  override_during = plan
  values          = { id = "rtb-b" }
}

override_resource {
  target          = aws_vpc_endpoint.gateway["dynamodb"]
  override_during = plan
  values          = { id = "vpce-dynamodb", prefix_list_id = "pl-dynamodb" }
}

override_resource {
  target          = aws_vpc_endpoint.gateway["s3"]
  override_during = plan
  values          = { id = "vpce-s3", prefix_list_id = "pl-s3" }
}

run "by_default" {
  command = plan

  # Functions meet their own roles, targets and permissions.
  assert {
    condition = { for name, permission in aws_lambda_permission.load_balancer : name => "${permission.function_name} ${permission.source_arn}" } == {
      collector = "tapstack-dev-collector arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/collector/0123456789abcdef"
      insights  = "tapstack-dev-insights arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/insights/0123456789abcdef"
    }
    error_message = "The load balancer may call a function for that function's target group."
  }

  assert {
    condition = { for name, attachment in aws_lb_target_group_attachment.function : attachment.target_group_arn => attachment.target_id } == {
      "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/collector/0123456789abcdef" = "arn:aws:lambda:us-east-1:111122223333:function:collector"
      "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/insights/0123456789abcdef"  = "arn:aws:lambda:us-east-1:111122223333:function:insights"
    }
    error_message = "A target group holds its own function."
  }

  assert {
    condition = { for name, rule in aws_lb_listener_rule.api : split("-", name)[0] => rule.action[0].target_group_arn... } == {
      for name in ["collector", "insights"] : name => [
        for rule in local.api_rules : "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/${name}/0123456789abcdef" if rule.service == name
      ]
    }
    error_message = "A listener rule forwards to its own service."
  }

  assert {
    condition     = { for name, function in aws_lambda_function.this : name => "${function.role} ${function.logging_config[0].log_group}" } == { for name in ["consumer", "projector", "drainer", "collector", "insights"] : name => "arn:aws:iam::111122223333:role/${name} /aws/lambda/tapstack-dev-${name}" }
    error_message = "A function runs with its own role and writes to its own log group."
  }

  assert {
    condition     = { for name, policy in aws_iam_role_policy.this : name => policy.role if contains(["consumer", "projector", "drainer", "collector", "insights"], name) } == { consumer = "role-consumer", projector = "role-projector", drainer = "role-drainer", collector = "role-collector", insights = "role-insights" } && { for name, policy in aws_iam_role_policy.function_common : name => policy.role } == { consumer = "role-consumer", projector = "role-projector", drainer = "role-drainer", collector = "role-collector", insights = "role-insights" }
    error_message = "A policy belongs to the role of its function."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.function_name == "arn:aws:lambda:us-east-1:111122223333:function:consumer" && aws_lambda_event_source_mapping.consumer.destination_config[0].on_failure[0].destination_arn == "arn:aws:s3:::failure"
    error_message = "The mapping invokes the consumer and gives up to the failure bucket."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.projector.function_name == "arn:aws:lambda:us-east-1:111122223333:function:projector" && aws_lambda_event_source_mapping.projector.event_source_arn == aws_dynamodb_table.behaviour.stream_arn
    error_message = "The table's stream invokes the projector."
  }

  # Each class of data has its own key.
  assert {
    condition = {
      stream    = aws_kinesis_stream.events.kms_key_id
      table     = aws_dynamodb_table.behaviour.server_side_encryption[0].kms_key_arn
      archive   = aws_kinesis_firehose_delivery_stream.archive[0].extended_s3_configuration[0].kms_key_arn
      topic     = aws_sns_topic.alarms.kms_master_key_id
      buckets   = join(" ", distinct([for name, bucket in aws_s3_bucket_server_side_encryption_configuration.this : one(one(bucket.rule).apply_server_side_encryption_by_default).kms_master_key_id if name != "logs"]))
      functions = join(" ", distinct([for function in aws_lambda_function.this : function.kms_key_arn]))
      logs      = join(" ", distinct([for group in aws_cloudwatch_log_group.this : group.kms_key_id]))
      } == {
      stream    = "arn:aws:kms:us-east-1:111122223333:key/stream"
      table     = "arn:aws:kms:us-east-1:111122223333:key/table"
      archive   = "arn:aws:kms:us-east-1:111122223333:key/objects"
      topic     = "arn:aws:kms:us-east-1:111122223333:key/operations"
      buckets   = "arn:aws:kms:us-east-1:111122223333:key/objects"
      functions = "arn:aws:kms:us-east-1:111122223333:key/operations"
      logs      = "arn:aws:kms:us-east-1:111122223333:key/operations"
    }
    error_message = "A key is used for another class of data."
  }

  # Groups open connections to the addresses of the right service.
  assert {
    condition = { for key, rule in aws_vpc_security_group_egress_rule.this : key => rule.prefix_list_id if rule.prefix_list_id != null } == {
      consumer-out-https-dynamodb  = "pl-dynamodb"
      consumer-out-https-s3        = "pl-s3"
      collector-out-https-s3       = "pl-s3"
      drainer-out-https-s3         = "pl-s3"
      insights-out-https-dynamodb  = "pl-dynamodb"
      projector-out-https-dynamodb = "pl-dynamodb"
    }
    error_message = "A rule names another service's addresses."
  }

  # The regional NAT gateway has the address of each zone.
  assert {
    condition     = [for address in jsondecode(aws_cloudformation_stack.nat[0].template_body).Resources.NatGateway.Properties.AvailabilityZoneAddresses : "${address.AvailabilityZone} ${join(" ", address.AllocationIds)}"] == ["us-east-1a eipalloc-a", "us-east-1b eipalloc-b"]
    error_message = "Each zone leaves under its own address."
  }

  # Policies say these words.
  assert {
    condition = {
      for name, document in {
        alarms_topic             = data.aws_iam_policy_document.alarms
        data_bucket              = data.aws_iam_policy_document.bucket["late"]
        logs_bucket              = data.aws_iam_policy_document.bucket["logs"]
        operations_key           = data.aws_iam_policy_document.kms["operations"]
        stream_key               = data.aws_iam_policy_document.kms["stream"]
        table                    = data.aws_iam_policy_document.table
        table_key                = data.aws_iam_policy_document.kms["table"]
        objects_key              = data.aws_iam_policy_document.kms["objects"]
        firehose                 = data.aws_iam_policy_document.firehose[0]
        flow_logs                = data.aws_iam_policy_document.flow_logs
        common                   = data.aws_iam_policy_document.function_common["consumer"]
        assume_firehose          = data.aws_iam_policy_document.assume["firehose"]
        assume_flow_logs         = data.aws_iam_policy_document.assume["flow-logs"]
        assume_lambda            = data.aws_iam_policy_document.assume["consumer"]
        endpoint_dynamodb        = data.aws_iam_policy_document.endpoint["dynamodb"]
        endpoint_s3              = data.aws_iam_policy_document.endpoint["s3"]
        endpoint_kinesis_streams = data.aws_iam_policy_document.endpoint["kinesis-streams"]
        } : name => { for statement in document.statement : statement.sid => join(" ", concat(
          [coalesce(statement.effect, "Allow")], sort(statement.actions), ["on"], sort(coalesce(statement.resources, [])),
          flatten([for principal in statement.principals : concat(["by", principal.type], sort(principal.identifiers))]),
          flatten([for condition in statement.condition : concat(["if", condition.test, condition.variable], sort(condition.values))]),
      )) }
      } == {
      alarms_topic = {
        AlarmsPublish = "Allow sns:Publish on arn:aws:sns:us-east-1:111122223333:mock by Service cloudwatch.amazonaws.com if ArnLike aws:SourceArn arn:aws:cloudwatch:us-east-1:111122223333:alarm:tapstack-dev-* if StringEquals aws:SourceAccount 111122223333"
      }
      data_bucket = {
        TlsOnly = "Deny s3:* on arn:aws:s3:::late arn:aws:s3:::late/* by * * if Bool aws:SecureTransport false"
      }
      logs_bucket = {
        LoadBalancerWritesLogs = "Allow s3:PutObject on arn:aws:s3:::logs/alb-access/AWSLogs/111122223333/* arn:aws:s3:::logs/alb-connection/AWSLogs/111122223333/* by Service logdelivery.elasticloadbalancing.amazonaws.com"
        S3WritesLogs           = "Allow s3:PutObject on arn:aws:s3:::logs/s3/* by Service logging.s3.amazonaws.com if ArnEquals aws:SourceArn arn:aws:s3:::archive arn:aws:s3:::failure arn:aws:s3:::late arn:aws:s3:::quarantine arn:aws:s3:::spill if StringEquals aws:SourceAccount 111122223333"
        TlsOnly                = "Deny s3:* on arn:aws:s3:::logs arn:aws:s3:::logs/* by * * if Bool aws:SecureTransport false"
      }
      operations_key = {
        AccountAdministersKey        = "Allow kms:CancelKeyDeletion kms:CreateAlias kms:DeleteAlias kms:DescribeKey kms:DisableKey kms:DisableKeyRotation kms:EnableKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListGrants kms:ListKeyPolicies kms:ListKeyRotations kms:ListResourceTags kms:PutKeyPolicy kms:RevokeGrant kms:RotateKeyOnDemand kms:ScheduleKeyDeletion kms:TagResource kms:UntagResource kms:UpdateAlias kms:UpdateKeyDescription on * by AWS arn:aws:iam::111122223333:root"
        AccountUsesKeyThroughService = "Allow kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom kms:ReEncryptTo on * by AWS arn:aws:iam::111122223333:root if StringEquals kms:ViaService lambda.us-east-1.amazonaws.com secretsmanager.us-east-1.amazonaws.com sns.us-east-1.amazonaws.com"
        AlarmsPublish                = "Allow kms:Decrypt kms:GenerateDataKey on * by Service cloudwatch.amazonaws.com if ArnLike aws:SourceArn arn:aws:cloudwatch:us-east-1:111122223333:alarm:tapstack-dev-* if StringEquals aws:SourceAccount 111122223333"
        LogsEncryptsGroups           = "Allow kms:Decrypt kms:Describe* kms:Encrypt kms:GenerateDataKey* kms:ReEncrypt* on * by Service logs.us-east-1.amazonaws.com if ArnEquals kms:EncryptionContext:aws:logs:arn arn:aws:logs:us-east-1:111122223333:log-group:/aws/kinesisfirehose/tapstack-dev-archive arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-collector arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-consumer arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-drainer arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-insights arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/tapstack-dev-projector arn:aws:logs:us-east-1:111122223333:log-group:/aws/vpc/tapstack-dev-flow-logs"
        ServicesKeepGrants           = "Allow kms:CreateGrant on * by AWS arn:aws:iam::111122223333:root if Bool kms:GrantIsForAWSResource true if StringEquals kms:ViaService lambda.us-east-1.amazonaws.com secretsmanager.us-east-1.amazonaws.com sns.us-east-1.amazonaws.com"
      }
      stream_key = {
        AccountAdministersKey        = "Allow kms:CancelKeyDeletion kms:CreateAlias kms:DeleteAlias kms:DescribeKey kms:DisableKey kms:DisableKeyRotation kms:EnableKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListGrants kms:ListKeyPolicies kms:ListKeyRotations kms:ListResourceTags kms:PutKeyPolicy kms:RevokeGrant kms:RotateKeyOnDemand kms:ScheduleKeyDeletion kms:TagResource kms:UntagResource kms:UpdateAlias kms:UpdateKeyDescription on * by AWS arn:aws:iam::111122223333:root"
        AccountUsesKeyThroughService = "Allow kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom kms:ReEncryptTo on * by AWS arn:aws:iam::111122223333:root if StringEquals kms:ViaService kinesis.us-east-1.amazonaws.com"
      }
      table = {
        ItemsThroughOurEndpointOnly = "Deny dynamodb:BatchGetItem dynamodb:BatchWriteItem dynamodb:ConditionCheckItem dynamodb:DeleteItem dynamodb:GetItem dynamodb:PartiQLDelete dynamodb:PartiQLInsert dynamodb:PartiQLSelect dynamodb:PartiQLUpdate dynamodb:PutItem dynamodb:Query dynamodb:Scan dynamodb:UpdateItem on arn:aws:dynamodb:us-east-1:111122223333:table/mock by * * if BoolIfExists aws:ViaAWSService false if StringNotEqualsIfExists aws:SourceVpce vpce-dynamodb"
      }
      table_key = {
        AccountAdministersKey        = "Allow kms:CancelKeyDeletion kms:CreateAlias kms:DeleteAlias kms:DescribeKey kms:DisableKey kms:DisableKeyRotation kms:EnableKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListGrants kms:ListKeyPolicies kms:ListKeyRotations kms:ListResourceTags kms:PutKeyPolicy kms:RevokeGrant kms:RotateKeyOnDemand kms:ScheduleKeyDeletion kms:TagResource kms:UntagResource kms:UpdateAlias kms:UpdateKeyDescription on * by AWS arn:aws:iam::111122223333:root"
        AccountUsesKeyThroughService = "Allow kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom kms:ReEncryptTo on * by AWS arn:aws:iam::111122223333:root if StringEquals kms:ViaService dynamodb.us-east-1.amazonaws.com"
        ServicesKeepGrants           = "Allow kms:CreateGrant on * by AWS arn:aws:iam::111122223333:root if Bool kms:GrantIsForAWSResource true if StringEquals kms:ViaService dynamodb.us-east-1.amazonaws.com"
      }
      objects_key = {
        AccountAdministersKey        = "Allow kms:CancelKeyDeletion kms:CreateAlias kms:DeleteAlias kms:DescribeKey kms:DisableKey kms:DisableKeyRotation kms:EnableKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListGrants kms:ListKeyPolicies kms:ListKeyRotations kms:ListResourceTags kms:PutKeyPolicy kms:RevokeGrant kms:RotateKeyOnDemand kms:ScheduleKeyDeletion kms:TagResource kms:UntagResource kms:UpdateAlias kms:UpdateKeyDescription on * by AWS arn:aws:iam::111122223333:root"
        AccountUsesKeyThroughService = "Allow kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom kms:ReEncryptTo on * by AWS arn:aws:iam::111122223333:root if StringEquals kms:ViaService s3.us-east-1.amazonaws.com"
      }
      firehose = {
        DecryptStream  = "Allow kms:Decrypt on arn:aws:kms:us-east-1:111122223333:key/stream if StringEquals kms:ViaService kinesis.us-east-1.amazonaws.com"
        EncryptArchive = "Allow kms:Decrypt kms:GenerateDataKey on arn:aws:kms:us-east-1:111122223333:key/objects if StringEquals kms:ViaService s3.us-east-1.amazonaws.com"
        FindArchive    = "Allow s3:GetBucketLocation s3:ListBucket s3:ListBucketMultipartUploads on arn:aws:s3:::archive"
        LogErrors      = "Allow logs:PutLogEvents on arn:aws:logs:us-east-1:111122223333:log-group:firehose:log-stream:*"
        ReadStream     = "Allow kinesis:DescribeStream kinesis:GetRecords kinesis:GetShardIterator kinesis:ListShards on arn:aws:kinesis:us-east-1:111122223333:stream/mock"
        WriteArchive   = "Allow s3:AbortMultipartUpload s3:GetObject s3:PutObject on arn:aws:s3:::archive/*"
      }
      flow_logs = {
        FindLogGroup  = "Allow logs:DescribeLogGroups on *"
        WriteFlowLogs = "Allow logs:CreateLogStream logs:DescribeLogStreams logs:PutLogEvents on arn:aws:logs:us-east-1:111122223333:log-group:flow-logs:*"
      }
      common = {
        AttachToNetwork        = "Allow ec2:AssignPrivateIpAddresses ec2:CreateNetworkInterface ec2:DeleteNetworkInterface ec2:UnassignPrivateIpAddresses on arn:aws:ec2:us-east-1:111122223333:*/*"
        CodeLeavesNetworkAlone = "Deny ec2:AssignPrivateIpAddresses ec2:CreateNetworkInterface ec2:DeleteNetworkInterface ec2:DescribeNetworkInterfaces ec2:DescribeSubnets ec2:UnassignPrivateIpAddresses on * if ArnEquals lambda:SourceFunctionArn arn:aws:lambda:us-east-1:111122223333:function:tapstack-dev-consumer"
        DecryptSettings        = "Allow kms:Decrypt on arn:aws:kms:us-east-1:111122223333:key/operations if StringEquals kms:ViaService lambda.us-east-1.amazonaws.com"
        FindNetwork            = "Allow ec2:DescribeNetworkInterfaces ec2:DescribeSubnets on *"
        WriteLogs              = "Allow logs:CreateLogStream logs:PutLogEvents on arn:aws:logs:us-east-1:111122223333:log-group:consumer:*"
      }
      assume_firehose = {
        ServiceAssumesRole = "Allow sts:AssumeRole on by Service firehose.amazonaws.com if StringEquals aws:SourceAccount 111122223333"
      }
      assume_flow_logs = {
        ServiceAssumesRole = "Allow sts:AssumeRole on by Service vpc-flow-logs.amazonaws.com if ArnLike aws:SourceArn arn:aws:ec2:us-east-1:111122223333:vpc-flow-log/* if StringEquals aws:SourceAccount 111122223333"
      }
      assume_lambda = {
        ServiceAssumesRole = "Allow sts:AssumeRole on by Service lambda.amazonaws.com"
      }
      endpoint_dynamodb = {
        OurResourcesForOurAccount = "Allow dynamodb:BatchGetItem dynamodb:PartiQLInsert dynamodb:PartiQLUpdate dynamodb:PutItem dynamodb:Query on arn:aws:dynamodb:us-east-1:111122223333:table/mock by * * if StringEquals aws:PrincipalAccount 111122223333"
      }
      endpoint_s3 = {
        OurResourcesForOurAccount = "Allow s3:DeleteObject s3:GetObject s3:ListBucket s3:PutObject on arn:aws:s3:::archive arn:aws:s3:::archive/* arn:aws:s3:::failure arn:aws:s3:::failure/* arn:aws:s3:::late arn:aws:s3:::late/* arn:aws:s3:::quarantine arn:aws:s3:::quarantine/* arn:aws:s3:::spill arn:aws:s3:::spill/* by * * if StringEquals aws:PrincipalAccount 111122223333"
      }
      endpoint_kinesis_streams = {
        OurResourcesForOurAccount = "Allow kinesis:PutRecords on arn:aws:kinesis:us-east-1:111122223333:stream/mock by * * if StringEquals aws:PrincipalAccount 111122223333"
      }
    }
    error_message = "A statement says something else."
  }
}

run "each_zone_leaves_through_its_own_nat_gateway" {
  command = plan

  variables {
    nat_gateway_mode = "zonal"
  }

  assert {
    condition     = { for route in aws_route.app_to_nat : route.route_table_id => route.nat_gateway_id } == { rtb-a = "nat-a", rtb-b = "nat-b" }
    error_message = "A zone that leaves through another one's gateway fails with it."
  }

  assert {
    condition     = { for az, gateway in aws_nat_gateway.zonal : az => "${gateway.subnet_id} ${gateway.allocation_id}" } == { us-east-1a = "subnet-egress-a eipalloc-zonal-a", us-east-1b = "subnet-egress-b eipalloc-zonal-b" }
    error_message = "A gateway stands in its own zone."
  }
}
