"""Energy flows: exact, and never more than is known."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from wayside.web.flows import flows
from wayside.web.table import FlowTable

GRID = FlowTable(kind="grid", device="grid")
SOLAR = FlowTable(kind="solar", device="roof")
BACKWARDS = FlowTable(kind="charger", device="car", channel="power", reversed=True)


def reading(value: str | None, channel: str = "power_active", **more: Any) -> list[dict[str, Any]]:
    told = {"channel": channel, "value": value, "unit": "W", "quality": "good", "reason": "", "age_s": 1.0}
    return [told | more]


def test_nothing_is_shown_where_nothing_is_asked_for():
    assert flows([], {"grid": reading("1")}) is None


def test_the_rest_is_what_the_grid_and_the_roof_deliver_less_what_is_drawn():
    told = flows(
        [GRID, SOLAR, BACKWARDS],
        {"grid": reading("100.5"), "roof": reading("-2000.25"), "car": reading("-1500", "power")},
    )
    assert told is not None and [part["watts"] for part in told["parts"]] == ["100.5", "-2000.25", "1500"]
    assert told["rest"] == {"watts": "600.75", "why": ""}


def test_what_is_not_known_is_said_and_then_the_rest_is_not_known():
    for readings, why in (
        ([], "nothing heard yet"),
        (reading(None, quality="bad", reason="timeout"), "timeout"),
        (reading("5", quality="bad", reason="out of range"), "out of range"),
        (reading("5", unit="kW"), "power_active is in kW, not in W"),
        (reading("5", age_s=61.0), "last heard 61 s ago"),
        (reading("5", channel="voltage_l1"), "nothing heard yet"),
    ):
        told = flows([GRID, SOLAR], {"grid": reading("100"), "roof": readings})
        assert told is not None and told["parts"][1] == {"kind": "solar", "device": "roof", "watts": None, "why": why}
        assert told["rest"] == {"watts": None, "why": "not known: roof"}
    told = flows([SOLAR], {"roof": reading("-5")})
    assert told is not None and told["rest"] == {"watts": None, "why": "no device of kind grid"}


@given(st.lists(st.decimals(-(10**6), 10**6, places=3), min_size=1, max_size=6))
def test_all_of_it_adds_up_exactly(watts: list[Decimal]):
    names = [f"d{number}" for number in range(len(watts))]
    wanted = [FlowTable(kind="load", device=name) for name in names] + [GRID]
    devices = {name: reading(format(value, "f")) for name, value in zip(names, watts, strict=True)}
    told = flows(wanted, devices | {"grid": reading("0.001")})
    assert told is not None and Decimal(told["rest"]["watts"]) + sum(watts) == Decimal("0.001")
