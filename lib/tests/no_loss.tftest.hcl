# No event may be lost: the settings that the design rests on, whatever else is chosen.

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

  # The mapping never skips a record.
  assert {
    condition     = aws_lambda_event_source_mapping.consumer.starting_position == "TRIM_HORIZON"
    error_message = "LATEST loses what arrives while the mapping is made."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.maximum_retry_attempts == -1 && aws_lambda_event_source_mapping.consumer.maximum_record_age_in_seconds == -1
    error_message = "Retries and age must be unlimited."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "The consumer names the record to resume from."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.consumer.filter_criteria) == 0
    error_message = "Filtered records are silently gone."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.tumbling_window_in_seconds == null
    error_message = "Tumbling windows keep state outside the table."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.destination_config[0].on_failure[0].destination_arn == aws_s3_bucket.this["failure"].arn
    error_message = "Only S3 keeps the payload of a batch that was given up."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.metrics_config[0].metrics == toset(["EventCount"])
    error_message = "The alarms need the mapping's own counts."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.batch_size == 1000 && aws_lambda_event_source_mapping.consumer.maximum_batching_window_in_seconds == 1 && aws_lambda_event_source_mapping.consumer.parallelization_factor == 1
    error_message = "Defaults of batch size, window and parallelism."
  }

  assert {
    condition     = !anytrue([for value in values(aws_lambda_function.this) : value.reserved_concurrent_executions != -1])
    error_message = "No concurrency is reserved by default."
  }

  # The projector runs until all is folded.
  assert {
    condition     = aws_dynamodb_table.behaviour.stream_enabled && aws_dynamodb_table.behaviour.stream_view_type == "KEYS_ONLY" && aws_lambda_event_source_mapping.projector.event_source_arn == aws_dynamodb_table.behaviour.stream_arn
    error_message = "The table's stream wakes the projector, and carries no behaviour."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.projector.starting_position == "TRIM_HORIZON" && aws_lambda_event_source_mapping.projector.maximum_retry_attempts == -1 && aws_lambda_event_source_mapping.projector.maximum_record_age_in_seconds == -1
    error_message = "A run that fails is repeated: without it, the last entries before a silence would wait for the next event."
  }

  assert {
    condition     = [for filter in one(aws_lambda_event_source_mapping.projector.filter_criteria).filter : jsondecode(filter.pattern)] == [{ dynamodb = { Keys = { pk = { S = [{ prefix = "J#" }] } } } }]
    error_message = "Entries of the journal wake it, and nothing that it writes itself."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.projector.batch_size == 10000 && aws_lambda_event_source_mapping.projector.maximum_batching_window_in_seconds == 10 && aws_lambda_event_source_mapping.projector.parallelization_factor == 1
    error_message = "One run each interval and shard."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.projector.function_response_types == toset(["ReportBatchItemFailures"]) && aws_lambda_event_source_mapping.projector.bisect_batch_on_function_error == false && length(aws_lambda_event_source_mapping.projector.destination_config) == 0
    error_message = "Nothing is halved or put aside: the trigger carries no data."
  }

  assert {
    condition     = { for name in ["projector-iterator-age-ms", "projector-behind-ms"] : name => aws_cloudwatch_metric_alarm.this[name].threshold } == { projector-iterator-age-ms = 300000, projector-behind-ms = 21600000 }
    error_message = "Soon, and long before the seven days after which the consumer stops."
  }

  # A reader that does not run is seen.
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.ratio : name => join(" ", concat(
      ["${alarm.datapoints_to_alarm} of ${alarm.evaluation_periods} above ${alarm.threshold}:"],
      sort([for query in alarm.metric_query : query.return_data == true ? "${query.label}: ${query.expression}" : "${query.id} = ${query.metric[0].namespace} ${query.metric[0].metric_name} ${query.metric[0].stat} ${query.metric[0].period} s"]),
      )) } == {
      quarantine-percent       = "1 of 1 above 1: Quarantined events in percent of records: 100 * taken / incoming incoming = AWS/Kinesis IncomingRecords Sum 300 s taken = Tapstack events_quarantined Sum 300 s"
      consumer-idle            = "5 of 6 above 0: 1 while events come in and none is taken: IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0) incoming = AWS/Kinesis IncomingRecords Sum 60 s taken = AWS/Lambda Invocations Sum 60 s"
      consumer-idle-hours      = "2 of 2 above 0: 1 while events come in and none is taken: IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0) incoming = AWS/Kinesis IncomingRecords Sum 7200 s taken = AWS/Lambda Invocations Sum 7200 s"
      consumer-idle-days       = "2 of 2 above 0: 1 while events come in and none is taken: IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0) incoming = AWS/Kinesis IncomingRecords Sum 86400 s taken = AWS/Lambda Invocations Sum 86400 s"
      projector-idle           = "15 of 16 above 0: 1 while events are counted and the projector does not run: IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0) incoming = Tapstack events_applied Sum 60 s taken = AWS/Lambda Invocations Sum 60 s"
      projector-idle-days      = "2 of 2 above 0: 1 while events are counted and the projector does not run: IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0) incoming = Tapstack events_applied Sum 86400 s taken = AWS/Lambda Invocations Sum 86400 s"
      refused-events-percent   = "1 of 1 above 5: Refused events in percent of all: 100 * taken / (incoming + taken) incoming = Tapstack events_ok Sum 900 s taken = Tapstack events_invalid Sum 900 s"
      refused-requests-percent = "1 of 1 above 5: Requests refused by the collector, in percent: 100 * taken / incoming incoming = AWS/ApplicationELB RequestCount Sum 900 s taken = AWS/ApplicationELB HTTPCode_Target_4XX_Count Sum 900 s"
      archive-idle-days        = "2 of 2 above 0: 1 while events come in and none is taken: IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0) incoming = AWS/Kinesis IncomingRecords Sum 86400 s taken = AWS/Firehose DeliveryToS3.Records Sum 86400 s"
      archive-idle             = "3 of 4 above 0: 1 while events come in and none is taken: IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0) incoming = AWS/Kinesis IncomingRecords Sum 900 s taken = AWS/Firehose DeliveryToS3.Records Sum 900 s"
    }
    error_message = "Every reader is watched while it counts nothing."
  }

  # Periods of an hour and more may reach back seven days, shorter ones a day.
  assert {
    condition = alltrue(flatten([
      for alarm in aws_cloudwatch_metric_alarm.ratio : [
        for query in alarm.metric_query : [
          for metric in query.metric : metric.period * alarm.evaluation_periods <= (metric.period < 3600 ? 86400 : 604800)
        ]
      ]
    ]))
    error_message = "CloudWatch refuses an alarm that looks at more."
  }

  # The stream keeps seven days and takes the peak.
  assert {
    condition     = aws_kinesis_stream.events.retention_period == 168 && aws_kinesis_stream.events.shard_count == 2 && aws_kinesis_stream.events.stream_mode_details[0].stream_mode == "PROVISIONED"
    error_message = "Two shards and seven days for 10,000 events a minute."
  }

  assert {
    condition     = aws_kinesis_stream.events.encryption_type == "KMS" && aws_kinesis_stream.events.kms_key_id == aws_kms_key.this["stream"].arn && length(aws_kinesis_stream.events.shard_level_metrics) == 7
    error_message = "The stream is encrypted with its own key and measured shard by shard."
  }

  assert {
    condition     = local.function_environment.consumer.TAPSTACK_LANES == "2"
    error_message = "A lane of the journal for each shard."
  }

  # Dead letters are kept.
  assert {
    condition     = toset(keys(aws_s3_bucket.this)) == toset(["spill", "quarantine", "late", "failure", "archive", "logs"])
    error_message = "Spill, quarantine, late, failure, archive and logs."
  }

  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : bucket.force_destroy == false])
    error_message = "A destroy must not delete events unasked."
  }

  assert {
    condition     = alltrue([for versioning in aws_s3_bucket_versioning.this : versioning.versioning_configuration[0].status == "Enabled"])
    error_message = "Every bucket keeps versions."
  }

  assert {
    condition     = alltrue([for block in aws_s3_bucket_public_access_block.this : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "No bucket may become public."
  }

  assert {
    condition     = alltrue([for name, lifecycle in aws_s3_bucket_lifecycle_configuration.this : lifecycle.rule[0].expiration[0].days >= 90 if !contains(["logs", "spill"], name)])
    error_message = "Nothing may expire before a person could act."
  }

  assert {
    condition     = [for name, bucket in local.buckets : name if bucket.days == 0] == ["spill"]
    error_message = "What is spilled never expires: it is accepted and not yet on the stream."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this["spill"].rule[0].expiration[0].expired_object_delete_marker
    error_message = "Markers of drained objects go, or each listing of the drainer would pass over all that there ever were; days do it elsewhere."
  }

  # The raw archive reads the stream by itself.
  assert {
    condition     = aws_kinesis_firehose_delivery_stream.archive[0].kinesis_source_configuration[0].kinesis_stream_arn == aws_kinesis_stream.events.arn && aws_kinesis_firehose_delivery_stream.archive[0].extended_s3_configuration[0].bucket_arn == aws_s3_bucket.this["archive"].arn
    error_message = "From the stream to the archive bucket."
  }

  # The table recovers scales and expires.
  assert {
    condition     = aws_dynamodb_table.behaviour.point_in_time_recovery[0].enabled && aws_dynamodb_table.behaviour.server_side_encryption[0].enabled && aws_dynamodb_table.behaviour.ttl[0].attribute_name == "ttl" && aws_dynamodb_table.behaviour.deletion_protection_enabled
    error_message = "Recovery, encryption, expiry and deletion protection."
  }

  assert {
    condition     = aws_dynamodb_table.behaviour.hash_key == "pk" && aws_dynamodb_table.behaviour.range_key == "sk" && length(aws_dynamodb_table.behaviour.global_secondary_index) == 0
    error_message = "Keys pk and sk, no index."
  }

  assert {
    condition = { for key, target in aws_appautoscaling_target.table : target.scalable_dimension => "${target.min_capacity}-${target.max_capacity}" } == {
      "dynamodb:table:ReadCapacityUnits"  = "105-834"
      "dynamodb:table:WriteCapacityUnits" = "131-1042"
    }
    error_message = "From a quarter of what the peak needs at 80 % use (167 events/s * 2 and 2.5 units) to twice that."
  }

  assert {
    condition     = aws_dynamodb_table.behaviour.read_capacity == 105 && aws_dynamodb_table.behaviour.write_capacity == 131
    error_message = "The table starts with the least."
  }

  assert {
    condition     = alltrue([for policy in aws_appautoscaling_policy.table : policy.target_tracking_scaling_policy_configuration[0].target_value == 80])
    error_message = "Lag waits in the stream, so 80 % may be used."
  }

  assert {
    condition     = output.table_capacity.write == { min = 131, peak = 521, max = 1042 } && output.table_ramp_minutes == 21
    error_message = "The plan says what the peak needs, and how long the ramp takes: seven steps of a quarter, three minutes each."
  }

  assert {
    condition     = length(aws_appautoscaling_policy.table) == 2 && alltrue([for policy in aws_appautoscaling_policy.table : policy.policy_type == "TargetTrackingScaling"])
    error_message = "Both dimensions follow their use."
  }

  assert {
    condition     = length(aws_dynamodb_resource_policy.table) == 1 && data.aws_iam_policy_document.table.statement[0].effect == "Deny"
    error_message = "Items are reached through the VPC's endpoint only."
  }
}

run "as_asked_for" {
  command = plan

  variables {
    projection_interval_s = 300
    reserved_concurrency  = { projector = 1 }
    table_write_capacity  = { max = 700 }
    table_read_capacity   = { min = 2000, units_per_event = 1 }
    deletion_protection   = false
    force_destroy_buckets = true
    restrict_table_to_vpc = false
  }

  # A longer interval gives the projector time.
  assert {
    condition     = aws_lambda_event_source_mapping.projector.maximum_batching_window_in_seconds == 300 && aws_lambda_function.this["projector"].timeout == 900
    error_message = "Three intervals, which is the most that Lambda has."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["projector-iterator-age-ms"].threshold == 1800000 && aws_cloudwatch_metric_alarm.ratio["projector-idle"].datapoints_to_alarm == 22
    error_message = "Several intervals are no lag."
  }

  # Runs that wait for each other ring no alarm.
  assert {
    condition     = aws_lambda_function.this["projector"].reserved_concurrent_executions == 1 && !contains(keys(aws_cloudwatch_metric_alarm.this), "projector-throttles") && contains(keys(aws_cloudwatch_metric_alarm.this), "consumer-throttles")
    error_message = "A second shard's run is throttled while the first one works."
  }

  # Limits of the table can be chosen one by one.
  assert {
    condition     = output.table_capacity.write == { min = 131, peak = 521, max = 700 } && output.table_capacity.read == { min = 2000, peak = 209, max = 2000 }
    error_message = "What is not chosen is computed, and fits what is."
  }

  # Protections can be lifted.
  assert {
    condition     = aws_dynamodb_table.behaviour.deletion_protection_enabled == false && aws_lb.api.enable_deletion_protection == false && alltrue([for bucket in aws_s3_bucket.this : bucket.force_destroy]) && length(aws_dynamodb_resource_policy.table) == 0
    error_message = "Each toggle must work the other way too."
  }
}

run "without_the_archive_and_with_long_invocations" {
  command = plan

  variables {
    consumer_timeout_s = 900
    batch_window_s     = 300
    enable_raw_archive = false
  }

  # Long invocations and windows are not idleness.
  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.ratio : name => alarm.datapoints_to_alarm } == { consumer-idle = 22, consumer-idle-days = 2, consumer-idle-hours = 2, projector-idle = 15, projector-idle-days = 2, quarantine-percent = 1, refused-events-percent = 1, refused-requests-percent = 1 }
    error_message = "Longer than one invocation and one window; without an archive nobody watches it."
  }

  # The raw archive can be left out, and turned off without a word about what it holds already.
  assert {
    condition     = length(aws_kinesis_firehose_delivery_stream.archive) == 0 && !contains(keys(local.log_groups), "firehose") && !contains(keys(local.alarms), "archive-age-s") && output.archive_delivery_stream_arn == null
    error_message = "Nothing fills the archive, and nothing watches it."
  }

  assert {
    condition     = aws_s3_bucket.this["archive"].force_destroy == false && aws_s3_bucket_lifecycle_configuration.this["archive"].rule[0].expiration[0].days == 400
    error_message = "The events that the archive holds already stay until they expire: no apply deletes them, or fails because they are there."
  }
}

