"""What a meter has said that outlives a power cut: its serial number in a file, its last counts in the journal.

The journal does not say what they are counts of: a new configuration may mean another meter by the same name. Another
file says it, and since which boot.
"""

import struct

from micropython import const
from wayside_wire import WireError
from wayside_wire.counter import is_held_back
from wayside_wire.pack import BAD, open_pack

from .checked import checked, unchecked

_LOOK_BACK = const(40)  # packs; a report may fill more than one


class MeterState:
    """Of one meter. The journal has its packs; `path`: the folder of the node's state."""

    def __init__(self, files, path: str, device: str, journal):
        self._files = files
        self._path = "%s/serial-%s" % (path, device)
        self._place_path = "%s/place-%s" % (path, device)
        self._journal = journal
        self._kept = self._read(self._path)
        self._since = 0  # what was counted in boots before is another count

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever told of this meter."""
        return not self._journal.head.boot and self._kept is None

    @property
    def serial(self):
        """The registers of the serial number that was kept, None where there is none."""
        return self._kept

    def settle(self, place: bytes, boot: int) -> None:
        """In this boot the device's counts are those of `place`; OSError when flash does not take it.

        place: 8 bytes, others where one count does not continue the other.
        """
        known = self._read(self._place_path)
        if known is not None and len(known) == 12 and known[:8] == place:
            self._since = struct.unpack("<I", known[8:])[0]
            return
        self._since = boot
        self._write(self._place_path, place + struct.pack("<I", boot))

    def counts(self, fields):
        """({channel: mantissa}, channels that were held back since), of these fields' newest packs in the journal.

        The mantissa is that of the last good reading since the boot that settle() found.
        """
        exponents = {}
        for field in fields:
            exponents[field.channel] = field.exponent
        found = {}
        doubted = set()
        for stored in self._journal.last(_LOOK_BACK):
            if len(found) == len(exponents) or stored.boot < self._since:
                break  # a pack takes 10 ms to decode, and there are as many meters as fit
            try:
                pack = open_pack(stored.raw, _ours)[0]
            except WireError:
                continue
            for reading in reversed(pack.readings):
                if reading.channel in found:
                    continue
                if reading.quality != BAD and exponents.get(reading.channel) == reading.exponent:
                    found[reading.channel] = reading.mantissa
                elif is_held_back(reading.reason):
                    doubted.add(reading.channel)
        return found, doubted

    def keep(self, serial: bytes) -> None:
        """Make the serial number durable; OSError when flash does not take it."""
        self._write(self._path, serial)
        self._kept = serial

    def _write(self, path: str, content: bytes) -> None:
        self._files.replace(path, checked(content))

    def _read(self, path: str):
        content = unchecked(self._files.read_or_empty(path))
        # What a power cut has torn says nothing: then nothing says that it is the same meter.
        return content if content and len(content) > 1 else None


def _ours(kid, message, signature) -> bool:
    return True  # the node has written it itself
