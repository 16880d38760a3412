"""The functions' zips."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tapstack.deploy import package
from tapstack.deploy.package import FUNCTIONS, ZIP_BYTES_MAX, Architecture, build
from tapstack.errors import Unavailable, UsageError

ROOT = Path(__file__).resolve().parents[2]
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
MACHINES: dict[str, Architecture] = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}

ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "TAPSTACK_TABLE": "behaviour",
    "TAPSTACK_QUARANTINE_BUCKET": "quarantine",
    "TAPSTACK_SPILL_BUCKET": "spill",
    "TAPSTACK_LATE_BUCKET": "late",
    "TAPSTACK_LANES": "4",
    "TAPSTACK_ROW_TTL_DAYS": "400",
    "TAPSTACK_HISTORY_INTERACTIONS": "500",
    "TAPSTACK_HISTORY_DAYS": "90",
    "TAPSTACK_EVENT_AGE_MAX_DAYS": "30",
    "TAPSTACK_SEARCH_USERS_MIN": "5",
    "TAPSTACK_STREAM": "clicks",
    "TAPSTACK_EVENT_BYTES_MAX": "32768",
    "TAPSTACK_REQUEST_BYTES_MAX": "1000000",
}

COLLECTOR_WITH_SCHEMAS_BYTES_MAX = 8_000_000


def built(root: Path, output: Path, architecture: Architecture, python: str) -> dict[str, Path]:
    try:
        return {one.function: one.path for one in build(root, output, architecture, python)}
    except Unavailable as error:
        pytest.skip(f"no wheels: {error}")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what is packaged: it stays as it is when somebody edits the tree during the tests."""
    return copied(ROOT, tmp_path_factory.mktemp("sources"))


