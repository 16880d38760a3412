"""docs/deploy.md: its sums are right, and the variables it names exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64encode
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from tapstack.metrics import METRICS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/deploy.md").read_text()
STACK = (ROOT / "lib/tap_stack.tf").read_text()
CENT = Decimal("0.01")


def table(head: str) -> list[list[str]]:
    """Return the cells of a table, without its head."""
    lines = PAGE.split(head)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


COSTS = table("| what | how | quantity a month |")
LINES = {line[0]: line for line in COSTS[:-1]}
CHANGES = table("| change | line | how |")
GROWS: dict[str, dict[str, Decimal]] = {
    "No events": dict.fromkeys(("events", "requests", "batches"), Decimal(0)),
    "Mean of 2,500 a minute, evenly": dict.fromkeys(("events", "requests"), Decimal("0.25")),
}
"""What becomes of lines by what they follow, where another number of events comes."""


def number(cell: str) -> Decimal:
    return Decimal(cell.replace(",", "").strip("*"))


def computed(how: str) -> float:
    """Return what an expression of the page comes to."""
    assert re.fullmatch(r"[0-9. x^/()+-]+", how)
    value: float = eval(how.replace("^", "**").replace("x", "*"))
    return value


@pytest.mark.parametrize("line", COSTS[:-1], ids=lambda line: line[0])
def test_a_line_is_its_quantity_times_its_price(line: list[str]) -> None:
    what, how, quantity, _, price, amount, follows, _ = line
    assert computed(how) == pytest.approx(float(number(quantity)), rel=0.005), what
    assert (number(quantity) * number(price)).quantize(CENT, ROUND_HALF_UP) == number(amount)
    assert follows in {"time", "events", "requests", "batches"}


def test_the_total_is_the_sum() -> None:
    *lines, total = COSTS
    assert len(lines) > 20
    assert sum(number(line[5]) for line in lines) == number(total[5])


def named(line: str) -> list[str] | None:
    found = [cells for what, cells in LINES.items() if what.startswith(line)]
    assert len(found) <= 1, line
    return found[0] if found else None


@pytest.mark.parametrize("change", dict.fromkeys(change for change, *_ in CHANGES))
def test_a_changes_total_is_the_sum_of_what_it_leaves_and_what_it_changes(change: str) -> None:
    *changed, total = [cells[1:] for cells in CHANGES if cells[0] == change]
    grows = GROWS.get(change, {})
    left = {what: number(cells[5]) * grows.get(cells[6], Decimal(1)) for what, cells in LINES.items()}
    for line, how, quantity, price, amount, instead in changed:
        before = named(line)
        assert computed(how) == pytest.approx(float(number(quantity)), rel=0.005), line
        assert (number(quantity) * number(price)).quantize(CENT, ROUND_HALF_UP) == number(amount)
        if before is None:
            assert number(instead) == 0, line
        else:
            assert (price, instead) == (before[4], before[5])
        left[line if before is None else before[0]] = number(amount)
    assert total[0] == "**Total**"
    assert number(total[4]) == sum(left.values()).quantize(Decimal(1), ROUND_HALF_UP)
    assert number(total[5]) == number(COSTS[-1][5]).quantize(Decimal(1), ROUND_HALF_UP)


def test_what_is_said_of_a_change_is_its_total() -> None:
    totals = {cells[0]: cells[5].strip("*") for cells in CHANGES if cells[1] == "**Total**"}
    assert f"**No events, ${totals['No events']}**" in PAGE
    assert f"costs ${totals['Mean of 2,500 a minute, evenly']}, not a quarter**" in PAGE


def test_every_line_has_its_source() -> None:
    sources = set(re.findall(r"^\| ([A-Z]) \|", PAGE, re.MULTILINE))
    assert {line[7] for line in COSTS[:-1]} | {"X"} == sources  # X-Ray is a change


def default(variable: str) -> int:
    found = re.search(rf'variable "{variable}" {{[^}}]*?\n  default *= (\d+)', STACK)
    assert found is not None, variable
    return int(found[1])


def test_the_bill_is_of_the_stack_as_it_is() -> None:
    assert (default("peak_events_per_minute"), default("batch_window_s"), default("az_count")) == (
        10_000,
        1,
        2,
    )
    assert (default("consumer_memory_mb"), default("api_memory_mb")) == (1_024, 512)
    assert (default("table_target_utilization_percent"), default("stream_retention_hours")) == (80, 168)
    assert (default("archive_retention_days"), default("projection_interval_s")) == (400, 10)
    assert re.search(r'variable "enable_tracing" {[^}]*default *= false', STACK)
    shard_metrics = re.search(r"shard_level_metrics = \[(.*?)\]", STACK, re.DOTALL)
    assert shard_metrics is not None
    ours = sum(map(len, METRICS.values()))
    of_a_shard = shard_metrics[1].count('"') // 2
    assert f"{ours} + {of_a_shard} x 2" == LINES["Metrics: 24 of ours, 7 of each shard"][1]


def test_the_alarms_that_are_paid_for_are_those_of_the_stack() -> None:
    single, ratio = STACK.split("\n  alarms = merge(")[1].split("\n  ratio_alarms = merge(")
    ratio = ratio.split('resource "')[0]
    of_one = len(re.findall(r'\bof +=  *"[a-z]+"', single))
    of_each_function = 5 * len(
        re.findall(r"\bfor name(?: in keys\(|, function in )local\.functions\b", single)
    )
    of_each_zone = 2 * single.count("for az in local.azs :")
    of_the_archive = single.count("for name in(var.enable_raw_archive")
    of_two = 2 * len(re.findall(r"\bexpression +=", ratio))
    counted = of_one + of_each_function + of_each_zone + of_the_archive + of_two
    # Target tracking makes four a dimension: high and low of use, and of capacity.
    scaled = 4 * len(re.findall(r'"DynamoDB(?:Read|Write)CapacityUtilization"', STACK))
    assert LINES["Alarms: metrics of ours 49, of auto scaling 8"][1] == f"{counted} + {scaled}"


FUNCTIONS = ("consumer", "projector", "collector", "drainer", "insights")


def test_the_runbook_has_every_alarm_of_the_stack_and_no_other() -> None:
    block = STACK.split("\n  alarms = merge(")[1].split('\nresource "')[0]
    alarms = set(re.findall(r"^ {6}([a-z]+(?:-[a-z0-9]+)+) += {$", block, re.MULTILINE))
    patterns = set(re.findall(r'(?:=> |: )"([^" ]*-[^" ]*)" => {$', block, re.MULTILINE))
    assert len(alarms) > 15
    assert len(patterns) == 7
    archive = ["${name}-age-s", "${name}-idle", "${name}-idle-days"]
    filled = {pattern: [pattern.replace("${name}", "archive")] for pattern in archive}
    for pattern in patterns:
        each_function = [pattern.replace("${name}", function) for function in FUNCTIONS]
        alarms |= set(filled.get(pattern, each_function))
    told = {name for line in table("| alarm | it means | do |") for name in re.findall("`([^`]+)`", line[0])}
    shapes = [re.sub("<[a-z]+>", "[^ ]+", name) for name in told]
    assert {alarm for alarm in alarms if not any(re.fullmatch(shape, alarm) for shape in shapes)} == set()
    assert {shape for shape in shapes if not any(re.fullmatch(shape, alarm) for alarm in alarms)} == set()


SERVICES = {
    "appautoscaling": "application-autoscaling",
    "cloudwatch_event": "events",
    "cloudwatch_log": "logs",
    "kinesis_firehose": "firehose",
    "lb": "elasticloadbalancing",
    **{
        name: name for name in ("cloudformation", "cloudwatch", "dynamodb", "iam", "kinesis", "kms", "lambda")
    },
    **{name: name for name in ("route53", "s3", "secretsmanager", "sns", "ssm")},
}
"""How IAM names the service of a resource, by how Terraform's name begins; the rest belongs to ec2."""