run "ten_times_the_peak_gets_more_shards_and_lanes" {
  command = plan

  variables {
    peak_events_per_minute = 100000
  }

  assert {
    # 1,667 events/s * 1,024 bytes * factor 4 = 6.83 MB/s
    condition     = aws_kinesis_stream.events.shard_count == 7 && local.function_environment.consumer.TAPSTACK_LANES == "7"
    error_message = "Shards follow bytes a second."
  }
}

run "small_events_are_limited_by_records_a_second" {
  command = plan

  variables {
    peak_events_per_minute = 100000
    event_bytes_average    = 100
  }

  assert {
    condition     = aws_kinesis_stream.events.shard_count == 7
    error_message = "Shards follow records a second: 1,667 * 4 / 1,000."
  }
}

run "ten_million_events_a_minute_can_be_planned" {
  command = plan

  variables {
    peak_events_per_minute = 10000000
  }

  # 166,667 events/s * 2.5 units / 80 %; 166,667 events/s * 1,024 bytes * factor 4 = 683 MB/s
  assert {
    condition     = output.table_capacity.write == { min = 130209, peak = 520834, max = 1041668 } && output.stream_shard_count == 683 && local.function_environment.consumer.TAPSTACK_LANES == "683"
    error_message = "Table, shards and lanes follow the peak."
  }

  expect_failures = [check.table_fits_the_default_quota]
}

