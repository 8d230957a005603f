"""A parking space through a whole day: the sun turns the field, cars come and go, and none is missed or invented.

The field: at 8 gauss, 3000 counts to a gauss (QMC5883L datasheet, section 2), the earth's is about 1500 counts. The
chip's sensitivity changes by 0.05 % per degree: 30 counts for the 40 degrees between night and noon. What iron and
street add as they warm up differs from place to place.
"""

import math
from random import Random

import pytest
from wayside_node.sensors.qmc5883l import Parking

EVERY_S = (
    1  # one sample in five of those that the driver takes: the base line follows more slowly, and has a harder day
)
DAY_S = 86400
FREE = (900, -400, 1100)
NOISE = 12
ENTER, LEAVE, STILL = 300, 180, 5


def field(time_s: int, drift: int) -> list[float]:
    """Of the free space: coldest at five, and a cloud now and then."""
    warmth = 0.5 - 0.5 * math.cos(2 * math.pi * (time_s - 5 * 3600) / DAY_S)
    cloud = 0.05 * math.sin(2 * math.pi * time_s / 1700)
    turn = drift * (warmth + cloud)
    return [FREE[0] + turn, FREE[1] - 0.6 * turn, FREE[2] + 0.3 * turn]


def stays(random: Random, longest_s: int) -> list[tuple[int, int, tuple[float, ...]]]:
    """(from, to, what the car does to the field) of a day's cars: never two within two minutes."""
    found = []
    at = random.randrange(600)
    while at < DAY_S:
        end = at + random.choice((60, 600, longest_s // 4, longest_s))
        strength = random.uniform(1.3 * ENTER + 60, 2500)
        direction = [random.gauss(0, 1) for _ in range(3)]
        length = math.hypot(*direction)
        found.append((at, end, tuple(strength * axis / length for axis in direction)))
        at = end + random.randrange(120, 7200)
    return found


def judged(seed: int, drift: int, longest_s: int) -> tuple[int, int, int]:
    """(samples that told the wrong state outside of the changes, cars, arrivals told) of a day."""
    random = Random(seed)
    space = Parking(ENTER, LEAVE, STILL)
    space.learn([round(axis) for axis in field(0, drift)])
    coming = stays(random, longest_s)
    cars = wrong = arrivals = 0
    was, changed_s = False, -DAY_S
    for time_s in range(0, DAY_S, EVERY_S):
        if coming and time_s >= coming[0][1]:
            coming.pop(0)
        here = bool(coming) and coming[0][0] <= time_s
        if here != was:
            was, changed_s = here, time_s
            cars += here
        bent = coming[0][2] if here else (0.0, 0.0, 0.0)
        sample = [round(a + b + random.gauss(0, NOISE)) for a, b in zip(field(time_s, drift), bent, strict=True)]
        before = space.state
        space.take(sample)
        arrivals += space.state is True and before is False
        wrong += space.state != here and time_s - changed_s > EVERY_S * STILL
    return wrong, cars, arrivals


@pytest.mark.parametrize("seed", range(3))
def test_a_day_of_sun_and_cars(seed: int) -> None:
    # 100 counts: three times what the chip itself does.
    wrong, cars, arrivals = judged(seed, 100, 6 * 3600)
    assert cars > 5 and (wrong, arrivals) == (0, cars)


@pytest.mark.parametrize("seed", range(2))
def test_far_more_drift_than_the_threshold_while_no_car_stays_long(seed: int) -> None:
    # 900 counts are three thresholds: only a base line that follows tells them from a car.
    wrong, cars, arrivals = judged(seed, 900, 1200)
    assert cars > 5 and (wrong, arrivals) == (0, cars)


def test_without_following_the_sun_is_a_car() -> None:
    """What the compensation is for: the same day, and a base line that stands still."""
    space = Parking(ENTER, LEAVE, STILL)
    space.learn([round(axis) for axis in field(0, 900)])
    base = space.base
    states = set()
    for time_s in range(0, DAY_S, 60):
        space.base = list(base)
        space.take([round(axis) for axis in field(time_s, 900)])
        states.add(space.state)
    assert True in states
