"""The functions' zips: what each one imports and nothing else, the same bytes every time.

The bytes depend on the sources, on ``requirements.lock``, on the platform asked for and on the zlib that
compresses; never on the clock, the folder, the user or the order in which a disk lists files.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tapstack.core.attributes.definitions import NONE, encode_definitions
from tapstack.deploy.attributes import COMPILED, load_valid
from tapstack.deploy.imports import Needs, follow
from tapstack.errors import Unavailable, UsageError

FUNCTIONS = ("consumer", "projector", "collector", "drainer", "insights")
ATTRIBUTES = "attributes.toml"  # of a checkout
WITH_DEFINITIONS = ("consumer", "projector", "insights")  # functions that know what it declares
ZIP_BYTES_MAX = (
    2_000_000  # ours; Lambda takes 50 MB: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
)
INSTALL_TIMEOUT_S = 300
SCHEMAS = "schemas"  # their folder in the collector's zip, as TAPSTACK_SCHEMAS has it
CHECKER = "jsonschema-rs"  # 6 MB that only a collector with schemas needs

# The C library of manylinux2014 is older than that of every Lambda runtime from Python 3.11 on.
PLATFORMS = {"arm64": "aarch64-manylinux2014", "x86_64": "x86_64-manylinux2014"}
# jsonschema-rs has no older one (PyPI, 2026-11-30). Runtimes from Python 3.12 on are Amazon Linux 2023, with
# 2.34. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html (from knowledge, 2026-11-30)
ARM64_WITH_SCHEMAS = "aarch64-manylinux_2_28"
Architecture = Literal["arm64", "x86_64"]

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_MODE = 0o100644  # a file that everybody may read; Lambda runs as a user of its own
_LEVEL = 6  # 9 saves another 0.4 % for four times the time


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A zip.

    Attributes
    ----------
    function
        The function's name.
    path
        The zip.
    zip_bytes
        Its size.
    unzipped_bytes
        The size of its files, ``0..262144000`` in Lambda.
    file_count
        How many files it holds.
    sha256
        Hexadecimal digest of the zip.
    """

    function: str
    path: Path
    zip_bytes: int
    unzipped_bytes: int
    file_count: int
    sha256: str


def build(
    root: Path,
    output: Path,
    architecture: Architecture,
    python: str,
    *,
    schemas: Path | None = None,
    attributes: Path | None = None,
) -> list[Package]:
    """Build every function's zip.

    Parameters
    ----------
    root
        A checkout: ``src/tapstack``, ``pyproject.toml`` and ``requirements.lock``.
    output
        Folder for the zips; made if needed.
    architecture
        Processor of the functions.
    python
        Python of the functions, such as ``3.13``.
    schemas
        Folder of schemas for the collector's zip, all in order; None leaves out what checks them as well.
    attributes
        File that declares attributes; None for ``attributes.toml`` of the checkout, if it has one.

    Returns
    -------
    list[Package]
        One a function.

    Raises
    ------
    UsageError
        If `root` is no checkout, a function imports what it may not, or there are no wheels for the platform.
    Unavailable
        If the wheels cannot be fetched.
    """
    for name in ("src/tapstack", "pyproject.toml", "requirements.lock"):
        if not (root / name).exists():
            raise UsageError(f"{root} is no checkout of tapstack: {name} is missing")
    if not re.fullmatch(r"3\.1[1-9]", python):
        raise UsageError(f"expected a Python such as 3.13, from 3.11, got {python!r}")
    platform = PLATFORMS[architecture]
    if schemas is not None and architecture == "arm64":
        if python == "3.11":
            raise UsageError(f"schemas need Python 3.12 or later on arm64: {CHECKER} has no wheel for 3.11")
        platform = ARM64_WITH_SCHEMAS
    added = {name: {COMPILED: definitions(root, attributes)} for name in WITH_DEFINITIONS}
    sources = root / "src"
    schema_files = {} if schemas is None else _schema_files(schemas)
    names = distributions(root, sources)
    left_out = set() if schemas is not None else {CHECKER}
    requirements = locked_requirements(root, [name for name in names if name not in left_out])
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder, "wheels")
        install(requirements, wheels, platform, python)
        needs = {function: needs_of(function, [sources, wheels], left_out) for function in FUNCTIONS}
        collector = needs["collector"]
        needs["collector"] = replace(collector, files={**collector.files, **schema_files})
        output.mkdir(parents=True, exist_ok=True)
        return [write_package(each, needs[each], output, added.get(each, {})) for each in FUNCTIONS]


def definitions(root: Path, path: Path | None) -> bytes:
    """Return the declared attributes as functions read them.

    Parameters
    ----------
    root
        The checkout.
    path
        The file that declares them; None for that of the checkout, which may have none.

    Raises
    ------
    UsageError
        Naming the first thing that is wrong with the file.
    """
    path = root / ATTRIBUTES if path is None and (root / ATTRIBUTES).exists() else path
    return encode_definitions(NONE if path is None else load_valid(path))