run "lanes_follow_the_peak_on_demand_too" {
  command = plan

  variables {
    peak_events_per_minute = 1000000
    stream_mode            = "ON_DEMAND"
  }

  assert {
    condition     = local.function_environment.consumer.TAPSTACK_LANES == "69" && aws_kinesis_stream.events.shard_count == null && output.table_capacity.write.min == 13021
    error_message = "AWS adds shards for the peak; each needs a lane."
  }

  expect_failures = [check.table_fits_the_default_quota]
}

run "the_smallest_stack_has_a_floor" {
  command = plan

  variables {
    peak_events_per_minute = 1
  }

  assert {
    condition     = output.table_capacity == { for kind, peak in { read = 1, write = 1 } : kind => { min = 25, peak = peak, max = 100 } } && output.table_ramp_minutes == 0
    error_message = "A transaction of many rows needs some units."
  }
}

run "on_demand_has_no_shard_count" {
  command = plan

  variables {
    stream_mode = "ON_DEMAND"
  }

  assert {
    condition     = aws_kinesis_stream.events.stream_mode_details[0].stream_mode == "ON_DEMAND" && output.stream_shard_count == null && local.function_environment.consumer.TAPSTACK_LANES == "4"
    error_message = "AWS scales the shards; four lanes."
  }
}
