# Terraform's own settings: versions, where the state lives, and the provider.
#
# lib/ is the root module (lib/provider.tf is a symbolic link to this file):
#
#   terraform -chdir=lib init -backend-config=../backend.hcl
#
# Every variable that appears here is declared in lib/tap_stack.tf.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }

  # A backend block takes no variables, so it is partial on purpose: bucket, key, region and KMS key come from
  # backend.hcl (see backend.hcl.example). The lock is an object beside the state; no DynamoDB table is needed.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.aws_region

  default_tags {
    tags = local.tags
  }
}
