"""The chain of models of a SunSpec device: found, and walked to its end.

A device has a chain of models from one of three base addresses on, each with its number and length (SunSpec Device
Information Model Specification 1.1, section 4). Each common model (1) begins a device of its own: an inverter and the
meter behind it may stand in one chain.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from wayside_wire import modbus

ReadRegisters = Callable[[int, int], Awaitable[bytes]]
"""read(address, count) of holding registers; ModbusError where there are none."""

BASES = (40000, 50000, 0)
COMMON = 1  # the number of the common model
MAX_READ = 100  # registers; inverters with less than Modbus allows are common
_MARK = b"SunS"
_MARK_SIZE = 2  # registers
_END = 0xFFFF
_MOST_MODELS = 64


class NotSunSpec(Exception):
    """No chain of models was found, or it makes no sense."""


class Model(NamedTuple):
    """A model in a device: `address` is that of its number, `length` counts the registers after the length."""

    id: int
    address: int
    length: int


class Registers:
    """The device's registers, asked for so that no two requests in a row have answers of the same size.

    A late answer could otherwise be taken for the next one's.
    """

    def __init__(self, read: ReadRegisters):
        self._read = read
        self._last = 0

    async def start(self, address: int, count: int) -> bytes:
        """`count` registers, and perhaps one more where there is one: the first `count` of them."""
        if count == self._last:
            try:
                self._last = count + 1
                return (await self._read(address, count + 1))[: 2 * count]
            except modbus.ModbusError as error:
                if not _says_nothing_there(error):
                    raise
        self._last = count
        return await self._read(address, count)

    async def whole(self, address: int, count: int) -> bytes:
        """`count` registers, in several requests where one may not read so many."""
        data = b""
        while count:
            size = min(count, MAX_READ)
            if size == self._last and size > 1:
                size -= 1
            self._last = size
            data += await self._read(address, size)
            address += size
            count -= size
        return data


def _says_nothing_there(error: modbus.ModbusError) -> bool:
    """Whether a failure says that there are no registers; any but a refusal says nothing."""
    return error.kind == modbus.EXCEPTION and error.code in modbus.REFUSALS


async def find_models(read: ReadRegisters) -> list[Model]:
    """The chain of models; NotSunSpec where there is none, ModbusError where it cannot be told."""
    registers = Registers(read)
    silent: list[str] = []
    failure: modbus.ModbusError | None = None
    for i, base in enumerate(BASES):
        try:
            # Behind the mark there is at least the common model.
            found = await registers.start(base, _MARK_SIZE + i)
            if found[: 2 * _MARK_SIZE] != _MARK:
                continue
        except modbus.ModbusError as error:
            if not _says_nothing_there(error):
                # Some devices do not answer where they have nothing; that is not known of this one.
                silent.append(f"{base}: {error.text}")
                failure = error
            continue
        return await _walk(registers, base + _MARK_SIZE)
    if failure is not None:
        text = f"no SunSpec mark was seen, but not every base answers ({'; '.join(silent)})"
        raise modbus.ModbusError(failure.kind, text, failure.code)
    raise NotSunSpec("no SunSpec mark at " + ", ".join(map(str, BASES)))


async def _walk(registers: Registers, address: int) -> list[Model]:
    models: list[Model] = []
    while len(models) < _MOST_MODELS and address < 65_534:
        try:
            head = await registers.start(address, 2)
        except modbus.ModbusError as error:
            # Where the chain should go on there are no registers: it ends without its end model.
            if models and error.kind == modbus.EXCEPTION and await _is_end(registers, address, error):
                return models
            raise
        number, length = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:], "big")
        if number in (0, _END):  # there is no model 0: nothing was written there
            if not models:
                raise NotSunSpec("the chain of models is empty")
            return models
        models.append(Model(number, address, length))
        address += 2 + length
    raise NotSunSpec("the chain of models has no end")


async def _is_end(registers: Registers, address: int, error: modbus.ModbusError) -> bool:
    """Whether the chain ends where two registers were refused: nothing is there, or one last register."""
    if _says_nothing_there(error):
        return True
    try:
        return int.from_bytes(await registers.whole(address, 1), "big") in (0, _END)
    except modbus.ModbusError as other:
        return _says_nothing_there(other)


def devices(models: list[Model]) -> list[list[Model]]:
    """The models of each device in the chain: a common model and what follows it."""
    found: list[list[Model]] = []
    for model in models:
        if model.id == COMMON or not found:
            found.append([])
        found[-1].append(model)
    return found
