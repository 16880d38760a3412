# Values that must be refused, each by the variable's own message.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
}

run "refuses_a_region_that_is_none" {
  command = plan

  variables {
    aws_region = "frankfurt"
  }

  expect_failures = [var.aws_region]
}

run "refuses_a_prefix_with_capitals" {
  command = plan

  variables {
    name_prefix = "Tapstack"
  }

  expect_failures = [var.name_prefix]
}

run "refuses_an_environment_that_is_too_long" {
  command = plan

  variables {
    environment = "preproduction1"
  }

  expect_failures = [var.environment]
}

run "refuses_a_suffix_with_underscores" {
  command = plan

  variables {
    unique_suffix = "a_b"
  }

  expect_failures = [var.unique_suffix]
}

run "refuses_a_tag_that_aws_reserves" {
  command = plan

  variables {
    tags = { "aws:x" = "y" }
  }

  expect_failures = [var.tags]
}

run "refuses_a_tag_value_that_s3_refuses" {
  command = plan

  variables {
    tags = { Owner = "web; mobile" }
  }

  expect_failures = [var.tags]
}

run "refuses_a_tag_key_that_s3_refuses" {
  command = plan

  variables {
    tags = { "cost,center" = "1" }
  }

  expect_failures = [var.tags]
}

run "refuses_a_tag_key_of_129_characters" {
  command = plan

  variables {
    tags = { (join("", [for index in range(129) : "k"])) = "v" }
  }

  expect_failures = [var.tags]
}

run "refuses_a_tag_value_of_257_characters" {
  command = plan

  variables {
    tags = { Owner = join("", [for index in range(257) : "v"]) }
  }

  expect_failures = [var.tags]
}

run "refuses_a_public_vpc_range" {
  command = plan

  variables {
    vpc_cidr = "8.8.0.0/16"
  }

  expect_failures = [var.vpc_cidr]
}

run "refuses_a_vpc_that_is_too_small" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/24"
  }

  expect_failures = [var.vpc_cidr]
}

run "refuses_a_single_zone" {
  command = plan

  variables {
    az_count = 1
  }

  expect_failures = [var.az_count]
}

run "refuses_one_zone_named_twice" {
  command = plan

  variables {
    availability_zones = ["us-east-1a", "us-east-1a"]
  }

  expect_failures = [var.availability_zones]
}

run "refuses_too_few_subnets" {
  command = plan

  variables {
    subnet_cidrs = { app = ["10.42.0.0/24"] }
  }

  expect_failures = [var.subnet_cidrs]
}

run "refuses_the_internet_as_client" {
  command = plan

  variables {
    allowed_client_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.allowed_client_cidrs]
}

run "refuses_an_unknown_nat_mode" {
  command = plan

  variables {
    nat_gateway_mode = "instance"
  }

  expect_failures = [var.nat_gateway_mode]
}

run "refuses_an_unknown_stream_mode" {
  command = plan

  variables {
    stream_mode = "AUTO"
  }

  expect_failures = [var.stream_mode]
}

run "refuses_a_retention_below_seven_days" {
  command = plan

  variables {
    stream_retention_hours = 24
  }

  expect_failures = [var.stream_retention_hours]
}

run "refuses_no_headroom" {
  command = plan

  variables {
    stream_headroom_factor = 0.5
  }

  expect_failures = [var.stream_headroom_factor]
}

run "refuses_concurrency_that_stops_a_function" {
  command = plan

  variables {
    reserved_concurrency = { consumer = 0 }
  }

  expect_failures = [var.reserved_concurrency]
}

run "refuses_a_batch_that_is_too_large" {
  command = plan

  variables {
    batch_size = 10001
  }

  expect_failures = [var.batch_size]
}

run "refuses_rows_that_expire_before_the_last_redelivery" {
  command = plan

  variables {
    row_ttl_days = 37
  }

  expect_failures = [var.row_ttl_days]
}

run "refuses_to_keep_what_one_person_searched_for" {
  command = plan

  variables {
    search_users_min = 1
  }

  expect_failures = [var.search_users_min]
}

run "refuses_a_history_that_outlives_the_row_which_lists_its_pages" {
  command = plan

  variables {
    row_ttl_days = 90
  }

  expect_failures = [var.history_days]
}

