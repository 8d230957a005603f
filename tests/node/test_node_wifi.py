"""Joining a Wi-Fi: the station is what MicroPython 1.25 makes of the ESP32's driver (ports/esp32/network_wlan.c)."""

import asyncio

from fakes import Time, files, scratch
from wayside_node.wifi import Wifi

MINUTE = 60000


class Station:
    """`network`: {name: (password, ms until an address)}; `trouble`: {method: the driver's error}."""

    def __init__(self, time):
        self.time = time
        self.network = {}
        self.trouble = {}
        self.on = False
        self.wants = None
        self.since = 0
        self.joins = []
        self.switched = 0

    def _raise(self, method):
        if method in self.trouble:
            raise self.trouble[method]()

    def active(self, on=None):
        self._raise("active")
        if on is not None:
            self.switched += self.on and not on
            self.on = on
            if not on:
                self.wants = None
        return self.on

    def config(self, reconnects):
        assert reconnects == -1
        self._raise("config")

    def connect(self, name, password):
        self._raise("connect")
        # The driver refuses who is still joining: micropython issue 17661.
        if self.wants:
            raise OSError("Wifi Internal Error")
        self.wants = (name, password)
        self.since = self.time.at_ms
        self.joins.append(self.time.at_ms)

    def disconnect(self):
        self._raise("disconnect")
        if not self.wants:
            raise OSError("Wifi Not Connected")
        self.wants = None

    def isconnected(self):
        if not self.wants or self.wants[0] not in self.network:
            return False
        password, after_ms = self.network[self.wants[0]]
        return password == self.wants[1] and self.time.at_ms - self.since >= after_ms

    def status(self):
        self._raise("status")
        if not self.wants:
            return 1000
        if self.wants[0] not in self.network:
            return 201
        return 1001 if self.network[self.wants[0]][0] == self.wants[1] else 202


class Bench:
    def __init__(self, text='{"ssid": "yard", "password": "correct horse"}'):
        self.time = Time()
        self.station = Station(self.time)
        self.said = []
        self.beat_at = 0
        self.longest = 0
        self.path = scratch("wifi") + "/wifi.json"
        self.write(text)
        self.opened = 0
        self.error = None
        self.wifi = Wifi(self.open, files(), self.time.clock(), self.said.append, lambda limit: limit - 1, self.path)

    def write(self, text):
        with open(self.path, "w") as file:
            file.write(text)

    def open(self):
        self.opened += 1
        if self.error:
            raise self.error()
        return self.station

    def run(self, minutes, then=None):
        """So long; `then`: {ms: function} on the way. The longest time between two beats."""
        end = self.time.at_ms + minutes * MINUTE
        for at_ms, function in (then or {}).items():
            self.at(self.time.at_ms + at_ms, function)

        async def main():
            task = asyncio.create_task(self.wifi.run(self.beat))
            while self.time.at_ms < end and not task.done():
                await asyncio.sleep(0)
            assert not task.done(), "it has ended"
            task.cancel()

        asyncio.run(main())
        return self.longest

    def at(self, at_ms, function):
        done = []

        def hook(now_ms):
            if now_ms >= at_ms and not done:
                done.append(True)
                function()

        self.time.hooks.append(hook)

    def beat(self):
        self.longest = max(self.longest, self.time.at_ms - self.beat_at)
        self.beat_at = self.time.at_ms


def test_it_joins_and_says_so_once():
    b = Bench()
    b.station.network["yard"] = ("correct horse", 3000)
    assert b.run(10) <= 1000
    assert b.said == ["wifi: joined"]
    assert len(b.station.joins) == 1


def test_dhcp_is_late_but_within_a_minute():
    b = Bench()
    b.station.network["yard"] = ("correct horse", 50000)
    b.run(10)
    assert b.said == ["wifi: joined"]


def test_no_access_point_for_a_day_then_there_is_one():
    b = Bench()
    assert b.run(24 * 60) <= 1000
    assert b.said == ["wifi: there is no such network here"]
    assert 600 < len(b.station.joins) < 1440  # never more often than once a minute
    assert b.station.switched > 100
    b.station.network["yard"] = ("correct horse", 2000)
    b.run(5)
    assert b.said[-1] == "wifi: joined"


def test_a_wrong_password_is_said_and_may_be_mended_in_the_file():
    b = Bench('{"ssid": "yard", "password": "incorrect"}')
    b.station.network["yard"] = ("correct horse", 2000)
    b.run(10)
    assert b.said == ["wifi: a wrong password"]
    b.write('{"ssid": "yard", "password": "correct horse"}')
    b.run(5)
    assert b.said[-1] == "wifi: joined"


def test_whatever_the_driver_raises_it_tries_again():
    def unknown():
        return RuntimeError("Wifi Unknown Error 0x0101")

    for error in (OSError, unknown):
        for method in ("active", "config", "connect", "disconnect", "status", "open"):
            b = Bench()
            if method == "open":
                b.error = error
            else:
                b.station.trouble[method] = error
            assert b.run(10) <= 1000
            b.station.trouble = {}
            b.error = None
            b.station.network["yard"] = ("correct horse", 2000)
            b.run(5)
            assert b.said[-1] == "wifi: joined", (method, error, b.said)


def test_the_network_goes_and_comes_back():
    b = Bench()
    b.station.network["yard"] = ("correct horse", 2000)

    def gone():
        b.station.network = {}

    def back():
        b.station.network["yard"] = ("correct horse", 2000)

    b.run(60, {600000: gone, 1800000: back})
    assert b.said == ["wifi: joined", "wifi: there is no such network here", "wifi: joined"]


def test_still_joining_since_before_a_soft_reset():
    b = Bench()
    b.station.active(True)
    b.station.connect("yard", "correct horse")
    b.station.network["yard"] = ("correct horse", 2000)
    b.run(5)
    assert b.said == ["wifi: joined"]


def test_a_file_that_is_none_is_said():
    for text in ("", "[", "[]", '{"ssid": "x"}', '{"ssid": 5, "password": "12345678"}', '{"ssid": "", "password": ""}'):
        b = Bench(text)
        b.run(5)
        assert len(b.said) == 1 and "wifi.json: " in b.said[0], b.said
        assert not b.opened
    for password in ("1234567", "x" * 65):
        b = Bench('{"ssid": "yard", "password": "%s"}' % password)
        b.run(5)
        assert "8 to 64 characters" in b.said[0]


def test_an_open_network_needs_no_password():
    b = Bench('{"ssid": "yard", "password": ""}')
    b.station.network["yard"] = ("", 2000)
    b.run(5)
    assert b.said == ["wifi: joined"]
