# Tapstack on AWS: a private clickstream pipeline.
#
#   clients ─▶ internal load balancer ─▶ collector ─▶ Kinesis ─▶ consumer ─▶ DynamoDB ─▶ insights ─▶ clients
#
# The whole stack is in this file; its banners follow the flow:
#
#    1 Variables        what may be chosen; everything has a default
#    2 Locals           names, tags, addresses, rules and sizes, computed once
#    3 Keys             one customer managed key for each class of data
#    4 Network          VPC, subnets, NAT, endpoints, network ACLs, security groups
#    5 Buckets          what the consumer sets aside, the raw archive, access logs
#    6 Stream           Kinesis and the raw archive through Firehose
#    7 Table            DynamoDB, its auto scaling and who may touch its data
#    8 Functions        consumer, collector, insights: roles, logs, code
#    9 Event source     how Kinesis drives the consumer without losing an event
#   10 API              load balancer, listeners, target groups
#   11 Operations       alarms, dashboard, optional operations host
#   12 Outputs
#
# How to read it: rules and settings are data (maps in the locals), and one resource with for_each turns each map
# into AWS objects. docs/reference/network.md shows the network rules as tables, and a test keeps both the same.


# ═════════════════════════════════════════════════════════════════════════════
# 1  Variables
# ═════════════════════════════════════════════════════════════════════════════

# ── Identity ─────────────────────────────────────────────────────────────────

variable "aws_region" {
  description = "The one AWS region that holds everything."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "aws_region must look like us-east-1."
  }
}

variable "name_prefix" {
  description = "First part of every name."
  type        = string
  default     = "tapstack"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.name_prefix))
    error_message = "name_prefix must be 2-10 lower-case letters and digits and start with a letter: target group names hold 32 characters."
  }
}

variable "environment" {
  description = "Second part of every name: dev, staging, production."
  type        = string
  default     = "dev"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment))
    error_message = "environment must be 2-10 lower-case letters and digits and start with a letter."
  }
}

variable "unique_suffix" {
  description = "Last part of bucket names, which are unique in the whole world. Empty: account id and region."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z0-9][a-z0-9-]{0,28}[a-z0-9])?$", var.unique_suffix))
    error_message = "unique_suffix must be empty or 2-30 lower-case letters, digits and hyphens, with no hyphen at either end."
  }
}

variable "tags" {
  description = "Tags for every resource, added to Project, Environment and ManagedBy."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "AWS reserves tag keys that start with aws:."
  }

  # The least that all services take, which is what S3 takes: letters, digits, spaces and _ . : / = + - @
  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_S3Tag.html (as public issues quote it; not read there)
  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,128}$", key)) && can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,256}$", value))])
    error_message = "Tags may hold letters, digits, spaces and _ . : / = + - @ only: keys 1-128 characters, values at most 256."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the table and the load balancer. Set to false and apply before a destroy."
  type        = bool
  default     = true
}

variable "force_destroy_buckets" {
  description = "Let a destroy delete buckets that still hold objects. Leave it false where the data matters."
  type        = bool
  default     = false
}

# ── Network ──────────────────────────────────────────────────────────────────

variable "vpc_cidr" {
  description = "Addresses of the VPC: a private range from /16 to /20."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 20, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /20: sixteen /24 subnets are cut from it."
  }

  validation {
    condition     = can(regex(local.private_range, var.vpc_cidr))
    error_message = "vpc_cidr must be a private range (10/8, 172.16/12, 192.168/16 or 100.64/10)."
  }
}

variable "az_count" {
  description = "How many availability zones to use."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3], var.az_count)
    error_message = "az_count must be 2 or 3."
  }
}

variable "availability_zones" {
  description = "Names of the zones to use, to pin them. Empty: the first az_count zones of the region."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.availability_zones) == 0 || length(distinct(var.availability_zones)) == var.az_count
    error_message = "availability_zones must be empty or name az_count different zones."
  }
}

variable "subnet_cidrs" {
  description = "Subnet ranges by tier, one a zone, to replace the computed ones. Empty lists are computed from vpc_cidr."
  type = object({
    app      = optional(list(string), [])
    alb      = optional(list(string), [])
    endpoint = optional(list(string), [])
    egress   = optional(list(string), [])
  })
  default = {}

  validation {
    condition     = alltrue([for cidrs in values(var.subnet_cidrs) : contains([0, var.az_count], length(cidrs))])
    error_message = "Each list in subnet_cidrs must be empty or hold one range for each availability zone."
  }

  validation {
    condition     = alltrue([for cidr in flatten(values(var.subnet_cidrs)) : can(cidrhost(cidr, 0))])
    error_message = "subnet_cidrs must hold IPv4 ranges such as 10.42.0.0/24."
  }

  validation {
    condition = alltrue([
      for cidr in flatten(values(var.subnet_cidrs)) :
      try(tonumber(split("/", cidr)[1]) >= tonumber(split("/", var.vpc_cidr)[1]) && cidrhost("${split("/", cidr)[0]}/${split("/", var.vpc_cidr)[1]}", 0) == cidrhost(var.vpc_cidr, 0), false)
    ])
    error_message = "Every range in subnet_cidrs must lie inside vpc_cidr."
  }

  validation {
    condition     = length(distinct(flatten(values(var.subnet_cidrs)))) == length(flatten(values(var.subnet_cidrs)))
    error_message = "No range may stand in subnet_cidrs twice."
  }
}

variable "allowed_client_cidrs" {
  description = "Who may call the load balancer: private ranges, at most four. Empty: the VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.allowed_client_cidrs : can(regex(local.private_range, cidr)) && try(cidrsubnet(cidr, 0, 0) == cidr, false)]) && length(var.allowed_client_cidrs) <= 4
    error_message = "allowed_client_cidrs must hold at most four ranges such as 10.1.0.0/16, all private (in 10/8, 172.16/12, 192.168/16 or 100.64/10): nothing here is public."
  }
}

variable "nat_gateway_mode" {
  description = "regional: one NAT gateway for the VPC and no public subnet. zonal: one NAT gateway a zone in a subnet of its own, for partitions without the regional kind; those subnets are public in the letter of the word."
  type        = string
  default     = "regional"

  validation {
    condition     = contains(["regional", "zonal"], var.nat_gateway_mode)
    error_message = "nat_gateway_mode must be regional or zonal."
  }
}

variable "enable_function_internet_egress" {
  description = "Let the functions open HTTPS connections to the internet through NAT. They work without it."
  type        = bool
  default     = true
}

variable "interface_endpoints" {
  description = "Interface endpoints to make, each billed by the hour and zone. kinesis-streams is needed; the others serve containers and the operations host, or code to come."
  type        = set(string)
  default     = ["kinesis-streams"]

  validation {
    condition     = contains(var.interface_endpoints, "kinesis-streams") && alltrue([for name in var.interface_endpoints : contains(["kinesis-streams", "logs", "sqs", "kms", "monitoring", "xray"], name)])
    error_message = "interface_endpoints must hold kinesis-streams and may add logs, sqs, kms, monitoring and xray."
  }
}

variable "enable_vpc_block_public_access" {
  description = "Turn on VPC Block Public Access (block-ingress). It rules every VPC of the account in this region, hence the default."
  type        = bool
  default     = false
}

# ── Stream ───────────────────────────────────────────────────────────────────

variable "stream_mode" {
  description = "PROVISIONED: shards counted from the peak rate. ON_DEMAND: AWS scales them."
  type        = string
  default     = "PROVISIONED"

  validation {
    condition     = contains(["PROVISIONED", "ON_DEMAND"], var.stream_mode)
    error_message = "stream_mode must be PROVISIONED or ON_DEMAND."
  }
}

variable "peak_events_per_minute" {
  description = "Events in the busiest minute; sizes the stream and is checked against the table's capacity."
  type        = number
  default     = 10000

  validation {
    condition     = var.peak_events_per_minute >= 1 && var.peak_events_per_minute <= 10000000
    error_message = "peak_events_per_minute must be 1-10,000,000."
  }
}

variable "event_bytes_average" {
  description = "Average bytes of an event in the stream."
  type        = number
  default     = 1024

  validation {
    condition     = var.event_bytes_average >= 1 && var.event_bytes_average <= 1048576
    error_message = "event_bytes_average must be 1-1,048,576."
  }
}

variable "stream_headroom_factor" {
  description = "How many times the peak rate the provisioned stream takes: room for hot keys, retries and what is put back by hand."
  type        = number
  default     = 4

  validation {
    condition     = var.stream_headroom_factor >= 1 && var.stream_headroom_factor <= 100
    error_message = "stream_headroom_factor must be 1-100."
  }
}

variable "stream_retention_hours" {
  description = "How long the stream keeps events that the consumer has not stored. Seven days is the least that the no-loss design allows."
  type        = number
  default     = 168

  validation {
    condition     = var.stream_retention_hours >= 168 && var.stream_retention_hours <= 8760
    error_message = "stream_retention_hours must be 168-8760 (7 days to 1 year)."
  }
}

variable "enable_raw_archive" {
  description = "Keep every accepted event in S3 through Firehose, apart from the consumer, so that the table can be rebuilt."
  type        = bool
  default     = true
}

variable "archive_retention_days" {
  description = "Days that the raw archive keeps events. They hold user identifiers, so not for ever."
  type        = number
  default     = 400

  validation {
    condition     = var.archive_retention_days >= 120 && var.archive_retention_days <= 3650
    error_message = "archive_retention_days must be 120-3650: objects move to GLACIER_IR after 30 days, which bills 90 days at least."
  }
}

# ── Functions ────────────────────────────────────────────────────────────────

variable "package_dir" {
  description = "Folder of consumer.zip, collector.zip and insights.zip, which `make package` builds. A plan works before they exist; an apply needs them."
  type        = string
  default     = "../dist"

  validation {
    condition     = length(var.package_dir) > 0
    error_message = "package_dir must not be empty."
  }
}

variable "lambda_runtime" {
  description = "Lambda runtime that the zips were built for. No list of allowed values: AWS adds runtimes more often than this file changes."
  type        = string
  default     = "python3.13"

  validation {
    condition     = can(regex("^python3\\.[0-9]+$", var.lambda_runtime))
    error_message = "lambda_runtime must look like python3.13."
  }
}

variable "lambda_architecture" {
  description = "Processor that the zips were built for: make package ARCH=..."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.lambda_architecture)
    error_message = "lambda_architecture must be arm64 or x86_64."
  }
}

variable "consumer_memory_mb" {
  description = "Memory of the consumer, which also sets its share of CPU."
  type        = number
  default     = 1024

  validation {
    condition     = var.consumer_memory_mb >= 256 && var.consumer_memory_mb <= 10240
    error_message = "consumer_memory_mb must be 256-10240."
  }
}

variable "consumer_timeout_s" {
  description = "Seconds that one batch may take. The consumer stops by itself before that and hands the rest back."
  type        = number
  default     = 120

  validation {
    condition     = var.consumer_timeout_s >= 30 && var.consumer_timeout_s <= 900
    error_message = "consumer_timeout_s must be 30-900."
  }
}

variable "api_memory_mb" {
  description = "Memory of the collector and of insights."
  type        = number
  default     = 512

  validation {
    condition     = var.api_memory_mb >= 128 && var.api_memory_mb <= 10240
    error_message = "api_memory_mb must be 128-10240."
  }
}

variable "api_timeout_s" {
  description = "Seconds that one request may take."
  type        = number
  default     = 30

  validation {
    condition     = var.api_timeout_s >= 1 && var.api_timeout_s <= 60
    error_message = "api_timeout_s must be 1-60; the load balancer waits one minute."
  }
}

variable "reserved_concurrency" {
  description = "Concurrent executions reserved for each function. -1 reserves none: a new account has too few to reserve any."
  type = object({
    consumer  = optional(number, -1)
    collector = optional(number, -1)
    insights  = optional(number, -1)
  })
  default = {}

  validation {
    condition     = alltrue([for value in values(var.reserved_concurrency) : value == -1 || value >= 1])
    error_message = "reserved_concurrency must be -1 or at least 1: 0 would stop the function."
  }

  # An on-demand stream starts with four shards.
  validation {
    condition     = var.reserved_concurrency.consumer == -1 || var.reserved_concurrency.consumer >= (local.on_demand ? 4 : local.shard_count) * var.parallelization_factor
    error_message = "reserved_concurrency.consumer must be at least shards * parallelization_factor, or batches of some shards would wait for others."
  }
}

variable "batch_size" {
  description = "Most records in one batch for the consumer. A batch is also cut at 6 MB."
  type        = number
  default     = 1000

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000
    error_message = "batch_size must be 1-10,000."
  }
}

variable "batch_window_s" {
  description = "Seconds to wait for a batch to fill; adds to how late a figure may be."
  type        = number
  default     = 1

  validation {
    condition     = var.batch_window_s >= 0 && var.batch_window_s <= 300
    error_message = "batch_window_s must be 0-300."
  }
}

variable "parallelization_factor" {
  description = "Batches of one shard in flight at the same time. The counts are exact for every value."
  type        = number
  default     = 1

  validation {
    condition     = var.parallelization_factor >= 1 && var.parallelization_factor <= 10
    error_message = "parallelization_factor must be 1-10."
  }
}

