"""Watches what the lamps draw, as the node reports it, and answers each picture with a permit; or stops it for good.

It permits nothing before it has seen flash, and nothing while the node is not heard: the node then flashes by itself,
and may go on. What the judge calls wrong is a fault: the node is stopped, a snapshot of what was seen before becomes an
entry, the fault is kept over restarts, and only reset by hand.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from wayside_wire.signal_frames import FAULT, FINE, RESET, STOP, WAIT, Permit, Shown, lamps_text
from wayside_wire.signal_judge import FieldCheck, Judge
from wayside_wire.signal_matrix import Matrix

from wayside.control.head_line import HeadLine
from wayside.control.journal import Journal
from wayside.control.monitor.watched import Watched
from wayside.evidence.files import replace_file
from wayside.evidence.kinds import Decision

SILENCE_S = 0.3
_SNAPSHOT = 100  # pictures, ten seconds
_RESET_S = 1.0  # for so long a reset is said to the node, again and again
_FAULT_FILE, _RESET_FILE = "fault", "reset"


class Monitor:
    """`fault`: why the junction is stopped, "" when it is not; `said`: what it does, in words."""

    def __init__(
        self,
        matrix: Matrix,
        line: HeadLine,
        state: Path,
        journal: Journal,
        watched: Watched,
        report: Callable[[str], None],
    ):
        """state: the folder of its latch; watched: told to the node; report(text): where a line for people goes."""
        self._line = line
        self._state = state
        self._journal = journal
        self._watched = watched
        self._report = report
        self._judge = Judge(matrix)
        self._field = FieldCheck(matrix)
        self._flash = matrix.flash()
        self._seen: deque[tuple[int, bytes]] = deque(maxlen=_SNAPSHOT)
        self._begun = False  # whether flash was seen since the last interruption
        self._last = float("-inf")
        self.said = ""
        self._reset_until = float("-inf")
        self.fault = _read(state / _FAULT_FILE)
        if self.fault:  # it may have died before the entry of the fault was on disk
            journal.add(Decision("monitor", "stopped", self.fault, {"kept": True}))

    def tick(self, now: float) -> None:
        """Look at what came, and answer it: whenever something came, and ten times a second. now: monotonic seconds."""
        if now - self._last > SILENCE_S:
            self._interrupt()  # it was not watching, so the node flashes, or will
        self._last = now
        for shown in self._line.receive(now):
            self._look(now, shown)
        if now - self._line.heard_at > SILENCE_S:
            self._interrupt()
        if self.fault and _read(self._state / _RESET_FILE) == self.fault:
            self._reset(now)
        verdict, watched = self._verdict(now), self._watched.minutes(now)
        if self._line.waiting:
            self._line.send(now, Permit, verdict, watched)

    def _verdict(self, now: float) -> int:
        if self.fault:
            return STOP
        if now < self._reset_until:
            return RESET
        self._say("watching" if self._begun else "waiting for the node to flash")
        # What is permitted is a picture that was looked at.
        return FINE if self._begun and self._line.fresh else WAIT

    def _interrupt(self) -> None:
        self._begun = False
        self._field.restart()

    def _look(self, now: float, shown: Shown) -> None:
        self._seen.append((int(now * 1000), shown.lamps))
        if self.fault:
            return
        if shown.mode == FAULT:
            if now >= self._reset_until:
                self._stop(f"the node says: {shown.reason}")
        elif shown.lamps == self._flash and not self._begun:
            self._begun = True
            self._judge.restart()
        else:
            reason = self._judge.see(int(now * 1000), shown.lamps) if self._begun else ""
            reason = reason or self._field.see(int(now * 1000), shown.switched, shown.lamps)
            if reason:
                self._stop(reason)

    def _stop(self, reason: str) -> None:
        self.fault = reason
        self._say(f"STOPPED: {reason}")
        try:
            replace_file(self._state / _FAULT_FILE, reason.encode())
        except OSError as error:
            self._report(f"the fault cannot be kept: {error}")
        last_ms = self._seen[-1][0]
        pictures = [[ms - last_ms, lamps] for ms, lamps in self._seen]
        self._journal.add(Decision("monitor", "stop", reason, {"pictures": pictures}))

    def _reset(self, now: float) -> None:
        """By hand: `wayside signals reset` made the file."""
        (self._state / _RESET_FILE).unlink(missing_ok=True)
        (self._state / _FAULT_FILE).unlink(missing_ok=True)
        self._journal.add(Decision("monitor", "reset", "by hand", {"fault": self.fault}))
        self.fault = ""
        self._interrupt()
        self._reset_until = now + _RESET_S
        self._say("reset by hand")

    def _say(self, text: str) -> None:
        if text != self.said:
            self.said = text
            shown = f" (lamps {lamps_text(self._line.shown.lamps)})" if self._line.shown else ""
            self._report(text + shown)


def ask_reset(state: Path) -> str:
    """Have the monitor whose state this is reset its fault; the fault, "" when there is none."""
    fault = _read(state / _FAULT_FILE)
    if fault:
        (state / _RESET_FILE).write_text(fault)  # a later fault is not reset by it
    return fault


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace") or "a fault before the restart"
    except FileNotFoundError:
        return ""
