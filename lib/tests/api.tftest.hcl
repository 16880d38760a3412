# The API: HTTP and HTTPS, services by map, permissions by target group.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  package_dir     = "./tests/zips" # empty files: without a zip every plan says so, too
}

run "a_plan_works_without_zips_and_says_which_are_missing" {
  command = plan

  variables {
    package_dir = "./tests"
  }

  expect_failures = [check.zips_are_built]

  assert {
    condition     = length(local.missing_zips) == length(local.functions) && contains(local.missing_zips, "./tests/collector.zip")
    error_message = "Each function has a zip, and none of them is there."
  }
}

run "plain_http_inside_the_vpc_for_a_first_try_and_every_plan_says_so" {
  command = plan

  variables {
    certificate_arn = ""
  }

  expect_failures = [check.traffic_is_encrypted]

  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "fixed-response" && aws_lb_listener.http.default_action[0].fixed_response[0].status_code == "404" && length(aws_lb_listener.https) == 0
    error_message = "One HTTP listener that knows only the services' paths."
  }

  assert {
    condition     = alltrue([for rule in aws_lb_listener_rule.api : rule.listener_arn == aws_lb_listener.http.arn])
    error_message = "The rules hang on the HTTP listener."
  }

  assert {
    condition     = output.api_url == "http://internal-mock.us-east-1.elb.amazonaws.com"
    error_message = "The output must say http."
  }

  assert {
    condition     = aws_lb.api.drop_invalid_header_fields && aws_lb.api.desync_mitigation_mode == "strictest" && aws_lb.api.access_logs[0].enabled && aws_lb.api.connection_logs[0].enabled && aws_lb.api.enable_deletion_protection
    error_message = "Headers are checked, accesses and connections are logged, deletion is refused."
  }
}

run "https_as_soon_as_there_is_a_certificate" {
  command = plan

  variables {
    certificate_arn  = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
    allow_plain_http = false
  }

  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "redirect" && aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS" && aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301"
    error_message = "Port 80 only redirects."
  }

  assert {
    condition     = startswith(aws_lb_listener.https[0].ssl_policy, "ELBSecurityPolicy-TLS13-") && aws_lb_listener.https[0].routing_http_response_strict_transport_security_header_value == "max-age=31536000"
    error_message = "TLS 1.3 and HSTS."
  }

  assert {
    condition     = contains(keys(aws_vpc_security_group_ingress_rule.this), "alb-in-https-clients") && contains(keys(aws_network_acl_rule.this), "alb-in-140")
    error_message = "Port 443 must be open to clients."
  }

  assert {
    condition     = output.api_url == "https://internal-mock.us-east-1.elb.amazonaws.com"
    error_message = "The output must say https."
  }
}

