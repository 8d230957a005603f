"""What each controller does, cycle by cycle, as tables: for how many seconds which value, and what it asks for then.

"?": the value is not known; "-": it asks for nothing. One line of remark says where in the field the case comes from.
"""

from pathlib import Path

import pytest
from control.controllers import bench, example, known
from tables import play

SURPLUS = {"unit": "W", "on_above": 2000, "off_below": 300}
HEATING = {"unit": "Cel", "on_below": 19.5, "off_above": 21}
THRESHOLD = {
    "on above, off below, and as it is between": (
        SURPLUS,
        """
          9    -500    0
          9    1000    0    # between: as at the start, off
          1    2000    0    # exactly at the value it has not passed it
          9    2001    1
          9    1000    1
          9    300     1
          9    299     0
          9    1000    0
        """,
    ),
    "on below, off above": (
        HEATING,
        """
          9    20      0
          9    19.5    0
          9    19.4    1
          9    21.0    1
          9    21.1    0
          9    20.0    0
        """,
    ),
    "zero is a value like any other": (
        {"unit": "W", "on_above": 0, "off_below": -100},
        """
          1    0       0
          1    1       1
          1    -100    1
          1    -101    0
        """,
    ),
    "it stays on and off for a while at least, off also after the start": (
        SURPLUS | {"min_on_s": 60, "min_off_s": 300},
        """
        300    5000    0    # a gateway that starts again and again must not start a compressor as often
         60    5000    1
          1    0       0
        299    5000    0
          1    5000    1
         30    5000    1
         29    0       1
          1    0       0
        """,
    ),
    "what passes and comes back within that time is forgotten": (
        SURPLUS | {"min_on_s": 60},
        """
         10    2001    1
         30    0       1
         60    1000    1
          1    0       0
        """,
    ),
    "a spike does not switch it on, a cloud does not switch it off": (
        SURPLUS | {"on_after_s": 30, "off_after_s": 60, "min_on_s": 10},
        """
         29    5000    0
          1    1000    0
         30    5000    0
          1    5000    1
         59    0       1
          1    1000    1    # one break, and the time begins anew
         30    0       1
          5    ?       1    # to be away for a moment is none, and does not count
         31    0       1
          1    0       0
        """,
    ),
    "a value that is away for a moment changes nothing, one that stays away ends the request": (
        SURPLUS,
        """
         10    5000    1
         10    ?       1    # one poll without an answer, which is usual on RS-485
         10    5000    1
         10    ?       1
         99    ?       -    # a heater that stays on because its sensor is gone is the worst that is reported
          5    1000    0    # between the values: it begins anew, off
          5    5000    1
        """,
    ),
    "a value that was never there asks for nothing": (
        SURPLUS,
        """
        999    ?       -
          1    5000    1
        """,
    ),
    "what nobody has seen does not count": (
        SURPLUS | {"on_after_s": 600, "patience_s": 900},
        """
          1    100     0
          1    3000    0
        598    ?       0
        599    3000    0
          1    3000    0
          1    3000    1
        """,
    ),
    "after it asked for nothing it is off for a while: its fail-safe value may have been on": (
        SURPLUS | {"min_off_s": 60, "patience_s": 5},
        """
         60    5000    0
          9    5000    1
          5    ?       1
         90    ?       -
         59    5000    0
          9    5000    1
          1    0       0
         99    100     0
          5    ?       0
         15    ?       -
         59    5000    0
          1    5000    1
        """,
    ),
    "a safe value is stated, and is at once": (
        HEATING | {"unknown": "off", "patience_s": 0, "min_on_s": 600},
        """
          9    10      1
          9    ?       0
          9    10      1
        """,
    ),
    "the safe value is on, as of a pump that drains a cellar": (
        {"unit": "m", "on_above": 0.5, "off_below": 0.2, "unknown": "on", "patience_s": 2},
        """
          9    0.1     0
          2    ?       0
          9    ?       1
          9    0.3     1
          9    0.1     0
        """,
    ),
}
STAGES = {"unit": "Cel", "stages": [[30, 40], [35, 70], [40, 100]], "back": 2}


@pytest.mark.parametrize("case", THRESHOLD)
def test_threshold(case: str) -> None:
    options, table = THRESHOLD[case]
    load = bench("threshold", **options)

    def cycle(value: str) -> tuple[str, ...]:
        number = load.step({"value": known(value, str(options["unit"]))})["load"].number
        return ("" if number is None else f"{number}",)

    play(table, 1, cycle)


def test_a_value_in_another_unit_is_not_known() -> None:
    load = bench("threshold", **SURPLUS)
    asked = load.step({"value": known("5000", "kW")})["load"]
    assert asked == (None, "the value is not known: its unit is kW")


def test_stages(tmp_path: Path) -> None:
    with example("stages", tmp_path):
        fan = bench("stages", **STAGES)

        def cycle(value: str) -> tuple[str, ...]:
            number = fan.step({"value": known(value, "Cel")})["drive"].number
            return ("" if number is None else f"{number}",)

        play(
            """
            5    20      0
            5    30      40
            5    28      40    # back = 2
            5    27.9    0
            1    41      100   # at once
            5    38      100
            1    37.9    70
            1    ?       -
            5    29      0     # it begins anew
            """,
            1,
            cycle,
        )
