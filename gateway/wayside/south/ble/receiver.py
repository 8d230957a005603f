"""BTHome v2 advertisements of known sensors to readings. What nobody configured is counted and ignored.

An advertisement is sent several times, and heard more often than it changes: a packet id or counter that was the last
one changes nothing. A counter that does not grow is a replay; the last one is kept across a reboot.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wayside_wire import WireError, bthome
from wayside_wire.pack import GOOD

from wayside.clock import Clock
from wayside.reading import Reading
from wayside.south.ble.scanner import Advert, uuid16
from wayside.south.lora.store import Store

_SERVICE = uuid16(bthome.UUID16)

Report = Callable[[str, Sequence[Reading]], None]


@dataclass(frozen=True, slots=True)
class Beacon:
    """A sensor that advertises. key: 16 bytes; None: it sends in the clear, and anybody may speak for it."""

    device: str
    key: bytes | None


class Receiver:
    """Sensors by address. `counters` says what came and what was wrong with it."""

    def __init__(self, beacons: Mapping[str, Beacon], store: Store, clock: Clock, report: Report):
        self.counters: Counter[str] = Counter()
        self._beacons = {address.upper(): beacon for address, beacon in beacons.items()}
        self._store = store
        self._last = store.last()
        self._packets: dict[str, int] = {}
        self._clock = clock
        self._report = report

    def take(self, advert: Advert) -> None:
        """One advertisement. Nothing in it raises."""
        data = advert.services.get(_SERVICE)
        beacon = self._beacons.get(advert.address.upper())
        if data is None or beacon is None:
            self.counters["strangers"] += 1
            return
        try:
            plain = self._open(advert.address, beacon, data)
            if plain is None:
                return
            packet, found = bthome.decode(plain)
        except WireError:
            self.counters["malformed or not authentic"] += 1
            return
        if packet is not None and beacon.key is None and self._packets.get(beacon.device) == packet:
            self.counters["repeated"] += 1
            return
        if packet is not None:
            self._packets[beacon.device] = packet
        if not found:
            return
        now = self._clock.utc_ms()
        self.counters["reports"] += 1
        self._report(
            beacon.device,
            [Reading(name, unit, value, exponent, GOOD, "", now) for name, unit, value, exponent in found],
        )

    def _open(self, address: str, beacon: Beacon, data: bytes) -> bytes | None:
        """Plain service data; None for a counter that did not grow."""
        if beacon.key is None:
            return data
        if not bthome.is_encrypted(data):
            self.counters["not encrypted"] += 1  # somebody else speaks for it
            return None
        counter, plain = bthome.open_sealed(data, beacon.key, bytes.fromhex(address.replace(":", "")))
        number = int(address.replace(":", ""), 16)
        last = self._last.get(number, -1)
        if counter <= last:
            self.counters["repeated" if counter == last else "replayed"] += 1
            return None
        try:
            self._store.take(number, counter)
        except sqlite3.Error:
            self.counters["disk refuses"] += 1  # what is not durable might be played again
            return None
        self._last[number] = counter
        return bytes(plain)
