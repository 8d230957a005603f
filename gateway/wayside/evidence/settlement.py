"""Energy settlement: what a meter's registers say between two times, recomputed from the entries of a bundle alone.

The sum is last register minus first register, exact, so a pack that is missing in between costs no energy; it is named
all the same by the verifier. Where a register goes back (meter replaced, rolled over) the sum ends and another begins:
what flowed in between is not in the evidence, and nothing is guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from wayside_wire import WireError, pack

from wayside.evidence import EvidenceError
from wayside.evidence.bundle import Bundle
from wayside.evidence.entry import Kind, decode_entry

J_PER_KWH = 3_600_000
CHANNELS = ("energy_active_import", "energy_active_export")


@dataclass(frozen=True, slots=True)
class Register:
    """A good reading of an energy register: its pack, its time (ms since 1970, None when unsynced), its value in J."""

    place: tuple[int, int]
    time_ms: int | None
    joules: Fraction


@dataclass(frozen=True, slots=True)
class Stretch:
    """Registers of one channel that never go back, first and last of them; `bad` readings lie between."""

    channel: str
    first: Register
    last: Register
    registers: int
    bad: int

    @property
    def joules(self) -> Fraction:
        return self.last.joules - self.first.joules


def settle(bundle: Bundle, device: str) -> list[Stretch]:
    """The stretches of each energy register of `device`, in order. Of a bundle that the verifier has found to hold."""
    packs = sorted(_packs(bundle, device), key=lambda each: (each.boot, each.sequence))
    return [stretch for channel in CHANNELS for stretch in _stretches(channel, packs)]


def _packs(bundle: Bundle, device: str) -> Iterator[pack.Pack]:
    for _, raw in bundle.records:
        entry = decode_entry(raw)
        if entry.kind == Kind.PACK and entry.body[0] == device:
            try:
                yield pack.open_pack(entry.body[2], _judged_before)[0]
            except WireError as error:
                raise EvidenceError(f"a pack of {device} cannot be read: {error}") from None


def _judged_before(*_: object) -> bool:
    """The verifier has checked every signature; here the packs are only read."""
    return True


def _stretches(channel: str, packs: list[pack.Pack]) -> Iterator[Stretch]:
    first: Register | None = None
    last: Register | None = None
    registers = bad = 0
    for each in packs:
        for reading in each.readings:
            if reading.channel != channel:
                continue
            if reading.quality != pack.GOOD:
                bad += 1
                continue
            joules = reading.mantissa * Fraction(10) ** reading.exponent
            time_ms = None if each.time_quality == pack.UNSYNCED else reading.time_ms
            found = Register((each.boot, each.sequence), time_ms, joules)
            if last and first and joules < last.joules:
                yield Stretch(channel, first, last, registers, bad)
                first, registers, bad = None, 0, 0
            first, last, registers = first or found, found, registers + 1
    if first and last:
        yield Stretch(channel, first, last, registers, bad)


def kwh(joules: Fraction) -> str:
    """The exact number of kWh: a decimal where it ends within nine digits, else a fraction."""
    value = joules / J_PER_KWH
    for digits in range(10):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            text = str(abs(int(scaled))).rjust(digits + 1, "0")
            sign = "-" if value < 0 else ""
            return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"
    return f"{value.numerator}/{value.denominator}"
