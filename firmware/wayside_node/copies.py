"""A few numbers that outlive any power cut: a record in two copies, of which one is whole at every moment.

A cut while one is written leaves the other, as does a spoilt block of flash. Of two that hold the greater counts, so
the first number must never go back. With store() both copies are the same: damage to either costs nothing. With
store_in_turn() the other one is what was before, for half the writes to flash.
"""

import struct

from .checked import checked, unchecked


class Copies:
    """The numbers in files `path`.0 and `path`.1, packed as `form` says (module struct), with a CRC-32 behind them."""

    first = 0  # the copy that is written first where there is none

    def __init__(self, files, path: str, form: str):
        self._files = files
        self._path = path
        self._form = form
        self._newest = 1 - self.first  # the copy that counts: it is written last

    def load(self):
        """The numbers; None when neither copy holds."""
        found = [self._read(0), self._read(1)]
        best = max([record for record in found if record], key=self.rank, default=None)
        if best:
            self._newest = 0 if found[0] == best else 1
        return best

    def is_lost(self) -> bool:
        """After a load() of nothing: whether there was something once."""
        return any([self._files.read_or_empty(self._name(copy)) is not None for copy in (0, 1)])

    def store(self, *record) -> None:
        """Both copies; durable on return."""
        data = self.packed(record)
        self._files.replace(self._name(1 - self._newest), data)
        self._files.replace(self._name(self._newest), data)

    def store_in_turn(self, *record) -> None:
        """The copy that does not count; it does on return, and is durable."""
        other = 1 - self._newest
        self._files.replace(self._name(other), self.packed(record))
        self._newest = other

    def rank(self, record):
        """By which a record is greater than another."""
        return record

    def packed(self, record) -> bytes:
        return checked(struct.pack(self._form, *record))

    def unpacked(self, data: bytes):
        """A record; None where the data has another form."""
        return struct.unpack(self._form, data) if len(data) == struct.calcsize(self._form) else None

    def _read(self, copy: int):
        data = unchecked(self._files.read_or_empty(self._name(copy)))
        return None if data is None else self.unpacked(data)

    def _name(self, copy: int) -> str:
        return "%s.%d" % (self._path, copy)
