# Values that must be refused, each by the variable's own message: what is wrong in itself, and what AWS would refuse
# half-way through an apply.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  package_dir     = "./tests/zips" # empty files: without a zip every plan says so, too
}

# -- Several wrong values at once: each variable must refuse its own (a plan of each would take minutes) ---------

run "refuses_each_of_these_1" {
  command = plan

  variables {
    name_prefix              = "sg"                                          # AWS keeps names that begin so
    unique_suffix            = "an"                                          # S3 keeps it
    environment              = "preproduction1"                              # too long
    tags                     = { Owner = "web", owner = "web" }              # IAM tells no capitals apart
    subnet_cidrs             = { app = ["10.42.32.1/24", "10.42.33.0/24"] }  # host bits
    allowed_client_cidrs     = ["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16"] # one twice
    api_hostname             = "tapstack"                                    # one part
    ip_target_port           = 8443.5                                        # half a port
    permissions_boundary_arn = "arn:aws:iam::111122223333:role/boundary"     # no policy
    table_write_capacity     = { units_per_event = 0 }                       # events cost something
    table_read_capacity      = { units_per_event = 0 }                       # events cost something
    projection_interval_s    = 301                                           # a window has 300 seconds at most
    availability_zones       = ["us-east-1a", "us-east-1a"]                  # one twice
    nat_gateway_mode         = "instance"                                    # neither regional nor zonal
    stream_retention_hours   = 24                                            # below seven days
    stream_headroom_factor   = 0.5                                           # less than the peak
    batch_size               = 10001                                         # more than Lambda takes
    search_users_min         = 1                                             # one person
    history_interactions     = 19                                            # shorter than what the row holds
    request_bytes_max        = 1000                                          # smaller than an event
    trending_weights         = { item_view = 1, page_view = 1 }              # pages do not trend
    logging                  = { level = "LOUD" }                            # no level
    log_retention_days       = 10                                            # CloudWatch has no such period
    allowed_origins          = ["https://shop.example/"]                     # a path
    enrichment               = { steps = ["geo"] }                           # no such step
    alarm_email              = "nobody"                                      # no address
    alarm_thresholds         = { api_5xx = 0 }                               # would always ring
    ssh_allowed_cidr         = "0.0.0.0/0"                                   # everywhere
    archive_retention_days   = 119                                           # ends within the least that Glacier bills
    lambda_architecture      = "riscv64"                                     # Lambda has no such processor
    api_timeout_s            = 14                                            # the collector may need more

    # priorities begin with 1
    api_services = {
      insights = { priority = 0, paths = ["/a"], methods = ["GET"] }
    }

    # of another region
    certificate_arn = "arn:aws:acm:eu-central-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"

    # a key in place of its hash
    readers = {
      ranker = { key_hashes = ["not-a-hash"], scopes = ["items"] }
    }
  }

  expect_failures = [
    var.name_prefix,
    var.unique_suffix,
    var.environment,
    var.tags,
    var.subnet_cidrs,
    var.allowed_client_cidrs,
    var.api_hostname,
    var.api_services,
    var.ip_target_port,
    var.certificate_arn,
    var.permissions_boundary_arn,
    var.table_write_capacity,
    var.table_read_capacity,
    var.projection_interval_s,
    var.availability_zones,
    var.nat_gateway_mode,
    var.stream_retention_hours,
    var.stream_headroom_factor,
    var.batch_size,
    var.search_users_min,
    var.history_interactions,
    var.request_bytes_max,
    var.trending_weights,
    var.logging,
    var.log_retention_days,
    var.allowed_origins,
    var.enrichment,
    var.readers,
    var.alarm_email,
    var.alarm_thresholds,
    var.ssh_allowed_cidr,
    var.archive_retention_days,
    var.lambda_architecture,
    var.api_timeout_s,
  ]
}

