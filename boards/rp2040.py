"""What all boards with an RP2040 do alike; their board.py has the pins. Frozen into each of their images."""

import os
import sys

import machine
from machine import ADC, I2C, UART, Pin

_PARITIES = {"N": None, "E": 0, "O": 1}
_BUFFER = 1100  # a whole frame of the link (1,024 bytes) with its framing, so that write() never waits

_REFERENCE_UV = 3300000

_slots = None
_root = ""

urandom = os.urandom


def wires(ports: dict, port: str):
    """What `ports` has for `port`. OSError when this board has none of that name."""
    if port not in ports:
        raise OSError("%s: this board has the ports %s" % (port, ", ".join(sorted(ports))))
    return ports[port]


class _Line:
    """A UART that never blocks. The port's readinto() waits until no byte has come for longer than a character takes:
    an answer's whole time on the wire, and nothing else would run."""

    def __init__(self, uart):
        self._uart = uart
        self.write = uart.write
        self.flush = uart.flush

    def readinto(self, buffer):
        """How many of the bytes that are here went into `buffer`; None: there are none."""
        here = self._uart.any()
        return self._uart.readinto(buffer, here) if here else None

    def read(self, size: int):
        """Up to `size` of the bytes that are here; None: there are none."""
        here = self._uart.any()
        return self._uart.read(min(size, here)) if here else None


def uart(number: int, tx: int, rx: int, baud: int, parity: str):
    """A line that never blocks: write(data), readinto(buffer), read(size), flush()."""
    return _Line(
        UART(
            number, baud, bits=8, parity=_PARITIES[parity], stop=1, tx=Pin(tx), rx=Pin(rx), txbuf=_BUFFER,
            rxbuf=_BUFFER, timeout=0, timeout_char=0,
        )
    )  # fmt: skip


def i2c(number: int, sda: int, scl: int):
    """An I2C bus at the 100 kHz that every sensor bears."""
    return I2C(number, sda=Pin(sda), scl=Pin(scl), freq=100000)


def contact(number: int):
    """A function that says whether a contact is closed: it ties its pin to GND."""
    pin = Pin(number, Pin.IN, Pin.PULL_UP)
    return lambda: not pin.value()


def converter(number: int, divider: int):
    """A function that measures microvolts before a divider. The reference is the Pico's 3.3 V supply."""
    read = ADC(number).read_u16
    return lambda: read() * divider * _REFERENCE_UV // 65535


def reset() -> None:
    """Start again, as after power-up."""
    machine.reset()


def sync(file) -> None:
    """What was written to `file` survives a power cut on return: flush() ends in lfs_file_sync()."""
    file.flush()


def sync_directory(path: str) -> None:
    """Nothing to do: littlefs commits a name together with its metadata."""


def choose_application() -> None:
    """What is imported from here on is of the slot that has its turn; without one, of the image. The choice, and what
    becomes of it, is the image's own code."""
    from wayside_node.files import Files
    from wayside_node.slots import Slots

    global _slots, _root
    _slots = Slots(Files(sync, sync_directory))
    _root = _slots.choose()
    if not _root:
        return
    for name in [name for name in sys.modules if name.startswith("wayside_")]:
        del sys.modules[name]
    sys.path.insert(0, _root)


def trial():
    """What keeps the application that runs, of a slot; None: it is the image's own, which is always there."""
    return (lambda: _slots.keep(_root)) if _root else None


def give_up() -> None:
    """The application cannot start. One on trial has another of its starts, or the one before it comes back; of any
    other the prompt is a technician's."""
    if _root and _slots.on_trial(_root):
        reset()
