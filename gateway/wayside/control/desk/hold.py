"""One actuator's value, held: when to write it, when to look, and how seldom to try again. Pure, no I/O.

A device takes a value and loses it: at a restart, by a timer of its own, because an app or a second controller writes
as well. So it is looked at, and written again only where it differs: many devices keep what is written in a memory that
wears out. A device that has something else again and again, or keeps something else from the beginning, is written to
ever more seldom.

All times are seconds of a clock that never jumps.
"""

from enum import StrEnum
from math import inf

from wayside.runtime.backoff import Backoff

_AGAIN_S = (1.0, 60.0)  # after a write or a look that failed
_DISPUTE_S = (60.0, 3600.0)  # after a value that did not stay
_APART_S, _APART_FAILED_S = 1.0, 5.0  # between two writes at least: a bus has others to serve
_DISPUTED = "it did not keep the value: something else writes to it too, it started again, or it takes no such value"


class Act(StrEnum):
    WRITE = "write"
    LOOK = "look"


class Hold:
    """`wanted`: what the device is to have, None: it is left alone. `shown`: what it had when it was looked at last.

    `problem`: why it has not what is wanted, or nobody knows (then `shown` is None). `is_blind`: it took the value, and
    nobody can read it. `reverted`: how often it had something else than what was written, since the value is wanted.
    """

    def __init__(self, look_s: float, renew_s: float | None = None):
        """look_s: how often the device is looked at. renew_s: how often a value that a timer of the device's own would
        end is written again although it has it; None: there is no such timer."""
        self._look_s = look_s
        self._renew_s = renew_s
        self.wanted: int | None = None
        self.shown: int | None = None
        self.problem = ""
        self.reverted = 0
        self.is_blind = False
        self._kept: int | None = None  # what it read when it took what is wanted: its steps may be coarser
        self._is_guarded = False
        self._again = Backoff(*_AGAIN_S, None)
        self._dispute = Backoff(*_DISPUTE_S, None)
        self._not_before_s = -inf  # of a write in a dispute
        self._wrote_s = -inf
        self._apart_s = _APART_S
        self._write_s: float | None = None  # when to write: it has not what is wanted, as far as anybody knows
        self._look_at_s: float | None = None
        self._renew_at_s: float | None = None
        self._is_fresh = False  # it was looked at since the renewal is due

    def want(self, value: int | None, now_s: float, *, is_guarded: bool = False) -> None:
        """The value from now on; None: the device is left alone. is_guarded: the device's timer is to end it."""
        if (value, is_guarded) == (self.wanted, self._is_guarded):
            return
        self.wanted, self._is_guarded, self._kept = value, is_guarded, None
        self.problem = ""
        self.reverted = 0
        self._again.reset()
        self._dispute.reset()
        self._not_before_s = -inf
        self._write_s = None if value is None else max(now_s, self._wrote_s + self._apart_s)
        self._look_at_s = self._renew_at_s = None
        if value is None:
            self.shown = None  # whatever the device makes of it

    @property
    def is_held(self) -> bool:
        """Whether it had what is wanted when it was looked at last, or what is nearest to it."""
        return self.shown is not None and self.shown in (self.wanted, self._kept)

    @property
    def is_done(self) -> bool:
        """Whether nothing is known to keep it from what is wanted."""
        return not self.problem and (self.wanted is None or self.is_held or self.is_blind)

    @property
    def due_s(self) -> float | None:
        """When there is something to do, None while the device is left alone."""
        times = (self._write_s, self._look_at_s, self._renew_at_s if self._write_s is None else None)
        return min((each for each in times if each is not None), default=None)

    def due(self, now_s: float) -> Act | None:
        """What to do now."""
        if self.due_s is None or self.due_s > now_s:
            return None
        if self._write_s is not None:
            return Act.WRITE if self._write_s <= now_s else Act.LOOK
        is_renewal = self._renew_at_s is not None and self._renew_at_s <= now_s
        # Who else writes is not overruled unseen: it is looked at before it is written again.
        return Act.WRITE if is_renewal and (self._is_fresh or self._look_at_s is None) else Act.LOOK

    def took(self, found: int | None, now_s: float) -> None:
        """A write was acknowledged, or its value read back: `found`, None where the device cannot be read now."""
        self._written(now_s, _APART_S)
        self.shown = self._kept = found
        self.is_blind = found is None
        self.problem = ""
        self._again.reset()
        self._write_s = None
        self._look_at_s = now_s + self._look_s
        self._renew_at_s = now_s + self._renew_s if self._renew_s is not None and self._is_guarded else None

    def not_written(self, text: str, now_s: float) -> None:
        """A write failed, or nobody can tell what the device has now."""
        self._written(now_s, _APART_FAILED_S)
        self.problem = text
        self.shown = None
        self._look_at_s = None
        self._write_s = now_s + self._again.next_s()

    def not_kept(self, found: int, now_s: float) -> bool:
        """A write was acknowledged, and `found` is what it has. As `seen`."""
        self._written(now_s, _APART_S)
        return self.seen(found, now_s)

    def not_seen(self, text: str, now_s: float) -> None:
        """A look failed. A renewal that is due is written all the same: the device may hear better than it speaks."""
        self._is_fresh = True
        if self.is_blind:  # as ever
            self._look_at_s = now_s + self._look_s
            return
        self.problem = text
        self.shown = None
        self._look_at_s = now_s + self._again.next_s()

    def seen(self, found: int, now_s: float) -> bool:
        """It was looked at and has `found`. Whether it is something else than what is wanted."""
        self.shown = found
        self.is_blind = False
        self._is_fresh = True
        self._again.reset()
        self._look_at_s = now_s + self._look_s
        if found in (self.wanted, self._kept):
            self.problem = ""
            self._write_s = None
            return False
        if self._write_s is None or self._write_s <= now_s:
            self.reverted += 1
            self.problem = _DISPUTED
            if now_s > self._not_before_s + _DISPUTE_S[1]:
                self._dispute.reset()
            self._write_s = max(now_s, self._not_before_s, self._wrote_s + _APART_S)
            self._not_before_s = self._write_s + self._dispute.next_s()
        return True

    def _written(self, now_s: float, apart_s: float) -> None:
        self._wrote_s, self._apart_s = now_s, apart_s
        self._is_fresh = False
