"""The python blocks of docs/emulator.md are tests; they run here as a reader would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tapstack_emulator import MemoryDynamoDB, MemoryKinesis

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")


def test_the_examples_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for index, block in enumerate(blocks):
        (tmp_path / f"test_example_{index}.py").write_text(block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    ended = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{PAGE.count('def test_')} passed" in ended.stdout


def test_the_page_lists_the_operations_that_there_are() -> None:
    text = re.sub(r"\s+", " ", PAGE)
    for name, api in (("Kinesis", MemoryKinesis()), ("DynamoDB", MemoryDynamoDB())):
        found = re.search(rf"\*\*{name}\*\*: (.*?)\. Not:", text)
        assert found is not None
        assert set(found[1].split(", ")) == set(api._operations)