run "refuses_each_of_these_2" {
  command = plan

  variables {
    name_prefix           = "internal"                                                # AWS keeps names that begin so
    unique_suffix         = "x-s3alias"                                               # S3 keeps it
    tags                  = { environment = "dev" }                                   # the stack's own, but for capitals
    subnet_cidrs          = { app = ["10.42.32.0/29", "10.42.33.0/29"] }              # below AWS's least
    allowed_client_cidrs  = [for index in range(5) : "10.${index}.0.0/16"]            # more than four
    api_hostname          = "tapstack.internal."                                      # a dot at the end
    ip_target_port        = 3389                                                      # remote desktops
    table_write_capacity  = { min = 10, max = 5 }                                     # upside down
    table_read_capacity   = { min = 0 }                                               # no units
    projection_interval_s = 0.5                                                       # half a second
    aws_region            = "frankfurt"                                               # a city
    reserved_concurrency  = { consumer = 0 }                                          # stops a function
    row_ttl_days          = 37                                                        # rows expire before the last redelivery
    trending_weights      = { item_view = 0.5 }                                       # not whole
    logging               = { interval_s = 3600 }                                     # an hour
    enrichment            = { consent = "yes" }                                       # no such way
    readers               = { ranker = { key_hashes = [], scopes = ["everything"] } } # no such scope
    ssh_allowed_cidr      = "203.0.113.0/24"                                          # public
    allowed_origins       = [for shop in range(51) : "https://shop-1${shop}.test"]    # more than the variables hold

    # and end with 50,000
    api_services = {
      insights = { priority = 50001, paths = ["/a"], methods = ["GET"] }
    }
  }

  expect_failures = [
    var.name_prefix,
    var.unique_suffix,
    var.tags,
    var.subnet_cidrs,
    var.allowed_client_cidrs,
    var.api_hostname,
    var.api_services,
    var.ip_target_port,
    var.table_write_capacity,
    var.table_read_capacity,
    var.projection_interval_s,
    var.aws_region,
    var.reserved_concurrency,
    var.row_ttl_days,
    var.trending_weights,
    var.logging,
    var.allowed_origins,
    var.enrichment,
    var.readers,
    var.ssh_allowed_cidr,
  ]
}

