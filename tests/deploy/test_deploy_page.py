"""docs/deploy.md: its sums are right, and the variables it names exist."""

from __future__ import annotations

import json
import re
import subprocess
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/deploy.md").read_text()
CENT = Decimal("0.01")


def costs() -> list[list[str]]:
    """Tell the cells of the table of costs, without its head."""
    table = PAGE.split("| what | quantity a month |")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def number(cell: str) -> Decimal:
    return Decimal(cell.replace(",", "").strip("*"))


def test_every_line_is_its_quantity_times_its_price() -> None:
    lines = costs()[:-1]
    assert len(lines) > 20
    for what, quantity, _, price, amount, _ in lines:
        expected = (number(quantity) * number(price)).quantize(CENT, ROUND_HALF_UP)
        assert expected == number(amount), what


def test_the_total_is_the_sum() -> None:
    *lines, total = costs()
    assert sum(number(line[4]) for line in lines) == number(total[4])


def test_the_total_with_bigger_requests_is_the_sum() -> None:
    lines = costs()[:-1]
    shrunk = sum(number(line[4]) / (10 if line[0].endswith("†") else 1) for line in lines)
    said = re.search(r"about \*\*\$([0-9,]+)\*\*", PAGE)
    assert said is not None
    assert number(said[1]) == shrunk.quantize(Decimal(1), ROUND_HALF_UP)


def test_every_line_has_its_source() -> None:
    sources = set(re.findall(r"^\| ([A-Z][0-9]?) \|", PAGE, re.MULTILINE))
    assert {line[5] for line in costs()[:-1]} == sources


def test_every_variable_it_names_is_in_the_stack() -> None:
    stack = (ROOT / "lib/tap_stack.tf").read_text()
    named = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)\b", PAGE))
    assert len(named) > 20
    assert {name for name in named if not re.search(rf"\b{name}\b", stack)} == set()


def test_the_first_event_is_json_in_json() -> None:
    [script] = re.findall(r"^cat > event\.json <<EOF\n.*?\nEOF$", PAGE, re.MULTILINE | re.DOTALL)
    made = subprocess.run(
        ["sh", "-c", script.replace("cat > event.json", "cat")], capture_output=True, text=True, check=True
    )
    event = json.loads(json.loads(made.stdout)["body"])
    assert event["event_type"] == "item_view"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["occurred_at"])
