"""What a meter has said that outlives a power cut: its serial number in a file, its last counts in the journal."""

import binascii
import struct

from micropython import const
from wayside_wire import WireError
from wayside_wire.counter import is_held_back
from wayside_wire.pack import BAD, open_pack

_LOOK_BACK = const(40)  # packs; a report may fill more than one


class MeterMemory:
    """Of one meter. The journal has its packs; `path`: the folder of the node's state."""

    def __init__(self, files, path: str, device: str, journal):
        self._files = files
        self._path = "%s/serial-%s" % (path, device)
        self._journal = journal
        self._kept = self._read()

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever told of this meter."""
        return not self._journal.head.boot and self._kept is None

    @property
    def serial(self):
        """The registers of the serial number that was kept, None where there is none."""
        return self._kept

    def counts(self, fields):
        """({channel: mantissa}, channels that were held back since), of these fields' newest packs in the journal.

        The mantissa is that of the last good reading.
        """
        exponents = {}
        for field in fields:
            exponents[field.channel] = field.exponent
        found = {}
        doubted = set()
        for stored in self._journal.last(_LOOK_BACK):
            try:
                readings = open_pack(stored.raw, _ours)[0].readings
            except WireError:
                continue
            for reading in readings:
                if reading.quality != BAD and exponents.get(reading.channel) == reading.exponent:
                    found[reading.channel] = reading.mantissa
                    doubted.discard(reading.channel)
                elif is_held_back(reading.reason):
                    doubted.add(reading.channel)
        return found, doubted

    def keep(self, serial: bytes) -> None:
        """Make the serial number durable; OSError when flash does not take it."""
        self._files.replace(self._path, serial + struct.pack("<I", _crc(serial)))
        self._kept = serial

    def _read(self):
        data = self._files.read(self._path)
        if data is None or len(data) < 6:
            return None
        serial = data[:-4]
        # What a power cut has torn is no number: then nothing says that it is the same meter.
        return serial if _crc(serial) == struct.unpack("<I", data[-4:])[0] else None


def _ours(kid, message, signature) -> bool:
    return True  # the node has written it itself


def _crc(data: bytes) -> int:
    return binascii.crc32(data) & 0xFFFFFFFF
