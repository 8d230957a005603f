"""A board as pytest-embedded's device under test, the same on every target; `expect` waits in the board's time."""

from pathlib import Path
from typing import Any

from pytest_embedded.app import App
from pytest_embedded.dut import Dut
from pytest_embedded.utils import to_bytes

from .board import Board
from .console import Console
from .events import Event, PinEdge
from .repl import BoardRepl
from .world import World

_OFF_NS = 100_000_000
_TO_FRIENDLY, _SOFT_RESET = b"\x02", b"\x04"  # keys of MicroPython's REPL


class Pins:
    """The levels of the board's outputs by their number; None: it is none."""

    def __init__(self) -> None:
        self.levels: dict[int, int | None] = {}

    def see(self, event: Event) -> None:
        if isinstance(event, PinEdge):
            self.levels[event.pin] = event.level

    def settle(self, now_ns: int) -> None:
        """Nothing to answer."""


class BoardDut(Dut):
    """`board`: on its target; `world`: its time; `plants`: what hangs on it; `repl`: MicroPython's raw REPL."""

    def __init__(
        self,
        world: World,
        plants: Any,
        console: Path,
        name: str,
        timeout: float = 30,
        uart: tuple[int, int] | None = None,
    ):
        """console: the file that has what the board says, on USB or on the UART of this number and baud.
        timeout: seconds of `expect` where none are named."""
        self.world = world
        self.board: Board = world.emulator
        self.plants = plants
        self.pins = Pins()
        self._cut_was_due = False  # at the start before
        self._uart = uart
        world.plugs.append(self.pins)
        process = Console(world, console, timeout, None if uart is None else uart[0])
        super().__init__(process, None, App(build_dir=None), str(console), name)
        self.repl = BoardRepl(world)

    @property
    def now(self) -> int:
        """Nanoseconds of the board's time."""
        return self.world.now

    def write(self, s: str | bytes) -> None:
        """Type this at the console; behind a text comes the key Enter."""
        data = s if isinstance(s, bytes) else to_bytes(s, "\r")
        if self._uart is None:
            self.board.send_usb(data)
        else:
            self.board.send_uart(self._uart[0], data, self._uart[1])

    def run_for(self, seconds: float) -> None:
        """Let the board's time go on."""
        self.world.run_for(round(seconds * 1e9))

    def start(self) -> int:
        """Off and on again, or a soft reset where the bench has no switch; returns when it began, in ns."""
        if "power" in self.board.has:
            # A test that means to cut a write and cuts none would be green for nothing. The write may come of a start.
            is_due = getattr(self.board, "cut_is_due", False)
            assert not (is_due and self._cut_was_due), "cut_power_in_flash: that flash operation never came"
            self._cut_was_due = is_due
            self.board.cut_power()
            self.board.restore_power(self.now + _OFF_NS)
            self.world.run_for(_OFF_NS)
        else:
            self.repl.enter()
            self.repl.send(_TO_FRIENDLY)
            self.repl.wait(b">>> ")
            self.repl.send(_SOFT_RESET)
            self.repl.wait(b"soft reboot")
        return self.now

    def cut_power(self) -> None:
        """Until start()."""
        self.board.cut_power()

    def close(self) -> None:
        super().close()
        self.pexpect_proc.close()
        self.clear_bench()

    def clear_bench(self) -> None:
        """Take the board off it."""
        self.board.close()