run "as_asked_for" {
  command = plan

  variables {
    api_hostname             = "tapstack.example.internal"
    enable_tracing           = true
    logging                  = { level = "ERROR" }
    enrichment               = { consent = "refused" }
    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary"
    enable_operations_host   = true
    alarm_email              = "on-call@example.com"
    nat_gateway_mode         = "zonal"
  }

  # A name inside the VPC leads to the load balancer.
  assert {
    condition     = aws_route53_zone.api[0].name == "tapstack.example.internal" && [for vpc in aws_route53_zone.api[0].vpc : vpc.vpc_id] == [aws_vpc.main.id]
    error_message = "The zone answers inside the VPC alone."
  }

  assert {
    condition     = [for alias in aws_route53_record.api[0].alias : "${alias.name} ${alias.zone_id}"] == ["internal-mock.us-east-1.elb.amazonaws.com ${aws_lb.api.zone_id}"] && aws_route53_record.api[0].type == "A"
    error_message = "The name leads to the load balancer."
  }

  assert {
    condition     = output.api_url == "https://tapstack.example.internal"
    error_message = "The outputs say the name."
  }

  # Tracing can be turned on.
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : function.tracing_config[0].mode == "Active"]) && alltrue([for document in data.aws_iam_policy_document.function_common : contains([for statement in document.statement : statement.sid], "WriteTraces")])
    error_message = "Every function is traced, and may write its traces."
  }

  # Nothing of an event is stored whose user denied, not in a log of queries either.
  assert {
    condition     = aws_lb.api.access_logs[0].enabled == false && aws_lb.api.connection_logs[0].enabled
    error_message = "Pixels send whole events in their query, which access logs hold."
  }

  # Fewer lines do not blind an alarm.
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : function.logging_config[0].application_log_level == "INFO"])
    error_message = "Whatever the functions' own level, Lambda must not drop lines that carry metrics."
  }

  # Every role has the boundary that the account demands.
  assert {
    condition     = toset(keys(aws_iam_role.this)) == toset(["consumer", "projector", "drainer", "collector", "insights", "flow-logs", "firehose", "operations"]) && alltrue([for role in aws_iam_role.this : role.permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"])
    error_message = "A role is missing, or has no boundary."
  }

  # Alarms reach a person.
  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "on-call@example.com"
    error_message = "The address must be subscribed."
  }

  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), values(aws_cloudwatch_metric_alarm.ratio)) : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])])
    error_message = "Every alarm goes to the topic."
  }

  assert {
    condition     = alltrue([for name, alarm in merge(aws_cloudwatch_metric_alarm.this, aws_cloudwatch_metric_alarm.ratio) : alarm.treat_missing_data == (startswith(name, "nat-") ? "missing" : name == "spill-age-s" ? "breaching" : "notBreaching")])
    error_message = "Counters of events may be silent, a gateway's and the drainer's may not."
  }

  assert {
    condition     = alltrue([for name in ["dropped-records", "failed-batches", "consumer-iterator-age-ms", "stream-iterator-age-ms", "projector-iterator-age-ms", "projector-behind-ms", "projection-stuck", "projector-errors", "projector-throttles", "spill-age-s", "consumer-errors", "consumer-throttles", "collector-throttles", "insights-throttles", "api-lb-5xx", "api-target-5xx", "api-latency-s", "table-read-throttles", "table-write-throttles", "nat-us-east-1a-ports", "nat-us-east-1b-ports"] : contains(keys(aws_cloudwatch_metric_alarm.this), name)])
    error_message = "An alarm is missing."
  }

  # A zonal NAT gateway knows its zone.
  assert {
    condition     = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => join(" ", keys(alarm.dimensions)) if startswith(name, "nat-") } == { for az in ["us-east-1a", "us-east-1b"] : "nat-${az}-ports" => "NatGatewayId" }
    error_message = "The metrics of a zonal gateway carry nothing but the gateway."
  }
}

