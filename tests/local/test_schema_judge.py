"""Which events a schema refuses: the collector, and the judge of a run that does without its code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import client_event, client_event_dicts
from tapstack.collector.schema_folder import load_folder
from tapstack.collector.schemas import Schemas
from tapstack.core.client_events import decode_client_event
from tapstack.errors import InvalidEvent
from tapstack_local.schemas import Judge


def document(strictness: str, use: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return {"x-tapstack": {"strictness": strictness, **use}, **keywords}


PRICED = {"items": {"items": {"required": ["price"]}}}
DOCUMENTS = {
    "session/1": document("quarantine", {"event_types": ["purchase", "share"]}, required=["session_id"]),
    "price/1": document("quarantine", {"sources": ["web"]}, properties=PRICED),
    "value/1": document("quarantine", {}, properties={"value": {"maximum": 900}}),
    "query/1": document("warn", {}, required=["query"]),
    "query/2": document("off", {}, required=["no such field"]),
    "name/1": document("quarantine", {"event_names": ["A"]}, **{"not": {}}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    for name, content in DOCUMENTS.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


SENDERS = st.sampled_from([None, "web", "app"])


@given(fields=client_event_dicts(), source=SENDERS, name=st.sampled_from(["A", "B", None]))
def test_the_judge_refuses_what_the_collector_does(
    folder: Path, fields: dict[str, Any], source: str | None, name: str | None
) -> None:
    event = {**fields, **({} if name is None else {"event_name": name})}
    refused = False
    try:
        Schemas(load_folder(folder)).check(decode_client_event(json.dumps(event).encode()), source)
    except InvalidEvent:
        refused = True
    assert (Judge(folder, source).broken(event) is not None) is refused


def test_the_schema_is_named(folder: Path) -> None:
    assert Judge(folder).broken(client_event(value=901)) == "value/1"
    assert Judge(folder).broken(client_event()) is None
