"""The data sets: what people looked at or bought, session by session."""

from __future__ import annotations

import csv
import importlib.util
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

DAY_S = 86_400
VIEW, PURCHASE = "item_view", "purchase"
RECORDING = "diginetica-item-views.csv"
ML_USERS_GAP_S = 30 * 60


class Session(NamedTuple):
    """What one visitor did in one visit, oldest first; no item follows itself.

    Attributes
    ----------
    name
        Different for each.
    kind
        ``item_view`` or ``purchase``.
    steps
        Unix seconds and item.
    """

    name: str
    kind: str
    steps: tuple[tuple[int, str], ...]

    @property
    def start_s(self) -> int:
        """When it began."""
        return self.steps[0][0]

    @property
    def items(self) -> list[str]:
        """Its items in order."""
        return [item for _, item in self.steps]


class DataSet(NamedTuple):
    """Sessions in the order of their starts, and which of them choose the settings and which are reported.

    Attributes
    ----------
    refit_s
        How often models learn what came meanwhile; 0: never in a period.
    predictions_max
        Of a visit, its first.
    """

    name: str
    about: str
    sessions: list[Session]
    validation_s: tuple[int, int]
    test_s: tuple[int, int]
    refit_s: int
    predictions_max: int


class Absent(Exception):  # noqa: N818 - the reason of a skip
    """The data set is not there; the message says how to get it."""


def diginetica() -> DataSet:
    """Item views of a web shop: the public sample of the CIKM Cup 2016, as a recording.

    The last 60 days are the test, the 60 before them the validation.
    """
    named = os.environ.get("TAPSTACK_RECORDING")
    path = Path(named) if named else Path(__file__).parents[3] / "shared" / "data" / RECORDING
    if not path.is_file():
        raise Absent(f"no recording: TAPSTACK_RECORDING=PATH names {RECORDING}")
    found: dict[str, list[tuple[int, str]]] = {}
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines, delimiter=";"):
            day = datetime.fromisoformat(row["eventdate"]).replace(tzinfo=UTC)
            at_s = int(day.timestamp()) + int(row["timeframe"]) // 1000
            found.setdefault(row["session_id"], []).append((at_s, row["item_id"]))
    sessions = _sorted(Session(name, VIEW, _steps(steps)) for name, steps in found.items())
    end_s = (sessions[-1].start_s // DAY_S + 1) * DAY_S
    return DataSet(
        "diginetica",
        "item views of a web shop, 2016; sessions",
        sessions,
        (end_s - 120 * DAY_S, end_s - 60 * DAY_S),
        (end_s - 60 * DAY_S, end_s),
        DAY_S,
        1_000,
    )


def movielens() -> DataSet:
    """100,000 ratings of films, as the package recbole ships them; a visit is a user's sitting.

    The last tenth of the visits is the test, the tenth before it the validation; each is predicted from what
    was rated before it. Sittings are long (36 films on average): 10 films of each are predicted.
    """
    path = _packaged("recbole", "dataset_example/ml-100k/ml-100k.inter", "recbole==1.2.1")
    found: dict[str, list[tuple[int, str]]] = {}
    with path.open(newline="") as lines:
        next(lines)
        for line in lines:
            user, item, _, at = line.rstrip("\n").split("\t")
            found.setdefault(user, []).append((int(float(at)), item))
    visits: list[Session] = []
    for user, steps in found.items():
        visits += _visits(user, sorted(steps))
    return _tenths("ml-100k", "ratings of films, 1997-98; a user's sittings", _sorted(iter(visits)))


def _visits(user: str, steps: list[tuple[int, str]]) -> Iterator[Session]:
    """Divide a user's ratings where there was nothing for 30 minutes."""
    begun = 0
    for number in range(1, len(steps) + 1):
        if number == len(steps) or steps[number][0] - steps[number - 1][0] > ML_USERS_GAP_S:
            yield Session(f"{user}-{begun}", VIEW, _steps(steps[begun:number]))
            begun = number


def _tenths(name: str, about: str, sessions: list[Session]) -> DataSet:
    last, tenth = len(sessions), len(sessions) // 10
    ends = [sessions[last - 2 * tenth].start_s, sessions[last - tenth].start_s, sessions[-1].start_s + 1]
    return DataSet(name, about, sessions, (ends[0], ends[1]), (ends[1], ends[2]), 0, 10)


def _packaged(package: str, inside: str, requirement: str) -> Path:
    """Return a file that a package ships; the package is not imported."""
    spec = importlib.util.find_spec(package)
    roots = [] if spec is None else list(spec.submodule_search_locations or ())
    for root in roots:
        if (path := Path(root) / inside).is_file():
            return path
    raise Absent(f"pip install --no-deps {requirement} brings it")


def _steps(steps: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    ordered = sorted(steps, key=lambda step: step[0])  # stable: those of one second as they were written
    return tuple(step for index, step in enumerate(ordered) if not index or step[1] != ordered[index - 1][1])


def _sorted(sessions: Iterator[Session]) -> list[Session]:
    return sorted(sessions, key=lambda session: (session.start_s, session.name))
