"""Deployment packages, unpacked as Lambda does, and the one thing that Lambda adds: its runtime client."""

from __future__ import annotations

import shutil
import zipfile
from importlib import metadata
from pathlib import Path

from tapstack.errors import UsageError

RUNTIME = ("awslambdaric", "simplejson", "snapshot-restore-py")
"""What the managed runtime brings and a worker needs; without its boto3, which no function imports."""


def unpack(package: Path, name: str, folder: Path) -> tuple[Path, Path]:
    """Unpack a function's zip, and the runtime once for all functions.

    Parameters
    ----------
    package
        The zip.
    name
        The function's name.
    folder
        Where to.

    Returns
    -------
    tuple[Path, Path]
        The package's folder and the runtime's.

    Raises
    ------
    UsageError
        If there is no such zip, or it is not a zip.
    """
    task_root, runtime_root = folder / "task" / name, folder / "runtime"
    try:
        with zipfile.ZipFile(package) as zipped:
            zipped.extractall(task_root)  # our own zips, built by `make package`
    except FileNotFoundError:
        raise UsageError(f"{package} is not there; build it with make package") from None
    except zipfile.BadZipFile:
        raise UsageError(f"{package} is not a zip; build it again with make package") from None
    if not runtime_root.exists():
        _copy_runtime(runtime_root)
    return task_root, runtime_root


def _copy_runtime(target: Path) -> None:
    for distribution in map(metadata.distribution, RUNTIME):
        for file in distribution.files or ():
            if ".." in file.parts or file.suffix == ".pyc":
                continue
            copy = target / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(distribution.locate_file(file)), copy)
