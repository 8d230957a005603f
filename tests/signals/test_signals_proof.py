"""CONFLICT, INTERGREEN, AMBER, MIN_GREEN, MIN_RED and RESTART by induction, for every pair, all times, all wishes.

In a junction of any size two conflicting groups see no more of the rest than this: whether their wishes come through,
and which of the two may start first. Both are free here, so what holds for the pair holds for the junction. The model
below is shown to be the code by comparing the two on arbitrary states.
"""

from typing import NamedTuple

import pytest
from hunts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.control.signals.core import AMBER, GREEN, RED, RED_AMBER, Indication, Shown, advance, may_start
from wayside.control.signals.junction import LONGEST, Group

z3 = pytest.importorskip("z3", reason="the proof needs z3-solver, of the extra signals")


class One(NamedTuple):
    """One group's part of a state, its wishes and its times; intergreen: from the other's end to this one's start."""

    shown: object
    age: object
    end: object
    start: object
    min_green: object
    amber: object
    red_amber: object
    intergreen: object
    min_red: object


def symbols(name: str) -> One:
    wish = {"end", "start"}
    return One(*(z3.Bool(f"{name}.{each}") if each in wish else z3.Int(f"{name}.{each}") for each in One._fields))


A, B = symbols("i"), symbols("j")
A_FIRST = z3.Bool("i first")


def model_advance(g: One):
    """(shown, age) of core.advance."""
    ends = z3.And(g.shown == GREEN, g.end, g.age >= g.min_green)
    reds = z3.And(g.shown == AMBER, g.age >= g.amber)
    greens = z3.And(g.shown == RED_AMBER, g.age >= g.red_amber)
    others = z3.If(reds, int(RED), z3.If(greens, int(GREEN), g.shown))
    shown = z3.If(ends, z3.If(g.amber > 0, int(AMBER), int(RED)), others)
    older = z3.If(g.age + 1 < LONGEST, g.age + 1, LONGEST)
    return shown, z3.If(z3.Or(ends, reds, greens), 1, older)


def model_start(g: One, own, other: One, others):
    """(shown, age) of group `g` at `own` when it may start against the other one at `others`."""
    passed = other.amber + others[1] - 1
    clear = z3.And(others[0] == RED, passed + g.red_amber >= g.intergreen)
    begins = z3.And(g.shown == RED, g.start, own[1] > g.min_red, clear)
    return z3.If(begins, z3.If(g.red_amber > 0, int(RED_AMBER), int(GREEN)), own[0]), z3.If(begins, 1, own[1])


def model_step():
    """The pair one tick later: ((shown, age), (shown, age))."""
    i, j = model_advance(A), model_advance(B)
    i_then = model_start(A, i, B, j)
    j_then = model_start(B, j, A, i_then)
    j_now = model_start(B, j, A, i)
    i_later = model_start(A, i, B, j_now)
    either = lambda a, b: tuple(z3.If(A_FIRST, x, y) for x, y in zip(a, b, strict=True))  # noqa: E731
    return either(i_then, i_later), either(j_then, j_now)


