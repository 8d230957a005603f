"""The detector inputs as they are told: what changes faster than pictures go out is told one change after the other."""

from micropython import const

_SHOWINGS = const(2)  # of each level: a picture may be damaged on its line, and the next one still says it
_MOST_WAITING = const(10)  # changes; whatever changes faster for longer is chatter


class ContactInputs:
    """Looked at fifty times a second: what lasts 20 ms is told, what is shorter is noise."""

    def __init__(self):
        self._levels = b""
        self._told = bytearray()
        self._showings = bytearray()
        self._waiting = bytearray()

    def look(self, levels: bytes) -> None:
        """levels: a byte 0 or 1 per input, now."""
        if len(levels) != len(self._levels):
            self._told = bytearray(levels)
            self._showings = bytearray(len(levels))
            self._waiting = bytearray(len(levels))
        else:
            for number, level in enumerate(levels):
                if level != self._levels[number]:
                    # Two less are the same level in the end.
                    self._waiting[number] += 1 if self._waiting[number] < _MOST_WAITING else -1
        self._levels = levels

    def show(self) -> bytes:
        """A byte 0 or 1 per input, for the next picture."""
        for number, waiting in enumerate(self._waiting):
            if waiting and self._showings[number] >= _SHOWINGS:
                self._told[number] = 1 - self._told[number]
                self._waiting[number] = waiting - 1
                self._showings[number] = 0
            if self._showings[number] < _SHOWINGS:
                self._showings[number] += 1
        return bytes(self._told)
