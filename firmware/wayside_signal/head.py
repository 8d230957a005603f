"""A signal head that trusts nobody: lamps follow fresh, sealed, permitted orders that the own matrix allows.

Anything else shows flash, the safe picture: before the first order, when the last order or permit answers a picture
that is older than 300 ms (it may run again, but only through flash and all red), and after a fault, which stays until
somebody resets it by hand.
"""

from micropython import const
from wayside_wire.signal_frames import (
    FAULT,
    FINE,
    FLASHING,
    NO_FAULT,
    NONCE_SIZE,
    REASON_SIZE,
    RED,
    RESET,
    RUNNING,
    STOP,
    Order,
    Permit,
    Shown,
)
from wayside_wire.signal_judge import TOLERANCE_MS, FieldCheck, Judge
from wayside_wire.signal_line import FRESH_MS, End

MIN_FLASH_MS = const(3000)  # as long as the shortest yellow: a flash in its place is no way around it
MOST_STARTS = const(6)  # of service within an hour; what begins more often is broken, or somebody plays with it
_WITHIN = const(60)  # minutes


class SignalHead:
    """`lamps` is what the outputs must show now; `mode` is FLASHING, RUNNING or FAULT, and `reason` says why.

    `fault_id`: another one for each fault. `starts`: when service began in the last hour, in minutes of the monitor's
    watch, which outlives restarts of all.
    """

    def __init__(self, matrix, draw, controller, monitor, fault: str = "", fault_id=NO_FAULT, starts=()):
        """draw(size): random bytes; controller, monitor: mac.Hmac of each. The rest was kept over a restart; "" is no
        fault."""
        nonce = draw(NONCE_SIZE)
        self.controller = End(controller, matrix.place, nonce, Order)
        self.monitor = End(monitor, matrix.place, nonce, Permit)
        self._draw = draw
        self._digest = matrix.digest
        self._orders = Judge(matrix, conflict_ms=0, dark_ms=0)
        self._pictures = Judge(matrix)
        self._field = FieldCheck(matrix)
        self._flash = matrix.flash()
        self._all_red = bytes([RED] * len(matrix.channels))
        self._clear_ms = max([0] + list(matrix.clearance.values())) - TOLERANCE_MS
        self._red_since = -1  # something else is switched
        self._ordered = None  # None: orders have to go through flash before they count
        self.starts = tuple(starts)
        self._counted = False  # whether the next time that it runs is among them
        self._watched = 0
        self._flashes_since = -1  # not known yet, or it runs
        self._permitted_at = None  # when the picture went out that the last permit answers
        self.fault_id = NO_FAULT
        self._show(FLASHING, "starting", self._flash)
        if fault:
            self._fail(fault, fault_id)

    def take_order(self, now_ms: int, raw: bytes) -> None:
        """A message from the controller's line."""
        order = self.controller.hear(now_ms, raw)
        if order is None or self.mode == FAULT:
            return
        if self._ordered is None and order.lamps != self._flash:
            return
        reason = self._orders.see(now_ms, order.lamps)
        if reason:
            self._fail("order: " + reason)
        else:
            self._ordered = order.lamps

    def take_permit(self, now_ms: int, raw: bytes) -> None:
        """A message from the monitor's line."""
        permit = self.monitor.hear(now_ms, raw)
        if permit is None:
            return
        self._watched = permit.watched
        if permit.verdict == FINE:
            self._permitted_at = self.monitor.heard_at
        elif permit.verdict == STOP and self.mode != FAULT:
            self._fail("stopped by the monitor")
        elif permit.verdict == RESET and self.mode == FAULT and permit.fault == self.fault_id:
            self.starts = ()
            self.fault_id = NO_FAULT
            self._interrupt("reset")

    def tick(self, now_ms: int, drawn) -> None:
        """Decide what to show. `drawn`: what the lamps draw, read back."""
        if self.mode == FAULT:
            return
        if self.mode != RUNNING and self._flashes_since < 0:
            self._flashes_since = now_ms
        reason = self._pictures.see(now_ms, drawn) or self._field.see(now_ms, self.lamps, drawn)
        if reason:
            self._fail("lamps: " + reason)
        elif not self.controller.alive(now_ms):
            self._interrupt(_silence("order", self.controller))
        elif self._permitted_at is None or now_ms - self._permitted_at > FRESH_MS:
            self._interrupt(_silence("permit", self.monitor))
        else:
            self._follow(now_ms)
        if self.mode == RUNNING:
            self._counted = False
            self._flashes_since = -1
            if self.lamps != self._all_red:
                self._red_since = -1
            elif self._red_since < 0:
                self._red_since = now_ms

    def _follow(self, now_ms: int) -> None:
        """Do what is ordered, as far as it may be now."""
        ordered, flashes = self._ordered, self.mode != RUNNING
        if flashes and now_ms - self._flashes_since < MIN_FLASH_MS:
            if ordered != self._flash:
                self._forget_orders()
            self._show(FLASHING, "it flashes for %d s at least" % (MIN_FLASH_MS // 1000), self._flash)
        elif ordered is None:
            self._show(FLASHING, "orders have to begin with flash", self._flash)
        elif flashes and not self._counted and not self._count_start():
            self._fail("service began %d times within an hour" % MOST_STARTS)
        elif ordered == self._flash:
            if not flashes:
                # Behind all red that was long enough flash ended nothing: by calendar, or when a train is gone.
                self._counted = self._red_since >= 0 and now_ms - self._red_since >= self._clear_ms
            self._show(FLASHING, "ordered", self._flash)
        else:
            self._show(RUNNING, "", ordered)

    def _count_start(self) -> bool:
        """Count that service is about to begin; whether it may."""
        now = self._watched
        # The monitor's minutes only go back where its record is lost.
        starts = [min(start, now) for start in self.starts if now - start < _WITHIN]
        if len(starts) >= MOST_STARTS:
            return False
        self.starts = tuple(starts + [now])
        self._counted = True
        return True

    def shown(self, now_ms: int, master, drawn: bytes, inputs: bytes) -> bytes:
        """The sealed picture for one's line; master: `controller` or `monitor`."""
        return master.say(now_ms, Shown, self.mode, self.fault_id, self.reason, self._digest, self.lamps, drawn, inputs)

    def _show(self, mode: int, reason: str, lamps: bytes) -> None:
        self.mode = mode
        self.reason = reason
        self.lamps = lamps

    def _forget_orders(self) -> None:
        self._ordered = None
        self._orders.restart()

    def _interrupt(self, reason: str) -> None:
        self._forget_orders()
        self._show(FLASHING, reason, self._flash)

    def _fail(self, reason: str, fault_id=NO_FAULT) -> None:
        self._interrupt(reason)
        self.fault_id = self._draw(NONCE_SIZE) if fault_id == NO_FAULT else fault_id
        self._show(FAULT, reason[:REASON_SIZE], self._flash)


def _silence(what: str, master) -> str:
    other = " of this junction and version" if master.stranger else ""
    return "no %s%s for %d ms" % (what, other, FRESH_MS)
