"""The guide's code, run as it stands, against the functions behind the load balancer."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "entrypoints"))

from functions_world import ENVIRONMENT, Cloud, Context, mapped  # noqa: E402 - beside the other functions' tests

from local_aws import LocalAws, serving  # noqa: E402
from tapstack_emulator.lambda_host.host import InvokeResponse  # noqa: E402
from tapstack_emulator.load_balancer.server import LoadBalancer  # noqa: E402
from tapstack_local.cloud_functions import DEFAULT_ACTION, RULES, TARGET_GROUPS  # noqa: E402

GUIDE = (ROOT / "docs" / "insights-client.md").read_text()
SEND, *READ = re.findall(r"^```python\n([\s\S]*?)^```$", GUIDE, re.MULTILINE)
ADDRESS = "http://127.0.0.1:8080"


def test_the_guide_leads_from_clicks_to_a_recommendation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(LocalAws({})) as aws:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": aws.url}.items():
            monkeypatch.setenv(name, value)
        asyncio.run(asyncio.wait_for(followed(Cloud(aws)), 60))
    said = [line for line in capsys.readouterr().out.splitlines() if not line.startswith('{"level"')]
    assert said == re.findall(r"^ *print\(.*\)  # (.*)$", GUIDE, re.MULTILINE)


async def followed(cloud: Cloud) -> None:
    handlers = {name: cloud.function(name).handler for name in ("collector", "insights")}

    def invoking(name: str) -> Any:
        async def invoke(payload: bytes, *, trace_id: str = "") -> InvokeResponse:
            answer = await asyncio.to_thread(handlers[name], json.loads(payload), Context())
            return InvokeResponse(kind="success", payload=json.dumps(answer).encode())

        return invoke

    functions = {f"tapstack-{name}": invoking(name) for name in handlers}
    async with LoadBalancer(
        functions=functions, target_groups=TARGET_GROUPS, rules=RULES, default_action=DEFAULT_ACTION
    ) as balancer:
        names: dict[str, Any] = {}

        def run(code: str) -> None:
            exec(code.replace(ADDRESS, balancer.base_url), names)

        await asyncio.to_thread(run, SEND)
        records = [record.data for record in cloud.kinesis.records("events")]
        cloud.function("consumer").handler(mapped(*records), Context())
        cloud.project()
        for code in READ:
            await asyncio.to_thread(run, code)
        names["insights"].close()
