"""A node of the board RP2040_METER with sensors and no meter: on its I2C, its UART, its contacts and a converter."""

from collections.abc import MutableMapping
from pathlib import Path
from random import Random
from typing import Any

from ..chips import ChipBus, I2cChip
from ..contact import Contact
from ..emulator import Emulator, Event
from ..world import World
from .console import NodeRepl
from .gateway import KEY, LinkGateway
from .meter_node import LINK_UART, provision

# boards/RP2040_METER/wiring.md
_I2C, _DUST_UART, _DOOR_PIN, _METER_PIN, _LEVEL_INPUT = 0, 1, 10, 11, 0
_DUST_BAUD, _DUST_EVERY_NS = 9600, 1_000_000_000
_FULL_UV, _STEPS = 3_300_000, 4096


class Dust:
    """A sensor that sends the same frame each second. None: it is silent."""

    def __init__(self, emulator: Emulator):
        self.frame: bytes | None = None
        self._emulator = emulator
        self._due = 0

    def see(self, event: Event) -> None:
        """It does not listen."""

    def settle(self, now_ns: int) -> None:
        if self.frame and now_ns >= self._due:
            self._due = now_ns + _DUST_EVERY_NS
            self._emulator.send_uart(_DUST_UART, self.frame, _DUST_BAUD)


class SensorNode:
    """The bench with one node on it. `chips`: what is on its I2C, by address."""

    def __init__(self, image: Path, chips: MutableMapping[int, I2cChip], seed: int = 1):
        self.board = Emulator(image, seed=seed)
        self.chips = chips
        self.board.attach_i2c(_I2C, ChipBus(chips))
        self.dust = Dust(self.board)
        self.door = Contact(self.board, _DOOR_PIN, Random(seed))
        self.meter = Contact(self.board, _METER_PIN, Random(seed + 1))
        self.gateway = LinkGateway(self.board, LINK_UART)
        self.world = World(self.board, self.dust, self.gateway)
        self._repl = NodeRepl(self.world)

    def set_level(self, uv: int) -> None:
        """The voltage at `analogue1`."""
        self.board.set_analogue(_LEVEL_INPUT, uv * (_STEPS - 1) // _FULL_UV)

    def provision(self, rows: list[dict[str, Any]]) -> None:
        """The configuration by the console, then off and on."""
        sensors = {"device": "kerb-1", "report_ms": 1000, "list": rows}
        config = {"node": "node-1", "state": "/state", "link": {"port": "link"}, "sensors": sensors}
        config["gateway"] = KEY.public.hex()
        self._repl.wait(b">>> ")
        self._repl.enter()
        self.gateway.enrol(provision(self._repl, config), config)
        self.board.cut_power()
        self.board.restore_power(self.board.now + 100_000_000)
        self.world.run_for(100_000_000)

    def last(self) -> dict[str, object]:
        """Mantissa or reason of each channel in the newest pack."""
        if not self.gateway.packs:
            return {}
        arrived = list(self.gateway.packs.values())[-1]
        return {
            reading.channel: reading.reason if reading.mantissa is None else reading.mantissa
            for reading in arrived.pack.readings
        }

    def close(self) -> None:
        self.board.close()

    def __enter__(self) -> "SensorNode":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
