"""A Modbus/TCP port through which another program reads the devices of a bus that is ours.

Many inverters take one client only; and on RS-485 there can be one master. Requests queue with everybody else's and
obey the same guard. Writing is refused unless it was allowed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from wayside_wire import modbus

from .bus import ModbusBus, Priority
from .server import serve

_READS = (modbus.READ_COILS, modbus.READ_DISCRETE, modbus.READ_HOLDING, modbus.READ_INPUT)
_WRITES = (5, modbus.WRITE_REGISTER, 15, modbus.WRITE_REGISTERS)
_IN_FLIGHT = 32  # requests of all clients together


class Proxy:
    """Forwards requests to a bus. served and refused count what came of them."""

    def __init__(self, bus: ModbusBus, allow_writes: bool = False):
        self.served = 0
        self.refused = 0
        self._bus = bus
        self._functions = _READS + _WRITES if allow_writes else _READS
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listen(self, port: int, host: str = "127.0.0.1") -> AsyncIterator[int]:
        """The port that is served; port 0 takes a free one."""
        async with serve(self._request, host, port, clients=8) as bound:
            try:
                yield bound
            finally:
                for task in self._tasks:
                    task.cancel()

    def _request(self, body: bytes, reply: Callable[[bytes], None]) -> None:
        code = self._objection(body)
        if code:
            self.refused += 1
            reply(bytes((body[0], body[1] & 0x7F | 0x80, code)))
            return
        task = asyncio.get_running_loop().create_task(self._forward(body, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _objection(self, body: bytes) -> int:
        if body[1] not in self._functions:
            return modbus.ILLEGAL_FUNCTION
        if len(body) < 6 or (body[1] in _READS and len(body) != 6):
            return modbus.ILLEGAL_VALUE
        count = body[4] << 8 | body[5]
        if body[1] in (modbus.READ_HOLDING, modbus.READ_INPUT) and not 0 < count <= modbus.MAX_READ:
            return modbus.ILLEGAL_VALUE
        if body[1] in (modbus.READ_COILS, modbus.READ_DISCRETE) and not 0 < count <= 2000:
            return modbus.ILLEGAL_VALUE
        return modbus.BUSY if len(self._tasks) >= _IN_FLIGHT else 0

    async def _forward(self, body: bytes, reply: Callable[[bytes], None]) -> None:
        try:
            data = await self._bus.request(body, Priority.NORMAL)
        except modbus.ModbusError as error:
            self.refused += 1
            if error.kind == modbus.EXCEPTION:
                code = error.code
            else:
                code = modbus.GATEWAY_PATH if error.kind == modbus.LINK else modbus.GATEWAY_TARGET
            reply(bytes((body[0], body[1] | 0x80, code)))
            return
        self.served += 1
        reply(body[:2] + bytes((len(data),)) + data if body[1] in _READS else body[:6])
