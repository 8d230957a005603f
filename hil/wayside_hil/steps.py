"""Steps of scenarios that any board can play."""

from typing import Annotated, Literal

from .dut import BoardDut
from .registry import deed, step

_DIP_MV, _DIP_NS = 1500, 20_000_000


def between(least: float, most: float):  # type: ignore[no-untyped-def]
    """A check of a step's value."""

    def check(value: float) -> bool:
        return least <= value <= most

    check.__doc__ = f"{least:g} to {most:g}"
    return check


@step("console")
def console(dut: BoardDut, words: str, within_ns: int) -> None:
    """The board says what this regular expression matches."""
    dut.expect(words, timeout=within_ns / 1e9)


@step("type")
def type_(dut: BoardDut, words: str, within_ns: int) -> None:
    """At the console, with Enter behind it."""
    dut.write(words)


@step("wait_s")
def wait_s(dut: BoardDut, seconds: Annotated[float, between(0.001, 86_400)], within_ns: int) -> None:
    dut.run_for(seconds)


@step("pins")
def pins(dut: BoardDut, levels: dict[str, int], within_ns: int) -> None:
    """These outputs have these levels: { 25 = 1 }."""
    wanted = {int(pin): level for pin, level in levels.items()}.items()
    dut.world.until(lambda: wanted <= dut.pins.levels.items(), f"pins {levels}", within_ns)


@step("contact", wants=("contact",))
def contact(dut: BoardDut, state: Literal["closed", "open"], within_ns: int) -> None:
    """The plant that is called contact, which bounces."""
    dut.plants.contact.set(state == "closed")


@step("supply_mv", wants=("supply",))
def supply_mv(dut: BoardDut, mv: Annotated[int, between(0, 5500)], within_ns: int) -> None:
    """What the board is fed with from now on."""
    dut.plants.supply.go_to(mv)


@step("crystal_ppm", wants=("crystal",))
def crystal_ppm(dut: BoardDut, ppm: Annotated[int, between(-50_000, 50_000)], within_ns: int) -> None:
    """How much too fast the board's crystal is from now on."""
    dut.plants.crystal(ppm)


@deed("start")
def start(dut: BoardDut) -> None:
    """Off and on."""
    dut.start()


@deed("power cut")
def power_cut(dut: BoardDut) -> None:
    """Until "start"."""
    dut.cut_power()


@deed("supply dips", wants=("supply",))
def supply_dips(dut: BoardDut) -> None:
    dut.plants.supply.dip(_DIP_MV, _DIP_NS)
