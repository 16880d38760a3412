"""The cloud of a test: the functions, each imported anew, and the services behind them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from http.client import HTTPConnection

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
    # In Lambda these last as long as the process: what the consumer's import set, and connections.
    gc.set_threshold(*threshold)
    gc.unfreeze()
    for connection in [found for found in gc.get_objects() if isinstance(found, HTTPConnection)]:
        connection.close()
