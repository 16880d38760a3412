# What AWS would refuse half-way through an apply is refused by the plan, by the variable's own message.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
}

# -- Several wrong values at once: each variable must refuse its own -----------

run "refuses_each_of_these_1" {
  command = plan

  variables {
    name_prefix              = "sg"                                                                                     # AWS keeps names that begin so
    unique_suffix            = "s3alias"                                                                                # S3 keeps it
    tags                     = { Owner = "web", owner = "web" }                                                         # IAM tells no capitals apart
    subnet_cidrs             = { app = ["10.42.32.1/24", "10.42.33.0/24"] }                                             # host bits
    allowed_client_cidrs     = ["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16"]                                            # one twice
    api_hostname             = "tapstack"                                                                               # one part
    api_services             = { insights = { priority = 0, paths = ["/a"], methods = ["GET"] } }                       # priorities begin with 1
    ip_target_port           = 8443.5                                                                                   # half a port
    certificate_arn          = "arn:aws:acm:eu-central-1:111122223333:certificate/00000000-0000-0000-0000-000000000000" # of another region
    permissions_boundary_arn = "arn:aws:iam::111122223333:role/boundary"                                                # no policy
    table_write_capacity     = { units_per_event = 0 }                                                                  # events cost something
    table_read_capacity      = { units_per_event = 0 }                                                                  # events cost something
    projection_interval_s    = 301                                                                                      # a window has 300 seconds at most
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
    var.certificate_arn,
    var.permissions_boundary_arn,
    var.table_write_capacity,
    var.table_read_capacity,
    var.projection_interval_s,
  ]
}

run "refuses_each_of_these_2" {
  command = plan

  variables {
    name_prefix           = "internal"                                                             # AWS keeps names that begin so
    unique_suffix         = "x-s3alias"                                                            # S3 keeps it
    tags                  = { environment = "dev" }                                                # the stack's own, but for capitals
    subnet_cidrs          = { app = ["10.42.32.0/29", "10.42.33.0/29"] }                           # below AWS's least
    allowed_client_cidrs  = [for index in range(5) : "10.${index}.0.0/16"]                         # more than four
    api_hostname          = "tapstack.internal."                                                   # a dot at the end
    api_services          = { insights = { priority = 50001, paths = ["/a"], methods = ["GET"] } } # and end with 50,000
    table_write_capacity  = { min = 10, max = 5 }                                                  # upside down
    table_read_capacity   = { min = 0 }                                                            # no units
    projection_interval_s = 0.5                                                                    # half a second
  }

  expect_failures = [
    var.name_prefix,
    var.unique_suffix,
    var.tags,
    var.subnet_cidrs,
    var.allowed_client_cidrs,
    var.api_hostname,
    var.api_services,
    var.table_write_capacity,
    var.table_read_capacity,
    var.projection_interval_s,
  ]
}

run "refuses_each_of_these_3" {
  command = plan

  variables {
    client_routes        = { "10.7.0.0/16" = "pcx-0123456789abcdef0" }                          # may not call
    name_prefix          = "sthree"                                                             # AWS keeps names that begin so
    unique_suffix        = "a--x-s3"                                                            # S3 keeps it
    tags                 = { for index in range(45) : "key-${index}" => "v" }                   # 45 of ours and 6 of the stack
    subnet_cidrs         = { alb = ["10.42.32.0/28", "10.42.33.0/28"] }                         # below the load balancer's least
    api_hostname         = "Tapstack.internal"                                                  # capitals
    api_services         = { insights = { priority = 1.5, paths = ["/a"], methods = ["GET"] } } # and are whole
    table_write_capacity = { max = 416 }                                                        # below the peak
    table_read_capacity  = { max = 333 }                                                        # below the peak
  }

  expect_failures = [
    var.client_routes,
    var.name_prefix,
    var.unique_suffix,
    var.tags,
    var.subnet_cidrs,
    var.api_hostname,
    var.api_services,
    var.table_write_capacity,
    var.table_read_capacity,
  ]
}

run "refuses_each_of_these_4" {
  command = plan

  variables {
    client_routes = { "10.0.0.0/16" = "igw-0123456789abcdef0" }                       # an internet gateway
    name_prefix   = "amzn"                                                            # AWS keeps names that begin so
    unique_suffix = "a--ol-s3"                                                        # S3 keeps it
    api_hostname  = "https://tapstack.internal"                                       # a scheme
    api_services  = { insights = { priority = 1, paths = ["a"], methods = ["GET"] } } # no slash
  }

  expect_failures = [
    var.client_routes,
    var.name_prefix,
    var.unique_suffix,
    var.api_hostname,
    var.api_services,
  ]
}

run "refuses_each_of_these_5" {
  command = plan

  variables {
    name_prefix   = "aws"                                                                # AWS keeps names that begin so
    unique_suffix = "a--table-s3"                                                        # S3 keeps it
    api_services  = { insights = { priority = 1, paths = ["/a b"], methods = ["GET"] } } # a space
  }

  expect_failures = [
    var.name_prefix,
    var.unique_suffix,
    var.api_services,
  ]
}

run "refuses_each_of_these_6" {
  command = plan

  variables {
    unique_suffix = "a--b"                                                             # two hyphens
    api_services  = { insights = { priority = 1, paths = ["/a"], methods = ["get"] } } # small letters
  }

  expect_failures = [
    var.unique_suffix,
    var.api_services,
  ]
}

run "refuses_a_vpc_range_with_host_bits" {
  command = plan

  variables {
    vpc_cidr = "10.42.1.0/16"
  }

  expect_failures = [var.vpc_cidr]
}

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

run "refuses_ip_targets_without_a_health_check" {
  command = plan

  variables {
    api_services = { search = { priority = 1, target_type = "ip", paths = ["/a"], methods = ["GET"] } }
  }

  expect_failures = [var.api_services]
}

run "refuses_a_health_check_path_without_a_slash" {
  command = plan

  variables {
    api_services = { search = { priority = 1, target_type = "ip", paths = ["/a"], methods = ["GET"], health_check_path = "healthz" } }
  }

  expect_failures = [var.api_services]
}

run "refuses_a_path_of_129_characters" {
  command = plan

  variables {
    api_services = { insights = { priority = 1, paths = [join("", ["/", join("", [for index in range(128) : "p"])])], methods = ["GET"] } }
  }

  expect_failures = [var.api_services]
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
