"""Interval sets against plain sets of numbers."""

from hypothesis import given
from hypothesis import strategies as st
from wayside.evidence.intervals import IntervalSet


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=30))
def test_is_a_set(additions: list[tuple[int, int]]) -> None:
    intervals, numbers = IntervalSet(), set[int]()
    for first, width in additions:
        added = set(range(first, first + width))
        assert intervals.add(first, first + width) == len(added - numbers)
        numbers |= added
        assert {number for number in range(80) if number in intervals} == numbers
        for low, high in ((0, 5), (3, 30), (first, first + width)):
            assert intervals.covers(low, high) == (set(range(low, high)) <= numbers)
        holes = {number for low, high in intervals.holes() for number in range(low, high)}
        assert holes == set(range(min(numbers), max(numbers))) - numbers
        assert intervals.first == min(numbers)
        assert intervals.end == max(numbers) + 1
        # Touching intervals have been joined: no hole is empty, and as many as the set really has.
        assert all(low < high for low, high in intervals.holes())
        assert len(intervals.holes()) == sum(n + 1 not in numbers for n in numbers) - 1


def test_empty() -> None:
    intervals = IntervalSet()
    assert (intervals.first, intervals.end, intervals.holes()) == (None, 0, [])
    assert 0 not in intervals
    assert intervals.covers(4, 4)
    assert not intervals.covers(0, 1)
