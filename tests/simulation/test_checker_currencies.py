"""Counters of 32 keys: the checker follows docs/reference/table.md below, at and above the limit."""

from __future__ import annotations

import msgspec
import pytest
from test_small_scope import Puppet, Scope, event

from tapstack_simulation.checking.facts import Amounts, named
from tapstack_simulation.checking.rows import Violation

CODES = [a + b + "X" for a in "ABCDEFGH" for b in "ABCDE"]


def purchases(count: int) -> list[bytes]:
    """Purchases of one user and one item, each in a currency of its own, in one visit."""
    return [
        msgspec.json.encode({**msgspec.json.decode(event("a", f"e{n}", "purchase")), "currency": currency})
        for n, currency in enumerate(CODES[:count])
    ]


@pytest.mark.parametrize("count", [30, 31, 32, 40])
def test_what_the_product_does_with_many_currencies_is_right(count: int) -> None:
    scope = Scope(purchases(count))
    Puppet(scope).finish()
    counters = scope.checker.rows["U#a", "-"].state[2]
    assert ("XXX" in counters) == (count > 31)
    assert len(counters) == min(count + 1, 33)
    scope.check()


def test_a_currency_too_many_and_one_too_few_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from tapstack.core import aggregates

    for keys_max in (31, 33):
        monkeypatch.setattr(aggregates, "KEYS_MAX", keys_max)
        with pytest.raises(Violation):
            Puppet(Scope(purchases(40))).finish()


def test_a_currency_is_pooled_only_where_a_full_map_has_not_got_it() -> None:
    full: Amounts = {10: 1, **dict.fromkeys(CODES[:31], 1)}
    assert named({10: 1, CODES[0]: 2, CODES[31]: 3, CODES[32]: 4}, [full, {10: 1}]) == {
        10: 1, CODES[0]: 2, "XXX": 7,
    }  # fmt: skip
    assert named({CODES[31]: 3}, [{10: 1}]) == {CODES[31]: 3}
