"""Keeps the node in its Wi-Fi, whatever becomes of that: joins again for ever, with ever longer pauses.

The driver joins again by itself; what it does not get over is asked anew here, and every few times with the radio
switched off and on. Nothing raises: a node whose network is away polls its meters and keeps its packs. What a station
says and does: MicroPython 1.25, ports/esp32/network_wlan.c.
"""

import json

from micropython import const

from .supervisor import said

FILE = "/wifi.json"
_JOIN_MS = const(60000)  # that joining, an address included, may take
_STEP_MS = const(500)
_FIRST_WAIT_MS = const(2000)
_LAST_WAIT_MS = const(60000)
_ANEW = const(4)  # every fourth time the radio is switched off and on
_CONNECTING = const(1001)
# Of ESP-IDF, components/esp_wifi/include/esp_wifi_types_generic.h, wifi_err_reason_t.
_REASONS = {
    2: "the access point ended it: a wrong password, or it was too busy",
    15: "a wrong password, or hardly any signal",
    200: "the access point is gone",
    201: "there is no such network here",
    202: "a wrong password",
    204: "a wrong password, or hardly any signal",
    205: "the access point refuses",
    210: "the network has another kind of security",
    211: "the network has another kind of security",
    212: "hardly any signal",
    1000: "the driver does nothing",
    # Also for whatever the port does not tell apart while the driver tries on (a handshake that times out).
    _CONNECTING: "still joining: a wrong password, hardly any signal, or no address yet",
}


class Wifi:
    """`run(beat)` is its task."""

    def __init__(self, open_station, files, clock, report, jitter, path: str = FILE):
        """open_station(): the board's network.WLAN; path: of the file that says which network."""
        self._open_station = open_station
        self._files = files
        self._clock = clock
        self._report = report
        self._jitter = jitter
        self._path = path
        self._station = None
        self._tries = 0
        self._told = ""

    async def run(self, beat) -> None:
        """For ever."""
        wait_ms = _FIRST_WAIT_MS
        while True:
            beat()
            reason = self._join()
            if not reason:
                if await self._stay(beat):
                    wait_ms = _FIRST_WAIT_MS
                reason = self._reason()
            self._tell(reason)
            await self._pause(_FIRST_WAIT_MS + self._jitter(wait_ms), beat)
            wait_ms = min(2 * wait_ms, _LAST_WAIT_MS)

    def _join(self) -> str:
        """Begin to join; what is against it, empty when nothing is."""
        name, password, wrong = self._settings()
        if wrong:
            return wrong
        try:
            if self._station is None:
                self._station = self._open_station()
            station = self._station
            if station.isconnected():  # since before a soft reset
                return ""
            self._tries += 1
            if self._tries % _ANEW == 0:
                station.active(False)
            if station.active():
                self._leave(station)  # while it still joins it refuses to join
            else:
                station.active(True)
            station.config(reconnects=-1)
            station.connect(name, password)
            return ""
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            return "the driver refuses: " + said(error)

    async def _stay(self, beat) -> bool:
        """Until there has been no network for _JOIN_MS; whether there was one."""
        was = False
        left = self._clock.now()
        while self._clock.now() - left < _JOIN_MS:
            beat()
            try:
                if self._station.isconnected():
                    left = self._clock.now()
                    was = True
                    self._tell("joined")
            except (OSError, RuntimeError):
                pass  # as if there was none
            await self._clock.sleep_ms(_STEP_MS)
        return was

    async def _pause(self, ms: int, beat) -> None:
        end = self._clock.now() + ms
        while self._clock.now() < end:
            beat()
            await self._clock.sleep_ms(_STEP_MS)

    def _settings(self):
        """(name of the network, password, what is wrong with them)."""
        try:
            found = json.loads((self._files.read(self._path) or b"").decode())
            name, password = found["ssid"], found["password"]
        except (OSError, ValueError, KeyError, TypeError):
            return "", "", '%s: write {"ssid": "...", "password": "..."}' % self._path
        if not isinstance(name, str) or not 0 < len(name.encode()) <= 32:
            return "", "", "%s: ssid: a network's name has 1 to 32 bytes" % self._path
        if not isinstance(password, str) or len(password.encode()) not in [0] + list(range(8, 65)):
            return "", "", "%s: password: write 8 to 64 characters, or none for an open network" % self._path
        return name, password, ""

    def _leave(self, station) -> None:
        try:
            station.disconnect()
        except (OSError, RuntimeError):
            pass  # it was not there

    def _reason(self) -> str:
        try:
            status = self._station.status()
        except (OSError, RuntimeError) as error:
            return "the driver says nothing: %s" % error
        return _REASONS.get(status) or "not joined, reason %s" % status

    def _tell(self, text: str) -> None:
        if text != self._told:  # a network that is away for a day is told once
            self._told = text
            self._report("wifi: " + text)
