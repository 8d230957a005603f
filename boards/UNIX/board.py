"""The virtual board: MicroPython's unix port. Every board has a module of this name with these functions."""

import os
import sys
import termios

import ffi  # pyright: ignore[reportMissingImports]  (the stubs describe boards with a chip)

NAME = "UNIX"

_F_GETFL = 3
_F_SETFL = 4
_O_NONBLOCK = 0x800 if sys.platform == "linux" else 4

# termios(3): indices of what tcgetattr() returns, and bits of its control modes, as Linux has them.
_CFLAG = 2
_ISPEED = 4
_OSPEED = 5
_PARENB = 0x100
_PARODD = 0x200
_SPEEDS = {
    1200: 9, 2400: 11, 4800: 12, 9600: 13, 19200: 14, 38400: 15, 57600: 0x1001, 115200: 0x1002, 230400: 0x1003,
    460800: 0x1004, 921600: 0x1007,
}  # fmt: skip

_libc = ffi.open("libc.so.6")
_fcntl = _libc.func("i", "fcntl", "iii")
_alarm = _libc.func("I", "alarm", "I")
_exit = _libc.func("v", "exit", "i")
_umask = _libc.func("I", "umask", "I")

_umask(0o077)  # the key file is nobody else's

urandom = os.urandom


def open_uart(port: str, baud: int, parity: str):
    """The raw line at `port` (a path), never blocking. OSError when it cannot be opened."""
    file = open(port, "r+b", buffering=0)
    handle = file.fileno()
    termios.setraw(handle)
    attributes = termios.tcgetattr(handle)
    if baud not in _SPEEDS:
        raise OSError("%s: %d baud is none of %s" % (port, baud, sorted(_SPEEDS)))
    attributes[_ISPEED] = attributes[_OSPEED] = _SPEEDS[baud]
    attributes[_CFLAG] &= ~(_PARENB | _PARODD)
    if parity != "N":
        attributes[_CFLAG] |= _PARENB | (_PARODD if parity == "O" else 0)
    termios.tcsetattr(handle, termios.TCSANOW, attributes)
    _fcntl(handle, _F_SETFL, _fcntl(handle, _F_GETFL, 0) | _O_NONBLOCK)
    return file


def driver(port: str):
    """The function that switches the RS-485 driver of `port`; None: the hardware does it by itself."""
    return None


def open_i2c(port: str):
    """A modelled bus at HOST:PORT; OSError(ENODEV) for a chip that is not there."""
    import board_i2c

    return board_i2c.Bus(port)


def open_pin(port: str):
    """A contact as a file (a path) that holds 1 while it is closed. What is not there is open."""
    return lambda: _content(port) == "1"


def open_adc(port: str):
    """A converter as a file (a path) that holds microvolts."""
    return lambda: int(_content(port) or "0")


def _content(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def watchdog(timeout_ms: int):
    """Start the watchdog; returns its feed(). Unfed, SIGALRM ends the process, whatever it hangs in."""
    seconds = -(-timeout_ms // 1000)

    def feed():
        _alarm(seconds)

    feed()
    return feed


def busy(span_ms: int) -> None:
    """Nothing: here nothing takes as long as a second."""


def set_clock(utc_ms: int) -> None:
    """Nothing: the clock by which certificates are judged is this machine's, which others keep."""


open_station = None  # the network is this machine's


def name_servers():
    """(address, port) of each name server that this machine asks."""
    try:
        with open("/etc/resolv.conf") as file:
            lines = [line.split() for line in file]
    except OSError:
        return []
    return [(words[1], 53) for words in lines if len(words) > 1 and words[0] == "nameserver" and ":" not in words[1]]


def reset() -> None:
    """Start again: this process ends with status 3, and who started it starts it anew."""
    _exit(3)


def trial():
    """What keeps the application that runs; None: there is nothing to keep."""
    return None


def sync(file) -> None:
    """What was written to `file` survives a power cut on return. (The unix port's flush() is fsync(2).)"""
    file.flush()


def sync_directory(path: str) -> None:
    """Names made or removed in `path` survive a power cut on return."""
    with open(path, "rb") as directory:
        directory.flush()


class Lamps:
    """Lamps and inputs at the other end of a line: what a cabinet's relays, current sensors and contacts are.

    Out goes "L", a count and a byte of lamp bits per channel; in come "S" with what the lamps draw and "I" with inputs.
    Like relays that fall off, the other end shows flash when it is not told for a while.
    """

    def __init__(self, port: str, channels: int, inputs: int):
        self._line = open_uart(port, 115200, "N")
        self._drawn = bytes(channels)
        self._inputs = bytes(inputs)
        self._buffer = b""

    def show(self, lamps: bytes) -> None:
        """Switch the lamps; one byte per channel, bits as in wayside_wire.signal_frames."""
        self._line.write(b"L" + bytes([len(lamps)]) + lamps)

    def read(self):
        """(what each channel draws, inputs), as last heard."""
        data = self._line.read(256)
        if data:
            self._take(self._buffer + data)
        return self._drawn, self._inputs

    def _take(self, data: bytes) -> None:
        while len(data) >= 2 and len(data) >= 2 + data[1]:
            kind, value, data = data[:1], data[2 : 2 + data[1]], data[2 + data[1] :]
            if kind == b"S" and len(value) == len(self._drawn):
                self._drawn = value
            elif kind == b"I" and len(value) == len(self._inputs):
                self._inputs = value
        self._buffer = data


lamps = Lamps
