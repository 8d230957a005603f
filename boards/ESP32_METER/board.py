"""An ESP32 with an RS-485 transceiver (wiring.md). Every board has a module of this name."""

from care import busy, watchdog
from esp32_chip import (
    contact,
    converter,
    i2c,
    name_servers,
    open_station,
    reset,
    set_clock,
    sync,
    sync_directory,
    trial,
    uart,
    urandom,
    wires,
)
from machine import Pin

__all__ = (
    "NAME", "PORTS", "busy", "driver", "name_servers", "open_adc", "open_i2c", "open_pin", "open_station", "open_uart",
    "reset", "set_clock", "sync", "sync_directory", "trial", "urandom", "watchdog",
)  # fmt: skip

NAME = "ESP32_METER"

# port: (UART, TX, RX, pin that switches the RS-485 driver). UART 0 is the console.
_PORTS = {
    "link": (2, 17, 16, None),
    "rs485": (1, 25, 26, 27),
}
# port: (I2C, SDA, SCL)
_BUSES = {
    "i2c": (0, 21, 22),
}
_CONTACTS = {"contact1": 32, "contact2": 33}
# port: (pin, divider). Of the first converter: the second is not to be had while the radio of the chip is on.
_CONVERTERS = {
    "analogue1": (34, 1),
    "analogue2": (35, 1),
}

PORTS = {"uart": _PORTS, "i2c": _BUSES, "pin": _CONTACTS, "adc": _CONVERTERS}


def open_uart(port: str, baud: int, parity: str):
    """The UART called `port`, never blocking. OSError when this board has none of that name."""
    number, tx, rx, _ = wires(_PORTS, port)
    return uart(number, tx, rx, baud, parity)


def driver(port: str):
    """The function that switches the RS-485 driver of `port`: 1 sends, 0 listens. None: there is nothing to switch."""
    enable = wires(_PORTS, port)[3]
    return None if enable is None else Pin(enable, Pin.OUT, value=0).value


def open_i2c(port: str):
    """The I2C bus called `port`."""
    return i2c(*wires(_BUSES, port))


def open_pin(port: str):
    """A function that says whether the contact called `port` is closed."""
    return contact(wires(_CONTACTS, port))


def open_adc(port: str):
    """A function that measures the voltage called `port`, in microvolts."""
    return converter(*wires(_CONVERTERS, port))
