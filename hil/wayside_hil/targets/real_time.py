"""Boards whose time goes on by itself: what they say comes from ports of this machine."""

import os
import select
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ..board import Board
from ..events import Event, UartByte, UartInput, UsbOutput

CONSOLE = -1
"""The console's number among the ports; the others are those of UARTs."""

_STEP_S = 0.001
_PIECE = 4096


class ByteStream(Protocol):
    """A byte stream of this machine."""

    def fileno(self) -> int | None:
        """What select() waits for; None: it has to be asked."""

    def read(self) -> bytes:
        """What has come, without waiting. OSError: it is gone."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class RealTimeBoard(Board):
    """Ports by number. Bytes that arrive have the time at which they were read."""

    real_time = True

    def __init__(self, ports: dict[int, ByteStream]):
        self._ports = ports
        self._began = time.monotonic_ns()
        self._planned: list[tuple[int, Callable[[], None]]] = []
        self._did: list[Event] = []

    @property
    def now(self) -> int:
        return time.monotonic_ns() - self._began

    def run_for(self, span_ns: int) -> list[Event]:
        """What came within this time, or a little later."""
        end = self.now + span_ns
        while True:
            self._do_planned()
            self._hear(min(_STEP_S, max(0, end - self.now) / 1e9))
            if self.now >= end:
                break
        self._do_planned()
        did, self._did = self._did, []
        return did

    def send_usb(self, data: bytes, at_ns: int | None = None) -> None:
        if CONSOLE in self._ports:
            self._write(CONSOLE, data)

    def send_uart(
        self, uart: int, data: bytes, baud: int, at_ns: int | None = None, parity: str = "N", bits: int | None = None
    ) -> int:
        """The port has its own baud; a time that is still to come is not waited for."""
        if uart not in self._ports:
            self._lack(f"adapter on UART {uart}")
        self._write(uart, data)
        now = self.now
        self._told(UartInput(uart, value, now, now, 0.0) for value in data)
        return now

    def close(self) -> None:
        for port in self._ports.values():
            port.close()

    def _write(self, number: int, data: bytes) -> None:
        try:
            self._ports[number].write(data)
        except BlockingIOError:
            pass  # nobody reads: lost, as on a wire
        except OSError as error:
            self._lost(number, error)

    def _hear(self, wait_s: float) -> None:
        self._wait(wait_s)
        for number, port in list(self._ports.items()):
            try:
                data = port.read()
            except BlockingIOError:
                continue
            except OSError as error:
                self._lost(number, error)
                continue
            if data:
                self._take(number, data)

    def _take(self, number: int, data: bytes) -> None:
        """What came from a port."""
        now = self.now
        if number == CONSOLE:
            self._did.append(UsbOutput(now, data))
        else:
            self._did += [UartByte(now, number, value, now, now, 0.0, "N") for value in data]

    def _wait(self, wait_s: float) -> None:
        handles = [handle for port in self._ports.values() if (handle := port.fileno()) is not None]
        if handles and len(handles) == len(self._ports):
            select.select(handles, [], [], wait_s)
        else:
            time.sleep(wait_s)

    def _at(self, at_ns: int | None, do: Callable[[], None]) -> None:
        """Then, or now."""
        if at_ns is None or at_ns <= self.now:
            do()
        else:
            self._planned.append((at_ns, do))

    def _do_planned(self) -> None:
        due = [each for each in self._planned if each[0] <= self.now]
        self._planned = [each for each in self._planned if each not in due]
        for _, do in sorted(due, key=lambda each: each[0]):
            do()

    def _lost(self, number: int, error: OSError) -> None:
        """A port is gone."""
        raise error


class Pty:
    """A pty whose other end is a path that a program opens as its serial port."""

    def __init__(self) -> None:
        import tty

        self.handle, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.handle, False)
        # The pty's number is given to the next one: a program that still tries it would be on another board's line.
        self._folder = tempfile.TemporaryDirectory(prefix="wayside-pty-")
        path = Path(self._folder.name, "port")
        path.symlink_to(os.ttyname(self._slave))
        self.path = str(path)

    def fileno(self) -> int:
        return self.handle

    def read(self) -> bytes:
        return os.read(self.handle, _PIECE)

    def write(self, data: bytes) -> None:
        os.write(self.handle, data)

    def slave(self) -> int:
        """The program's end, which is held open here too, so that the line stays up while nobody has it."""
        return self._slave

    def close(self) -> None:
        self._folder.cleanup()
        os.close(self.handle)
        os.close(self._slave)


def supported(*more: str, ports: dict[int, Any]) -> frozenset[str]:
    """`has` of a board with these ports."""
    own = {"console"} if CONSOLE in ports else set()
    return frozenset(own | ({"uart"} if {number for number in ports if number >= 0} else set()) | set(more))
