"""What all boards with an ESP32 do alike; their board.py has the pins. Frozen into each of their images."""

import os
import time

import esp32
import machine
import network
from machine import ADC, I2C, UART, Pin

_PARITIES = {"N": None, "E": 0, "O": 1}
_BUFFER = 1100  # a whole frame of the link (1,024 bytes) with its framing, so that write() never waits

_OTA_DATA = 0  # subtype of the partition in which the boot loader notes its choice

_EPOCH_2000_S = 946684800  # from 1970 to where this port's time begins

urandom = os.urandom


def wires(ports: dict, port: str):
    """What `ports` has for `port`. OSError when this board has none of that name."""
    if port not in ports:
        raise OSError("%s: this board has the ports %s" % (port, ", ".join(sorted(ports))))
    return ports[port]


def uart(number: int, tx: int, rx: int, baud: int, parity: str):
    """A UART that never blocks."""
    return UART(
        number, baud, bits=8, parity=_PARITIES[parity], stop=1, tx=tx, rx=rx, txbuf=_BUFFER, rxbuf=_BUFFER, timeout=0,
        timeout_char=0,
    )  # fmt: skip


def i2c(number: int, sda: int, scl: int):
    """An I2C bus at the 100 kHz that every sensor bears."""
    return I2C(number, sda=Pin(sda), scl=Pin(scl), freq=100000)


def contact(number: int):
    """A function that says whether a contact is closed: it ties its pin to GND."""
    pin = Pin(number, Pin.IN, Pin.PULL_UP)
    return lambda: not pin.value()


def converter(number: int, divider: int):
    """A function that measures microvolts before a divider, as calibrated at the factory."""
    read = ADC(Pin(number), atten=ADC.ATTN_11DB).read_uv
    return lambda: read() * divider


def reset() -> None:
    """Start again, as after power-up."""
    machine.reset()


def sync(file) -> None:
    """What was written to `file` survives a power cut on return: flush() ends in lfs_file_sync()."""
    file.flush()


def sync_directory(path: str) -> None:
    """Nothing to do: littlefs commits a name together with its metadata."""


def set_clock(utc_ms: int) -> None:
    """The time by which certificates are judged; nothing else goes by this clock."""
    seconds = utc_ms // 1000 - (_EPOCH_2000_S if time.gmtime(0)[0] == 2000 else 0)
    year, month, day, hour, minute, second, weekday, _ = time.gmtime(seconds)
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def open_station():
    """The chip's end of a Wi-Fi. OSError, RuntimeError when the driver cannot be started."""
    return network.WLAN(network.STA_IF)


def name_servers():
    """(address, port) of each name server that DHCP told; none before."""
    try:
        told = network.WLAN(network.STA_IF).ifconfig()[3]
    except (OSError, RuntimeError):
        return []
    return [(told, 53)] if told != "0.0.0.0" else []


def trial():
    """What keeps the application that runs; None: it is kept. Unless it is called, the boot loader goes back to the one
    before at the next start (ESP-IDF programming guide, Over The Air Updates, App Rollback)."""
    return esp32.Partition.mark_app_valid_cancel_rollback if _on_trial() else None


def give_up() -> None:
    """The application cannot start. Of one on trial the one before comes back; of any other the prompt stays, to the
    technician."""
    if _on_trial():
        reset()


def _on_trial() -> bool:
    from wayside_node.otadata import on_trial

    for note in esp32.Partition.find(esp32.Partition.TYPE_DATA, _OTA_DATA):
        heads = bytearray(32), bytearray(32)
        for number, head in enumerate(heads):
            note.readblocks(number, head, 0)
        return on_trial(bytes(heads[0]), bytes(heads[1]))
    return False
