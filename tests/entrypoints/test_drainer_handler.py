"""The drainer as the schedule calls it: what it logs, and that settings are named."""

from __future__ import annotations

import pytest
from functions_world import Cloud, Context, line


def test_a_bucket_that_does_not_answer_is_a_warning_and_the_next_run_s_work(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drainer = cloud.function("drainer")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "tapstack-dev-drainer")
    answer = drainer.handler({}, Context())
    said = line(capsys)
    assert (said["level"], said["spill_objects"], said["spill_oldest_age_s"]) == ("WARNING", 0, 0)
    assert answer["reason"] is not None
    metrics = said["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    assert {"Name": "spill_oldest_age_s", "Unit": "Seconds"} in metrics
