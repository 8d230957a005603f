"""A LoRa module on an emulated board: the chip's SPI and its pins."""

from typing import NamedTuple, Protocol

from ..emulator import Emulator, Event, PinEdge, Reset


class LoraChip(Protocol):
    """wayside_hil.lora.sx1276.Sx1276 is one."""

    @property
    def dio0(self) -> bool: ...

    @property
    def dio1(self) -> bool: ...

    def reset(self) -> None: ...

    def select(self) -> None: ...

    def exchange(self, value: int, now: int) -> int: ...

    def look(self, now: int) -> None: ...

    def due(self) -> int | None: ...


class Wires(NamedTuple):
    """The board's SPI and pins."""

    spi: int
    nss: int
    reset: int
    dio0: int
    dio1: int


class LoraModem:
    """On the board's supply: its power cut is the module's. As a plug it tells the board what others sent."""

    def __init__(self, emulator: Emulator, wires: Wires, chip: LoraChip):
        self.bytes = 0
        self._emulator = emulator
        self._wires = wires
        self._chip = chip
        self._selected = False
        self._told: int | None = None
        emulator.attach_spi(wires.spi, self)

    @property
    def pins(self) -> dict[int, int]:
        return {self._wires.dio0: int(self._chip.dio0), self._wires.dio1: int(self._chip.dio1)}

    @property
    def due(self) -> int | None:
        self._told = self._chip.due()
        return self._told

    def watch(self, event: Event) -> None:
        if isinstance(event, Reset) and event.cause == "off":
            self._chip.reset()
        if not isinstance(event, PinEdge):
            return
        if event.pin == self._wires.nss:
            self._selected = event.level == 0
            self._chip.select()
        elif event.pin == self._wires.reset and event.level == 0:
            self._chip.reset()

    def exchange(self, value: int, at_ns: int) -> int:
        self.bytes += 1
        return self._chip.exchange(value, at_ns) if self._selected else 0

    def wake(self, at_ns: int) -> None:
        self._chip.look(at_ns)

    def see(self, event: Event) -> None:
        """It was watched already."""

    def settle(self, now_ns: int) -> None:
        if self._told != self._chip.due():
            self._emulator.wake_spi(self._wires.spi)
