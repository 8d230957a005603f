"""Watches what the lamps draw, as the node reports it, and answers each picture with a permit; or stops it for good.

It permits nothing before it has seen flash, and nothing while the node is not heard: the node then flashes by itself,
and may go on. What the judge calls wrong is a fault: the node is stopped, a snapshot of what was seen before becomes an
entry, the fault is kept over restarts, and only reset by hand.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from wayside_wire.signal_frames import (
    FAULT,
    FINE,
    NO_FAULT,
    RESET,
    STOP,
    WAIT,
    Permit,
    Shown,
    lamps_text,
)
from wayside_wire.signal_judge import FieldCheck, Judge
from wayside_wire.signal_matrix import Matrix

from wayside.control.head_line import HeadLine
from wayside.control.journal import Journal
from wayside.control.monitor.latch import Latch
from wayside.control.monitor.watched import Watched
from wayside.evidence.kinds import DecisionBody

SILENCE_S = 0.3
_SNAPSHOT = 100  # pictures, ten seconds
_RESET_S = 1.0  # for so long a reset is said to the node, again and again
_KEEP_AGAIN_S = 1.0


class Monitor:
    """`said`: what it does, in words."""

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
        self._journal = journal
        self._watched = watched
        self._report = report
        self._judge = Judge(matrix)
        self._field = FieldCheck(matrix)
        self._flash = matrix.flash()
        self._digest = matrix.digest
        self._seen: deque[tuple[int, bytes]] = deque(maxlen=_SNAPSHOT)
        self._begun = False  # whether flash was seen since the last interruption
        self._last = float("-inf")
        self.said = ""
        self._reset_until = float("-inf")
        self._keep_at = float("-inf")
        self._latch = Latch(state)
        self._node_fault = self._latch.fault.node_id if self._latch.fault else NO_FAULT
        if self.fault:  # it may have died before the entry of the fault was on disk
            journal.add(DecisionBody("monitor", "stopped", self.fault, {"kept": True}))

    @property
    def fault(self) -> str:
        """Why the junction is stopped, "" when it is not."""
        return self._latch.fault.text if self._latch.fault else ""

    def tick(self, now: float) -> None:
        """Look at what came, and answer it: whenever something came, and ten times a second. now: monotonic seconds."""
        if now - self._last > SILENCE_S:
            self._interrupt()  # it was not watching, so the node flashes, or will
        self._last = now
        for shown in self._line.receive(now):
            self._look(now, shown)
        is_heard = now - self._line.heard_at <= SILENCE_S
        if not is_heard:
            self._interrupt()
        if self.fault:
            self._keep(now)
            if is_heard and self._latch.is_reset():  # unheard, the node could not be told
                self._reset(now)
        verdict, watched = self._verdict(now), self._watched.minutes(now)
        if self._line.waiting:
            self._line.send(now, Permit, verdict, self._node_fault if verdict == RESET else NO_FAULT, watched)

    def _verdict(self, now: float) -> int:
        shown = self._line.shown
        if self.fault:
            return STOP
        if now < self._reset_until:
            return RESET
        if self._line.stranger:
            self._say("the node is of another junction or version; give both the same matrix")
        elif shown and shown.matrix != self._digest:
            self._say("the node has another matrix of this version; give both the same one")
        elif self._begun:
            self._say("watching")
            # What is permitted is a picture that was looked at.
            return FINE if self._line.fresh else WAIT
        else:
            self._say("waiting for the node to flash")
        return WAIT

    def _interrupt(self) -> None:
        self._begun = False
        self._field.restart()

    def _look(self, now: float, shown: Shown) -> None:
        self._seen.append((int(now * 1000), shown.lamps))
        if shown.mode == FAULT:
            self._look_at_fault(now, shown)
        elif self.fault:
            pass
        elif shown.lamps == self._flash and not self._begun:
            self._begun = True
            self._judge.restart()
        else:
            reason = self._judge.see(int(now * 1000), shown.lamps) if self._begun else ""
            reason = reason or self._field.see(int(now * 1000), shown.switched, shown.lamps)
            if reason:
                self._stop(now, reason)

    def _look_at_fault(self, now: float, shown: Shown) -> None:
        """The node's fault: the one that is known, or is being reset; the node's word for ours; or another one."""
        if shown.fault == self._node_fault and (self.fault or now < self._reset_until):
            return
        if self.fault and self._node_fault == NO_FAULT:
            self._node_fault = shown.fault
        else:
            self._stop(now, f"the node says: {shown.reason}", shown.fault)

    def _stop(self, now: float, reason: str, node_fault: bytes = NO_FAULT) -> None:
        self._node_fault = node_fault
        self._say(f"STOPPED: {reason}")
        try:
            self._latch.set(reason, node_fault)
        except OSError as error:
            self._keep_at = now + _KEEP_AGAIN_S
            self._report(f"the fault cannot be kept: {error}")
        last_ms = self._seen[-1][0]
        pictures = [[ms - last_ms, lamps] for ms, lamps in self._seen]
        self._journal.add(DecisionBody("monitor", "stop", reason, {"pictures": pictures}))

    def _keep(self, now: float) -> None:
        """A disk that refused the fault may take it now."""
        if now >= self._keep_at:
            self._keep_at = now + _KEEP_AGAIN_S
            with suppress(OSError):
                self._latch.keep()

    def _reset(self, now: float) -> None:
        """By hand: `wayside signals reset` made the file."""
        fault = self.fault
        try:
            self._latch.clear()
        except OSError as error:
            self._say(f"the fault cannot be reset: {error}")
            return
        self._journal.add(DecisionBody("monitor", "reset", "by hand", {"fault": fault}))
        self._interrupt()
        self._reset_until = now + _RESET_S
        self._say("reset by hand")

    def _say(self, text: str) -> None:
        if text != self.said:
            self.said = text
            shown = f" (lamps {lamps_text(self._line.shown.lamps)})" if self._line.shown else ""
            self._report(text + shown)
