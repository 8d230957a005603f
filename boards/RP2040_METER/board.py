"""A Raspberry Pi Pico with an RS-485 transceiver (wiring.md). Every board has a module of this name."""

import os
import time

import machine
from machine import UART, WDT, Pin, Timer

NAME = "RP2040_METER"

# port: (UART, TX, RX, pin that switches the RS-485 driver)
_PORTS = {
    "link": (0, 0, 1, None),
    "rs485": (1, 4, 5, 6),
}
_PARITIES = {"N": None, "E": 0, "O": 1}
_BUFFER = 1100  # a whole frame of the link (1,024 bytes) with its framing, so that write() never waits

_HOLD_MS = 500  # the shortest watchdog that a configuration may ask for has 1000
_holder = None

urandom = os.urandom


def open_uart(port: str, baud: int, parity: str):
    """The UART called `port`, never blocking. OSError when this board has none of that name."""
    number, tx, rx, _ = _wires(port)
    return UART(
        number, baud, bits=8, parity=_PARITIES[parity], stop=1, tx=Pin(tx), rx=Pin(rx), txbuf=_BUFFER, rxbuf=_BUFFER,
        timeout=0, timeout_char=0,
    )  # fmt: skip


def driver(port: str):
    """The function that switches the RS-485 driver of `port`: 1 sends, 0 listens. None: there is nothing to switch."""
    enable = _wires(port)[3]
    return None if enable is None else Pin(enable, Pin.OUT, value=0).value


def watchdog(timeout_ms: int):
    """Start the watchdog (8,388 ms at most, RP2040 datasheet section 4.7); returns its feed()."""
    return WDT(timeout=timeout_ms).feed


def hold(feed, span_ms: int) -> None:
    """Keep the watchdog fed for so long without the application: the prompt is a technician's. A soft reset ends it."""
    global _holder
    end = time.ticks_add(time.ticks_ms(), span_ms)

    def again(timer):
        if time.ticks_diff(end, time.ticks_ms()) > 0:
            feed()
        else:
            timer.deinit()

    _holder = Timer(period=_HOLD_MS, callback=again)


def reset() -> None:
    """Start again, as after power-up."""
    machine.reset()


def sync(file) -> None:
    """What was written to `file` survives a power cut on return: flush() ends in lfs_file_sync()."""
    file.flush()


def sync_directory(path: str) -> None:
    """Nothing to do: littlefs commits a name together with its metadata."""


def _wires(port: str):
    if port not in _PORTS:
        raise OSError("%s: this board has the ports %s" % (port, ", ".join(sorted(_PORTS))))
    return _PORTS[port]
