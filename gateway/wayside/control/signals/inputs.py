"""Pulses that are shorter than a tick, made as long as one.

Two pictures of a signal node may come in one tick, and two messages of a zone. What changed more often than once is
shown one change a tick, so that every pulse is seen, and every gap between two: presence and number are right, late by
the ticks that it takes.
"""

from wayside_wire.signal_frames import Shown

_MOST_WAITING = 10  # changes: a second; a source that changes faster for longer is chatter


class InputPulses:
    """One input, as it is shown from tick to tick."""

    def __init__(self, level: bool = False) -> None:
        self._shown = self._now = level
        self._waiting = 0

    def see(self, level: bool) -> None:
        """The level now."""
        if level != self._now:
            self._now = level
            # Two less are the same level in the end.
            self._waiting += 1 if self._waiting < _MOST_WAITING else -1

    def tick(self) -> bool:
        """The level to show in this tick."""
        if self._waiting:
            self._waiting -= 1
            self._shown = not self._shown
        return self._shown


class JunctionInputs:
    """All inputs of a signal node."""

    def __init__(self) -> None:
        self._pulses: list[InputPulses] = []

    def take(self, shown: Shown) -> None:
        """A picture of the node."""
        levels = [bool(byte) for byte in shown.inputs]
        if len(levels) != len(self._pulses):
            self._pulses = [InputPulses(level) for level in levels]
        for pulses, level in zip(self._pulses, levels, strict=True):
            pulses.see(level)

    def tick(self) -> bytes:
        """A byte 0 or 1 per input, for this tick."""
        return bytes(pulses.tick() for pulses in self._pulses)
