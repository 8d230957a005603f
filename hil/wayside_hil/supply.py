"""The voltage that a Pico is fed with, on its pin VSYS: dips and slopes, and what the board itself measures of it.

Its converter makes 3.3 V of 1.8 to 5.5 V (Pico datasheet, section 4.5); below that the chip is reset by its brown-out
detector wherever it is. The board sees a third of VSYS at the converter's input 3, against its 3.3 V.
"""

from typing import NamedTuple

from .board import Board
from .events import Event
from .registry import plant

_OFF_MV, _ON_MV = 1800, 1900
_INPUT, _DIVIDER, _REFERENCE_MV, _STEPS = 3, 3, 3300, 4095
_AHEAD_NS = 1_000_000


class Slope(NamedTuple):
    """From one point to another in time (ns) and voltage (mV)."""

    begin: int
    begin_mv: float
    end: int
    end_mv: float

    def at(self, ns: int) -> float:
        if ns >= self.end:
            return self.end_mv
        return self.begin_mv + (self.end_mv - self.begin_mv) * (ns - self.begin) / (self.end - self.begin)

    def crosses(self, mv: float) -> int:
        """When this voltage is reached, for one that lies between its ends."""
        if self.end_mv == self.begin_mv:
            return self.begin
        return self.begin + round((mv - self.begin_mv) * (self.end - self.begin) / (self.end_mv - self.begin_mv))


class Supply:
    """`brown_outs`: how often the voltage was too low."""

    def __init__(self, board: Board, mv: float = 5000):
        self.brown_outs = 0
        self._board = board
        self._slopes = [Slope(0, mv, 0, mv)]
        self._on = True
        self._told = -1

    @property
    def mv(self) -> float:
        """Now."""
        return self._current(self._board.now).at(self._board.now)

    def go_to(self, mv: float, within_ns: int = 0) -> None:
        """Change it steadily from now on; what was planned before is forgotten."""
        now = self._board.now
        self._slopes = [Slope(now, self.mv, now + within_ns, mv)]

    def dip(self, mv: float, span_ns: int) -> None:
        """A dip from now on, after which it is as before."""
        now, before = self._board.now, self.mv
        self._slopes = [Slope(now, mv, now + span_ns, mv), Slope(now + span_ns, before, now + span_ns, before)]

    def see(self, event: Event) -> None:
        """It does not care."""

    def settle(self, now_ns: int) -> None:
        """Switch the board off and on at the right times of the next millisecond, and let it measure what is there."""
        while len(self._slopes) > 1 and self._slopes[1].begin <= now_ns:
            self._slopes.pop(0)
        for slope in self._slopes:
            if slope.begin < now_ns + _AHEAD_NS:
                self._switch(slope, now_ns)
        level = min(_STEPS, round(self.mv / _DIVIDER * _STEPS / _REFERENCE_MV))
        if level != self._told:
            self._told = level
            self._board.set_analogue(_INPUT, level)

    def _switch(self, slope: Slope, now_ns: int) -> None:
        limit = _OFF_MV if self._on else _ON_MV
        reached = slope.at(now_ns + _AHEAD_NS)
        if (reached < limit) != self._on:
            return
        begins_beyond = (slope.begin_mv < limit) == (reached < limit)
        at = max(now_ns, slope.begin if begins_beyond else slope.crosses(limit))
        self._on = not self._on
        if self._on:
            self._board.restore_power(at)
        else:
            self.brown_outs += 1
            self._board.cut_power(at)

    def _current(self, now: int) -> Slope:
        return next(slope for slope in reversed(self._slopes) if slope.begin <= now)


@plant("supply", needs={"power", "adc"})
def supply(board: Board, mv: float = 5000) -> Supply:
    return Supply(board, mv)
