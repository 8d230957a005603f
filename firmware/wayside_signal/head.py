"""A signal head that trusts nobody: lamps follow fresh, sealed, permitted orders that the own matrix allows.

Anything else shows flash, the safe picture: before the first order, when orders or permits stop for 300 ms (it may run
again, but only through flash and all red), and after a fault, which stays until somebody resets it by hand.
"""

from micropython import const
from wayside_wire import WireError
from wayside_wire.signal_frames import FAULT, FLASHING, RESET, RUNNING, STOP, Order, Permit, Shown, seal, unseal
from wayside_wire.signal_judge import Judge

SILENCE_MS = const(300)
_REASON_SIZE = const(96)


class _Master:
    """Who speaks on one line, and how much of it counted."""

    def __init__(self, key, kind):
        self.key = key
        self.kind = kind
        self.number = -1
        self.heard_at = None

    def take(self, now_ms: int, raw: bytes, nonce: bytes):
        """The message in `raw`, None when it is forged, repeated, for an earlier start or of another kind."""
        try:
            message = unseal(raw, self.key)
        except WireError:
            return None
        if not isinstance(message, self.kind) or message.nonce != nonce or message.number <= self.number:
            return None
        self.number = message.number
        self.heard_at = now_ms
        return message

    def silent(self, now_ms: int) -> bool:
        return self.heard_at is None or now_ms - self.heard_at > SILENCE_MS


class Head:
    """`lamps` is what the outputs must show now; `mode` is FLASHING, RUNNING or FAULT, and `reason` says why."""

    def __init__(self, matrix, nonce: bytes, controller, monitor, fault: str = ""):
        """controller, monitor: mac.Hmac of each. fault: the one that was kept over a restart, "" when there is none."""
        self._nonce = nonce
        self.controller = _Master(controller, Order)
        self.monitor = _Master(monitor, Permit)
        self._orders = Judge(matrix, conflict_ms=0, dark_ms=0)
        self._pictures = Judge(matrix)
        self._flash = matrix.flash()
        self._ordered = None  # None: orders have to go through flash before they count
        self._number = 0
        self._looked_at = None
        self._show(FAULT if fault else FLASHING, fault or "starting", self._flash)

    def wake(self, now_ms: int) -> None:
        """A look at everything begins. After a long sleep what waits on the lines is old, and times in it are wrong."""
        if self._looked_at is not None and now_ms - self._looked_at > SILENCE_MS and self.mode != FAULT:
            self._interrupt("no look for %d ms" % SILENCE_MS)
        self._looked_at = now_ms

    def take_order(self, now_ms: int, raw: bytes) -> None:
        """A message from the controller's line."""
        order = self.controller.take(now_ms, raw, self._nonce)
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
        permit = self.monitor.take(now_ms, raw, self._nonce)
        if permit is None:
            return
        if permit.verdict == STOP and self.mode != FAULT:
            self._fail("stopped by the monitor")
        elif permit.verdict == RESET and self.mode == FAULT:
            self._interrupt("reset")

    def tick(self, now_ms: int, drawn) -> None:
        """Decide what to show. `drawn`: what the lamps draw, read back."""
        if self.mode == FAULT:
            return
        reason = self._pictures.see(now_ms, drawn)
        if reason:
            self._fail("lamps: " + reason)
        elif self.controller.silent(now_ms):
            self._interrupt("no order for %d ms" % SILENCE_MS)
        elif self.monitor.silent(now_ms):
            self._interrupt("no permit for %d ms" % SILENCE_MS)
        elif self._ordered is None:
            self._show(FLASHING, "orders have to begin with flash", self._flash)
        elif self._ordered == self._flash:
            self._show(FLASHING, "ordered", self._flash)
        else:
            self._show(RUNNING, "", self._ordered)

    def shown(self, master, drawn: bytes, inputs: bytes) -> bytes:
        """The sealed picture for one's line; master: `controller` or `monitor`."""
        self._number += 1
        answered = max(0, master.number)
        return seal(Shown(self._nonce, self._number, answered, self.mode, self.reason, drawn, inputs), master.key)

    def _show(self, mode: int, reason: str, lamps: bytes) -> None:
        self.mode = mode
        self.reason = reason
        self.lamps = lamps

    def _interrupt(self, reason: str) -> None:
        self._ordered = None
        self._orders.restart()
        self._show(FLASHING, reason, self._flash)

    def _fail(self, reason: str) -> None:
        self._interrupt(reason)
        self._show(FAULT, reason[:_REASON_SIZE], self._flash)
