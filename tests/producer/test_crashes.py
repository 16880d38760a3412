"""A producer that is killed loses nothing, and nothing twice: `make producer-crash-test` kills more."""

from __future__ import annotations

from pathlib import Path
from random import Random

from crashes import check, crash
from served_collector import FaultyStream, faulty_collector, served

KILLS = 6


def test_a_producer_that_is_killed_at_random_moments_loses_nothing_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    random = Random()
    stream = FaultyStream(random, refused_share=0.05)
    with served(faulty_collector(stream, random, cut_share=0.1)) as url:
        crashed = crash(url, tmp_path, KILLS, random)
    stored = stream.events()
    assert crashed.deaths == KILLS
    assert check(crashed, stored) >= len(crashed.taken) > KILLS
