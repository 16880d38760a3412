"""Folders for temporary files: what a killed process leaves is removed, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tapstack_emulator.processes.scratch import LOCK, PREFIX, scratch_folder

OWNER = """
import sys
from pathlib import Path
from tapstack_emulator.processes.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "content").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""


def owner(parent: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_it_is_there_while_it_is_used_and_then_gone(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_is_not(tmp_path: Path) -> None:
    with owner(tmp_path) as dead, owner(tmp_path) as living:
        left, used = folder_of(dead), folder_of(living)
        dead.kill()
        dead.wait()
        assert left.exists()
        with scratch_folder(tmp_path) as own:
            assert sorted(tmp_path.iterdir()) == sorted([used, own])
        living.communicate("")
        assert living.returncode == 0
    assert list(tmp_path.iterdir()) == []


def _without_a_lock(folder: Path) -> None:
    folder.mkdir()


def _a_link(folder: Path) -> None:
    target = folder.parent / "somebody-elses"
    target.mkdir()
    (target / LOCK).touch()
    folder.symlink_to(target)


def _a_link_for_a_lock(folder: Path) -> None:
    folder.mkdir()
    (folder.parent / "precious").touch()
    (folder / LOCK).symlink_to(folder.parent / "precious")


def _a_file(folder: Path) -> None:
    folder.touch()


@pytest.mark.parametrize("make", [_without_a_lock, _a_link, _a_link_for_a_lock, _a_file])
def test_what_only_looks_like_one_is_left_alone(make: Callable[[Path], None], tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}like"
    make(folder)
    before = sorted(tmp_path.rglob("*"))
    with scratch_folder(tmp_path):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_another_users_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / f"{PREFIX}other"
    folder.mkdir()
    (folder / LOCK).touch()
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with scratch_folder(tmp_path):
        pass
    assert folder.exists()
