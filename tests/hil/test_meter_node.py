"""The real RP2040_METER image between a modelled SDM630 and a gateway that verifies."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from wayside_wire.pack import BAD, GOOD, SYNCED

from hil.meter_node import MeterNode, configuration

S = 1_000_000_000
CHARACTER_BITS = 10


@pytest.fixture
def node(image: Path) -> Iterator[MeterNode]:
    with MeterNode(image) as node:
        node.provision(configuration())
        yield node


def test_from_a_bare_board_to_the_first_verified_pack(node: MeterNode) -> None:
    node.start()
    node.packs(5)
    node.gateway.check_chain()
    assert node.gateway.hellos[0].board == "RP2040_METER"
    pack = list(node.gateway.packs.values())[-1].pack
    assert pack.time_quality == SYNCED
    readings = {reading.channel: reading for reading in pack.readings}
    assert {"voltage_l1", "voltage_l1.mean", "power_active.max", "energy_active_import.diff"} <= set(readings)
    assert all(reading.quality == GOOD for reading in pack.readings)
    volts = readings["voltage_l1"].mantissa * 10 ** readings["voltage_l1"].exponent
    assert volts == pytest.approx(node.meter.phases[0].voltage_mv / 1000, rel=0.02)
    kwh = readings["energy_active_import"].mantissa * 10 ** readings["energy_active_import"].exponent / 3_600_000
    assert kwh == pytest.approx(sum(node.meter.import_mws) / 3_600_000_000, rel=1e-6)


def test_the_driver_is_released_within_one_character(node: MeterNode) -> None:
    node.start()
    node.packs(5)
    line = node.line
    assert len(line.releases) >= 10
    assert min(line.releases) >= 0 and max(line.releases) < CHARACTER_BITS
    assert line.cut == line.unheard == line.collisions == 0
    assert len(line.answers) >= len(line.requests) - 1


def test_a_dead_meter_is_bad_and_comes_back(node: MeterNode) -> None:
    node.start()
    node.packs(2)
    node.line.mute = True

    def last() -> list:
        return list(node.gateway.packs.values())[-1].pack.readings

    node.world.until(lambda: all(r.quality == BAD and r.mantissa is None for r in last()), "bad readings")
    node.line.mute = False
    node.world.until(lambda: all(r.quality == GOOD for r in last()), "good readings again")
    node.gateway.check_chain()
