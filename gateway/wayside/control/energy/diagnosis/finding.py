"""What a diagnosis says: what, of which device, since when, and the values that show it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeterFinding:
    """kind: stuck, drift, balance, low generation, phase, counter. Times in ms since 1970; until_ms is that of
    the last value.

    evidence: (time, value) pairs of which each is in the log, a few of them.
    """

    kind: str
    device: str
    from_ms: int
    until_ms: int
    text: str
    evidence: tuple[tuple[int, float], ...] = ()
