"""The definitions beside a function's code: read at the cold start, and never missed in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapstack.core.attributes.definitions import encode_definitions
from tapstack.core.attributes.reading import read_definitions
from tapstack.entrypoints.declared import read_declared
from tapstack.errors import Misconfigured

TEXT = """\
version = 1
[[feature_view]]
name = "stats"
entity = "user"
[[feature_view.attribute]]
name = "views"
aggregation = "counter"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "attributes.json"
    path.write_bytes(encode_definitions(read_definitions(TEXT)))
    return path


def test_what_was_packaged_is_declared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(read_declared(str(path)).definitions.features) == [
        "stats:views_lifetime",
        "stats@1:views_lifetime",
    ]
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(path.parent))
    assert not read_declared(path.name).is_empty


def test_no_file_is_named_where_nothing_is_declared() -> None:
    assert read_declared("").is_empty


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "expected a file, got .*: No such file"),
        (b"{}x", "tapstack package wrote"),
        (TEXT.encode(), "wrote"),
    ],
)
def test_a_file_that_is_none_stops_the_function(path: Path, data: bytes | None, message: str) -> None:
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(Misconfigured, match=rf"^TAPSTACK_ATTRIBUTES: .*{message}"):
        read_declared(str(path))
