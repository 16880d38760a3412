"""``tapstack local --enrichment``: the file, and the embedded cloud with what it says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from event_strategies import client_event
from tapstack.errors import UsageError
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.enrichment_file import changed_by, keeps_refused_as_sent, read_enrichment


def written(folder: Path, **said: Any) -> Path:
    path = folder / "enrichment.json"
    path.write_text(json.dumps(said))
    return path


def test_a_file_becomes_the_collectors_variables(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 32)
    path = written(
        tmp_path,
        steps=["ua", "ip"],
        consent="anonymous",
        consent_categories=["Statistik"],
        pseudonymised_fields=["traits.email"],
        pseudonym_key_file="key",
    )
    assert read_enrichment(path) == {
        "TAPSTACK_ENRICHMENT": "ua,ip",
        "TAPSTACK_CONSENT": "anonymous",
        "TAPSTACK_CONSENT_CATEGORIES": "Statistik",
        "TAPSTACK_PSEUDONYMISED_FIELDS": "traits.email",
        "TAPSTACK_PSEUDONYM_KEY": f"file:{tmp_path / 'key'}",
    }


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"steps": ["geo"]}, "steps: expected some of ua, .*, got 'geo'"),
        ({"consent": "yes"}, "consent: expected one of off, anonymous, refused, got 'yes'"),
        ({"consent": "anonymous"}, "pseudonym_key_file: is required"),
        ({"pseudonymised_fields": ["user_id"]}, "asks for users by the names that were sent"),
        ({"pseudonymised_fields": ["items"]}, "pseudonymised_fields: expected some of .*, got 'items'"),
        ({"pseudonymised_fields": ["traits.a"], "pseudonym_key_file": "none"}, "there is no file"),
        ({"stpes": []}, "unknown field `stpes`"),
    ],
)
def test_a_file_that_is_not_in_order_is_refused_in_a_line(
    said: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=reason):
        read_enrichment(written(tmp_path, **said))


@pytest.mark.parametrize(
    ("said", "changed", "as_sent"),
    [
        (None, (), True),
        ({"steps": ["ua"]}, ("context.", "properties.", "traits."), True),
        ({"steps": ["ip"]}, ("context.", "properties.", "traits."), False),
        (
            {"pseudonymised_fields": ["traits.email", "session_id"], "pseudonym_key_file": "key"},
            ("context.", "properties.", "traits.", "session_id"),
            False,
        ),
    ],
)
def test_what_the_check_at_the_end_cannot_compare(
    said: dict[str, Any] | None, changed: tuple[str, ...], as_sent: bool, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("k" * 32)
    variables = {} if said is None else read_enrichment(written(tmp_path, **said))
    assert (changed_by(variables), keeps_refused_as_sent(variables)) == (changed, as_sent)


@pytest.mark.emulator
@pytest.mark.slow
def test_the_deployed_function_honours_consents_and_counts_the_rest(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 32)
    path = written(
        tmp_path,
        steps=["ua", "bots", "campaign", "ip", "clock_skew"],
        consent="anonymous",
        pseudonymised_fields=["traits.email"],
        pseudonym_key_file="key",
    )
    known = client_event(user_id="ann", event_id="1", items=[{"item_id": "mug"}])
    denied = {**known, "user_id": "ben", "event_id": "2", "consent": {"analytics": False}}

    async def main() -> None:
        config = CloudConfig(shards=1, enrichment=read_enrichment(path))
        async with EmbeddedCloud(config) as cloud, aiohttp.ClientSession(cloud.base_url) as session:
            for _ in range(2):  # a copy of a denied event is recognised too
                async with session.post("/v1/events", json=[known, denied]) as answer:
                    results = (await answer.json())["results"]
            assert [result["status"] for result in results] == ["ok", "ok"]
            assert results[1]["notes"] == ["consent: analytics is denied; counted without its user"]
            await cloud.drain()
            found = {}
            for name in ("users/ann", "users/ben", "items/mug"):
                async with session.get(f"/v1/{name}") as answer:
                    found[name] = (await answer.json()).get("events") if answer.status == 200 else None
            assert found == {"users/ann": 1, "users/ben": None, "items/mug": 2}

    asyncio.run(asyncio.wait_for(main(), 120))
