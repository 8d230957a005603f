"""Writes: what the answer says, what the register reads afterwards, and what of it can be told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from modbus.virtual import Clock, MemoryLink, run
from wayside.lab.plant import answer_for
from wayside.south.modbus import ModbusBus
from wayside_wire import modbus
from wayside_wire.modbus import ModbusError

ONE = b"\x00\x01"


class Register:
    """Holding registers as inverters have them. delay_s: how long the old value is shown after a write."""

    def __init__(self, readable: bool = True, delay_s: float = 0.0, keeps: bool = False):
        self.value = b"\x00\x00"
        self.writes = 0
        self._readable = readable
        self._delay_s = delay_s
        self._keeps = keeps

    def read(self, function: int, address: int, count: int) -> bytes:
        if not self._readable:
            raise ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_ADDRESS)
        return self.value

    def write(self, address: int, registers: bytes) -> None:
        if address == 99:
            raise ModbusError(modbus.EXCEPTION, "", modbus.ILLEGAL_VALUE)
        self.writes += 1
        if not self._keeps:
            asyncio.get_running_loop().call_later(self._delay_s, setattr, self, "value", registers)


@contextlib.asynccontextmanager
async def running(register: Register, **link: Any) -> AsyncIterator[ModbusBus]:
    bus = ModbusBus("bus", MemoryLink(answer_for({1: register}), **link), [], Clock(), lambda *_: None)
    task = asyncio.create_task(bus.run())
    try:
        yield bus
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("function", [modbus.WRITE_REGISTER, modbus.WRITE_REGISTERS])
@pytest.mark.parametrize("echo", [False, True])
def test_a_write_that_takes(function: int, echo: bool) -> None:
    async def main() -> None:
        async with running(Register(), echo=echo) as bus:
            assert await bus.write(1, 5, ONE, function) == (True, ONE, "acknowledged, and reads as written")

    run(main)


def test_a_register_that_settles_later() -> None:
    async def main() -> None:
        async with running(Register(delay_s=1.0)) as bus:
            assert (await bus.write(1, 5, ONE)).found == ONE
        async with running(Register(delay_s=5.0)) as bus:
            with pytest.raises(ModbusError, match=r"^acknowledged: wrote 0001, reads 0000 after 2 s$"):
                await bus.write(1, 5, ONE)
            assert (await bus.write(1, 5, ONE, settle_s=9.0)).found == ONE

    run(main)


def test_a_register_that_keeps_what_it_likes() -> None:
    async def main() -> None:
        async with running(Register(keeps=True)) as bus:
            with pytest.raises(ModbusError, match=r"^acknowledged: wrote 0001, reads 0000 after 0.5 s$"):
                await bus.write(1, 5, ONE, settle_s=0.5)

    run(main)


def test_a_register_that_cannot_be_read_back() -> None:
    async def main() -> None:
        register = Register(readable=False)
        async with running(register) as bus:
            text = "acknowledged; it cannot be read back: exception 2: illegal data address"
            assert await bus.write(1, 5, ONE) == (True, None, text)
            assert register.writes == 1

    run(main)


def test_a_write_that_is_refused() -> None:
    async def main() -> None:
        async with running(Register()) as bus:
            with pytest.raises(ModbusError, match=r"^refused: exception 3: illegal data value$") as caught:
                await bus.write(1, 99, ONE)
            assert caught.value.code == modbus.ILLEGAL_VALUE

    run(main)


@pytest.mark.parametrize("function", [modbus.WRITE_REGISTER, modbus.WRITE_REGISTERS])
def test_a_write_that_is_obeyed_and_never_acknowledged(function: int) -> None:
    async def main() -> None:
        register = Register()
        async with running(register) as bus:
            link = bus.link
            assert isinstance(link, MemoryLink)
            honest = link.answer

            def answer(body: bytes) -> bytes | None:
                answered = honest(body)
                return answered if body[1] == modbus.READ_HOLDING else None

            link.answer = answer
            for _ in range(3):
                found = await bus.write(1, 5, ONE, function)
                assert found == (False, ONE, "not acknowledged (timeout), and reads as written")
        assert register.writes == 3

    run(main)


def test_an_echo_is_no_acknowledgement() -> None:
    async def main() -> None:
        async with running(Register(), echo=True) as bus:
            assert isinstance(bus.link, MemoryLink)
            bus.link.answer = lambda _: None  # the device is dead, and the adapter says everything twice
            with pytest.raises(ModbusError, match=r"^not acknowledged \(timeout\); whether it took is not known: "):
                await bus.write(1, 5, ONE, modbus.WRITE_REGISTER)

    run(main)


def test_a_write_without_a_line() -> None:
    async def main() -> None:
        async with running(Register()) as bus:
            assert isinstance(bus.link, MemoryLink)
            await bus.write(1, 5, ONE)
            bus.link.drop()
            with pytest.raises(ModbusError, match=r"^not acknowledged: no link$"):
                await bus.write(1, 5, ONE)

    run(main)


@pytest.mark.parametrize("function", [modbus.WRITE_REGISTER, modbus.WRITE_REGISTERS])
@pytest.mark.parametrize("echo", [False, True])
def test_what_nobody_reads_back_has_to_be_acknowledged_by_the_device(function: int, echo: bool) -> None:
    """The answer to function 6 is the request once more, and so is what an adapter hears of it."""

    async def main() -> None:
        async with running(Register(delay_s=60), echo=echo) as bus:
            assert await bus.write(1, 5, ONE, function, stays=False) == (True, None, "acknowledged")
            with pytest.raises(ModbusError, match="refused"):
                await bus.write(1, 99, ONE, function, stays=False)
        async with running(Register(), echo=echo) as bus:
            with pytest.raises(ModbusError, match="not acknowledged"):
                await bus.write(2, 5, ONE, function, stays=False)

    run(main)
