"""The stack as Terraform sees it, with a mocked provider and no account."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .toolbox import LIB, ROOT, Initialised, Missing, program

SKIP_LINE = re.compile(r"#checkov:skip=(CKV2?_AWS_[0-9]+): (.+)")


def _terraform(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [program("terraform"), f"-chdir={LIB}", *arguments]
    return subprocess.run(command, env=env, text=True, capture_output=True, check=False)


def test_files_are_formatted(terraform: str) -> None:
    for folder in (LIB, ROOT):
        done = subprocess.run(
            [terraform, "fmt", "-check", "-diff", *(["-recursive"] if folder == LIB else []), str(folder)],
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_the_stack_is_valid_without_a_warning(initialised: Initialised) -> None:
    answer = json.loads(_terraform("validate", "-json", env=initialised.env).stdout)
    assert answer["diagnostics"] == []
    assert answer["valid"] is True


def test_the_lock_file_holds_hashes_for_every_platform_and_init_leaves_it_alone(
    initialised: Initialised,
) -> None:
    lock = (LIB / ".terraform.lock.hcl").read_text()
    assert lock.count('"zh:') >= 10
    assert 'constraints = ">= 5.100.0, < 7.0.0"' in lock


FILES = {path.name.removesuffix(".tftest.hcl") for path in (LIB / "tests").glob("*.tftest.hcl")}
READ = {"clients", "everything_on", "nat_template", "policies"}  # by tests that run them for what they plan


def planned(initialised: Initialised, file: str) -> list[dict[str, Any]]:
    """Run the invariants of a file and return what its plans change."""
    done = _terraform("test", "-json", "-verbose", f"-filter=tests/{file}.tftest.hcl", env=initialised.env)
    assert done.returncode == 0, done.stdout
    plans = [json.loads(line).get("test_plan", {}) for line in done.stdout.splitlines()]
    return [change for plan in plans for change in plan.get("resource_changes", [])]


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(FILES - READ))
def test_invariants_hold_with_a_mocked_provider(initialised: Initialised, file: str) -> None:
    done = _terraform("test", "-no-color", f"-filter=tests/{file}.tftest.hcl", env=initialised.env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Success! [0-9]+ passed, 0 failed", done.stdout)


TAG = re.compile(r"[\w .:/=+@-]*")
"""What S3 takes in a tag, the least of AWS's services; other letters and spaces do not occur here."""


@pytest.mark.slow
def test_tags_hold_only_what_s3_admits(initialised: Initialised) -> None:
    tagged = {}
    for file in ("policies", "everything_on"):
        for change in planned(initialised, file):
            tagged[change["address"]] = (change["change"]["after"] or {}).get("tags_all") or {}
    assert len([tags for tags in tagged.values() if tags]) > 80
    for address, tags in tagged.items():
        for key, value in tags.items():
            assert TAG.fullmatch(key), f"{address} {key}"
            assert len(key) <= 128, f"{address} {key}"
            assert TAG.fullmatch(value), f"{address} {key} = {value}"
            assert len(value) <= 256, f"{address} {key} = {value}"


def _rendered_template(initialised: Initialised) -> dict[str, Any]:
    for change in planned(initialised, "nat_template"):
        if change["type"] == "aws_cloudformation_stack":
            template: dict[str, Any] = json.loads(change["change"]["after"]["template_body"])
            return template
    raise AssertionError("the plan holds no CloudFormation stack")


def _cfn_lint(template: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        linter = program("cfn-lint")
    except Missing as reason:
        pytest.skip(f"{reason}; it lives in .venv-infra, run `make infra-test`")
    path = folder / "nat.json"
    path.write_text(json.dumps(template))
    return subprocess.run(
        [linter, "--regions", "us-east-1", "--", str(path)], text=True, capture_output=True, check=False
    )


def test_the_nat_template_satisfies_cfn_lint(initialised: Initialised, tmp_path: Path) -> None:
    template = _rendered_template(initialised)
    done = _cfn_lint(template, tmp_path)
    assert done.returncode == 0, done.stdout
    template["Resources"]["NatGateway"]["Properties"]["AvailabilityMode"] = "regionall"
    assert "E3030" in _cfn_lint(template, tmp_path).stdout, "the linter must know the property"


def test_checkov_finds_nothing(checkov: str, tmp_path: Path) -> None:
    shutil.copy(LIB / "tap_stack.tf", tmp_path)
    shutil.copy(ROOT / "provider.tf", tmp_path)
    command = [
        checkov,
        "-d",
        str(tmp_path),
        "--framework",
        "terraform",
        "--skip-download",
        "--compact",
        "-o",
        "json",
    ]
    done = subprocess.run(command, env=dict(os.environ), text=True, capture_output=True, check=False)
    answer = json.loads(done.stdout)
    failed = [f"{check['check_id']} {check['resource']}" for check in answer["results"]["failed_checks"]]
    assert failed == []
    assert answer["summary"]["parsing_errors"] == 0
    assert answer["summary"]["passed"] > 240
    unused = _skips() - {check["check_id"] for check in answer["results"]["skipped_checks"]}
    assert unused == set(), "a skip that skips nothing hides the next finding"


def _skips() -> set[str]:
    return {match.group(1) for match in SKIP_LINE.finditer((LIB / "tap_stack.tf").read_text())}


def test_every_checkov_skip_stands_in_its_resource_with_a_reason() -> None:
    lines = (LIB / "tap_stack.tf").read_text().splitlines()
    for index, line in enumerate(lines):
        if "checkov:skip" not in line:
            continue
        match = SKIP_LINE.fullmatch(line.strip())
        assert match is not None, line
        assert len(match.group(2)) > 15, line
        before = next(above for above in reversed(lines[:index]) if "checkov:skip" not in above)
        assert re.match(r'(resource|data) "', before), f"not at the head of its block: {line}"
