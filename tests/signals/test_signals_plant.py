"""The layers, the core and an adviser on simulated roads: better than the fixed plan, and no invariant broken.

Skipped where SUMO is absent. The longer figures are `make bench-signals`.
"""

from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
from wayside.control.signals.junction import PEDESTRIAN

pytest.importorskip("libsumo", reason="SUMO is absent (pip install '.[signals]')")
sumolib = pytest.importorskip("sumolib", reason="SUMO's Python tools are absent (pip install '.[signals]')")


from signals_plant import faults, network, plant, scenarios  # noqa: E402
from wayside.control.signals.adaptive import Adaptive  # noqa: E402

SECONDS = 600
SEED = 1


@pytest.fixture(scope="module")
def four_arms(tmp_path_factory) -> plant.Scenario:
    if not Path(sumolib.checkBinary("netconvert")).exists():
        pytest.skip("SUMO's netconvert is absent (pip install eclipse-sumo)")
    return scenarios.four_arms(tmp_path_factory.mktemp("four-arms"), SECONDS)


def adaptive(signals: network.Signals) -> Adaptive:
    return Adaptive(signals.junction, signals.approaches, signals.exits, (signals.plan,))


@pytest.fixture(scope="module")
def fixed(four_arms: plant.Scenario) -> plant.Result:
    return plant.run(four_arms, plant.FIXED, SEED)


@pytest.fixture(scope="module")
def ours(four_arms: plant.Scenario) -> tuple[plant.Result, Adaptive]:
    """What came of ours, and its adviser as it was in the end."""
    advisers: list[Adaptive] = []

    def advise(signals: network.Signals) -> Adaptive:
        advisers.append(adaptive(signals))
        return advisers[-1]

    return plant.run(four_arms, plant.OURS, SEED, advise), advisers[0]


def test_the_description_is_what_a_traffic_engineer_would_write(four_arms: plant.Scenario) -> None:
    (signals,) = network.read(four_arms.net)
    junction = signals.junction
    walks = [group for group in junction.groups if group.kind == PEDESTRIAN]
    assert len(walks) == len(signals.buttons) == 4
    assert any(group.yields_to for group in junction.groups)  # permissive lefts
    assert all(approach.advance for approach in signals.approaches)
    assert {loop.name for loop in signals.loops} <= {detector.name for detector in signals.detectors}
    assert min(junction.intergreen.values()) == 10 * (network.YELLOW_S + network.ALL_RED_S)


def test_ours_is_better_than_the_fixed_plan_and_breaks_no_invariant(
    fixed: plant.Result, ours: tuple[plant.Result, Adaptive]
) -> None:
    result, _ = ours
    assert len(result.delays_s) == len(fixed.delays_s) > 200
    assert result.unfinished == result.collisions == 0
    assert not result.violations
    assert set(result.levels) - {"flash"} == {"adaptive"}
    assert mean(result.delays_s) < mean(fixed.delays_s)


def test_dead_and_stuck_detectors_cost_little_and_break_no_invariant(
    four_arms: plant.Scenario, fixed: plant.Result
) -> None:
    broken = plant.run(four_arms, plant.OURS, SEED, adaptive, lambda each: faults.some("mixed", each, SEED, 0.2))
    assert not broken.violations and not broken.unfinished
    assert mean(broken.delays_s) < 1.1 * mean(fixed.delays_s)


@pytest.mark.parametrize("kind", faults.KINDS)
def test_a_fault_is_what_its_name_says(four_arms: plant.Scenario, kind: str) -> None:
    (signals,) = network.read(four_arms.net)
    names = [each.name for each in signals.detectors]
    broken = faults.some(kind, signals, SEED, 0.2)
    assert set(broken) <= set(names) and broken
    assert set(faults.one(kind, signals, SEED)) <= set(names)
    seen = {name: bytes(10) for name in names}
    passing = {name: bytes([1] * 3 + [0] * 7) for name in names}
    other = dict.fromkeys(broken, 0)
    for second in range(2400):
        true = passing if second % 4 == 0 else seen
        for name, read in broken.items():
            samples = read(float(second), true)
            assert len(samples) == 10 and set(samples) <= {0, 1}
            other[name] += samples != true[name]
    if kind == "crossed":  # everybody passes at the same time here
        assert not any(other.values())
    else:
        assert all(other.values())


@pytest.mark.campaign
@pytest.mark.parametrize("kind", faults.KINDS)
def test_no_fault_makes_it_worse_than_the_fixed_plan(kind: str) -> None:
    """A quarter of an hour of one seed; many are the bench's (decision 0147 has what it says)."""
    name, seed = "ingolstadt1", 1
    if name not in scenarios.public_names():
        pytest.skip("../shared/vectors/traffic is not here")
    whole = scenarios.public(name)
    scenario = replace(whole, end_s=whole.begin_s + 900, drains=False)
    fixed = plant.run(scenario, plant.FIXED, seed)
    ours = plant.run(scenario, plant.OURS, seed, adaptive, lambda each: faults.some(kind, each, seed, 0.2))
    assert not ours.violations and not ours.collisions
    assert mean(ours.delays_s) < mean(fixed.delays_s)


def test_a_mad_adviser_only_costs_time(four_arms: plant.Scenario) -> None:
    """It asks for everything at once: the core serves everybody in turn."""
    short = plant.Scenario(four_arms.name, four_arms.net, four_arms.routes, 0, 120)
    result = plant.run(short, plant.OURS, SEED, lambda signals: lambda state, demand: set(range(14)))
    assert not result.violations and not result.collisions
    assert result.longest_red_s <= network.MAX_RED_S


def test_a_loop_counts_every_vehicle(ours: tuple[plant.Result, Adaptive]) -> None:
    """The pulses of ten samples a second tell standing vehicles apart: what came in went out."""
    result, adviser = ours
    # The plant is empty, and the estimate says so, but where nobody came for so long that the loops are doubted.
    left = sum(flow.standing for flow in adviser.estimator.flows if flow.trusted)
    assert left < 2 and len(result.delays_s) > 200
