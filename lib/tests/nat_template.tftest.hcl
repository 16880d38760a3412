# Renders the template of the NAT gateway, for the linter of CloudFormation.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

run "template" {
  command = plan

  assert {
    condition     = toset(keys(jsondecode(aws_cloudformation_stack.nat[0].template_body).Resources)) == toset(["NatGateway"])
    error_message = "The template makes the gateway and nothing else."
  }
}
