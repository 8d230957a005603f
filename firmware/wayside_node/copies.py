"""A few numbers that outlive any power cut: two copies, written one after the other.

A cut while one is written leaves the other, as does a spoilt block of flash. Of two that hold the greater counts, so
the first number must never go back.
"""

import struct

from .checked import checked, unchecked


class Copies:
    """The numbers in files `path`.0 and `path`.1, packed as `form` says (module struct), with a CRC-32 behind them."""

    def __init__(self, files, path: str, form: str):
        self._files = files
        self._path = path
        self._form = form
        self._whole = 0  # a copy that is known to be whole: it is written last

    def load(self):
        """The numbers; None when neither copy holds."""
        found = [self._read(0), self._read(1)]
        self._whole = 0 if found[0] else 1
        return max([copy for copy in found if copy], default=None)

    def store(self, *numbers: int) -> None:
        """Durable on return."""
        data = checked(struct.pack(self._form, *numbers))
        other = 1 - self._whole
        self._files.replace("%s.%d" % (self._path, other), data)
        self._files.replace("%s.%d" % (self._path, self._whole), data)

    def _read(self, copy: int):
        data = unchecked(self._files.read_or_empty("%s.%d" % (self._path, copy)))
        if data is None or len(data) != struct.calcsize(self._form):
            return None
        return struct.unpack(self._form, data)