run "refuses_a_history_shorter_than_what_the_row_holds" {
  command = plan

  variables {
    history_interactions = 19
  }

  expect_failures = [var.history_interactions]
}

run "refuses_requests_smaller_than_an_event" {
  command = plan

  variables {
    request_bytes_max = 1000
  }

  expect_failures = [var.request_bytes_max]
}

run "refuses_a_table_too_small_for_the_peak" {
  command = plan

  variables {
    table_write_capacity = { min = 10, max = 100 }
  }

  expect_failures = [var.table_write_capacity]
}

run "refuses_a_table_whose_reads_are_too_few_for_the_peak" {
  command = plan

  variables {
    table_read_capacity = { min = 25, max = 25 }
  }

  expect_failures = [var.table_read_capacity]
}

run "refuses_reads_that_shrink" {
  command = plan

  variables {
    table_read_capacity = { min = 10, max = 5 }
  }

  expect_failures = [var.table_read_capacity]
}

run "a_weight_of_what_does_not_trend" {
  command = plan

  variables {
    trending_weights = { item_view = 1, page_view = 1 }
  }

  expect_failures = [var.trending_weights]
}

run "a_weight_that_is_not_whole" {
  command = plan

  variables {
    trending_weights = { item_view = 0.5 }
  }

  expect_failures = [var.trending_weights]
}

run "weights_that_are_all_zero" {
  command = plan

  variables {
    trending_weights = { item_view = 0 }
  }

  expect_failures = [var.trending_weights]
}

run "a_log_level_that_nobody_knows" {
  command = plan

  variables {
    logging = { level = "LOUD" }
  }

  expect_failures = [var.logging]
}

run "a_log_interval_of_an_hour" {
  command = plan

  variables {
    logging = { interval_s = 3600 }
  }

  expect_failures = [var.logging]
}

run "a_log_interval_of_half_a_second" {
  command = plan

  variables {
    logging = { interval_s = 0.5 }
  }

  expect_failures = [var.logging]
}

