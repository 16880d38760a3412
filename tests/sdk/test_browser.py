"""Browser SDKs of other products in a real browser, on a page of another origin; `make sdk-test`."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from installed import CLIENTS, INSTALLED, PATIENCE_S
from test_dialect import Collector

from tapstack_emulator.load_balancer.browsers import BrowserGuard
from tapstack_emulator.load_balancer.server import LoadBalancer
from tapstack_local.cloud_functions import DEFAULT_ACTION, RULES, TARGET_GROUPS

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

PACKAGES = INSTALLED / "node" / "node_modules"
PAGES = {
    "segment": "@segment/analytics-next",
    "snowplow": "@snowplow/browser-tracker",
    "rudder": "@rudderstack/analytics-js",
    "posthog": "posthog-js",
}
VIRTUAL_MS = 10_000  # of the page's life, which pass at once when nothing is under way


def browser() -> str:
    found = shutil.which("chromium")
    if found is None or not all((PACKAGES / name).is_dir() for name in PAGES.values()):
        pytest.skip("needs chromium and the SDKs from npm: make sdk-test")
    return found


PREFIX = "/events"  # of the shop's own proxy, as docs/web-shops.md has it


def forward_to(balancer_url: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the shop's proxy: it takes its prefix off, and hands everything else on."""

    async def forward(request: web.Request) -> web.Response:
        target = balancer_url + request.path_qs.removeprefix(PREFIX)
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, target, headers=request.headers, data=await request.read()
            ) as answer,
        ):
            kept = {name: answer.headers[name] for name in ("content-type",) if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    return forward


async def visit(page: str, collector_url: str, shop_port: int, profile: Path) -> None:
    """Open a page of the shop and let it live for a while."""
    child = await asyncio.create_subprocess_exec(
        browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
        f"--virtual-time-budget={VIRTUAL_MS}", "--dump-dom",
        f"http://localhost:{shop_port}/{page}.html?collector={collector_url}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await asyncio.wait_for(child.wait(), PATIENCE_S)


def visited(page: str, profile: Path, allowed_by: str) -> Collector:
    """Return a collector to which a page of the shop has sent what its browser let it send.

    The page's origin is named to the collector, as deployed, or to the guard of ``tapstack local``; or the
    shop's own server hands on what the page sends to it.
    """
    collector = Collector()
    balancer_url = ""

    async def forward(request: web.Request) -> web.Response:
        return await forward_to(balancer_url)(request)

    async def main() -> None:
        nonlocal balancer_url
        shop = web.Application()
        shop.router.add_route("*", f"{PREFIX}/{{path:.*}}", forward)
        for name in PAGES.values():
            shop.router.add_static(f"/{name.rpartition('/')[2]}", PACKAGES / name)
        shop.router.add_static("/", CLIENTS / "browser")
        runner = web.AppRunner(shop)
        await runner.setup()
        site = web.TCPSite(runner, "localhost", 0)
        await site.start()
        port = runner.addresses[0][1]
        origin = f"http://localhost:{port}"
        if allowed_by == "collector":
            collector.allowed_origins = {origin}
        guard = BrowserGuard([origin] if allowed_by == "guard" else ())
        functions = {"tapstack-collector": collector.invoke, "tapstack-insights": collector.invoke}
        async with LoadBalancer(
            functions=functions,
            target_groups=TARGET_GROUPS,
            rules=RULES,
            default_action=DEFAULT_ACTION,
            guard=None if allowed_by in {"collector", "proxy"} else guard,
        ) as balancer:
            balancer_url = balancer.base_url
            address = f"{origin}{PREFIX}" if allowed_by == "proxy" else balancer_url
            await visit(page, address, port, profile)
        await runner.cleanup()

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
    return collector


SAID = {
    "segment": {"identify": 1, "page_view": 1, "item_view": 1, "purchase": 1},
    "snowplow": {"page_view": 1, "item_view": 1, "purchase": 1},
    "rudder": {"identify": 1, "page_view": 1, "item_view": 1, "purchase": 1},
    "posthog": {"identify": 1, "page_view": 1, "item_view": 1, "purchase": 1},
}


@pytest.mark.parametrize("allowed_by", ["collector", "guard", "proxy"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_may_send_sends_each_event_once(page: str, allowed_by: str, tmp_path: Path) -> None:
    browser()  # or skip
    collector = visited(page, tmp_path, allowed_by)
    assert Counter(event.event_type for event in collector.events) == SAID[page]
    assert {event.user_id for event in collector.events} == {"ann"}
    bought = [event for event in collector.events if event.event_type == "purchase"]
    assert [(event.value, event.currency, event.items[0].item_id) for event in bought] == [(19, "EUR", "mug")]
    assert all(event.clock_skew_ms == 0 for event in collector.events)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_another_origin_sends_nothing_to_tapstack_local(page: str, tmp_path: Path) -> None:
    browser()  # or skip
    collector = visited(page, tmp_path, "nobody")
    assert (collector.requests, collector.events) == (0, [])
