"""Linear least squares with a few unknowns in pure Python: which mix of some forecasts would have been right.

Ridge regression (Hoerl & Kennard 1970) drawn towards the plain mean of the forecasts instead of towards 0, which is a
good forecast when there are few days to learn from (Bates & Granger 1969, "The combination of forecasts"). Solved again
with each row weighed by one over its error, it finds the least sum of absolute errors instead of squares (Schlossmacher
1973): loads have high rare peaks, and one of them should not bend the mix.
"""

from collections.abc import Sequence

_PULL = 0.1  # of the mean square of the inputs
_ROUNDS = 3


def mix(inputs: Sequence[Sequence[float]], wanted: Sequence[float]) -> list[float]:
    """Weights of the inputs; `inputs` has one row per slot and one column per forecast, `wanted` what came."""
    count = len(inputs[0]) if inputs else 0
    even = [1 / count] * count if count else []
    if len(inputs) < 4 * count or not count:
        return even
    usual = sum(abs(value) for value in wanted) / len(wanted) or 1.0
    smallest = usual / 50
    heavy = [1.0] * len(inputs)
    weights = even
    for _ in range(_ROUNDS):
        weights = _solve(inputs, wanted, heavy, even)
        heavy = [
            usual / max(smallest, abs(value - sum(w * x for w, x in zip(weights, row, strict=True))))
            for row, value in zip(inputs, wanted, strict=True)
        ]
    return weights


def _solve(
    inputs: Sequence[Sequence[float]], wanted: Sequence[float], heavy: Sequence[float], even: Sequence[float]
) -> list[float]:
    """The normal equations (X'WX + kI) w = X'Wy + k/p, by Gauss and the largest pivot."""
    count = len(even)
    left = [[0.0] * count for _ in range(count)]
    right = [0.0] * count
    for row, value, weight in zip(inputs, wanted, heavy, strict=True):
        for i in range(count):
            scaled = row[i] * weight
            right[i] += scaled * value
            line = left[i]
            for j in range(i, count):
                line[j] += scaled * row[j]
    for i in range(count):
        for j in range(i):
            left[i][j] = left[j][i]
    pull = _PULL * sum(left[i][i] for i in range(count)) / count or 1.0
    for i in range(count):
        left[i][i] += pull
        right[i] += pull * even[i]
    return gauss(left, right)


def gauss(left: list[list[float]], right: list[float]) -> list[float]:
    """Solve a square system; both are used up. ValueError when it has no one solution."""
    count = len(right)
    for i in range(count):
        pivot = max(range(i, count), key=lambda row: abs(left[row][i]))
        if not left[pivot][i]:
            raise ValueError("the equations have no one solution")
        left[i], left[pivot] = left[pivot], left[i]
        right[i], right[pivot] = right[pivot], right[i]
        for row in range(i + 1, count):
            factor = left[row][i] / left[i][i]
            if factor:
                for column in range(i, count):
                    left[row][column] -= factor * left[i][column]
                right[row] -= factor * right[i]
    found = [0.0] * count
    for i in reversed(range(count)):
        rest = sum(left[i][column] * found[column] for column in range(i + 1, count))
        found[i] = (right[i] - rest) / left[i][i]
    return found
