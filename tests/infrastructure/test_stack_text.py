"""What can be said about the stack without Terraform."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

pytest.importorskip("hcl2", reason="the HCL parser lives in .venv-infra; run `make infra-test`")

from .stack_text import STACK, Block, block, blocks, local_values, one, rules, statements
from .toolbox import LIB, ROOT

TEXT = STACK.read_text()

ALL_RESOURCES = {
    ("aws_iam_policy_document.kms", "*"): "in a key policy it is the key itself",
    ("aws_iam_policy_document.flow_logs", "FindLogGroup"): "it lists groups",
    ("aws_iam_policy_document.function_common", "WriteTraces"): "the actions know no resources",
    ("aws_iam_policy_document.function_common", "FindNetwork"): "the actions know no resources",
    ("aws_iam_policy_document.function_common", "CodeLeavesNetworkAlone"): "it denies",
    ("aws_iam_policy_document.projector", "FindTableStream"): "it lists streams",
    ("aws_iam_policy_document.operations", "SessionManager"): "the channels know no resources",
}
"""Statements that may name every resource, and why."""


@pytest.mark.parametrize("variable", list(blocks("variable")), ids=lambda found: found.address)
def test_every_variable_has_type_description_default_and_where_it_can_be_wrong_a_validation(
    variable: Block,
) -> None:
    assert {"type", "description", "default"} <= variable.body.keys()
    kind = str(variable.body["type"])
    assert not re.search(r"\bany\b", kind)
    assert "validation" in variable.body or kind == "['${bool}']"
    assert str(one(variable.body["description"])).endswith(".")


@pytest.mark.parametrize("output", list(blocks("output")), ids=lambda found: found.address)
def test_every_output_says_what_it_is_and_none_is_secret(output: Block) -> None:
    assert str(one(output.body["description"])).endswith(".")
    assert "sensitive" not in output.body


def test_everything_is_declared_in_one_file_and_the_provider_beside_it() -> None:
    assert sorted(path.name for path in LIB.glob("*.tf")) == ["provider.tf", "tap_stack.tf"]
    assert (LIB / "provider.tf").is_symlink()
    assert (LIB / "provider.tf").resolve() == ROOT / "provider.tf"
    settings = (ROOT / "provider.tf").read_text()
    assert not re.search(r"^(variable|locals|resource|data|output)\b", settings, re.MULTILINE)


def test_the_backend_is_partial_encrypted_and_locks_with_a_file() -> None:
    match = re.search(r'backend "s3" \{([^}]*)\}', (ROOT / "provider.tf").read_text())
    assert match is not None
    assert [line.split() for line in match.group(1).strip().splitlines()] == [
        ["encrypt", "=", "true"],
        ["use_lockfile", "=", "true"],
    ]


def test_no_account_zone_partition_or_key_is_written_down() -> None:
    code = "\n".join(line.split("#")[0] for line in TEXT.splitlines())
    assert not re.search(r"\b[0-9]{12}\b", code), "an account id"
    assert not re.search(r"\barn:aws:", code), "the partition is a data source"
    zones = re.findall(r'"[a-z]{2}-[a-z]+-[0-9][a-f]"', code)
    assert zones == [], "zones are a data source"
    assert not re.search(r"\bAKIA[0-9A-Z]{16}\b", code)


def test_nothing_that_provider_6_removed_or_deprecated_is_used() -> None:
    for gone in (
        "data.aws_region",
        "inline_policy",
        "managed_policy_arns",
        "expected_bucket_owner",
        "aws_elb_service_account",
    ):
        assert gone not in TEXT
    assert one(block("resource", "aws_eip.nat").body["domain"]) == "vpc"


def test_count_is_for_toggles_and_for_each_for_everything_else() -> None:
    for found in [*blocks("resource"), *blocks("data")]:
        if "count" in found.body:
            assert re.fullmatch(r"\$\{.+ \? (1 : 0|0 : 1)\}", str(one(found.body["count"]))), found.address


def test_no_statement_allows_a_wildcard_action() -> None:
    for address, statement in statements():
        assert "not_actions" not in statement, address
        actions = one(statement["actions"])
        samples = statement["sid"] == ["LogsEncryptsGroups"]  # AWS's own words, in the key's policy
        if isinstance(actions, list) and statement.get("effect") != ["Deny"] and not samples:
            assert [action for action in actions if "*" in action] == [], address
    for kind in ("gateway_endpoints", "interface_endpoints"):
        for service, policy in local_values()[kind].items():
            assert "*'" not in str(policy["actions"]), service


def test_descriptions_of_security_groups_hold_only_what_ec2_takes() -> None:
    # Apostrophes are not among it, and the provider does not look.
    # https://github.com/hashicorp/terraform-provider-aws/issues/18874
    taken = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")
    groups = [group["why"] for group in local_values()["security_groups"].values()]
    said = [*groups, *(rule["why"] for rule in rules("security_group_rules"))]
    assert len(said) > 30
    assert [why for why in said if not taken.fullmatch(why)] == []


def test_every_bucket_refuses_every_request_without_tls() -> None:
    denials = {address.split(".")[1]: found for address, found in statements() if found["sid"] == ["TlsOnly"]}
    assert sorted(denials) == ["bucket"]
    for denial in denials.values():
        assert one(denial["effect"]) == "Deny"
        assert one(denial["actions"]) == ["s3:*"]
        assert len(one(denial["resources"])) == 2, "the bucket and its objects"
        (condition,) = denial["condition"]
        assert (one(condition["variable"]), one(condition["values"])) == ("aws:SecureTransport", ["false"])


def test_every_statement_has_a_name_and_no_two_of_a_document_share_it() -> None:
    named: dict[str, list[str]] = {}
    for address, statement in statements():
        named.setdefault(address, []).append(str(one(statement["sid"])))
    for address, sids in named.items():
        assert len(set(sids)) == len(sids), address


def test_only_listed_statements_name_every_resource() -> None:
    for address, statement in statements():
        if one(statement.get("resources", [[]])) == ["*"]:
            sid = str(one(statement["sid"]))
            assert {(address, sid), (address, "*")} & ALL_RESOURCES.keys(), f"{address} {sid}"


def test_everybody_is_named_only_to_be_denied_or_under_a_condition() -> None:
    public_objects = (
        "aws_iam_policy_document.endpoint",
        ["ObjectsOfAws"],
    )  # an endpoint grants nothing by itself
    for address, statement in statements():
        for principals in statement.get("principals", []):
            if "*" in one(principals["identifiers"]) and (address, statement["sid"]) != public_objects:
                denies = statement.get("effect") == ["Deny"]
                assert denies or "condition" in statement, address


CONDITION_KEYS = {
    "aws:PrincipalAccount",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceVpce",
    "aws:ViaAWSService",
    "dynamodb:EnclosingOperation",
    "dynamodb:LeadingKeys",
    "kms:EncryptionContext:aws:logs:arn",
    "kms:GrantIsForAWSResource",
    "kms:ViaService",
    "lambda:SourceFunctionArn",
    "s3:ResourceAccount",
}


def test_conditions_use_keys_that_exist_and_every_one_of_them() -> None:
    used = {
        str(one(condition["variable"]))
        for _, statement in statements()
        for condition in statement.get("condition", [])
    }
    assert used == CONDITION_KEYS


def test_service_principals_are_held_to_this_account() -> None:
    # The path of its objects holds the account: a condition is reported to fail the load balancer's creation.
    free = {"LoadBalancerWritesLogs"}
    for address, statement in statements():
        for principals in statement.get("principals", []):
            sid = str(one(statement["sid"]))
            if one(principals["type"]) == "Service" and sid not in free:
                dynamic = statement.get("dynamic", [{}])[0]
                assert "condition" in statement or "condition" in dynamic, f"{address} {sid}"


def test_the_load_balancer_writes_its_logs_under_this_account_only() -> None:
    (statement,) = (each for _, each in statements() if each["sid"] == ["LoadBalancerWritesLogs"])
    assert "condition" not in statement
    assert "/AWSLogs/${local.account_id}/*" in str(one(statement["resources"]))


def test_only_the_egress_tier_may_route_to_the_internet_gateway() -> None:
    routes = [found for found in blocks("resource") if found.address.startswith("aws_route.")]
    to_gateway = [found for found in routes if "gateway_id" in found.body]
    assert [found.address for found in to_gateway] == ["aws_route.egress_to_internet"]
    assert one(to_gateway[0].body["count"]) == "${local.regional_nat ? 0 : 1}"
    tables = [
        found
        for found in blocks("resource")
        if found.address.startswith(("aws_route_table.", "aws_default_route_table."))
    ]
    assert [found.address for found in tables if one(found.body.get("route", [[]]))] == [], "no inline routes"
    mentions = [line.strip() for line in TEXT.splitlines() if "aws_internet_gateway.nat_only.id" in line]
    assert mentions == [
        "gateway_id             = aws_internet_gateway.nat_only.id",
        "value       = aws_internet_gateway.nat_only.id",
    ]
    assert one(block("output", "internet_gateway_id").body["value"]) == "${aws_internet_gateway.nat_only.id}"


def test_zones_are_asked_of_the_service_that_the_endpoint_leads_to() -> None:
    # In China the names differ: by the argument `service` the provider would ask for com.amazonaws....
    asked = block("data", "aws_vpc_endpoint_service.interface").body
    made = block("resource", "aws_vpc_endpoint.interface").body
    assert one(made["service_name"]) == "${data.aws_vpc_endpoint_service.interface[each.key].service_name}"
    assert "reverse_dns_prefix" in str(asked["service_name"])


def test_subnets_hand_out_no_public_addresses_and_the_load_balancer_is_internal() -> None:
    assert [found.address for found in blocks("resource") if found.address.startswith("aws_subnet.")] == [
        "aws_subnet.private"
    ]
    assert one(block("resource", "aws_subnet.private").body["map_public_ip_on_launch"]) is False
    assert one(block("resource", "aws_lb.api").body["internal"]) is True
    assert one(block("resource", "aws_instance.operations").body["associate_public_ip_address"]) is False


@pytest.mark.parametrize(
    "held", ["aws_eip.nat", "aws_subnet.private", "aws_route_table.this", "aws_lb_target_group.ip"]
)
def test_what_aws_holds_while_it_is_in_use_goes_after_its_users_were_changed(held: str) -> None:
    # Without this Terraform deletes first, and AWS waits for users that are changed afterwards.
    assert one(block("resource", held).body["lifecycle"])["create_before_destroy"] == [True]


def test_the_functions_groups_go_before_the_permission_to_delete_their_interfaces() -> None:
    # Each interface of a function has the function's group, so the last group goes after the last interface.
    body = block("resource", "aws_security_group.role").body
    assert one(body["depends_on"]) == ["${aws_iam_role_policy.function_common}"]
    rights = [found for _, found in statements() if found["sid"] == ["AttachToNetwork"]]
    assert "ec2:DeleteNetworkInterface" in one(rights[0]["actions"])


def test_the_default_group_acl_and_route_table_are_empty() -> None:
    assert block("resource", "aws_default_security_group.none").body.keys() <= {"vpc_id", "tags"}
    assert not {"ingress", "egress"} & block("resource", "aws_default_network_acl.none").body.keys()
    assert one(block("resource", "aws_default_route_table.none").body["route"]) == []


def test_the_mapping_is_what_exactly_once_demands() -> None:
    body = block("resource", "aws_lambda_event_source_mapping.consumer").body
    assert one(body["starting_position"]) == "TRIM_HORIZON"
    assert one(body["maximum_retry_attempts"]) in (-1, "${-1}")
    assert one(body["maximum_record_age_in_seconds"]) in (-1, "${-1}")
    assert one(body["function_response_types"]) == ["ReportBatchItemFailures"]
    assert not {"filter_criteria", "tumbling_window_in_seconds", "starting_position_timestamp"} & body.keys()
    failure = one(one(one(body["destination_config"])["on_failure"])["destination_arn"])
    assert failure == '${aws_s3_bucket.this["failure"].arn}'


def test_the_tables_stream_only_wakes_the_projector() -> None:
    body = block("resource", "aws_lambda_event_source_mapping.projector").body
    assert one(body["event_source_arn"]) == "${aws_dynamodb_table.behaviour.stream_arn}"
    assert one(body["maximum_retry_attempts"]) in (-1, "${-1}")
    assert one(body["maximum_record_age_in_seconds"]) in (-1, "${-1}")
    assert not {"destination_config", "tumbling_window_in_seconds"} & body.keys()


def test_capacity_is_left_to_auto_scaling_after_the_first_apply() -> None:
    lifecycle = one(block("resource", "aws_dynamodb_table.behaviour").body["lifecycle"])
    assert one(lifecycle["ignore_changes"]) == ["${read_capacity}", "${write_capacity}"]


def _python_constant(module: str, name: str) -> Any:
    tree = ast.parse((ROOT / "src/tapstack" / module).read_text())
    for node in tree.body:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if (
            isinstance(target, ast.Name)
            and target.id == name
            and isinstance(node, ast.Assign | ast.AnnAssign)
        ):
            assert node.value is not None
            return ast.literal_eval(node.value)
    raise AssertionError(f"{module} has no {name}")


def test_terraform_and_python_name_the_same_variables() -> None:
    environment = local_values()["function_environment"]
    expected = _python_constant("entrypoints/settings.py", "VARIABLES")
    assert {name: sorted(values) for name, values in environment.items()} == {
        name: sorted(values) for name, values in expected.items()
    }


def test_the_collector_has_the_time_to_store_in_s3_what_a_hanging_kinesis_does_not_take() -> None:
    budget_ms: int = _python_constant("collector/publish.py", "RETRY_BUDGET_MS")
    call_s: float = _python_constant("entrypoints/collector.py", "CALL_TIMEOUT_S")
    # Kinesis once more at the end of the budget, spill, quarantine: each so long to connect and to answer.
    (least_s,) = re.findall(r"var\.api_timeout_s >= (\d+)", TEXT)
    assert int(least_s) >= budget_ms / 1000 + 3 * 2 * call_s


def test_every_handler_exists() -> None:
    for function in local_values()["functions"].values():
        *module, handler = function["handler"].split(".")
        tree = ast.parse((ROOT / "src").joinpath(*module).with_suffix(".py").read_text())
        assert handler in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_line_is_longer_than_140_characters() -> None:
    assert [line for line in TEXT.splitlines() if len(line.encode()) > 140] == []


def test_there_are_fewer_variables_and_resources_than_there_were() -> None:
    assert len(list(blocks("variable"))) < 66  # each is a decision for whoever deploys
    assert len(list(blocks("resource"))) < 82


STREAM_ARGUMENTS = {
    "name",
    "shard_count",
    "retention_period",
    "encryption_type",
    "kms_key_id",
    "stream_mode_details",
    "shard_level_metrics",
    "tags",
}


def test_nothing_lets_kinesis_choose_the_shards_of_records() -> None:
    # Service-managed record distribution ignores partition keys: a user's events would scatter over shards.
    # https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateStreamRecordDistributionStrategy.html
    assert block("resource", "aws_kinesis_stream.events").body.keys() == STREAM_ARGUMENTS
    kinesis = {
        action
        for _, statement in statements()
        if isinstance(one(statement["actions"]), list)
        for action in one(statement["actions"])
        if action.startswith("kinesis:")
    }
    assert kinesis
    assert all(re.match(r"kinesis:(Describe|Get|List|Put)[A-Za-z]+$", action) for action in kinesis), (
        "no role may change the stream"
    )


def test_the_examples_name_variables_that_exist() -> None:
    names = {found.address for found in blocks("variable")}
    example = (ROOT / "terraform.tfvars.example").read_text()
    assert set(re.findall(r"^(?:# )?([a-z_]+) +=", example, re.MULTILINE)) <= names
