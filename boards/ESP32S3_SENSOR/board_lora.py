"""An SX1262 on the board's SPI (wiring.md), by micropython-lib's driver.

Every board with a radio has a module of this name.
"""

from lora import AsyncSX1262  # pyright: ignore[reportMissingImports]  (micropython-lib's)
from machine import SPI, Pin
from micropython import const
from wayside_node.config import JsonTable
from wayside_node.radio import driver_settings

_RADIO = {"nss": 10, "mosi": 11, "sck": 12, "miso": 13, "reset": 14, "busy": 21, "dio1": 47}
_SPI_BAUD = const(8000000)  # datasheet of the SX1261/2, table 8-1: 16 MHz at most


def open_modem(radio, chip: dict):
    """chip: {"dbm": power at the antenna's pin, "tcxo_mv": supply of the module's oscillator by DIO3, 0 where it has a
    crystal}. ConfigError; OSError: no SX1262 answers.
    """
    table = JsonTable(chip, "chip.")
    settings = driver_settings(radio)
    settings["output_power"] = table.integer("dbm", -9, 22, 14)
    tcxo_mv = table.integer("tcxo_mv", 0, 3300, 1800)
    table.end()
    pins = {name: Pin(number) for name, number in _RADIO.items()}
    spi = SPI(1, baudrate=_SPI_BAUD, sck=pins["sck"], mosi=pins["mosi"], miso=pins["miso"])
    try:
        return AsyncSX1262(
            spi, pins["nss"], pins["busy"], pins["dio1"], dio2_rf_sw=True, dio3_tcxo_millivolts=tcxo_mv or None,
            reset=pins["reset"], lora_cfg=settings,
        )  # fmt: skip
    except RuntimeError as error:
        raise OSError("radio: %s: no SX1262 answers; look at its wires and its supply" % error)
