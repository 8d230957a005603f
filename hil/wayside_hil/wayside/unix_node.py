"""The node application in the virtual board's VM, on ptys, in real time; to a test the same as MeterNode."""

import errno
import json
import os
import select
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from wayside.plant import Sdm630, answer_for
from wayside.plant.cable import raw_pty
from wayside_wire import modbus

from ..emulator.events import UartByte
from ..rs485 import Answer
from .gateway import LinkGateway
from .meter_node import BUS_UART, LINK_UART

ROOT = Path(__file__).resolve().parents[3]
_SILENCE_NS = 4_000_000
_PIECE = 4096


class PtyBoard:
    """What plants ask of an emulated board: its time, and a way to send bytes to one of its UARTs."""

    def __init__(self, handles: dict[int, int]):
        self._handles = handles
        self._began = time.monotonic_ns()

    @property
    def now(self) -> int:
        return time.monotonic_ns() - self._began

    def send_uart(self, uart: int, data: bytes, *_: object) -> int:
        os.write(self._handles[uart], data)
        return self.now

    def hear(self, wait_s: float) -> list[UartByte]:
        """What the board has written; the times are those at which it was read. OSError: a port is gone."""
        ready, _, _ = select.select(list(self._handles.values()), [], [], wait_s)
        now = self.now
        heard = []
        for uart, handle in self._handles.items():
            if handle not in ready:
                continue
            data = os.read(handle, _PIECE)
            if not data:
                raise OSError(errno.EIO, "the other end is gone")
            heard += [UartByte(now, uart, value, now, now, 0.0, "N") for value in data]
        return heard


class PtyMeters:
    """Meters on a line that has no driver to switch."""

    def __init__(self, board: PtyBoard, answer: Answer):
        self.mute = False
        self._board = board
        self._answer = answer
        self._heard = b""
        self._last_ns = 0

    def see(self, event: object) -> None:
        if isinstance(event, UartByte) and event.uart == BUS_UART:
            self._heard += bytes((event.value,))
            self._last_ns = event.end

    def settle(self, now_ns: int) -> None:
        if not self._heard or now_ns - self._last_ns < _SILENCE_NS:
            return
        frame, self._heard = self._heard, b""
        try:
            body = None if self.mute else self._answer(modbus.rtu_body(frame))
        except modbus.ModbusError:
            return
        if body is not None:
            self._board.send_uart(BUS_UART, modbus.rtu_frame(body))


class RealWorld:
    """As World, in real time."""

    def __init__(self, board: PtyBoard, *plugs: Any):
        self.plugs = list(plugs)
        self._board = board

    @property
    def emulator(self) -> PtyBoard:
        """As World has it: who sends to the board."""
        return self._board

    @property
    def now(self) -> int:
        return self._board.now

    def run_for(self, span_ns: int) -> None:
        end = self.now + span_ns
        while self.now < end:
            self.step()

    def until(self, condition: Callable[[], bool], what: str, patience_ns: int = 60_000_000_000) -> int:
        end = self.now + patience_ns
        while not condition():
            assert self.now < end, f"{what}: not within {patience_ns / 1e9:.1f} seconds"
            self.step()
        return self.now

    def step(self) -> None:
        for event in self._board.hear(0.001):
            for plug in self.plugs:
                plug.see(event)
        for plug in self.plugs:
            plug.settle(self.now)


class UnixNode:
    """The bench with one node on it; `console` is the file that has what the node says."""

    def __init__(self, machine: Path, folder: Path):
        self._stack = ExitStack()
        link, self._link_path = self._stack.enter_context(raw_pty())
        bus, self._bus_path = self._stack.enter_context(raw_pty())
        self.board = PtyBoard({LINK_UART: link, BUS_UART: bus})
        self.line = PtyMeters(self.board, answer_for({1: Sdm630(1)}))
        self.gateway = LinkGateway(self.board, LINK_UART)  # type: ignore[arg-type]
        self.world = RealWorld(self.board, self.line, self.gateway)
        self.console = folder / "console.log"
        self.console.touch()
        self._folder = folder
        self._words = [str(machine), "-m", "wayside_node", "--config", str(folder / "node.json")]
        places = f".frozen:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}"
        self._environment = os.environ | {"MICROPYPATH": places}
        self._process: subprocess.Popen[bytes] | None = None

    def provision(self, config: dict[str, Any]) -> None:
        """The file as the technician writes it, with the paths of this machine."""
        meters = [meter | {"port": self._bus_path} for meter in config["meters"]]
        here = {"state": str(self._folder / "state"), "link": {"port": self._link_path}, "meters": meters}
        (self._folder / "node.json").write_text(json.dumps(config | here))
        words = [*self._words, "--public-key"]
        told = subprocess.run(words, env=self._environment, capture_output=True, text=True, check=True)
        self.gateway.public = bytes.fromhex(told.stdout.strip())

    def start(self) -> int:
        """Switch the board off and on."""
        self.cut_power()
        with self.console.open("ab") as log:
            self._process = subprocess.Popen(self._words, env=self._environment, stdout=log, stderr=log)
        return self.world.now

    def cut_power(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def packs(self, count: int, patience_ns: int = 60_000_000_000) -> int:
        return self.world.until(lambda: len(self.gateway.packs) >= count, f"{count} packs", patience_ns)

    def close(self) -> None:
        self.cut_power()
        self._stack.close()
