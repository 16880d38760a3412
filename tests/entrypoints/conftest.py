"""The cloud of a test: the functions, each imported anew, and the services behind them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from functions_world import ENVIRONMENT, Cloud

from local_aws import LocalAws, serving


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    threshold = gc.get_threshold()
    with serving(LocalAws({})) as aws:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": aws.url}.items():
            monkeypatch.setenv(name, value)
        yield Cloud(aws)
    # What the consumer's import set, for as long as a process lasts in Lambda.
    gc.set_threshold(*threshold)
    gc.unfreeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Freeze again, after the last of these tests, what was frozen before them (tests/conftest.py)."""
    if nextitem is not None and nextitem.path.parent != item.path.parent:
        gc.collect()
        gc.freeze()
