"""How exact trends are, and how large their boards, once every sub-window is full.

By default 10,000 events a minute for as long as a window is, in two shops: the generated one, whose items
differ in popularity, and one of 10,000 items that are equally popular. Counts are drawn for each item, type
and quarter of a sub-window. With ``--recording`` the views of a recorded shop too (columns ``item_id``,
``timeframe`` in ms, ``eventdate``), at its own time and fifty times as fast. Answers are compared with a
count of everything at six moments; the errors are the largest of them.
"""

from __future__ import annotations

import csv
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks._report import finish, options, progress
from benchmarks._traffic import stream
from tapstack.core.aggregates import WINDOWS, Numbered
from tapstack.core.events import TYPE_CODE
from tapstack.core.ranking import (
    DEFAULT_WEIGHTS,
    INTERESTED,
    TRENDS,
    Board,
    Trend,
    Weights,
    advance,
    rank,
    score,
    series_of,
    trim,
)
from tapstack.core.rows import BOARD_ROWS, encode_derived

EVENTS_PER_S = 10_000 / 60
SAMPLE = 40_000  # events from which the generated shop's rates are taken
FLAT_ITEMS = 10_000
FLAT_RATES = {"item_view": 0.6, "cart_add": 0.06, "purchase": 0.02}
STEPS_A_SUB_WINDOW = 4
COMPARED = 6  # moments, spread over the time in which all sub-windows are full
START = 1_000_000  # number of a sub-window
KINDS: tuple[tuple[Weights, str], ...] = (
    (DEFAULT_WEIGHTS, "all"),
    ({TYPE_CODE["item_view"]: 1}, "item_view"),
    ({TYPE_CODE["purchase"]: 1}, "purchase"),
)
ASKED = tuple((n, weights, kind) for n in (20, 100) for weights, kind in KINDS)

Rates = Mapping[str, Mapping[int, float]]  # item -> event type -> events a second
Moves = Mapping[str, Mapping[int, int]]  # item -> event type -> count
Timeline = Iterator[tuple[int, Moves]]  # the present sub-window, and what happens in it


def generated_shop() -> Rates:
    """Return how many events a second each item has, by type."""
    counts: dict[str, Counter[int]] = {}
    for _, entry in stream(SAMPLE):
        event = msgspec.json.decode(entry.data)
        code = TYPE_CODE[event["event_type"]]
        for item in event.get("items", ()) if code in INTERESTED else ():
            counts.setdefault(item["item_id"], Counter())[code] += 1
    rate = EVENTS_PER_S / SAMPLE
    return {item: {code: n * rate for code, n in found.items()} for item, found in counts.items()}


def flat_shop() -> Rates:
    """Return the same rates for every item."""
    rates = {TYPE_CODE[name]: share * EVENTS_PER_S / FLAT_ITEMS for name, share in FLAT_RATES.items()}
    return {f"p{number:05d}": rates for number in range(FLAT_ITEMS)}


def drawn(rates: Rates, length_s: int, kept: int) -> Timeline:
    """Draw what happens in a quarter of a sub-window, until all are full and some more."""
    dice = random.Random(1)
    step_s = length_s / STEPS_A_SUB_WINDOW
    for step in range((kept + 2) * STEPS_A_SUB_WINDOW):
        moves = {}
        for item_id, by_type in rates.items():
            counts = {code: _poisson(dice, rate * step_s) for code, rate in by_type.items()}
            if any(counts.values()):
                moves[item_id] = {code: count for code, count in counts.items() if count}
        number = START + step // STEPS_A_SUB_WINDOW
        yield number, moves


def _poisson(dice: random.Random, mean: float) -> int:
    if mean > 30:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, dice.random()
    while product > limit:
        count += 1
        product *= dice.random()
    return count


