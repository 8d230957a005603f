"""An ESP32-S3 with sensors, Bluetooth, Wi-Fi and, by option, a LoRa radio (board_lora.py; wiring.md).

Every board has a module of this name.
"""

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

__all__ = (
    "NAME", "PORTS", "busy", "driver", "name_servers", "open_adc", "open_i2c", "open_pin", "open_station", "open_uart",
    "reset", "set_clock", "sync", "sync_directory", "trial", "urandom", "watchdog",
)  # fmt: skip

NAME = "ESP32S3_SENSOR"

# port: (UART, TX, RX). The console is USB.
_PORTS = {
    "link": (1, 17, 18),
    "serial": (2, 15, 16),
}
# port: (I2C, SDA, SCL)
_BUSES = {
    "i2c": (0, 8, 9),
}
_CONTACTS = {"contact1": 4, "contact2": 5}
# port: (pin, divider). Of the first converter: the second is not to be had while the radio of the chip is on.
_CONVERTERS = {
    "analogue1": (1, 1),
    "supply": (2, 2),
}

PORTS = {"uart": _PORTS, "i2c": _BUSES, "pin": _CONTACTS, "adc": _CONVERTERS}


def open_uart(port: str, baud: int, parity: str):
    """The UART called `port`, never blocking. OSError when this board has none of that name."""
    number, tx, rx = wires(_PORTS, port)
    return uart(number, tx, rx, baud, parity)


def driver(port: str):
    """There is no driver to switch."""
    return None


def open_i2c(port: str):
    """The I2C bus called `port`."""
    return i2c(*wires(_BUSES, port))


def open_pin(port: str):
    """A function that says whether the contact called `port` is closed."""
    return contact(wires(_CONTACTS, port))


def open_adc(port: str):
    """A function that measures the voltage called `port`, in microvolts."""
    return converter(*wires(_CONVERTERS, port))
