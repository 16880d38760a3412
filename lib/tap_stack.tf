# Tapstack on AWS: a private clickstream pipeline.
#
#   clients ─▶ internal load balancer ─▶ collector ─▶ Kinesis ─▶ consumer ─▶ DynamoDB ─▶ insights ─▶ clients
#                                                                            │    ▲
#                                                                            └────┴─ projector: journal to derived rows
#
# The whole stack is in this file; its banners follow the flow:
#
#    1 Variables        what may be chosen; everything has a default
#    2 Locals           names, tags, addresses, rules and sizes, computed once
#    3 Keys             one customer managed key for each class of data
#    4 Network          VPC, subnets, NAT, endpoints, network ACLs, security groups
#    5 Buckets          spilled events, dead letters, the raw archive, access logs
#    6 Stream           Kinesis and the raw archive through Firehose
#    7 Table            DynamoDB, its stream, its auto scaling and who may touch its data
#    8 Functions        consumer, projector, drainer, collector, insights: roles, logs, code
#    9 Event sources    how Kinesis drives the consumer without losing an event, and the table's stream the projector
#   10 API              load balancer, listeners, target groups
#   11 Operations       alarms, dashboard, optional operations host, what every plan says
#   12 Outputs
#
# How to read it: rules and settings are data (maps in the locals), and one resource with for_each turns each map
# into AWS objects. docs/reference/network.md shows the network rules as tables, and a test keeps both the same.


# =============================================================================
# 1  Variables
# =============================================================================

# -- Identity -----------------------------------------------------------------

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
    error_message = "name_prefix must be 2-10 lower-case letters and digits and start with a letter: target group names hold 32."
  }

  # Names made from it begin with "<name_prefix>-". AWS keeps sg- for security groups' identifiers, internal- for load
  # balancers, and sthree- and amzn-s3-demo- for buckets.
  validation {
    condition     = !contains(["sg", "internal", "sthree", "amzn", "aws"], var.name_prefix)
    error_message = "name_prefix must not be sg, internal, sthree, amzn or aws: AWS keeps names that begin so."
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

  # -an ends the names of an account's regional namespace only, which these buckets are not in.
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, read 2026-12-01
  validation {
    condition     = !can(regex("(^|-)(s3alias|an)$|-(ol|x)-s3$|-table-s3$|--", var.unique_suffix))
    error_message = "unique_suffix must not hold -- nor end like a name that S3 keeps: -s3alias, -an, --ol-s3, --x-s3, --table-s3."
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
    condition = alltrue([
      for key, value in var.tags :
      can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,128}$", key)) && can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,256}$", value))
    ])
    error_message = "Tags may hold letters, digits, spaces and _ . : / = + - @ only: keys 1-128 characters, values at most 256."
  }

  # IAM takes Owner and owner for the same key, and every service at most 50; the stack adds six of its own.
  validation {
    condition = length(var.tags) <= 44 && alltrue([
      for names in values({ for key in setunion(keys(var.tags), local.tag_keys) : lower(key) => key... }) : length(names) == 1
    ])
    error_message = "tags may hold 44 keys that differ in more than capitals, also from ${join(", ", local.tag_keys)}."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of every role, where the account demands one. Empty: none."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:iam::[0-9a-z]+:policy/.+)?$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be empty or the ARN of an IAM policy."
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

# -- Network ------------------------------------------------------------------

variable "vpc_cidr" {
  description = "Addresses of the VPC: a private range from /16 to /20."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition     = can(regex("/(1[6-9]|20)$", var.vpc_cidr)) && try(cidrsubnet(var.vpc_cidr, 0, 0) == var.vpc_cidr, false)
    error_message = "vpc_cidr must be an IPv4 range such as 10.42.0.0/16, from /16 to /20: sixteen /24 subnets are cut from it."
  }

  validation {
    condition     = can(regex(local.private_range, var.vpc_cidr))
    error_message = "vpc_cidr must be a private range: ${local.private_ranges}."
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
  description = "Names of the zones to use, to pin them. Empty: the first az_count zones that have the interface endpoints' services."
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
    condition     = alltrue([for cidr in flatten(values(var.subnet_cidrs)) : try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "subnet_cidrs must hold IPv4 ranges such as 10.42.0.0/24."
  }

  # AWS's least: /28 for a subnet, /27 for one of a load balancer.
  # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html (from knowledge, 2026-11-29)
  validation {
    condition = alltrue(flatten([
      for tier, cidrs in var.subnet_cidrs : [for cidr in cidrs : try(split("/", cidr)[1] <= (tier == "alb" ? 27 : 28), false)]
    ]))
    error_message = "Subnets must be /28 or larger, those of the load balancer (alb) /27 or larger."
  }

  validation {
    condition = alltrue([
      for cidr in flatten(values(var.subnet_cidrs)) : try(
        split("/", cidr)[1] >= local.vpc_bits && cidrhost("${split("/", cidr)[0]}/${local.vpc_bits}", 0) == cidrhost(var.vpc_cidr, 0),
        false,
      )
    ])
    error_message = "Every range in subnet_cidrs must lie inside vpc_cidr."
  }

  validation {
    condition     = length(distinct(flatten(values(var.subnet_cidrs)))) == length(flatten(values(var.subnet_cidrs)))
    error_message = "No range may stand in subnet_cidrs twice."
  }
}

variable "allowed_client_cidrs" {
  description = "Who may call the load balancer beside the security group clients: private ranges, at most four."
  type        = list(string)
  default     = []

  validation {
    condition = length(var.allowed_client_cidrs) <= 4 && alltrue([
      for cidr in var.allowed_client_cidrs : can(regex(local.private_range, cidr)) && try(cidrsubnet(cidr, 0, 0) == cidr, false)
    ])
    error_message = "allowed_client_cidrs must hold at most four ranges such as 10.1.0.0/16, all private: ${local.private_ranges}."
  }

  validation {
    condition     = length(distinct(var.allowed_client_cidrs)) == length(var.allowed_client_cidrs)
    error_message = "No range may stand in allowed_client_cidrs twice."
  }
}

variable "client_routes" {
  description = "Ways back to clients outside the VPC: a range of allowed_client_cidrs to a peering (pcx-...) or transit gateway (tgw-...)."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for target in values(var.client_routes) : can(regex("^(pcx|tgw)-[0-9a-f]+$", target))])
    error_message = "client_routes must lead to peering connections (pcx-...) or transit gateways (tgw-...)."
  }

  validation {
    condition     = alltrue([for cidr in keys(var.client_routes) : contains(var.allowed_client_cidrs, cidr)])
    error_message = "Every range in client_routes must stand in allowed_client_cidrs too: the answers go where requests may come from."
  }

  validation {
    condition = !anytrue([
      for cidr in keys(var.client_routes) : try(
        split("/", cidr)[1] >= local.vpc_bits && cidrhost("${split("/", cidr)[0]}/${local.vpc_bits}", 0) == cidrhost(var.vpc_cidr, 0),
        false,
      )
    ])
    error_message = "client_routes must not hold ranges of the VPC itself: they need no route."
  }
}

variable "api_hostname" {
  description = "Name of the API inside the VPC, such as tapstack.example.internal: makes a private zone and an alias. Empty: none."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+)?$", var.api_hostname))
    error_message = "api_hostname must be empty or a name of two parts at least, in lower case, such as tapstack.example.internal."
  }
}

variable "nat_gateway_mode" {
  description = "regional: one NAT gateway and no public subnet. zonal: one a zone, in subnets that are public in the letter of the word."
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

variable "enable_vpc_block_public_access" {
  description = "Turn on VPC Block Public Access (block-ingress). It rules every VPC of the account in this region, hence the default."
  type        = bool
  default     = false
}

# -- Stream -------------------------------------------------------------------

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

# -- Functions ----------------------------------------------------------------

variable "package_dir" {
  description = "Folder of the functions' zips, which `make package` builds. An apply needs them; a plan says which are missing."
  type        = string
  default     = "../dist"

  validation {
    condition     = length(var.package_dir) > 0
    error_message = "package_dir must not be empty."
  }
}

variable "lambda_runtime" {
  description = "Lambda runtime that the zips were built for; any python3.N, as AWS adds some more often than this file changes."
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
  description = "Memory of the consumer and of the projector, which also sets their share of CPU."
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
    condition     = var.api_timeout_s >= 15 && var.api_timeout_s <= 60
    error_message = "api_timeout_s must be 15-60: the collector must find that Kinesis hangs, and use S3; the load balancer waits 60."
  }
}

