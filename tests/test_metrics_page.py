"""docs/reference/metrics.md and the alarms of lib/tap_stack.tf say what the catalogue of metrics says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from tapstack.collector.intake import Status
from tapstack.entrypoints.request_log import WARNINGS_MAX
from tapstack.entrypoints.settings import VARIABLES
from tapstack.metrics import METRICS, NAMESPACE

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/reference/metrics.md").read_text()
STACK = (ROOT / "lib/tap_stack.tf").read_text()
# An alarm of section 11, what an alarm compares with, and a graph of the dashboard.
ALARM = re.compile(rf'([a-z-]+) = {{\s*metric\s*= "{NAMESPACE} (\w+)"\s*of\s*= "(\w+)"')
COMPARED = re.compile(rf'incoming\s*= {{ metric = "{NAMESPACE} (\w+)", of = "(\w+)" }}')
GRAPH = re.compile(rf'\["{NAMESPACE} (\w+)", "(\w+)"\]')


def test_the_page_lists_every_metric_as_the_catalogue_does() -> None:
    expected = [
        f"| {function} | `{metric.name}` | {metric.unit} | {metric.meaning} | "
        + (f"`{metric.alarm}` |" if metric.alarm else "|")
        for function, metrics in METRICS.items()
        for metric in metrics
    ]
    table = PAGE.split("|---|---|---|---|---|\n")[1].split("\n\n")[0]
    assert table.splitlines() == expected


def test_each_alarm_on_our_metrics_is_in_the_catalogue_and_the_other_way_round() -> None:
    assert {(of, metric, alarm) for alarm, metric, of in ALARM.findall(STACK)} == {
        (function, metric.name, metric.alarm)
        for function, metrics in METRICS.items()
        for metric in metrics
        if metric.alarm
    }


def test_the_stack_uses_no_metric_of_ours_that_is_not_in_the_catalogue() -> None:
    others = COMPARED.findall(STACK) + GRAPH.findall(STACK)
    ours = {(metric.name, function) for function, metrics in METRICS.items() for metric in metrics}
    assert set(others) <= ours
    uses = len(ALARM.findall(STACK)) + len(others)
    assert STACK.count(f'"{NAMESPACE} ') == uses  # none escapes the patterns


def test_no_alarm_needs_a_count_that_may_end_with_its_environment() -> None:
    summed = {function for function, variables in VARIABLES.items() if "TAPSTACK_LOG_INTERVAL_S" in variables}
    assert summed == {"collector", "insights"}
    alarms = {metric.alarm for function in summed for metric in METRICS.get(function, ()) if metric.alarm}
    single, compared = STACK.split("\n  ratio_alarms = merge(")
    assert not [name for name in alarms if f" {name} = {{" in single]
    for name in alarms:  # a share of counts that are lost together
        block = compared.split(f" {name} = {{")[1].split("}\n      ")[0]
        of, beside = re.findall(rf'"{NAMESPACE} \w+"\s*(?:of\s*=|, of =) "(\w+)"', block)
        assert of == beside


def test_every_fate_of_an_event_is_a_metric_of_the_collector() -> None:
    names = [metric.name for metric in METRICS["collector"] if metric.name.startswith("events_")]
    fates = [name for name in names if not name.startswith("events_schema_")]
    assert fates == [f"events_{fate}" for fate in get_args(Status)]


def test_a_name_is_counted_once_by_each_function() -> None:
    for metrics in METRICS.values():
        assert len({metric.name for metric in metrics}) == len(metrics)


def test_the_page_tells_the_bound_of_the_warnings() -> None:
    assert f"first {WARNINGS_MAX} " in PAGE
