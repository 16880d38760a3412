"""Where the provider is looked for."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from . import toolbox

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _mirror(folder: Path, package: str) -> Path:
    (folder / toolbox.PROVIDER / package).mkdir(parents=True)
    return folder


def test_a_named_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = _mirror(tmp_path / "named", f"5.100.0/{platform.system().lower()}_{MACHINE}")
    monkeypatch.setenv("TAPSTACK_TF_PLUGIN_DIR", str(named))
    assert toolbox.mirror_with_provider() == named


def test_terraforms_own_implied_folders_are_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAPSTACK_TF_PLUGIN_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_DATA_DIRS", "/nowhere")
    assert [str(path) for path in toolbox.mirrors()][:4] == [
        str(toolbox.LIB / "terraform.d/plugins"),
        str(tmp_path / ".terraform.d/plugins"),
        str(tmp_path / "data/terraform/plugins"),
        "/nowhere/terraform/plugins",
    ]


def test_a_provider_for_another_machine_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolbox, "mirrors", lambda: iter([_mirror(tmp_path, "5.100.0/plan9_mips")]))
    assert toolbox.mirror_with_provider() is None


def test_a_packed_provider_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = f"terraform-provider-aws_5.100.0_{platform.system().lower()}_{MACHINE}.zip"
    monkeypatch.setattr(toolbox, "mirrors", lambda: iter([_mirror(tmp_path, packed)]))
    assert toolbox.mirror_with_provider() == tmp_path


def test_a_missing_program_is_a_reason() -> None:
    with pytest.raises(toolbox.Missing, match="no-such-program is not installed"):
        toolbox.program("no-such-program")
