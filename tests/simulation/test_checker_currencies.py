"""Counters name eight currencies: the checker follows docs/reference/table.md around the limit."""

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


@pytest.mark.parametrize("count", [7, 8, 9, 40])
def test_what_the_product_does_with_many_currencies_is_right(count: int) -> None:
    scope = Scope(purchases(count))
    Puppet(scope).finish()
    counters = scope.checker.rows["U#a", "-"].state[2]
    assert ("XXX" in counters) == (count > 8)
    assert len(counters) == min(count + 1, 10)
    scope.check()


def test_a_currency_too_many_and_one_too_few_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from tapstack.core import aggregates

    for most in (7, 9):
        monkeypatch.setattr(aggregates, "CURRENCIES_MAX", most)
        with pytest.raises(Violation):
            Puppet(Scope(purchases(40))).finish()


def test_a_currency_is_pooled_only_where_a_full_map_has_not_got_it() -> None:
    full: Amounts = {10: 1, **dict.fromkeys(CODES[:8], 1)}
    assert named({10: 1, CODES[0]: 2, CODES[8]: 3, CODES[9]: 4}, [full, {10: 1}]) == {
        10: 1, CODES[0]: 2, "XXX": 7,
    }  # fmt: skip
    assert named({CODES[8]: 3}, [{10: 1}]) == {CODES[8]: 3}
