"""Schemathesis against the functions behind the load balancer: no 5xx, no undocumented answer.

It is installed by `make openapi-test`, in a folder of its own; its requests are drawn from the document.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from functions_world import Cloud, Context, event, mapped
from test_through_the_balancer import invoking

from tapstack_emulator.load_balancer.server import LoadBalancer
from tapstack_local.cloud_functions import DEFAULT_ACTION, RULES, TARGET_GROUPS

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SETTINGS = Path(__file__).with_name("schemathesis.toml")
TOOL = ROOT / ".tapstack" / "schemathesis" / "bin" / "st"
# By document: how many examples of each operation, and the checks that it does not pass by design.
# TRACE is answered by the load balancer itself, without Allow; test_routes.py has the other methods.
DOCUMENTS = {
    # A body may fit its schema and ask for too many cells, or for an unknown feature.
    "/v1/openapi.json": (40, "unsupported_method,positive_data_acceptance"),
    # An answer of 200 names each event's fate, one that is wrong harms no other, and much is read as meant.
    "/v1/events/openapi.json": (40, "unsupported_method,positive_data_acceptance,negative_data_rejection"),
}
SEED = 20261130
TIMEOUT_S = 600


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_request_gets_an_answer_that_the_document_does_not_have(cloud: Cloud, document: str) -> None:
    if not TOOL.exists():
        pytest.skip("needs Schemathesis: make openapi-test")
    # "0" is the id that it tries first.
    seen = event(1, user_id="0", items=[{"item_id": "0"}])
    cloud.function("consumer").handler(mapped(seen), Context())
    cloud.project()
    functions = {
        f"tapstack-{name}": invoking(cloud.function(name).handler) for name in ("collector", "insights")
    }

    examples, excluded = DOCUMENTS[document]

    async def main() -> None:
        async with LoadBalancer(
            functions=functions, target_groups=TARGET_GROUPS, rules=RULES, default_action=DEFAULT_ACTION
        ) as balancer:
            child = await asyncio.create_subprocess_exec(
                str(TOOL), "--config-file", str(SETTINGS), "run", f"{balancer.base_url}{document}",
                "--checks", "all", "--exclude-checks", excluded,
                "--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", str(SEED),
                "--continue-on-failure", "--no-color", cwd=ROOT / ".tapstack",
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            output, _ = await asyncio.wait_for(child.communicate(), TIMEOUT_S)
            assert child.returncode == 0, output.decode()

    asyncio.run(main())


def test_the_document_is_read_over_http(cloud: Cloud) -> None:
    answer = cloud.function("insights").handler(
        {"httpMethod": "GET", "path": "/v1/openapi.json", "headers": {}}, Context()
    )
    assert json.loads(answer["body"])["openapi"] == "3.1.0"
