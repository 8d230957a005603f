"""One actuator's value, held: when to write it, when to look, and how seldom to try again. Pure, no I/O.

A device takes a value and loses it: at a restart, by a timer of its own, because an app or a second controller writes
as well. So it is looked at, and written again only where it differs: many devices keep what is written in a memory that
wears out. Who is overruled again and again is told so and writes ever more seldom.

All times are seconds of a clock that never jumps.
"""

from enum import StrEnum

from wayside.backoff import Backoff

_AGAIN_S = (1.0, 60.0)  # after a write or a look that failed
_DISPUTE_S = (60.0, 3600.0)  # after a value that did not stay


class Act(StrEnum):
    WRITE = "write"
    LOOK = "look"


class Hold:
    """`shown`: what the device had when it was looked at last, None while that is not known."""

    def __init__(self, look_s: float, renew_s: float | None = None):
        """look_s: how often the device is looked at. renew_s: how often it wants the value written again although it
        has it, because a timer of its own would end it; None: never."""
        self._look_s = look_s
        self._renew_s = renew_s
        self.wanted: int | None = None
        self.shown: int | None = None
        self.problem = ""
        self.reverted = 0
        """How often it had something else than what it had taken, since the value was asked for."""
        self._due_s: float | None = None
        self._act = Act.WRITE
        self._again = Backoff(*_AGAIN_S, None)
        self._dispute = Backoff(*_DISPUTE_S, None)
        self._renew_at_s: float | None = None
        self._not_before_s = float("-inf")

    def want(self, value: int | None, now_s: float) -> None:
        """The value from now on; None: the device is left alone."""
        if value == self.wanted:
            return
        self.wanted = value
        self.problem = ""
        self.reverted = 0
        self._again.reset()
        self._dispute.reset()
        self._renew_at_s = None
        self._not_before_s = float("-inf")
        self._plan(Act.WRITE, None if value is None else now_s)

    @property
    def due_s(self) -> float | None:
        """When there is something to do, None while the device is left alone."""
        return self._due_s

    def due(self, now_s: float) -> Act | None:
        """What to do now."""
        return self._act if self._due_s is not None and self._due_s <= now_s else None

    def took(self, found: int | None, now_s: float) -> None:
        """A write was acknowledged, or its value read back: `found`, None where the device cannot be read."""
        self.shown = found
        self.problem = ""
        self._again.reset()
        self._renew_at_s = None if self._renew_s is None else now_s + self._renew_s
        self._plan_next(now_s, is_readable=found is not None)

    def failed(self, text: str, now_s: float) -> None:
        """A write or a look failed, or nobody can tell what the device has now."""
        self.problem = text
        self.shown = None
        self._plan(self._act, now_s + self._again.next_s())

    def looked(self, found: int, now_s: float) -> bool:
        """The device has `found`. Whether it has lost what it had taken."""
        self.shown = found
        self._again.reset()
        if found == self.wanted:
            self.problem = ""
            self._plan_next(now_s, is_readable=True)
            return False
        self.reverted += 1
        self.problem = "it did not keep the value: something else writes to it too, or it started again"
        if now_s > self._not_before_s + _DISPUTE_S[1]:
            self._dispute.reset()
        at_s = max(now_s, self._not_before_s)
        self._not_before_s = at_s + self._dispute.next_s()
        self._plan(Act.WRITE, at_s)
        return True

    def _plan_next(self, now_s: float, *, is_readable: bool) -> None:
        look_s = now_s + self._look_s if is_readable else None
        if self._renew_at_s is not None and (look_s is None or self._renew_at_s <= look_s):
            self._plan(Act.WRITE, max(now_s, self._renew_at_s))
        else:
            self._plan(Act.LOOK, look_s)

    def _plan(self, act: Act, at_s: float | None) -> None:
        self._act, self._due_s = act, at_s
