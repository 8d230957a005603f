"""A small lasting change that no single value shows: the cumulative sum of what is beside the mean.

Page (1954), "Continuous inspection schemes", Biometrika 41; slack and limit in standard deviations as in Montgomery,
"Introduction to Statistical Quality Control", section 9.1. With 0.75 and 8, and 30 values that tell what is usual, 30
more without a change are called once in 30 series: about once in a thousand values.
"""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

SLACK = 0.75
LIMIT = 8.0


class Change(NamedTuple):
    """Since which place of the series, up (1) or down (-1), and at which place it was certain."""

    since: int
    direction: int
    certain: int


def change(
    values: Sequence[float], known: int, slack: float = SLACK, limit: float = LIMIT, only: int = 0
) -> Change | None:
    """The first lasting change after the first `known` values, which tell what is usual. None: there is none.

    only: 1 or -1 where one direction alone matters.

    Middle and spread are the median and 1.4826 times the median deviation, so that a few wild days do not hide it;
    values count up to four deviations, so that one of them alone is no lasting change.
    """
    if known < 5 or len(values) <= known:
        return None
    middle = median(values[:known])
    spread = 1.4826 * median(abs(value - middle) for value in values[:known])
    spread = max(spread, 1e-3 * abs(middle), 1e-9)
    sums = [0.0, 0.0]
    began = [known, known]
    for place in range(known, len(values)):
        beside = max(-4.0, min(4.0, (values[place] - middle) / spread))
        for side, direction in enumerate((1, -1)):
            if not sums[side]:
                began[side] = place
            sums[side] = max(0.0, sums[side] + direction * beside - slack)
            if sums[side] > limit and only in (0, direction):
                return Change(began[side], direction, place)
    return None
