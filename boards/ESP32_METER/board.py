"""An ESP32 with an RS-485 transceiver (wiring.md). Every board has a module of this name."""

import json
import os
import time

import esp32
import machine
import network
from machine import UART, WDT, Pin, Timer

NAME = "ESP32_METER"

# port: (UART, TX, RX, pin that switches the RS-485 driver). UART 0 is the console.
_PORTS = {
    "link": (2, 17, 16, None),
    "rs485": (1, 25, 26, 27),
}
_PARITIES = {"N": None, "E": 0, "O": 1}
_BUFFER = 1100  # a whole frame of the link (1,024 bytes) with its framing, so that write() never waits

_HOLD_MS = 500  # the shortest watchdog that a configuration may ask for has 1000
_TRIAL_MS = 60000
_timers = []

urandom = os.urandom


def open_uart(port: str, baud: int, parity: str):
    """The UART called `port`, never blocking. OSError when this board has none of that name."""
    number, tx, rx, _ = _wires(port)
    return UART(
        number, baud, bits=8, parity=_PARITIES[parity], stop=1, tx=tx, rx=rx, txbuf=_BUFFER, rxbuf=_BUFFER, timeout=0,
        timeout_char=0,
    )  # fmt: skip


def driver(port: str):
    """The function that switches the RS-485 driver of `port`: 1 sends, 0 listens. None: there is nothing to switch."""
    enable = _wires(port)[3]
    return None if enable is None else Pin(enable, Pin.OUT, value=0).value


def watchdog(timeout_ms: int):
    """Start the task watchdog; returns its feed()."""
    return WDT(timeout=timeout_ms).feed


def hold(feed, span_ms: int) -> None:
    """Keep the watchdog fed for so long without the application: the prompt is a technician's. A soft reset ends it."""
    end = time.ticks_add(time.ticks_ms(), span_ms)

    def again(timer):
        if time.ticks_diff(end, time.ticks_ms()) > 0:
            feed()
        else:
            timer.deinit()

    timer = Timer(0)
    timer.init(period=_HOLD_MS, callback=again)
    _timers.append(timer)


def reset() -> None:
    """Start again, as after power-up."""
    machine.reset()


def sync(file) -> None:
    """What was written to `file` survives a power cut on return: flush() ends in lfs_file_sync()."""
    file.flush()


def sync_directory(path: str) -> None:
    """Nothing to do: littlefs commits a name together with its metadata."""


def join_network(path: str = "/wifi.json") -> bool:
    """Join the Wi-Fi of {"ssid": ..., "password": ...}; False without such a file. Joins again by itself, for ever."""
    try:
        with open(path) as file:
            settings = json.load(file)
        ssid, password = settings["ssid"], settings["password"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    station = network.WLAN(network.STA_IF)
    station.active(True)
    station.config(reconnects=-1)
    station.connect(ssid, password)
    return True


def passed_trial() -> None:
    """Keep the application that runs, once it has run for a minute. Reset before that, the boot loader goes back.

    ESP-IDF programming guide, Over The Air Updates, App Rollback.
    """
    timer = Timer(1)
    timer.init(
        mode=Timer.ONE_SHOT,
        period=_TRIAL_MS,
        callback=lambda timer: esp32.Partition.mark_app_valid_cancel_rollback(),
    )
    _timers.append(timer)


def _wires(port: str):
    if port not in _PORTS:
        raise OSError("%s: this board has the ports %s" % (port, ", ".join(sorted(_PORTS))))
    return _PORTS[port]