variable "reserved_concurrency" {
  description = "Concurrent executions reserved for each function. -1 reserves none: a new account has too few to reserve any."
  type = object({
    consumer  = optional(number, -1)
    projector = optional(number, -1) # 1 saves write units, where the account has it to spare; more are of no use
    collector = optional(number, -1)
    insights  = optional(number, -1)
  })
  default = {}

  validation {
    condition     = alltrue([for value in values(var.reserved_concurrency) : value == -1 || value >= 1])
    error_message = "reserved_concurrency must be -1 or at least 1: 0 would stop the function."
  }

  validation {
    condition = (
      var.reserved_concurrency.consumer == -1 ||
      var.reserved_concurrency.consumer >= local.shards_expected * var.parallelization_factor
    )
    error_message = "reserved_concurrency.consumer must be at least shards * parallelization_factor, or some shards would wait."
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

variable "projection_interval_s" {
  description = "Seconds between two runs of the projector; figures of items and trends are as late. More seconds cost fewer write units."
  type        = number
  default     = 10

  # The window of an event source mapping.
  validation {
    condition     = contains(range(301), var.projection_interval_s)
    error_message = "projection_interval_s must be whole, from 0 to 300."
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

variable "search_users_min" {
  description = "Different users who must have searched for a term within two days before its text is stored; until then there is a hash."
  type        = number
  default     = 5

  # The upper end: of 16 places that users share, 12 are taken when some 19 users have searched.
  validation {
    condition     = contains(range(2, 13), var.search_users_min)
    error_message = "search_users_min must be whole, from 2 to 12: a term that one person typed may name somebody."
  }
}

variable "row_ttl_days" {
  description = "Days that a row outlives its last change: more than retention and oldest event together, or a redelivery counts twice."
  type        = number
  default     = 400

  validation {
    condition = (
      floor(var.row_ttl_days) == var.row_ttl_days && var.row_ttl_days <= 3650 &&
      var.row_ttl_days > var.stream_retention_hours / 24 + var.event_age_max_days
    )
    error_message = "row_ttl_days must be whole, at most 3650 and more than stream_retention_hours / 24 + event_age_max_days: see above."
  }
}

variable "event_age_max_days" {
  description = "Days that a client may hold an event back; an older one is accepted with a note, stored as late and not counted."
  type        = number
  default     = 30

  validation {
    condition     = floor(var.event_age_max_days) == var.event_age_max_days && var.event_age_max_days >= 1 && var.event_age_max_days <= 365
    error_message = "event_age_max_days must be a whole number, 1-365."
  }
}

variable "history_interactions" {
  description = "A user's newest interactions with items are kept, so many of them; 20 are in the user's row at any time."
  type        = number
  default     = 500

  validation {
    condition = (
      floor(var.history_interactions) == var.history_interactions &&
      var.history_interactions >= 20 && var.history_interactions <= 2000
    )
    error_message = "history_interactions must be a whole number, 20-2,000; 20 keeps what the user's row holds and no pages."
  }
}

variable "history_days" {
  description = "Days that an interaction is kept in its user's history, by the time at which it happened."
  type        = number
  default     = 90

  validation {
    condition     = floor(var.history_days) == var.history_days && var.history_days >= 1 && var.history_days < var.row_ttl_days
    error_message = "history_days must be a whole number, at least 1 and less than row_ttl_days: the user's row lists the pages."
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

variable "allowed_origins" {
  description = "Origins of the web pages that may send events, such as https://shop.example; their browsers must reach the load balancer."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for origin in var.allowed_origins : can(regex("^https?://[a-z0-9.-]+(:[0-9]{1,5})?$", origin))])
    error_message = "Every origin in allowed_origins must look like https://shop.example: small letters, no path, no slash at the end."
  }

  validation {
    condition     = length(join(",", var.allowed_origins)) <= 1000
    error_message = "allowed_origins must fit the function's variables, which hold 4 KB: 1,000 characters, commas included."
  }
}

variable "enable_schemas" {
  description = "Hold events to the schemas that tapstack package --schemas DIR put into the collector's zip; they must be there."
  type        = bool
  default     = false
}

variable "readers" {
  description = "Readers of the insights API by id: SHA-256 of their live keys, and scopes. Null: no keys are asked for; {}: nobody reads."
  type        = map(object({ key_hashes = list(string), scopes = list(string) }))
  default     = null

  validation {
    condition = alltrue([
      for id, reader in coalesce(var.readers, {}) :
      can(regex("^[a-z0-9][a-z0-9-]{0,62}$", id)) && length(reader.key_hashes) <= 2
      && alltrue([for hash in reader.key_hashes : can(regex("^[0-9a-f]{64}$", hash))])
      && alltrue([for scope in reader.scopes : contains(["users", "items", "operations"], scope)])
    ])
    error_message = "readers: ids of a-z, 0-9 and -; at most two key_hashes (SHA-256 in hex); scopes among users, items, operations."
  }

  validation {
    condition = alltrue([
      for hash in flatten([for reader in values(coalesce(var.readers, {})) : reader.key_hashes]) :
      1 == length([for other in flatten(values(coalesce(var.readers, {}))[*].key_hashes) : other if other == hash])
    ])
    error_message = "No two key_hashes in readers may be the same."
  }

  validation {
    condition     = length(jsonencode(coalesce(var.readers, {}))) <= 3000
    error_message = "readers must fit the function's variables, which hold 4 KB: about 20 readers with one key each."
  }
}

variable "require_write_keys" {
  description = "Take events of known sources only, by their write keys; tapstack sources manages them in the secret that is made then."
  type        = bool
  default     = false
}

variable "enrichment" {
  description = "What the collector adds to events or takes out before it stores them; see docs/reference/enrichment.md."
  type = object({
    steps                = optional(set(string), [])
    consent              = optional(string, "off")
    consent_categories   = optional(set(string), [])
    pseudonymised_fields = optional(set(string), [])
  })
  default = {}

  validation {
    condition     = length(setsubtract(var.enrichment.steps, ["ua", "bots", "campaign", "ip", "clock_skew"])) == 0
    error_message = "enrichment.steps are some of ua, bots, campaign, ip and clock_skew."
  }

  validation {
    condition     = contains(["off", "anonymous", "refused"], var.enrichment.consent)
    error_message = "enrichment.consent is off, anonymous or refused."
  }

  validation {
    condition = length(var.enrichment.pseudonymised_fields) <= 50 && alltrue([
      for field in var.enrichment.pseudonymised_fields :
      can(regex("^(user_id|anonymous_id|session_id|(context|properties|traits)([.][^.,[:space:]]+)+)$", field))
    ])
    error_message = "enrichment.pseudonymised_fields: at most 50 of user_id, anonymous_id, session_id, or paths such as traits.email."
  }

  validation {
    condition = (
      alltrue([for name in var.enrichment.consent_categories : can(regex("^[^,[:space:]]([^,]*[^,[:space:]])?$", name))])
      && length(base64encode(jsonencode(var.enrichment))) <= 2668 # four characters for three bytes
    )
    error_message = "enrichment.consent_categories are names without commas; all of enrichment has at most 2,000 bytes."
  }
}

variable "request_bytes_max" {
  description = "Largest request body that the collector takes."
  type        = number
  default     = 1000000

  validation {
    condition = (
      floor(var.request_bytes_max) == var.request_bytes_max &&
      var.request_bytes_max >= var.event_bytes_max && var.request_bytes_max <= 1000000
    )
    error_message = "request_bytes_max must be whole, from event_bytes_max to 1,000,000: the load balancer hands a function no more."
  }
}

variable "trending_weights" {
  description = "What an event adds to an item's score in trends, by its type, applied as they are read; types left out add nothing."
  type        = map(number)
  default     = { item_view = 1, item_click = 1, share = 2, wishlist_add = 3, cart_add = 4, purchase = 10 }

  validation {
    condition = (
      alltrue([for type in keys(var.trending_weights) : contains(
        ["item_view", "item_click", "share", "wishlist_add", "cart_add", "purchase"], type
      )]) &&
      alltrue([for weight in values(var.trending_weights) : contains(range(1001), weight)]) &&
      anytrue([for weight in values(var.trending_weights) : weight > 0])
    )
    error_message = "trending_weights are 0-1000, whole, one above 0, of item_view, item_click, share, wishlist_add, cart_add, purchase."
  }
}

variable "logging" {
  description = "Least level that the functions log, and seconds for which the API's functions sum requests into one line (0: none)."
  type = object({
    level      = optional(string, "INFO")
    interval_s = optional(number, 10)
  })
  default = {}

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.logging.level)
    error_message = "logging.level must be DEBUG, INFO, WARNING or ERROR."
  }

  validation {
    condition     = contains(range(301), var.logging.interval_s)
    error_message = "logging.interval_s must be whole, from 0 to 300."
  }
}

variable "enable_tracing" {
  description = "Trace the functions with X-Ray: one request a second and 5 % of the rest, at $5 a million. No alarm needs it."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that logs are kept. Access logs hold paths, so users' ids; ours do not. 0: a year in production, 30 days else."
  type        = number
  default     = 0

  validation {
    condition = contains(
      [0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days,
    )
    error_message = "log_retention_days must be 0 or a period that CloudWatch Logs offers: 1, 3, 5, 7, 14, 30, 60, 90, ... 365, ..."
  }
}

# -- Table --------------------------------------------------------------------

variable "table_read_capacity" {
  description = "Read units between which the table scales by itself, and how many an event costs, readers of the API among them."
  type = object({
    min             = optional(number) # a quarter of what the peak needs
    max             = optional(number) # twice what the peak needs
    units_per_event = optional(number, 2)
  })
  default = {}

  validation {
    condition     = try(var.table_read_capacity.min >= 1, true) && try(var.table_read_capacity.max >= var.table_read_capacity.min, true)
    error_message = "table_read_capacity needs 1 <= min <= max."
  }

  validation {
    condition     = var.table_read_capacity.units_per_event > 0 && var.table_read_capacity.units_per_event <= 100
    error_message = "table_read_capacity.units_per_event must be above 0 and at most 100."
  }

  validation {
    condition     = try(var.table_read_capacity.max >= local.peak_events_per_s * var.table_read_capacity.units_per_event, true)
    error_message = "table_read_capacity.max is below peak_events_per_minute / 60 * units_per_event: the consumer would fall behind."
  }
}

variable "table_write_capacity" {
  description = "Write units between which the table scales by itself, and how many an event costs. Meanwhile events wait in the stream."
  type = object({
    min             = optional(number) # a quarter of what the peak needs
    max             = optional(number) # twice what the peak needs
    units_per_event = optional(number, 2.5)
  })
  default = {}

  validation {
    condition     = try(var.table_write_capacity.min >= 1, true) && try(var.table_write_capacity.max >= var.table_write_capacity.min, true)
    error_message = "table_write_capacity needs 1 <= min <= max."
  }

  validation {
    condition     = var.table_write_capacity.units_per_event > 0 && var.table_write_capacity.units_per_event <= 100
    error_message = "table_write_capacity.units_per_event must be above 0 and at most 100."
  }

  validation {
    condition     = try(var.table_write_capacity.max >= local.peak_events_per_s * var.table_write_capacity.units_per_event, true)
    error_message = "table_write_capacity.max is below peak_events_per_minute / 60 * units_per_event: the consumer would fall behind."
  }
}

variable "table_target_utilization_percent" {
  description = "Use of the table's capacity that auto scaling steers to. Above it events wait in the stream; nothing is lost."
  type        = number
  default     = 80

  validation {
    condition     = var.table_target_utilization_percent >= 20 && var.table_target_utilization_percent <= 90
    error_message = "table_target_utilization_percent must be 20-90."
  }
}

variable "restrict_table_to_vpc" {
  description = "Deny reads and writes of items that do not come through the VPC's own endpoint: console and laptops see no items."
  type        = bool
  default     = true
}

# -- API ----------------------------------------------------------------------

variable "certificate_arn" {
  description = "ACM certificate of the load balancer. Empty: plain HTTP, if allow_plain_http is true."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:(acm:${var.aws_region}|iam:):.+)?$", var.certificate_arn))
    error_message = "certificate_arn must be empty or the ARN of a certificate, of ACM in aws_region or of IAM."
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

variable "api_services" {
  description = "Services behind the load balancer: lambda is the function of that name, ip a target group that containers register with."
  type = map(object({
    priority          = number
    target_type       = optional(string, "lambda")
    paths             = list(string)
    methods           = optional(list(string), []) # none: all
    health_check_path = optional(string, "")
  }))
  default = {
    # Every path of every wire format, whatever the method: no other service has any of them. (docs/reference/wire-formats.md)
    collector = {
      priority = 10
      paths = [
        "/v1/events", "/v1/events/*", "/v1/batch", "/v1/batch/", "/v1/?", "/v1/?/", # of one letter: Segment's short forms
        "/v1/track", "/v1/track/", "/v1/page", "/v1/page/", "/v1/identify", "/v1/identify/", "/v1/screen", "/v1/screen/",
        "/v1/group", "/v1/group/", "/v1/alias", "/v1/alias/", "/v1/import", "/v1/import/", "/v1/projects/*", "/v1/pixel/*",
        "/pixel/v1/*", "/beacon/v1/*", "/sourceConfig*", "/com.snowplowanalytics.snowplow/*", "/i", "/i/*",
        "/batch", "/batch/", "/e", "/e/", "/capture", "/capture/", "/events", "/events/",
        "/items", "/items/", "/users", "/users/", "/v1/cloudevents*", "/mp/collect*",
      ]
    }
    # Behind every other service: it answers what is read below /v1, and says so of what is not there. Whatever the
    # method: some reads are sent by POST, and a refusal by the function names the methods that a path takes.
    insights = {
      priority = 1000
      paths    = ["/v1/*", "/healthz*"]
    }
  }

  validation {
    condition     = alltrue([for name in keys(var.api_services) : can(regex("^[a-z][a-z0-9]{0,9}$", name))])
    error_message = "Names in api_services must be 1-10 lower-case letters and digits: target group names hold 32 characters."
  }

  validation {
    condition = alltrue([
      for name, service in var.api_services :
      service.target_type == "ip" || (service.target_type == "lambda" && contains(["collector", "insights"], name))
    ])
    error_message = "target_type must be ip, or lambda for the services collector and insights."
  }

  validation {
    condition = alltrue([
      for service in values(var.api_services) :
      length(service.paths) > 0 && length(service.methods) <= 4
    ])
    error_message = "A listener rule holds five paths and methods, so a service has at least one path and at most four methods."
  }

  # AWS's quota is six, and its page on conditions says five.
  # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html, read 2026-12-01
  validation {
    condition = alltrue(flatten([
      for service in values(var.api_services) : [
        for paths in chunklist(service.paths, max(1, 5 - length(service.methods))) : length(regexall("[*?]", join("", paths))) <= 5
      ]
    ]))
    error_message = "A listener rule holds five wildcards (* and ?), so five paths of a service in a row, fewer with methods, hold no more."
  }

  validation {
    condition = alltrue(flatten([
      for service in values(var.api_services) : [
        [for path in service.paths : can(regex("^/[A-Za-z0-9_.$/~\"'@:+&*?-]{0,127}$", path))],
        [for method in service.methods : can(regex("^[A-Z_-]{1,40}$", method))],
        can(regex("^(/[!-~]*)?$", service.health_check_path)),
      ]
    ]))
    error_message = "Paths start with / and hold what a listener rule takes: 128 characters, * and ? as wildcards; methods are capitals."
  }

  validation {
    condition = alltrue([
      for service in values(var.api_services) :
      floor(service.priority) == service.priority && service.priority >= 1 && service.priority <= 50000
    ])
    error_message = "A priority in api_services must be a whole number, 1-50,000."
  }

  validation {
    condition = length(distinct(flatten([
      for service in values(var.api_services) : [
        for index in range(ceil(length(service.paths) / max(1, 5 - length(service.methods)))) : service.priority + index
      ]
      ]))) == sum(concat([0], [
      for service in values(var.api_services) : ceil(length(service.paths) / max(1, 5 - length(service.methods)))
    ]))
    error_message = "Every rule in api_services needs a priority of its own: those of a service with several count up from its priority."
  }

  validation {
    condition = alltrue([
      for service in values(var.api_services) : service.target_type == "lambda" || service.health_check_path != ""
    ])
    error_message = "A service with ip targets needs a health_check_path."
  }
}

variable "ip_target_port" {
  description = "Port on which services with ip targets speak HTTPS."
  type        = number
  default     = 8443

  validation {
    condition = (
      floor(var.ip_target_port) == var.ip_target_port &&
      var.ip_target_port >= 1024 && var.ip_target_port <= 65535 && var.ip_target_port != 3389
    )
    error_message = "ip_target_port must be a whole number, 1024-65535 and not 3389."
  }
}

# -- Operations ---------------------------------------------------------------

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
  description = "Where alarms begin."
  type = object({
    iterator_age_minutes = optional(number, 15)   # that the consumer lags
    spill_age_minutes    = optional(number, 15)   # that a spilled event waits
    quarantine_percent   = optional(number, 1)    # of records
    refused_percent      = optional(number, 5)    # of the collector's requests, and of the events in them
    late_events          = optional(number, 1000) # in 15 minutes
    api_5xx              = optional(number, 5)    # answers in 5 minutes
    api_latency_s        = optional(number, 2)    # one request in a hundred is slower
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
  description = "Range that may open SSH to the operations host. Empty: the VPC. From outside it needs routes of yours in the app tier."
  type        = string
  default     = ""

  validation {
    condition = var.ssh_allowed_cidr == "" || (
      can(regex(local.private_range, var.ssh_allowed_cidr)) &&
      try(cidrsubnet(var.ssh_allowed_cidr, 0, 0) == var.ssh_allowed_cidr, false)
    )
    error_message = "ssh_allowed_cidr must be empty or a private range such as 10.1.0.0/16: ${local.private_ranges}."
  }
}


# =============================================================================
# 2  Locals
# =============================================================================

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394: filtering by name would hard-code the zones of one region; var.availability_zones pins them
  state = "available"

  # Local and Wavelength zones have neither NAT gateways nor load balancers of the kind used here.
  filter {
    name   = "zone-type"
    values = ["availability-zone"]
  }
}

# Not every zone has every service. https://github.com/terraform-aws-modules/terraform-aws-vpc/issues/462
data "aws_vpc_endpoint_service" "interface" {
  for_each = toset(keys(local.interface_endpoints_made))

  service_name = "${data.aws_partition.current.reverse_dns_prefix}.${var.aws_region}.${each.key}"
  service_type = "Interface"
}

# -- Names, tags, toggles -----------------------------------------------------

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
  tag_keys = ["Project", "Environment", "ManagedBy", "Name", "Purpose", "Tier"]

  log_retention_days = var.log_retention_days > 0 ? var.log_retention_days : var.environment == "production" ? 365 : 30

  on_demand    = var.stream_mode == "ON_DEMAND"
  regional_nat = var.nat_gateway_mode == "regional"
  https        = var.certificate_arn != ""

  lambda_services = { for name, service in var.api_services : name => service if service.target_type == "lambda" }
  ip_services     = { for name, service in var.api_services : name => service if service.target_type == "ip" }

  # A rule holds five values in all of its conditions, so a service with many paths has several.
  # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html, read 2026-11-29
  api_rules = merge([
    for name, service in var.api_services : {
      for index, paths in chunklist(service.paths, 5 - length(service.methods)) :
      index == 0 ? name : "${name}-${index}" => {
        service  = name
        priority = service.priority + index
        paths    = paths
        methods  = service.methods
      }
    }
  ]...)
}

# -- Sizes --------------------------------------------------------------------

locals {
  # A shard takes 1,000 records and 1 MB a second: the scarcer of both decides. Two shards at least, so that one hot
  # key or one slow batch never holds up everything.
  # https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html, read 2026-11-23
  peak_events_per_s = var.peak_events_per_minute / 60
  shard_count = max(2, ceil(var.stream_headroom_factor * max(
    local.peak_events_per_s / 1000,
    local.peak_events_per_s * var.event_bytes_average / 1000000,
  )))

  # An on-demand stream starts with four shards, and AWS adds some as the traffic grows: as many as these for the peak.
  shards_expected = local.on_demand ? max(4, local.shard_count) : local.shard_count

  # Each shard writes the journal in a lane of its own, or transactions of different shards would meet at a lane's head.
  lane_count = min(1000, local.shards_expected)

  # A run of the projector folds all that it finds, so it may take longer than the interval; the next run waits for it.
  projector_timeout_s = max(120, 3 * var.projection_interval_s)

  # Auto scaling keeps capacity where the use is target_utilization of it. It starts at a quarter of what the peak needs,
  # so that nights are cheap, and may go to twice that, to catch up. Each step grows it at most by 1/target_utilization
  # and takes about three minutes: two of use above the target, one for the change.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html (from knowledge; the steps are arithmetic)
  target_utilization = var.table_target_utilization_percent / 100
  table_wanted       = { read = var.table_read_capacity, write = var.table_write_capacity }
  table_peak = {
    for kind, wanted in local.table_wanted :
    kind => ceil(local.peak_events_per_s * wanted.units_per_event / local.target_utilization)
  }
  table_capacity = {
    for kind, wanted in local.table_wanted : kind => {
      min = coalesce(wanted.min, min(max(25, ceil(local.table_peak[kind] / 4)), coalesce(wanted.max, 2 * local.table_peak[kind] + 100)))
      max = coalesce(wanted.max, max(100, 2 * local.table_peak[kind], coalesce(wanted.min, 1)))
    }
  }
  table_ramp_steps = ceil(log(local.table_peak["write"] / local.table_capacity["write"].min, 1 / local.target_utilization))
}

# -- Addresses ----------------------------------------------------------------

locals {
  # 10/8, 172.16/12, 192.168/16 and 100.64/10, and nothing wider. (RFC 1918, and RFC 6598 for the last)
  private_ranges = "in 10/8, 172.16/12, 192.168/16 or 100.64/10"
  private_range = join("", [
    "^(10(\\.[0-9]+){3}/([89]|[12][0-9]|3[0-2])|",
    "172\\.(1[6-9]|2[0-9]|3[01])(\\.[0-9]+){2}/(1[2-9]|2[0-9]|3[0-2])|",
    "192\\.168(\\.[0-9]+){2}/(1[6-9]|2[0-9]|3[0-2])|",
    "100\\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])(\\.[0-9]+){2}/([12][0-9]|3[0-2]))$",
  ])

  # A service that names no zones, as emulators may, has them all.
  azs_served = [
    for az in data.aws_availability_zones.available.names : az if alltrue([
      for service in data.aws_vpc_endpoint_service.interface :
      contains(service.availability_zones, az) || length(service.availability_zones) == 0
    ])
  ]
  azs_first = slice(local.azs_served, 0, min(var.az_count, length(local.azs_served)))
  azs       = length(var.availability_zones) > 0 ? var.availability_zones : local.azs_first

  # Every tier gets four consecutive /24 of the VPC, one a zone and the rest spare. egress exists with zonal NAT only
  # and takes a /28 of its block, which is too small for anything but the gateway.
  tiers     = concat(["app", "alb", "endpoint"], local.regional_nat ? [] : ["egress"])
  tier_slot = { app = 0, alb = 4, endpoint = 8, egress = 12 }
  vpc_bits  = tonumber(split("/", var.vpc_cidr)[1])

  computed_cidrs = {
    for tier, slot in local.tier_slot : tier => [
      for index in range(var.az_count) :
      cidrsubnet(cidrsubnet(var.vpc_cidr, 24 - local.vpc_bits, slot + index), tier == "egress" ? 4 : 0, 0)
    ]
  }

  # {"app-us-east-1a" = {tier, az, cidr}, ...}: everything that exists once a subnet loops over this.
  subnets = merge([
    for tier in local.tiers : {
      for index, az in local.azs : "${tier}-${az}" => {
        tier = tier
        az   = az
        cidr = try(var.subnet_cidrs[tier][index], local.computed_cidrs[tier][index])
      }
    }
  ]...)

  tier_cidrs      = { for tier in local.tiers : tier => [for az in local.azs : local.subnets["${tier}-${az}"].cidr] }
  tier_subnet_ids = { for tier in local.tiers : tier => [for az in local.azs : aws_subnet.private["${tier}-${az}"].id] }
}

# -- Network rules, as data (docs/reference/network.md shows the same tables) --

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

  # When a rule exists; one that names none exists always.
  conditions = {
    always          = true
    https           = local.https
    ip_targets      = length(local.ip_services) > 0
    operations_host = var.enable_operations_host
    internet_egress = var.enable_function_internet_egress
    secrets         = length(local.collector_secrets) > 0
  }

  # Whom a rule is about, by addresses.
  peer_cidrs = {
    alb      = local.tier_cidrs["alb"]
    app      = local.tier_cidrs["app"]
    endpoint = local.tier_cidrs["endpoint"]
    clients  = var.allowed_client_cidrs
    ssh      = [var.ssh_allowed_cidr != "" ? var.ssh_allowed_cidr : var.vpc_cidr]
    vpc      = [var.vpc_cidr]
    internet = ["0.0.0.0/0"]
  }

  # Network ACLs keep no connection state, so each direction is listed, by tier. Order matters: named neighbours first
  # (1xx), then a denial of the rest of the VPC (300), then the internet (4xx), which in the app tier means NAT and the
  # gateway endpoints for DynamoDB and S3, whose addresses are public ranges. AWS's resolver, DHCP, time and metadata
  # addresses are never filtered by network ACLs, so no rule names them.
  # A rule with several peer ranges takes consecutive numbers. AWS's quota is 20 rules a direction; with everything on,
  # four client ranges and three zones, the load balancer's tier has 17.
  network_acl_rules = {
    alb-in = [
      { number = 100, ports = "http", peer = "clients", why = "Clients elsewhere; with a certificate this port only redirects to 443" },
      { number = 110, ports = "https", peer = "clients", when = "https", why = "Clients elsewhere" },
      { number = 120, ports = "ephemeral", peer = "app", when = "ip_targets", why = "Replies of ip targets" },
      { number = 130, ports = "http", peer = "app", why = "Clients in the app tier; the groups keep everything else there out" },
      { number = 140, ports = "https", peer = "app", when = "https", why = "Clients in the app tier" },
    ]
    alb-out = [
      { number = 100, ports = "ephemeral", peer = "clients", why = "Replies to clients elsewhere" },
      { number = 120, ports = "ip_target", peer = "app", when = "ip_targets", why = "Requests and health checks to ip targets" },
      { number = 130, ports = "ephemeral", peer = "app", why = "Replies to clients in the app tier" },
    ]

    app-in = [
      { number = 100, ports = "ip_target", peer = "alb", when = "ip_targets", why = "Requests and health checks to ip targets" },
      { number = 120, ports = "ephemeral", peer = "endpoint", why = "Replies of interface endpoints" },
      { number = 140, ports = "ssh", peer = "ssh", when = "operations_host", why = "SSH to the operations host" },
      { number = 150, ports = "ephemeral", peer = "alb", why = "Replies of the load balancer to clients" },
      { number = 300, action = "deny", ports = "all", peer = "vpc", why = "The rest of the VPC, before the wide rules" },
      { number = 400, ports = "ephemeral_low", peer = "internet", why = "Replies through NAT and gateway endpoints" },
      { number = 410, ports = "ephemeral_high", peer = "internet", why = "Replies through NAT and gateway endpoints" },
    ]
    app-out = [
      { number = 100, ports = "ephemeral", peer = "alb", when = "ip_targets", why = "Replies of ip targets" },
      { number = 120, ports = "https", peer = "endpoint", why = "Kinesis, and other interface endpoints" },
      { number = 140, ports = "ephemeral", peer = "ssh", when = "operations_host", why = "Replies of the operations host" },
      { number = 150, ports = "http", peer = "alb", why = "Clients to the API" },
      { number = 160, ports = "https", peer = "alb", when = "https", why = "Clients to the API" },
      { number = 300, action = "deny", ports = "all", peer = "vpc", why = "The rest of the VPC, before the wide rules" },
      { number = 400, ports = "https", peer = "internet", why = "DynamoDB and S3 through gateway endpoints, the internet through NAT" },
    ]

    endpoint-in = [
      { number = 100, ports = "https", peer = "app", why = "Callers of interface endpoints" },
    ]
    endpoint-out = [
      { number = 100, ports = "ephemeral", peer = "app", why = "Replies of interface endpoints" },
    ]

    # The tier exists with zonal NAT only.
    egress-in = [
      { number = 100, ports = "https", peer = "app", why = "Traffic to be translated" },
      { number = 300, action = "deny", ports = "all", peer = "vpc", why = "The rest of the VPC, before the wide rules" },
      { number = 400, ports = "ephemeral_low", peer = "internet", why = "Replies from the internet" },
      { number = 410, ports = "ephemeral_high", peer = "internet", why = "Replies from the internet" },
    ]
    egress-out = [
      { number = 100, ports = "ephemeral", peer = "app", why = "Translated replies" },
      { number = 300, action = "deny", ports = "all", peer = "vpc", why = "The rest of the VPC, before the wide rules" },
      { number = 400, ports = "https", peer = "internet", why = "Translated traffic" },
    ]
  }

  network_acl_entries = merge(flatten([
    for place, rules in local.network_acl_rules : [
      for rule in rules : {
        for index, cidr in local.peer_cidrs[rule.peer] : "${place}-${rule.number + index}" => {
          tier   = split("-", place)[0]
          egress = endswith(place, "-out")
          number = rule.number + index
          action = try(rule.action, "allow")
          ports  = local.ports[rule.ports]
          cidr   = cidr
        }
      } if local.conditions[try(rule.when, "always")] && contains(local.tiers, split("-", place)[0])
    ]
  ])...)

  # One group for each role. EC2 takes no apostrophe in what describes a group or a rule.
  security_groups = {
    alb        = { why = "Internal load balancer" }
    clients    = { why = "Attach it, and you may call the API: opens connections to the load balancer and nothing else" }
    consumer   = { why = "Consumer function: reads the stream through the Lambda service, writes to DynamoDB and S3" }
    projector  = { why = "Projector function: reads the stream of the table through the Lambda service, reads and writes DynamoDB" }
    collector  = { why = "Collector function: writes to the stream, and to S3 what it refuses or the stream does not take" }
    drainer    = { why = "Drainer function: reads spilled events in S3, writes to the stream" }
    insights   = { why = "Insights function: reads DynamoDB" }
    endpoints  = { why = "Interface endpoints" }
    services   = { when = "ip_targets", why = "API services with ip targets" }
    operations = { when = "operations_host", why = "Operations host; it has the group clients as well" }
  }

  # Peers are another group, a gateway endpoint's prefix list, or ranges from peer_cidrs. Security groups keep
  # connection state, so only the side that opens a connection is listed, once where it leaves and once where it
  # arrives.
  security_group_rules = {
    alb-in = [
      { ports = "http", peer = "group:clients", why = "Clients; with a certificate this port only redirects to 443" },
      { ports = "https", peer = "group:clients", when = "https", why = "Clients" },
      { ports = "http", peer = "clients", why = "Clients elsewhere; with a certificate this port only redirects to 443" },
      { ports = "https", peer = "clients", when = "https", why = "Clients elsewhere" },
    ]
    alb-out = [
      { ports = "ip_target", peer = "group:services", when = "ip_targets", why = "Requests and health checks to ip targets" },
    ]

    clients-out = [
      { ports = "http", peer = "group:alb", why = "The API" },
      { ports = "https", peer = "group:alb", when = "https", why = "The API" },
    ]

    consumer-out = [
      { ports = "https", peer = "prefix-list:dynamodb", why = "Read and write the table" },
      { ports = "https", peer = "prefix-list:s3", why = "Store quarantined and late events" },
      { ports = "https", peer = "internet", when = "internet_egress", why = "The internet, through NAT" },
    ]

    projector-out = [
      { ports = "https", peer = "prefix-list:dynamodb", why = "Read the journal, read and write derived rows" },
      { ports = "https", peer = "internet", when = "internet_egress", why = "The internet, through NAT" },
    ]

    collector-out = [
      { ports = "https", peer = "group:endpoints", why = "Write to Kinesis" },
      { ports = "https", peer = "prefix-list:s3", why = "Store refused and spilled events" },
      { ports = "https", peer = "internet", when = "internet_egress", why = "The internet, through NAT" },
    ]

    drainer-out = [
      { ports = "https", peer = "group:endpoints", why = "Write to Kinesis" },
      { ports = "https", peer = "prefix-list:s3", why = "Read and delete spilled events" },
      { ports = "https", peer = "internet", when = "internet_egress", why = "The internet, through NAT" },
    ]

    insights-out = [
      { ports = "https", peer = "prefix-list:dynamodb", why = "Read the table" },
      { ports = "https", peer = "internet", when = "internet_egress", why = "The internet, through NAT" },
    ]

    # Private DNS leads everybody in the VPC to an interface endpoint: one more endpoint needs a rule for each caller.
    endpoints-in = [
      { ports = "https", peer = "group:collector", why = "Collector to Kinesis" },
      { ports = "https", peer = "group:drainer", why = "Drainer to Kinesis" },
      { ports = "https", peer = "group:services", when = "ip_targets", why = "API services to Kinesis" },
      { ports = "https", peer = "group:operations", when = "operations_host", why = "Operations host to Kinesis" },
    ]

    services-in = [
      { ports = "ip_target", peer = "group:alb", when = "ip_targets", why = "Requests and health checks" },
    ]
    services-out = [
      { ports = "https", peer = "group:endpoints", when = "ip_targets", why = "Kinesis through its interface endpoint" },
      { ports = "https", peer = "prefix-list:dynamodb", when = "ip_targets", why = "Read the table" },
      { ports = "https", peer = "prefix-list:s3", when = "ip_targets", why = "Layers of container images" },
      { ports = "https", peer = "internet", when = "ip_targets", why = "Container registry, through NAT" },
    ]

    operations-in = [
      { ports = "ssh", peer = "ssh", when = "operations_host", why = "SSH" },
    ]
    operations-out = [
      { ports = "https", peer = "group:endpoints", when = "operations_host", why = "Kinesis through its interface endpoint" },
      { ports = "https", peer = "prefix-list:dynamodb", when = "operations_host", why = "Read and write the table" },
      { ports = "https", peer = "prefix-list:s3", when = "operations_host", why = "Read dead letters" },
      { ports = "https", peer = "internet", when = "operations_host", why = "Session Manager, through NAT" },
    ]
  }

  # One entry a peer range, with the range in its key: a range that goes leaves the rules of the others alone. A group
  # or prefix list is a single entry.
  security_group_entries = merge(flatten([
    for place, rules in local.security_group_rules : [
      for rule in rules : {
        for cidr in lookup(local.peer_cidrs, rule.peer, [null]) :
        join("-", compact([place, rule.ports, replace(rule.peer, "/^.*:/", ""), cidr])) => {
          group       = split("-", place)[0]
          ingress     = endswith(place, "-in")
          ports       = local.ports[rule.ports]
          why         = rule.why
          cidr        = cidr
          peer_group  = startswith(rule.peer, "group:") ? trimprefix(rule.peer, "group:") : null
          prefix_list = startswith(rule.peer, "prefix-list:") ? trimprefix(rule.peer, "prefix-list:") : null
        }
      } if local.conditions[try(rule.when, "always")]
    ]
  ])...)

  # What each endpoint lets through: these actions on these resources, for callers of this account. Item actions are
  # also what authorises a transaction.
  gateway_endpoints = {
    dynamodb = {
      actions = concat(
        ["dynamodb:BatchGetItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PutItem", "dynamodb:Query"],
        var.enable_operations_host
        ? ["dynamodb:DeleteItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem"]
        : [],
      )
      resources = [aws_dynamodb_table.behaviour.arn]
    }
    s3 = {
      actions = concat(
        ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"],
      )
      resources = flatten([for name in keys(local.data_buckets) : [aws_s3_bucket.this[name].arn, "${aws_s3_bucket.this[name].arn}/*"]])
    }
  }

  # Each is billed by the hour and zone, so there is the one that a function calls. Another is an entry here, by its name
  # as AWS has it (logs, sqs, kms, monitoring), and a rule in security_group_rules for each of its callers.
  interface_endpoints = {
    kinesis-streams = {
      actions = concat(
        ["kinesis:PutRecords"],
        var.enable_operations_host
        ? ["kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        : [],
      )
      resources = [aws_kinesis_stream.events.arn]
    }
    secretsmanager = {
      when      = "secrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = local.collector_secrets
    }
  }
  interface_endpoints_made = {
    for name, endpoint in local.interface_endpoints : name => endpoint if local.conditions[try(endpoint.when, "always")]
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


# =============================================================================
# 3  Keys
# =============================================================================

locals {
  # One key for each class of data. A key works only through the services named here, for callers of this account
  # whose own policies allow it. grants: DynamoDB and Lambda keep one to work in the background.
  kms_keys = {
    stream     = { via = ["kinesis"], grants = false, why = "Events in the stream" }
    table      = { via = ["dynamodb"], grants = true, why = "Behaviour in the table" }
    objects    = { via = ["s3"], grants = false, why = "Raw archive, spilled, quarantined, late and failed events" }
    operations = { via = ["lambda", "secretsmanager", "sns"], grants = true, why = "Logs, alarms, settings of functions, sources" }
  }

  log_arn_prefix = "${local.arn_prefix}:logs:${var.aws_region}:${local.account_id}:log-group"
  alarm_arns     = "${local.arn_prefix}:cloudwatch:${var.aws_region}:${local.account_id}:alarm:${local.name}-*"
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
    sid = "AccountUsesKeyThroughService"
    actions = [
      "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
      "kms:ReEncryptFrom", "kms:ReEncryptTo",
    ]
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
      # As in AWS's sample, wildcards included.
      # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html (awsdocs/amazon-cloudwatch-logs-user-guide#53)
      sid       = "LogsEncryptsGroups"
      actions   = ["kms:Decrypt", "kms:Describe*", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = ["logs.${var.aws_region}.${local.dns_suffix}"]
      }

      condition {
        test     = "ArnEquals"
        variable = "kms:EncryptionContext:aws:logs:arn"
        values   = [for name in values(local.log_groups) : "${local.log_arn_prefix}:${name}"]
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


# =============================================================================
# 4  Network
# =============================================================================

# -- VPC; its default objects are emptied so that nothing works by accident ----

resource "aws_vpc" "main" {
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # private DNS names of interface endpoints

  tags = { Name = local.name }

  lifecycle {
    precondition {
      condition     = length(local.azs) == var.az_count && alltrue([for az in local.azs : contains(local.azs_served, az)])
      error_message = "${var.az_count} zones that serve all interface endpoints are needed; these do: ${join(", ", local.azs_served)}."
    }
  }
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

# -- Subnets: one of each tier in each zone -----------------------------------

resource "aws_subnet" "private" {
  for_each = local.subnets

  vpc_id                  = aws_vpc.main.id
  availability_zone       = each.value.az
  cidr_block              = each.value.cidr
  map_public_ip_on_launch = false

  tags = { Name = "${local.name}-${each.key}", Tier = each.value.tier }

  lifecycle {
    create_before_destroy = true # functions, load balancer and endpoints must leave a subnet before it can go

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

# -- NAT: the only way out ----------------------------------------------------
#
# A regional NAT gateway belongs to the VPC, not to a subnet. AWS keeps a route table of its own for it, and that table
# holds the only route to the internet gateway: no subnet of ours has one, so no subnet is public.
# https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateways-regional.html, read 2026-11-23

resource "aws_internet_gateway" "nat_only" {
  vpc_id = aws_vpc.main.id

  tags = { Name = "${local.name}-nat-only" }
}

# Each kind of gateway has addresses of its own: an address that one still holds cannot be given to the other, and a
# change of kind makes the new gateway before the old one is gone.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html (as quoted by others, 2026-11-29)
resource "aws_eip" "nat" {
  #checkov:skip=CKV2_AWS_19: the addresses belong to the NAT gateway; with the regional kind CloudFormation attaches them
  for_each = toset(values(local.nat_addresses))

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
  #checkov:skip=CKV_AWS_124: Terraform waits for the stack and says what failed; a notice of each event would only bury alarms
  count = local.regional_nat ? 1 : 0

  name       = "${local.name}-nat"
  on_failure = "DELETE"

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
            for az, key in local.nat_addresses : { AvailabilityZone = az, AllocationIds = [aws_eip.nat[key].allocation_id] }
          ]
          Tags = [{ Key = "Name", Value = local.name }]
        }
      }
    }
    Outputs = {
      NatGatewayId = { Value = { Ref = "NatGateway" } }
      RouteTableId = { Value = { "Fn::GetAtt" = ["NatGateway", "RouteTableId"] } }
    }
  })

  depends_on = [aws_internet_gateway.nat_only]

  tags = { Name = "${local.name}-nat" }
}

# The other kind, for partitions without regional gateways: one gateway a zone, in a subnet that holds nothing else.
resource "aws_nat_gateway" "zonal" {
  for_each = local.regional_nat ? {} : local.nat_addresses

  allocation_id = aws_eip.nat[each.value].allocation_id
  subnet_id     = aws_subnet.private["egress-${each.key}"].id

  depends_on = [aws_internet_gateway.nat_only]

  tags = { Name = "${local.name}-${each.key}" }
}

locals {
  nat_addresses = { for az in local.azs : az => local.regional_nat ? az : "zonal-${az}" }

  nat_gateway_ids = {
    for az in local.azs : az => local.regional_nat ? aws_cloudformation_stack.nat[0].outputs["NatGatewayId"] : aws_nat_gateway.zonal[az].id
  }
}

# -- Routes -------------------------------------------------------------------

# Subnets that run code reach the internet through NAT, and DynamoDB and S3 through gateway endpoints: one table a zone.
# Load balancer and interface endpoints start no connections to the internet. egress, with zonal NAT only, is the one
# table with a route to the internet gateway.
resource "aws_route_table" "this" {
  for_each = toset(concat([for az in local.azs : "app-${az}"], [for tier in local.tiers : tier if tier != "app"]))

  vpc_id = aws_vpc.main.id

  tags = { Name = "${local.name}-${each.key}" }

  # Gateway endpoints leave a table before it can go. https://github.com/hashicorp/terraform-provider-aws/issues/26502
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route" "app_to_nat" {
  for_each = toset(local.azs)

  route_table_id         = aws_route_table.this["app-${each.key}"].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = local.nat_gateway_ids[each.key]
}

resource "aws_route" "egress_to_internet" {
  count = local.regional_nat ? 0 : 1

  route_table_id         = aws_route_table.this["egress"].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.nat_only.id
}

# The load balancer's answers to clients outside the VPC.
resource "aws_route" "alb_to_clients" {
  for_each = var.client_routes

  route_table_id            = aws_route_table.this["alb"].id
  destination_cidr_block    = each.key
  vpc_peering_connection_id = startswith(each.value, "pcx-") ? each.value : null
  transit_gateway_id        = startswith(each.value, "tgw-") ? each.value : null
}

resource "aws_route_table_association" "this" {
  for_each = local.subnets

  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.this[each.value.tier == "app" ? each.key : each.value.tier].id
}

# -- Network ACLs: one a tier -------------------------------------------------

resource "aws_network_acl" "tier" {
  for_each = toset(local.tiers)

  vpc_id     = aws_vpc.main.id
  subnet_ids = [for key, subnet in aws_subnet.private : subnet.id if local.subnets[key].tier == each.key]

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_network_acl_rule" "this" {
  for_each = local.network_acl_entries

  network_acl_id = aws_network_acl.tier[each.value.tier].id
  egress         = each.value.egress
  rule_number    = each.value.number
  rule_action    = each.value.action
  protocol       = each.value.ports.protocol
  from_port      = each.value.ports.from
  to_port        = each.value.ports.to
  cidr_block     = each.value.cidr
}

# -- Security groups: one a role ----------------------------------------------

resource "aws_security_group" "role" {
  #checkov:skip=CKV2_AWS_5: attached through this map by the load balancer, functions, endpoints and host; clients by the caller
  for_each = { for role, group in local.security_groups : role => group if local.conditions[try(group.when, "always")] }

  name                   = "${local.name}-${each.key}"
  description            = each.value.why
  vpc_id                 = aws_vpc.main.id
  revoke_rules_on_delete = true # groups name each other; without this they cannot be deleted

  # A function's network interface has its group, and Lambda deletes it, minutes after the function, with the function's
  # role: a destroy must leave the role its permissions until the groups are gone.
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html (as stored copies quote it, 2026-12-01)
  depends_on = [aws_iam_role_policy.function_common]

  tags = { Name = "${local.name}-${each.key}" }

  timeouts {
    delete = "60m" # see aws_subnet.private
  }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = { for key, rule in local.security_group_entries : key => rule if rule.ingress }

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
  for_each = { for key, rule in local.security_group_entries : key => rule if !rule.ingress }

  security_group_id            = aws_security_group.role[each.value.group].id
  description                  = each.value.why
  ip_protocol                  = each.value.ports.protocol
  from_port                    = each.value.ports.from
  to_port                      = each.value.ports.to
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.peer_group == null ? null : aws_security_group.role[each.value.peer_group].id
  prefix_list_id               = each.value.prefix_list == null ? null : aws_vpc_endpoint.gateway[each.value.prefix_list].prefix_list_id

  tags = { Name = each.key }
}

# -- Endpoints: AWS services without leaving the VPC --------------------------

data "aws_iam_policy_document" "endpoint" {
  #checkov:skip=CKV_AWS_283: an endpoint policy that names principals admits the root user only; the condition names the account
  for_each = merge(local.gateway_endpoints, local.interface_endpoints_made)

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

resource "aws_vpc_endpoint" "gateway" {
  for_each = local.gateway_endpoints

  vpc_id            = aws_vpc.main.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${var.aws_region}.${each.key}"
  route_table_ids   = [for az in local.azs : aws_route_table.this["app-${az}"].id]
  policy            = data.aws_iam_policy_document.endpoint[each.key].json

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_endpoints_made

  vpc_id              = aws_vpc.main.id
  vpc_endpoint_type   = "Interface"
  service_name        = data.aws_vpc_endpoint_service.interface[each.key].service_name
  subnet_ids          = local.tier_subnet_ids["endpoint"]
  security_group_ids  = [aws_security_group.role["endpoints"].id]
  private_dns_enabled = true
  policy              = data.aws_iam_policy_document.endpoint[each.key].json

  tags = { Name = "${local.name}-${each.key}" }
}

# -- Flow logs ----------------------------------------------------------------

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

resource "aws_flow_log" "vpc" {
  vpc_id                   = aws_vpc.main.id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.this["flow-logs"].arn
  iam_role_arn             = aws_iam_role.this["flow-logs"].arn
  max_aggregation_interval = 600

  depends_on = [aws_iam_role_policy.this] # or its first deliveries are refused

  tags = { Name = local.name }
}

# Belt and braces: refuses every connection from the internet in the whole region, whatever anybody builds later.
resource "aws_vpc_block_public_access_options" "region" {
  count = var.enable_vpc_block_public_access ? 1 : 0

  internet_gateway_block_mode = "block-ingress"
}


# =============================================================================
# 5  Buckets
# =============================================================================

locals {
  # days: how long objects stay. quarantine, late and failure hold events that are not counted (yet); nothing may
  # expire before a person had time to act on an alarm. The archive's bucket is there without the archive too: what it
  # holds when the archive is turned off stays until it expires. why becomes a tag, and S3 takes neither ; nor , in one.
  data_buckets = {
    spill      = { days = 0, why = "Accepted events that the stream did not take - expected to be empty" } # they never expire
    quarantine = { days = 400, why = "Refused events and records that are no events" }
    late       = { days = 400, why = "Events that came after their state was forgotten" }
    failure    = { days = 400, why = "Batches that the event source mapping gave up - expected to stay empty" }
    archive    = { days = var.archive_retention_days, why = "Every accepted event" }
  }

  buckets = merge(local.data_buckets, { logs = { days = local.log_retention_days, why = "Access logs" } })
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18: logs holds the access logs of the others; logging its own accesses into itself would never end
  #checkov:skip=CKV_AWS_144: one region is a requirement
  #checkov:skip=CKV_AWS_145: load balancers and S3 write logs to buckets with S3-managed keys only; the others have the key objects
  #checkov:skip=CKV2_AWS_62: metrics with alarms (section 11) say what arrives; nothing waits for single objects
  for_each = local.buckets

  bucket        = "${local.name}-${each.key}-${local.bucket_suffix}"
  force_destroy = var.force_destroy_buckets

  tags = { Name = "${local.name}-${each.key}", Purpose = each.value.why }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = each.key != "logs"

    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "logs" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "logs" ? null : aws_kms_key.this["objects"].arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    # Where nothing expires, S3 must be told to drop what the drainer's deletions leave behind: once the noncurrent version
    # is gone, a marker that each listing would pass over for ever. Days do that too.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html (from knowledge, 2026-12-01)
    expiration {
      days                         = each.value.days > 0 ? each.value.days : null
      expired_object_delete_marker = each.value.days > 0 ? null : true
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

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "data" {
  for_each = local.data_buckets

  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["logs"].id
  target_prefix = "s3/${each.key}/"

  depends_on = [aws_s3_bucket_policy.this] # S3 checks at once that it may write there
}

data "aws_iam_policy_document" "bucket" {
  for_each = local.buckets

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"] # a denial may be wide
    resources = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]

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

  # The path holds the account. A condition on aws:SourceArn is reported to fail the creation of the load balancer with
  # "Access Denied for bucket". https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
  dynamic "statement" {
    for_each = each.key == "logs" ? ["load-balancer"] : []

    content {
      sid     = "LoadBalancerWritesLogs"
      actions = ["s3:PutObject"]
      resources = [
        for log in ["alb-access", "alb-connection"] : "${aws_s3_bucket.this["logs"].arn}/${log}/AWSLogs/${local.account_id}/*"
      ]

      principals {
        type        = "Service"
        identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
      }
    }
  }

  dynamic "statement" {
    for_each = each.key == "logs" ? ["s3"] : []

    content {
      sid       = "S3WritesLogs"
      actions   = ["s3:PutObject"]
      resources = ["${aws_s3_bucket.this["logs"].arn}/s3/*"]

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
        values   = [for name in keys(local.data_buckets) : aws_s3_bucket.this[name].arn]
      }
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  policy = data.aws_iam_policy_document.bucket[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.this]
}


# =============================================================================
# 6  Stream
# =============================================================================

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

# -- Raw archive: a second, independent reader of the stream ------------------

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
    resources = [aws_s3_bucket.this["archive"].arn]
  }

  statement {
    sid       = "WriteArchive"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.this["archive"].arn}/*"]
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
    role_arn           = aws_iam_role.this["firehose"].arn
  }

  extended_s3_configuration {
    bucket_arn          = aws_s3_bucket.this["archive"].arn
    role_arn            = aws_iam_role.this["firehose"].arn
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

  depends_on = [aws_iam_role_policy.this]

  tags = { Name = "${local.name}-archive" }
}


# =============================================================================
# 7  Table
# =============================================================================

resource "aws_dynamodb_table" "behaviour" {
  name                        = "${local.name}-behaviour"
  billing_mode                = "PROVISIONED"
  read_capacity               = local.table_capacity["read"].min
  write_capacity              = local.table_capacity["write"].min
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

  # It tells the projector that there is something to fold; what, the projector reads from the table. So keys suffice, and
  # it holds no behaviour. It is encrypted with the table's key.
  stream_enabled   = true
  stream_view_type = "KEYS_ONLY"

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
      capacity  = local.table_capacity["read"]
      dimension = "dynamodb:table:ReadCapacityUnits"
      metric    = "DynamoDBReadCapacityUtilization"
    }
    write = {
      capacity  = local.table_capacity["write"]
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
      values   = [aws_vpc_endpoint.gateway["dynamodb"].id]
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


# =============================================================================
# 8  Functions
# =============================================================================

locals {
  functions = {
    consumer = {
      handler   = "tapstack.entrypoints.consumer.handler"
      memory_mb = var.consumer_memory_mb
      timeout_s = var.consumer_timeout_s
      reserved  = var.reserved_concurrency.consumer
      why       = "Counts the events of the stream into the table, each exactly once"
    }
    projector = {
      handler   = "tapstack.entrypoints.projector.handler"
      memory_mb = var.consumer_memory_mb
      timeout_s = local.projector_timeout_s
      reserved  = var.reserved_concurrency.projector
      why       = "Folds the journal of what was counted into figures of items and trends"
    }
    drainer = {
      handler   = "tapstack.entrypoints.drainer.handler"
      memory_mb = var.api_memory_mb
      timeout_s = 60 # a run ends before the next one begins; two at once do no harm
      reserved  = -1
      why       = "Puts spilled events on the stream once it takes them"
    }
    collector = {
      handler   = "tapstack.entrypoints.collector.handler"
      memory_mb = var.api_memory_mb
      timeout_s = var.api_timeout_s
      reserved  = var.reserved_concurrency.collector
      why       = "Takes events over HTTP and answers once the stream or the spill bucket holds them"
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
      TAPSTACK_TABLE                = aws_dynamodb_table.behaviour.name
      TAPSTACK_QUARANTINE_BUCKET    = aws_s3_bucket.this["quarantine"].bucket
      TAPSTACK_LATE_BUCKET          = aws_s3_bucket.this["late"].bucket
      TAPSTACK_LANES                = tostring(local.lane_count)
      TAPSTACK_ROW_TTL_DAYS         = tostring(var.row_ttl_days)
      TAPSTACK_EVENT_AGE_MAX_DAYS   = tostring(var.event_age_max_days)
      TAPSTACK_HISTORY_INTERACTIONS = tostring(var.history_interactions)
      TAPSTACK_HISTORY_DAYS         = tostring(var.history_days)
      TAPSTACK_ATTRIBUTES           = "attributes.json"
      TAPSTACK_SEARCH_USERS_MIN     = tostring(var.search_users_min)
      TAPSTACK_LOG_LEVEL            = var.logging.level
    }
    projector = {
      TAPSTACK_TABLE        = aws_dynamodb_table.behaviour.name
      TAPSTACK_ROW_TTL_DAYS = tostring(var.row_ttl_days)
      TAPSTACK_ATTRIBUTES   = "attributes.json"
      TAPSTACK_LOG_LEVEL    = var.logging.level
    }
    drainer = {
      TAPSTACK_STREAM       = aws_kinesis_stream.events.name
      TAPSTACK_SPILL_BUCKET = aws_s3_bucket.this["spill"].bucket
      TAPSTACK_LOG_LEVEL    = var.logging.level
    }
    collector = {
      TAPSTACK_STREAM               = aws_kinesis_stream.events.name
      TAPSTACK_QUARANTINE_BUCKET    = aws_s3_bucket.this["quarantine"].bucket
      TAPSTACK_SPILL_BUCKET         = aws_s3_bucket.this["spill"].bucket
      TAPSTACK_EVENT_BYTES_MAX      = tostring(var.event_bytes_max)
      TAPSTACK_EVENT_AGE_MAX_DAYS   = tostring(var.event_age_max_days)
      TAPSTACK_REQUEST_BYTES_MAX    = tostring(var.request_bytes_max)
      TAPSTACK_ALLOWED_ORIGINS      = join(",", var.allowed_origins)
      TAPSTACK_SCHEMAS              = var.enable_schemas ? "schemas" : ""
      TAPSTACK_SOURCES              = join("", aws_secretsmanager_secret.sources[*].arn)
      TAPSTACK_ENRICHMENT           = join(",", var.enrichment.steps)
      TAPSTACK_CONSENT              = var.enrichment.consent
      TAPSTACK_CONSENT_CATEGORIES   = join(",", var.enrichment.consent_categories)
      TAPSTACK_PSEUDONYMISED_FIELDS = join(",", var.enrichment.pseudonymised_fields)
      TAPSTACK_PSEUDONYM_KEY        = join("", aws_secretsmanager_secret.pseudonyms[*].arn)
      TAPSTACK_LOG_LEVEL            = var.logging.level
      TAPSTACK_LOG_INTERVAL_S       = tostring(var.logging.interval_s)
    }
    insights = {
      TAPSTACK_TABLE                = aws_dynamodb_table.behaviour.name
      TAPSTACK_HISTORY_INTERACTIONS = tostring(var.history_interactions)
      TAPSTACK_HISTORY_DAYS         = tostring(var.history_days)
      TAPSTACK_ATTRIBUTES           = "attributes.json"
      TAPSTACK_READERS              = var.readers == null ? "" : jsonencode(var.readers)
      TAPSTACK_TRENDING_WEIGHTS     = join(",", [for type, weight in var.trending_weights : "${type}=${weight}"])
      TAPSTACK_LOG_LEVEL            = var.logging.level
      TAPSTACK_LOG_INTERVAL_S       = tostring(var.logging.interval_s)
    }
  }

  # Made here, before any service would make them without a key and for ever.
  log_groups = merge(
    { for name in keys(local.functions) : name => "/aws/lambda/${local.name}-${name}" },
    { flow-logs = "/aws/vpc/${local.name}-flow-logs" },
    var.enable_raw_archive ? { firehose = "/aws/kinesisfirehose/${local.name}-archive" } : {},
  )
}

# -- Sources: who may send events. tapstack sources writes them, so that neither a plan nor the state shows them ----

resource "aws_secretsmanager_secret" "sources" {
  #checkov:skip=CKV2_AWS_57: it holds hashes of write keys that senders know; tapstack sources rotates them one by one
  count = var.require_write_keys ? 1 : 0

  name                    = "${local.name}-sources"
  description             = "Sources that may send events, with hashes of their write keys; see tapstack sources"
  kms_key_id              = aws_kms_key.this["operations"].arn
  recovery_window_in_days = 7

  tags = { Name = "${local.name}-sources" }
}

# -- Pseudonyms: the key of their hashes, which an operator writes once, so that the state never holds it -----------

resource "aws_secretsmanager_secret" "pseudonyms" {
  #checkov:skip=CKV2_AWS_57: with another key each user would become another person
  count = length(var.enrichment.pseudonymised_fields) > 0 || var.enrichment.consent == "anonymous" ? 1 : 0

  name                    = "${local.name}-pseudonyms"
  description             = "Key of the hashes that take the place of names; see docs/reference/enrichment.md"
  kms_key_id              = aws_kms_key.this["operations"].arn
  recovery_window_in_days = 30

  tags = { Name = "${local.name}-pseudonyms" }
}

locals {
  collector_secrets = concat(aws_secretsmanager_secret.sources[*].arn, aws_secretsmanager_secret.pseudonyms[*].arn)
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338: var.log_retention_days decides; by default a year in production and 30 days elsewhere
  for_each = local.log_groups

  name              = each.value
  retention_in_days = local.log_retention_days
  kms_key_id        = aws_kms_key.this["operations"].arn

  tags = { Name = "${local.name}-${each.key}" }
}

# -- Roles: one a function, and those of flow logs, archive and operations host --

locals {
  # Who assumes a role, and under which conditions: those that AWS documents for the service.
  roles = merge(
    { for name, function in local.functions : name => { service = "lambda", conditions = {}, why = function.why } },
    {
      flow-logs = {
        service = "vpc-flow-logs"
        conditions = {
          "aws:SourceAccount" = local.account_id
          "aws:SourceArn"     = "${local.arn_prefix}:ec2:${var.aws_region}:${local.account_id}:vpc-flow-log/*"
        }
        why = "VPC flow logs to CloudWatch Logs"
      }
    },
    {
      for name in(var.enable_raw_archive ? ["firehose"] : []) :
      name => { service = "firehose", conditions = { "aws:SourceAccount" = local.account_id }, why = "Stream to raw archive" }
    },
    {
      for name in(var.enable_operations_host ? ["operations"] : []) :
      name => { service = "ec2", conditions = {}, why = "Operations host: Session Manager only" }
    },
  )

  role_policies = merge(
    {
      consumer   = data.aws_iam_policy_document.consumer.json
      projector  = data.aws_iam_policy_document.projector.json
      drainer    = data.aws_iam_policy_document.drainer.json
      collector  = data.aws_iam_policy_document.collector.json
      insights   = data.aws_iam_policy_document.insights.json
      flow-logs  = data.aws_iam_policy_document.flow_logs.json
      operations = data.aws_iam_policy_document.operations.json
    },
    { for document in data.aws_iam_policy_document.firehose : "firehose" => document.json },
  )
}

data "aws_iam_policy_document" "assume" {
  for_each = local.roles

  statement {
    sid     = "ServiceAssumesRole"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.value.service}.amazonaws.com"]
    }

    dynamic "condition" {
      for_each = each.value.conditions

      content {
        test     = condition.key == "aws:SourceArn" ? "ArnLike" : "StringEquals"
        variable = condition.key
        values   = [condition.value]
      }
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name                 = "${local.name}-${each.key}"
  description          = each.value.why
  assume_role_policy   = data.aws_iam_policy_document.assume[each.key].json
  permissions_boundary = var.permissions_boundary_arn != "" ? var.permissions_boundary_arn : null
}

resource "aws_iam_role_policy" "this" {
  for_each = local.roles

  name   = each.key
  role   = aws_iam_role.this[each.key].id
  policy = local.role_policies[each.key]
}

resource "aws_iam_role_policy" "function_common" {
  for_each = local.functions

  name   = "common"
  role   = aws_iam_role.this[each.key].id
  policy = data.aws_iam_policy_document.function_common[each.key].json
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

  # Lambda decrypts a function's settings as its role. The grant that it makes for that ends with the role that it was made
  # for, so a role made anew under the same name could not start its function.
  # https://github.com/hashicorp/terraform-provider-aws/issues/9703, cattle-ops/terraform-aws-gitlab-runner#1253
  statement {
    sid       = "DecryptSettings"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this["operations"].arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["lambda.${var.aws_region}.${local.dns_suffix}"]
    }
  }

  dynamic "statement" {
    for_each = var.enable_tracing ? ["traces"] : []

    content {
      sid       = "WriteTraces"
      actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources = ["*"]
    }
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

locals {
  # Beginnings of partition keys, by what the rows are.
  table_rows = {
    users      = ["A#*", "U#*"]
    journal    = ["J#*", "L#"] # entries; heads of lanes
    derived    = ["C#*", "F#*", "I#*", "P#*", "T#*"]
    terms      = ["Q#*"] # derived as well; the consumer reads which may be stored
    watermarks = ["W#"]
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

  # Which rows a role may touch is said by the beginnings of their partition keys (docs/reference/table.md).
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html (from knowledge, 2026-11-29)
  statement {
    sid       = "ReadRows"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:Query"]
    resources = [aws_dynamodb_table.behaviour.arn]

    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = concat(local.table_rows.users, local.table_rows.journal, local.table_rows.watermarks, local.table_rows.terms)
    }
  }

  # TransactWriteItems is authorised by the actions of its items, which are puts with conditions. A put by itself is none
  # of these: users' rows and the journal change together or not at all.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html, read 2026-11-29
  statement {
    sid       = "CountInTransactions"
    actions   = ["dynamodb:PutItem"]
    resources = [aws_dynamodb_table.behaviour.arn]

    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = concat(local.table_rows.users, local.table_rows.journal)
    }

    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "dynamodb:EnclosingOperation"
      values   = ["TransactWriteItems"]
    }
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
    sid     = "StoreDeadLetters"
    actions = ["s3:PutObject"]
    resources = [
      "${aws_s3_bucket.this["quarantine"].arn}/quarantine/*",
      "${aws_s3_bucket.this["late"].arn}/late/*",
    ]
  }

  # The event source mapping stores given-up batches with this role, under aws/lambda/<mapping>/<shard>/.
  statement {
    sid       = "StoreFailedBatches"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.this["failure"].arn}/aws/lambda/*"]

    condition {
      test     = "StringEquals"
      variable = "s3:ResourceAccount"
      values   = [local.account_id]
    }
  }

  statement {
    sid       = "FindFailureBucket"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this["failure"].arn]

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

data "aws_iam_policy_document" "projector" {
  # The event source mapping polls with this role. A stream that is turned off and on again has another name.
  statement {
    sid       = "ReadTableStream"
    actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
    resources = ["${aws_dynamodb_table.behaviour.arn}/stream/*"]
  }

  # Lambda asks for it, and it knows no resources. https://github.com/aws/aws-cdk/issues/9511
  statement {
    sid       = "FindTableStream"
    actions   = ["dynamodb:ListStreams"]
    resources = ["*"]
  }

  statement {
    sid       = "ReadJournal"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:Query"]
    resources = [aws_dynamodb_table.behaviour.arn]

    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = concat(local.table_rows.journal, local.table_rows.derived, local.table_rows.terms, local.table_rows.watermarks)
    }
  }

  # It reads no user's row, and writes none of the journal. Statements of a batch are authorised one by one.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html, read 2026-11-30
  statement {
    sid       = "WriteDerivedRows"
    actions   = ["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PutItem"]
    resources = [aws_dynamodb_table.behaviour.arn]

    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = concat(local.table_rows.derived, local.table_rows.terms, local.table_rows.watermarks)
    }
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

  # quarantine/<day>/collector/<request>.ndjson: none of the consumer's objects, whose second part is a shard.
  statement {
    sid       = "StoreRefusedEvents"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.this["quarantine"].arn}/quarantine/*/collector/*"]
  }

  statement {
    sid       = "SpillEvents"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.this["spill"].arn}/spill/*"]
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

  dynamic "statement" {
    for_each = length(local.collector_secrets) > 0 ? ["any"] : []

    content {
      sid       = "ReadSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = local.collector_secrets
    }
  }

  dynamic "statement" {
    for_each = length(local.collector_secrets) > 0 ? ["any"] : []

    content {
      sid       = "DecryptSecrets"
      actions   = ["kms:Decrypt"]
      resources = [aws_kms_key.this["operations"].arn]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${var.aws_region}.${local.dns_suffix}"]
      }
    }
  }
}

data "aws_iam_policy_document" "drainer" {
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

  statement {
    sid       = "FindSpilledEvents"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this["spill"].arn]
  }

  statement {
    sid       = "DrainSpilledEvents"
    actions   = ["s3:DeleteObject", "s3:GetObject"]
    resources = ["${aws_s3_bucket.this["spill"].arn}/spill/*"]
  }

  statement {
    sid       = "DecryptObjects"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this["objects"].arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.aws_region}.${local.dns_suffix}"]
    }
  }
}

data "aws_iam_policy_document" "insights" {
  # No condition on keys: it reads rows of every kind.
  statement {
    sid       = "ReadTable"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:Query"]
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

# -- Code ---------------------------------------------------------------------

locals {
  zips         = { for name in keys(local.functions) : name => "${var.package_dir}/${name}.zip" }
  missing_zips = [for path in values(local.zips) : path if !fileexists(path)]

  package_arguments = "ARCH=${var.lambda_architecture} PY=${trimprefix(var.lambda_runtime, "python")}"
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115: var.reserved_concurrency sets it; a new account has too little concurrency to reserve any
  #checkov:skip=CKV_AWS_116: a dead-letter queue serves asynchronous calls: only the schedule's, which the next minute repeats
  #checkov:skip=CKV_AWS_272: the zips are built from this repository, byte for byte the same; signing needs a profile of the account
  for_each = local.functions

  function_name                  = "${local.name}-${each.key}"
  description                    = each.value.why
  role                           = aws_iam_role.this[each.key].arn
  package_type                   = "Zip"
  filename                       = local.zips[each.key]
  source_code_hash               = try(filebase64sha256(local.zips[each.key]), null)
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
    mode = var.enable_tracing ? "Active" : "PassThrough"
  }

  logging_config {
    log_format = "JSON" # the functions' own lines are JSON already, and stay as they are
    log_group  = aws_cloudwatch_log_group.this[each.key].name

    # START, END and REPORT of each invocation are INFO. TAPSTACK_LOG_LEVEL filters the functions' lines; Lambda takes a
    # line without a timestamp for INFO, and at a higher level would drop those that carry metrics.
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html, read 2026-11-29
    system_log_level      = "WARN"
    application_log_level = "INFO"
  }

  # Lambda checks at creation that the role may attach to the network.
  depends_on = [aws_iam_role_policy.this, aws_iam_role_policy.function_common]

  tags = { Name = "${local.name}-${each.key}" }
}


# =============================================================================
# 9  Event sources
# =============================================================================
#
# Nothing of the stream is ever skipped: retries and age are unlimited, no filter, and the consumer itself stores invalid records as
# dead letters. docs/decisions/ and the consumer's documentation say why the counts stay exact whatever is redelivered.

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
      destination_arn = aws_s3_bucket.this["failure"].arn
    }
  }

  metrics_config {
    metrics = ["EventCount"]
  }

  depends_on = [aws_iam_role_policy.this]

  tags = { Name = "${local.name}-consumer" }
}

# Only tells the projector to run: every run folds all that the journal holds, so a record may come late, twice, or be
# dropped by the table's stream after its 24 hours, and the next one makes good for it.
resource "aws_lambda_event_source_mapping" "projector" {
  event_source_arn  = aws_dynamodb_table.behaviour.stream_arn
  function_name     = aws_lambda_function.this["projector"].arn
  starting_position = "TRIM_HORIZON" # LATEST would miss the last entry before a silence that begins while it is made

  # One run each interval and shard of the stream: the window ends a batch long before its size does.
  batch_size                         = 10000
  maximum_batching_window_in_seconds = var.projection_interval_s
  parallelization_factor             = 1

  # Entries of the journal, and nothing that the projector writes, or it would wake itself. Not by eventName: AWS's page
  # says that mappings of DynamoDB filter by the key dynamodb only. So entries that expire wake it too, and it finds nothing.
  # https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html, read 2026-11-29
  filter_criteria {
    filter {
      pattern = jsonencode({ dynamodb = { Keys = { pk = { S = [{ prefix = "J#" }] } } } })
    }
  }

  # Until it succeeds. Halves of a batch would fold the same journal, so none is cut; and a destination would receive
  # keys of entries that are still in the table.
  maximum_retry_attempts         = -1
  maximum_record_age_in_seconds  = -1
  bisect_batch_on_function_error = false
  function_response_types        = ["ReportBatchItemFailures"]

  depends_on = [aws_iam_role_policy.this]

  tags = { Name = "${local.name}-projector" }
}


# The drainer looks every minute. A notification for each object would invoke it when the stream is down, and not when it
# is up again (decision 17). Nobody waits for a run that fails: the next one does the same.
resource "aws_cloudwatch_event_rule" "drainer" {
  name                = "${local.name}-drainer"
  description         = "Puts spilled events on the stream"
  schedule_expression = "rate(1 minute)"

  tags = { Name = "${local.name}-drainer" }
}

resource "aws_cloudwatch_event_target" "drainer" {
  rule = aws_cloudwatch_event_rule.drainer.name
  arn  = aws_lambda_function.this["drainer"].arn
}

resource "aws_lambda_permission" "schedule" {
  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["drainer"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = "${local.arn_prefix}:events:${var.aws_region}:${local.account_id}:rule/${aws_cloudwatch_event_rule.drainer.name}"
}

resource "aws_lambda_function_event_invoke_config" "drainer" {
  function_name          = aws_lambda_function.this["drainer"].function_name
  maximum_retry_attempts = 0
}


# =============================================================================
# 10  API
# =============================================================================

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

  # A line of these holds the query of its request, and pixels send whole events in it: whoever heeds consent, or has names
  # replaced or addresses cut, would find here what the collector takes out.
  access_logs {
    enabled = var.enrichment.consent == "off" && length(var.enrichment.pseudonymised_fields) == 0 && !contains(var.enrichment.steps, "ip")
    bucket  = aws_s3_bucket.this["logs"].id
    prefix  = "alb-access"
  }

  connection_logs {
    enabled = true
    bucket  = aws_s3_bucket.this["logs"].id
    prefix  = "alb-connection"
  }

  depends_on = [aws_s3_bucket_policy.this] # the load balancer writes a test object at once

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
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

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
  for_each = local.api_rules

  listener_arn = local.https ? aws_lb_listener.https[0].arn : aws_lb_listener.http.arn
  priority     = each.value.priority

  action {
    type             = "forward"
    target_group_arn = local.target_group_arns[each.value.service]
  }

  condition {
    path_pattern {
      values = each.value.paths
    }
  }

  dynamic "condition" {
    for_each = length(each.value.methods) > 0 ? [each.value.methods] : []
    content {
      http_request_method {
        values = condition.value
      }
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

  lifecycle {
    create_before_destroy = true # a service that moves to ip targets: its rule lets go of this group first
  }
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

# Services in containers register here; they run in the app subnets with the group "services". A port cannot be changed:
# another group is made, takes over the rule, and the old one goes. So AWS completes the name, which may begin with six
# characters. https://github.com/hashicorp/terraform-provider-aws/issues/636, /1315
resource "aws_lb_target_group" "ip" {
  for_each = local.ip_services

  name_prefix = "${substr(each.key, 0, 5)}-"
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

  lifecycle {
    create_before_destroy = true
  }
}

# -- Name: optional, for the VPC alone ----------------------------------------

resource "aws_route53_zone" "api" {
  #checkov:skip=CKV2_AWS_38: DNSSEC is for public zones; this one answers inside VPCs only
  #checkov:skip=CKV2_AWS_39: query logging is for public zones
  count = var.api_hostname != "" ? 1 : 0

  name    = var.api_hostname
  comment = "The API of ${local.name}, inside its VPC"

  vpc {
    vpc_id = aws_vpc.main.id
  }

  tags = { Name = "${local.name}-api" }

  lifecycle {
    ignore_changes       = [vpc] # VPCs of clients may be associated by whoever owns them
    replace_triggered_by = [aws_vpc.main.id]
  }
}

resource "aws_route53_record" "api" {
  count = var.api_hostname != "" ? 1 : 0

  zone_id = aws_route53_zone.api[0].zone_id
  name    = var.api_hostname
  type    = "A"

  alias {
    name                   = aws_lb.api.dns_name
    zone_id                = aws_lb.api.zone_id
    evaluate_target_health = false # Lambda targets have no health
  }
}

locals {
  target_group_arns = merge(
    { for name, group in aws_lb_target_group.function : name => group.arn },
    { for name, group in aws_lb_target_group.ip : name => group.arn },
  )
}


# =============================================================================
# 11  Operations
# =============================================================================

# -- Who hears about it -------------------------------------------------------

resource "aws_sns_topic" "alarms" {
  name              = "${local.name}-alarms"
  kms_master_key_id = aws_kms_key.this["operations"].arn

  tags = { Name = "${local.name}-alarms" }
}

data "aws_iam_policy_document" "alarms" {
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

# -- Alarms ----------------------------------------------------------------------

locals {
  # Which metrics are ours. A regional NAT gateway counts by zone, a zonal one knows its zone.
  # https://docs.aws.amazon.com/vpc/latest/userguide/metrics-dimensions-nat-gateway.html (as quoted by others, 2026-11-29)
  dimensions = merge(
    {
      api     = { LoadBalancer = aws_lb.api.arn_suffix }
      mapping = { EventSourceMappingUUID = aws_lambda_event_source_mapping.consumer.uuid }
      stream  = { StreamName = aws_kinesis_stream.events.name }
      table   = { TableName = aws_dynamodb_table.behaviour.name }
    },
    {
      for name, group in aws_lb_target_group.function :
      "${name}-requests" => { LoadBalancer = aws_lb.api.arn_suffix, TargetGroup = group.arn_suffix }
    },
    { for name, function in aws_lambda_function.this : name => { FunctionName = function.function_name } },
    { for archive in aws_kinesis_firehose_delivery_stream.archive : "archive" => { DeliveryStreamName = archive.name } },
    {
      for az in local.azs :
      "nat-${az}" => merge({ NatGatewayId = local.nat_gateway_ids[az] }, local.regional_nat ? { AvailabilityZone = az } : {})
    },
  )

  # Each entry: what is measured, above which value (0) for how many periods (1) of how many seconds (300) it is wrong,
  # and what it means. The first group is about losing events, the second about being late, the third about being slow
  # or unwell. Counters are silent while there is nothing to count, so no data means well, except where silent_is says
  # otherwise.
  alarms = merge(
    {
      dropped-records = {
        metric   = "AWS/Lambda DroppedEventCount"
        of       = "mapping"
        period_s = 60
        why      = "The mapping dropped records: only the raw archive holds them now"
      }
      failed-batches = {
        metric   = "AWS/Lambda OnFailureDestinationDeliveredEventCount"
        of       = "mapping"
        period_s = 60
        why      = "The mapping gave up a batch: its records lie in the failure bucket and can be put back into the stream by hand"
      }
      failed-batches-lost = {
        metric   = "AWS/Lambda DestinationDeliveryFailures"
        of       = "consumer"
        period_s = 60
        why      = "A given-up batch could not be stored: only the raw archive holds its events now"
      }

      # Each run says it, so silence is a drainer that does not run.
      spill-age-s = {
        metric    = "Tapstack spill_oldest_age_s"
        of        = "drainer"
        statistic = "Maximum"
        above     = 60 * var.alarm_thresholds.spill_age_minutes
        period_s  = 300
        periods   = 2
        silent_is = "breaching"
        why       = "Accepted events wait in the spill bucket, or the drainer does not run: look at the stream and the drainer"
      }
      late-events = {
        metric   = "Tapstack events_late"
        of       = "consumer"
        above    = var.alarm_thresholds.late_events
        period_s = 900
        why      = "Many events came too late to be counted: they are in the late bucket"
      }
      consumer-iterator-age-ms = {
        metric    = "AWS/Lambda IteratorAge"
        of        = "consumer"
        statistic = "Maximum"
        above     = var.alarm_thresholds.iterator_age_minutes * 60000
        period_s  = 60
        periods   = 5
        why       = "The consumer lags behind the stream; at the end of its retention events would be lost"
      }
      stream-iterator-age-ms = {
        metric    = "AWS/Kinesis GetRecords.IteratorAgeMilliseconds"
        of        = "stream"
        statistic = "Maximum"
        above     = var.stream_retention_hours * 3600000 / 4
        why       = "A reader lags by a quarter of the retention: events will be lost unless somebody acts"
      }

      # Normal is an interval and the time of a run.
      projector-iterator-age-ms = {
        metric    = "AWS/Lambda IteratorAge"
        of        = "projector"
        statistic = "Maximum"
        above     = 1000 * max(300, 6 * var.projection_interval_s)
        why       = "The projector lags behind the journal: figures of items and trends are old, and say so"
      }
      # The table's stream keeps 24 hours, so the age never says more. Entries outlive it by far; after seven days the
      # consumer stops counting rather than let one expire.
      projector-behind-ms = {
        metric    = "AWS/Lambda IteratorAge"
        of        = "projector"
        statistic = "Maximum"
        above     = 6 * 3600000
        why       = "The projector is six hours behind: when an entry of the journal is seven days old, the consumer stops counting"
      }
      projection-stuck = {
        metric  = "Tapstack projection_entries_left"
        of      = "projector"
        periods = 3
        why     = "The journal lacks an entry, and nothing behind it is folded: see docs/deploy.md, section 7"
      }

      stream-write-throttles = {
        metric  = "AWS/Kinesis WriteProvisionedThroughputExceeded"
        of      = "stream"
        periods = 3
        why     = "The stream is full: what it does not take waits in the spill bucket; raise peak_events_per_minute"
      }
      table-read-throttles = {
        metric  = "AWS/DynamoDB ReadThrottleEvents"
        of      = "table"
        periods = 3
        why     = "Reads of the table are throttled: raise table_read_capacity"
      }
      table-write-throttles = {
        metric  = "AWS/DynamoDB WriteThrottleEvents"
        of      = "table"
        periods = 3
        why     = "Writes of the table are throttled: events wait in the stream; raise table_write_capacity"
      }
      api-lb-5xx = {
        metric = "AWS/ApplicationELB HTTPCode_ELB_5XX_Count"
        of     = "api"
        above  = var.alarm_thresholds.api_5xx
        why    = "The load balancer answers 5xx by itself: a function fails, is throttled or answers nonsense"
      }
      api-target-5xx = {
        metric = "AWS/ApplicationELB HTTPCode_Target_5XX_Count"
        of     = "api"
        above  = var.alarm_thresholds.api_5xx
        why    = "Functions answer 5xx: stream or table do not answer them"
      }
      api-latency-s = {
        metric    = "AWS/ApplicationELB TargetResponseTime"
        of        = "api"
        statistic = "p99"
        above     = var.alarm_thresholds.api_latency_s
        periods   = 3
        why       = "One request in a hundred is slow"
      }
    },
    {
      for name in keys(local.functions) : "${name}-errors" => {
        metric  = "AWS/Lambda Errors"
        of      = name
        periods = 3
        why     = "The ${name} function fails; its log says why"
      }
    },
    {
      # Runs of the projector that wait for each other are as they should be, once its concurrency is reserved.
      for name, function in local.functions : "${name}-throttles" => {
        metric  = "AWS/Lambda Throttles"
        of      = name
        periods = 3
        why     = "The account has no concurrency left for the ${name} function"
      } if name != "projector" || function.reserved == -1
    },
    {
      # A gateway counts all the time: without data nobody watches it, and that is said too.
      for az in local.azs : "nat-${az}-ports" => {
        metric    = "AWS/NATGateway ErrorPortAllocation"
        of        = "nat-${az}"
        silent_is = "missing"
        why       = "NAT has no port left for new connections: add addresses"
      }
    },
    {
      for name in(var.enable_raw_archive ? ["archive"] : []) : "${name}-age-s" => {
        metric    = "AWS/Firehose DeliveryToS3.DataFreshness"
        of        = name
        statistic = "Maximum"
        above     = 3600
        periods   = 3
        why       = "The raw archive lags by an hour"
      }
    },
  )

  # Two metrics together: what came into the stream, or else is named, and what became of it. The names in the expressions
  # are incoming and taken.
  # A reader that does not run at all (mapping disabled, role or key lost) counts nothing: no error, no age, no drop. So
  # the idle alarms compare. A reader that works may be silent for one invocation and one window; longer is wrong. One
  # period more than must be wrong: the newest one has no figures yet.
  # Minutes see nothing where most of them are empty, so hours and days are compared too. Two in a row cannot both be
  # wrong where the reader works: what comes in at the end of one is taken in the next, whose figures are all there but
  # those of its last minutes. A window and an invocation are 20 minutes at most.
  ratio_alarms = merge(
    {
      quarantine-percent = {
        metric     = "Tapstack events_quarantined"
        of         = "consumer"
        label      = "Quarantined events in percent of records"
        expression = "100 * taken / incoming"
        above      = var.alarm_thresholds.quarantine_percent
        why        = "Events are unreadable: a sender changed its format, or the consumer has a fault; see the quarantine bucket"
      }
      # The collector's lines may end with their environment. What they lack is missing in both counts, so a share holds.
      # One period: of a sender that posts once an hour there are never several in a row.
      refused-events-percent = {
        metric     = "Tapstack events_invalid"
        of         = "collector"
        incoming   = { metric = "Tapstack events_ok", of = "collector" }
        label      = "Refused events in percent of all"
        expression = "100 * taken / (incoming + taken)"
        above      = var.alarm_thresholds.refused_percent
        period_s   = 900
        why        = "A sender's events are refused, and not counted: a release of its changed what it sends; see the quarantine bucket"
      }
      consumer-idle = {
        metric     = "AWS/Lambda Invocations"
        of         = "consumer"
        label      = "1 while events come in and none is taken"
        expression = local.idle
        period_s   = 60
        periods    = max(5, 2 + ceil((var.consumer_timeout_s + var.batch_window_s) / 60))
        spare      = 1
        why        = "Events come in and the consumer is not invoked: look at the mapping's state, then at its role and the stream's key"
      }
      consumer-idle-hours = {
        metric     = "AWS/Lambda Invocations"
        of         = "consumer"
        label      = "1 while events come in and none is taken"
        expression = local.idle
        period_s   = 2 * 3600
        periods    = 2
        why        = "Events came in for four hours and the consumer was not invoked: look at its mapping, its role and the stream's key"
      }
      # An alarm over more than a day is evaluated each hour, over full hours.
      consumer-idle-days = {
        metric     = "AWS/Lambda Invocations"
        of         = "consumer"
        label      = "1 while events come in and none is taken"
        expression = local.idle
        period_s   = 86400
        periods    = 2
        why        = "Events came in for two days and the consumer was not invoked: they are lost when the stream's retention ends"
      }
      # Only events with items make entries, so it takes longer to be sure.
      projector-idle = {
        incoming   = { metric = "Tapstack events_applied", of = "consumer" }
        metric     = "AWS/Lambda Invocations"
        of         = "projector"
        label      = "1 while events are counted and the projector does not run"
        expression = local.idle
        period_s   = 60
        periods    = max(15, 2 + ceil((local.projector_timeout_s + var.projection_interval_s) / 60))
        spare      = 1
        why        = "Events are counted and the projector is not invoked: look at its mapping, its role and the table's key"
      }
      # No hours: figures are late, and nothing else happens before an entry is seven days old.
      projector-idle-days = {
        incoming   = { metric = "Tapstack events_applied", of = "consumer" }
        metric     = "AWS/Lambda Invocations"
        of         = "projector"
        label      = "1 while events are counted and the projector does not run"
        expression = local.idle
        period_s   = 86400
        periods    = 2
        why        = "Events were counted for two days and the projector was not invoked: after seven, the consumer stops counting"
      }
    },
    {
      # SDKs drop what is answered 401 or 403. The load balancer counts every answer.
      for name in setintersection(["collector"], keys(local.lambda_services)) : "refused-requests-percent" => {
        metric     = "AWS/ApplicationELB HTTPCode_Target_4XX_Count"
        of         = "${name}-requests"
        incoming   = { metric = "AWS/ApplicationELB RequestCount", of = "${name}-requests" }
        label      = "Requests refused by the collector, in percent"
        expression = "100 * taken / incoming"
        above      = var.alarm_thresholds.refused_percent
        period_s   = 900
        why        = "Requests are refused, and SDKs drop their events: a write key that is wrong or was revoked, or a path that is none"
      }
    },
    {
      for name in(var.enable_raw_archive ? ["archive"] : []) : "${name}-idle" => {
        metric     = "AWS/Firehose DeliveryToS3.Records"
        of         = name
        label      = "1 while events come in and none is taken"
        expression = local.idle
        period_s   = 900
        periods    = 3
        spare      = 1
        why        = "Events come in and none reaches the raw archive: look at the delivery stream's log, then at its role and keys"
      }
    },
    {
      # No hours, for the figures are not concerned.
      for name in(var.enable_raw_archive ? ["archive"] : []) : "${name}-idle-days" => {
        metric     = "AWS/Firehose DeliveryToS3.Records"
        of         = name
        label      = "1 while events come in and none is taken"
        expression = local.idle
        period_s   = 86400
        periods    = 2
        why        = "Events came in for two days and none reached the raw archive: it will lack them when the stream's retention ends"
      }
    },
  )
  idle = "IF(FILL(incoming, 0) > 0 AND FILL(taken, 0) == 0, 1, 0)"
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.why
  namespace           = split(" ", each.value.metric)[0]
  metric_name         = split(" ", each.value.metric)[1]
  dimensions          = local.dimensions[each.value.of]
  statistic           = try(each.value.statistic, "Sum") == "p99" ? null : try(each.value.statistic, "Sum")
  extended_statistic  = try(each.value.statistic, "Sum") == "p99" ? "p99" : null
  period              = try(each.value.period_s, 300)
  evaluation_periods  = try(each.value.periods, 1)
  comparison_operator = "GreaterThanThreshold"
  threshold           = try(each.value.above, 0)
  treat_missing_data  = try(each.value.silent_is, "notBreaching")
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  insufficient_data_actions = try(each.value.silent_is, "notBreaching") == "missing" ? [aws_sns_topic.alarms.arn] : []

  tags = { Name = "${local.name}-${each.key}" }
}

resource "aws_cloudwatch_metric_alarm" "ratio" {
  for_each = local.ratio_alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.why
  evaluation_periods  = try(each.value.periods, 1) + try(each.value.spare, 0)
  datapoints_to_alarm = try(each.value.periods, 1)
  comparison_operator = "GreaterThanThreshold"
  threshold           = try(each.value.above, 0)
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "ratio"
    label       = each.value.label
    expression  = each.value.expression
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      incoming = try(each.value.incoming, { metric = "AWS/Kinesis IncomingRecords", of = "stream" })
      taken    = { metric = each.value.metric, of = each.value.of }
    }

    content {
      id = metric_query.key

      metric {
        namespace   = split(" ", metric_query.value.metric)[0]
        metric_name = split(" ", metric_query.value.metric)[1]
        dimensions  = local.dimensions[metric_query.value.of]
        period      = try(each.value.period_s, 300)
        stat        = "Sum"
      }
    }
  }

  tags = { Name = "${local.name}-${each.key}" }
}

# -- Dashboard: the flow from left to right --------------------------------------

locals {
  # Each widget: metrics, each of which things.
  dashboard_widgets = [
    {
      title = "Requests"
      metrics = [
        for name in ["RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"] : ["AWS/ApplicationELB ${name}", "api"]
      ]
    },
    { title = "Latency of the API, p99 (s)", stat = "p99", metrics = [["AWS/ApplicationELB TargetResponseTime", "api"]] },
    {
      title   = "Stream"
      metrics = [for name in ["IncomingRecords", "WriteProvisionedThroughputExceeded"] : ["AWS/Kinesis ${name}", "stream"]]
    },
    {
      title   = "How far consumer and projector lag (ms)"
      stat    = "Maximum"
      metrics = [for name in ["consumer", "projector"] : ["AWS/Lambda IteratorAge", name]]
    },
    {
      title = "Dead letters and dropped records"
      metrics = [
        ["Tapstack events_quarantined", "consumer"], ["Tapstack events_late", "consumer"], ["Tapstack spill_events", "drainer"],
        ["AWS/Lambda DroppedEventCount", "mapping"], ["AWS/Lambda OnFailureDestinationDeliveredEventCount", "mapping"],
      ]
    },
    {
      title   = "Requests refused for their key or source, whose events SDKs drop"
      metrics = [["Tapstack requests_unauthorized", "collector"], ["Tapstack requests_forbidden", "collector"]]
    },
    { title = "Function errors", metrics = [for name in keys(local.functions) : ["AWS/Lambda Errors", name]] },
    {
      title   = "Table: units used"
      metrics = [for name in ["ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits"] : ["AWS/DynamoDB ${name}", "table"]]
    },
    {
      title   = "Table: throttled"
      metrics = [for name in ["WriteThrottleEvents", "ReadThrottleEvents"] : ["AWS/DynamoDB ${name}", "table"]]
    },
    { title = "NAT: bytes out", metrics = [for az in local.azs : ["AWS/NATGateway BytesOutToDestination", "nat-${az}"]] },
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
          title  = widget.title
          region = var.aws_region
          stat   = try(widget.stat, "Sum")
          period = 60
          metrics = [
            for metric in widget.metrics :
            concat(split(" ", metric[0]), flatten([for name, value in local.dimensions[metric[1]] : [name, value]]))
          ]
        }
      }
    ]
  })
}

# -- Operations host (off by default) -----------------------------------------

data "aws_ssm_parameter" "operations_image" {
  count = var.enable_operations_host ? 1 : 0

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

# Session Manager and no more: people bring their own credentials for anything else.
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

resource "aws_iam_instance_profile" "operations" {
  count = var.enable_operations_host ? 1 : 0

  name = "${local.name}-operations"
  role = aws_iam_role.this["operations"].name
}

resource "aws_instance" "operations" {
  count = var.enable_operations_host ? 1 : 0

  ami                         = data.aws_ssm_parameter.operations_image[0].insecure_value
  instance_type               = "t4g.nano"
  subnet_id                   = local.tier_subnet_ids["app"][0]
  vpc_security_group_ids      = [aws_security_group.role["operations"].id, aws_security_group.role["clients"].id]
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


# -- What every plan says ----------------------------------------------------------

check "traffic_is_encrypted" {
  assert {
    condition     = local.https
    error_message = <<-SAID
      Traffic to the API is not encrypted inside the VPC until certificate_arn is given. Whoever the load balancer's security
      group lets in may write events unless require_write_keys is true, and read every user's behaviour unless readers is set.
    SAID
  }
}

# A plan needs none of them; an apply would fail half-way.
check "zips_are_built" {
  assert {
    condition     = length(local.missing_zips) == 0
    error_message = <<-SAID
      Missing: ${join(", ", local.missing_zips)}. An apply would fail half-way.
      Build the zips before it, at the root of the checkout: make package ${local.package_arguments}
    SAID
  }
}

check "table_fits_the_default_quota" {
  assert {
    condition     = max([for limits in values(local.table_capacity) : limits.max]...) <= 40000
    error_message = "A table may have 40,000 read and 40,000 write units by default: have the quotas of table and account raised first."
  }
}


# =============================================================================
# 12  Outputs
# =============================================================================

# -- Network ------------------------------------------------------------------

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
  description = "Route tables: one a zone for the app tier, one each for alb and endpoint; with zonal NAT also egress."
  value       = { for name, table in aws_route_table.this : name => table.id }
}

output "nat_route_table_id" {
  description = "Route table that AWS keeps for the regional NAT gateway; null with zonal ones."
  value       = try(aws_cloudformation_stack.nat[0].outputs["RouteTableId"], null)
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
  value       = { for az, key in local.nat_addresses : az => aws_eip.nat[key].public_ip }
}

output "nat_allocation_ids" {
  description = "Allocations of these addresses, by zone."
  value       = { for az, key in local.nat_addresses : az => aws_eip.nat[key].allocation_id }
}

output "security_group_ids" {
  description = "Security groups by role; attach clients to whatever calls the API, in the app subnets."
  value       = { for role, group in aws_security_group.role : role => group.id }
}

output "network_acl_ids" {
  description = "Network ACLs by tier."
  value       = { for tier, acl in aws_network_acl.tier : tier => acl.id }
}

output "vpc_endpoint_ids" {
  description = "Endpoints by service."
  value       = { for name, endpoint in merge(aws_vpc_endpoint.gateway, aws_vpc_endpoint.interface) : name => endpoint.id }
}

output "kinesis_endpoint_dns_names" {
  description = "Names of the Kinesis endpoint, the regional one first; inside the VPC the service's ordinary name leads there too."
  value       = aws_vpc_endpoint.interface["kinesis-streams"].dns_entry[*].dns_name
}

output "sources_secret" {
  description = "Secret with the sources, for tapstack sources --secret; empty if write keys are not required."
  value       = join("", aws_secretsmanager_secret.sources[*].name)
}

output "pseudonyms_secret" {
  description = "Secret for the key of pseudonyms, to be written once; empty if nothing is hashed."
  value       = join("", aws_secretsmanager_secret.pseudonyms[*].name)
}

output "flow_log_id" {
  description = "Flow log of the VPC."
  value       = aws_flow_log.vpc.id
}

# -- Stream -------------------------------------------------------------------

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

# -- Processing ---------------------------------------------------------------

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
  value       = { for name in keys(local.functions) : name => aws_iam_role.this[name].arn }
}

output "event_source_mapping_uuid" {
  description = "Mapping from the stream to the consumer."
  value       = aws_lambda_event_source_mapping.consumer.uuid
}

output "projector_mapping_uuid" {
  description = "Mapping from the table's stream to the projector."
  value       = aws_lambda_event_source_mapping.projector.uuid
}

# -- Storage ------------------------------------------------------------------

output "table_name" {
  description = "DynamoDB table."
  value       = aws_dynamodb_table.behaviour.name
}

output "table_arn" {
  description = "ARN of the DynamoDB table."
  value       = aws_dynamodb_table.behaviour.arn
}

output "table_stream_arn" {
  description = "Stream of the table's keys, which wakes the projector."
  value       = aws_dynamodb_table.behaviour.stream_arn
}

output "table_capacity" {
  description = "Read and write units: what the peak needs, and between which limits the table scales."
  value       = { for kind, limits in local.table_capacity : kind => merge(limits, { peak = local.table_peak[kind] }) }
}

output "table_ramp_minutes" {
  description = "About how long auto scaling takes from the least write capacity to the peak's; events wait in the stream meanwhile."
  value       = max(0, 3 * local.table_ramp_steps)
}

output "bucket_names" {
  description = "Buckets by purpose: spill, quarantine, late, failure, archive, logs."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.bucket }
}

output "bucket_arns" {
  description = "ARNs of the buckets by purpose."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.arn }
}

output "kms_key_arns" {
  description = "Keys by class of data."
  value       = { for name, key in aws_kms_key.this : name => key.arn }
}

output "kms_key_aliases" {
  description = "Aliases of the keys by class of data."
  value       = { for name, alias in aws_kms_alias.this : name => alias.name }
}

# -- API ----------------------------------------------------------------------

output "api_url" {
  description = "Where clients inside the VPC reach the API."
  value       = "${local.https ? "https" : "http"}://${var.api_hostname != "" ? var.api_hostname : aws_lb.api.dns_name}"
}

output "api_dns_name" {
  description = "Host name of the internal load balancer."
  value       = aws_lb.api.dns_name
}

output "api_zone_id" {
  description = "Hosted zone of the load balancer, for an alias record."
  value       = aws_lb.api.zone_id
}

output "private_zone_id" {
  description = "Private hosted zone of api_hostname, to associate with VPCs of clients; null without it."
  value       = one(aws_route53_zone.api[*].zone_id)
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

# -- Operations ---------------------------------------------------------------

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