run "refuses_logs_kept_for_ten_days" {
  command = plan

  variables {
    log_retention_days = 10
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_neither_certificate_nor_plain_http" {
  command = plan

  variables {
    certificate_arn  = ""
    allow_plain_http = false
  }

  expect_failures = [var.certificate_arn]
}

run "refuses_a_lambda_service_without_a_function" {
  command = plan

  variables {
    api_services = { search = { priority = 1, paths = ["/"], methods = ["GET"] } }
  }

  expect_failures = [var.api_services]
}

run "refuses_more_conditions_than_a_rule_holds" {
  command = plan

  variables {
    api_services = { insights = { priority = 1, paths = ["/a"], methods = ["GET", "HEAD", "POST", "PUT", "OPTIONS"] } }
  }

  expect_failures = [var.api_services]
}

run "refuses_rules_that_share_a_priority" {
  command = plan

  variables {
    api_services = {
      collector = { priority = 10, paths = ["/a", "/b", "/c", "/d", "/e", "/f"] }
      insights  = { priority = 11, paths = ["/g"], methods = ["GET"] }
    }
  }

  expect_failures = [var.api_services]
}

run "refuses_an_origin_with_a_path" {
  command = plan

  variables {
    allowed_origins = ["https://shop.example/"]
  }

  expect_failures = [var.allowed_origins]
}

run "refuses_an_enrichment_that_there_is_not" {
  command = plan

  variables {
    enrichment = { steps = ["geo"] }
  }

  expect_failures = [var.enrichment]
}

run "refuses_a_consent_that_there_is_not" {
  command = plan

  variables {
    enrichment = { consent = "yes" }
  }

  expect_failures = [var.enrichment]
}

run "refuses_a_pseudonym_of_what_is_counted" {
  command = plan

  variables {
    enrichment = { pseudonymised_fields = ["items"] }
  }

  expect_failures = [var.enrichment]
}

run "refuses_a_reader_with_a_key_in_place_of_its_hash" {
  command = plan

  variables {
    readers = { ranker = { key_hashes = ["not-a-hash"], scopes = ["items"] } }
  }

  expect_failures = [var.readers]
}

run "refuses_a_reader_with_an_unknown_scope" {
  command = plan

  variables {
    readers = { ranker = { key_hashes = [], scopes = ["everything"] } }
  }

  expect_failures = [var.readers]
}

run "refuses_two_readers_with_one_key" {
  command = plan

  variables {
    readers = {
      a = { key_hashes = ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"], scopes = ["items"] }
      b = { key_hashes = ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"], scopes = ["users"] }
    }
  }

  expect_failures = [var.readers]
}

run "refuses_a_remote_desktop_port" {
  command = plan

  variables {
    ip_target_port = 3389
  }

  expect_failures = [var.ip_target_port]
}

run "refuses_an_address_that_is_none" {
  command = plan

  variables {
    alarm_email = "nobody"
  }

  expect_failures = [var.alarm_email]
}

run "refuses_a_threshold_of_zero" {
  command = plan

  variables {
    alarm_thresholds = { api_5xx = 0 }
  }

  expect_failures = [var.alarm_thresholds]
}

run "refuses_ssh_from_everywhere" {
  command = plan

  variables {
    ssh_allowed_cidr = "0.0.0.0/0"
  }

  expect_failures = [var.ssh_allowed_cidr]
}

run "refuses_the_internet_in_two_halves_as_client" {
  command = plan

  variables {
    allowed_client_cidrs = ["0.0.0.0/1", "128.0.0.0/1"]
  }

  expect_failures = [var.allowed_client_cidrs]
}

run "refuses_a_wide_range_that_begins_like_a_private_one" {
  command = plan

  variables {
    allowed_client_cidrs = ["10.0.0.0/7"]
  }

  expect_failures = [var.allowed_client_cidrs]
}

run "refuses_a_client_range_with_host_bits" {
  command = plan

  variables {
    allowed_client_cidrs = ["10.1.2.3/16"]
  }

  expect_failures = [var.allowed_client_cidrs]
}

run "takes_every_kind_of_private_range_as_client" {
  command = plan

  variables {
    allowed_client_cidrs = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
  }
}

run "refuses_a_subnet_outside_the_vpc" {
  command = plan

  variables {
    subnet_cidrs = { app = ["10.42.32.0/24", "10.43.33.0/24"] }
  }

  expect_failures = [var.subnet_cidrs]
}

run "refuses_one_range_for_two_subnets" {
  command = plan

  variables {
    subnet_cidrs = { app = ["10.42.32.0/24", "10.42.33.0/24"], alb = ["10.42.33.0/24", "10.42.34.0/24"] }
  }

  expect_failures = [var.subnet_cidrs]
}

run "refuses_a_subnet_that_overlaps_a_computed_one" {
  command = plan

  variables {
    subnet_cidrs = { app = ["10.42.32.0/24", "10.42.4.0/23"] }
  }

  expect_failures = [aws_subnet.private]
}

run "refuses_an_archive_that_ends_within_the_least_that_glacier_bills" {
  command = plan

  variables {
    archive_retention_days = 119
  }

  expect_failures = [var.archive_retention_days]
}

run "refuses_fewer_consumers_than_batches_in_flight" {
  command = plan

  variables {
    parallelization_factor = 2
    reserved_concurrency   = { consumer = 3 }
  }

  expect_failures = [var.reserved_concurrency]
}

run "takes_as_many_consumers_as_batches_in_flight" {
  command = plan

  variables {
    parallelization_factor = 2
    reserved_concurrency   = { consumer = 4 }
  }
}

run "refuses_ssh_from_a_public_range" {
  command = plan

  variables {
    ssh_allowed_cidr = "203.0.113.0/24"
  }

  expect_failures = [var.ssh_allowed_cidr]
}

run "ssh_follows_the_vpc" {
  command = plan

  variables {
    vpc_cidr               = "10.9.0.0/16"
    enable_operations_host = true
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.this : rule.cidr_ipv4 if rule.from_port == 22] == ["10.9.0.0/16"] && aws_network_acl_rule.this["app-in-140"].cidr_block == "10.9.0.0/16"
    error_message = "Without a range of its own, SSH opens to the VPC."
  }
}

run "refuses_a_processor_that_lambda_has_not" {
  command = plan

  variables {
    lambda_architecture = "riscv64"
  }

  expect_failures = [var.lambda_architecture]
}
