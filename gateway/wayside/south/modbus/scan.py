"""Finds the devices on a line, and the profiles that fit them."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import NamedTuple

from wayside_wire import modbus

from wayside.profiles import DISCOVERED, Profile

from .link import ModbusLink
from .sunspec_chain import NotSunSpec, find_models

_CONTROLS = (197, 178, 163, 242)  # unit addresses that nobody gives to a device
_BUSY_S = 0.5
_TRIES = 3


class FoundDevice(NamedTuple):
    """A device that answers.

    fitting: the names of the profiles whose checks all hold, the most particular first; identity: what it answers to
    the question for its serial number, by the first profile that has one; everywhere: it answers so to unit addresses
    that nobody has, so it is one device whatever the address.
    """

    unit: int
    fitting: tuple[str, ...]
    identity: bytes = b""
    everywhere: bool = False


async def scan(
    link: ModbusLink, units: Sequence[int], timeout_s: float, known: Collection[Profile]
) -> AsyncIterator[tuple[int, FoundDevice | None]]:
    """(unit, what was found there) for each of `units` in turn, None where nobody answers. OSError: the line is gone.

    timeout_s: as long as the bus will wait, or what is found cannot be polled and what can be polled is not found.
    known: the profiles that may fit; one without checks fits nothing. A device that answers to every unit address is
    found once, at the first; the others of `units` are then no devices.
    """
    anybody: list[FoundDevice] | None = None
    for unit in units:
        device = await _look(link, unit, timeout_s, known)
        if device and anybody is None:
            controls = [each for each in _CONTROLS if each not in units][:2]
            looks = [await _look(link, each, timeout_s, known) for each in controls]
            anybody = [each for each in looks if each] if all(looks) else []
        if device and anybody and any(_same(device, each) for each in anybody):
            is_first = not any(each.unit in units for each in anybody)
            anybody = [*anybody, device] if is_first else anybody
            yield unit, device._replace(everywhere=True) if is_first else None
            continue
        yield unit, device


def _same(one: FoundDevice, other: FoundDevice) -> bool:
    return (one.fitting, one.identity) == (other.fitting, other.identity)


async def _look(link: ModbusLink, unit: int, timeout_s: float, known: Collection[Profile]) -> FoundDevice | None:
    scanner = _Unit(link, unit, timeout_s)
    if not await scanner.answers():
        return None
    fitting = [(_rank(profile), profile) for profile in known if profile.probe and await scanner.fits(profile)]
    profiles_that_fit = [profile for _, profile in sorted(fitting, key=lambda each: (each[0], each[1].name))[::-1]]
    names = [profile.name for profile in profiles_that_fit]
    identity = await scanner.identity(profiles_that_fit)
    if await scanner.is_sunspec():
        names.insert(0, DISCOVERED.name)
    return FoundDevice(unit, tuple(names), identity)


def _rank(profile: Profile) -> tuple[int, int]:
    """How much its checks say: exact values before ranges, many before few."""
    return sum(bool(check.expect) for check in profile.probe), len(profile.probe)


class _Unit:
    """One unit address; what was read once is not read again."""

    def __init__(self, link: ModbusLink, unit: int, timeout_s: float):
        self._link = link
        self._unit = unit
        self._timeout_s = timeout_s
        self._has_answered = False
        self._seen: dict[tuple[int, int, int], bytes | None] = {}

    async def answers(self) -> bool:
        """Whether there is a device: it may refuse everything, but it says so. Some are silent to what they lack."""
        for function in (modbus.READ_INPUT, modbus.READ_HOLDING):
            try:
                await self._ask(function, 0, 2)
                return True
            except modbus.ModbusError as error:
                if error.kind == modbus.EXCEPTION:
                    return error.code not in modbus.IN_ITS_STEAD
        return False

    async def fits(self, profile: Profile) -> bool:
        for check in profile.probe:
            data = await self.read(check.field.function, check.field.address, check.field.count, profile.min_gap_ms)
            if data is None or not check.fits(data):
                return False
        return True

    async def identity(self, fitting: list[Profile]) -> bytes:
        for profile in fitting:
            for field in profile.identity.values():
                return await self.read(field.function, field.address, field.count, profile.min_gap_ms) or b""
        return b""

    async def is_sunspec(self) -> bool:
        async def read(address: int, count: int) -> bytes:
            data = await self.read(modbus.READ_HOLDING, address, count)
            if data is None:
                raise modbus.ModbusError(modbus.EXCEPTION, "not there", modbus.ILLEGAL_ADDRESS)
            return data

        try:
            await find_models(read)
        except (NotSunSpec, modbus.ModbusError):
            return False
        return True

    async def read(self, function: int, address: int, count: int, gap_ms: int = 0) -> bytes | None:
        """Registers, or None where the device has none or says nothing that can be trusted. gap_ms: pause before."""
        key = (function, address, count)
        if key not in self._seen:
            await asyncio.sleep(gap_ms / 1000)
            try:
                self._seen[key] = await self._ask(function, address, count)
            except modbus.ModbusError:
                self._seen[key] = None
        return self._seen[key]

    async def _ask(self, function: int, address: int, count: int) -> bytes:
        """Once where nobody has answered yet; else again after a lost answer, and while the device is busy."""
        for tries_left in reversed(range(_TRIES)):
            try:
                data = await self._exchange(function, address, count)
                self._has_answered = True
                return data
            except modbus.ModbusError as error:
                is_busy = error.kind == modbus.EXCEPTION and error.code in (modbus.ACKNOWLEDGE, modbus.BUSY)
                self._has_answered |= error.kind == modbus.EXCEPTION and error.code not in modbus.IN_ITS_STEAD
                is_lost = error.kind not in (modbus.EXCEPTION, modbus.LINK) and self._has_answered
                if not tries_left or not (is_busy or is_lost):
                    raise
                await asyncio.sleep(_BUSY_S if is_busy else 0)
        raise AssertionError  # the last try returns or raises

    async def _exchange(self, function: int, address: int, count: int) -> bytes:
        if self._link.broken:  # some gateways close the connection when they are asked for a unit that they do not have
            self._link.close()
            await self._link.open()
        request = modbus.read_request(self._unit, function, address, count)
        return await self._link.exchange(request, self._timeout_s, self._timeout_s)
