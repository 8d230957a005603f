"""Our radio roles on micropython-lib's SX126x driver over a modelled SX1262. Run in the VM by test_lora_driver.py."""

import driver_bench
from driver_bench import EU, Bench, sx1262, sx1276
from driver_machine import now_ns
from test_node_radio import KEY, PROFILE
from wayside_hil.lora.air import Air
from wayside_node.radio_config import RadioSettings
from wayside_wire import WireError, lora
from wayside_wire import lora_link as messages

_OLD_MASK = 0x0203  # RX_DONE, TX_DONE, TIMEOUT: CRC_ERR is missing


def test_settings_and_airtime():
    driver_bench.check_airtime(sx1262)
    for sf, bw_hz in ((7, 125000), (12, 125000), (10, 500000)):
        chip, driver = sx1262(Air(), RadioSettings("EU868", 869525, sf, bw_hz))
        driver.prepare_send(bytes(20))
        settings = chip._read_settings(True)
        assert (settings.sf, settings.bw_hz, settings.coding_rate, settings.preamble) == (sf, bw_hz, 5, 8)
        assert abs(settings.hz - 869525000) < 100 and settings.sync == 0x12 and settings.explicit
        assert chip._packet[3] == 1, "the CRC is on"
        assert not chip.faults


def test_both_roles_on_the_driver():
    driver_bench.check_both_ways(Bench("both62", sx1262, sx1262))


def test_an_sx1276_and_an_sx1262_understand_each_other():
    driver_bench.check_both_ways(Bench("mixed", sx1276, sx1262))
    driver_bench.check_both_ways(Bench("mixed", sx1262, sx1276))


def test_the_driver_before_may_2026_calls_damaged_packets_good():
    """It left the CRC error out of the chip's interrupt mask, so that it never heard of one. What it hands out fails at
    the frame's tag."""
    bench = Bench("old", sx1262, sx1262)
    bench.board._cmd(">BHHHH", 0x08, _OLD_MASK, _OLD_MASK, 0, 0)
    session = lora.LoraSession(KEY, PROFILE.digest)
    good = [session.seal(lora.Header(lora.REPORT, False, 1, 2, number), b"x" * 20) for number in range(3)]

    async def main():
        for number in range(3):
            bench.spoilt[:] = [1] if number == 1 else []
            assert await bench.sender.send(good[number]) == messages.DONE
            [heard] = await bench.heard(1)
            assert (heard.raw == good[number]) == (number != 1)
            try:
                session.open(heard.raw)
            except WireError:
                assert number == 1
                continue
            assert number != 1, "a damaged packet got through"
        assert bench.board.crc_errors == 0 and "damaged" not in bench.bridge.counts, "the defect"

    bench.run(main)


def test_a_node_changes_its_spreading_factor():
    bench = Bench("retuned", sx1262, sx1276)

    async def main():
        bench.sender.tune(9)
        assert await bench.sender.send(b"nobody") == messages.DONE
        bench.sender.tune(7)
        assert await bench.sender.send(b"back") == messages.DONE
        assert [each.raw for each in await bench.heard(1)] == [b"back"]

    bench.run(main)


def test_a_command_while_the_chip_is_busy_is_seen():
    chip, _ = sx1262(Air(), EU)
    chip._busy_until = now_ns() + 10**12
    chip.select(now_ns())
    for byte in (0x80, 0x00):
        chip.exchange(byte, now_ns())
    chip.deselect(now_ns())
    assert chip.faults == [0x80]
