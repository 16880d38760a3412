"""Endpoints and their peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from peer import Line, Peer, Script


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
def line(credentials: None) -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def make(*scripts: Script) -> Line:
        lines.append(Line(Peer(*scripts)))
        return lines[-1]

    yield make
    for each in lines:
        each.endpoint._connection.close()
        each.peer.close()
