"""The functions behind the load balancer, by the rules that are deployed, as HTTP clients meet them."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from functions_world import NOW_S, Cloud, Context, event, mapped
from yarl import URL

from event_strategies import client_event
from tapstack.collector.formats import FORMATS
from tapstack.insights.route import METHODS
from tapstack.insights.routes import ROUTES
from tapstack_emulator import ManualClock
from tapstack_emulator.lambda_host.host import InvokeResponse
from tapstack_emulator.load_balancer.server import LoadBalancer
from tapstack_local.cloud_functions import DEFAULT_ACTION, RULES, TARGET_GROUPS

Handler = Callable[[Any, Any], dict[str, Any]]
Ask = Callable[..., Awaitable[tuple[int, dict[str, str], bytes]]]


def invoking(handler: Handler) -> Callable[..., Awaitable[InvokeResponse]]:
    async def invoke(payload: bytes, *, trace_id: str = "") -> InvokeResponse:
        answer = await asyncio.to_thread(handler, json.loads(payload), Context())
        return InvokeResponse(kind="success", payload=json.dumps(answer).encode())

    return invoke


def serve(cloud: Cloud, body: Callable[[Ask], Awaitable[None]]) -> None:
    functions = {
        f"tapstack-{name}": invoking(cloud.function(name).handler) for name in ("collector", "insights")
    }
    # Answers say as of when they are.
    sys.modules["tapstack.entrypoints.insights"]._clock = ManualClock(NOW_S * 1_000)  # type: ignore[attr-defined]

    async def main() -> None:
        balancer = LoadBalancer(
            functions=functions, target_groups=TARGET_GROUPS, rules=RULES, default_action=DEFAULT_ACTION
        )
        async with balancer, aiohttp.ClientSession() as session:

            async def ask(method: str, target: str, **options: Any) -> tuple[int, dict[str, str], bytes]:
                url = URL(balancer.base_url + target, encoded=True)  # else yarl resolves dots
                async with session.request(method, url, **options) as got:
                    headers = {name.lower(): value for name, value in got.headers.items() if name != "Date"}
                    return got.status, headers, await got.read()

            await body(ask)

    asyncio.run(asyncio.wait_for(main(), 60))


USERS = ["..", ".", "a/b", "/", "100%", "%2F", "a b", "a+b", "?", "#", "ann&n=1", "😀", "ü", "x" * 256]


def test_a_user_of_any_name_is_read_back(cloud: Cloud) -> None:
    batch = [event(number, user_id=name) for number, name in enumerate(USERS)]
    cloud.function("consumer").handler(mapped(*batch), Context())

    async def body(ask: Ask) -> None:
        for name in USERS:
            for target in (quote(name, safe=""), "".join(f"%{byte:02x}" for byte in name.encode())):
                status, _, answer = await ask("GET", f"/v1/users/{target}")
                assert (status, json.loads(answer).get("user_id")) == (200, name), target

    serve(cloud, body)


READ = [route for route in ROUTES if route.method == "GET"]


@pytest.mark.parametrize("route", READ, ids=lambda route: route.path)
def test_the_rules_pass_each_route_on_and_the_function_answers_alike(cloud: Cloud, route: Any) -> None:
    listed = [{"item_id": "item-1", "list_id": "item-1"}]
    shown = event(2, event_type="item_list_view", items=listed, recommendation_id="item-1")
    cloud.function("consumer").handler(mapped(event(1, user_id="item-1"), shown), Context())
    cloud.project()
    path = route.path.replace("{id}", "item-1")

    async def body(ask: Ask) -> None:
        plain = {"headers": {"accept-encoding": "identity"}}
        status, headers, answer = await ask("GET", path, **plain)
        assert status == 200
        assert (await ask("GET", path))[2] == answer  # decompressed, if it came so
        assert await ask("GET", f"{path}/", **plain) == (status, headers, answer)
        headed = await ask("HEAD", path, **plain)
        assert (headed[0], headed[2]) == (200, b"")
        assert headed[1] == headers
        assert headers["content-length"] == str(len(answer))
        told = await ask("OPTIONS", f"{path}/")
        assert (told[0], told[1]["allow"]) == (204, ", ".join(METHODS))
        assert (await ask("GET", f"{path}?x=1"))[0] == 400
        status, headers, answer = await ask("PATCH", path)
        assert (status, headers["allow"]) == (405, ", ".join(METHODS))
        assert json.loads(answer)["code"] == "method_not_allowed"

    serve(cloud, body)


def test_events_are_taken_with_and_without_a_trailing_slash(cloud: Cloud) -> None:
    async def body(ask: Ask) -> None:
        for number, path in enumerate(["/v1/events", "/v1/events/"]):
            status, _, answer = await ask("POST", path, json=[client_event(event_id=f"e-{number}")])
            assert (status, json.loads(answer)) == (200, {"results": [{"status": "ok"}]})
        assert (await ask("GET", "/v1/events"))[0] == 405
        assert (await ask("HEAD", "/v1/events/"))[0] == 405

    serve(cloud, body)
    assert len(cloud.kinesis.records("events")) == 2


def test_every_path_of_a_wire_format_leads_to_the_collector(cloud: Cloud) -> None:
    async def body(ask: Ask) -> None:
        for route in (route for each in FORMATS for route in each.ROUTES):
            path = route.path.replace("*", "any")
            for target in (path, f"{path}/"):
                told = await ask("OPTIONS", target)
                assert (told[0], told[1]["allow"]) == (204, ", ".join(route.allowed)), target
                assert (await ask("PATCH", target))[0] == 405

    serve(cloud, body)


def test_what_is_not_there_is_said_by_the_function_below_v1_and_by_the_balancer_elsewhere(
    cloud: Cloud,
) -> None:
    async def body(ask: Ask) -> None:
        for path in ("/v1/nothing", "/v1/", "/healthzz", "/v1/users/"):
            status, _, answer = await ask("GET", path)
            assert status == 404
            assert json.loads(answer)["message"].startswith("no such path; GET /v1/docs")
        status, _, answer = await ask("GET", "/")
        assert (status, json.loads(answer)["message"]) == (404, "no such path or method")
        assert (await ask("GET", "/v1/users/" + "x" * 3_000))[0] == 400

    serve(cloud, body)


def test_features_are_asked_for_by_post(cloud: Cloud) -> None:
    cloud.function("consumer").handler(mapped(event(1, user_id="ann")), Context())
    cloud.project()
    query = {"users": ["ann"], "user_features": ["item_view_count"], "items": ["item-1"],
             "item_features": ["item_view_count_1h"]}  # fmt: skip

    async def body(ask: Ask) -> None:
        path = "/v1/features:batchGet"
        status, headers, answer = await ask("POST", path, json=query)
        assert (status, headers["cache-control"]) == (200, "no-store")
        told = json.loads(answer)
        assert told["users"]["rows"][0]["values"] == [1]
        assert told["items"]["rows"][0]["values"] == [1]
        status, headers, _ = await ask("GET", path)
        assert (status, headers["allow"]) == (405, "POST, OPTIONS")
        packed = gzip.compress(json.dumps(query).encode())
        status, _, again = await ask("POST", path, data=packed, headers={"content-encoding": "gzip"})
        assert (status, json.loads(again)["users"]) == (200, told["users"])
        status, headers, answer = await ask("POST", path, data=b"{")
        assert (status, headers["content-type"]) == (400, "application/problem+json")

    serve(cloud, body)
