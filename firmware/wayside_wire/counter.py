"""One energy register: what may follow the value before it, and what is held back until it is seen to count.

A counter only grows, and by no more than its circuit carries. What does not fit (zeros after a reconnect, a spike, a
fall by one count) is no reading: it is held back until the register is back where it was, or until another explanation
has more than a repetition for it: the register counts on from the new value for a minute. Then it is a change, and what
is counted from there on does not continue what was counted before. Whether it is the same meter is not for the value to
say: see modbus_counts.

All times are milliseconds that never wrap; values are mantissas of one decimal exponent.
"""

from collections import namedtuple

ROLLOVER = "rollover"  # the register began again at its end
RESET = "reset"  # it goes on from another value, by design or nobody knows why

Change = namedtuple("Change", ("kind", "before", "after"))
"""A counter that goes on elsewhere: the last value before, and the first one after."""

MAX_POWER_W = 1000000  # of a circuit that nobody has told the power of: more than a low-voltage connection carries

_SLACK_MS = 10000  # a meter renews its registers when it likes ...
_STEP_MS = 300000  # ... some of them so rarely, and then all at once
_STEPS = 3  # intervals between two movements that show how rarely
_SETTLE_MS = 60000
_SETTLE_READINGS = 3
_STILL_MS = 86400000  # a register that does not move says little: so long it is waited for
_HELD = ", not confirmed"
_NEAR = 50  # share of the range: a register that rolls over was near its end and is near its start


def is_held_back(reason: str) -> bool:
    """Whether this is why a Counter held a value back."""
    return reason.endswith(_HELD)


class Counter:
    """The values of one register. `last` is the newest that is believed, None before the first."""

    def __init__(self, exponent: int, count: int, is_float: bool, rollover, resets: bool, max_power_w: int):
        """exponent: a value is mantissa * 10**exponent joules (or var s, VA s); count: mantissas of one count of the
        register; is_float: it has 24 bits; rollover: mantissa at which it begins again, or None; resets: it begins
        again every day, month or year; max_power_w: what the circuit carries."""
        # Mantissas in 1 ms are a fraction: kept as two integers, because boards have short floats.
        self._watts = max_power_w * 10**-exponent if exponent < 0 else max_power_w
        self._divisor = 1000 * (10**exponent if exponent > 0 else 1)
        # Where less power is told, a register may step as much more rarely: it is worth the same energy.
        self._longest_step_ms = _STEP_MS * max(1, MAX_POWER_W // max_power_w)
        self.count = count
        self._is_float = is_float
        self._rollover = rollover
        self._resets = resets
        self.last = None
        self._at = None  # when it was read, None: nobody knows
        self._moved_at = 0
        self._was_doubted = False
        self._heard = None  # the newest value, believed or not, and since when it has been there
        self._heard_at = 0
        self._steps = []  # ms between its last movements
        self.is_doubted = False
        self._high = None  # the lowest value that was doubted for being too high, since one was believed
        self._first = self._first_at = 0  # of the values that are doubted, and its time
        self._seen = self._seen_at = self._seen_moved_at = self._readings = 0

    def restore(self, last: int, at, was_doubted: bool = False) -> None:
        """Go on behind a value that was read at `at` (before this start, so mostly below 0), None: nobody knows.

        was_doubted: what came behind it was held back until this start, so that time speaks for nothing.
        """
        self.last = last
        self._at = at = None if was_doubted else at
        self._was_doubted = was_doubted
        self._moved_at = at or 0

    def restart(self):
        """Another meter: what it says first is believed. Returns the last value of the one before."""
        last, self.last, self.is_doubted = self.last, None, False
        self._heard = self._high = None
        self._steps = []
        return last

    def check(self, value: int, now: int):
        """("", Change or None) of a value that is believed, (why it is held back, None) otherwise."""
        if value != self._heard:
            if self._heard is not None:
                self._steps = self._steps[1 - _STEPS :] + [now - self._heard_at]
            self._heard = value
            self._heard_at = now
        last = self.last
        if last is None:
            return self._believe(value, now, None)
        if not self.is_doubted:
            return self._believe(value, now, None) if self._follows(last, value, now) else self._doubt(last, value, now)
        moved = min(now - self._seen_moved_at, self._step_ms())
        on_course = 0 <= value - self._seen <= self._room(value, max(now - self._seen_at, moved))
        # What is doubted because it is too high would be plausible after a while, and stays doubted all the same.
        if not (on_course and self._first > last) and self._returns(last, value, now):
            return self._believe(value, now, None)
        if not on_course:
            return self._doubt(last, value, now)
        if value > self._seen:
            self._seen_moved_at = now
        self._seen = value
        self._seen_at = now
        self._readings += 1
        kind = self._settled(last, value, now)
        if kind is None:
            return self._held(last)
        return self._believe(value, now, Change(kind, last, self._first) if kind else None)

    def _believe(self, value: int, now: int, change):
        if value != self.last or self._at is None:
            self._moved_at = now
        self.last = value
        self._at = now
        self.is_doubted = self._was_doubted = False
        self._high = None
        return "", change

    def _doubt(self, last: int, value: int, now: int):
        self.is_doubted = True
        if value > last and (self._high is None or value < self._high):
            self._high = value
        self._first = self._seen = value
        self._first_at = self._seen_at = self._seen_moved_at = now
        self._readings = 1
        return self._held(last)

    def _held(self, last: int):
        if self._first < last:
            return "counter went back" + _HELD, None
        return "counter rose more than max_power_w allows" + _HELD, None

    def _follows(self, last: int, value: int, now: int) -> bool:
        """Whether the register may have come from the last value to this one."""
        spent = 0
        if self._at is not None:
            spent = max(now - self._at, min(now - self._moved_at, self._step_ms()))
        return 0 <= value - last <= self._room(value, spent)

    def _returns(self, last: int, value: int, now: int) -> bool:
        """Whether the register is back where it was: nearer to that than to what was too high, however long ago."""
        return self._follows(last, value, now) and (self._high is None or 2 * (value - last) <= self._high - last)

    def _step_ms(self) -> int:
        """How long it may stand still and then step: what it has done again and again it may do once more."""
        if len(self._steps) < _STEPS:
            return _STEP_MS
        return max(_STEP_MS, min(min(self._steps) * 3 // 2, self._longest_step_ms))

    def _room(self, value: int, spent_ms: int) -> int:
        """How far a register goes in this time at most."""
        return self._watts * (spent_ms + _SLACK_MS) // self._divisor + self._grain(value)

    def _grain(self, value: int) -> int:
        """Two counts of the register."""
        return 2 * max(self.count, value >> 23 if self._is_float else 0)

    def _settled(self, last: int, value: int, now: int):
        """The kind of change that the doubted values are by now, "" for none at all, None while they are doubted."""
        first = self._first
        lasted = now - self._first_at
        counts = value > first
        fell = first < last
        end = self._rollover
        if end is not None and counts and last - first > end - end // _NEAR:
            return ROLLOVER
        if self._readings >= _SETTLE_READINGS and lasted >= _SETTLE_MS:
            if not fell and self._at is None and not self._was_doubted:
                return ""  # nobody knows for how long it was not read
            if fell and self._resets:
                return RESET
            # A register that trembles by a count comes back by itself.
            if counts and not (fell and last - first <= self._grain(last)):
                return RESET
        return RESET if lasted >= _STILL_MS else None
