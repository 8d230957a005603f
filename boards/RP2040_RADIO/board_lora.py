"""An SX1276 on the board's SPI (wiring.md), by micropython-lib's driver.

Every board with a radio has a module of this name.
"""

from lora import AsyncSX1276
from machine import SPI, Pin
from micropython import const
from wayside_node.config import JsonTable
from wayside_node.radio import driver_settings

_RADIO = {"miso": 16, "nss": 17, "sck": 18, "mosi": 19, "reset": 20, "dio0": 21, "dio1": 22}
_SPI_BAUD = const(8000000)  # datasheet of the SX1276, table 10: 10 MHz at most


def open_modem(radio, chip: dict):
    """chip: {"dbm": power at the pin PA_BOOST, which modules bring out}. ConfigError; OSError: no SX1276 answers."""
    table = JsonTable(chip, "chip.")
    settings = driver_settings(radio)
    settings.update(tx_ant="PA_BOOST", output_power=table.integer("dbm", 2, 17, 14))
    table.end()
    pins = {name: Pin(number) for name, number in _RADIO.items()}
    spi = SPI(0, baudrate=_SPI_BAUD, sck=pins["sck"], mosi=pins["mosi"], miso=pins["miso"])
    try:
        return AsyncSX1276(spi, pins["nss"], pins["dio0"], pins["dio1"], pins["reset"], settings)
    except RuntimeError as error:
        raise OSError("radio: %s: no SX1276 answers; look at its wires and its supply" % error)
