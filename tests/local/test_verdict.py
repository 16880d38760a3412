"""What is said of a run, and its exit code: nothing is green that was not looked at and found right."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack_local.refusals import EXAMPLES_MAX, REASONS_MAX, Refusal, Refusals, read_results
from tapstack_local.verdict import Summary, as_json, exit_code_of, verdict_of

CLEAN: dict[str, Any] = {
    "planned": 6, "sent": 6, "accepted": 6, "reconciled": True, "applied": 5, "duplicates": 1, "late": 0,
    "quarantined": 0, "gaps": 0, "lost": 0, "overcounted": 0, "seed": 7,
}  # fmt: skip
REFUSED = [
    Refusal(kind="refused", reason="query: expected text", count=1, examples=["line 9"]),
    Refusal(kind="refused", reason="items: expected an array", count=3, examples=["line 2", "line 4"]),
]


def summary(**changes: Any) -> Summary:
    return Summary(**CLEAN | changes)


COUNTED = "was counted exactly once: 5 applied, 1 duplicates recognised"
LATE = "Every event was counted exactly once or stored as late: 5 applied, 1 duplicates recognised"
NOTHING = "6 of 6 events sent, 0 not sent; nothing was compared"
PART = "4 of 6 events sent, 2 not sent; "
BLIND = {"reconciled": False}

CASES: dict[str, tuple[dict[str, Any], int, str]] = {
    "whole": ({}, 0, f"Every event {COUNTED}, 0 lost, 0 overcounted."),
    "late": ({"late": 2}, 0, f"{LATE}, 2 stored as late, 0 lost"),
    "quarantined": ({"quarantined": 2}, 0, f"Every event {COUNTED}, 2 in quarantine, 0 lost"),
    "skipped": ({"skipped_rows": 3}, 0, f"Every event {COUNTED}, 3 rows skipped, 0 lost"),
    "lost": ({"lost": 1, "quarantined": 1}, 1, "NOT exact: 1 lost, 0 overcounted (seed 7)"),
    "overcounted": ({"overcounted": 2}, 1, "NOT exact: 0 lost, 2 overcounted (seed 7)"),
    "not projected": (
        {"unfolded": "the projector left 3 entries"},
        1,
        "NOT exact: the projector left 3 entries (seed 7)",
    ),
    "projected at last": ({"failed_folds": 9}, 0, f"Every event {COUNTED}, 0 lost"),
    "refused": (
        {"refused": 4, "failures": REFUSED},
        1,
        "NOT exact: 4 valid events refused (items: expected an array; first line 2) (seed 7)",
    ),
    "refused for a schema": (
        {"schema_refused": 3},
        0,
        (
            "Every event was counted exactly once or refused for a schema and kept: 5 applied, "
            "1 duplicates recognised, 3 refused for a schema, 0 lost"
        ),
    ),
    "refused for a schema, and others for nothing": (
        {"schema_refused": 3, "refused": 1},
        1,
        "NOT exact: 1 valid events refused (seed 7)",
    ),
    "invalid accepted": ({"invalid_accepted": 1}, 1, "NOT exact: 1 invalid events accepted (seed 7)"),
    "unanswered": ({"unanswered": 4}, 1, "NOT exact: 4 events never answered for (seed 7)"),
    "never shown": ({"never_visible": 1}, 1, "NOT exact: 1 users never shown by the API (seed 7)"),
    "late, so not shown": ({"never_visible": 1, "late": 1}, 0, f"{LATE}, 1 stored as late"),
    "not all sent": ({"sent": 4, "unsent": 2}, 1, f"{PART}every event that was sent {COUNTED}"),
    "interrupted": (
        {"sent": 4, "unsent": 2, "ending": "interrupted"},
        130,
        f"Interrupted; {PART}every event that was sent {COUNTED}",
    ),
    "interrupted at once": (
        {"unsent": 6, "sent": 0, "ending": "interrupted", **BLIND},
        130,
        "Interrupted; 0 of 6 events sent, 6 not sent; nothing was compared",
    ),
    "given up": (
        {"ending": "interrupted", "error": "too slow", **BLIND},
        130,
        f"Interrupted (too slow); {NOTHING}",
    ),
    "interrupted and lost": (
        {"ending": "interrupted", "lost": 1},
        1,
        "Interrupted; 6 of 6 events sent, 0 not sent; NOT exact: 1 lost",
    ),
    "terminated": ({"ending": "terminated", **BLIND}, 143, f"Terminated; {NOTHING}"),
    "failed": ({"ending": "failed", "error": "it died", **BLIND}, 1, f"Not finished: it died; {NOTHING}"),
    "not compared": (BLIND, 1, "Nothing was compared"),
}


@pytest.mark.parametrize(("changes", "code", "said"), CASES.values(), ids=CASES)
def test_the_verdict_claims_no_more_than_was_found(changes: dict[str, Any], code: int, said: str) -> None:
    found = summary(**changes)
    assert verdict_of(found).startswith(said)
    assert exit_code_of(found) == code
    assert "\n" not in verdict_of(found)
    assert msgspec.json.decode(as_json(found)) | {"verdict": verdict_of(found), "exit_code": code} == (
        msgspec.json.decode(as_json(found))
    )


BAD = ("lost", "overcounted", "refused", "invalid_accepted", "unanswered", "unsent")


@given(
    st.fixed_dictionaries({name: st.integers(0, 2) for name in (*BAD, "never_visible", "late")}),
    st.sampled_from(["whole", "interrupted", "terminated", "failed"]),
    st.booleans(),
)
def test_only_a_whole_run_without_any_fault_is_green(
    figures: dict[str, int], ending: Any, reconciled: bool
) -> None:
    found = summary(**figures, ending=ending, reconciled=reconciled)
    faultless = not any(figures[name] for name in BAD) and figures["never_visible"] <= figures["late"]
    assert (exit_code_of(found) == 0) == (ending == "whole" and reconciled and faultless)
    said = verdict_of(found).lower()
    if exit_code_of(found) == 0:
        assert said.startswith("every event was counted exactly once")
    else:
        assert re.match(r"not exact|not finished|interrupted|terminated|nothing was|\d+ of", said)
    if "exact: " in said or not reconciled:
        assert "counted exactly once" not in said


@given(st.lists(st.tuples(st.sampled_from(["refused", "unanswered"]), st.integers(0, 99))))
def test_failures_are_counted_whole_and_kept_in_bounds(added: list[tuple[Any, int]]) -> None:
    failures = Refusals()
    for number, (kind, reason) in enumerate(added):
        failures.add(kind, f"reason {reason}", f"event {number}")
    assert sum(each.count for each in failures) == len(added)
    assert len(list(failures)) <= REASONS_MAX + 2
    assert all(1 <= len(each.examples) <= EXAMPLES_MAX for each in failures)


def test_reasons_that_differ_by_the_place_in_a_list_are_one() -> None:
    failures = Refusals()
    for place in range(3):
        failures.add("refused", f"items[{place}].price: expected a number", "line 1")
    assert [(each.reason, each.count) for each in failures] == [("items[].price: expected a number", 3)]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(200, b"", ("retry", ""), id="empty"),
        pytest.param(200, b'{"results": []}', ("retry", ""), id="no result"),
        pytest.param(200, b'{"results": [1]}', ("retry", ""), id="no object"),
        pytest.param(500, b"<html>", ("retry", ""), id="html"),
        pytest.param(302, b"{}", ("retry", ""), id="redirect"),
        pytest.param(429, b"{}", ("retry", ""), id="too many"),
        pytest.param(408, b"{}", ("retry", ""), id="timeout"),
        pytest.param(400, b"\xff", ("invalid", "the whole request, with 400"), id="no text"),
        pytest.param(413, b'{"message": 1}', ("invalid", "the whole request, with 413"), id="odd message"),
    ],
)
def test_whatever_is_answered_is_read(status: int, body: bytes, expected: tuple[str, str]) -> None:
    [result] = read_results(status, body, 1)
    assert result.status.replace("None", "retry") == expected[0]
    assert result.status in {"retry", "invalid"}
    if expected[0] == "invalid":
        assert result.reason == expected[1]
