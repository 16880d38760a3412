"""Latencies as a picture: bars for the terminal, and an SVG file of their course."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import pairwise

from tapstack_local.load.histogram import Histogram

BAR_CHARS = 40
_LIMITS_MS = [step * 10**power for power in range(-1, 5) for step in (1, 2, 5)]  # 0.1 ms to 50 s
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 900, 420, 70, 50, 40
_FONT = 'font-family="sans-serif" font-size="13"'
_LINES: Sequence[tuple[str, str, Callable[[Histogram], float]]] = (
    ("median", "#2a78c8", lambda second: second.percentile_ms(50)),
    ("99th percentile", "#d97a00", lambda second: second.percentile_ms(99)),
    ("slowest", "#b3261e", lambda second: second.max_ms),
)


def bars(latency: Histogram) -> str:
    """Return a line for each range of latencies that occurs, with a bar for its share."""
    limits = [0.0, *_LIMITS_MS, math.inf]
    rows = []
    for low, high in pairwise(limits):
        count = latency.between(low, min(high, 1e12))
        if count:
            rows.append((f"{low:g}-{high:g} ms" if high < math.inf else f"over {low:g} ms", count))
    most = max((count for _, count in rows), default=1)
    lines = [(name, "█" * math.ceil(BAR_CHARS * count / most), count) for name, count in rows]
    return "\n".join(f"{name:>14} {bar:<{BAR_CHARS}} {count:,}" for name, bar, count in lines)


def svg(title: str, by_second: Mapping[int, Histogram]) -> str:
    """Return a picture of the latencies over time, on a logarithmic scale.

    Parameters
    ----------
    title
        What was measured.
    by_second
        By the second in which requests were due.
    """
    last_s = max(by_second, default=0) + 1
    highest = max((second.max_ms for second in by_second.values()), default=1.0)
    lowest = min((second.percentile_ms(50) for second in by_second.values()), default=0.1)
    low, high = math.floor(math.log10(max(lowest, 0.01))), math.ceil(math.log10(max(highest, 0.1)))
    high = max(high, low + 1)

    def x(second: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 20) * second / last_s

    def y(latency_ms: float) -> float:
        share = (math.log10(max(latency_ms, 10**low)) - low) / (high - low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="15">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts += [
            f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>',
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g} ms</text>',
        ]
    for index, (name, colour, figure) in enumerate(_LINES):
        points = " ".join(f"{x(at + 0.5):.1f},{y(figure(by_second[at])):.1f}" for at in sorted(by_second))
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{_LEFT + 150 * index}" y="40" fill="{colour}">{name}</text>',
        ]
    parts += [
        f'<text x="{_LEFT}" y="{_HEIGHT - 12}">0 s</text>',
        f'<text x="{_WIDTH - 20}" y="{_HEIGHT - 12}" text-anchor="end">{last_s} s</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