run "refuses_each_of_these_3" {
  command = plan

  variables {
    name_prefix          = "sthree"                                           # AWS keeps names that begin so
    unique_suffix        = "a--x-s3"                                          # S3 keeps it
    tags                 = { for index in range(45) : "key-${index}" => "v" } # 45 of ours and 6 of the stack
    subnet_cidrs         = { alb = ["10.42.32.0/28", "10.42.33.0/28"] }       # below the load balancer's least
    client_routes        = { "10.7.0.0/16" = "pcx-0123456789abcdef0" }        # may not call
    api_hostname         = "Tapstack.internal"                                # capitals
    table_write_capacity = { max = 416 }                                      # below the peak
    table_read_capacity  = { max = 333 }                                      # below the peak
    trending_weights     = { item_view = 0 }                                  # all zero
    logging              = { interval_s = 0.5 }                               # half a second
    enrichment           = { pseudonymised_fields = ["items"] }               # what is counted

    # and are whole
    api_services = {
      insights = { priority = 1.5, paths = ["/a"], methods = ["GET"] }
    }

    # two with one key
    readers = {
      a = { key_hashes = ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"], scopes = ["items"] }
      b = { key_hashes = ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"], scopes = ["users"] }
    }
  }

  expect_failures = [
    var.name_prefix,
    var.unique_suffix,
    var.tags,
    var.subnet_cidrs,
    var.client_routes,
    var.api_hostname,
    var.api_services,
    var.table_write_capacity,
    var.table_read_capacity,
    var.trending_weights,
    var.logging,
    var.enrichment,
    var.readers,
  ]
}

run "refuses_each_of_these_4" {
  command = plan

  variables {
    name_prefix          = "amzn"                                      # AWS keeps names that begin so
    unique_suffix        = "a--ol-s3"                                  # S3 keeps it
    tags                 = { "aws:x" = "y" }                           # AWS keeps it
    subnet_cidrs         = { app = ["10.42.0.0/24"] }                  # too few
    client_routes        = { "10.0.0.0/16" = "igw-0123456789abcdef0" } # an internet gateway
    api_hostname         = "https://tapstack.internal"                 # a scheme
    table_write_capacity = { min = 10, max = 100 }                     # below the peak
    table_read_capacity  = { min = 25, max = 25 }                      # below the peak
    stream_mode          = "AUTO"                                      # neither on demand nor provisioned

    # 1,000 letters, and two bytes each
    enrichment = { consent_categories = [join("", [for index in range(1000) : "é"])] }

    # no slash
    api_services = {
      insights = { priority = 1, paths = ["a"], methods = ["GET"] }
    }
  }

  expect_failures = [
    var.name_prefix,
    var.unique_suffix,
    var.tags,
    var.subnet_cidrs,
    var.client_routes,
    var.api_hostname,
    var.api_services,
    var.table_write_capacity,
    var.table_read_capacity,
    var.stream_mode,
    var.enrichment,
  ]
}

run "refuses_each_of_these_5" {
  command = plan

  variables {
    name_prefix          = "aws"                                        # AWS keeps names that begin so
    unique_suffix        = "a--table-s3"                                # S3 keeps it
    tags                 = { Owner = "web; mobile" }                    # a value that S3 refuses
    subnet_cidrs         = { app = ["10.42.32.0/24", "10.43.33.0/24"] } # outside the VPC
    allowed_client_cidrs = ["0.0.0.0/0"]                                # the internet
    table_read_capacity  = { min = 10, max = 5 }                        # upside down

    # a space
    api_services = {
      insights = { priority = 1, paths = ["/a b"], methods = ["GET"] }
    }
  }

  expect_failures = [
    var.name_prefix,
    var.unique_suffix,
    var.tags,
    var.subnet_cidrs,
    var.allowed_client_cidrs,
    var.api_services,
    var.table_read_capacity,
  ]
}

run "refuses_each_of_these_6" {
  command = plan

  variables {
    name_prefix          = "Tapstack"                   # a capital
    unique_suffix        = "a--b"                       # two hyphens
    tags                 = { "cost,center" = "1" }      # a key that S3 refuses
    allowed_client_cidrs = ["0.0.0.0/1", "128.0.0.0/1"] # the internet in two halves

    # one range for two subnets
    subnet_cidrs = {
      app = ["10.42.32.0/24", "10.42.33.0/24"]
      alb = ["10.42.33.0/24", "10.42.34.0/24"]
    }

    # small letters
    api_services = {
      insights = { priority = 1, paths = ["/a"], methods = ["get"] }
    }
  }

  expect_failures = [
    var.name_prefix,
    var.unique_suffix,
    var.tags,
    var.subnet_cidrs,
    var.allowed_client_cidrs,
    var.api_services,
  ]
}

run "refuses_each_of_these_7" {
  command = plan

  variables {
    unique_suffix        = "a_b"                                                 # an underscore
    tags                 = { (join("", [for index in range(129) : "k"])) = "v" } # a key of 129 characters
    allowed_client_cidrs = ["10.0.0.0/7"]                                        # wide, and begins like a private one
    vpc_cidr             = "10.42.1.0/16"                                        # host bits
    az_count             = 1                                                     # no second zone

    # Lambda, without a function
    api_services = {
      search = { priority = 1, paths = ["/"], methods = ["GET"] }
    }
  }

  expect_failures = [
    var.unique_suffix,
    var.tags,
    var.allowed_client_cidrs,
    var.api_services,
    var.vpc_cidr,
    var.az_count,
  ]
}

run "refuses_each_of_these_8" {
  command = plan

  variables {
    tags                 = { Owner = join("", [for index in range(257) : "v"]) } # a value of 257 characters
    allowed_client_cidrs = ["10.1.2.3/16"]                                       # host bits
    vpc_cidr             = "8.8.0.0/16"                                          # public

    # more conditions than a rule holds
    api_services = {
      insights = { priority = 1, paths = ["/a"], methods = ["GET", "HEAD", "POST", "PUT", "OPTIONS"] }
    }
  }

  expect_failures = [
    var.tags,
    var.allowed_client_cidrs,
    var.api_services,
    var.vpc_cidr,
  ]
}

run "refuses_each_of_these_9" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/24" # too small

    # two rules of the first, so both have 11
    api_services = {
      collector = { priority = 10, paths = ["/a", "/b", "/c", "/d", "/e", "/f"] }
      insights  = { priority = 11, paths = ["/g"], methods = ["GET"] }
    }
  }

  expect_failures = [
    var.api_services,
    var.vpc_cidr,
  ]
}

run "refuses_each_of_these_10" {
  command = plan

  variables {
    # addresses without a health check
    api_services = {
      search = { priority = 1, target_type = "ip", paths = ["/a"], methods = ["GET"] }
    }
  }

  expect_failures = [
    var.api_services,
  ]
}

