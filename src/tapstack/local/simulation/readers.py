"""Readers: the insights API, asked while everything else happens."""

from __future__ import annotations

from typing import Any

from tapstack.aws.dynamodb import DynamoTable
from tapstack.core.aggregates import WINDOWS
from tapstack.errors import Unavailable
from tapstack.insights.views import item_view, partners_view, trending_view, user_view
from tapstack.local.simulation.checker_rows import Violation
from tapstack.local.simulation.cloud import TABLE, Cloud
from tapstack.local.simulation.facts import CODES, Amounts
from tapstack.local.simulation.kernel import Actor, Stuck
from tapstack.local.simulation.lines import Line

_NAMES = {code: name for name, code in CODES.items()}


class Readers:
    """Asks for views.

    Parameters
    ----------
    cloud
        The services.
    users, items
        How many there are to ask about.
    """

    def __init__(self, cloud: Cloud, users: int, items: int) -> None:
        self._cloud = cloud
        self._users, self._items = users, items
        self._reader = DynamoTable(Line(cloud, cloud.table_api, "dynamodb", "reader"), TABLE)
        self.stop = False

    def start(self) -> None:
        """Start a reader if the run has one."""
        if self._cloud.ledger.enabled("R1"):
            self._cloud.kernel.spawn("r0", self._live)

    def _live(self, actor: Actor) -> None:
        while not self.stop:
            self._cloud.kernel.sleep(actor.random.randrange(6_000_000))
            try:
                self.ask(actor, exact=False)
            except Unavailable:
                continue

    def ask(self, actor: Actor, *, exact: bool) -> None:
        """Ask for one view of each kind and hold the item's against the rows (invariant 11).

        Parameters
        ----------
        actor
            Who asks.
        exact
            Whether nothing is stale or changing, so that the answer must be exact.
        """
        now_s = self._cloud.kernel.now_ms // 1000
        item_id = f"p{actor.random.randrange(self._items)}"
        try:
            view = item_view(self._reader, item_id, now_s)
            user_view(self._reader, f"user{actor.random.randrange(self._users)}", now_s)
            partners_view(self._reader, item_id, now_s, bought=actor.random.random() < 0.5, n=5)
            trending_view(self._reader, WINDOWS[actor.random.randrange(3)], now_s, 5)
        except (Violation, Stuck, Unavailable):
            raise
        except Exception as error:
            raise Violation(11, f"a view raised {type(error).__name__}: {error}") from error
        if not self._cloud.ledger.healed:
            self._cloud.ledger.count("R1")
        if exact:
            self.compare(item_id, view, now_s)

    def check_all(self, now_s: int) -> None:
        """Hold the view of every item against the rows, at a moment that may lie in the future."""
        for number in range(self._items):
            item_id = f"p{number}"
            self.compare(item_id, item_view(self._reader, item_id, now_s), now_s)

    def compare(self, item_id: str, view: dict[str, Any] | None, now_s: int) -> None:
        """Hold a view against the sum of the lanes that have not expired."""
        total = self._cloud.checker.item_total(item_id, now_s)
        counts = {} if view is None else view["counts"]
        if counts != _spelled(total):
            raise Violation(11, f"{item_id} is shown as {counts}; its lanes hold {_spelled(total)}")


def _spelled(total: Amounts) -> dict[str, int]:
    return {_NAMES[key]: amount for key, amount in total.items() if isinstance(key, int)}
