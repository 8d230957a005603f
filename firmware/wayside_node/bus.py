"""The master of one RS-485 line. What makes an answer count is wayside_wire.modbus_guard; here are port, time and DE.

The port is a UART or a file that never blocks: `write(data)` and `readinto(buffer)` return a number of bytes or None.
"""

from asyncio import Lock
from errno import ENODEV

from micropython import const
from wayside_wire.modbus import CANCELLED, LINK, ModbusError, answer_size, read_request
from wayside_wire.modbus_field import as_registers
from wayside_wire.modbus_guard import is_answer
from wayside_wire.modbus_rtu_guard import RtuGuard

_POLL_MS = const(1)
_PATIENCE_MS = const(3000)  # with a line that is never silent; no answer takes so long
_LOOK = const(4)  # buffers in one look at the line: more than an answer has, and an end of it where the line has none
_REPEAT_MS = const(200)  # a repeater's second copy of an answer begins within this time


def gap_ms(baud: int, bits: int = 11) -> int:
    """Silence that ends a frame, in whole milliseconds: 3.5 characters, 1.75 ms above 19200 baud.

    bits: of a character on this line. MODBUS over Serial Line V1.02, section 2.5.1.1. One more millisecond, because a
    tick may just have begun.
    """
    return (2 if baud > 19200 else -(-3500 * bits // baud)) + 1


class MeterBus:
    """One request at a time, on the port that was attached last.

    `lock` is held from a request's first byte to the end of its answer.

    `guard.counts` says what was dropped, by reason.
    """

    def __init__(self, baud: int, clock, drive=None, bits: int = 11, pause_ms: int = 0):
        """drive(on): switches the RS-485 driver; None where the hardware does it.

        bits: of a character, start, parity and stop bits included; pause_ms: silence before any request.
        """
        self._port = None
        self._beat = _nothing
        self._baud = baud
        self._clock = clock
        self._drive = drive
        self._buffer = bytearray(256)
        self.guard = RtuGuard(gap_ms(baud, bits), _REPEAT_MS)
        self.guard.pause = pause_ms
        self.lock = Lock()

    def attach(self, port, beat=None) -> None:
        """Use this port from now on. beat(): called while a read waits, which all in all may take minutes."""
        self._port = port
        self._beat = beat or _nothing

    async def read(
        self, unit: int, function: int, address: int, count: int, timeout_ms: int, quiet_ms: int, gap_ms: int = 0
    ) -> bytes:
        """The data of `count` registers, two bytes each; ModbusError when there is no answer that must be ours.
        OSError when the port fails, or none has been opened yet.

        A coil or discrete input is a register that holds 0 or 1.
        Where an earlier answer could be taken for it, another read goes out before it (see Guard.fence).
        timeout_ms: from the end of the request to the answer's first byte; quiet_ms: the device's longest answer time;
        gap_ms: pause that the device needs between two requests.
        """
        if self._port is None:
            raise OSError(ENODEV)
        request = read_request(unit, function, address, count)
        while True:
            sent = self._next(request)
            await self._wait_until_ready(sent)
            async with self.lock:
                # Flash may have been written while the lock was waited for, or another task may have left a doubt: look
                # at the line once more.
                if self._ready_at(sent) > self._clock.now() or self._next(request) != sent:
                    continue
                try:
                    data = await self._exchange(sent, timeout_ms, quiet_ms)
                except ModbusError as error:
                    if sent is request or not is_answer(error):
                        raise
            if sent is request:
                return as_registers(function, count, data)
            await self._clock.sleep_ms(gap_ms)

    def _next(self, request: bytes) -> bytes:
        """What has to be answered first: the request itself, or its fence."""
        return self.guard.fence(request, self._clock.now()) or request

    async def _wait_until_ready(self, request: bytes) -> None:
        while True:
            wait_ms = self._ready_at(request) - self._clock.now()
            if wait_ms <= 0:
                return
            self.guard.check_silence(self._clock.now(), _PATIENCE_MS)
            # A late answer that began at the end of the silence has to be seen: never sleep over many frames.
            await self._clock.sleep_ms(min(wait_ms, 20))

    def _ready_at(self, request: bytes) -> int:
        self._listen()
        return self.guard.ready_at(request, self._clock.now())

    async def _exchange(self, request: bytes, timeout_ms: int, quiet_ms: int) -> bytes:
        guard = self.guard
        sending_ms = self._wire_ms(len(request) + 2)
        answer_ms = self._wire_ms(answer_size(request) + 2)
        began = self._clock.now()
        deadline = began + sending_ms + timeout_ms + answer_ms
        try:
            self._send(guard.begin(request, began, deadline, quiet_ms + answer_ms))
            while True:
                self._listen()
                now = self._clock.now()
                data = guard.poll(now)
                if data is not None:
                    return data
                wait_ms = guard.next_check() - now
                # Behind a whole answer only the silence is waited for, to its end and not longer.
                await self._clock.sleep_ms(wait_ms if wait_ms <= guard.gap else _POLL_MS)
        except ModbusError:
            raise
        except BaseException as error:  # cancelled, or the port failed: the answer may still be on its way
            guard.abandon(LINK if isinstance(error, OSError) else CANCELLED, self._clock.now())
            raise

    def _send(self, frame: bytes) -> None:
        drive = self._drive
        if drive:
            drive(True)
        try:
            if self._port.write(frame) != len(frame):
                self.guard.abandon(LINK, self._clock.now())
                raise ModbusError(LINK, "the port takes no more bytes")
            if drive:
                # Waits for the last bit and lets no other task run. To sleep meanwhile would leave the release of the
                # line to whatever runs next: a pack that is framed or verified, and the meter answers into the driver.
                self._port.flush()
        finally:
            if drive:
                drive(False)

    def _listen(self) -> None:
        self._beat()
        for _ in range(_LOOK):
            size = self._port.readinto(self._buffer)
            if not size:
                return
            self.guard.feed(memoryview(self._buffer)[:size], self._clock.now())

    def _wire_ms(self, characters: int) -> int:
        """Time of `characters` on the line, 11 bits each, rounded up."""
        return -(-characters * 11000 // self._baud)


def _nothing() -> None:
    pass
