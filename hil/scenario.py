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
    console = "boot 2"       the node says so
    [[step]]
    chain = "whole"          every pack that came names the one before, none is missing

A step may say `within_s`; without it 60 seconds are the limit. They are the tier's seconds.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from wayside import toml_file
from wayside_wire.pack import BAD, GOOD

from .dut import NodeDut


class ScenarioError(Exception):
    """A file that is no scenario."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    do: Literal["provision", "start", "power cut", "meter dies", "meter returns", "gateway dies", "gateway returns"] = (
        Field(default=None)  # type: ignore[assignment]
    )
    wait_s: float | int | None = Field(None, gt=0, le=86_400)
    packs: int | None = Field(None, ge=1)
    readings: Literal["good", "bad"] | None = None
    console: str | None = None
    chain: Literal["whole"] | None = None
    within_s: int = Field(60, ge=1, le=86_400)

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Step":
        said = [self.do, self.wait_s, self.packs, self.readings, self.console, self.chain]
        if sum(each is not None for each in said) != 1:
            raise ValueError("a step says one of do, wait_s, packs, readings, console and chain")
        return self


class Scenario(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: str
    step: list[Step] = Field(min_length=1)


def load(path: Path) -> Scenario:
    scenario, _ = toml_file.load(path, Scenario, "a scenario", ScenarioError)
    return scenario


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


def _set(what: str, name: str, value: bool) -> Callable[[NodeDut], None]:
    def deed(dut: NodeDut) -> None:
        setattr(getattr(dut.node, what), name, value)

    return deed


_DEEDS: dict[str, Callable[[NodeDut], Any]] = {
    "provision": lambda dut: dut.provision(),
    "start": lambda dut: dut.node.start(),
    "power cut": lambda dut: dut.node.cut_power(),
    "meter dies": _set("line", "mute", True),
    "meter returns": _set("line", "mute", False),
    "gateway dies": _set("gateway", "deaf", True),
    "gateway returns": _set("gateway", "deaf", False),
}
