"""Judges lamps by a matrix alone: what must never be seen at a junction, whoever ordered it.

It shares no code with the controller's core. A signal node judges each order before it switches, and what its lamps
draw; the monitor judges what the node reports. The faults are those of a conflict monitor (NEMA TS 2):
CONFLICT, DUAL, RED_FAIL, SHORT_YELLOW, CLEARANCE; and UNUSED, a lamp other than red where nothing hangs, and
LONG_YELLOW, which is how a controller looks whose clock is slow. FieldCheck tells lamps that draw something else than
is switched: sensors that say the same for ever see no conflict either.
"""

from .signal_frames import AMBER, DARK, FLASH, GREEN, RED, lamps_text
from .signal_matrix import PEDESTRIAN, UNUSED

CONFLICT_MS = 300
RED_FAIL_MS = 800
FIELD_MS = 1000
_LEAST_LATE_MS = 1000
TOLERANCE_MS = 300  # a yellow of 3 s is too short below 2.7 s; what frames, relays and reading back add or take away

_STOP = (RED, RED | FLASH, DARK)  # these let nobody go
_FORGETS = 4  # times as slowly as it adds up


class _Lasting:
    """For how long something is wrong. What comes and goes adds up, as recurrent pulses do in conflict monitors: a lamp
    that flickers would never be wrong for long enough."""

    def __init__(self):
        self._wrong = {}  # what: (ms of it times _FORGETS, when it was seen last, whether it was wrong then)

    def restart(self) -> None:
        self._wrong.clear()

    def knows(self) -> bool:
        """Whether anything was wrong, and is not forgotten."""
        return bool(self._wrong)

    def see(self, now_ms: int, what, wrong: bool, allowed_ms: int) -> bool:
        """Whether `what` is wrong, and has been for `allowed_ms`."""
        if what not in self._wrong:
            if wrong:
                self._wrong[what] = (0, now_ms, True)
            return wrong and not allowed_ms
        lasted, seen_ms, was_wrong = self._wrong[what]
        lasted += (now_ms - seen_ms) * (_FORGETS if was_wrong else -1)
        if lasted <= 0 and not wrong:
            del self._wrong[what]
            return False
        self._wrong[what] = (max(lasted, 0), now_ms, wrong)
        return wrong and lasted >= allowed_ms * _FORGETS


