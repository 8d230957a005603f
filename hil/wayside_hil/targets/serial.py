"""A real board on serial ports: of this machine, or of another one by pyserial's rfc2217:// and socket://."""

import contextlib
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import serial

from .real_time import CONSOLE, RealTimeBoard, supported

CONSOLE_BAUD = 115_200
_WRITE_S = 5.0
_SWITCH_S = 60.0
_APPEARS_S, _LOOK_S = 15.0, 0.2  # until a board that is switched on is there on USB


class SwitchError(Exception):
    """The command that switches a board's supply failed; the text says what it said."""


class SupplySwitch(NamedTuple):
    """Commands that switch a real board's supply: of a USB hub, a relay, a laboratory's supply, another host."""

    on: list[str]
    off: list[str]

    def turn(self, on: bool) -> None:
        """SwitchError."""
        words = self.on if on else self.off
        try:
            ran = subprocess.run(words, capture_output=True, text=True, timeout=_SWITCH_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SwitchError(f"{' '.join(words)}: {error}") from None
        if ran.returncode:
            raise SwitchError(f"{' '.join(words)}: {(ran.stderr or ran.stdout).strip() or ran.returncode}")


class SerialPort:
    """A port by its path or URL."""

    def __init__(self, name: str, baud: int):
        """OSError says what to do."""
        if name.startswith("/") and not Path(name).exists():
            raise OSError(f"{name}: there is no such port; plug it in, or name another one")
        try:
            self._port = serial.serial_for_url(name, baudrate=baud, timeout=0, write_timeout=_WRITE_S)
        except ValueError as error:
            raise OSError(f"{name}: {error}") from None
        except serial.SerialException as error:
            raise OSError(f"{name} cannot be opened: {error}") from None

    def fileno(self) -> int | None:
        handle: int | None = getattr(self._port, "fd", None)
        return handle

    def read(self) -> bytes:
        data = b""
        while waiting := self._port.in_waiting:
            data += self._port.read(waiting)
        return data

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def close(self) -> None:
        self._port.close()


class SerialBoard(RealTimeBoard):
    """A console, and adapters on UARTs. The console may go away and come back, as USB does in a reset."""

    def __init__(self, console: str, uarts: dict[int, tuple[str, int]], switch: SupplySwitch | None = None):
        """uarts: port and baud of the adapter on each. OSError says which cannot be opened, and what to do."""
        self._path = console
        self._switch = switch
        self.place = f"the board at {console}"
        ports: dict[int, SerialPort] = {}
        try:
            ports[CONSOLE] = self._open_console()
            for number, (name, baud) in uarts.items():
                ports[number] = SerialPort(name, baud)
        except OSError:
            for port in ports.values():
                port.close()
            raise
        super().__init__(dict(ports))
        self.has = supported(*(["power"] if switch else []), ports=ports)

    def _open_console(self) -> SerialPort:
        """The port of a board whose supply may be off: on USB there is none then."""
        try:
            return SerialPort(self._path, CONSOLE_BAUD)
        except OSError:
            if self._switch is None:
                raise
        self._switch.turn(True)
        end = time.monotonic() + _APPEARS_S
        while True:
            try:
                return SerialPort(self._path, CONSOLE_BAUD)
            except OSError:
                if time.monotonic() > end:
                    raise
            time.sleep(_LOOK_S)

    @property
    def reachable(self) -> bool:
        """Whether the console is there."""
        return CONSOLE in self._ports

    def cut_power(self, at_ns: int | None = None) -> None:
        """SwitchError."""
        switch = self._switch or self._lack("switch for its supply")
        self._at(at_ns, lambda: switch.turn(False))

    def restore_power(self, at_ns: int | None = None) -> None:
        switch = self._switch or self._lack("switch for its supply")
        self._at(at_ns, lambda: switch.turn(True))

    def _hear(self, wait_s: float) -> None:
        if not self.reachable:
            with contextlib.suppress(OSError):
                self._ports[CONSOLE] = SerialPort(self._path, CONSOLE_BAUD)
        super()._hear(wait_s)

    def _lost(self, number: int, error: OSError) -> None:
        if number != CONSOLE:
            raise error
        with contextlib.suppress(OSError):
            self._ports.pop(CONSOLE).close()
