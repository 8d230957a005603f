"""The nouns that everything else speaks: readings, packs and their qualities.

They are the wire's own named tuples, so that what a node signs and what the gateway computes with are one thing.
"""

from enum import IntEnum

from wayside_wire.pack import BAD, GOOD, HOLDOVER, SYNCED, UNCERTAIN, UNSYNCED, Pack, Reading

__all__ = ["Pack", "PackRefused", "Quality", "Reading", "TimeQuality", "format_value"]


class Quality(IntEnum):
    """How much a value is worth. A bad reading has a reason and no value."""

    GOOD = GOOD
    UNCERTAIN = UNCERTAIN
    BAD = BAD


class TimeQuality(IntEnum):
    """How much a time is worth: disciplined, running on its own after it was, or counted from the boot."""

    UNSYNCED = UNSYNCED
    HOLDOVER = HOLDOVER
    SYNCED = SYNCED


class PackRefused(Exception):
    """A pack that is not taken. `code` is an error code of wayside_wire.link; the text says why and what to do."""

    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code


def format_value(mantissa: int, exponent: int) -> str:
    """The exact decimal text of mantissa * 10**exponent, with the resolution that the register has."""
    if exponent >= 0:
        return str(mantissa * 10**exponent)
    digits = str(abs(mantissa)).rjust(1 - exponent, "0")
    sign = "-" if mantissa < 0 else ""
    return f"{sign}{digits[:exponent]}.{digits[exponent:]}"
