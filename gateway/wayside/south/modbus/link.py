"""Bytes in and out of one line, under a Guard: a serial port, RTU frames over TCP, or Modbus/TCP.

An exchange ends with the data of its answer or with a ModbusError; cancelling it leaves the guard knowing that an
answer may still come. One exchange at a time: the bus sees to that.
"""

import asyncio
import contextlib
import os
from abc import ABC, abstractmethod

import serial
from wayside_wire import modbus
from wayside_wire.modbus_guard import Guard, is_answer
from wayside_wire.modbus_rtu_guard import RtuGuard
from wayside_wire.modbus_tcp_guard import TcpGuard

from wayside.net.endpoint import PLAIN, Manners
from wayside.net.serial_port import gone, open_port

_CONNECT_S = 3.0
_PATIENCE_US = 3_000_000  # with a line that is never silent; no frame takes so long


class ModbusLink(ABC):
    """One line. `character_us`: time of a character on a serial line, 0 where there is none."""

    def __init__(self, guard: Guard, character_us: int, manners: Manners = PLAIN):
        self.guard = guard
        guard.pause = manners.pause_ms * 1000
        self.character_us = character_us
        self._connect_delay_us = manners.connect_delay_ms * 1000
        self.connected = False
        self.answer_s = 0.0  # from the last request to its answer
        self.ended = 0  # exchanges, with whatever outcome
        self._loop: asyncio.AbstractEventLoop
        self._waiter: asyncio.Future[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Connect; OSError when the other side is not there."""
        self._loop = asyncio.get_running_loop()
        self.guard.reset()
        await self._open()
        self.connected = True
        if self._connect_delay_us:
            self.guard.hold(self._now() + self._connect_delay_us)

    async def settle(self) -> None:
        """Wait until no answer can be under way any more, or the line is never silent."""
        while self.connected and (wait_s := self.free_wait_s()) > 0:
            await asyncio.sleep(wait_s)

    def close(self) -> None:
        """Disconnect; an exchange in flight ends with an error."""
        self.connected = False
        self._close()
        self._fail("link closed")

    @property
    def broken(self) -> bool:
        """Whether only a new connection helps."""
        return not self.connected

    def free_wait_s(self) -> float:
        """How long it pays to wait because no request at all may go out; see Guard.free_at."""
        now = self._drain()
        at = self.guard.free_at(now)
        return 0.0 if self.guard.is_never_silent(now, _PATIENCE_US) else (at - now) / 1e6

    def repeat_wait_s(self, request: bytes) -> float:
        """How long `request` had better wait while others go out; see Guard.repeat_at."""
        now = self._now()
        return (self.guard.repeat_at(request, now) - now) / 1e6

    async def exchange(self, request: bytes, timeout_s: float, quiet_s: float, gap_s: float = 0.0) -> bytes:
        """The data that answers `request`, a body; ModbusError otherwise.

        Where an earlier answer could be taken for it, another read goes out before it: its fence (see Guard).
        timeout_s: from the end of the request to the first byte of the answer; quiet_s: how long the line is left alone
        after anything odd, the longest time that this device takes to answer; gap_s: pause that the device needs
        between two requests.
        """
        while self.connected and (fence := self.guard.fence(request, self._now())) is not None:
            try:
                await self._exchange(fence, timeout_s, quiet_s)
            except modbus.ModbusError as error:
                if not is_answer(error):
                    raise
            await asyncio.sleep(gap_s)
        return await self._exchange(request, timeout_s, quiet_s)

    async def _exchange(self, request: bytes, timeout_s: float, quiet_s: float) -> bytes:
        guard = self.guard
        now = self._drain()
        at = guard.ready_at(request, now)
        while at > now:
            guard.check_silence(now, _PATIENCE_US)
            await asyncio.sleep((at - now) / 1e6)
            now = self._drain()
            at = guard.ready_at(request, now)
        if not self.connected:
            raise modbus.ModbusError(modbus.LINK, "no link")
        wire_us = (len(request) + modbus.answer_size(request) + 4) * self.character_us
        frame = guard.begin(request, now, now + wire_us + int(timeout_s * 1e6), int(quiet_s * 1e6))
        self._waiter = self._loop.create_future()
        self._timer = self._loop.call_at(guard.next_check() / 1e6, self._check)
        try:
            self._write(frame)
            data = await self._waiter
            self.answer_s = self._loop.time() - now / 1e6
            return data
        finally:
            self._timer.cancel()
            self._waiter = None
            self.ended += 1
            if guard.busy:
                guard.abandon(modbus.CANCELLED, self._now())

    def _now(self) -> int:
        # Rounded, not cut: a timer set for n microseconds must find n when it fires.
        return round(self._loop.time() * 1e6)

    def _arrived(self, data: bytes) -> None:
        self.guard.feed(data, self._now())
        if self._waiter is not None:
            self._check()

    def _check(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        try:
            data = self.guard.poll(self._now())
        except modbus.ModbusError as error:
            waiter.set_exception(error)
            return
        if data is not None:
            waiter.set_result(data)
            return
        # More must come, or the silence after the last byte has yet to pass.
        assert self._timer is not None
        self._timer.cancel()
        self._timer = self._loop.call_at(self.guard.next_check() / 1e6, self._check)

    def _lost(self, reason: str) -> None:
        self.connected = False
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(modbus.ModbusError(modbus.LINK, reason))

    def _drain(self) -> int:
        """Take in what has arrived but was not delivered yet; the time after that."""
        return self._now()

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    @abstractmethod
    def _write(self, frame: bytes) -> None: ...


class SerialLink(ModbusLink):
    """An RS-485 line on a serial port."""

    # t3.5 is 3.5 characters, and 1.75 ms from 19,200 baud on (MODBUS over Serial Line V1.02, section 2.5.1.1).
    # A second copy of an answer is expected within 50 ms: USB adapters hold bytes back for up to 16 ms.
    REPEAT_US = 50_000

    def __init__(self, port: str, baud: int = 9600, parity: str = "N", stop_bits: int = 1, manners: Manners = PLAIN):
        bits = 1 + 8 + (parity != "N") + stop_bits
        character_us = -(-bits * 1_000_000 // baud)
        gap_us = max(character_us * 7 // 2, 1750)
        super().__init__(RtuGuard(gap_us, self.REPEAT_US, character_us), character_us, manners)
        self.port, self.baud, self.parity, self.stop_bits = port, baud, parity, stop_bits
        self._serial: serial.Serial | None = None
        self._fd = -1

    async def _open(self) -> None:
        self._serial = open_port(self.port, self.baud, parity=self.parity, stopbits=self.stop_bits)
        # USB adapters hold bytes back for up to 16 ms where nobody tells them not to.
        with contextlib.suppress(ValueError, OSError):
            self._serial.set_low_latency_mode(True)
        self._fd = self._serial.fileno()
        self._serial.reset_input_buffer()
        self._loop.add_reader(self._fd, self._readable)

    def _close(self) -> None:
        if self._serial is not None:
            self._loop.remove_reader(self._fd)
            self._serial.close()
            self._serial = None

    def _write(self, frame: bytes) -> None:
        try:
            written = os.write(self._fd, frame)
        except OSError as error:
            self._gone(error)
            return
        if written != len(frame):  # a frame with a hole in it is nobody's request
            raise modbus.ModbusError(modbus.LINK, "the serial port takes no more")

    def _readable(self) -> None:
        if data := self._read():  # _drain() may have been first
            self._arrived(data)

    def _drain(self) -> int:
        while self.connected and (data := self._read()):
            self.guard.feed(data, self._now())
        return self._now()

    def _read(self) -> bytes:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return b""
        except OSError as error:
            self._gone(error)
            return b""
        if not data:
            self._gone(None)
        return data

    def _gone(self, error: OSError | None) -> None:
        self._close()
        self._lost(gone(error))


class TcpLink(ModbusLink, asyncio.Protocol):
    """Modbus/TCP, or RTU frames over TCP."""

    # Over TCP silence says little; a few milliseconds show a second copy that was sent at once.
    RTU_GAP_US = 5_000
    RTU_REPEAT_US = 50_000

    def __init__(self, host: str, port: int, rtu: bool = False, first_transaction: int = 0, manners: Manners = PLAIN):
        guard: Guard
        if rtu:
            guard = RtuGuard(self.RTU_GAP_US, self.RTU_REPEAT_US)
        elif manners.any_transaction:
            guard = TcpGuard(first_transaction, True, manners.answers_as_unit_0, self.RTU_GAP_US, self.RTU_REPEAT_US)
        else:
            guard = TcpGuard(first_transaction, unit_0=manners.answers_as_unit_0)
        super().__init__(guard, 0, manners)
        self.host, self.port = host, port
        self._transport: asyncio.Transport | None = None

    @property
    def broken(self) -> bool:
        return not self.connected or getattr(self.guard, "broken", False)

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_S):
                await self._loop.create_connection(lambda: self, self.host, self.port)
        except TimeoutError:
            raise OSError(f"{self.host}:{self.port} does not answer") from None
        except OSError as error:
            # asyncio's own text names the address again instead of the cause; a resolver's numbers are negative.
            number = error.errno or 0
            cause = os.strerror(number) if number > 0 else error.strerror or error
            raise OSError(f"{self.host}:{self.port} cannot be reached: {cause}") from None

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _write(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._lost(f"connection lost: {error}" if error else "connection closed by the device")

    def data_received(self, data: bytes) -> None:
        self._arrived(data)
