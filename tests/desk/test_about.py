"""What an actuator says about itself, and how people come to it."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
from desk.test_controlled import Site
from modbus.virtual import Clock, run
from wayside.control.desk.about import ControlledAbout
from wayside.daemon.desk import Desk
from wayside.parts.about import Family
from wayside.values.carrier import RELEASED, Controllable


def test_what_it_says(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        about = ControlledAbout(site.desk, Clock().monotonic)
        assert list(about.lines())
        async with site.running():
            assert list(about.problems()) == []
            site.desk.ask("operator anna", "-3000", 900, 8)
            site.desk.ask("planner", "1000", 900, 12)
            await asyncio.sleep(1)
            anna = "operator anna: -3000 W for 15 min, priority 8"
            assert list(about.lines()) == [
                f"desk   battery power_limit is to have -3000 W ({anna}); reads so",
                f"desk   battery power_limit: {anna}",
                "desk   battery power_limit: planner: 1000 W for 15 min, priority 12",
            ]
            status = about.status()
            assert (status["wanted"], status["has"], status["step"]) == ("-3000", "-3000", "10")
            site.battery.dead = True
            await asyncio.sleep(120)
            (problem,) = about.problems()
            assert problem.level == "bad" and problem.text.startswith("battery power_limit is to have -3000 W")
            assert {family.name for family in about.metrics()} >= {"wayside_actuator_wanted", "wayside_actuator_has"}

    run(main)


def test_what_is_left_to_the_device_is_no_number_in_the_metrics(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        site.desk.hold.want(RELEASED, 0.0)
        site.desk.hold.shown = RELEASED
        values = {family.name: [value for _, value in family.samples] for family in metrics_of(site)}
        assert values["wayside_actuator_wanted"] == values["wayside_actuator_has"] == [None]

    run(main)


def metrics_of(site: Site) -> Iterable[Family]:
    return ControlledAbout(site.desk, Clock().monotonic).metrics()


def test_who_comes_to_the_desk(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        desk = Desk(lambda: [site.desk])
        ask = {"do": "ask", "target": "battery power_limit", "value": "-1500", "seconds": 60}
        async with site.running():
            assert desk.answer(ask, "operator anna")["text"] == "request 1: -1500 W for 60 s"
            weaker = ask | {"value": "2000.0", "priority": 12}
            told = desk.answer(weaker, "planner")["text"]
            assert told == "request 2: 2000 W for 60 s; it waits: operator anna has priority 8"
            await asyncio.sleep(1)
            assert site.battery.limit == -150
            assert (
                "withdrawn" in desk.answer({"do": "withdraw", "target": "battery power_limit"}, "operator anna")["text"]
            )
            await asyncio.sleep(1)
            assert site.battery.limit == 200

    run(main)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"target": "batery power_limit"}, "did you mean"),
        ({"value": "1505"}, "multiple of 10"),
        ({"value": "lots"}, "no decimal number"),
        ({"value": "NaN"}, "no decimal number"),
        *(
            ({"value": text}, "no decimal number")
            for text in ("1_5_0", "١٥٠", "１５０", "150\n", " 150", "", "1e9999999")
        ),
        ({"value": "1e999999"}, "no number"),
        ({"value": "1e-999999"}, "no number"),
        ({"value": "0.1e31"}, "no number|outside"),
        ({"value": "5010"}, "5010 W is outside what it may have, -5000 W to 5000 W"),
        ({"value": 1500}, "value"),
        ({"seconds": "soon"}, "seconds"),
        ({"seconds": -1}, "more than 0"),
        ({"priority": 0}, "priority"),
        ({"more": 1}, "more"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, change: dict[str, object], text: str) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        asked = {"do": "ask", "target": "battery power_limit", "value": "-1500", "seconds": 60} | change
        with pytest.raises(ValueError, match=text):
            Desk(lambda: [site.desk]).answer(asked, "operator anna")
        assert site.desk.requests.standing() == []

    run(main)


def test_a_decimal_is_counted_exactly() -> None:
    def counts(text: str, exponent: int) -> int:
        return Controllable("", exponent, -1000, 1000).counts(text)

    assert counts("0.3", -1) == 3
    assert counts("-1500", 1) == -150
    assert counts("1.5e3", 2) == 15
    assert counts("0", 3) == 0
