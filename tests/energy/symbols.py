"""Whole numbers that stand for any number: the code itself runs on them, along each of its paths.

Each comparison asks z3 which way can be gone; `paths` goes every way that can. So what is proven is proven of the code
and not of a model beside it.
"""

from collections.abc import Callable, Iterator

import pytest

z3 = pytest.importorskip("z3", reason="the proof needs z3-solver, of the extra signals")


class Walk:
    """One way through the code: which sides were taken, and what has to hold for it."""

    def __init__(self, assumed: list, sides: list[bool]):
        self.solver = z3.Solver()
        self.solver.add(*assumed)
        self.sides = sides
        self.taken: list[bool] = []

    def side(self, condition) -> bool:
        number = len(self.taken)
        side = self.sides[number] if number < len(self.sides) else self.possible(condition)
        self.taken.append(side)
        self.solver.add(condition if side else z3.Not(condition))
        return side

    def possible(self, *conditions) -> bool:
        return self.solver.check(*conditions) != z3.unsat


_walk: list[Walk] = []


class Truth:
    def __init__(self, condition):
        self.condition = condition

    def __bool__(self) -> bool:
        return _walk[-1].side(self.condition)


def _term(other):
    return other.term if isinstance(other, Any) else other


class Any:
    """Any whole number. Division is Python's: it rounds down, for divisors above 0."""

    __hash__ = None

    def __init__(self, term):
        self.term = z3.Int(term) if isinstance(term, str) else term

    def __add__(self, other):
        return Any(self.term + _term(other))

    def __sub__(self, other):
        return Any(self.term - _term(other))

    def __rsub__(self, other):
        return Any(_term(other) - self.term)

    def __mul__(self, other):
        return Any(self.term * _term(other))

    def __floordiv__(self, other):
        return Any(self.term / _term(other))

    def __neg__(self):
        return Any(-self.term)

    def __abs__(self):
        return -self if self < 0 else self

    def __lt__(self, other):
        return Truth(self.term < _term(other))

    def __le__(self, other):
        return Truth(self.term <= _term(other))

    def __gt__(self, other):
        return Truth(self.term > _term(other))

    def __ge__(self, other):
        return Truth(self.term >= _term(other))

    def __eq__(self, other):
        return False if other is None else Truth(self.term == _term(other))

    def __ne__(self, other):
        return True if other is None else Truth(self.term != _term(other))

    def __bool__(self) -> bool:
        return bool(self != 0)

    __radd__ = __add__
    __rmul__ = __mul__


def paths(assumed: list, run: Callable) -> Iterator[tuple[Walk, object]]:
    """(way, what `run` came to) for every way through it that the assumptions leave."""
    waiting: list[list[bool]] = [[]]
    while waiting:
        walk = Walk(assumed, waiting.pop())
        _walk.append(walk)
        try:
            result = run()
        finally:
            _walk.pop()
        for number in range(len(walk.sides), len(walk.taken)):
            waiting.append([*walk.taken[:number], not walk.taken[number]])
        if walk.possible():
            yield walk, result


def term(value):
    if isinstance(value, Any):
        return value.term
    return value if z3.is_expr(value) else z3.IntVal(int(value))


def proven(assumed: list, run: Callable, claim: Callable) -> bool:
    """Whether `claim(result)`, a z3 condition, holds on every way."""
    seen = 0
    for walk, result in paths(assumed, run):
        seen += 1
        if walk.possible(z3.Not(claim(result))):
            return False
    assert seen, "no way at all"
    return True
