"""What the README shows of a run is what a run prints."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.run_progress import figures
from tapstack_local.verdict import Summary

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_table_in_the_readme_has_the_labels_of_a_run():
    summary = Summary(visible_ms={"p50": 1.0, "p99": 1.0, "max": 1.0})
    console = Console(width=80)
    with console.capture() as captured:
        console.print(figures(summary))
    printed = [line.split("│") for line in captured.get().splitlines() if line.startswith("│")]
    labels = [(cells[1].strip(), cells[-2].strip()) for cells in printed]
    shown = [line.split("│") for line in README.splitlines() if line.count("│") == 4]
    assert labels
    assert [(cells[1].strip(), cells[-2].strip()) for cells in shown] == labels


@pytest.mark.emulator
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_requests_in_the_readme_run_as_they_stand_and_give_the_answer_shown():
    blocks = README.split("```")
    script = next(block for block in blocks if block.startswith("\ncurl "))
    shown = json.loads(next(block for block in blocks if block.startswith("json\n"))[4:])

    async def main():
        async with EmbeddedCloud(CloudConfig(shards=1)) as cloud:
            here = f"localhost:{cloud.base_url.rpartition(':')[2]}"
            script_here = script.replace("localhost:8080", here).replace("curl -s", "curl -4 -fsS -w '\\n'")
            shell = await asyncio.create_subprocess_exec(
                "sh", "-e", "-c", script_here + script_here,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, err = await shell.communicate()
            return shell.returncode, out.decode(), err.decode()

    code, out, err = asyncio.run(asyncio.wait_for(main(), 60))
    assert (code, err) == (0, "")
    first_post, first_user, second_post, second_user = map(json.loads, out.splitlines())
    assert first_post == second_post == {"results": [{"status": "ok"}]}
    for name in ("user_id", "events", "counts", "value"):
        assert first_user[name] == second_user[name] == shown[name]
    for name in ("item_id", "event_type"):
        assert first_user["recent_items"][0][name] == shown["recent_items"][0][name]
    assert shown.keys() < first_user.keys()
