"""Finds the devices on a line, and the profiles that fit them."""

from collections.abc import AsyncIterator, Collection, Iterable
from typing import NamedTuple

from wayside_wire import modbus

from wayside.profiles import DISCOVERED, Profile

from . import sunspec
from .link import Link


class Found(NamedTuple):
    """A device that answers. fitting: the names of the profiles whose checks all hold, the most particular first."""

    unit: int
    fitting: tuple[str, ...]


async def scan(
    link: Link, units: Iterable[int], timeout_s: float, known: Collection[Profile]
) -> AsyncIterator[tuple[int, Found | None]]:
    """(unit, what was found there) for each of `units` in turn, None where nobody answers.

    known: the profiles that may fit; one without checks fits nothing.
    """
    for unit in units:
        scanner = _Unit(link, unit, timeout_s)
        if not await scanner.answers():
            yield unit, None
            continue
        fitting = [(_rank(profile), profile.name) for profile in known if profile.probe and await scanner.fits(profile)]
        names = [name for _, name in sorted(fitting, reverse=True)]
        if await scanner.is_sunspec():
            names.insert(0, DISCOVERED.name)
        yield unit, Found(unit, tuple(names))


def _rank(profile: Profile) -> tuple[int, int]:
    """How much its checks say: exact values before ranges, many before few."""
    return sum(bool(check.expect) for check in profile.probe), len(profile.probe)


class _Unit:
    """One unit address; what was read once is not read again."""

    def __init__(self, link: Link, unit: int, timeout_s: float):
        self._link = link
        self._unit = unit
        self._timeout_s = timeout_s
        self._seen: dict[tuple[int, int, int], bytes | None] = {}

    async def answers(self) -> bool:
        """Whether there is a device: it may refuse everything, but it says so."""
        for function in (modbus.READ_INPUT, modbus.READ_HOLDING):
            try:
                await self._exchange(function, 0, 2)
                return True
            except modbus.ModbusError as error:
                if error.kind == modbus.EXCEPTION:
                    return error.code not in (modbus.GATEWAY_PATH, modbus.GATEWAY_TARGET)
                if error.kind == modbus.TIMEOUT:
                    return False
        return False

    async def fits(self, profile: Profile) -> bool:
        for check in profile.probe:
            data = await self.read(check.field.function, check.field.address, check.field.count)
            if data is None or not check.fits(data):
                return False
        return True

    async def is_sunspec(self) -> bool:
        async def read(address: int, count: int) -> bytes:
            data = await self.read(modbus.READ_HOLDING, address, count)
            if data is None:
                raise modbus.ModbusError(modbus.EXCEPTION, "not there", modbus.ILLEGAL_ADDRESS)
            return data

        try:
            await sunspec.find_models(read)
        except (sunspec.NotSunSpec, modbus.ModbusError):
            return False
        return True

    async def read(self, function: int, address: int, count: int) -> bytes | None:
        """Registers, or None where the device has none or says nothing that can be trusted."""
        key = (function, address, count)
        if key not in self._seen:
            try:
                self._seen[key] = await self._exchange(function, address, count)
            except modbus.ModbusError:
                self._seen[key] = None
        return self._seen[key]

    async def _exchange(self, function: int, address: int, count: int) -> bytes:
        request = modbus.read_request(self._unit, function, address, count)
        return await self._link.exchange(request, self._timeout_s, self._timeout_s)