class Judge:
    """Sees every picture of the lamps; its first complaint is the one that counts."""

    def __init__(self, matrix, conflict_ms: int = CONFLICT_MS, dark_ms: int = RED_FAIL_MS):
        """conflict_ms, dark_ms: how long lamps may be wrong (while relays switch); 0 judges orders."""
        self._matrix = matrix
        self._flash = matrix.flash()
        self._clearance = sorted(matrix.clearance.items())
        self._pairs = [pair for pair, _ in self._clearance if pair[0] < pair[1]]
        self._conflict_ms = conflict_ms
        self._dark_ms = dark_ms
        self._wrong = _Lasting()
        self.restart()

    def restart(self) -> None:
        """Forget what was seen; the next picture counts as the first after flash."""
        count = len(self._matrix.channels)
        self._lamps = None  # what each channel counts as showing
        self._began = [0] * count  # since when
        self._green_ended = [0] * count
        self._wrong.restart()

    def see(self, now_ms: int, lamps: bytes) -> str:
        """Why these lamps must not be, "" when they may. `now_ms` never goes back."""
        count = len(self._matrix.channels)
        if len(lamps) != count:
            return "CHANNELS: %d lamps for %d channels" % (len(lamps), count)
        if lamps == self._flash:
            self.restart()
            return ""
        if self._lamps is None:
            # Behind flash everything counts as green until now: so nothing begins before its clearance has passed.
            self._began = [now_ms] * count
            self._green_ended = [now_ms] * count
            self._lamps = bytearray([RED] * count)
        changed = [number for number in range(count) if lamps[number] != self._lamps[number]]
        # What is not clean is a relay on its way, or lasts too long: the channel still counts as it was.
        begun = [number for number in changed if self._is_clean(number, lamps[number])]
        reason = self._conflicts(now_ms, lamps) or self._lasting(now_ms, lamps, changed, begun)
        for number in begun:
            reason = reason or self._change(now_ms, number, lamps[number])
        for number in begun:
            if self._lamps[number] == GREEN:
                self._green_ended[number] = now_ms
            self._began[number] = now_ms
            self._lamps[number] = lamps[number]
        return reason or self._lingers(now_ms)

    def _is_clean(self, number: int, lamp: int) -> bool:
        """Whether `lamp` is a whole indication, and in its order as far as one may flash up while relays switch."""
        channel = self._matrix.channels[number]
        before = self._lamps[number]
        if channel.kind == UNUSED:
            return lamp == RED
        if channel.kind == PEDESTRIAN:
            return lamp in (RED, RED | FLASH, GREEN)
        if lamp == AMBER:
            return before == GREEN
        if lamp == RED | AMBER:
            return channel.red_amber_ms > 0 and before == RED
        return lamp in (RED, GREEN)

    def _lasting(self, now_ms: int, lamps: bytes, changed: list, begun: list) -> str:
        """Dark and unclean channels, once they are that for too long."""
        if not changed and not self._wrong.knows():
            return ""
        for number, lamp in enumerate(lamps):
            wrong = number in changed and number not in begun
            if self._wrong.see(now_ms, ("dark", number), wrong and lamp == DARK, self._dark_ms):
                return "RED_FAIL: %s shows nothing" % self._name(number)
            if self._wrong.see(now_ms, ("dual", number), wrong and lamp != DARK, self._conflict_ms):
                unused = self._matrix.channels[number].kind == UNUSED
                shows = lamps_text(bytes([self._lamps[number], lamp]))
                return "%s: %s shows %s behind %s" % (
                    "UNUSED" if unused else "DUAL", self._name(number), shows[1], shows[0],
                )  # fmt: skip
        return ""

    def _lingers(self, now_ms: int) -> str:
        """Yellow, alone or with red, that has been shown for half as long again as it should, by a second at least: so
        much may ticks be late before the controller flashes, however short a yellow is."""
        for number, lamp in enumerate(self._lamps or b""):
            if lamp not in (AMBER, RED | AMBER):
                continue
            channel = self._matrix.channels[number]
            time_ms = channel.amber_ms if lamp == AMBER else channel.red_amber_ms
            most_ms = time_ms + max(time_ms // 2, _LEAST_LATE_MS) + TOLERANCE_MS
            if now_ms - self._began[number] > most_ms:
                return "LONG_YELLOW: %s shows yellow for over %d ms" % (self._name(number), most_ms)
        return ""

    def _conflicts(self, now_ms: int, lamps: bytes) -> str:
        for pair in self._pairs:
            a, b = pair
            if self._wrong.see(now_ms, pair, lamps[a] not in _STOP and lamps[b] not in _STOP, self._conflict_ms):
                return "CONFLICT: %s and %s" % (self._name(a), self._name(b))
        return ""

    def _change(self, now_ms: int, number: int, lamp: int) -> str:
        """One channel begins to show `lamp`."""
        channel = self._matrix.channels[number]
        before = self._lamps[number]
        if channel.amber_ms:
            shown_ms = now_ms - self._began[number]
            if before == GREEN and lamp != AMBER:
                return "SHORT_YELLOW: %s leaves green without yellow" % self._name(number)
            if before == AMBER and lamp != RED:
                return "SHORT_YELLOW: %s leaves yellow without red" % self._name(number)
            if before == AMBER and shown_ms < channel.amber_ms - TOLERANCE_MS:
                return "SHORT_YELLOW: %s showed yellow for %d ms" % (self._name(number), shown_ms)
        if lamp != GREEN:
            return ""
        for (a, b), clearance_ms in self._clearance:
            if b != number:
                continue
            passed_ms = 0 if self._lamps[a] == GREEN else now_ms - self._green_ended[a]
            if passed_ms < clearance_ms - TOLERANCE_MS:
                return "CLEARANCE: %s after %s: %d of %d ms" % (
                    self._name(number), self._name(a), passed_ms, clearance_ms,
                )  # fmt: skip
        return ""

    def _name(self, number: int) -> str:
        return "channel %d (%s)" % (number + 1, self._matrix.channels[number].name)


class FieldCheck:
    """Compares what is switched with what the lamps draw."""

    def __init__(self, matrix):
        self._channels = matrix.channels
        self._differ = _Lasting()

    def restart(self) -> None:
        """Forget what was seen."""
        self._differ.restart()

    def see(self, now_ms: int, switched: bytes, drawn: bytes) -> str:
        """What is wrong with the lamps or their sensors, "" when nothing is. `now_ms` never goes back."""
        if not len(switched) == len(drawn) == len(self._channels):
            return "CHANNELS: %d switched and %d drawn for %d" % (len(switched), len(drawn), len(self._channels))
        for number, channel in enumerate(self._channels):
            if self._differ.see(now_ms, number, switched[number] != drawn[number], FIELD_MS):
                shows = lamps_text(bytes([switched[number], drawn[number]]))
                return "FIELD: channel %d (%s) draws %s where %s is switched" % (
                    number + 1, channel.name, shows[1], shows[0],
                )  # fmt: skip
        return ""