variable "row_ttl_days" {
  description = "Days that a row outlives its last change. Must exceed the stream's retention plus the oldest event that is taken."
  type        = number
  default     = 400

  validation {
    condition     = floor(var.row_ttl_days) == var.row_ttl_days && var.row_ttl_days <= 3650 && var.row_ttl_days > var.stream_retention_hours / 24 + var.event_age_max_days
    error_message = "row_ttl_days must be a whole number up to 3650 and exceed stream_retention_hours / 24 + event_age_max_days, or a redelivered event could meet a forgotten row and count twice."
  }
}

variable "event_age_max_days" {
  description = "Days that a client may hold an event back; an older one is stored as late and not counted."
  type        = number
  default     = 30

  validation {
    condition     = floor(var.event_age_max_days) == var.event_age_max_days && var.event_age_max_days >= 1 && var.event_age_max_days <= 365
    error_message = "event_age_max_days must be a whole number, 1-365."
  }
}

variable "event_bytes_max" {
  description = "Largest event that the collector takes."
  type        = number
  default     = 32768

  validation {
    condition     = floor(var.event_bytes_max) == var.event_bytes_max && var.event_bytes_max >= 1024 && var.event_bytes_max <= 32768
    error_message = "event_bytes_max must be a whole number, 1024-32,768, as the collector demands."
  }
}

variable "request_bytes_max" {
  description = "Largest request body that the collector takes."
  type        = number
  default     = 1000000

  validation {
    condition     = floor(var.request_bytes_max) == var.request_bytes_max && var.request_bytes_max >= var.event_bytes_max && var.request_bytes_max <= 1000000
    error_message = "request_bytes_max must be a whole number, at least event_bytes_max and at most 1,000,000: the load balancer hands a function no more than 1 MB."
  }
}

variable "log_level" {
  description = "Least level that the functions log."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level must be DEBUG, INFO, WARNING or ERROR."
  }
}

variable "log_retention_days" {
  description = "Days that log groups keep their lines. They hold no payload and no user identifier."
  type        = number
  default     = 365

  validation {
    condition     = contains([365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be 365 or a longer period that CloudWatch Logs offers."
  }
}

# ── Table ────────────────────────────────────────────────────────────────────

variable "table_read_capacity" {
  description = "Read units between which the table scales by itself."
  type        = object({ min = number, max = number })
  default     = { min = 25, max = 1000 }

  validation {
    condition     = var.table_read_capacity.min >= 1 && var.table_read_capacity.max >= var.table_read_capacity.min && var.table_read_capacity.max <= 40000
    error_message = "table_read_capacity needs 1 <= min <= max <= 40,000 (the default quota of a table)."
  }

  validation {
    condition     = var.table_read_capacity.max >= ceil(var.peak_events_per_minute / 60 * var.read_units_per_event)
    error_message = "table_read_capacity.max is below peak_events_per_minute / 60 * read_units_per_event: the consumer would fall behind at the peak."
  }
}

variable "read_units_per_event" {
  description = "Read units that one event costs, with what readers of the API need beside it; only checks table_read_capacity.max against the peak."
  type        = number
  default     = 2

  validation {
    condition     = var.read_units_per_event > 0 && var.read_units_per_event <= 100
    error_message = "read_units_per_event must be above 0 and at most 100."
  }
}

variable "table_write_capacity" {
  description = "Write units between which the table scales by itself. While it catches up, events wait in the stream."
  type        = object({ min = number, max = number })
  default     = { min = 100, max = 2000 }

  validation {
    condition     = var.table_write_capacity.min >= 1 && var.table_write_capacity.max >= var.table_write_capacity.min && var.table_write_capacity.max <= 40000
    error_message = "table_write_capacity needs 1 <= min <= max <= 40,000 (the default quota of a table)."
  }

  validation {
    condition     = var.table_write_capacity.max >= ceil(var.peak_events_per_minute / 60 * var.write_units_per_event)
    error_message = "table_write_capacity.max is below peak_events_per_minute / 60 * write_units_per_event: the consumer would fall behind at the peak."
  }
}

variable "write_units_per_event" {
  description = "Write units that one event costs; only checks table_write_capacity.max against the peak."
  type        = number
  default     = 4

  validation {
    condition     = var.write_units_per_event > 0 && var.write_units_per_event <= 100
    error_message = "write_units_per_event must be above 0 and at most 100."
  }
}

variable "table_target_utilization_percent" {
  description = "Use of the table's capacity that auto scaling steers to."
  type        = number
  default     = 60

  validation {
    condition     = var.table_target_utilization_percent >= 20 && var.table_target_utilization_percent <= 90
    error_message = "table_target_utilization_percent must be 20-90."
  }
}

variable "restrict_table_to_vpc" {
  description = "Deny reads and writes of the table's items that do not come through the VPC's own endpoint. Console and laptops then see no items; use the operations host."
  type        = bool
  default     = true
}

# ── API ──────────────────────────────────────────────────────────────────────

variable "certificate_arn" {
  description = "ACM certificate of the load balancer. Empty: plain HTTP, if allow_plain_http is true."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:(acm|iam):.+)?$", var.certificate_arn))
    error_message = "certificate_arn must be empty or the ARN of a certificate."
  }

  validation {
    condition     = var.certificate_arn != "" || var.allow_plain_http
    error_message = "Give certificate_arn, or set allow_plain_http to true for a first try."
  }
}

variable "allow_plain_http" {
  description = "Serve plain HTTP inside the VPC while there is no certificate. For a first try; set to false in production."
  type        = bool
  default     = true
}

variable "ssl_policy" {
  description = "TLS versions and ciphers of the HTTPS listener."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  validation {
    condition     = startswith(var.ssl_policy, "ELBSecurityPolicy-TLS13-")
    error_message = "ssl_policy must be one of the ELBSecurityPolicy-TLS13- policies."
  }
}

variable "api_services" {
  description = "Services behind the load balancer. target_type lambda names one of the functions of this stack by the service's own name; ip makes a target group that containers register with."
  type = map(object({
    priority          = number
    target_type       = optional(string, "lambda")
    paths             = list(string)
    methods           = list(string)
    health_check_path = optional(string, "")
  }))
  default = {
    collector = {
      priority = 10
      paths    = ["/v1/events", "/v1/events/"]
      methods  = ["POST"]
    }
    # Behind every other service: it answers what is read below /v1, and says so of what is not there.
    insights = {
      priority = 1000
      paths    = ["/v1/*", "/healthz*"]
      methods  = ["GET", "HEAD", "OPTIONS"]
    }
  }

  validation {
    condition     = alltrue([for name in keys(var.api_services) : can(regex("^[a-z][a-z0-9]{0,9}$", name))])
    error_message = "Names in api_services must be 1-10 lower-case letters and digits: target group names hold 32 characters."
  }

  validation {
    condition     = alltrue([for name, service in var.api_services : service.target_type == "ip" || (service.target_type == "lambda" && contains(["collector", "insights"], name))])
    error_message = "target_type must be ip, or lambda for the services collector and insights."
  }

  validation {
    condition     = alltrue([for service in values(var.api_services) : length(service.paths) > 0 && length(service.methods) > 0 && length(service.paths) + length(service.methods) <= 5])
    error_message = "A listener rule holds at least one path and one method, and at most five of both together."
  }

  validation {
    condition     = length(distinct([for service in values(var.api_services) : service.priority])) == length(var.api_services)
    error_message = "Every service in api_services needs a priority of its own."
  }

  validation {
    condition     = alltrue([for service in values(var.api_services) : service.target_type == "lambda" || service.health_check_path != ""])
    error_message = "A service with ip targets needs a health_check_path."
  }
}

variable "ip_target_port" {
  description = "Port on which services with ip targets speak HTTPS."
  type        = number
  default     = 8443

  validation {
    condition     = var.ip_target_port >= 1024 && var.ip_target_port <= 65535 && var.ip_target_port != 3389
    error_message = "ip_target_port must be 1024-65535 and not 3389."
  }
}

# ── Operations ───────────────────────────────────────────────────────────────

variable "alarm_email" {
  description = "Address that hears about alarms; AWS asks it to confirm. Empty: no subscription."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([^@ ]+@[^@ ]+\\.[^@ ]+)?$", var.alarm_email))
    error_message = "alarm_email must be empty or an e-mail address."
  }
}

variable "alarm_thresholds" {
  description = "Where alarms begin: minutes that the consumer lags, percent of records in quarantine, late events in 15 minutes, 5xx answers in 5 minutes, latency of the API in seconds (p99)."
  type = object({
    iterator_age_minutes = optional(number, 15)
    quarantine_percent   = optional(number, 1)
    late_events          = optional(number, 1000)
    api_5xx              = optional(number, 5)
    api_latency_s        = optional(number, 2)
  })
  default = {}

  validation {
    condition     = alltrue([for value in values(var.alarm_thresholds) : value > 0])
    error_message = "Every value in alarm_thresholds must be above 0."
  }
}

variable "enable_operations_host" {
  description = "Make a small host in a private subnet for people, reached through Session Manager."
  type        = bool
  default     = false
}

variable "ssh_allowed_cidr" {
  description = "Range that may open SSH to the operations host. Empty: the VPC. Nothing else listens on port 22, and without the host no rule for it exists."
  type        = string
  default     = ""

  validation {
    condition     = var.ssh_allowed_cidr == "" || (can(regex(local.private_range, var.ssh_allowed_cidr)) && try(cidrsubnet(var.ssh_allowed_cidr, 0, 0) == var.ssh_allowed_cidr, false))
    error_message = "ssh_allowed_cidr must be empty or a private range (in 10/8, 172.16/12, 192.168/16 or 100.64/10) such as 10.1.0.0/16."
  }
}

variable "operations_instance_type" {
  description = "Instance type of the operations host (arm64)."
  type        = string
  default     = "t4g.nano"

  validation {
    condition     = can(regex("^[a-z0-9]+g[a-z]*\\.[a-z0-9]+$", var.operations_instance_type))
    error_message = "operations_instance_type must be a Graviton type such as t4g.nano."
  }
}


# ═════════════════════════════════════════════════════════════════════════════
# 2  Locals
# ═════════════════════════════════════════════════════════════════════════════

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394: filtering by name would hard-code the zones of one region; var.availability_zones pins them where that is wanted
  state = "available"

  # Local and Wavelength zones have neither NAT gateways nor load balancers of the kind used here.
  filter {
    name   = "zone-type"
    values = ["availability-zone"]
  }
}

# ── Names, tags, toggles ─────────────────────────────────────────────────────

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix
  arn_prefix = "arn:${local.partition}" # followed by :service:region:account:resource

  name          = "${var.name_prefix}-${var.environment}"
  bucket_suffix = var.unique_suffix != "" ? var.unique_suffix : "${local.account_id}-${var.aws_region}"

  tags = merge({
    Project     = var.name_prefix
    Environment = var.environment
    ManagedBy   = "terraform"
  }, var.tags)

  on_demand    = var.stream_mode == "ON_DEMAND"
  regional_nat = var.nat_gateway_mode == "regional"
  https        = var.certificate_arn != ""

  lambda_services = { for name, service in var.api_services : name => service if service.target_type == "lambda" }
  ip_services     = { for name, service in var.api_services : name => service if service.target_type == "ip" }
}

# ── Sizes ────────────────────────────────────────────────────────────────────

locals {
  # A shard takes 1,000 records and 1 MB a second: the scarcer of both decides. Two shards at least, so that one hot
  # key or one slow batch never holds up everything.
  # https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html, read 2026-11-23
  peak_events_per_s = var.peak_events_per_minute / 60
  shard_count = max(2, ceil(var.stream_headroom_factor * max(
    local.peak_events_per_s / 1000,
    local.peak_events_per_s * var.event_bytes_average / 1000000,
  )))

  # Counters are kept in lanes so that batches of different shards do not write the same row. Fewer lanes than four
  # would save nothing; an on-demand stream starts with four shards.
  lane_count = local.on_demand ? 4 : min(1000, max(4, local.shard_count))
}

# ── Addresses ────────────────────────────────────────────────────────────────

locals {
  # 10/8, 172.16/12, 192.168/16 and 100.64/10, and nothing wider. (RFC 1918, and RFC 6598 for the last)
  private_range = "^(10(\\.[0-9]+){3}/([89]|[12][0-9]|3[0-2])|172\\.(1[6-9]|2[0-9]|3[01])(\\.[0-9]+){2}/(1[2-9]|2[0-9]|3[0-2])|192\\.168(\\.[0-9]+){2}/(1[6-9]|2[0-9]|3[0-2])|100\\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])(\\.[0-9]+){2}/([12][0-9]|3[0-2]))$"

  azs = length(var.availability_zones) > 0 ? var.availability_zones : slice(data.aws_availability_zones.available.names, 0, var.az_count)

  # Every tier gets four consecutive /24 of the VPC, one a zone and the rest spare. egress exists with zonal NAT only
  # and takes a /28 of its block, which is too small for anything but the gateway.
  tiers     = concat(["app", "alb", "endpoint"], local.regional_nat ? [] : ["egress"])
  tier_slot = { app = 0, alb = 4, endpoint = 8, egress = 12 }
  newbits   = 24 - tonumber(split("/", var.vpc_cidr)[1])

  computed_cidrs = {
    for tier, slot in local.tier_slot : tier => [
      for index in range(var.az_count) :
      tier == "egress" ? cidrsubnet(cidrsubnet(var.vpc_cidr, local.newbits, slot + index), 4, 0) : cidrsubnet(var.vpc_cidr, local.newbits, slot + index)
    ]
  }

  # {"app-us-east-1a" = {tier, az, cidr}, ...}: everything that exists once a subnet loops over this.
  subnets = merge([
    for tier in local.tiers : {
      for index, az in local.azs : "${tier}-${az}" => {
        tier = tier
        az   = az
        cidr = length(var.subnet_cidrs[tier]) > 0 ? var.subnet_cidrs[tier][index] : local.computed_cidrs[tier][index]
      }
    }
  ]...)

  tier_cidrs      = { for tier in local.tiers : tier => [for az in local.azs : local.subnets["${tier}-${az}"].cidr] }
  tier_subnet_ids = { for tier in local.tiers : tier => [for az in local.azs : aws_subnet.private["${tier}-${az}"].id] }

  client_cidrs = length(var.allowed_client_cidrs) > 0 ? var.allowed_client_cidrs : [var.vpc_cidr]
}

