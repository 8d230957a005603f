"""A node and a radio board on micropython-lib's drivers over modelled chips, for the driver checks in the VM."""

import asyncio
import os
import sys

# First: beside the runner lies a folder that is called lora too.
sys.path[:0] = [os.getenv("WAYSIDE_LORA_DRIVERS") or "", __file__.rsplit("/", 3)[0] + "/hil"]
sys.path.append(__file__.rsplit("/", 2)[0] + "/node")

import driver_machine  # noqa: E402

sys.modules["machine"] = driver_machine  # the unix port has no pins

from driver_machine import SPI, Pin, now_ns  # noqa: E402
from fakes import Port, Time, scratch  # noqa: E402
from lora import AsyncSX1262, AsyncSX1276  # noqa: E402
from test_node_radio import transmitter  # noqa: E402
from wayside_hil.lora.air import Air  # noqa: E402
from wayside_hil.lora.sx1262 import Sx1262  # noqa: E402
from wayside_hil.lora.sx1276 import Sx1276  # noqa: E402
from wayside_node import radio  # noqa: E402
from wayside_node.radio_config import RadioSettings  # noqa: E402
from wayside_wire import frame  # noqa: E402
from wayside_wire import lora_link as messages  # noqa: E402
from wayside_wire.airtime import airtime_us  # noqa: E402

EU = RadioSettings("EU868", 869525, 7, 125000)
_LOOK_MS = 2


def sx1276(air, settings):
    """(chip, driver) without interrupts."""
    chip = Sx1276(air)
    config = radio.driver_settings(settings)
    # Without PA_BOOST the driver tells an RSSI that is 7 dB too low at 868 MHz: it takes the pin for the band.
    config.update(tx_ant="PA_BOOST", output_power=14)
    driver = AsyncSX1276(spi=SPI(chip), cs=Pin(low=chip.select), reset=Pin(low=chip.reset), lora_cfg=config)
    chip.serve = lambda: None
    chip.faults = []
    return chip, driver


def sx1262(air, settings):
    """(chip, driver) with BUSY and DIO1, whose interrupt is served while the event loop runs (serve())."""
    chip = Sx1262(air)
    config = radio.driver_settings(settings)
    config["output_power"] = 14
    select = Pin(low=lambda: chip.select(now_ns()), high=lambda: chip.deselect(now_ns()))
    busy = Pin(level=lambda: chip.busy(now_ns()))
    dio1 = Pin(level=lambda: chip.dio1(now_ns()))
    driver = AsyncSX1262(
        spi=SPI(chip), cs=select, busy=busy, dio1=dio1, dio2_rf_sw=True, dio3_tcxo_millivolts=1800,
        reset=Pin(low=chip.reset), lora_cfg=config,
    )  # fmt: skip
    chip.serve = dio1.edge
    return chip, driver


async def serve(*chips):
    """The interrupts of these chips, for ever."""
    while True:
        for chip in chips:
            chip.serve()
        await asyncio.sleep_ms(_LOOK_MS)


def check_airtime(make):
    """The driver's own arithmetic is ours."""
    for sf, bw_hz in ((7, 125000), (9, 125000), (12, 125000), (10, 500000), (11, 250000)):
        _, driver = make(Air(), RadioSettings("EU868", 869525, sf, bw_hz))
        for size in (0, 19, 39, 51, 114, 255):
            assert driver.get_time_on_air_us(size) == airtime_us(size, sf, bw_hz), (sf, bw_hz, size)


class Bench:
    """A node and a radio board on one air. spoilt: not empty while packets are damaged on it."""

    def __init__(self, name, make_node, make_board):
        self.spoilt = []
        self.air = Air(spoil=self._spoil)
        self.node_chip, self.node = make_node(self.air, EU)
        self.board_chip, self.board = make_board(self.air, EU)
        time = Time()
        self.port = Port()
        self._decoder = frame.FrameDecoder()
        self.sender = transmitter(time, self.node, scratch(name) + "/node")
        to_air = transmitter(time, self.board, scratch(name + "2") + "/board")
        self.bridge = radio.Bridge(self.board, to_air, time.clock(), (1, "UNIX", "x"))
        self.bridge.attach(self.port)

    def _spoil(self, packet):
        if not self.spoilt:
            return packet, True
        return packet[:-1] + bytes([packet[-1] ^ 1]), False

    async def heard(self, count):
        """What the board handed on: so many packets, or what came in ten seconds."""
        found = []
        for _ in range(1000):
            found += [messages.decode(data) for data in self._decoder.feed(self.port.taken())]
            if len(found) >= count:
                break
            await asyncio.sleep_ms(10)
        return found

    def run(self, main):
        asyncio.run(self._run(main))

    async def _run(self, main):
        tasks = [
            asyncio.create_task(serve(self.node_chip, self.board_chip)),
            asyncio.create_task(self.bridge.listen(lambda: None, asyncio.wait_for_ms, asyncio.TimeoutError)),
        ]
        try:
            await asyncio.sleep_ms(100)
            await main()
        finally:
            for task in tasks:
                task.cancel()
        for chip in (self.node_chip, self.board_chip):
            assert not chip.faults, chip.faults


def check_both_ways(bench):
    """Frames up, one of them damaged, and an answer down."""

    async def main():
        for number in range(3):
            bench.spoilt[:] = [1] if number == 1 else []
            assert await bench.sender.send(b"frame %d" % number) == messages.DONE
            await asyncio.sleep_ms(600)  # the board looks after a damaged packet every quarter of a second
        heard = await bench.heard(2)
        assert [each.raw for each in heard] == [b"frame 0", b"frame 2"], heard
        assert bench.bridge.counts["damaged"] == 1 and bench.board.crc_errors == 1
        assert (heard[0].rssi_dbm, heard[0].snr_quarter_db) == (14 - 100, 4 * (14 - 100 + 117))
        # The other way, while the board keeps listening.
        answer = asyncio.create_task(bench.node.recv(timeout_ms=2000))
        await asyncio.sleep_ms(50)
        assert await bench.bridge._transmitter.send(b"answer") == messages.DONE
        packet = await answer
        assert radio.is_whole(packet) and bytes(packet) == b"answer"
        assert await bench.node.recv(timeout_ms=60) is None
        assert await bench.sender.send(b"again") == messages.DONE
        assert [each.raw for each in await bench.heard(1)] == [b"again"]

    bench.run(main)
