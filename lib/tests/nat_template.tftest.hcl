# Renders the template of the NAT gateway, for the linter of CloudFormation.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# With a certificate: without one every plan says that traffic is not encrypted, and a test counts that as a failure.
variables {
  certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  package_dir     = "./tests/zips" # empty files: without a zip every plan says so, too
}

run "template" {
  command = plan

  assert {
    condition     = toset(keys(jsondecode(aws_cloudformation_stack.nat[0].template_body).Resources)) == toset(["NatGateway"])
    error_message = "The template makes the gateway and nothing else."
  }
}
