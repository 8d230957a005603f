"""A family of messages: CBOR arrays that begin with a number, as named tuples.

`decode` refuses whatever is not exactly one of them, and `encode` what `decode` would refuse.
"""

from . import WireError, cbor


class Messages:
    """`link` and `lora_link` have one each."""

    def __init__(self, name: str, shapes: dict, fits):
        """name: for errors; shapes: {number: (named tuple, kinds of its fields)}; fits(value, kind) -> bool."""
        self._name = name
        self._shapes = shapes
        self._numbers = {shapes[number][0]: number for number in shapes}
        self._fits = fits

    def encode(self, message) -> bytes:
        """The bytes of a named tuple of this family; ValueError when a field does not fit."""
        number = self._numbers[type(message)]
        wrong = self._wrong(number, message)
        if wrong:
            raise ValueError(wrong)
        out = bytearray()
        cbor.write_head(out, cbor.ARRAY, 1 + len(message))
        cbor.write_int(out, number)
        for value in message:
            if cbor.is_int(value):
                cbor.write_int(out, value)  # the most of what a message has, and the last that write() thinks of
            else:
                cbor.write(out, value)
        return bytes(out)

    def decode(self, data: bytes):
        """The named tuple of a message; WireError for anything else."""
        items = cbor.decode(data, 2)
        if not (isinstance(items, list) and items and cbor.is_int(items[0]) and items[0] in self._shapes):
            raise WireError("%s: unknown message" % self._name)
        number = items.pop(0)
        kind, fields = self._shapes[number]
        if len(items) != len(fields):
            raise WireError("%s: message %d has %d fields" % (self._name, number, len(items)))
        wrong = self._wrong(number, items)
        if wrong:
            raise WireError(wrong)
        return kind(*items)

    def _wrong(self, number: int, values) -> str:
        """What is wrong with the first field that its value does not fit, empty when all fit."""
        for field, value in zip(self._shapes[number][1], values):
            if not self._fits(value, field):
                return "%s: message %d has a field that is not %s" % (self._name, number, field)
        return ""
