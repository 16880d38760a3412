"""What the package offers, and what it costs whoever does not use it."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tapstack
from tapstack import producer
from tapstack.deploy.imports import follow
from tapstack.deploy.package import FUNCTIONS

ROOT = Path(__file__).parents[2]


def test_the_package_offers_producers_and_clients() -> None:
    assert tapstack.__all__ == ["AsyncInsights", "AsyncProducer", "Insights", "Producer"]
    assert tapstack.Producer is producer.Producer
    assert tapstack.AsyncProducer is producer.AsyncProducer
    with pytest.raises(AttributeError, match=r"^module 'tapstack' has no attribute 'Consumer'$"):
        tapstack.Consumer  # type: ignore[attr-defined] # noqa: B018


def test_the_stub_says_the_same() -> None:
    stub = (ROOT / "src/tapstack/__init__.pyi").read_text()
    assert f"__all__ = {tapstack.__all__}".replace("'", '"') in stub


def test_what_the_producer_offers_is_all_there_and_documented() -> None:
    assert sorted(producer.__all__) == producer.__all__
    for name in producer.__all__:
        assert inspect.getdoc(getattr(producer, name)), name


def loaded_by(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


def test_importing_tapstack_imports_nothing() -> None:
    loaded = loaded_by(
        "before = set(sys.modules); import tapstack; assert set(sys.modules) - before == {'tapstack'}"
    )
    assert "msgspec" not in loaded


def test_the_producer_imports_no_http_client_event_loop_or_sdk_before_it_is_used() -> None:
    loaded = loaded_by("import tapstack.producer")
    assert {"urllib3", "boto3", "botocore", "aiohttp", "asyncio"} & loaded == set()


def test_no_function_of_lambda_carries_the_producer() -> None:
    needs = follow([f"tapstack.entrypoints.{function}" for function in FUNCTIONS], [ROOT / "src"])
    assert "tapstack/__init__.py" in needs.files
    assert [name for name in needs.files if "producer" in name] == []


def test_the_extra_is_one_package() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [line.partition(">")[0] for line in extras["producer"]] == ["urllib3"]


def test_without_the_extra_the_message_says_what_to_install() -> None:
    program = """
sys.modules["urllib3"] = None
from tapstack import Producer
try:
    Producer("http://localhost")
except ModuleNotFoundError as error:
    assert str(error) == "urllib3 is not installed: pip install 'tapstack[producer]'", error
else:
    raise AssertionError
"""
    loaded_by(program)
