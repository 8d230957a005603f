"""The wiring of a signal node: two lines, lamps, time; fifty looks a second."""

import binascii
import gc

from micropython import const
from wayside_wire import frame
from wayside_wire.mac import Hmac
from wayside_wire.signal_frames import FAULT, NO_FAULT, NONCE_SIZE, REASON_SIZE
from wayside_wire.text import is_printable

from .head import SignalHead
from .inputs import ContactInputs

_STEP_MS = const(20)
_SHOW_MS = const(100)
_READ_SIZE = const(256)
_LOOK = const(4)  # reads of each line in a look at everything


class _Line:
    """One serial line: frames in, frames out; what the port does not take at once is dropped, for it would be old."""

    def __init__(self, peer, board, take):
        self._port = board.open_uart(peer.port, peer.baud, "N")
        self._take = take
        self._decoder = frame.FrameDecoder()
        self._buffer = bytearray(_READ_SIZE)

    def listen(self, now_ms: int) -> None:
        for _ in range(_LOOK):  # a line may speak without end
            size = self._port.readinto(self._buffer)
            if not size:
                return
            for message in self._decoder.feed(bytes(memoryview(self._buffer)[:size])):
                self._take(now_ms, message)

    def send(self, message: bytes) -> None:
        self._port.write(frame.encode(message))


class SignalNode:
    """Everything that runs on a board in the role `signal`."""

    def __init__(self, config, matrix, board, clock, files, report):
        """matrix: wayside_wire.signal_matrix.Matrix, verified; report(text): where a line for people goes."""
        self._clock = clock
        self._files = files
        self._report = report
        self._fault_path = config.state + "/fault"
        self._starts_path = config.state + "/starts"
        self._flash = matrix.flash()
        self._feed = board.watchdog(config.watchdog_ms)
        self._lamps = board.lamps(config.lamps, len(matrix.channels), config.inputs)
        self._lamps.show(self._flash)
        self._inputs = ContactInputs()
        keys = Hmac(config.controller.key), Hmac(config.monitor.key)
        fault, fault_id = self._kept_fault()
        starts = self._kept_starts()
        if starts is None:
            fault = fault or "the record of starts cannot be read"
        head = self.head = SignalHead(matrix, board.urandom, keys[0], keys[1], fault, fault_id, starts or ())
        self._lines = (
            (head.controller, _Line(config.controller, board, head.take_order)),
            (head.monitor, _Line(config.monitor, board, head.take_permit)),
        )
        self._shown_at = clock.now() - _SHOW_MS

    def _kept_fault(self):
        """(reason, identity); what is there and cannot be read is a fault too."""
        kept = self._files.read_or_empty(self._fault_path)
        if kept is None:
            return "", NO_FAULT
        try:
            number, reason = kept.decode().split(" ", 1)
            fault_id = binascii.unhexlify(number)
        except ValueError:
            reason, fault_id = "", b""
        if not reason or not is_printable(reason, REASON_SIZE) or len(fault_id) != NONCE_SIZE:
            return "a fault before the restart", NO_FAULT
        return reason, fault_id

    def _kept_starts(self):
        """None: they are there and cannot be read."""
        kept = self._files.read_or_empty(self._starts_path)
        words = [] if kept is None else kept.split()
        return None if kept == b"" or not all([word.isdigit() for word in words]) else [int(word) for word in words]

    async def run(self) -> None:
        """For ever. When it is stopped the lamps flash; when it hangs they flash as soon as nothing renews them."""
        try:
            while True:
                self.step()
                self._feed()
                await self._clock.sleep_ms(_STEP_MS)
        finally:
            self._lamps.show(self._flash)

    def step(self) -> None:
        """One look at everything."""
        now = self._clock.now()
        head = self.head
        before, fault_id, starts = head.mode, head.fault_id, head.starts
        for _, line in self._lines:
            line.listen(now)
        drawn, levels = self._lamps.read()
        self._inputs.look(levels)
        head.tick(now, drawn)
        self._lamps.show(head.lamps)
        if head.starts != starts:
            self._keep_starts()
        if head.mode != before or head.fault_id != fault_id:
            self._keep(before)
        if head.mode != before or now - self._shown_at >= _SHOW_MS:
            self._shown_at = now
            inputs = self._inputs.show()
            for master, line in self._lines:
                line.send(head.shown(now, master, drawn, inputs))
            gc.collect()

    def _keep(self, before: int) -> None:
        """A fault survives a restart: switching the power off and on is no reset. The lamps flash already."""
        self._report("%s %s" % (("flashing:", "running", "FAULT:")[self.head.mode], self.head.reason))
        try:
            if self.head.mode == FAULT:
                number = binascii.hexlify(self.head.fault_id).decode()
                self._files.replace(self._fault_path, ("%s %s" % (number, self.head.reason)).encode())
            elif before == FAULT:
                self._files.remove(self._fault_path)
        except OSError as error:
            self._report("%s: %s" % (self._fault_path, error))

    def _keep_starts(self) -> None:
        """While the lamps still flash. Whole or not at all: a power cut here is no reason to forget."""
        try:
            if self.head.starts:
                self._files.exchange(self._starts_path, " ".join([str(start) for start in self.head.starts]).encode())
            else:
                self._files.remove(self._starts_path)
        except OSError as error:
            self._report("%s: %s" % (self._starts_path, error))
