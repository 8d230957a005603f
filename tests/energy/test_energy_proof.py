"""LIMIT, EXPIRY, RESERVE and STEADY by induction, for all numbers: what is proven is the code itself (symbols.py).

Each is a step of a fold or of time. Of LIMIT the step is one asset that gives way: what is over becomes less by what it
gives, and nothing is left over unless it has given all; so it is for any number of assets, one after the other.
"""

import pytest
from energy.symbols import Any, paths, proven, term, z3
from wayside.control.energy import limits, reserve, share, steady
from wayside.control.energy.limits import Direction, Limit, LimitMode, LimitStanding
from wayside.control.energy.steady import Held

# --- LIMIT ---


@pytest.mark.parametrize("step", [1, 10, 230])
def test_limit_who_gives_way_gives_what_is_over_or_all(step: int) -> None:
    watts, floor, excess = Any("watts"), Any("floor"), Any("excess")

    def claim(result):
        got = term(result)
        within = z3.And(got <= watts.term, z3.Or(got >= floor.term, got == watts.term))
        left = excess.term - (watts.term - got)
        gave_all = z3.Or(got <= floor.term, watts.term <= floor.term)
        nothing = z3.Implies(excess.term <= 0, got == watts.term)
        return z3.And(within, nothing, z3.Or(excess.term <= 0, left <= 0, gave_all))

    assert proven([], lambda: share.cut(watts, floor, excess, step), claim)
    assert not proven([], lambda: share.cut(watts, floor, excess, step), lambda got: term(got) >= floor.term)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_limit_a_power_on_each_of_its_phases_is_between_upper_and_lower(count: int) -> None:
    watts, part = Any("watts"), z3.Int("part")
    # However it is spread in whole watts, evenly: each phase has the quotient or one more.
    spread = [z3.Or(part == (watts // count).term, part == (watts // count).term + 1), count * (part - 1) < watts.term]
    spread.append(z3.Implies(part == (watts // count).term + 1, watts.term - count * (watts // count).term > 0))
    upper = proven(spread, lambda: share.upper(watts, count), lambda got: part <= term(got))
    lower = proven(spread, lambda: share.lower(watts, count), lambda got: part >= term(got))
    assert upper and lower


def test_limit_what_was_kept_by_the_worst_is_kept_a_second_later() -> None:
    """The set-points fit under the bound with the worst of what is not commanded; assets take no more than they were
    told, and what is not commanded is no worse: then the meter shows no more than the bound."""
    base, worst, high = z3.Ints("base worst high")
    told, drawn = z3.Ints("told0 told1"), z3.Ints("drawn0 drawn1")
    solver = z3.Solver()
    solver.add(worst + sum(told) <= high, base <= worst, *(d <= t for d, t in zip(drawn, told, strict=True)))
    solver.add(base + sum(drawn) > high)
    assert solver.check() == z3.unsat


# --- EXPIRY ---


def limit(failsafe: bool, ends: bool, lasts: bool) -> Limit:
    return Limit(
        Direction.IMPORT, Any("watts"), (), "grid", 4, Any("end") if ends else None,
        Any("failsafe") if failsafe else None, Any("lasts") if lasts else None,
    )  # fmt: skip


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("failsafe", [False, True])
@pytest.mark.parametrize("has_contact", [False, True])
@pytest.mark.parametrize("mode", list(LimitMode))
def test_expiry(mode: LimitMode, has_contact: bool, failsafe: bool, ends: bool) -> None:
    """From every mode, with nothing said: which modes can follow, and when."""
    now, since = Any("now"), Any("since")
    before = LimitStanding(limit(failsafe, ends, False), mode, since)
    for walk, after in paths([], lambda: limits.turn(before, None, False, has_contact, now)):
        over = before.limit.valid_until_ms
        is_over = z3.BoolVal(False) if over is None else now.term >= over.term
        if after.mode == LimitMode.LIMITED:
            assert mode == LimitMode.LIMITED and not walk.possible(is_over)  # it does not outlive its end
            assert has_contact or not failsafe  # nor the contact
        if mode == LimitMode.LIMITED and after.mode == LimitMode.FREE:
            assert not walk.possible(z3.Not(is_over))  # nor ends before it
        if mode == LimitMode.FAILSAFE:
            assert after.mode == LimitMode.FAILSAFE  # left by nothing but a new limit, or a time that was configured
        if after.mode == LimitMode.FAILSAFE and mode != LimitMode.FAILSAFE:
            assert failsafe and not has_contact


def test_expiry_a_fail_safe_with_a_time_ends_then_and_not_before() -> None:
    now, since = Any("now"), Any("since")
    before = LimitStanding(limit(True, True, True), LimitMode.FAILSAFE, since)
    for walk, after in paths([], lambda: limits.turn(before, None, False, True, now)):
        over = now.term - since.term >= before.limit.failsafe_for_ms.term
        assert not walk.possible(over if after.mode == LimitMode.FAILSAFE else z3.Not(over))


# --- RESERVE ---


def test_reserve_what_may_be_discharged_is_there_until_the_set_point_ends() -> None:
    """Also when nobody renews it: at a tenth of loss, energy never falls below the floor within its duration."""
    room, duration, passed = Any("room"), Any("duration"), z3.Int("passed")
    assumed = [room.term >= 0, duration.term >= 1000, duration.term <= 86_400_000, passed >= 0, passed <= duration.term]

    def kept(watts):  # 10 / 9 of what is discharged is taken out, W ms against Wh
        return 10 * term(watts) * passed <= 9 * room.term * 3_600_000

    # Not linear: watts x duration is, once the quotient is known to be at most its dividend.
    quotient = z3.Int("quotient")
    solver = z3.Solver()
    solver.add(*assumed, quotient >= 0, quotient * 10 * duration.term <= room.term * 9 * 3_600_000)
    solver.add(z3.Not(kept(quotient)))
    assert solver.check() == z3.unsat
    for energy in (0, 1, 17, 4_999, 100_000):
        for ms in (1_000, 59_999, 60_000, 86_400_000):
            assert reserve.discharge_w(energy, ms) * 10 * ms <= energy * 9 * 3_600_000
            assert reserve.charge_w(energy, ms) * ms <= energy * 3_600_000


def test_reserve_minimum_times() -> None:
    held_watts, turned, now, target = Any("held"), Any("turned"), Any("now"), Any("target")
    asset = _Asset(min_on_ms=Any("on"), min_off_ms=Any("off"))
    held = Held(held_watts, turned_ms=turned)
    passed = now.term - turned.term

    def claim(result):
        got = term(result[0])
        starts = z3.And(held_watts.term == 0, got != 0)
        stops = z3.And(held_watts.term != 0, got == 0)
        return z3.And(
            z3.Implies(starts, passed >= asset.min_off_ms.term), z3.Implies(stops, passed >= asset.min_on_ms.term)
        )

    assert proven([], lambda: steady.run(asset, held, target, 1_380, "", now), claim)


def test_reserve_a_ramp_is_never_passed_and_never_overshoots() -> None:
    watts, target = Any("watts"), Any("target")
    for per_s, elapsed in ((100, 1000), (1, 10), (2_000, 500)):
        most = max(1, per_s * elapsed // 1000)

        def claim(step, most=most):
            moved = term(step)
            way = target.term - watts.term
            fits = z3.Or(moved == way, moved == most, moved == -most)
            return z3.And(moved <= most, moved >= -most, fits, moved * way >= 0)

        assert proven([], lambda per_s=per_s, elapsed=elapsed: steady.ramp(per_s, watts, target, elapsed), claim)


# --- STEADY ---


def test_steady_no_turn_back_before_its_time() -> None:
    hold, wish, now = Any("hold"), Any("wish"), Any("now")
    held = Held(Any("watts"), moved=Any("moved"), moved_ms=Any("moved_ms"))

    def claim(result):
        got, watts = term(result[0]), held.watts.term
        turns = z3.Or(z3.And(held.moved.term > 0, got < watts), z3.And(held.moved.term < 0, got > watts))
        return z3.And(
            z3.Implies(turns, now.term - held.moved_ms.term >= hold.term), z3.Or(got == wish.term, got == watts)
        )

    assert proven([], lambda: steady.turn_back(hold, held, wish, now), claim)


def test_steady_phases_do_not_change_before_their_time() -> None:
    asset = _Asset(switch_ms=Any("switch"))
    held = Held(single=False, switched_ms=Any("switched"))
    now, wish = Any("now"), Any("wish")
    for walk, single in paths([], lambda: bool(steady.wants_single(asset, held, wish, 0, now))):
        if single:
            assert not walk.possible(now.term - held.switched_ms.term < asset.switch_ms.term)


class _Asset:
    """As much of an asset as these steps look at."""

    def __init__(self, **fields):
        self.min_on_ms = self.min_off_ms = self.switch_ms = 0
        self.single, self.least_w = "a", 4_140
        self.__dict__.update(fields)