run "by_default" {
  command = plan

  # Without a name there is no zone.
  assert {
    condition     = length(aws_route53_zone.api) == 0 && length(aws_route53_record.api) == 0 && output.private_zone_id == null
    error_message = "A zone must be asked for."
  }

  # Services are reached by path and method.
  assert {
    condition = join(" ", sort(flatten([
      for condition in aws_lb_listener_rule.api["insights"].condition : concat(
        [for pattern in condition.path_pattern : tolist(pattern.values)],
        [for method in condition.http_request_method : tolist(method.values)],
      )
    ]))) == "/healthz* /v1/*"
    error_message = "The insights API takes what is below its paths, whatever the method."
  }

  assert {
    condition = sort(flatten([
      for name, rule in aws_lb_listener_rule.api : [
        for condition in rule.condition : concat(
          [for pattern in condition.path_pattern : tolist(pattern.values)],
          [for method in condition.http_request_method : tolist(method.values)],
        )
      ] if startswith(name, "collector")
    ])) == sort(var.api_services["collector"].paths)
    error_message = "The collector has every path of its service, and no rule on methods."
  }

  assert {
    condition = alltrue([
      for rule in aws_lb_listener_rule.api : length(flatten([
        for condition in rule.condition : concat(
          [for pattern in condition.path_pattern : tolist(pattern.values)],
          [for method in condition.http_request_method : tolist(method.values)],
        )
      ])) <= 5
    ])
    error_message = "A rule holds five values."
  }

  assert {
    condition     = aws_lb_listener_rule.api["collector"].priority == 10 && aws_lb_listener_rule.api["insights"].priority == 1000
    error_message = "Priorities differ."
  }

  assert {
    condition     = alltrue([for group in aws_lb_target_group.function : group.target_type == "lambda"]) && toset(keys(aws_lb_target_group.function)) == toset(["collector", "insights"])
    error_message = "Both services are functions."
  }

  assert {
    condition     = alltrue([for permission in aws_lambda_permission.load_balancer : permission.action == "lambda:InvokeFunction" && permission.principal == "elasticloadbalancing.amazonaws.com" && permission.source_arn == aws_lb_target_group.function["collector"].arn])
    error_message = "The load balancer may call a function for its own target group only."
  }

  # Functions are what the zips hold.
  assert {
    condition = { for name, function in aws_lambda_function.this : name => "${function.handler} ${function.runtime} ${function.architectures[0]} ${function.memory_size} ${function.timeout} ${function.filename}" } == {
      consumer  = "tapstack.entrypoints.consumer.handler python3.13 arm64 1024 120 ./tests/zips/consumer.zip"
      projector = "tapstack.entrypoints.projector.handler python3.13 arm64 1024 120 ./tests/zips/projector.zip"
      drainer   = "tapstack.entrypoints.drainer.handler python3.13 arm64 512 60 ./tests/zips/drainer.zip"
      collector = "tapstack.entrypoints.collector.handler python3.13 arm64 512 30 ./tests/zips/collector.zip"
      insights  = "tapstack.entrypoints.insights.handler python3.13 arm64 512 30 ./tests/zips/insights.zip"
    }
    error_message = "Handlers, runtime or sizes differ."
  }

  assert {
    condition     = alltrue([for function in aws_lambda_function.this : function.tracing_config[0].mode == "PassThrough" && function.kms_key_arn != null])
    error_message = "No function is traced unasked, and the settings of each are encrypted."
  }

  assert {
    condition     = alltrue([for function in aws_lambda_function.this : [for logging in function.logging_config : "${logging.log_format} ${logging.system_log_level} ${logging.application_log_level}"] == ["JSON WARN INFO"]])
    error_message = "No START, END and REPORT lines; lines that carry metrics are INFO for Lambda and must pass."
  }

  assert {
    condition = local.function_environment == {
      consumer = {
        TAPSTACK_TABLE                = "tapstack-dev-behaviour"
        TAPSTACK_QUARANTINE_BUCKET    = "tapstack-dev-quarantine-111122223333-us-east-1"
        TAPSTACK_LATE_BUCKET          = "tapstack-dev-late-111122223333-us-east-1"
        TAPSTACK_LANES                = "2"
        TAPSTACK_ROW_TTL_DAYS         = "400"
        TAPSTACK_EVENT_AGE_MAX_DAYS   = "30"
        TAPSTACK_HISTORY_INTERACTIONS = "500"
        TAPSTACK_HISTORY_DAYS         = "90"
        TAPSTACK_ATTRIBUTES           = "attributes.json"
        TAPSTACK_SEARCH_USERS_MIN     = "5"
        TAPSTACK_LOG_LEVEL            = "INFO"
      }
      projector = {
        TAPSTACK_TABLE        = "tapstack-dev-behaviour"
        TAPSTACK_ROW_TTL_DAYS = "400"
        TAPSTACK_ATTRIBUTES   = "attributes.json"
        TAPSTACK_LOG_LEVEL    = "INFO"
      }
      drainer = {
        TAPSTACK_STREAM       = "tapstack-dev-events"
        TAPSTACK_SPILL_BUCKET = "tapstack-dev-spill-111122223333-us-east-1"
        TAPSTACK_LOG_LEVEL    = "INFO"
      }
      collector = {
        TAPSTACK_STREAM               = "tapstack-dev-events"
        TAPSTACK_QUARANTINE_BUCKET    = "tapstack-dev-quarantine-111122223333-us-east-1"
        TAPSTACK_SPILL_BUCKET         = "tapstack-dev-spill-111122223333-us-east-1"
        TAPSTACK_EVENT_BYTES_MAX      = "32768"
        TAPSTACK_EVENT_AGE_MAX_DAYS   = "30"
        TAPSTACK_REQUEST_BYTES_MAX    = "1000000"
        TAPSTACK_ALLOWED_ORIGINS      = ""
        TAPSTACK_SCHEMAS              = ""
        TAPSTACK_SOURCES              = ""
        TAPSTACK_ENRICHMENT           = ""
        TAPSTACK_CONSENT              = "off"
        TAPSTACK_CONSENT_CATEGORIES   = ""
        TAPSTACK_PSEUDONYMISED_FIELDS = ""
        TAPSTACK_PSEUDONYM_KEY        = ""
        TAPSTACK_LOG_LEVEL            = "INFO"
        TAPSTACK_LOG_INTERVAL_S       = "10"
      }
      insights = {
        TAPSTACK_TABLE                = "tapstack-dev-behaviour"
        TAPSTACK_HISTORY_INTERACTIONS = "500"
        TAPSTACK_HISTORY_DAYS         = "90"
        TAPSTACK_ATTRIBUTES           = "attributes.json"
        TAPSTACK_READERS              = ""
        TAPSTACK_TRENDING_WEIGHTS     = "cart_add=4,item_click=1,item_view=1,purchase=10,share=2,wishlist_add=3"
        TAPSTACK_LOG_LEVEL            = "INFO"
        TAPSTACK_LOG_INTERVAL_S       = "10"
      }
    }
    error_message = "The environment of a function differs."
  }

  # Logs are kept a year in production and a month elsewhere.
  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 30]) && aws_s3_bucket_lifecycle_configuration.this["logs"].rule[0].expiration[0].days == 30
    error_message = "30 days outside production."
  }

  # A regional NAT gateway is watched zone by zone.
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.dimensions if startswith(name, "nat-") } == {
      nat-us-east-1a-ports = tomap({ NatGatewayId = "nat-0regional", AvailabilityZone = "us-east-1a" })
      nat-us-east-1b-ports = tomap({ NatGatewayId = "nat-0regional", AvailabilityZone = "us-east-1b" })
    }
    error_message = "The metrics of a regional gateway carry the zone beside the gateway."
  }

  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : alarm.insufficient_data_actions == toset([aws_sns_topic.alarms.arn]) if startswith(name, "nat-")])
    error_message = "Somebody hears that nothing is measured."
  }

  # Nobody is subscribed by default.
  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "No address, no subscription."
  }
}

run "logs_are_kept_a_year_in_production" {
  command = plan

  variables {
    environment = "production"
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 365]) && aws_s3_bucket_lifecycle_configuration.this["logs"].rule[0].expiration[0].days == 365
    error_message = "A year in production."
  }
}

run "logs_are_kept_as_long_as_asked" {
  command = plan

  variables {
    environment        = "production"
    log_retention_days = 7
    enrichment         = { pseudonymised_fields = ["traits.email"] }
  }

  assert {
    condition     = aws_lb.api.access_logs[0].enabled == false
    error_message = "What has a pseudonym stands in no access log by its name."
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 7])
    error_message = "Who asks for a week gets a week."
  }
}

run "cut_addresses_stand_in_no_access_log" {
  command = plan

  variables {
    enrichment = { steps = ["ua", "ip"] }
  }

  assert {
    condition     = aws_lb.api.access_logs[0].enabled == false
    error_message = "A pixel may say its visitor's address in its query."
  }
}
