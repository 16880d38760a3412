"""The page for web shops shows the snippets that Chromium runs in `make sdk-test`."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "web-shops.md").read_text()
RUN = ROOT / "tests" / "sdk" / "clients" / "browser"
TOLD = '  const collector = new URLSearchParams(location.search).get("collector");\n'
SHOWN = '  const collector = "https://shop.example/events";\n'


@pytest.mark.parametrize("name", ["segment", "snowplow", "rudder", "posthog"])
def test_a_snippet_is_what_the_browser_runs_but_for_the_address(name: str) -> None:
    run = (RUN / f"{name}.html").read_text()
    assert run.count(TOLD) == 1
    snippet = "<script src" + run.partition("<script src")[2].rstrip()
    assert f"```html\n{snippet.replace(TOLD, SHOWN)}\n```" in PAGE


def test_there_is_no_other_snippet() -> None:
    assert PAGE.count("```html") == len(list(RUN.glob("*.html")))
