"""What a board is to the world around it, on whichever target it runs."""

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import pytest

from .events import Event, Input

ALL = frozenset({"console", "uart", "pins", "adc", "i2c", "spi", "crystal", "power"})
"""What a target may have: see `Board.has`."""


class Board:
    """A board that is emulated, simulated, on cables or in a process of this machine. Times are its own, in ns.

    has: which of the methods below work on this target; one that does not skips the test and says why.
    real_time: whether its time goes on by itself.
    """

    has: frozenset[str] = frozenset()
    real_time = False
    place = "this target"
    watcher: Callable[[Input], None] | None = None
    """Is told what the world does to it, which may lie ahead."""

    @property
    def now(self) -> int:
        """Nanoseconds since it came onto the bench."""
        raise NotImplementedError

    def run_for(self, span_ns: int) -> list[Event]:
        """Let the board work; what it did meanwhile."""
        raise NotImplementedError

    def start_run(self, span_ns: int) -> None:
        """Let the board begin; end_run() brings what it did. Boards that share their time work beside each other."""
        self._span_ns = span_ns

    def end_run(self) -> list[Event]:
        return self.run_for(self._span_ns)

    def send_usb(self, data: bytes, at_ns: int | None = None) -> None:
        """Type this at its console."""
        self._lack("console")

    def send_uart(
        self, uart: int, data: bytes, baud: int, at_ns: int | None = None, parity: str = "N", bits: int | None = None
    ) -> int:
        """Bytes into the UART's RX pin, from then (now) on; returns when they are over."""
        self._lack("uart")

    def set_pin(self, pin: int, level: int, at_ns: int | None = None) -> None:
        """Drive an input pin from outside, from then (now) on."""
        self._lack("pins")

    def set_analogue(self, channel: int, level: int, at_ns: int | None = None) -> None:
        """What the converter's input reads from then (now) on: 0 to 4095."""
        self._lack("adc")

    def set_crystal(self, ppm: int, at_ns: int | None = None) -> None:
        """How much too fast its clock is from then (now) on."""
        self._lack("crystal")

    def attach_spi(self, spi: int, device: Any) -> None:
        """Put a device on an SPI."""
        self._lack("spi")

    def wake_spi(self, spi: int) -> None:
        """What is due in the device on this SPI has changed without the board."""
        self._lack("spi")

    def attach_i2c(self, number: int, bus: Any) -> None:
        """Put chips on an I2C."""
        self._lack("i2c")

    def cut_power(self, at_ns: int | None = None) -> None:
        """The supply fails then (now)."""
        self._lack("power")

    def restore_power(self, at_ns: int | None = None) -> None:
        """The supply is back: the board boots."""
        self._lack("power")

    def cut_power_in_flash(self, skip: int, after_ns: int) -> None:
        """The supply fails so long after the beginning of the flash operation that comes after `skip` others."""
        self._lack("flash")

    def _told(self, inputs: Iterable[Input]) -> None:
        if self.watcher is not None:
            for each in inputs:
                self.watcher(each)

    def close(self) -> None:
        """Take it off the bench."""

    def _lack(self, what: str) -> NoReturn:
        pytest.skip(f"{self.place} has no {what} that the bench could work")