def recorded(path: Path, length_s: int, speed: int) -> Timeline:
    """Yield the views of a recording, those of a quarter of a sub-window at a time."""
    views: dict[int, Counter[str]] = {}
    step_s = length_s // STEPS_A_SUB_WINDOW
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            day_s = datetime.fromisoformat(row["eventdate"]).replace(tzinfo=UTC).timestamp()
            at_s = (day_s + int(row["timeframe"]) / 1000) / speed
            views.setdefault(int(at_s // step_s), Counter())[row["item_id"]] += 1
    for step in sorted(views):
        counts = {item_id: {TYPE_CODE["item_view"]: n} for item_id, n in views[step].items()}
        yield step // STEPS_A_SUB_WINDOW, counts


def measure(timeline: Timeline, position: int) -> dict[str, dict[str, float]]:
    """Fold what happens into a board, and compare what it answers with all that happened."""
    window, trends = WINDOWS[position], [trend for trend in TRENDS if trend.position == position]
    board, items = BOARD_ROWS.new(), dict[str, Numbered]()
    found: dict[str, dict[str, float]] = {}
    steps = list(timeline)
    full = [at for at, (number, _) in enumerate(steps) if number >= steps[0][0] + window.kept]
    compared = set(full[:: max(1, -(-len(full) // COMPARED))])
    for at, (number, moves) in enumerate(steps):
        advance(board, number, window.kept)
        for item_id, counts in moves.items():
            windows = items.setdefault(item_id, {})
            held = windows.setdefault(number, {})
            for code, count in counts.items():
                held[code] = held.get(code, 0) + count
            for old in [each for each in windows if each < number - window.kept]:
                del windows[old]
            board.items[item_id] = series_of(windows, number, number - window.kept)
        trim(board, [trend.hops for trend in trends])
        for trend in trends if at in compared else ():
            _compare(found, board, items, trend, number)
    return found


def _compare(
    found: dict[str, dict[str, float]], board: Board, items: Mapping[str, Numbered], trend: Trend, number: int
) -> None:
    low = number - trend.hops
    exact: dict[str, Counter[int]] = {}
    for item_id, windows in items.items():
        for each, counts in windows.items():
            if each >= low:
                exact.setdefault(item_id, Counter()).update(counts)  # type: ignore[arg-type]
    for n, weights, kind in ASKED:
        answer = rank([board], trend, number * trend.window.length_s, weights, n)
        if not answer.items:
            continue
        case = found.setdefault(f"{trend.name}_{kind}_n{n}", defaultdict(float))
        error = _error(exact, {item.item_id: item.score for item in answer.items}, weights, n)
        assert error <= answer.error_max
        share = answer.error_max / answer.items[0].score
        case["error_share"] = max(case["error_share"], share)
        case["actual_share"] = max(case["actual_share"], error / answer.items[0].score)
        case["active"] = max(case["active"], len(exact))
        case["bytes"] = max(case["bytes"], len(encode_derived({}, board)))


def _error(exact: Mapping[str, Counter[int]], shown: Mapping[str, int], weights: Weights, n: int) -> int:
    lowest = min(shown.values()) if len(shown) == n else 0
    return max(
        [0, *(score(counts, weights) - shown.get(item_id, lowest) for item_id, counts in exact.items())]
    )


def main() -> None:
    """Measure."""
    parser = options("trending", __doc__)
    parser.add_argument("--recording", type=Path, help="a CSV of views, with ; between its columns")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    shops = {"generated": generated_shop(), "flat": flat_shop()}
    for position, window in enumerate(WINDOWS):
        timelines = {name: drawn(rates, window.length_s, window.kept) for name, rates in shops.items()}
        if arguments.recording is not None:
            for name, speed in (("recorded", 1), ("recorded_50_times", 50)):
                timelines[name] = recorded(arguments.recording, window.length_s, speed)
        for name, timeline in timelines.items():
            progress(f"the {name} shop, sub-windows of {window.name}")
            for case, measured in measure(timeline, position).items():
                for figure, value in measured.items():
                    if figure.endswith("share") or case.endswith("all_n20"):
                        figures[f"{figure}_{name}_{case}"] = value
    finish("trending", figures, {}, {}, as_json=arguments.json)


if __name__ == "__main__":
    main()
