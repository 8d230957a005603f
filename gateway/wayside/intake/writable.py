"""From a report to the payloads of its packs: what cannot be written down is a bad reading with the reason.

Whoever reads devices may hand over any reading: a register read in the wrong word order makes numbers of forty digits,
an adapter makes names of its own. One of them must not cost the others anything.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from wayside_wire.number import BEYOND, TOO_LARGE
from wayside_wire.pack import BAD, split

from wayside.text.printable import printable
from wayside.values.reading import Reading
from wayside.values.senml_units import SENML_UNITS

_NOT_WRITTEN = (ValueError, TypeError, AttributeError, struct.error)
_REASON = 64  # characters of a reading's
_LONGEST = 200  # characters of what is said of a reading


class Payloads(NamedTuple):
    """A report as it is written down. parts: see pack.split; refused: of readings that have no place there, why."""

    readings: Sequence[Reading]
    parts: Sequence[tuple[bytes, int]]
    refused: Sequence[str] = ()


def payloads(device: str, readings: Sequence[Reading]) -> Payloads:
    """The report of `device` in a form that can be signed; nothing that is handed over raises."""
    try:
        if all(_has_a_number(each) and each.unit in SENML_UNITS for each in readings):
            return Payloads(readings, split(device, readings))
    except _NOT_WRITTEN:
        pass
    written, refused = [], []
    for reading in readings:
        try:
            written.append(_mended(device, reading))
        except _NOT_WRITTEN as error:
            refused.append(printable(str(error), _LONGEST))
    return Payloads(written, split(device, written), refused)


def _mended(device: str, reading: Reading) -> Reading:
    """The reading, or a bad one in its place; an error where even that cannot be written."""
    if isinstance(reading.unit, str) and reading.unit not in SENML_UNITS:
        raise ValueError(f'{reading.channel}: the unit "{reading.unit}" is no SenML unit; energy is in J, power in W')
    try:
        if _has_a_number(reading):
            split(device, (reading,))
            return reading
        is_number = type(reading.mantissa) is int and type(reading.exponent) is int
        reason = TOO_LARGE if is_number else "not a whole number"
    except _NOT_WRITTEN as error:
        reason = str(error)
    reason = reason[:_REASON] or "no reason told"
    bad = Reading(reading.channel, reading.unit, None, 0, BAD, reason, reading.time_ms)
    split(device, (bad,))
    return bad


def _has_a_number(reading: Reading) -> bool:
    """Whether its value, where it has one, is a decimal that every part behind holds."""
    mantissa = reading.mantissa
    if mantissa is None:
        return True
    return type(mantissa) is int and type(reading.exponent) is int and -BEYOND <= mantissa < BEYOND
