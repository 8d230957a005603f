"""Steps of scenarios that a Wayside node plays.

[[step]]
provision = { report_ms = 500 }   the node's configuration, with these changes; also `do = "provision"`
[[step]]
packs = 3                so many more reach the gateway
[[step]]
readings = "bad"         the newest pack has only such
[[step]]
values = { presence = 1 }   the newest pack's last ones of these channels
[[step]]
late_ms = 1500           the newest pack's last reading was at most so old at the gateway, and not of the future
[[step]]
chain = "whole"          every pack that came names the one before, none is missing
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from wayside_wire.pack import BAD, GOOD

from ..registry import deed, step
from ..steps import between
from .dut import NodeDut


@step("provision")
def provision(dut: NodeDut, changes: dict[str, Any], within_ns: int) -> None:
    dut.provision(**changes)


@deed("provision")
def provision_as_ever(dut: NodeDut) -> None:
    dut.provision()


@step("packs", wants=("gateway",))
def packs(dut: NodeDut, count: Annotated[int, between(1, 100_000)], within_ns: int) -> None:
    gateway = dut.plants.gateway
    wanted = len(gateway.packs) + count
    dut.world.until(lambda: len(gateway.packs) >= wanted, f"{count} more packs", within_ns)


@step("readings", wants=("gateway",))
def readings(dut: NodeDut, quality: Literal["good", "bad"], within_ns: int) -> None:
    wanted = {GOOD if quality == "good" else BAD}
    dut.world.until(lambda: {each.quality for each in _newest(dut)} == wanted, quality, within_ns)


@step("values", wants=("gateway",))
def values(dut: NodeDut, wanted: dict[str, int], within_ns: int) -> None:
    def last() -> dict[str, int | None]:
        return {each.channel: each.mantissa for each in sorted(_newest(dut), key=lambda each: each.time_ms)}

    dut.world.until(lambda: wanted.items() <= last().items(), str(wanted), within_ns)


@step("late_ms", wants=("gateway",))
def late_ms(dut: NodeDut, most: Annotated[int, between(1, 86_400_000)], within_ns: int) -> None:
    gateway = dut.plants.gateway
    arrived = gateway.packs[next(reversed(gateway.packs))]
    late = gateway.utc_ms(arrived.start) - max(each.time_ms for each in arrived.pack.readings)
    assert 0 <= late <= most, f"the last reading is {late} ms old at the gateway"


@step("chain", wants=("gateway",))
def chain(dut: NodeDut, state: Literal["whole"], within_ns: int) -> None:
    dut.plants.gateway.check_chain()


def _newest(dut: NodeDut) -> list[Any]:
    """Readings of the newest pack."""
    arrived = dut.plants.gateway.packs
    return list(arrived[next(reversed(arrived))].pack.readings) if arrived else []


def _set(plant: str, name: str, value: bool) -> Callable[[NodeDut], None]:
    def run(dut: NodeDut) -> None:
        setattr(getattr(dut.plants, plant), name, value)

    return run


for _words, _plant, _name, _value in (
    ("meter dies", "line", "mute", True),
    ("meter returns", "line", "mute", False),
    ("gateway dies", "gateway", "deaf", True),
    ("gateway returns", "gateway", "deaf", False),
    ("second master comes", "second_master", "present", True),
    ("second master goes", "second_master", "present", False),
    ("air gets bad", "weather", "bad", True),
    ("air gets good", "weather", "bad", False),
):
    deed(_words, wants=(_plant,))(_set(_plant, _name, _value))
