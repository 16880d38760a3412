"""The pages of both OpenAPI documents can be read at the width of a desk and of a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tapstack.collector.formats import FORMATS
from tapstack.collector.openapi import document as collector_document
from tapstack.docs_page import page
from tapstack.insights.openapi import document as insights_document
from tapstack.insights.routes import ROUTES

PAGES = {"collector": page(collector_document(FORMATS)), "insights": page(insights_document(ROUTES))}
ROW_PX_MAX = 500  # about half of a phone's screen
PATIENCE_S = 60
# Says how much wider the page and its tables are than their boxes, and how high the highest row is.
MEASURE = """<script>
const over = box => box.scrollWidth - box.clientWidth;
const boxes = [document.documentElement, ...document.querySelectorAll(".wide")];
const rows = [...document.querySelectorAll("tr")];
const told = [Math.max(...boxes.map(over)), Math.max(...rows.map(row => row.offsetHeight))];
parent.postMessage(JSON.stringify(told), "*");
</script></body>"""


@pytest.mark.parametrize("name", PAGES)
def test_no_type_is_a_long_list(name: str) -> None:
    types = re.findall(r"<td class=type>(.*?)<td>", PAGES[name])
    assert len(types) > 50
    assert max(len(re.sub("<[^>]*>", "", each)) for each in types) < 300


def test_alternatives_of_a_body_are_told_apart() -> None:
    assert re.search(r"Body: <span class=type>.*ClientEvent</a> or string", PAGES["collector"])


@pytest.mark.parametrize("width_px", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_its_box(name: str, width_px: int, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("needs chromium")
    measured = html.escape(PAGES[name].replace("</body>", MEASURE))
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<body><pre id=told></pre><iframe width={width_px} height=900 style="border: 0" srcdoc="{measured}">'
        "</iframe><script>onmessage = message => told.textContent = message.data</script>",
        "utf-8",
    )
    shown = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri(),
        ],
        capture_output=True, check=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    told = re.search(r'<pre id="told">(.*?)</pre>', shown.stdout)
    assert told is not None
    too_wide_px, row_px = json.loads(told[1])
    assert too_wide_px <= 1  # a rounded edge
    assert row_px < ROW_PX_MAX
