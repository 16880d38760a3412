"""The zips of consumer and insights hold what is declared, those of no other function."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tapstack.core.attributes.definitions import NONE, decode_definitions
from tapstack.deploy.attributes import compiled, load_valid
from tapstack.deploy.imports import Needs
from tapstack.deploy.package import definitions, write_package
from tapstack.errors import UsageError

TEXT = """\
version = 1
[[feature_view]]
name = "stats"
entity = "user"
[[feature_view.attribute]]
name = "views"
aggregation = "counter"
"""


def test_the_file_of_the_checkout_is_taken_unless_another_is_named(tmp_path: Path) -> None:
    assert decode_definitions(definitions(tmp_path, None)) == NONE
    (tmp_path / "attributes.toml").write_text(TEXT)
    assert decode_definitions(definitions(tmp_path, None)).feature_view[0].name == "stats"
    other = tmp_path / "other.toml"
    other.write_text(TEXT.replace("stats", "others"))
    assert decode_definitions(definitions(tmp_path, other)).feature_view[0].name == "others"


def test_a_zip_holds_them_the_same_bytes_every_time(tmp_path: Path) -> None:
    (tmp_path / "attributes.toml").write_text(TEXT)
    added = {"attributes.json": definitions(tmp_path, None)}
    packages = [write_package("consumer", Needs(files={}, missing={}), tmp_path, added) for _ in range(2)]
    assert packages[0] == packages[1]
    assert packages[0].file_count == 1
    with zipfile.ZipFile(packages[0].path) as archive:
        assert archive.read("attributes.json") == added["attributes.json"]


def test_a_file_that_is_wrong_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "attributes.toml"
    path.write_text(TEXT.replace("counter", "count").replace('"user"', '"page"'))
    with pytest.raises(UsageError) as caught:
        definitions(tmp_path, None)
    said = str(caught.value)
    assert said.startswith(f"{path}: line 4: feature_view[0].entity: expected one of user, session")
    assert said.endswith(f"'tapstack attributes check {path}' says 1 more")
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="expected UTF-8, byte 0 is none"):
        load_valid(path)


def test_definitions_are_written_while_they_are_needed(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TEXT)
    with compiled(load_valid(tmp_path / "a.toml")) as path:
        assert decode_definitions(Path(path).read_bytes()).feature_view[0].name == "stats"
    assert not Path(path).exists()
    with compiled(None) as path:
        assert path == ""