def test_whoever_deploys_needs_the_services_of_the_stacks_resources() -> None:
    listed = {
        name.split(":")[0] for line in table("| service | what |") for name in re.findall(r"`(.+?)`", line[0])
    }
    kinds = set(re.findall(r'^(?:resource|data) "aws_([a-z0-9_]+)"', STACK, re.MULTILINE))
    computed_by_terraform = {"iam_policy_document", "partition", "caller_identity"}
    assert listed == {
        next((service for begin, service in SERVICES.items() if f"{kind}_".startswith(f"{begin}_")), "ec2")
        for kind in kinds - computed_by_terraform
    }


def test_every_variable_it_names_is_in_the_stack() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)\b", PAGE))
    assert len(named) > 20
    assert {name for name in named if not re.search(rf"\b{name}\b", STACK)} == set()


def letter(data: bytes) -> str:
    return json.dumps({"reason": "invalid_event", "data": b64encode(data).decode()})


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
def test_letters_that_cannot_be_put_back_do_not_keep_the_others_from_it(tmp_path: Path) -> None:
    known, visitor = b'{"user_id": "u-1", "n": 1}', b'{"user_id": null, "anonymous_id": "a-1"}'
    others = [b"{", b"\xff", b"[1]", b'"x"', b"null", b"{}", b'{"user_id": 7}']
    letters = [letter(data) for data in (*others, known, *others, visitor)]
    (tmp_path / "letters.ndjson").write_text("\n".join(letters))
    assert put_back(tmp_path, "letters.ndjson") == [
        [
            {"PartitionKey": key, "Data": b64encode(data).decode()}
            for key, data in (("u-1", known), ("a-1", visitor))
        ]
    ]


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
@pytest.mark.parametrize("name", ["letters.ndjson", "batch.json"])
def test_every_record_of_a_large_object_is_put_back(tmp_path: Path, name: str) -> None:
    """A batch has up to `batch_size` records, and PutRecords takes 500."""
    records = [(f"u-{n}", json.dumps({"user_id": f"u-{n}"}).encode()) for n in range(1_203)]
    batch = [{"kinesis": {"partitionKey": key, "data": b64encode(data).decode()}} for key, data in records]
    (tmp_path / "batch.json").write_text(json.dumps({"payload": json.dumps({"Records": batch})}))
    (tmp_path / "letters.ndjson").write_text("\n".join(letter(data) for _, data in records))
    calls = put_back(tmp_path, name)
    assert [len(call) for call in calls] == [500, 500, 203]
    assert [record for call in calls for record in call] == [
        {"PartitionKey": key, "Data": b64encode(data).decode()} for key, data in records
    ]


def put_back(folder: Path, name: str) -> list[list[dict[str, str]]]:
    """Run the page's command on an object; return the records of each call."""
    [command] = re.findall(rf"^jq .* {re.escape(name)} \| split -l 1 - records\.$", PAGE, re.MULTILINE)
    subprocess.run(["sh", "-c", command], cwd=folder, check=True)
    return [json.loads(path.read_text()) for path in sorted(folder.glob("records.*"))]


def test_the_first_event_is_json_in_json() -> None:
    [script] = re.findall(r"^cat > event\.json <<EOF\n.*?\nEOF$", PAGE, re.MULTILINE | re.DOTALL)
    made = subprocess.run(
        ["sh", "-c", script.replace("cat > event.json", "cat")], capture_output=True, text=True, check=True
    )
    event = json.loads(json.loads(made.stdout)["body"])
    assert event["event_type"] == "item_view"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["occurred_at"])
