"""A set of non-negative integers, kept as intervals: as small as what it holds is contiguous."""

from bisect import bisect_left, bisect_right


class IntervalSet:
    """Half-open intervals [first, end), disjoint, sorted, never touching each other."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._ends: list[int] = []

    def add(self, first: int, end: int) -> int:
        """Put [first, end) into the set; how many of its numbers are new."""
        low = bisect_left(self._ends, first)  # the first interval that touches or follows
        high = bisect_right(self._firsts, end)  # the first interval wholly behind
        known = sum(min(end, self._ends[at]) - max(first, self._firsts[at]) for at in range(low, high))
        self._firsts[low:high] = [min([first, *self._firsts[low:high]])]
        self._ends[low:high] = [max([end, *self._ends[low:high]])]
        return end - first - known

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number < self._ends[at]

    def covers(self, first: int, end: int) -> bool:
        """Whether all of [first, end) is in the set."""
        at = bisect_right(self._firsts, first) - 1
        return first >= end or (at >= 0 and end <= self._ends[at])

    def count(self, first: int, end: int) -> int:
        """How many numbers of [first, end) are in the set."""
        pairs = zip(self._firsts, self._ends, strict=True)
        return sum(max(0, min(end, after) - max(first, begin)) for begin, after in pairs)

    def missing(self, first: int, end: int) -> list[tuple[int, int]]:
        """The intervals of [first, end) that are not in the set."""
        found = []
        at = first
        for begin, after in zip(self._firsts, self._ends, strict=True):
            if begin > at and at < end:
                found.append((at, min(begin, end)))
            at = max(at, after)
        if at < end:
            found.append((at, end))
        return found

    def holes(self) -> list[tuple[int, int]]:
        """The intervals between the smallest and the largest number that are not in the set."""
        return list(zip(self._ends[:-1], self._firsts[1:], strict=True))

    @property
    def first(self) -> int | None:
        return self._firsts[0] if self._firsts else None

    @property
    def end(self) -> int:
        """One more than the largest number; 0 when empty."""
        return self._ends[-1] if self._ends else 0
