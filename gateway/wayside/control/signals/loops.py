"""One loop: what it counts and for how long it is as it is, and what speaks against believing it.

It is fed every tick of 100 ms; what its neighbours say of it is written by the estimator once a second (`demand.py`).
"""

from wayside.control.signals.junction import TICKS_PER_S

CONTRADICTION = 10  # vehicles that its neighbours counted, and a loop did not
_SILENCE = 7.0  # vehicles that were to be expected on a free loop; that none came is one chance in 1,100 (e^-7)
_SAME_TICKS = 3  # who comes so soon after another left a loop is the same vehicle
REMEMBERED = 40  # vehicles that left, half of which are forgotten then
_SHORT_TICKS = 3  # no vehicle is over a loop of 2 m so briefly, at 80 km/h neither
_FLICKERS = (3, 0.05)  # so many of those remembered, and such a share of them: the loop chatters
_IMMOBILE_S = 40  # of green, while a stop line never became free
_UNPROVEN_S = 20  # and if it was not seen free since the start: longer than a gap takes to come (0146)


class Loop:
    """One loop: for how many ticks it has been as it is, and what it counted in this second."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.occupied = False
        self.ticks = 0
        self.entered = self.left = 0
        self._again = False
        """Whether this is the vehicle that left a moment ago, which the loop lost under its high bed."""
        self.missed = 0.0
        """Vehicles that others counted since it last moved."""
        self.silence = 0.0
        """Vehicles that were to be expected since it last moved or was occupied."""
        self.immobile_s = 0
        """Seconds of green in which it stayed occupied."""
        self._length = 0
        """Ticks for which the last vehicle was over it."""
        self._pulses = self._short = 0.0
        self.faulty = False
        self.excessive = False
        """Whether its approach counts more than ever leave it."""
        self.errs_s = 0
        """For how long it is not believed yet, since what it showed of a queue, or did not, cannot be where it lies."""
        self.proven = False
        """Whether it was ever seen free: what was occupied since the start may be stuck since long ago."""

    def tick(self, occupied: bool | None) -> None:
        """occupied: None when its detector is in fault."""
        self.faulty = occupied is None
        self.proven = self.proven or occupied is False
        if occupied is None or occupied == self.occupied:
            self.ticks += 1
            return
        lasted = self.ticks
        self.occupied, self.ticks, self.missed, self.silence, self.immobile_s = occupied, 0, 0.0, 0.0, 0
        if occupied:
            self._again = lasted < _SAME_TICKS
            self.entered += not self._again
            if not self._again:
                self._judge()
        else:
            self.left += not self._again
            self._length += lasted

    def _judge(self) -> None:
        """Whether what went by last can have been a vehicle."""
        self._pulses += 1
        self._short += 0 < self._length < _SHORT_TICKS
        self._length = 0
        if self._pulses > REMEMBERED:
            self._pulses, self._short = self._pulses / 2, self._short / 2

    @property
    def age_s(self) -> float:
        return self.ticks / TICKS_PER_S

    @property
    def silent(self) -> bool:
        """Whether nothing else speaks against it than that vehicles were to be expected."""
        return self.silence >= _SILENCE and not self._contradicted

    @property
    def believed(self) -> bool:
        return self.silence < _SILENCE and not self._contradicted

    @property
    def _contradicted(self) -> bool:
        least, share = _FLICKERS
        flickers = self._short >= least and self._short > share * self._pulses
        immobile = self.immobile_s >= (_IMMOBILE_S if self.proven else _UNPROVEN_S)
        stuck = self.missed >= CONTRADICTION or immobile
        return self.faulty or self.excessive or self.errs_s > 0 or flickers or stuck