def copied(root: Path, folder: Path) -> Path:
    shutil.copytree(root / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(root / name, folder)
    return folder


@pytest.fixture(scope="module")
def for_lambda(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the zips that the stack deploys."""
    return built(sources, tmp_path_factory.mktemp("lambda"), "arm64", "3.13")


@pytest.fixture(scope="module")
def for_here(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build zips that this machine can run, and unpack them."""
    if platform.system() != "Linux" or platform.machine() not in MACHINES:
        pytest.skip(f"zips hold Linux code; this is {platform.system()} on {platform.machine()}")
    folder = tmp_path_factory.mktemp("here")
    zips = built(sources, folder, MACHINES[platform.machine()], HERE)
    for function, path in zips.items():
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / function)
    return {function: folder / function for function in zips}


def entries(path: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as archive:
        return archive.infolist()


def test_the_same_sources_give_the_same_bytes_from_another_folder(
    for_lambda: dict[str, Path], sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copied(sources, tmp_path / "another/checkout")
    for source in copy.rglob("*.py"):
        source.chmod(0o600)
        os.utime(source, (0, 0))
    monkeypatch.chdir(copy)
    again = built(Path(), Path("dist"), "arm64", "3.13")
    for function, path in for_lambda.items():
        assert path.read_bytes() == again[function].read_bytes(), function
    assert sorted(path.name for path in Path("dist").iterdir()) == sorted(f"{name}.zip" for name in FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_zip_holds_its_own_stage_and_nothing_else_of_ours(
    function: str, for_lambda: dict[str, Path]
) -> None:
    names = [entry.filename for entry in entries(for_lambda[function])]
    ours = {"/".join(name.split("/")[:2]) for name in names if name.startswith("tapstack/")}
    top = {"__init__.py", "errors.py", "metrics.py", "ports.py", "aws", "core", "entrypoints", function}
    more = {
        "consumer": {"dead_letters.py", "retry_budget.py"},
        "projector": {"projections", "retry_budget.py"},
        "collector": {"http.py", "dead_letters.py", "spill.py", "openapi.py", "docs_page.py"},
        "insights": {"http.py", "openapi.py", "docs_page.py"},
        "drainer": {"collector", "spill.py", "retry_budget.py"},
    }
    top = (top | more.get(function, {"http.py"})) - (
        {function} if function in {"projector", "drainer"} else set()
    )
    assert ours == {f"tapstack/{name}" for name in top}
    roots = {name.split("/")[0] for name in names}
    lazily = {"httpagentparser"} if function == "collector" else set()
    declared = {"attributes.json"} if function in {"consumer", "projector", "insights"} else set()
    assert roots == {"tapstack", "msgspec", "httptools"} | lazily | declared
    others = {f"tapstack/entrypoints/{other}.py" for other in FUNCTIONS if other != function}
    assert not others & set(names)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_zip_is_small_sorted_and_says_nothing_of_where_it_was_made(
    function: str, for_lambda: dict[str, Path]
) -> None:
    path = for_lambda[function]
    assert path.stat().st_size < ZIP_BYTES_MAX
    found = entries(path)
    names = [entry.filename for entry in found]
    assert names == sorted(names)
    assert {entry.date_time for entry in found} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in found} == {0o100644}
    assert not [name for name in names if name.endswith((".pyc", ".pyi", ".lock")) or "dist-info" in name]


def test_a_collector_with_schemas_has_them_and_what_checks_them(sources: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schemas/own/1.json"
    schema.parent.mkdir(parents=True)
    schema.write_text('{"x-tapstack": {"strictness": "warn"}}')
    packages = build(sources, tmp_path / "dist", "arm64", "3.13", schemas=tmp_path / "schemas")
    for package_ in packages:
        names = {entry.filename for entry in entries(package_.path)}
        is_collector = package_.function == "collector"
        assert package_.zip_bytes < (COLLECTOR_WITH_SCHEMAS_BYTES_MAX if is_collector else ZIP_BYTES_MAX)
        assert ("schemas/own/1.json" in names) is is_collector
        assert ("jsonschema_rs/jsonschema_rs.abi3.so" in names) is is_collector


def test_schemas_need_a_runtime_for_which_there_is_a_wheel(sources: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"schemas need Python 3\.12 or later on arm64"):
        build(sources, tmp_path / "dist", "arm64", "3.11", schemas=tmp_path)


def test_extensions_are_for_the_platform_asked_for(for_lambda: dict[str, Path]) -> None:
    with zipfile.ZipFile(for_lambda["consumer"]) as archive:
        extensions = {name: archive.read(name) for name in archive.namelist() if name.endswith(".so")}
    suffix = "cpython-313-aarch64-linux-gnu.so"
    ours = {
        f"msgspec/_core.{suffix}",
        f"httptools/parser/parser.{suffix}",
        f"httptools/parser/url_parser.{suffix}",
    }
    assert ours == set(extensions)
    aarch64 = (183).to_bytes(2, "little")  # e_machine of ELF: EM_AARCH64
    assert {code[18:20] for code in extensions.values()} == {aarch64}


def run(folder: Path, function: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Import the handler where nothing but the standard library and the zip can be imported."""
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); "
        f"from tapstack.entrypoints.{function} import handler; "
        "roots = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(roots & {'boto3', 'botocore', 'httptools', 'msgspec'}))"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", code]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_imports_from_its_zip_alone(function: str, for_here: dict[str, Path]) -> None:
    done = run(for_here[function], function, ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['httptools', 'msgspec']\n"


@pytest.mark.parametrize(
    ("function", "variable"),
    [("consumer", "TAPSTACK_ROW_TTL_DAYS"), ("collector", "TAPSTACK_STREAM"), ("insights", "TAPSTACK_TABLE")],
)
def test_without_settings_a_handler_names_the_variable(
    function: str, variable: str, for_here: dict[str, Path]
) -> None:
    done = run(for_here[function], function, {})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"tapstack.errors.Misconfigured: {variable}: is required"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout of a few lines."""
    entrypoints = tmp_path / "src/tapstack/entrypoints"
    entrypoints.mkdir(parents=True)
    for path in (entrypoints.parent / "__init__.py", entrypoints / "__init__.py"):
        path.touch()
    for function in FUNCTIONS:
        (entrypoints / f"{function}.py").write_text("import msgspec\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "t"\ndependencies = ["msgspec>=0.21"]\n')
    (tmp_path / "requirements.lock").write_text(
        "aaa==1 \\\n    --hash=sha256:aa\nmsgspec==0.22.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n"
        "    # via tapstack\nzzz==2 \\\n    --hash=sha256:ff\n"
    )
    return tmp_path


def test_only_what_is_imported_is_taken_from_the_lock(checkout: Path) -> None:
    assert package.distributions(checkout, checkout / "src") == ["msgspec"]
    assert package.locked_requirements(checkout, ["msgspec"]) == (
        "msgspec==0.22.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n    # via tapstack\n"
    )


def test_a_function_that_imports_boto3_is_not_packaged(checkout: Path) -> None:
    (checkout / "src/tapstack/entrypoints/insights.py").write_text("def f():\n    import boto3\n")
    with pytest.raises(UsageError, match=r"tapstack\.entrypoints\.insights imports boto3"):
        build(checkout, checkout / "dist", "arm64", "3.13")


def test_an_import_that_is_nowhere_is_not_packaged(checkout: Path) -> None:
    (checkout / "src/tapstack/entrypoints/insights.py").write_text("import tapstack.absent\n")
    with pytest.raises(UsageError, match=r"tapstack\.entrypoints\.insights imports tapstack\.absent"):
        build(checkout, checkout / "dist", "arm64", "3.13")


def test_a_distribution_that_is_not_locked_is_not_packaged(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("")
    with pytest.raises(UsageError, match=r"requirements\.lock does not hold msgspec"):
        build(checkout, checkout / "dist", "arm64", "3.13")


def test_a_wrong_hash_leaves_no_zip(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text(f"msgspec==0.22.0 \\\n    --hash=sha256:{'0' * 64}\n")
    with pytest.raises((UsageError, Unavailable), match=r"Hash mismatch|does not answer"):
        build(checkout, checkout / "dist", "arm64", "3.13")
    assert not (checkout / "dist").exists()


@pytest.mark.parametrize("python", ["3.10", "3", "4.0", "python3.13", "3.13; true"])
def test_an_odd_python_is_refused(python: str, checkout: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a Python such as 3\.13"):
        build(checkout, checkout / "dist", "arm64", python)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no checkout of tapstack: src/tapstack is missing"):
        build(tmp_path, tmp_path / "dist", "arm64", "3.13")