# ── Network rules, as data (docs/reference/network.md shows the same tables) ──

locals {
  # Names used by the rules below.
  ports = {
    all            = { from = 0, to = 0, protocol = "-1" }
    ssh            = { from = 22, to = 22, protocol = "tcp" }
    http           = { from = 80, to = 80, protocol = "tcp" }
    https          = { from = 443, to = 443, protocol = "tcp" }
    ip_target      = { from = var.ip_target_port, to = var.ip_target_port, protocol = "tcp" }
    ephemeral      = { from = 1024, to = 65535, protocol = "tcp" }
    ephemeral_low  = { from = 1024, to = 3388, protocol = "tcp" }  # around 3389, which must never be open to the
    ephemeral_high = { from = 3390, to = 65535, protocol = "tcp" } # internet, not even for replies
  }

  # When a rule exists.
  conditions = {
    always          = true
    https           = local.https
    ip_targets      = length(local.ip_services) > 0
    operations_host = var.enable_operations_host
    host_https      = var.enable_operations_host && local.https
    internet_egress = var.enable_function_internet_egress
    zonal_nat       = !local.regional_nat
    more_endpoints  = length(var.interface_endpoints) > 1 # private DNS leads every caller of their services to them
  }

  # Whom a network ACL rule is about.
  peer_cidrs = {
    alb      = local.tier_cidrs["alb"]
    app      = local.tier_cidrs["app"]
    endpoint = local.tier_cidrs["endpoint"]
    clients  = local.client_cidrs
    ssh      = [var.ssh_allowed_cidr != "" ? var.ssh_allowed_cidr : var.vpc_cidr]
    vpc      = [var.vpc_cidr]
    internet = ["0.0.0.0/0"]
  }

  # Network ACLs keep no connection state, so each direction is listed. Order matters: named neighbours first (1xx),
  # then a denial of the rest of the VPC (300), then the internet (4xx), which in the app tier means NAT and the
  # gateway endpoints for DynamoDB and S3, whose addresses are public ranges. AWS's resolver, DHCP, time and metadata
  # addresses are never filtered by network ACLs, so no rule names them.
  # A rule with several peer ranges takes consecutive numbers.
  network_acl_rules = [
    { tier = "alb", direction = "in", number = 100, action = "allow", ports = "http", peer = "clients", when = "always", why = "Clients; with a certificate this port only redirects to 443" },
    { tier = "alb", direction = "in", number = 110, action = "allow", ports = "https", peer = "clients", when = "https", why = "Clients" },
    { tier = "alb", direction = "in", number = 120, action = "allow", ports = "ephemeral", peer = "app", when = "ip_targets", why = "Replies of ip targets" },
    { tier = "alb", direction = "in", number = 130, action = "allow", ports = "http", peer = "app", when = "operations_host", why = "Operations host; the groups keep the functions out" },
    { tier = "alb", direction = "in", number = 140, action = "allow", ports = "https", peer = "app", when = "host_https", why = "Operations host; the groups keep the functions out" },
    { tier = "alb", direction = "out", number = 100, action = "allow", ports = "ephemeral", peer = "clients", when = "always", why = "Replies to clients" },
    { tier = "alb", direction = "out", number = 120, action = "allow", ports = "ip_target", peer = "app", when = "ip_targets", why = "Requests and health checks to ip targets; Lambda targets need no network path" },
    { tier = "alb", direction = "out", number = 130, action = "allow", ports = "ephemeral", peer = "app", when = "operations_host", why = "Replies to the operations host" },

    { tier = "app", direction = "in", number = 100, action = "allow", ports = "ip_target", peer = "alb", when = "ip_targets", why = "Requests and health checks to ip targets" },
    { tier = "app", direction = "in", number = 120, action = "allow", ports = "ephemeral", peer = "endpoint", when = "always", why = "Replies of interface endpoints" },
    { tier = "app", direction = "in", number = 140, action = "allow", ports = "ssh", peer = "ssh", when = "operations_host", why = "SSH to the operations host" },
    { tier = "app", direction = "in", number = 150, action = "allow", ports = "ephemeral", peer = "alb", when = "operations_host", why = "Replies of the load balancer to the operations host" },
    { tier = "app", direction = "in", number = 300, action = "deny", ports = "all", peer = "vpc", when = "always", why = "The rest of the VPC, before the wide rules" },
    { tier = "app", direction = "in", number = 400, action = "allow", ports = "ephemeral_low", peer = "internet", when = "always", why = "Replies through NAT and gateway endpoints" },
    { tier = "app", direction = "in", number = 410, action = "allow", ports = "ephemeral_high", peer = "internet", when = "always", why = "Replies through NAT and gateway endpoints" },
    { tier = "app", direction = "out", number = 100, action = "allow", ports = "ephemeral", peer = "alb", when = "ip_targets", why = "Replies of ip targets" },
    { tier = "app", direction = "out", number = 120, action = "allow", ports = "https", peer = "endpoint", when = "always", why = "Kinesis and the other interface endpoints" },
    { tier = "app", direction = "out", number = 140, action = "allow", ports = "ephemeral", peer = "ssh", when = "operations_host", why = "Replies of the operations host" },
    { tier = "app", direction = "out", number = 150, action = "allow", ports = "http", peer = "alb", when = "operations_host", why = "Operations host to the API" },
    { tier = "app", direction = "out", number = 160, action = "allow", ports = "https", peer = "alb", when = "host_https", why = "Operations host to the API" },
    { tier = "app", direction = "out", number = 300, action = "deny", ports = "all", peer = "vpc", when = "always", why = "The rest of the VPC, before the wide rules" },
    { tier = "app", direction = "out", number = 400, action = "allow", ports = "https", peer = "internet", when = "always", why = "DynamoDB and S3 through gateway endpoints, the internet through NAT" },

    { tier = "endpoint", direction = "in", number = 100, action = "allow", ports = "https", peer = "app", when = "always", why = "Callers of interface endpoints" },
    { tier = "endpoint", direction = "out", number = 100, action = "allow", ports = "ephemeral", peer = "app", when = "always", why = "Replies of interface endpoints" },

    { tier = "egress", direction = "in", number = 100, action = "allow", ports = "https", peer = "app", when = "zonal_nat", why = "Traffic to be translated" },
    { tier = "egress", direction = "in", number = 300, action = "deny", ports = "all", peer = "vpc", when = "zonal_nat", why = "The rest of the VPC, before the wide rules" },
    { tier = "egress", direction = "in", number = 400, action = "allow", ports = "ephemeral_low", peer = "internet", when = "zonal_nat", why = "Replies from the internet" },
    { tier = "egress", direction = "in", number = 410, action = "allow", ports = "ephemeral_high", peer = "internet", when = "zonal_nat", why = "Replies from the internet" },
    { tier = "egress", direction = "out", number = 100, action = "allow", ports = "ephemeral", peer = "app", when = "zonal_nat", why = "Translated replies" },
    { tier = "egress", direction = "out", number = 300, action = "deny", ports = "all", peer = "vpc", when = "zonal_nat", why = "The rest of the VPC, before the wide rules" },
    { tier = "egress", direction = "out", number = 400, action = "allow", ports = "https", peer = "internet", when = "zonal_nat", why = "Translated traffic" },
  ]

  network_acl_entries = merge([
    for rule in local.network_acl_rules : {
      for index, cidr in local.peer_cidrs[rule.peer] : "${rule.tier}-${rule.direction}-${rule.number + index}" => merge(rule, {
        number = rule.number + index
        cidr   = cidr
      })
    } if local.conditions[rule.when]
  ]...)

  # One group for each role. Peers are another group, a gateway endpoint's prefix list, or ranges from peer_cidrs.
  security_groups = {
    alb        = { when = "always", why = "Internal load balancer" }
    consumer   = { when = "always", why = "Consumer function: reads the stream through the Lambda service, writes to DynamoDB and S3" }
    collector  = { when = "always", why = "Collector function: writes to the stream" }
    insights   = { when = "always", why = "Insights function: reads DynamoDB" }
    endpoints  = { when = "always", why = "Interface endpoints" }
    services   = { when = "ip_targets", why = "API services with ip targets" }
    operations = { when = "operations_host", why = "Operations host" }
  }

  # Security groups keep connection state, so only the side that opens a connection is listed, once where it leaves
  # and once where it arrives.
  security_group_rules = [
    { group = "alb", direction = "in", ports = "http", peer = "clients", when = "always", why = "Clients; with a certificate this port only redirects to 443" },
    { group = "alb", direction = "in", ports = "https", peer = "clients", when = "https", why = "Clients" },
    { group = "alb", direction = "in", ports = "http", peer = "group:operations", when = "operations_host", why = "Operations host to the API" },
    { group = "alb", direction = "in", ports = "https", peer = "group:operations", when = "host_https", why = "Operations host to the API" },
    { group = "alb", direction = "out", ports = "ip_target", peer = "group:services", when = "ip_targets", why = "Requests and health checks to ip targets" },

    { group = "consumer", direction = "out", ports = "https", peer = "prefix-list:dynamodb", when = "always", why = "Read and write the table" },
    { group = "consumer", direction = "out", ports = "https", peer = "prefix-list:s3", when = "always", why = "Store quarantined and late events" },
    { group = "consumer", direction = "out", ports = "https", peer = "group:endpoints", when = "more_endpoints", why = "AWS through interface endpoints" },
    { group = "consumer", direction = "out", ports = "https", peer = "internet", when = "internet_egress", why = "The internet, through NAT" },

    { group = "collector", direction = "out", ports = "https", peer = "group:endpoints", when = "always", why = "Write to Kinesis" },
    { group = "collector", direction = "out", ports = "https", peer = "internet", when = "internet_egress", why = "The internet, through NAT" },

    { group = "insights", direction = "out", ports = "https", peer = "prefix-list:dynamodb", when = "always", why = "Read the table" },
    { group = "insights", direction = "out", ports = "https", peer = "group:endpoints", when = "more_endpoints", why = "AWS through interface endpoints" },
    { group = "insights", direction = "out", ports = "https", peer = "internet", when = "internet_egress", why = "The internet, through NAT" },

    { group = "endpoints", direction = "in", ports = "https", peer = "group:collector", when = "always", why = "Collector to Kinesis" },
    { group = "endpoints", direction = "in", ports = "https", peer = "group:consumer", when = "more_endpoints", why = "Consumer to AWS" },
    { group = "endpoints", direction = "in", ports = "https", peer = "group:insights", when = "more_endpoints", why = "Insights to AWS" },
    { group = "endpoints", direction = "in", ports = "https", peer = "group:services", when = "ip_targets", why = "API services to AWS" },
    { group = "endpoints", direction = "in", ports = "https", peer = "group:operations", when = "operations_host", why = "Operations host to AWS" },

    { group = "services", direction = "in", ports = "ip_target", peer = "group:alb", when = "ip_targets", why = "Requests and health checks" },
    { group = "services", direction = "out", ports = "https", peer = "group:endpoints", when = "ip_targets", why = "AWS through interface endpoints" },
    { group = "services", direction = "out", ports = "https", peer = "prefix-list:dynamodb", when = "ip_targets", why = "Read the table" },
    { group = "services", direction = "out", ports = "https", peer = "prefix-list:s3", when = "ip_targets", why = "Layers of container images" },
    { group = "services", direction = "out", ports = "https", peer = "internet", when = "ip_targets", why = "Container registry, through NAT" },

    { group = "operations", direction = "in", ports = "ssh", peer = "ssh", when = "operations_host", why = "SSH" },
    { group = "operations", direction = "out", ports = "http", peer = "group:alb", when = "operations_host", why = "Operations host to the API" },
    { group = "operations", direction = "out", ports = "https", peer = "group:alb", when = "host_https", why = "Operations host to the API" },
    { group = "operations", direction = "out", ports = "https", peer = "group:endpoints", when = "operations_host", why = "AWS through interface endpoints" },
    { group = "operations", direction = "out", ports = "https", peer = "prefix-list:dynamodb", when = "operations_host", why = "Read and write the table" },
    { group = "operations", direction = "out", ports = "https", peer = "prefix-list:s3", when = "operations_host", why = "Read what was set aside" },
    { group = "operations", direction = "out", ports = "https", peer = "internet", when = "operations_host", why = "Session Manager, through NAT" },
  ]

  # One entry a peer range; a group or prefix list is a single entry.
  security_group_entries = merge([
    for rule in local.security_group_rules : {
      for index, cidr in lookup(local.peer_cidrs, rule.peer, [null]) :
      "${rule.group}-${rule.direction}-${rule.ports}-${replace(rule.peer, "/^.*:/", "")}${index == 0 ? "" : "-${index}"}" => {
        group       = rule.group
        direction   = rule.direction
        ports       = local.ports[rule.ports]
        why         = rule.why
        cidr        = cidr
        peer_group  = startswith(rule.peer, "group:") ? trimprefix(rule.peer, "group:") : null
        prefix_list = startswith(rule.peer, "prefix-list:") ? trimprefix(rule.peer, "prefix-list:") : null
      }
    } if local.conditions[rule.when]
  ]...)

  # What each endpoint lets through: these actions on these resources, for callers of this account. Item actions are
  # also what authorises a transaction.
  endpoint_policies = {
    dynamodb = {
      actions = concat(
        ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Query"],
        var.enable_operations_host ? ["dynamodb:DeleteItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem"] : [],
      )
      resources = [aws_dynamodb_table.behaviour.arn]
    }
    s3 = {
      actions = concat(
        ["s3:PutObject"],
        var.enable_operations_host ? ["s3:GetObject", "s3:ListBucket"] : [],
      )
      resources = flatten([for bucket in values(aws_s3_bucket.data) : [bucket.arn, "${bucket.arn}/*"]])
    }
    kinesis-streams = {
      actions   = concat(["kinesis:PutRecords"], var.enable_operations_host ? ["kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"] : [])
      resources = [aws_kinesis_stream.events.arn]
    }
    logs = {
      actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      resources = [for group in values(aws_cloudwatch_log_group.this) : "${group.arn}:*"]
    }
    sqs = {
      actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
      resources = ["${local.arn_prefix}:sqs:${var.aws_region}:${local.account_id}:${local.name}-*"]
    }
    kms = {
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
      resources = [for key in values(aws_kms_key.this) : key.arn]
    }
    monitoring = {
      actions   = ["cloudwatch:PutMetricData"]
      resources = ["*"] # the action knows no resources
    }
    xray = {
      actions   = ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources = ["*"] # the actions know no resources
    }
  }

  # Objects of AWS's own buckets that the S3 endpoint lets through as well: packages of Amazon Linux, which dnf gets
  # without signing, and layers of images, whose URLs the registry signs with AWS's account. Both names as in the VPC
  # endpoint policies of https://github.com/aws-samples/data-perimeter-policy-examples, read 2026-11-26; for the layers
  # see also https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html#ecr-minimum-s3-perms
  aws_objects = concat(
    var.enable_operations_host ? ["${local.arn_prefix}:s3:::al2023-repos-${var.aws_region}-de612dc2/*"] : [],
    length(local.ip_services) > 0 ? ["${local.arn_prefix}:s3:::prod-${var.aws_region}-starport-layer-bucket/*"] : [],
  )
}


