"""A Raspberry Pi Pico with a LoRa radio (board_lora.py) and sensors (wiring.md).

Every board has a module of this name.
"""

from care import busy, watchdog
from rp2040 import contact, converter, i2c, reset, sync, sync_directory, trial, uart, urandom, wires

__all__ = (
    "NAME", "PORTS", "busy", "driver", "open_adc", "open_i2c", "open_pin", "open_uart", "reset", "sync",
    "sync_directory", "trial", "urandom", "watchdog",
)  # fmt: skip

NAME = "RP2040_RADIO"

# port: (UART, TX, RX)
_PORTS = {
    "link": (0, 0, 1),
    "serial": (1, 4, 5),
}
# port: (I2C, SDA, SCL)
_BUSES = {
    "i2c": (1, 6, 7),
}
_CONTACTS = {"contact1": 10, "contact2": 11}
# port: (pin, divider). VSYS comes over the Pico's own one (Pico datasheet, section 4.4).
_CONVERTERS = {
    "analogue1": (26, 1),
    "supply": (29, 3),
}

PORTS = {"uart": _PORTS, "i2c": _BUSES, "pin": _CONTACTS, "adc": _CONVERTERS}


def open_uart(port: str, baud: int, parity: str):
    """The UART called `port`, never blocking. OSError when this board has none of that name."""
    return uart(*wires(_PORTS, port), baud, parity)


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
