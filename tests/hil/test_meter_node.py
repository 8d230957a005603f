"""The real RP2040_METER image between a modelled SDM630 and a gateway that verifies."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from wayside.evidence.ed25519 import verifies
from wayside_hil.emulator import Reset
from wayside_hil.wayside.meter_node import MeterNode, configuration
from wayside_wire import cbor, command, selftest
from wayside_wire.pack import BAD, GOOD, SYNCED, key_id

S = 1_000_000_000
CHARACTER_BITS = 10


@pytest.fixture
def node(image: Path) -> Iterator[MeterNode]:
    with MeterNode(image) as node:
        node.provision(configuration())
        yield node


@pytest.fixture(scope="module")
def five_packs(image: Path) -> Iterator[MeterNode]:
    """Configured at its prompt, started, five packs later."""
    with MeterNode(image) as node:
        node.provision(configuration())
        node.start()
        node.packs(5)
        yield node


def test_from_a_bare_board_to_the_first_verified_pack(five_packs: MeterNode) -> None:
    node = five_packs
    node.gateway.check_chain()
    assert node.gateway.abouts[0].board == "RP2040_METER"
    pack = list(node.gateway.packs.values())[-1].pack
    assert pack.time_quality == SYNCED
    readings = {reading.channel: reading for reading in pack.readings}
    assert {"voltage_l1", "voltage_l1.mean", "power_active.max", "energy_active_import.diff"} <= set(readings)
    assert all(reading.quality == GOOD for reading in pack.readings)
    volts = readings["voltage_l1"].mantissa * 10 ** readings["voltage_l1"].exponent
    assert volts == pytest.approx(node.meter.phases[0].voltage_mv / 1000, rel=0.02)
    kwh = readings["energy_active_import"].mantissa * 10 ** readings["energy_active_import"].exponent / 3_600_000
    assert kwh == pytest.approx(sum(node.meter.import_mws) / 3_600_000_000, rel=1e-6)


def test_the_driver_is_released_within_one_character(five_packs: MeterNode) -> None:
    line = five_packs.line
    assert len(line.releases) >= 10
    assert min(line.releases) >= 0 and max(line.releases) < CHARACTER_BITS
    assert line.cut == line.unheard == line.collisions == 0
    assert len(line.answers) >= len(line.requests) - 1


@pytest.mark.campaign
def test_the_driver_is_released_while_packs_are_sent_again(node: MeterNode) -> None:
    node.start()
    node.packs(1)
    node.gateway.deaf = True
    node.world.run_for(8 * S)
    node.gateway.deaf = False
    node.packs(8)
    assert node.line.collisions == node.line.cut == 0
    assert max(node.line.releases) < CHARACTER_BITS
    assert all(reading.quality == GOOD for each in node.gateway.packs.values() for reading in each.pack.readings)
    node.gateway.check_chain()


# `make test` plays the same as a scenario (meter-dead-and-back).
@pytest.mark.campaign
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


def test_the_prompt_stays_for_a_technician_and_the_node_comes_back(image: Path) -> None:
    with MeterNode(image) as node:
        node.provision(configuration(watchdog_ms=2000))
        node.start()
        node.packs(1)
        node.repl.send(b"\x03")
        node.repl.wait(b">>> ")
        before = len(node.world.events)
        node.world.run_for(10 * S)
        assert not any(isinstance(event, Reset) for event in node.world.events[before:])
        # A soft reset begins that care anew, and leaves no moment without the watchdog.
        node.repl.enter()
        node.repl.send(b"\x04")
        node.world.run_for(10 * S)
        assert not any(isinstance(event, Reset) for event in node.world.events[before:])
        node.repl.restart()
        node.world.until(lambda: any(boot == 2 for boot, _ in node.gateway.packs), "a pack of the next boot")
        node.gateway.check_chain()


def test_the_gateway_commands_the_board(image: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes_raw()
    with MeterNode(image) as node:
        node.provision(configuration(gateway=public.hex()))
        node.start()
        node.packs(1)
        answers = []
        for number, verb in enumerate((command.INFO, command.SELFTEST, command.REBOOT), 1):
            wanted = command.Command(key_id(node.gateway.public), number, verb, [])
            raw = command.sign_command(wanted, key_id(public), key.sign)
            answers.append(node.command(raw, number))
        info, report, reboot = answers
        assert cbor.decode(info.data)[1] == "RP2040_METER"
        found, kid = selftest.open_report(
            cbor.decode(report.data), lambda _kid, signed, signature: verifies(node.gateway.public, signed, signature)
        )
        assert kid == key_id(node.gateway.public)
        assert all(check.good for check in found.checks), found.checks
        assert reboot.status == command.OK
        # Whatever else the node does meanwhile, signatures verified among it: no meter answers into its driver.
        assert node.line.collisions == node.line.cut == 0
        assert max(node.line.releases) < CHARACTER_BITS
        node.world.until(lambda: any(boot == 2 for boot, _ in node.gateway.packs), "a pack of the next boot")
