"""Calls and levels as tables, line by line as a technician would note them at the cabinet.

Each line: for how many ticks of 100 ms, which inputs are closed ("?": the node is not heard), and what is so in each of
these ticks. Times of the example file: yellow 3 s, main_left to main 5 s, side to main 5.5 s, main to side 6 s, red and
yellow 1 s of these.
"""

import pytest
from signals.test_signals_layers import MAIN, SIDE, Run, adaptive_site
from tables import names, play
from wayside.control.signals.chain import Declined
from wayside.control.signals.core import GREEN

INPUTS = ("main", "left", "side", "button", "fire", "bus")


def inputs(column: str) -> bytes | None:
    return None if column == "?" else bytes(name in names(column) for name in INPUTS)


# Who asks, and which road is green. The engine: main, hold 2 s, longest 90 s, pause 30 s. The bus: side, hold 2 s,
# longest 25 s, pause 120 s.
FROM_SIDE = {
    "an engine gets green, and lapses when its button sticks": """
         69    fire        fire-engine    side    # its minimum green
         55    fire        fire-engine    -
        776    fire        fire-engine    main
         60    fire        actuated       -       # 90 s: it lapsed
        119    fire        actuated       side
         55    fire        actuated       -
        266    fire        actuated       main    # not taken again before its detector was free
         39    -           actuated       main
         60    -           actuated       -
         70    -           actuated       side
        131    -           actuated       -
          5    fire        fire-engine    -       # it was, and for a pause
    """,
    "one pulse is a call that stays until its green": """
          1    fire        fire-engine    side
         68    -           fire-engine    side
         55    -           fire-engine    -
         21    -           fire-engine    main    # hold_s, which begins with the green
         49    -           actuated       main
         57    -           actuated       -
          3    fire        fire-engine    -       # no pause, for it did not lapse
    """,
    "a pulse in a pause is served behind it": """
         69    fire        fire-engine    side
         55    fire        fire-engine    -
        776    fire        fire-engine    main
         60    fire        actuated       -
         40    fire        actuated       side
         20    -           actuated       side
          1    fire        actuated       side
         58    -           actuated       side
         55    -           actuated       -
         67    -           actuated       main
         21    -           fire-engine    main    # 300 ticks since it lapsed
         99    -           actuated       main
    """,
    "a bus waits for an engine, and is served behind it": """
          5    bus         bus-12         side
         64    bus,fire    fire-engine    side
         36    bus,fire    fire-engine    -
         19    bus         fire-engine    -
         21    bus         fire-engine    main
         20    bus         bus-12         main
         29    -           bus-12         main    # its own minimum green
         60    -           bus-12         -
         21    -           bus-12         side
         49    -           actuated       side
    """,
}
FROM_REST = {
    "a bus comes early once in a while": """
         60    bus         bus-12         -
        190    bus         bus-12         side
         55    bus         actuated       -       # 25 s
         45    bus         actuated       main
          1    -           actuated       main
         24    bus         actuated       main    # 120 s without it
         60    bus         actuated       -
        225    bus         actuated       side    # the radar is silent here, so the side road is called always
    """,
    "a bus holds over a gap, and the next one waits for no pause": """
          1    bus         bus-12         -
          1    -           bus-12         -
         58    bus         bus-12         -
         72    bus         bus-12         side
         20    -           bus-12         side
         20    -           actuated       -
          2    bus         bus-12         -
    """,
}


def calls(run: Run, table: str) -> None:
    def tick(closed: str) -> tuple[str, ...]:
        run.tick(inputs(closed))
        green = "main" if run.shows(MAIN) == GREEN else "side" if run.shows(SIDE) == GREEN else ""
        return run.decision.by, green

    play(table, 1, tick)
    assert not run.observer.violations


@pytest.mark.parametrize("table", FROM_SIDE.values(), ids=FROM_SIDE)
def test_calls_while_the_side_road_is_green(table: str) -> None:
    run = Run()
    while run.shows(SIDE) != GREEN:
        run.tick(inputs("side"))
    calls(run, table)


@pytest.mark.parametrize("table", FROM_REST.values(), ids=FROM_REST)
def test_calls_while_nobody_waits(table: str) -> None:
    run = Run()
    run.ticks(1000)
    calls(run, table)


def test_a_call_right_after_silence_is_taken_at_once_and_lapses_in_silence_as_any() -> None:
    run = Run()
    run.ticks(300)
    calls(
        run,
        """
          4    ?       day            main
          5    -       day            main
          1    fire    fire-engine    main
        899    ?       fire-engine    main
         11    ?       day            main
        """,
    )


# Inputs, what the adviser answers, the level in force, and its cause.
LEVELS = """
    100    -    side        adaptive    calendar
      1    -    nonsense    actuated    not adaptive: the adviser's answer is no set
     50    -    side        actuated    not adaptive: the adviser's answer is no set
      1    -    fails       actuated    not adaptive: the adviser's answer is no set    # the cause of the fall
    599    -    side        actuated    not adaptive: the adviser's answer is no set    # a minute without complaint
    100    -    side        adaptive    calendar
     10    ?    side        adaptive    calendar    # it is asked, whatever the detectors are worth
      1    ?    declines    plan        not adaptive: nothing is seen; all detectors are in fault
    599    -    side        plan        not adaptive: nothing is seen; all detectors are in fault
    100    -    side        adaptive    calendar
"""


def test_the_level_in_force_falls_at_once_and_climbs_after_a_minute() -> None:
    said = ""

    def adviser(_state: object, _demand: object) -> object:
        if said == "fails":
            raise ZeroDivisionError
        return {"side": {SIDE}, "nonsense": "main", "declines": Declined("nothing is seen")}[said]

    run = Run(adaptive_site(), adviser)

    def tick(closed: str, answer: str) -> tuple[str, ...]:
        nonlocal said
        said = answer
        run.tick(inputs(closed))
        return run.decision.level.name.lower(), run.decision.cause

    play(LEVELS, 2, tick)
    assert not run.observer.violations
