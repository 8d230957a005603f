"""A few numbers that outlive any power cut: a record in two copies, of which one is whole at every moment.

A cut while one is written leaves the other, as does a spoilt block of flash. Of two that hold the greater counts, so
the first number must never go back. With store() both copies are the same: damage to either costs nothing. With
store_in_turn() the other one is what was before, for half the writes to flash.

Flash may refuse one file for ever, by an I/O error, and take all others. Then the other copy is kept alone, and written
so that a cut leaves it whole. The one that is refused goes: if the good one is damaged later, all is lost and that is
said; a number of long ago must not count again. Where there is no room one copy is whole, the new or the one
before: who calls makes some.
"""

import struct

from micropython import const

from .checked import checked, unchecked

_ENOSPC = const(28)


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
        """Both copies; durable on return. OSError: neither is, or there is no room."""
        data = self.packed(record)
        older, newest = 1 - self._newest, self._newest
        if not self._replace(older, data):
            self._keep_alone(newest, data)
            return
        self._newest = older  # the other is torn where there is no room for it: the next time it is written first
        if not self._replace(newest, data):
            self._drop(newest)

    def store_in_turn(self, *record) -> None:
        """The copy that does not count; it does on return, and is durable. OSError as store()."""
        other = 1 - self._newest
        data = self.packed(record)
        if self._replace(other, data):
            self._newest = other
        else:
            self._keep_alone(self._newest, data)

    def _replace(self, copy: int, data: bytes) -> bool:
        """Whether flash took the copy; OSError where there is no room."""
        try:
            self._files.replace(self._name(copy), data)
            return True
        except OSError as error:
            if error.args[0] == _ENOSPC:
                raise
            self._files.refused(self._name(copy), error)
            return False

    def _keep_alone(self, copy: int, data: bytes) -> None:
        self._files.exchange(self._name(copy), data)
        self._drop(1 - copy)

    def _drop(self, copy: int) -> None:
        try:
            self._files.remove(self._name(copy))
        except OSError:  # it may not even be there; and where it stays, what it holds is older
            pass

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
