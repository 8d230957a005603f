"""BTHome v2 beacons: the readings of a node in BLE advertisements, plain or encrypted.

No radio here: `ble_gatt` puts on the air what next() gives. What does not fit into one advertisement takes turns.
"""

from micropython import const
from wayside_wire import bthome

_SEALED = const(8)  # counter and tag


class Beacon:
    """One identity on the air. silent: readings that BTHome cannot say, a bad one above all."""

    def __init__(self, address: bytes, key: bytes | None, next_counter):
        """address: 6 bytes as they are written; key: 16 bytes, None for plain; next_counter(): never the same twice."""
        self._address = address
        self._key = key
        self._next_counter = next_counter
        self._runs = []
        self._turn = 0
        self._packet = 0
        self.silent = 0

    def take(self, readings) -> None:
        """From now on these are told; those before are not any more."""
        objects = bthome.objects_of(readings)
        self.silent += len(readings) - len(objects)
        room = bthome.ROOM - 1 - (_SEALED if self._key else 2)
        self._runs = bthome.split(objects, room)
        self._turn = 0

    def next(self):
        """The advertising data of the next run; None: there is nothing to tell, not even the value before."""
        if not self._runs:
            return None
        run = self._runs[self._turn]
        self._turn = (self._turn + 1) % len(self._runs)
        if self._key:
            data = bthome.seal(run, self._key, self._address, self._next_counter())
        else:
            self._packet = (self._packet + 1) & 255
            data = bthome.encode([(bthome.PACKET_ID, self._packet)] + run)
        return bthome.advertisement(data)
