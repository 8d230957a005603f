"""Contacts: a pulse output (S0 of electricity meters, reed contacts of water and gas meters) and a vehicle loop's
relay.

IEC 62053-31 class A: a pulse is on for 30 ms at least, and off for as long. A level counts when it has lasted; what is
shorter is bounce.
"""

import binascii
import struct

from micropython import const
from wayside_wire.lora_report import Channel
from wayside_wire.pack import BAD, GOOD, Reading

from .state import FAULT

_S0_MS = const(30)
_FORMAT = "<Q"


class Debounce:
    """Edges in, settled levels out. count: changes to active that lasted; bounces: levels that did not."""

    def __init__(self, least_ms: int, active: bool = False):
        self._least_ms = least_ms
        self.active = active  # settled
        self._level = active
        self._since = 0
        self.count = 0
        self.bounces = 0

    def edge(self, level: bool, at_ms: int) -> None:
        """The contact changed; from an interrupt or from a look at the pin."""
        self.settle(at_ms)
        if level != self._level:
            if self._level != self.active:
                self.bounces += 1
            self._level = level
            self._since = at_ms

    def settle(self, now_ms: int) -> bool:
        """Whether the contact is active, now that so much time has passed."""
        if self._level != self.active and now_ms - self._since >= self._least_ms:
            self.active = self._level
            self.count += 1 if self.active else 0
        return self.active


class Register:
    """A count in `path`.0 and `path`.1 that never goes back: what is told is durable before."""

    def __init__(self, files, path: str):
        self._files = files
        self._path = path
        found = [self._read(copy) for copy in (0, 1)]
        whole = [count for count in found if count is not None]
        self.value = max(whole) if whole else 0
        self._copy = 0 if found[0] != self.value else 1  # the older one is written first
        # Both torn is not "new": the count is lost, and that has to be said.
        self.lost = not whole and any([files.read("%s.%d" % (path, copy)) is not None for copy in (0, 1)])

    def add(self, pulses: int) -> int:
        """The new count. OSError: nothing was added."""
        if pulses:
            data = struct.pack(_FORMAT, self.value + pulses)
            self._files.replace("%s.%d" % (self._path, self._copy), data + struct.pack("<I", _crc(data)))
            self._copy = 1 - self._copy
            self.value += pulses
        return self.value

    def _read(self, copy: int):
        data = self._files.read("%s.%d" % (self._path, copy))
        if data is None or len(data) != 12 or struct.unpack("<I", data[8:])[0] != _crc(data[:8]):
            return None
        return struct.unpack(_FORMAT, data[:8])[0]


class Pulses:
    """A meter's pulse output: its register in the unit of `channel`, `factor` of it to a pulse."""

    def __init__(self, pin, clock, register, channel, factor: int, least_ms: int = _S0_MS):
        """pin(): whether the contact is closed; channel: a Channel; factor: 3600 for 1000 pulses per kWh in J."""
        self._pin = pin
        self._clock = clock
        self._register = register
        self._factor = factor
        self._told = 0
        self.channels = (channel,)
        self.debounce = Debounce(least_ms, pin())

    def step(self) -> None:
        self.debounce.edge(self._pin(), self._clock.now())

    def readings(self, now_ms: int) -> list:
        name, unit, exponent = self.channels[0]
        try:
            fresh = self.debounce.count - self._told
            value = self._register.add(fresh)
            self._told += fresh
        except OSError:
            return [Reading(name, unit, None, 0, BAD, FAULT, now_ms)]
        if self._register.lost:
            return [Reading(name, unit, None, 0, BAD, FAULT, now_ms)]
        return [Reading(name, unit, value * self._factor, exponent, GOOD, "", now_ms)]


LOOP_CHANNELS = (Channel("vehicles", "count", 0), Channel("presence", "/", 0))
_LOOP_MS = const(60)
_STUCK_MS = const(1800000)


class Loop:
    """A vehicle loop's relay: how many came since the start, and whether one stands there now."""

    def __init__(self, pin, clock, least_ms: int = _LOOP_MS, stuck_ms: int = _STUCK_MS):
        """stuck_ms: a vehicle for longer than this is a broken loop, which detectors report as one."""
        self._pin = pin
        self._clock = clock
        self._stuck_ms = stuck_ms
        self._since = clock.now()
        self.debounce = Debounce(least_ms, pin())

    def step(self) -> None:
        now = self._clock.now()
        before = self.debounce.active
        self.debounce.edge(self._pin(), now)
        if self.debounce.settle(now) != before:
            self._since = now

    def readings(self, now_ms: int) -> list:
        if self.debounce.active and now_ms - self._since > self._stuck_ms:
            return [Reading(name, unit, None, 0, BAD, FAULT, now_ms) for name, unit, _ in LOOP_CHANNELS]
        values = (self.debounce.count, 1 if self.debounce.active else 0)
        return [
            Reading(name, unit, value, 0, GOOD, "", now_ms) for (name, unit, _), value in zip(LOOP_CHANNELS, values)
        ]


def _crc(data: bytes) -> int:
    return binascii.crc32(data) & 0xFFFFFFFF
