"""Puts simulated devices on a line: a pty that is as slow as RS-485, or a TCP port on this machine."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from wayside_wire import modbus

from wayside.lab.plant.cable import raw_pty
from wayside.south.modbus import server

Answer = Callable[[bytes], bytes | None]
"""The body that answers a request's body, None when nobody on the line does."""

_UART_FIFO = 8  # bytes that a UART hands over at a time
_SHORTEST_REQUEST = 6  # bytes of a body: unit, function, address, count


class Slave(Protocol):
    """A device's registers. Both raise ModbusError with an exception code for what the device refuses."""

    def read(self, function: int, address: int, count: int) -> bytes: ...

    def write(self, address: int, registers: bytes) -> None: ...


def answer_for(units: Mapping[int, Slave]) -> Answer:
    """How the devices at these unit addresses answer."""

    def answer(body: bytes) -> bytes | None:
        slave = units.get(body[0])
        if slave is None:
            return None
        function, address = body[1], body[2] << 8 | body[3]
        try:
            if function in (modbus.READ_HOLDING, modbus.READ_INPUT):
                data = slave.read(function, address, body[4] << 8 | body[5])
                return body[:2] + bytes((len(data),)) + data
            if function == modbus.WRITE_REGISTER:
                slave.write(address, body[4:6])
                return body
            if function == modbus.WRITE_REGISTERS:
                slave.write(address, body[7:])
                return body[:6]
        except modbus.ModbusError as error:
            return bytes((body[0], function | 0x80, error.code))
        return bytes((body[0], function | 0x80, modbus.ILLEGAL_FUNCTION))

    return answer


@contextlib.asynccontextmanager
async def serve_pty(
    answer: Answer, baud: int = 9600, character_bits: int = 10, turnaround_s: float = 0.01
) -> AsyncIterator[str]:
    """The path of a pty on which `answer` speaks Modbus RTU, each byte taking its time on the line.

    character_bits: start, data, parity and stop bits, 10 for 8N1 and 11 for 8E1; turnaround_s: from the end of the
    request's closing silence to the answer's first bit.
    """
    with raw_pty() as (master, path):
        line = _RtuLine(master, answer, character_bits / baud, turnaround_s)
        task = asyncio.create_task(line.run())
        try:
            yield path
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            line.close()


class _RtuLine:
    def __init__(self, fd: int, answer: Answer, character_s: float, turnaround_s: float):
        self._fd = fd
        self._answer = answer
        self._character_s = character_s
        self._turnaround_s = turnaround_s
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._buffer = bytearray()
        self._began = 0.0
        self._loop.add_reader(fd, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 1024)
        except OSError:  # the other side is closing
            return
        if not self._buffer:
            self._began = self._loop.time()
        self._buffer += data
        self._arrived.set()

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            size = _request_size(self._buffer)
            if size is None or len(self._buffer) < size:
                await self._silence()
                continue
            frame = bytes(self._buffer[:size])
            self._buffer.clear()
            await self._exchange(frame)

    async def _silence(self) -> None:
        """Half a frame is forgotten when nothing follows it."""
        try:
            async with asyncio.timeout(0.05):
                await self._arrived.wait()
        except TimeoutError:
            self._buffer.clear()

    async def _exchange(self, frame: bytes) -> None:
        try:
            body = self._answer(modbus.rtu_body(frame))
        except modbus.ModbusError:
            return
        if body is None:
            return
        silence_s = max(3.5 * self._character_s, 0.00175)
        at = self._began + len(frame) * self._character_s + silence_s + self._turnaround_s
        reply = modbus.rtu_frame(body)
        for start in range(0, len(reply), _UART_FIFO):
            piece = reply[start : start + _UART_FIFO]
            at += len(piece) * self._character_s
            await asyncio.sleep(at - self._loop.time())
            with contextlib.suppress(BlockingIOError):  # nobody reads: the line does not wait for them
                os.write(self._fd, piece)


def _request_size(buffer: bytearray) -> int | None:
    """Length of the request frame that begins here, None while that cannot be told."""
    if len(buffer) < 2:
        return None
    if buffer[1] <= modbus.WRITE_REGISTER:
        return 8
    if buffer[1] in (15, modbus.WRITE_REGISTERS):
        return 9 + buffer[6] if len(buffer) > 6 else None
    return None


@contextlib.asynccontextmanager
async def serve_tcp(
    answer: Answer, port: int = 0, host: str = "127.0.0.1", delay_s: float | Callable[[bytes], float] = 0.0
) -> AsyncIterator[int]:
    """The port on which `answer` speaks Modbus/TCP; port 0 takes a free one. delay_s: before each answer, or before
    that to a request's body."""
    loop = asyncio.get_running_loop()

    def on_request(body: bytes, reply: Callable[[bytes], None]) -> None:
        found = answer(body) if len(body) >= _SHORTEST_REQUEST else None
        if found is None:
            return
        late_s = delay_s(body) if callable(delay_s) else delay_s
        if late_s:
            loop.call_later(late_s, reply, found)
        else:
            reply(found)

    async with server.serve(on_request, host, port) as bound:
        yield bound
