"""The tables of the docs are the rules of the stack."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("hcl2", reason="the HCL parser lives in .venv-infra; run `make infra-test`")

from .network_page import PAGE, page
from .stack_text import local_values, rules

RULES: list[dict[str, Any]] = rules("network_acl_rules")
GROUP_RULES: list[dict[str, Any]] = rules("security_group_rules")


def test_the_page_says_what_the_stack_does() -> None:
    assert PAGE.read_text() == page(), "run `python -m infrastructure.network_page` in tests/"


def test_every_conversation_is_allowed_in_both_directions_by_both_tiers() -> None:
    # A tier that may send to another must be received there, and replies must come back: four rules.
    tiers = {"alb", "app", "endpoint", "egress"}
    allowed = {
        (rule["place"], rule["direction"], rule["ports"], rule["peer"])
        for rule in RULES
        if rule["action"] == "allow"
    }
    for tier, direction, ports, peer in allowed:
        if peer in tiers and ports != "ephemeral":
            opposite = "out" if direction == "in" else "in"
            assert (tier, opposite, "ephemeral", peer) in allowed
            if "egress" not in (
                tier,
                peer,
            ):  # traffic to be translated is addressed to the internet, not to the gateway
                assert (peer, opposite, ports, tier) in allowed
                assert (peer, direction, "ephemeral", tier) in allowed


@pytest.mark.parametrize(
    ("tier", "direction"), [(tier, direction) for tier in ("app", "egress") for direction in ("in", "out")]
)
def test_the_rest_of_the_vpc_is_denied_before_the_internet_is_allowed(tier: str, direction: str) -> None:
    of_tier = [rule for rule in RULES if (rule["place"], rule["direction"]) == (tier, direction)]
    denial = next(
        rule["number"]
        for rule in of_tier
        if rule["action"] == "deny" and rule["peer"] == "vpc" and rule["ports"] == "all"
    )
    assert all(rule["number"] > denial for rule in of_tier if rule["peer"] == "internet")
    assert all(
        rule["number"] < denial
        for rule in of_tier
        if rule["action"] == "allow" and rule["peer"] != "internet"
    )


def test_only_the_app_and_egress_tiers_speak_to_the_internet() -> None:
    assert {rule["place"] for rule in RULES if rule["peer"] == "internet"} == {"app", "egress"}
    assert {rule["ports"] for rule in RULES if rule["peer"] == "internet"} == {
        "https",
        "ephemeral_low",
        "ephemeral_high",
    }


def test_numbers_leave_room_for_one_range_a_zone() -> None:
    for tier in {rule["place"] for rule in RULES}:
        for direction in ("in", "out"):
            numbers = [
                rule["number"] for rule in RULES if (rule["place"], rule["direction"]) == (tier, direction)
            ]
            assert numbers == sorted(numbers)
            assert all(later - earlier >= 10 for earlier, later in pairwise(numbers))


def test_what_leaves_one_group_arrives_at_the_other() -> None:
    out = {
        (rule["place"], rule["ports"], rule["peer"])
        for rule in GROUP_RULES
        if rule["direction"] == "out" and rule["peer"].startswith("group:")
    }
    arrives = {
        (rule["peer"].removeprefix("group:"), rule["ports"], f"group:{rule['place']}")
        for rule in GROUP_RULES
        if rule["direction"] == "in" and rule["peer"].startswith("group:")
    }
    assert out == arrives


def test_every_rule_has_a_known_peer_condition_and_reason() -> None:
    values = local_values()
    for rule in [*RULES, *GROUP_RULES]:
        assert rule["when"] in values["conditions"]
        assert rule["ports"] in values["ports"]
        assert rule["why"]