def distributions(root: Path, sources: Path) -> list[str]:
    """Return what the functions import beside the standard library and their own modules.

    Parameters
    ----------
    root
        The checkout; its pyproject.toml says what may be imported.
    sources
        Folder of the package ``tapstack``.

    Returns
    -------
    list[str]
        Names of distributions, sorted.

    Raises
    ------
    UsageError
        If something else is imported, such as boto3.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project.get("optional-dependencies", {}).get("schemas", ())]
    names = [re.split(r"[^A-Za-z0-9_.-]", line)[0] for line in lines]
    allowed = {name.replace("-", "_"): name for name in names}
    needed = follow([f"tapstack.entrypoints.{function}" for function in FUNCTIONS], [sources]).missing
    for module, importer in needed.items():
        if module.partition(".")[0] not in allowed:
            raise UsageError(
                f"{importer} imports {module}: a function may import {', '.join(sorted(allowed))}"
            )
    return sorted({allowed[module.partition(".")[0]] for module in needed})


def locked_requirements(root: Path, names: Iterable[str]) -> str:
    """Take some distributions' lines, with their hashes, from requirements.lock.

    Parameters
    ----------
    root
        The checkout.
    names
        Distributions.

    Returns
    -------
    str
        A requirements file.

    Raises
    ------
    UsageError
        If one is not locked.
    """
    lock = (root / "requirements.lock").read_text()
    entries = {
        match[1]: match[0]
        for match in re.finditer(r"^([A-Za-z0-9._-]+)==.*\n(?:[ \t]+.*\n?)*", lock, re.MULTILINE)
    }
    missing = [name for name in names if name not in entries]
    if missing:
        raise UsageError(f"requirements.lock does not hold {', '.join(missing)}; run make lock")
    return "".join(entries[name] for name in names)


def install(requirements: str, folder: Path, platform: str, python: str) -> None:
    """Unpack wheels for a platform; nothing of them is run.

    Parameters
    ----------
    requirements
        A requirements file with hashes.
    folder
        Where to.
    platform
        uv's name of it.
    python
        Version of Python.

    Raises
    ------
    UsageError
        If there is no such wheel, its hash is another one, or uv is missing.
    Unavailable
        If the package index does not answer.
    """
    command = [
        *(_uv(), "pip", "install", "--quiet", "--target", str(folder), "--link-mode", "copy"),
        *("--python-platform", platform, "--python-version", python),
        *("--only-binary", ":all:", "--require-hashes", "--requirements", "-"),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command,
            input=requirements,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the wheels did not come within {INSTALL_TIMEOUT_S} s") from None
    if done.returncode:
        _refuse(done.stderr, f"Python {python} on {platform}")


def needs_of(function: str, folders: Sequence[Path], left_out: Collection[str] = ()) -> Needs:
    """Find the files of one function.

    Parameters
    ----------
    function
        Its name.
    folders
        Our sources and the unpacked wheels.
    left_out
        Distributions that it does without.

    Returns
    -------
    Needs
        The files; what is missing is optional to a library.

    Raises
    ------
    UsageError
        If a module of ours imports what is not there.
    """
    needs = follow([f"tapstack.entrypoints.{function}"], folders)
    for module, importer in needs.missing.items():
        if importer.partition(".")[0] in {"", "tapstack"} and module.replace("_", "-") not in left_out:
            raise UsageError(f"{importer or 'the package'} needs {module}, which is not there")
    return needs


def write_package(
    function: str, needs: Needs, output: Path, added: Mapping[str, bytes] | None = None
) -> Package:
    """Write one function's zip, whole or not at all.

    Parameters
    ----------
    function
        Its name.
    needs
        Its files.
    output
        Folder for the zip.
    added
        Further files by name, and what they hold.

    Returns
    -------
    Package
        What was written.
    """
    added = added or {}
    path = output / f"{function}.zip"
    unfinished = output / f".{function}.zip.{os.getpid()}"
    try:
        unzipped_bytes = _write_zip(unfinished, needs.files, added)
        data = unfinished.read_bytes()
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return Package(
        function=function,
        path=path,
        zip_bytes=len(data),
        unzipped_bytes=unzipped_bytes,
        file_count=len(needs.files) + len(added),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _schema_files(folder: Path) -> Mapping[str, Path]:
    """Return the schemas by their places in the zip."""
    paths = folder.glob("*/*.json")
    return {f"{SCHEMAS}/{path.relative_to(folder).as_posix()}": path for path in paths}


def _write_zip(path: Path, files: Mapping[str, Path], added: Mapping[str, bytes]) -> int:
    unzipped_bytes = 0
    with zipfile.ZipFile(path, "w") as package:
        for name in sorted([*files, *added]):
            data = added[name] if name in added else files[name].read_bytes()
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = 3  # Unix, on whatever system this runs
            entry.external_attr = _MODE << 16
            package.writestr(entry, data, zipfile.ZIP_DEFLATED, _LEVEL)
            unzipped_bytes += len(data)
    return unzipped_bytes


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise UsageError("uv is not installed; make setup installs it")
    return uv


def _refuse(output: str, wanted: str) -> None:
    """Turn uv's complaint into one line."""
    lines = [line.strip().removeprefix("error: ").removeprefix("cause: ") for line in output.splitlines()]
    text = ": ".join([line for line in lines if line][:2])
    if "Failed to fetch" in output or "network was disabled" in output:
        raise Unavailable(f"the package index does not answer: {text}")
    raise UsageError(f"no wheels for {wanted}: {text}")
