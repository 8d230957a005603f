"""Reads a file that is a CBOR map of fields 0, 1, 2 ..., the first of which names its format: bundles, fraud proofs.

Each list is held against its limit before anything of it is made: who sends such a file may be a stranger.
"""

from typing import ClassVar, TypeGuard

from wayside_wire import cbor

from wayside.evidence import EvidenceError
from wayside.evidence.entry import MAX_NUMBER


class Fields:
    """Goes through the fields in their one order. What is not in form raises `error`; WireError when it is no CBOR."""

    what: ClassVar[str]
    """What the file is, for errors."""
    format: ClassVar[str]
    error: ClassVar[type[EvidenceError]]

    def __init__(self, data: bytes, at: int = 0):
        self._data = data
        self._at = at

    def _end(self) -> None:
        if self._at != len(self._data):
            raise self.error(f"not a {self.what}: {len(self._data) - self._at} bytes after it")

    def _key(self, number: int) -> None:
        # Keys below 24 are one byte, and stand in their order: there is no other deterministic encoding.
        if self._data[self._at : self._at + 1] != bytes([number]):
            missing = f"field {number} is missing or not in its place"
            raise self.error(f"not a {self.what} of the format {self.format}: {missing}")
        self._at += 1

    def _item(self) -> object:
        """A number, a string or null: what lists hold is read by those who know their limits."""
        if self._data[self._at : self._at + 1] and self._data[self._at] >> 5 in (cbor.ARRAY, cbor.MAP, cbor.TAG):
            raise self.error("a list stands where none belongs")
        value, self._at = cbor.decode_at(self._data, self._at)
        return value

    def _field(self, number: int) -> object:
        self._key(number)
        return self._item()

    def _count(self) -> int:
        """How many elements the list has that begins here."""
        count, self._at = cbor.open_array(self._data, self._at)
        return int(count)

    def _list(self, number: int, limit: int) -> int:
        """The same of the list that is a field."""
        self._key(number)
        count = self._count()
        if count > limit:
            raise self.error(f"field {number} has {count} elements, at most {limit} are read")
        return count


def is_number(value: object) -> TypeGuard[int]:
    """Whether it can be a place in a log, or a time."""
    return bool(cbor.is_int(value)) and isinstance(value, int) and 0 <= value <= MAX_NUMBER