# ═════════════════════════════════════════════════════════════════════════════
# 3  Keys
# ═════════════════════════════════════════════════════════════════════════════

locals {
  # One key for each class of data. A key works only through the services named here, for callers of this account
  # whose own policies allow it. grants: DynamoDB and Lambda keep one to work in the background.
  kms_keys = {
    stream     = { via = ["kinesis"], grants = false, why = "Events in the stream" }
    table      = { via = ["dynamodb"], grants = true, why = "Behaviour in the table" }
    objects    = { via = ["s3"], grants = false, why = "Raw archive, quarantined, late and failed events" }
    operations = { via = ["lambda", "sns"], grants = true, why = "Logs, alarms and settings of functions" }
  }

  alarm_arns = "${local.arn_prefix}:cloudwatch:${var.aws_region}:${local.account_id}:alarm:${local.name}-*"
}

data "aws_iam_policy_document" "kms" {
  #checkov:skip=CKV_AWS_109: in a key policy the resource "*" is the key itself; administration is delegated to this account's IAM
  #checkov:skip=CKV_AWS_111: in a key policy the resource "*" is the key itself, and use is held to named services
  #checkov:skip=CKV_AWS_356: in a key policy the resource "*" is the key itself
  for_each = local.kms_keys

  # Without this statement nobody could ever change or delete the key. It allows nothing by itself: IAM must allow it too.
  statement {
    sid = "AccountAdministersKey"
    actions = [
      "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
      "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations",
      "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:RotateKeyOnDemand",
      "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
    ]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["${local.arn_prefix}:iam::${local.account_id}:root"]
    }
  }

  statement {
    sid       = "AccountUsesKeyThroughService"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["${local.arn_prefix}:iam::${local.account_id}:root"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in each.value.via : "${service}.${var.aws_region}.${local.dns_suffix}"]
    }
  }

  dynamic "statement" {
    for_each = each.value.grants ? ["grants"] : []

    content {
      sid       = "ServicesKeepGrants"
      actions   = ["kms:CreateGrant"]
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = ["${local.arn_prefix}:iam::${local.account_id}:root"]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [for service in each.value.via : "${service}.${var.aws_region}.${local.dns_suffix}"]
      }

      condition {
        test     = "Bool"
        variable = "kms:GrantIsForAWSResource"
        values   = ["true"]
      }
    }
  }

  dynamic "statement" {
    for_each = each.key == "operations" ? ["logs"] : []

    content {
      sid       = "LogsEncryptsGroups"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["logs.${var.aws_region}.${local.dns_suffix}"]
      }

      condition {
        test     = "ArnEquals"
        variable = "kms:EncryptionContext:aws:logs:arn"
        values   = [for name in values(local.log_groups) : "${local.arn_prefix}:logs:${var.aws_region}:${local.account_id}:log-group:${name}"]
      }
    }
  }

  # Alarms publish to the encrypted topic.
  dynamic "statement" {
    for_each = each.key == "operations" ? ["alarms"] : []

    content {
      sid       = "AlarmsPublish"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["cloudwatch.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account_id]
      }

      condition {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values   = [local.alarm_arns]
      }
    }
  }
}

