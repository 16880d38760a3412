"""Numbers as intervals: the laws of sets, in the size of the gaps."""

import sys
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tapstack_local.reconciliation.intervals import Numbers, count, numbers, without

SMALL = st.integers(0, 30)
SETS = st.sets(SMALL)
PAIRS = st.lists(st.tuples(SMALL, SMALL), max_size=6)  # reversed and overlapping ones too, as a bad row has


def numbers_of(values):
    made = Numbers()
    for n in values:
        made.add(n)
    return made


@given(st.lists(st.integers(0, 300) | st.integers(2**53 - 5, 2**53), max_size=200))
def test_any_numbers_in_any_order_are_held_in_the_fewest_intervals(values):
    made = numbers_of(values)
    assert list(numbers(made.intervals())) == sorted(set(values))
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(made.intervals()))
    assert all((n in made) == (n in set(values)) for n in [*range(-1, 302), *values, 2**53 + 1])
    assert count(made.intervals()) == len(set(values))


@given(SETS, PAIRS)
@example(values={0, 1, 2}, others=[(2, 0)])
def test_the_difference_is_that_of_sets(values, others):
    holes = {n for first, last in others for n in range(first, last + 1)}
    assert list(numbers(without(numbers_of(values).intervals(), others))) == sorted(values - holes)


@pytest.mark.parametrize("step", [1, 2, -1, -2])
def test_memory_is_bounded_by_the_number_of_intervals(step):
    made = numbers_of(range(10**15, 10**15 + 1_000 * step, step))
    assert all(len(held) <= 64 or abs(step) == 2 for held in vars(made).values())
    assert len(made.intervals()) == (1 if abs(step) == 1 else 1_000)
    assert sum(map(sys.getsizeof, vars(made).values())) < 20_000 * abs(step)
    first = made.intervals()[0][0]
    assert without([(0, 10**18)], made.intervals())[0] == (0, first - 1)