def valid(g: One):
    """What Junction checks of a group's times."""
    times = (g.min_green, g.amber, g.red_amber, g.intergreen, g.min_red)
    return z3.And(*(z3.And(each >= 0, each < LONGEST // 2) for each in times), g.min_green >= 1)


def invariant(i: One, i_now, j: One, j_now):
    """Holds in every state that is ever reached; `*_now`: (shown, age)."""

    def own(g: One, now):
        shown, age = now
        return z3.And(
            shown >= 0,
            shown <= 3,
            age >= 1,
            age <= LONGEST,
            z3.Implies(shown == AMBER, age <= g.amber),
            z3.Implies(shown == RED_AMBER, age <= g.red_amber),
        )

    def changing(g: One, now, other: One, others):
        # While red with yellow is shown the intergreen may still be running, and will be over at the green.
        behind = other.amber + others[1] - now[1] + g.red_amber >= g.intergreen
        return z3.Implies(now[0] == RED_AMBER, z3.Or(behind, others[1] == LONGEST))

    one_red = z3.Or(i_now[0] == RED, j_now[0] == RED)
    return z3.And(own(i, i_now), own(j, j_now), one_red, changing(i, i_now, j, j_now), changing(j, j_now, i, i_now))


BEFORE = z3.And(valid(A), valid(B), invariant(A, (A.shown, A.age), B, (B.shown, B.age)))


def proven(claim) -> bool:
    """Whether `claim` holds after every tick from every state in which the invariant holds."""
    solver = z3.Solver()
    solver.add(BEFORE, z3.Not(claim))
    return solver.check() == z3.unsat


def test_the_invariant_is_inductive() -> None:
    i, j = model_step()
    assert proven(invariant(A, i, B, j))


def test_it_holds_when_service_begins() -> None:
    solver = z3.Solver()
    red = (z3.IntVal(int(RED)), z3.IntVal(1))
    solver.add(valid(A), valid(B), z3.Not(invariant(A, red, B, red)))
    assert solver.check() == z3.unsat


def test_conflict() -> None:
    (i, _), (j, _) = model_step()
    assert proven(z3.Or(i == RED, j == RED))


def test_intergreen() -> None:
    (i, _), (j, j_age) = model_step()
    begins = z3.And(A.shown != GREEN, i == GREEN)
    # The other one is red for the j_age'th tick, this one included.
    assert proven(z3.Implies(begins, z3.And(j == RED, z3.Or(B.amber + j_age - 1 >= A.intergreen, j_age == LONGEST))))


def test_amber() -> None:
    (i, age), _ = model_step()
    whole = z3.Implies(z3.And(A.shown == AMBER, i != AMBER), z3.And(i == RED, A.age == A.amber))
    never_skipped = z3.Implies(z3.And(A.shown == GREEN, i != GREEN, A.amber > 0), z3.And(i == AMBER, age == 1))
    red_amber = z3.Implies(z3.And(A.shown == RED_AMBER, i != RED_AMBER), z3.And(i == GREEN, A.age == A.red_amber))
    announced = z3.Implies(z3.And(A.shown == RED, i == GREEN), A.red_amber == 0)
    assert proven(z3.And(whole, never_skipped, red_amber, announced))


def test_min_green() -> None:
    (i, _), _ = model_step()
    assert proven(z3.Implies(z3.And(A.shown == GREEN, i != GREEN), A.age >= A.min_green))


def test_min_red() -> None:
    (i, _), _ = model_step()
    assert proven(z3.Implies(z3.And(A.shown == RED, i != RED), A.age >= A.min_red))
    assert not proven(z3.Implies(z3.And(A.shown == RED, i != RED), A.age >= A.min_red + 1))


def test_a_weaker_core_would_not_be_proven() -> None:
    (i, _), _ = model_step()
    assert not proven(z3.Implies(z3.And(A.shown == GREEN, i != GREEN), A.age >= A.min_green + 1))


# --- the model is the code ---


class Pair:
    """As much of a Junction as may_start looks at: two groups that conflict."""

    def __init__(self, i: One, j: One):
        self.groups = [Group(name, g.min_green, g.amber, 0, g.red_amber, g.min_red) for name, g in (("i", i), ("j", j))]
        self.conflicts = (((1, i.intergreen),), ((0, j.intergreen),))
        self.yielded_by = self.yields_to = self.parents = (frozenset(), frozenset())


def code_step(i: One, j: One, i_first: bool) -> list[Shown]:
    """The same tick as core.step takes it: all advance, then those at red start in turn."""
    pair = Pair(i, j)
    states = (i, j)
    shown = [advance(group, Indication(g.shown), g.age, g.end) for group, g in zip(pair.groups, states, strict=True)]
    for number in (0, 1) if i_first else (1, 0):
        g = states[number]
        if g.start and g.shown == RED and may_start(pair, shown, number):
            shown[number] = Shown(RED_AMBER if g.red_amber else GREEN, 1)
    return shown


times = st.integers(0, 6)
ages = st.one_of(st.integers(1, 14), st.integers(LONGEST - 2, LONGEST))
ones = st.builds(One, st.integers(0, 3), ages, st.booleans(), st.booleans(), st.integers(1, 6), *(times,) * 4)


@settings(max_examples=examples(300), deadline=None)
@given(ones, ones, st.booleans())
def test_model_and_code_are_equal(i: One, j: One, i_first: bool) -> None:
    values = [(A_FIRST, z3.BoolVal(i_first))]
    for symbol, one in ((A, i), (B, j)):
        for name in One._fields:
            value = getattr(one, name)
            values.append((getattr(symbol, name), z3.BoolVal(value) if isinstance(value, bool) else z3.IntVal(value)))
    model = [[z3.simplify(z3.substitute(each, *values)).as_long() for each in group] for group in model_step()]
    assert model == [list(shown) for shown in code_step(i, j, i_first)]


# --- RESTART: a permissive movement P and one that it yields to, O; the two are compatible ---


def yielding_starts(p, o, p_starts, o_starts, p_first: bool):
    """Both at red start in turn: ((shown, age), (shown, age)) of P and O."""

    def p_now(own, others):
        late = z3.And(others[0] == RED_AMBER, B.red_amber - others[1] + 1 > A.red_amber)
        begins = z3.And(A.shown == RED, p_starts, own[1] > A.min_red, z3.Not(late))
        return z3.If(begins, z3.If(A.red_amber > 0, int(RED_AMBER), int(GREEN)), own[0]), z3.If(begins, 1, own[1])

    def o_now(own, others):
        begins = z3.And(B.shown == RED, o_starts, own[1] > B.min_red, others[0] == RED)
        return z3.If(begins, z3.If(B.red_amber > 0, int(RED_AMBER), int(GREEN)), own[0]), z3.If(begins, 1, own[1])

    if p_first:
        p = p_now(p, o)
        return p, o_now(o, p)
    o = o_now(o, p)
    return p_now(p, o), o


def yielding(p, o):
    """Holds in every state that is ever reached: while O is about to be green P is red, or green no sooner."""

    def own(g: One, now):
        return z3.And(
            now[0] >= 0,
            now[0] <= 3,
            now[1] >= 1,
            now[1] <= LONGEST,
            z3.Implies(now[0] == RED_AMBER, now[1] <= g.red_amber),
        )

    no_sooner = z3.And(p[0] == RED_AMBER, A.red_amber - p[1] >= B.red_amber - o[1])
    return z3.And(own(A, p), own(B, o), z3.Implies(o[0] == RED_AMBER, z3.Or(p[0] == RED, no_sooner)))


@pytest.mark.parametrize("p_first", [False, True])
def test_restart(p_first: bool) -> None:
    """No green begins under a green, or a yellow, that has to yield to it: by induction, for all times and wishes."""
    p, o = yielding_starts(model_advance(A), model_advance(B), A.start, B.start, p_first)
    begins = z3.And(B.shown != GREEN, o[0] == GREEN)
    under = z3.And(A.shown == GREEN, p[0] != RED)
    before = z3.And(valid(A), valid(B), yielding((A.shown, A.age), (B.shown, B.age)))

    def holds(claim) -> bool:
        solver = z3.Solver()
        solver.add(before, z3.Not(claim))
        return solver.check() == z3.unsat

    assert holds(yielding(p, o))
    assert holds(z3.Implies(begins, z3.Not(under)))
    assert holds(z3.Implies(begins, p[0] != AMBER))
    assert not holds(z3.Implies(begins, p[0] == RED))  # both in one tick may be
    red = (z3.IntVal(int(RED)), z3.IntVal(1))
    start = z3.Solver()
    start.add(valid(A), valid(B), z3.Not(yielding(red, red)))
    assert start.check() == z3.unsat


@settings(max_examples=200, deadline=None)
@given(ones, ones, st.booleans())
def test_the_model_of_yielding_is_the_code(p: One, o: One, p_first: bool) -> None:
    pair = Pair(p, o)
    pair.conflicts = ((), ())
    pair.yields_to, pair.yielded_by = (frozenset({1}), frozenset()), (frozenset(), frozenset({0}))
    shown = [advance(group, Indication(g.shown), g.age, g.end) for group, g in zip(pair.groups, (p, o), strict=True)]
    for number in (0, 1) if p_first else (1, 0):
        g = (p, o)[number]
        if g.start and g.shown == RED and may_start(pair, shown, number):
            shown[number] = Shown(RED_AMBER if g.red_amber else GREEN, 1)
    values = [
        (getattr(symbol, name), z3.BoolVal(value) if isinstance(value, bool) else z3.IntVal(value))
        for symbol, one in ((A, p), (B, o))
        for name, value in zip(One._fields, one, strict=True)
    ]
    after = yielding_starts(model_advance(A), model_advance(B), A.start, B.start, p_first)
    model = [[z3.simplify(z3.substitute(each, *values)).as_long() for each in group] for group in after]
    assert model == [list(each) for each in shown]