resource "aws_kms_key" "this" {
  for_each = local.kms_keys

  description             = "${local.name}: ${each.value.why}"
  policy                  = data.aws_iam_policy_document.kms[each.key].json
  enable_key_rotation     = true
  deletion_window_in_days = 30

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_kms_alias" "this" {
  for_each = local.kms_keys

  name          = "alias/${local.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}


# ═════════════════════════════════════════════════════════════════════════════
# 4  Network
# ═════════════════════════════════════════════════════════════════════════════

# ── VPC; its default objects are emptied so that nothing works by accident ────

resource "aws_vpc" "main" {
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # private DNS names of interface endpoints

  tags = { Name = local.name }
}

resource "aws_default_security_group" "none" {
  vpc_id = aws_vpc.main.id

  tags = { Name = "${local.name}-default-unused" }
}

resource "aws_default_network_acl" "none" {
  default_network_acl_id = aws_vpc.main.default_network_acl_id

  tags = { Name = "${local.name}-default-unused" }

  lifecycle {
    ignore_changes = [subnet_ids] # a subnet is here for the moment between its creation and its own ACL
  }
}

resource "aws_default_route_table" "none" {
  default_route_table_id = aws_vpc.main.default_route_table_id
  route                  = []

  tags = { Name = "${local.name}-default-unused" }
}

# ── Subnets: one of each tier in each zone ───────────────────────────────────

resource "aws_subnet" "private" {
  for_each = local.subnets

  vpc_id                  = aws_vpc.main.id
  availability_zone       = each.value.az
  cidr_block              = each.value.cidr
  map_public_ip_on_launch = false

  tags = { Name = "${local.name}-${each.key}", Tier = each.value.tier }

  lifecycle {
    precondition {
      condition = alltrue([
        for key, other in local.subnets : key == each.key || (
          cidrhost("${split("/", other.cidr)[0]}/${min(split("/", other.cidr)[1], split("/", each.value.cidr)[1])}", 0) !=
          cidrhost("${split("/", each.value.cidr)[0]}/${min(split("/", other.cidr)[1], split("/", each.value.cidr)[1])}", 0)
        )
      ])
      error_message = "${each.key} (${each.value.cidr}) overlaps another subnet: give subnet_cidrs for the other tiers too."
    }
  }

  # Lambda gives its network interfaces back up to 45 minutes after the function is gone.
  timeouts {
    delete = "60m"
  }
}

# ── NAT: the only way out ────────────────────────────────────────────────────
#
# A regional NAT gateway belongs to the VPC, not to a subnet. AWS keeps a route table of its own for it, and that table
# holds the only route to the internet gateway: no subnet of ours has one, so no subnet is public.
# https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateways-regional.html, read 2026-11-23

resource "aws_internet_gateway" "nat_only" {
  vpc_id = aws_vpc.main.id

  tags = { Name = "${local.name}-nat-only" }
}

resource "aws_eip" "nat" {
  #checkov:skip=CKV2_AWS_19: the addresses belong to the NAT gateway; with the regional kind CloudFormation attaches them
  for_each = toset(local.azs)

  domain     = "vpc"
  depends_on = [aws_internet_gateway.nat_only]

  tags = { Name = "${local.name}-nat-${each.key}" }

  lifecycle {
    create_before_destroy = true # the gateway must let go of an address before it is released
  }
}

# Provider 5.100 cannot make a regional gateway (6.24 can), CloudFormation can. Addresses are listed by zone (manual
# mode): every zone works from the first minute and the egress addresses are known. A change of zones is made in place.
resource "aws_cloudformation_stack" "nat" {
  count = local.regional_nat ? 1 : 0

  name              = "${local.name}-nat"
  notification_arns = [aws_sns_topic.alarms.arn]
  on_failure        = "DELETE"

  template_body = jsonencode({
    AWSTemplateFormatVersion = "2010-09-09"
    Description              = "Regional NAT gateway of ${local.name}; managed by Terraform."
    Resources = {
      NatGateway = {
        Type = "AWS::EC2::NatGateway"
        Properties = {
          AvailabilityMode = "regional"
          ConnectivityType = "public"
          VpcId            = aws_vpc.main.id
          AvailabilityZoneAddresses = [
            for az in local.azs : { AvailabilityZone = az, AllocationIds = [aws_eip.nat[az].allocation_id] }
          ]
          Tags = [{ Key = "Name", Value = local.name }]
        }
      }
    }
    Outputs = {
      NatGatewayId = { Value = { Ref = "NatGateway" } }
    }
  })

  depends_on = [aws_internet_gateway.nat_only]

  tags = { Name = "${local.name}-nat" }
}

# The other kind, for partitions without regional gateways: one gateway a zone, in a subnet that holds nothing else.
resource "aws_nat_gateway" "zonal" {
  for_each = local.regional_nat ? toset([]) : toset(local.azs)

  allocation_id = aws_eip.nat[each.key].allocation_id
  subnet_id     = aws_subnet.private["egress-${each.key}"].id

  depends_on = [aws_internet_gateway.nat_only]

  tags = { Name = "${local.name}-${each.key}" }
}

locals {
  nat_gateway_ids = {
    for az in local.azs : az => local.regional_nat ? aws_cloudformation_stack.nat[0].outputs["NatGatewayId"] : aws_nat_gateway.zonal[az].id
  }
}

# ── Routes ───────────────────────────────────────────────────────────────────

# Subnets that run code reach the internet through NAT, and DynamoDB and S3 through gateway endpoints.
resource "aws_route_table" "app" {
  for_each = toset(local.azs)

  vpc_id = aws_vpc.main.id

  tags = { Name = "${local.name}-app-${each.key}" }
}

resource "aws_route" "app_to_nat" {
  for_each = toset(local.azs)

  route_table_id         = aws_route_table.app[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = local.nat_gateway_ids[each.key]
}

# Load balancer and interface endpoints start no connections to the internet: their subnets reach the VPC alone.
resource "aws_route_table" "isolated" {
  vpc_id = aws_vpc.main.id

  tags = { Name = "${local.name}-isolated" }
}

# With zonal NAT only: the one route table with a route to the internet gateway.
resource "aws_route_table" "egress" {
  count = local.regional_nat ? 0 : 1

  vpc_id = aws_vpc.main.id

  tags = { Name = "${local.name}-egress" }
}

resource "aws_route" "egress_to_internet" {
  count = local.regional_nat ? 0 : 1

  route_table_id         = aws_route_table.egress[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.nat_only.id
}

resource "aws_route_table_association" "this" {
  for_each = local.subnets

  subnet_id = aws_subnet.private[each.key].id
  route_table_id = (
    each.value.tier == "app" ? aws_route_table.app[each.value.az].id :
    each.value.tier == "egress" ? aws_route_table.egress[0].id :
    aws_route_table.isolated.id
  )
}

# ── Network ACLs: one a tier ─────────────────────────────────────────────────

resource "aws_network_acl" "tier" {
  for_each = toset(local.tiers)

  vpc_id     = aws_vpc.main.id
  subnet_ids = [for key, subnet in aws_subnet.private : subnet.id if local.subnets[key].tier == each.key]

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_network_acl_rule" "this" {
  for_each = local.network_acl_entries

  network_acl_id = aws_network_acl.tier[each.value.tier].id
  egress         = each.value.direction == "out"
  rule_number    = each.value.number
  rule_action    = each.value.action
  protocol       = local.ports[each.value.ports].protocol
  from_port      = local.ports[each.value.ports].from
  to_port        = local.ports[each.value.ports].to
  cidr_block     = each.value.cidr
}

# ── Security groups: one a role ──────────────────────────────────────────────

resource "aws_security_group" "role" {
  #checkov:skip=CKV2_AWS_5: attached through this map by the load balancer, the functions, the endpoints and the operations host
  for_each = { for role, group in local.security_groups : role => group if local.conditions[group.when] }

  name                   = "${local.name}-${each.key}"
  description            = each.value.why
  vpc_id                 = aws_vpc.main.id
  revoke_rules_on_delete = true # groups name each other; without this they cannot be deleted

  tags = { Name = "${local.name}-${each.key}" }

  timeouts {
    delete = "60m" # see aws_subnet.private
  }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = { for key, rule in local.security_group_entries : key => rule if rule.direction == "in" }

  security_group_id            = aws_security_group.role[each.value.group].id
  description                  = each.value.why
  ip_protocol                  = each.value.ports.protocol
  from_port                    = each.value.ports.from
  to_port                      = each.value.ports.to
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.peer_group == null ? null : aws_security_group.role[each.value.peer_group].id

  tags = { Name = each.key }
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = { for key, rule in local.security_group_entries : key => rule if rule.direction == "out" }

  security_group_id            = aws_security_group.role[each.value.group].id
  description                  = each.value.why
  ip_protocol                  = each.value.ports.protocol
  from_port                    = each.value.ports.from
  to_port                      = each.value.ports.to
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.peer_group == null ? null : aws_security_group.role[each.value.peer_group].id
  prefix_list_id = (
    each.value.prefix_list == "dynamodb" ? aws_vpc_endpoint.dynamodb.prefix_list_id :
    each.value.prefix_list == "s3" ? aws_vpc_endpoint.s3.prefix_list_id :
    null
  )

  tags = { Name = each.key }
}

# ── Endpoints: AWS services without leaving the VPC ──────────────────────────

data "aws_iam_policy_document" "endpoint" {
  #checkov:skip=CKV_AWS_111: the two "*" resources belong to actions that know no resources (PutMetricData, X-Ray); an endpoint policy grants nothing by itself
  #checkov:skip=CKV_AWS_356: the same two resources, for the same reason
  #checkov:skip=CKV_AWS_283: an endpoint policy that names principals admits the account's root user only; the condition names the account instead
  for_each = local.endpoint_policies

  statement {
    sid       = "OurResourcesForOurAccount"
    actions   = each.value.actions
    resources = each.value.resources

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account_id]
    }
  }

  # No condition: the caller is nobody, or AWS.
  dynamic "statement" {
    for_each = each.key == "s3" && length(local.aws_objects) > 0 ? [local.aws_objects] : []

    content {
      sid       = "ObjectsOfAws"
      actions   = ["s3:GetObject"]
      resources = statement.value

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }
}

resource "aws_vpc_endpoint" "dynamodb" {
  vpc_id            = aws_vpc.main.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${var.aws_region}.dynamodb"
  route_table_ids   = [for az in local.azs : aws_route_table.app[az].id]
  policy            = data.aws_iam_policy_document.endpoint["dynamodb"].json

  tags = { Name = "${local.name}-dynamodb" }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.main.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${var.aws_region}.s3"
  route_table_ids   = [for az in local.azs : aws_route_table.app[az].id]
  policy            = data.aws_iam_policy_document.endpoint["s3"].json

  tags = { Name = "${local.name}-s3" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.interface_endpoints

  vpc_id              = aws_vpc.main.id
  vpc_endpoint_type   = "Interface"
  service_name        = "${data.aws_partition.current.reverse_dns_prefix}.${var.aws_region}.${each.key}"
  subnet_ids          = local.tier_subnet_ids["endpoint"]
  security_group_ids  = [aws_security_group.role["endpoints"].id]
  private_dns_enabled = true
  policy              = data.aws_iam_policy_document.endpoint[each.key].json

  tags = { Name = "${local.name}-${each.key}" }
}

# ── Flow logs ────────────────────────────────────────────────────────────────

data "aws_iam_policy_document" "assume_flow_logs" {
  statement {
    sid     = "FlowLogsOfThisVpc"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["vpc-flow-logs.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.arn_prefix}:ec2:${var.aws_region}:${local.account_id}:vpc-flow-log/*"]
    }
  }
}

data "aws_iam_policy_document" "flow_logs" {
  statement {
    sid       = "WriteFlowLogs"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this["flow-logs"].arn}:*"]
  }

  statement {
    sid       = "FindLogGroup"
    actions   = ["logs:DescribeLogGroups"]
    resources = ["*"] # it lists, and cannot be held to one group
  }
}

resource "aws_iam_role" "flow_logs" {
  name               = "${local.name}-flow-logs"
  description        = "VPC flow logs to CloudWatch Logs"
  assume_role_policy = data.aws_iam_policy_document.assume_flow_logs.json
}

resource "aws_iam_role_policy" "flow_logs" {
  name   = "flow-logs"
  role   = aws_iam_role.flow_logs.id
  policy = data.aws_iam_policy_document.flow_logs.json
}

resource "aws_flow_log" "vpc" {
  vpc_id                   = aws_vpc.main.id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.this["flow-logs"].arn
  iam_role_arn             = aws_iam_role.flow_logs.arn
  max_aggregation_interval = 600

  depends_on = [aws_iam_role_policy.flow_logs] # or its first deliveries are refused

  tags = { Name = local.name }
}

# Belt and braces: refuses every connection from the internet in the whole region, whatever anybody builds later.
resource "aws_vpc_block_public_access_options" "region" {
  count = var.enable_vpc_block_public_access ? 1 : 0

  internet_gateway_block_mode = "block-ingress"
}


# ═════════════════════════════════════════════════════════════════════════════
# 5  Buckets
# ═════════════════════════════════════════════════════════════════════════════

locals {
  # days: how long objects stay. quarantine, late and failure hold events that are not counted (yet); nothing may
  # expire before a person had time to act on an alarm. why becomes a tag, and S3 takes neither ; nor , in one.
  data_buckets = merge(
    {
      quarantine = { days = 400, why = "Events that the consumer cannot read" }
      late       = { days = 400, why = "Events that came after their state was forgotten" }
      failure    = { days = 400, why = "Batches that the event source mapping gave up - expected to stay empty" }
    },
    var.enable_raw_archive ? { archive = { days = var.archive_retention_days, why = "Every accepted event" } } : {},
  )
}

resource "aws_s3_bucket" "data" {
  #checkov:skip=CKV_AWS_144: one region is a requirement
  #checkov:skip=CKV2_AWS_62: metrics with alarms (section 11) say what arrives here; nothing waits for single objects
  for_each = local.data_buckets

  bucket        = "${local.name}-${each.key}-${local.bucket_suffix}"
  force_destroy = var.force_destroy_buckets

  tags = { Name = "${local.name}-${each.key}", Purpose = each.value.why }
}

resource "aws_s3_bucket_public_access_block" "data" {
  for_each = local.data_buckets

  bucket                  = aws_s3_bucket.data[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "data" {
  for_each = local.data_buckets

  bucket = aws_s3_bucket.data[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "data" {
  for_each = local.data_buckets

  bucket = aws_s3_bucket.data[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data" {
  for_each = local.data_buckets

  bucket = aws_s3_bucket.data[each.key].id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this["objects"].arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "data" {
  for_each = local.data_buckets

  bucket = aws_s3_bucket.data[each.key].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = each.value.days
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = each.key == "archive" ? ["archive"] : []

    content {
      id     = "cool"
      status = "Enabled"

      filter {}

      transition {
        days          = 30
        storage_class = "GLACIER_IR" # read in milliseconds when the table is rebuilt
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.data]
}

resource "aws_s3_bucket_logging" "data" {
  for_each = local.data_buckets

  bucket        = aws_s3_bucket.data[each.key].id
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = "s3/${each.key}/"

  depends_on = [aws_s3_bucket_policy.logs] # S3 checks at once that it may write there
}

data "aws_iam_policy_document" "data_bucket" {
  for_each = local.data_buckets

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"] # a denial may be wide
    resources = [aws_s3_bucket.data[each.key].arn, "${aws_s3_bucket.data[each.key].arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "data" {
  for_each = local.data_buckets

  bucket = aws_s3_bucket.data[each.key].id
  policy = data.aws_iam_policy_document.data_bucket[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.data]
}

# ── Access logs of the load balancer and of the buckets above ────────────────

resource "aws_s3_bucket" "logs" {
  #checkov:skip=CKV_AWS_144: one region is a requirement
  #checkov:skip=CKV_AWS_18: this bucket holds the access logs; logging its own accesses into itself would never end
  #checkov:skip=CKV_AWS_145: load balancers and S3 write logs to buckets with S3-managed keys only
  #checkov:skip=CKV2_AWS_62: nothing waits for access logs
  bucket        = "${local.name}-logs-${local.bucket_suffix}"
  force_destroy = var.force_destroy_buckets

  tags = { Name = "${local.name}-logs", Purpose = "Access logs" }
}

resource "aws_s3_bucket_public_access_block" "logs" {
  bucket                  = aws_s3_bucket.logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "logs" {
  bucket = aws_s3_bucket.logs.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = var.log_retention_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.logs]
}

data "aws_iam_policy_document" "logs_bucket" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"] # a denial may be wide
    resources = [aws_s3_bucket.logs.arn, "${aws_s3_bucket.logs.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html, read 2026-11-23
  statement {
    sid     = "LoadBalancerWritesLogs"
    actions = ["s3:PutObject"]
    resources = [
      "${aws_s3_bucket.logs.arn}/alb-access/AWSLogs/${local.account_id}/*",
      "${aws_s3_bucket.logs.arn}/alb-connection/AWSLogs/${local.account_id}/*",
    ]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.arn_prefix}:elasticloadbalancing:${var.aws_region}:${local.account_id}:loadbalancer/*"]
    }
  }

  statement {
    sid       = "S3WritesLogs"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.logs.arn}/s3/*"]

    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for bucket in values(aws_s3_bucket.data) : bucket.arn]
    }
  }
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.id
  policy = data.aws_iam_policy_document.logs_bucket.json

  depends_on = [aws_s3_bucket_public_access_block.logs]
}


# ═════════════════════════════════════════════════════════════════════════════
# 6  Stream
# ═════════════════════════════════════════════════════════════════════════════

resource "aws_kinesis_stream" "events" {
  name             = "${local.name}-events"
  shard_count      = local.on_demand ? null : local.shard_count
  retention_period = var.stream_retention_hours
  encryption_type  = "KMS"
  kms_key_id       = aws_kms_key.this["stream"].arn

  stream_mode_details {
    stream_mode = var.stream_mode
  }

  shard_level_metrics = [
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
  ]

  tags = { Name = "${local.name}-events" }
}

# ── Raw archive: a second, independent reader of the stream ──────────────────

data "aws_iam_policy_document" "assume_firehose" {
  statement {
    sid     = "FirehoseOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

data "aws_iam_policy_document" "firehose" {
  count = var.enable_raw_archive ? 1 : 0

  statement {
    sid       = "ReadStream"
    actions   = ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = [aws_kinesis_stream.events.arn]
  }

  statement {
    sid       = "DecryptStream"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this["stream"].arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["kinesis.${var.aws_region}.${local.dns_suffix}"]
    }
  }

  statement {
    sid       = "FindArchive"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.data["archive"].arn]
  }

  statement {
    sid       = "WriteArchive"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.data["archive"].arn}/*"]
  }

  statement {
    sid       = "EncryptArchive"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this["objects"].arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.aws_region}.${local.dns_suffix}"]
    }
  }

  statement {
    sid       = "LogErrors"
    actions   = ["logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this["firehose"].arn}:log-stream:*"]
  }
}

resource "aws_iam_role" "firehose" {
  count = var.enable_raw_archive ? 1 : 0

  name               = "${local.name}-firehose"
  description        = "Stream to raw archive"
  assume_role_policy = data.aws_iam_policy_document.assume_firehose.json
}

resource "aws_iam_role_policy" "firehose" {
  count = var.enable_raw_archive ? 1 : 0

  name   = "firehose"
  role   = aws_iam_role.firehose[0].id
  policy = data.aws_iam_policy_document.firehose[0].json
}

resource "aws_cloudwatch_log_stream" "firehose" {
  count = var.enable_raw_archive ? 1 : 0

  name           = "archive"
  log_group_name = aws_cloudwatch_log_group.this["firehose"].name
}

resource "aws_kinesis_firehose_delivery_stream" "archive" {
  #checkov:skip=CKV_AWS_240: with a Kinesis stream as source, the stream's own key encrypts and Firehose takes no setting
  #checkov:skip=CKV_AWS_241: with a Kinesis stream as source, the stream's own key encrypts and Firehose takes no setting
  count = var.enable_raw_archive ? 1 : 0

  name        = "${local.name}-archive"
  destination = "extended_s3"

  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.events.arn
    role_arn           = aws_iam_role.firehose[0].arn
  }

  extended_s3_configuration {
    bucket_arn          = aws_s3_bucket.data["archive"].arn
    role_arn            = aws_iam_role.firehose[0].arn
    kms_key_arn         = aws_kms_key.this["objects"].arn
    prefix              = "events/!{timestamp:yyyy/MM/dd/HH}/"
    error_output_prefix = "errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/"
    buffering_size      = 64 # MB
    buffering_interval  = 300
    compression_format  = "GZIP"

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.this["firehose"].name
      log_stream_name = aws_cloudwatch_log_stream.firehose[0].name
    }

    processing_configuration {
      enabled = true

      # One event a line, so that ordinary tools can read the archive.
      processors {
        type = "AppendDelimiterToRecord"

        parameters {
          parameter_name  = "Delimiter"
          parameter_value = "\\n"
        }
      }
    }
  }

  depends_on = [aws_iam_role_policy.firehose]

  tags = { Name = "${local.name}-archive" }
}


# ═════════════════════════════════════════════════════════════════════════════
# 7  Table
# ═════════════════════════════════════════════════════════════════════════════

resource "aws_dynamodb_table" "behaviour" {
  name                        = "${local.name}-behaviour"
  billing_mode                = "PROVISIONED"
  read_capacity               = var.table_read_capacity.min
  write_capacity              = var.table_write_capacity.min
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  ttl {
    attribute_name = "ttl"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.this["table"].arn
  }

  tags = { Name = "${local.name}-behaviour" }

  lifecycle {
    ignore_changes = [read_capacity, write_capacity] # auto scaling owns them after the first apply
  }
}

locals {
  table_scaling = {
    read = {
      capacity  = var.table_read_capacity
      dimension = "dynamodb:table:ReadCapacityUnits"
      metric    = "DynamoDBReadCapacityUtilization"
    }
    write = {
      capacity  = var.table_write_capacity
      dimension = "dynamodb:table:WriteCapacityUnits"
      metric    = "DynamoDBWriteCapacityUtilization"
    }
  }
}

resource "aws_appautoscaling_target" "table" {
  for_each = local.table_scaling

  service_namespace  = "dynamodb"
  resource_id        = "table/${aws_dynamodb_table.behaviour.name}"
  scalable_dimension = each.value.dimension
  min_capacity       = each.value.capacity.min
  max_capacity       = each.value.capacity.max
}

resource "aws_appautoscaling_policy" "table" {
  for_each = local.table_scaling

  name               = "${local.name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.table[each.key].service_namespace
  resource_id        = aws_appautoscaling_target.table[each.key].resource_id
  scalable_dimension = aws_appautoscaling_target.table[each.key].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value = var.table_target_utilization_percent

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
    }
  }
}

# Items may be read and written through the VPC's endpoint only, by anybody. Administration (backups, settings) stays
# open to IAM, or nobody could undo this. AWS services that act for a caller are judged by the caller's own policies.
data "aws_iam_policy_document" "table" {
  statement {
    sid    = "ItemsThroughOurEndpointOnly"
    effect = "Deny"
    actions = [
      "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
      "dynamodb:GetItem", "dynamodb:PartiQLDelete", "dynamodb:PartiQLInsert", "dynamodb:PartiQLSelect",
      "dynamodb:PartiQLUpdate", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.behaviour.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringNotEqualsIfExists"
      variable = "aws:SourceVpce"
      values   = [aws_vpc_endpoint.dynamodb.id]
    }

    condition {
      test     = "BoolIfExists"
      variable = "aws:ViaAWSService"
      values   = ["false"]
    }
  }
}

resource "aws_dynamodb_resource_policy" "table" {
  count = var.restrict_table_to_vpc ? 1 : 0

  resource_arn = aws_dynamodb_table.behaviour.arn
  policy       = data.aws_iam_policy_document.table.json
}


# ═════════════════════════════════════════════════════════════════════════════
# 8  Functions
# ═════════════════════════════════════════════════════════════════════════════

locals {
  functions = {
    consumer = {
      handler   = "tapstack.entrypoints.consumer.handler"
      memory_mb = var.consumer_memory_mb
      timeout_s = var.consumer_timeout_s
      reserved  = var.reserved_concurrency.consumer
      why       = "Counts the events of the stream into the table, each exactly once"
    }
    collector = {
      handler   = "tapstack.entrypoints.collector.handler"
      memory_mb = var.api_memory_mb
      timeout_s = var.api_timeout_s
      reserved  = var.reserved_concurrency.collector
      why       = "Takes events over HTTP and answers once the stream holds them"
    }
    insights = {
      handler   = "tapstack.entrypoints.insights.handler"
      memory_mb = var.api_memory_mb
      timeout_s = var.api_timeout_s
      reserved  = var.reserved_concurrency.insights
      why       = "Serves features, trends and recommendations from the table"
    }
  }

  # The functions read these names and no others; a test compares them with the Python settings.
  function_environment = {
    consumer = {
      TAPSTACK_TABLE              = aws_dynamodb_table.behaviour.name
      TAPSTACK_QUARANTINE_BUCKET  = aws_s3_bucket.data["quarantine"].bucket
      TAPSTACK_LATE_BUCKET        = aws_s3_bucket.data["late"].bucket
      TAPSTACK_LANES              = tostring(local.lane_count)
      TAPSTACK_ROW_TTL_DAYS       = tostring(var.row_ttl_days)
      TAPSTACK_EVENT_AGE_MAX_DAYS = tostring(var.event_age_max_days)
      TAPSTACK_LOG_LEVEL          = var.log_level
    }
    collector = {
      TAPSTACK_STREAM            = aws_kinesis_stream.events.name
      TAPSTACK_EVENT_BYTES_MAX   = tostring(var.event_bytes_max)
      TAPSTACK_REQUEST_BYTES_MAX = tostring(var.request_bytes_max)
      TAPSTACK_LOG_LEVEL         = var.log_level
    }
    insights = {
      TAPSTACK_TABLE     = aws_dynamodb_table.behaviour.name
      TAPSTACK_LOG_LEVEL = var.log_level
    }
  }

  # Made here, before any service would make them without a key and for ever.
  log_groups = merge(
    { for name in keys(local.functions) : name => "/aws/lambda/${local.name}-${name}" },
    { flow-logs = "/aws/vpc/${local.name}-flow-logs" },
    var.enable_raw_archive ? { firehose = "/aws/kinesisfirehose/${local.name}-archive" } : {},
  )
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_groups

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this["operations"].arn

  tags = { Name = "${local.name}-${each.key}" }
}

# ── Roles: one a function ────────────────────────────────────────────────────

data "aws_iam_policy_document" "assume_lambda" {
  statement {
    sid     = "Lambda"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

# What every function needs to run in a VPC, log and trace.
data "aws_iam_policy_document" "function_common" {
  #checkov:skip=CKV_AWS_111: X-Ray's actions know no resources, so "*" is the only one they take
  #checkov:skip=CKV_AWS_356: the same for X-Ray, and for the two Describe actions of EC2
  for_each = local.functions

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this[each.key].arn}:*"]
  }

  statement {
    sid       = "WriteTraces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }

  statement {
    sid       = "FindNetwork"
    actions   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    resources = ["*"]
  }

  # Lambda asks for these on all resource types of EC2.
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, read 2026-11-23
  statement {
    sid = "AttachToNetwork"
    actions = [
      "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["${local.arn_prefix}:ec2:${var.aws_region}:${local.account_id}:*/*"]
  }

  # The two statements above are for the Lambda service; the function's own code may not use them.
  statement {
    sid    = "CodeLeavesNetworkAlone"
    effect = "Deny"
    actions = [
      "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = ["${local.arn_prefix}:lambda:${var.aws_region}:${local.account_id}:function:${local.name}-${each.key}"]
    }
  }
}

data "aws_iam_policy_document" "consumer" {
  # The event source mapping polls with this role.
  statement {
    sid = "ReadStream"
    actions = [
      "kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator",
      "kinesis:ListShards",
    ]
    resources = [aws_kinesis_stream.events.arn]
  }

  statement {
    sid       = "DecryptStream"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this["stream"].arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["kinesis.${var.aws_region}.${local.dns_suffix}"]
    }
  }

  # TransactWriteItems is authorised by the actions of its items, which are puts with conditions.
  statement {
    sid       = "CountInTable"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:PutItem"]
    resources = [aws_dynamodb_table.behaviour.arn]
  }

  statement {
    sid       = "UseTableKey"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
    resources = [aws_kms_key.this["table"].arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["dynamodb.${var.aws_region}.${local.dns_suffix}"]
    }
  }

  statement {
    sid     = "SetEventsAside"
    actions = ["s3:PutObject"]
    resources = [
      "${aws_s3_bucket.data["quarantine"].arn}/quarantine/*",
      "${aws_s3_bucket.data["late"].arn}/late/*",
    ]
  }

  # The event source mapping stores given-up batches with this role, under aws/lambda/<mapping>/<shard>/.
  statement {
    sid       = "StoreFailedBatches"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.data["failure"].arn}/aws/lambda/*"]

    condition {
      test     = "StringEquals"
      variable = "s3:ResourceAccount"
      values   = [local.account_id]
    }
  }

  statement {
    sid       = "FindFailureBucket"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.data["failure"].arn]

    condition {
      test     = "StringEquals"
      variable = "s3:ResourceAccount"
      values   = [local.account_id]
    }
  }

  statement {
    sid       = "EncryptObjects"
    actions   = ["kms:GenerateDataKey"]
    resources = [aws_kms_key.this["objects"].arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.aws_region}.${local.dns_suffix}"]
    }
  }
}

data "aws_iam_policy_document" "collector" {
  statement {
    sid       = "WriteStream"
    actions   = ["kinesis:PutRecords"]
    resources = [aws_kinesis_stream.events.arn]
  }

  statement {
    sid       = "EncryptStream"
    actions   = ["kms:GenerateDataKey"]
    resources = [aws_kms_key.this["stream"].arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["kinesis.${var.aws_region}.${local.dns_suffix}"]
    }
  }
}

data "aws_iam_policy_document" "insights" {
  statement {
    sid       = "ReadTable"
    actions   = ["dynamodb:Query"]
    resources = [aws_dynamodb_table.behaviour.arn]
  }

  statement {
    sid       = "DecryptTable"
    actions   = ["kms:Decrypt", "kms:DescribeKey"]
    resources = [aws_kms_key.this["table"].arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["dynamodb.${var.aws_region}.${local.dns_suffix}"]
    }
  }
}

locals {
  function_policies = {
    consumer  = data.aws_iam_policy_document.consumer.json
    collector = data.aws_iam_policy_document.collector.json
    insights  = data.aws_iam_policy_document.insights.json
  }
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name               = "${local.name}-${each.key}"
  description        = each.value.why
  assume_role_policy = data.aws_iam_policy_document.assume_lambda.json
}

resource "aws_iam_role_policy" "function_common" {
  for_each = local.functions

  name   = "common"
  role   = aws_iam_role.function[each.key].id
  policy = data.aws_iam_policy_document.function_common[each.key].json
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  name   = each.key
  role   = aws_iam_role.function[each.key].id
  policy = local.function_policies[each.key]
}

# ── Code ─────────────────────────────────────────────────────────────────────

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115: var.reserved_concurrency sets it; a new account has too little concurrency to reserve any
  #checkov:skip=CKV_AWS_116: a dead-letter queue serves asynchronous calls, of which there are none; see section 9 for failed batches
  #checkov:skip=CKV_AWS_272: the zips are built from this repository, byte for byte the same each time; signing needs a profile that not every account has
  for_each = local.functions

  function_name                  = "${local.name}-${each.key}"
  description                    = each.value.why
  role                           = aws_iam_role.function[each.key].arn
  package_type                   = "Zip"
  filename                       = "${var.package_dir}/${each.key}.zip"
  source_code_hash               = fileexists("${var.package_dir}/${each.key}.zip") ? filebase64sha256("${var.package_dir}/${each.key}.zip") : null
  handler                        = each.value.handler
  runtime                        = var.lambda_runtime
  architectures                  = [var.lambda_architecture]
  memory_size                    = each.value.memory_mb
  timeout                        = each.value.timeout_s
  reserved_concurrent_executions = each.value.reserved
  kms_key_arn                    = aws_kms_key.this["operations"].arn

  environment {
    variables = local.function_environment[each.key]
  }

  vpc_config {
    subnet_ids         = local.tier_subnet_ids["app"]
    security_group_ids = [aws_security_group.role[each.key].id]
  }

  tracing_config {
    mode = "Active"
  }

  logging_config {
    log_format = "Text" # the functions write their own JSON lines
    log_group  = aws_cloudwatch_log_group.this[each.key].name
  }

  # Lambda checks at creation that the role may attach to the network.
  depends_on = [aws_iam_role_policy.function, aws_iam_role_policy.function_common]

  tags = { Name = "${local.name}-${each.key}" }
}


# ═════════════════════════════════════════════════════════════════════════════
# 9  Event source
# ═════════════════════════════════════════════════════════════════════════════
#
# Nothing is ever skipped: retries and age are unlimited, no filter, and the consumer itself sets unreadable records
# aside. docs/decisions/ and the consumer's documentation say why the counts stay exact whatever is redelivered.

resource "aws_lambda_event_source_mapping" "consumer" {
  event_source_arn  = aws_kinesis_stream.events.arn
  function_name     = aws_lambda_function.this["consumer"].arn
  starting_position = "TRIM_HORIZON" # LATEST would miss what arrives while the mapping is made or changed

  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batch_window_s
  parallelization_factor             = var.parallelization_factor

  maximum_retry_attempts        = -1 # a batch is retried until it is stored or until the stream's retention ends
  maximum_record_age_in_seconds = -1

  # When the function itself dies (memory, time), halves are retried so that the good half gets through. Splitting
  # uses up no retries, and the counts do not depend on where batches are cut.
  bisect_batch_on_function_error = true
  function_response_types        = ["ReportBatchItemFailures"]

  # A tripwire: with unlimited retries nothing should ever arrive here. S3 is the one destination that keeps the
  # records themselves. https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html, read 2026-11-23
  destination_config {
    on_failure {
      destination_arn = aws_s3_bucket.data["failure"].arn
    }
  }

  metrics_config {
    metrics = ["EventCount"]
  }

  depends_on = [aws_iam_role_policy.function]

  tags = { Name = "${local.name}-consumer" }
}


# ═════════════════════════════════════════════════════════════════════════════
# 10  API
# ═════════════════════════════════════════════════════════════════════════════

resource "aws_lb" "api" {
  #checkov:skip=CKV2_AWS_20: with a certificate the port 80 listener redirects; without one there is nothing to redirect to
  name               = "${local.name}-api"
  load_balancer_type = "application"
  internal           = true
  ip_address_type    = "ipv4"
  subnets            = local.tier_subnet_ids["alb"]
  security_groups    = [aws_security_group.role["alb"].id]

  enable_deletion_protection       = var.deletion_protection
  enable_cross_zone_load_balancing = true
  drop_invalid_header_fields       = true
  desync_mitigation_mode           = "strictest"
  idle_timeout                     = 60

  access_logs {
    enabled = true
    bucket  = aws_s3_bucket.logs.id
    prefix  = "alb-access"
  }

  connection_logs {
    enabled = true
    bucket  = aws_s3_bucket.logs.id
    prefix  = "alb-connection"
  }

  depends_on = [aws_s3_bucket_policy.logs] # the load balancer writes a test object at once

  tags = { Name = "${local.name}-api" }
}

resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2: redirects to HTTPS as soon as there is a certificate; var.allow_plain_http decides about the time before
  #checkov:skip=CKV_AWS_103: no TLS on this port
  load_balancer_arn = aws_lb.api.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = local.https ? "redirect" : "fixed-response"

    dynamic "redirect" {
      for_each = local.https ? ["443"] : []

      content {
        port        = redirect.value
        protocol    = "HTTPS"
        status_code = "HTTP_301" # the load balancer knows 301 and 302 only
      }
    }

    dynamic "fixed_response" {
      for_each = local.https ? [] : ["404"]

      content {
        status_code  = fixed_response.value
        content_type = "application/json"
        message_body = jsonencode({ code = "not_found", message = "no such path or method" })
      }
    }
  }

  tags = { Name = "${local.name}-http" }
}

resource "aws_lb_listener" "https" {
  count = local.https ? 1 : 0

  load_balancer_arn = aws_lb.api.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = var.certificate_arn
  ssl_policy        = var.ssl_policy

  routing_http_response_strict_transport_security_header_value = "max-age=31536000"
  routing_http_response_x_content_type_options_header_value    = "nosniff"
  routing_http_response_server_enabled                         = false

  default_action {
    type = "fixed-response"

    fixed_response {
      status_code  = "404"
      content_type = "application/json"
      message_body = jsonencode({ code = "not_found", message = "no such path or method" })
    }
  }

  tags = { Name = "${local.name}-https" }
}

resource "aws_lb_listener_rule" "api" {
  for_each = var.api_services

  listener_arn = local.https ? aws_lb_listener.https[0].arn : aws_lb_listener.http.arn
  priority     = each.value.priority

  action {
    type             = "forward"
    target_group_arn = local.target_group_arns[each.key]
  }

  condition {
    path_pattern {
      values = each.value.paths
    }
  }

  condition {
    http_request_method {
      values = each.value.methods
    }
  }

  tags = { Name = "${local.name}-${each.key}" }
}

# The load balancer calls a Lambda target through the Lambda service: there is no port, zone or group to it, and the
# function itself runs in the app subnets of every zone. Health checks stay off, as they are by default: each would be
# one more call of the function, and a group with its only target unhealthy is used all the same. (The provider warns
# about any health_check block here, see terraform-provider-aws#35457.)
resource "aws_lb_target_group" "function" {
  for_each = local.lambda_services

  name        = "${local.name}-${each.key}"
  target_type = "lambda"

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_lambda_permission" "load_balancer" {
  for_each = local.lambda_services

  statement_id  = "load-balancer"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this[each.key].function_name
  principal     = "elasticloadbalancing.amazonaws.com"
  source_arn    = aws_lb_target_group.function[each.key].arn
}

resource "aws_lb_target_group_attachment" "function" {
  for_each = local.lambda_services

  target_group_arn = aws_lb_target_group.function[each.key].arn
  target_id        = aws_lambda_function.this[each.key].arn

  depends_on = [aws_lambda_permission.load_balancer]
}

# Services in containers register here; they run in the app subnets with the group "services".
resource "aws_lb_target_group" "ip" {
  for_each = local.ip_services

  name        = "${local.name}-${each.key}"
  target_type = "ip"
  vpc_id      = aws_vpc.main.id
  port        = var.ip_target_port
  protocol    = "HTTPS"

  deregistration_delay              = 60
  load_balancing_cross_zone_enabled = "true"

  health_check {
    enabled             = true
    path                = each.value.health_check_path
    protocol            = "HTTPS"
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
    matcher             = "200"
  }

  tags = { Name = "${local.name}-${each.key}" }
}

locals {
  target_group_arns = merge(
    { for name, group in aws_lb_target_group.function : name => group.arn },
    { for name, group in aws_lb_target_group.ip : name => group.arn },
  )
}


# ═════════════════════════════════════════════════════════════════════════════
# 11  Operations
# ═════════════════════════════════════════════════════════════════════════════

# ── Who hears about it ───────────────────────────────────────────────────────

resource "aws_sns_topic" "alarms" {
  name              = "${local.name}-alarms"
  kms_master_key_id = aws_kms_key.this["operations"].arn

  tags = { Name = "${local.name}-alarms" }
}

data "aws_iam_policy_document" "alarms" {
  # People and CloudFormation (which publishes as its caller) still need sns:Publish in their own policies.
  statement {
    sid       = "AccountPublishes"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "AWS"
      identifiers = ["${local.arn_prefix}:iam::${local.account_id}:root"]
    }
  }

  statement {
    sid       = "AlarmsPublish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.alarm_arns]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email != "" ? 1 : 0

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

# ── Alarms ───────────────────────────────────────────────────────────────────

locals {
  # The consumer counts with one dimension, in the line that it logs for each batch.
  consumer_metric_dimensions = { FunctionName = aws_lambda_function.this["consumer"].function_name }

  # Each line: what is measured, above which value for how many periods it is wrong, and what it means. The first
  # group is about losing events, the second about being late, the third about being slow or unwell.
  alarms = merge(
    {
      dropped-records          = { namespace = "AWS/Lambda", metric = "DroppedEventCount", dimensions = { EventSourceMappingUUID = aws_lambda_event_source_mapping.consumer.uuid }, statistic = "Sum", above = 0, period_s = 60, periods = 1, why = "The mapping dropped records: only the raw archive holds them now" }
      failed-batches           = { namespace = "AWS/Lambda", metric = "OnFailureDestinationDeliveredEventCount", dimensions = { EventSourceMappingUUID = aws_lambda_event_source_mapping.consumer.uuid }, statistic = "Sum", above = 0, period_s = 60, periods = 1, why = "The mapping gave up a batch: its records lie in the failure bucket and can be put back into the stream by hand" }
      failed-batches-lost      = { namespace = "AWS/Lambda", metric = "DestinationDeliveryFailures", dimensions = { FunctionName = aws_lambda_function.this["consumer"].function_name }, statistic = "Sum", above = 0, period_s = 60, periods = 1, why = "A given-up batch could not be stored: only the raw archive holds its events now" }
      late-events              = { namespace = "Tapstack", metric = "events_late", dimensions = local.consumer_metric_dimensions, statistic = "Sum", above = var.alarm_thresholds.late_events, period_s = 900, periods = 1, why = "Many events came too late to be counted: they are in the late bucket" }
      consumer-iterator-age-ms = { namespace = "AWS/Lambda", metric = "IteratorAge", dimensions = { FunctionName = aws_lambda_function.this["consumer"].function_name }, statistic = "Maximum", above = var.alarm_thresholds.iterator_age_minutes * 60000, period_s = 60, periods = 5, why = "The consumer lags behind the stream; at the end of its retention events would be lost" }
      stream-iterator-age-ms   = { namespace = "AWS/Kinesis", metric = "GetRecords.IteratorAgeMilliseconds", dimensions = { StreamName = aws_kinesis_stream.events.name }, statistic = "Maximum", above = var.stream_retention_hours * 3600000 / 4, period_s = 300, periods = 1, why = "A reader lags by a quarter of the retention: events will be lost unless somebody acts" }
      stream-write-throttles   = { namespace = "AWS/Kinesis", metric = "WriteProvisionedThroughputExceeded", dimensions = { StreamName = aws_kinesis_stream.events.name }, statistic = "Sum", above = 0, period_s = 300, periods = 3, why = "The stream is full: senders are told to try again; add shards" }
      table-read-throttles     = { namespace = "AWS/DynamoDB", metric = "ReadThrottleEvents", dimensions = { TableName = aws_dynamodb_table.behaviour.name }, statistic = "Sum", above = 0, period_s = 300, periods = 3, why = "Reads of the table are throttled: raise table_read_capacity" }
      table-write-throttles    = { namespace = "AWS/DynamoDB", metric = "WriteThrottleEvents", dimensions = { TableName = aws_dynamodb_table.behaviour.name }, statistic = "Sum", above = 0, period_s = 300, periods = 3, why = "Writes of the table are throttled: events wait in the stream; raise table_write_capacity" }
      api-lb-5xx               = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", dimensions = { LoadBalancer = aws_lb.api.arn_suffix }, statistic = "Sum", above = var.alarm_thresholds.api_5xx, period_s = 300, periods = 1, why = "The load balancer answers 5xx by itself: a function fails, is throttled or answers nonsense" }
      api-target-5xx           = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", dimensions = { LoadBalancer = aws_lb.api.arn_suffix }, statistic = "Sum", above = var.alarm_thresholds.api_5xx, period_s = 300, periods = 1, why = "Functions answer 5xx: stream or table do not answer them" }
      api-latency-s            = { namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", dimensions = { LoadBalancer = aws_lb.api.arn_suffix }, statistic = "p99", above = var.alarm_thresholds.api_latency_s, period_s = 300, periods = 3, why = "One request in a hundred is slow" }
    },
    {
      for name in keys(local.functions) : "${name}-errors" => { namespace = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = aws_lambda_function.this[name].function_name }, statistic = "Sum", above = 0, period_s = 300, periods = 3, why = "The ${name} function fails; its log says why" }
    },
    {
      for name in keys(local.functions) : "${name}-throttles" => { namespace = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = aws_lambda_function.this[name].function_name }, statistic = "Sum", above = 0, period_s = 300, periods = 3, why = "The account has no concurrency left for the ${name} function" }
    },
    {
      for az in(local.regional_nat ? ["regional"] : local.azs) : "nat-${az}-ports" => { namespace = "AWS/NATGateway", metric = "ErrorPortAllocation", dimensions = { NatGatewayId = local.regional_nat ? local.nat_gateway_ids[local.azs[0]] : local.nat_gateway_ids[az] }, statistic = "Sum", above = 0, period_s = 300, periods = 1, why = "NAT has no port left for new connections: add addresses" }
    },
    {
      for name in(var.enable_raw_archive ? ["archive"] : []) : "${name}-age-s" => { namespace = "AWS/Firehose", metric = "DeliveryToS3.DataFreshness", dimensions = { DeliveryStreamName = aws_kinesis_firehose_delivery_stream.archive[0].name }, statistic = "Maximum", above = 3600, period_s = 300, periods = 3, why = "The raw archive lags by an hour" }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.why
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  period              = each.value.period_s
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  treat_missing_data  = "notBreaching" # counters are silent while there is nothing to count
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  tags = { Name = "${local.name}-${each.key}" }
}

# A rate, so it needs two metrics: quarantined events against records that came in.
resource "aws_cloudwatch_metric_alarm" "quarantine_rate" {
  alarm_name          = "${local.name}-quarantine-percent"
  alarm_description   = "Events are unreadable: a sender changed its format, or the consumer has a fault. They wait in the quarantine bucket"
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.alarm_thresholds.quarantine_percent
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "percent"
    label       = "Quarantined events in percent of records"
    expression  = "100 * quarantined / incoming"
    return_data = true
  }

  metric_query {
    id = "quarantined"

    metric {
      namespace   = "Tapstack"
      metric_name = "events_quarantined"
      dimensions  = local.consumer_metric_dimensions
      period      = 300
      stat        = "Sum"
    }
  }

  metric_query {
    id = "incoming"

    metric {
      namespace   = "AWS/Kinesis"
      metric_name = "IncomingRecords"
      dimensions  = { StreamName = aws_kinesis_stream.events.name }
      period      = 300
      stat        = "Sum"
    }
  }

  tags = { Name = "${local.name}-quarantine-percent" }
}

# A reader that does not run at all (mapping disabled, role or key lost) counts nothing: no error, no age, no drop. So
# these compare what came in with what was taken out. A reader that works may be silent for one invocation and one
# window; longer is wrong. One period more than must be wrong: the newest one has no figures yet.
locals {
  idle_alarms = merge(
    {
      consumer = { namespace = "AWS/Lambda", metric = "Invocations", dimensions = { FunctionName = aws_lambda_function.this["consumer"].function_name }, period_s = 60, periods = max(5, 2 + ceil((var.consumer_timeout_s + var.batch_window_s) / 60)), why = "Events come in and the consumer is not invoked: look at the mapping's state, then at its role and the stream's key" }
    },
    {
      for name in(var.enable_raw_archive ? ["archive"] : []) : name => { namespace = "AWS/Firehose", metric = "DeliveryToS3.Records", dimensions = { DeliveryStreamName = aws_kinesis_firehose_delivery_stream.archive[0].name }, period_s = 900, periods = 3, why = "Events come in and none reaches the raw archive: look at the delivery stream's log, then at its role and keys" }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "idle" {
  for_each = local.idle_alarms

  alarm_name          = "${local.name}-${each.key}-idle"
  alarm_description   = each.value.why
  evaluation_periods  = each.value.periods + 1
  datapoints_to_alarm = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "idle"
    label       = "1 while events come in and none is taken"
    expression  = "IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0)"
    return_data = true
  }

  metric_query {
    id = "incoming"

    metric {
      namespace   = "AWS/Kinesis"
      metric_name = "IncomingRecords"
      dimensions  = { StreamName = aws_kinesis_stream.events.name }
      period      = each.value.period_s
      stat        = "Sum"
    }
  }

  metric_query {
    id = "taken"

    metric {
      namespace   = each.value.namespace
      metric_name = each.value.metric
      dimensions  = each.value.dimensions
      period      = each.value.period_s
      stat        = "Sum"
    }
  }

  tags = { Name = "${local.name}-${each.key}-idle" }
}

# ── Dashboard: the flow from left to right ───────────────────────────────────

locals {
  dashboard_widgets = [
    { title = "Requests", stat = "Sum", metrics = [["AWS/ApplicationELB", "RequestCount", "LoadBalancer", aws_lb.api.arn_suffix], ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", aws_lb.api.arn_suffix], ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer", aws_lb.api.arn_suffix]] },
    { title = "Latency of the API, p99 (s)", stat = "p99", metrics = [["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", aws_lb.api.arn_suffix]] },
    { title = "Stream", stat = "Sum", metrics = [["AWS/Kinesis", "IncomingRecords", "StreamName", aws_kinesis_stream.events.name], ["AWS/Kinesis", "WriteProvisionedThroughputExceeded", "StreamName", aws_kinesis_stream.events.name]] },
    { title = "How far the consumer lags (ms)", stat = "Maximum", metrics = [["AWS/Lambda", "IteratorAge", "FunctionName", aws_lambda_function.this["consumer"].function_name]] },
    { title = "Set aside or dropped", stat = "Sum", metrics = [["Tapstack", "events_quarantined", "FunctionName", aws_lambda_function.this["consumer"].function_name], ["Tapstack", "events_late", "FunctionName", aws_lambda_function.this["consumer"].function_name], ["AWS/Lambda", "DroppedEventCount", "EventSourceMappingUUID", aws_lambda_event_source_mapping.consumer.uuid], ["AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", aws_lambda_event_source_mapping.consumer.uuid]] },
    { title = "Function errors", stat = "Sum", metrics = [for name in keys(local.functions) : ["AWS/Lambda", "Errors", "FunctionName", aws_lambda_function.this[name].function_name]] },
    { title = "Table: units used", stat = "Sum", metrics = [["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", aws_dynamodb_table.behaviour.name], ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", aws_dynamodb_table.behaviour.name]] },
    { title = "Table: throttled", stat = "Sum", metrics = [["AWS/DynamoDB", "WriteThrottleEvents", "TableName", aws_dynamodb_table.behaviour.name], ["AWS/DynamoDB", "ReadThrottleEvents", "TableName", aws_dynamodb_table.behaviour.name]] },
    { title = "NAT: bytes out", stat = "Sum", metrics = [for id in distinct(values(local.nat_gateway_ids)) : ["AWS/NATGateway", "BytesOutToDestination", "NatGatewayId", id]] },
  ]
}

resource "aws_cloudwatch_dashboard" "main" {
  dashboard_name = local.name

  dashboard_body = jsonencode({
    widgets = [
      for index, widget in local.dashboard_widgets : {
        type   = "metric"
        x      = index % 3 * 8
        y      = floor(index / 3) * 6
        width  = 8
        height = 6
        properties = {
          title   = widget.title
          region  = var.aws_region
          stat    = widget.stat
          period  = 60
          metrics = widget.metrics
        }
      }
    ]
  })
}

# ── Operations host (off by default) ─────────────────────────────────────────

data "aws_ssm_parameter" "operations_image" {
  count = var.enable_operations_host ? 1 : 0

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

data "aws_iam_policy_document" "assume_ec2" {
  statement {
    sid     = "Instances"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

# Session Manager and no more: people bring their own credentials for anything else.
resource "aws_iam_role" "operations" {
  count = var.enable_operations_host ? 1 : 0

  name               = "${local.name}-operations"
  description        = "Operations host: Session Manager only"
  assume_role_policy = data.aws_iam_policy_document.assume_ec2.json
}

# The managed policy AmazonSSMManagedInstanceCore would also read every parameter and run every document of the account.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html (from knowledge, 2026-11-26)
data "aws_iam_policy_document" "operations" {
  #checkov:skip=CKV_AWS_111: the channels of Session Manager know no resources, so "*" is the only one they take
  #checkov:skip=CKV_AWS_356: the same, and an instance may only speak for itself
  statement {
    sid = "SessionManager"
    actions = [
      "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "operations" {
  count = var.enable_operations_host ? 1 : 0

  name   = "session-manager"
  role   = aws_iam_role.operations[0].id
  policy = data.aws_iam_policy_document.operations.json
}

resource "aws_iam_instance_profile" "operations" {
  count = var.enable_operations_host ? 1 : 0

  name = "${local.name}-operations"
  role = aws_iam_role.operations[0].name
}

resource "aws_instance" "operations" {
  count = var.enable_operations_host ? 1 : 0

  ami                         = data.aws_ssm_parameter.operations_image[0].insecure_value
  instance_type               = var.operations_instance_type
  subnet_id                   = local.tier_subnet_ids["app"][0]
  vpc_security_group_ids      = [aws_security_group.role["operations"].id]
  iam_instance_profile        = aws_iam_instance_profile.operations[0].name
  associate_public_ip_address = false
  monitoring                  = true
  ebs_optimized               = true

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  root_block_device {
    encrypted   = true
    volume_type = "gp3"
  }

  tags = { Name = "${local.name}-operations" }

  lifecycle {
    ignore_changes = [ami] # a newer image must not replace a host that somebody works on
  }
}


# ═════════════════════════════════════════════════════════════════════════════
# 12  Outputs
# ═════════════════════════════════════════════════════════════════════════════

# ── Network ──────────────────────────────────────────────────────────────────

output "vpc_id" {
  description = "VPC."
  value       = aws_vpc.main.id
}

output "vpc_cidr" {
  description = "Addresses of the VPC."
  value       = aws_vpc.main.cidr_block
}

output "availability_zones" {
  description = "Zones in use."
  value       = local.azs
}

output "private_subnet_ids" {
  description = "Subnets by tier and zone, as in app-us-east-1a."
  value       = { for key, subnet in aws_subnet.private : key => subnet.id if local.subnets[key].tier != "egress" }
}

output "egress_subnet_ids" {
  description = "Subnets of zonal NAT gateways by zone, which route to the internet gateway; empty with the regional kind."
  value       = { for az in local.azs : az => aws_subnet.private["egress-${az}"].id if !local.regional_nat }
}

output "route_table_ids" {
  description = "Route tables: one a zone for the app tier, one without routes for the others; with zonal NAT also egress."
  value = merge(
    { for az, table in aws_route_table.app : "app-${az}" => table.id },
    { isolated = aws_route_table.isolated.id },
    { for table in aws_route_table.egress : "egress" => table.id },
  )
}

output "internet_gateway_id" {
  description = "Internet gateway, which serves NAT alone."
  value       = aws_internet_gateway.nat_only.id
}

output "nat_gateway_ids" {
  description = "NAT gateway that each zone leaves through."
  value       = local.nat_gateway_ids
}

output "nat_public_ips" {
  description = "Addresses under which the stack appears on the internet, by zone."
  value       = { for az, address in aws_eip.nat : az => address.public_ip }
}

output "nat_allocation_ids" {
  description = "Allocations of these addresses, by zone."
  value       = { for az, address in aws_eip.nat : az => address.allocation_id }
}

output "security_group_ids" {
  description = "Security groups by role."
  value       = { for role, group in aws_security_group.role : role => group.id }
}

output "network_acl_ids" {
  description = "Network ACLs by tier."
  value       = { for tier, acl in aws_network_acl.tier : tier => acl.id }
}

output "vpc_endpoint_ids" {
  description = "Endpoints by service."
  value = merge(
    { dynamodb = aws_vpc_endpoint.dynamodb.id, s3 = aws_vpc_endpoint.s3.id },
    { for service, endpoint in aws_vpc_endpoint.interface : service => endpoint.id },
  )
}

output "kinesis_endpoint_dns_names" {
  description = "Names of the Kinesis endpoint, the regional one first; inside the VPC the service's ordinary name leads there too."
  value       = aws_vpc_endpoint.interface["kinesis-streams"].dns_entry[*].dns_name
}

output "flow_log_id" {
  description = "Flow log of the VPC."
  value       = aws_flow_log.vpc.id
}

# ── Stream ───────────────────────────────────────────────────────────────────

output "stream_name" {
  description = "Kinesis stream."
  value       = aws_kinesis_stream.events.name
}

output "stream_arn" {
  description = "ARN of the Kinesis stream."
  value       = aws_kinesis_stream.events.arn
}

output "stream_shard_count" {
  description = "Shards of a provisioned stream; null when AWS scales them."
  value       = local.on_demand ? null : local.shard_count
}

output "archive_delivery_stream_arn" {
  description = "Firehose stream that fills the raw archive; null without it."
  value       = one(aws_kinesis_firehose_delivery_stream.archive[*].arn)
}

# ── Processing ───────────────────────────────────────────────────────────────

output "function_names" {
  description = "Lambda functions by stage."
  value       = { for name, function in aws_lambda_function.this : name => function.function_name }
}

output "function_arns" {
  description = "ARNs of the Lambda functions by stage."
  value       = { for name, function in aws_lambda_function.this : name => function.arn }
}

output "function_role_arns" {
  description = "Roles of the Lambda functions by stage."
  value       = { for name, role in aws_iam_role.function : name => role.arn }
}

output "event_source_mapping_uuid" {
  description = "Mapping from the stream to the consumer."
  value       = aws_lambda_event_source_mapping.consumer.uuid
}

# ── Storage ──────────────────────────────────────────────────────────────────

output "table_name" {
  description = "DynamoDB table."
  value       = aws_dynamodb_table.behaviour.name
}

output "table_arn" {
  description = "ARN of the DynamoDB table."
  value       = aws_dynamodb_table.behaviour.arn
}

output "bucket_names" {
  description = "Buckets by purpose: quarantine, late, failure, archive, logs."
  value       = merge({ for name, bucket in aws_s3_bucket.data : name => bucket.bucket }, { logs = aws_s3_bucket.logs.bucket })
}

output "bucket_arns" {
  description = "ARNs of the buckets by purpose."
  value       = merge({ for name, bucket in aws_s3_bucket.data : name => bucket.arn }, { logs = aws_s3_bucket.logs.arn })
}

output "kms_key_arns" {
  description = "Keys by class of data."
  value       = { for name, key in aws_kms_key.this : name => key.arn }
}

output "kms_key_aliases" {
  description = "Aliases of the keys by class of data."
  value       = { for name, alias in aws_kms_alias.this : name => alias.name }
}

# ── API ──────────────────────────────────────────────────────────────────────

output "api_url" {
  description = "Where clients inside the VPC reach the API."
  value       = "${local.https ? "https" : "http"}://${aws_lb.api.dns_name}"
}

output "api_dns_name" {
  description = "Host name of the internal load balancer."
  value       = aws_lb.api.dns_name
}

output "api_zone_id" {
  description = "Hosted zone of the load balancer, for an alias record."
  value       = aws_lb.api.zone_id
}

output "load_balancer_arn" {
  description = "ARN of the load balancer."
  value       = aws_lb.api.arn
}

output "listener_arns" {
  description = "Listeners by protocol."
  value       = merge({ http = aws_lb_listener.http.arn }, { for listener in aws_lb_listener.https : "https" => listener.arn })
}

output "target_group_arns" {
  description = "Target groups by service."
  value       = local.target_group_arns
}

# ── Operations ───────────────────────────────────────────────────────────────

output "alarm_topic_arn" {
  description = "SNS topic that alarms go to."
  value       = aws_sns_topic.alarms.arn
}

output "log_group_names" {
  description = "Log groups by writer."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}

output "dashboard_name" {
  description = "CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.main.dashboard_name
}

output "operations_host_id" {
  description = "Operations host, for Session Manager; null without it."
  value       = one(aws_instance.operations[*].id)
}
