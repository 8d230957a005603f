"""Scenarios as files: what happens to a node and its surroundings, and what has to come of it. TOML, one step a table.

    [[step]]
    do = "meter dies"        one of the deeds below
    [[step]]
    wait_s = 5               let time pass
    [[step]]
    packs = 3                so many more reach the gateway
    [[step]]
    readings = "bad"         the newest pack has only such
    [[step]]
    values = { presence = 1 }   the newest pack's last ones of these channels
    [[step]]
    late_ms = 1500           the newest pack's last reading was at most so old at the gateway, and not of the future
    [[step]]
    console = "boot 2"       the node says so
    [[step]]
    chain = "whole"          every pack that came names the one before, none is missing

    [[step]]
    supply_mv = 1500         what the board is fed with from now on
    [[step]]
    crystal_ppm = 200        how much too fast the board's crystal is from now on
    [[step]]
    contact = "closed"       or "open": the first of the board's contacts, which bounces

A tier that has not the plant of a step cannot play the scenario: lacking() says what it wants.
A step may say `within_s`; without it 60 seconds are the limit. They are the tier's seconds.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from wayside import toml_file
from wayside.table import Table
from wayside_wire.pack import BAD, GOOD

from .dut import NodeDut


class ScenarioError(Exception):
    """A file that is no scenario."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))


Deed = Literal[
    "provision", "start", "power cut", "meter dies", "meter returns", "gateway dies", "gateway returns",
    "second master comes", "second master goes", "supply dips", "air gets bad", "air gets good",
]  # fmt: skip


class Step(Table):
    do: Deed = Field(default=None)  # type: ignore[assignment]
    wait_s: float | int | None = Field(None, gt=0, le=86_400)
    packs: int | None = Field(None, ge=1)
    readings: Literal["good", "bad"] | None = None
    values: dict[str, int] | None = None
    late_ms: int | None = Field(None, ge=1)
    supply_mv: int | None = Field(None, ge=0, le=5500)
    crystal_ppm: int | None = Field(None, ge=-50_000, le=50_000)
    contact: Literal["closed", "open"] | None = None
    console: str | None = None
    chain: Literal["whole"] | None = None
    within_s: int = Field(60, ge=1, le=86_400)

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Step":
        said = self.model_fields_set - {"within_s"}
        if len(said) != 1:
            names = ", ".join(name for name in type(self).model_fields if name != "within_s")
            raise ValueError(f"a step says one of {names}")
        return self


class Scenario(Table):
    title: str
    step: list[Step] = Field(min_length=1)


def load(path: Path) -> Scenario:
    scenario, _ = toml_file.load(path, Scenario, "a scenario", ScenarioError)
    return scenario


def lacking(scenario: Scenario, dut: NodeDut) -> list[str]:
    """The plants that a scenario wants and this tier has not."""
    wanted = {_PLANTS[step.do] for step in scenario.step if step.do in _PLANTS}
    wanted |= {_PLANTS[name] for step in scenario.step for name in step.model_fields_set if name in _PLANTS}
    return sorted(plant for plant in wanted if not hasattr(dut.node, plant))


def play(scenario: Scenario, dut: NodeDut) -> None:
    """Do every step; AssertionError or pexpect's TIMEOUT says which did not come true."""
    for number, step in enumerate(scenario.step, 1):
        _play(step, f"{scenario.title}, step {number}", dut)


def _play(step: Step, where: str, dut: NodeDut) -> None:
    world, gateway, patience_ns = dut.node.world, dut.node.gateway, step.within_s * 1_000_000_000
    if step.do:
        _DEEDS[step.do](dut)
    elif step.wait_s:
        world.run_for(int(step.wait_s * 1e9))
    elif step.packs:
        wanted = len(gateway.packs) + step.packs
        world.until(lambda: len(gateway.packs) >= wanted, f"{where}: {step.packs} more packs", patience_ns)
    elif step.supply_mv is not None:
        dut.node.supply.go_to(step.supply_mv)
    elif step.crystal_ppm is not None:
        dut.node.crystal(step.crystal_ppm)
    elif step.contact:
        dut.node.contact.set(step.contact == "closed")
    elif step.values:
        wanted_values = step.values.items()
        world.until(lambda: wanted_values <= _last_values(dut).items(), f"{where}: {step.values}", patience_ns)
    elif step.late_ms is not None:
        arrived = gateway.packs[next(reversed(gateway.packs))]
        late_ms = gateway.utc_ms(arrived.start) - max(each.time_ms for each in arrived.pack.readings)
        assert 0 <= late_ms <= step.late_ms, f"{where}: the last reading is {late_ms} ms old at the gateway"
    elif step.readings:
        quality = GOOD if step.readings == "good" else BAD
        world.until(lambda: _newest(dut) == {quality}, f"{where}: {step.readings}", patience_ns)
    elif step.console:
        dut.expect(step.console, timeout=step.within_s)
    else:
        gateway.check_chain()


def _newest(dut: NodeDut) -> set[int]:
    packs = dut.node.gateway.packs
    if not packs:
        return set()
    return {reading.quality for reading in packs[next(reversed(packs))].pack.readings}


def _last_values(dut: NodeDut) -> dict[str, int | None]:
    packs = dut.node.gateway.packs
    readings = packs[next(reversed(packs))].pack.readings if packs else []
    return {each.channel: each.mantissa for each in sorted(readings, key=lambda each: each.time_ms)}


def _set(what: str, name: str, value: bool) -> Callable[[NodeDut], None]:
    def deed(dut: NodeDut) -> None:
        setattr(getattr(dut.node, what), name, value)

    return deed


_DIP_MV, _DIP_NS = 1500, 20_000_000

_DEEDS: dict[str, Callable[[NodeDut], Any]] = {
    "provision": lambda dut: dut.provision(),
    "start": lambda dut: dut.node.start(),
    "power cut": lambda dut: dut.node.cut_power(),
    "meter dies": _set("line", "mute", True),
    "meter returns": _set("line", "mute", False),
    "gateway dies": _set("gateway", "deaf", True),
    "gateway returns": _set("gateway", "deaf", False),
    "second master comes": _set("second_master", "present", True),
    "second master goes": _set("second_master", "present", False),
    "supply dips": lambda dut: dut.node.supply.dip(_DIP_MV, _DIP_NS),
    "air gets bad": _set("weather", "bad", True),
    "air gets good": _set("weather", "bad", False),
}

# What of a node's surroundings a deed or a step is about, where not every tier has it.
_PLANTS = {
    "meter dies": "line",
    "meter returns": "line",
    "second master comes": "second_master",
    "second master goes": "second_master",
    "supply dips": "supply",
    "supply_mv": "supply",
    "crystal_ppm": "crystal",
    "contact": "contact",
    "air gets bad": "weather",
    "air gets good": "weather",
}
