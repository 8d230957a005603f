"""Our radio roles on micropython-lib's own SX127x driver over a modelled chip. Run in the VM by test_lora_driver.py."""

import asyncio
import os
import sys

# First: beside the runner lie folders that are called lora and hil too.
sys.path[:0] = [os.getenv("WAYSIDE_LORA_DRIVERS") or "", __file__.rsplit("/", 3)[0]]
sys.path.append(__file__.rsplit("/", 2)[0] + "/node")

import driver_machine  # noqa: E402

sys.modules["machine"] = driver_machine  # the unix port has no pins

from driver_machine import SPI, Pin  # noqa: E402
from fakes import Port, Time, scratch  # noqa: E402
from lora import AsyncSX1276  # noqa: E402
from test_node_radio import transmitter  # noqa: E402
from wayside_node import radio  # noqa: E402
from wayside_node.radio_config import Radio  # noqa: E402
from wayside_wire import frame  # noqa: E402
from wayside_wire import lora_link as messages  # noqa: E402
from wayside_wire.airtime import airtime_us  # noqa: E402

from hil.air import Air  # noqa: E402
from hil.sx1276 import Sx1276  # noqa: E402

EU = Radio("EU868", 869525, 7, 125000)


def modem(air, settings=EU):
    chip = Sx1276(air)
    config = radio.driver_settings(settings)
    # Without PA_BOOST the driver tells an RSSI that is 7 dB too low at 868 MHz: it takes the pin for the band.
    config.update(tx_ant="PA_BOOST", output_power=14)
    driver = AsyncSX1276(spi=SPI(chip), cs=Pin(low=chip.select), reset=Pin(low=chip.reset), lora_cfg=config)
    return chip, driver


def test_settings_and_airtime():
    for sf, bw_hz in ((7, 125000), (9, 125000), (12, 125000), (10, 500000), (11, 250000)):
        chip, driver = modem(Air(), Radio("EU868", 869525, sf, bw_hz))
        for size in (0, 19, 39, 51, 114, 255):
            assert driver.get_time_on_air_us(size) == airtime_us(size, sf, bw_hz), (sf, bw_hz, size)
        assert chip.registers[0x1E] >> 4 == sf
        assert chip.registers[0x1E] & 4, "the CRC is on"


def test_both_roles_on_the_driver():
    spoilt = []
    air = Air(spoil=lambda packet: (packet, not spoilt))
    _, node = modem(air)
    _, board = modem(air)
    time, port = Time(), Port()
    sender = transmitter(time, node, scratch("driver") + "/node")
    bridge = radio.Bridge(
        board, transmitter(time, board, scratch("driver2") + "/board"), time.clock(), (1, "UNIX", "x")
    )
    bridge.attach(port)

    def said():
        return [messages.decode(data) for data in frame.Decoder().feed(port.taken())]

    def beat():
        pass

    async def main():
        listening = asyncio.create_task(bridge.listen(beat, asyncio.wait_for_ms, asyncio.TimeoutError))
        await asyncio.sleep_ms(100)
        for number in range(3):
            spoilt[:] = [1] if number == 1 else []
            assert await sender.send(b"frame %d" % number) == messages.DONE
            await asyncio.sleep_ms(600)
        heard = said()
        assert [each.raw for each in heard] == [b"frame 0", b"frame 2"], heard
        assert bridge.counts["damaged"] == 1 and board.crc_errors == 1
        assert (heard[0].rssi_dbm, heard[0].snr_quarter_db) == (14 - 100, 4 * (14 - 100 + 117))
        # The other way, while the board keeps listening.
        answer = asyncio.create_task(node.recv(timeout_ms=2000))
        await asyncio.sleep_ms(50)
        assert await bridge._transmitter.send(b"answer") == messages.DONE
        packet = await answer
        assert radio.is_whole(packet) and bytes(packet) == b"answer"
        assert await node.recv(timeout_ms=60) is None
        assert await sender.send(b"again") == messages.DONE
        await asyncio.sleep_ms(150)
        assert [each.raw for each in said()] == [b"again"]
        listening.cancel()

    asyncio.run(main())