run "refuses_each_of_these_11" {
  command = plan

  variables {
    # a health check without a slash
    api_services = {
      search = { priority = 1, target_type = "ip", paths = ["/a"], methods = ["GET"], health_check_path = "healthz" }
    }
  }

  expect_failures = [
    var.api_services,
  ]
}

run "refuses_each_of_these_12" {
  command = plan

  variables {
    # a path of 129 characters
    api_services = {
      insights = { priority = 1, paths = [join("", ["/", join("", [for index in range(128) : "p"])])], methods = ["GET"] }
    }
  }

  expect_failures = [
    var.api_services,
  ]
}

run "refuses_each_of_these_13" {
  command = plan

  variables {
    # six wildcards in one rule
    api_services = {
      insights = { priority = 1, paths = ["/a/*/b/*", "/c/*/d/*", "/e/*/f/*"] }
    }
  }

  expect_failures = [
    var.api_services,
  ]
}

# -- Wrong beside the value of another variable ----------------------------------

run "refuses_a_way_back_through_a_nat_gateway" {
  command = plan

  variables {
    allowed_client_cidrs = ["10.1.0.0/16"]
    client_routes        = { "10.1.0.0/16" = "nat-0123456789abcdef0" }
  }

  expect_failures = [var.client_routes]
}

run "refuses_a_way_back_through_nothing" {
  command = plan

  variables {
    allowed_client_cidrs = ["10.1.0.0/16"]
    client_routes        = { "10.1.0.0/16" = "" }
  }

  expect_failures = [var.client_routes]
}

run "refuses_a_way_back_to_the_vpc_itself" {
  command = plan

  variables {
    allowed_client_cidrs = ["10.42.200.0/24"]
    client_routes        = { "10.42.200.0/24" = "pcx-0123456789abcdef0" }
  }

  expect_failures = [var.client_routes]
}

run "refuses_fewer_consumers_than_an_on_demand_stream_will_have_shards" {
  command = plan

  variables {
    stream_mode            = "ON_DEMAND"
    peak_events_per_minute = 200000
    reserved_concurrency   = { consumer = 10 }
  }

  expect_failures = [var.reserved_concurrency]
}

run "refuses_a_history_that_outlives_the_row_which_lists_its_pages" {
  command = plan

  variables {
    row_ttl_days = 90
  }

  expect_failures = [var.history_days]
}

run "refuses_neither_certificate_nor_plain_http" {
  command = plan

  variables {
    certificate_arn  = ""
    allow_plain_http = false
  }

  expect_failures = [var.certificate_arn]
}

run "refuses_a_subnet_that_overlaps_a_computed_one" {
  command = plan

  variables {
    subnet_cidrs = { app = ["10.42.32.0/24", "10.42.4.0/23"] }
  }

  expect_failures = [aws_subnet.private]
}

run "refuses_fewer_consumers_than_batches_in_flight" {
  command = plan

  variables {
    parallelization_factor = 2
    reserved_concurrency   = { consumer = 3 }
  }

  expect_failures = [var.reserved_concurrency]
}

# -- What is just right ---------------------------------------------------------

run "takes_the_smallest_subnets_that_aws_takes_and_other_values_for_the_stacks_own_tags" {
  command = plan

  variables {
    tags = { Environment = "sandbox", Owner = "web" }
    subnet_cidrs = {
      app      = ["10.42.32.0/28", "10.42.33.0/28"]
      alb      = ["10.42.34.0/27", "10.42.35.0/27"]
      endpoint = ["10.42.36.0/28", "10.42.37.0/28"]
    }
  }
}

run "takes_every_kind_of_private_range_as_client" {
  command = plan

  variables {
    allowed_client_cidrs = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
  }
}

run "takes_as_many_consumers_as_batches_in_flight" {
  command = plan

  variables {
    parallelization_factor = 2
    reserved_concurrency   = { consumer = 4 }
  }
}

run "takes_no_service_at_all" {
  command = plan

  variables {
    api_services = {}
  }

  assert {
    condition     = length(aws_lb_listener_rule.api) == 0
    error_message = "Records of other producers are counted, and nobody asks."
  }
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
