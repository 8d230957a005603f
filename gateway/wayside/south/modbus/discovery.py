"""The devices of a bus that describe themselves: who finds out what they have, and speaks for them until then."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from wayside_wire import modbus

from wayside.profiles import ProfileError
from wayside.runtime.backoff import Backoff
from wayside.runtime.clock import Clock

from . import sunspec
from .device import DeviceEvent, DeviceSettings, EventKind, OnEvent, OnReadings, PolledDevice, Undiscovered
from .sunspec_chain import NotSunSpec
from .sunspec_model import UNIT_OF

Ask = Callable[[bytes, float], Awaitable[bytes]]
"""ask(body, timeout_s): the data that answers; ModbusError otherwise."""

_BACKOFF_S = (2.0, 300.0)
_LOOK_AT_MODELS_S = 900.0  # from one discovery to the next of a device that answers
_SPEAK_S = 0.2


class Discovery:
    """undiscovered: those that have not said yet what they have, by name."""

    def __init__(
        self,
        settings: Iterable[DeviceSettings],
        request_cost: int,
        clock: Clock,
        ask: Ask,
        found: Callable[[PolledDevice], None],
        on_readings: OnReadings,
        on_event: OnEvent,
    ):
        """request_cost: as of a PolledDevice; found(device): it can be polled now, or has changed."""
        self._settings = {one.name: one for one in settings}
        self._cost = request_cost
        self._clock = clock
        self._ask = ask
        self._found = found
        self._on_readings = on_readings
        self._on_event = on_event
        self._devices: dict[str, PolledDevice] = {}  # as they were found last
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._look_at: dict[str, float] = {}
        now = clock.monotonic()
        self.undiscovered = {name: _undiscovered(one, now) for name, one in self._settings.items()}

    def start(self) -> None:
        for name in self.undiscovered:
            self._start(name)
        self._tasks[""] = asyncio.create_task(self._speak())

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def polled(self, device: PolledDevice, events: Iterable[DeviceEvent]) -> None:
        """A poll of a device is over, with these events: perhaps it has to be looked at again."""
        if device.name not in self._settings:
            return
        is_new = any(not one.channel and one.kind in (EventKind.BACK, EventKind.REPLACED) for one in events)
        if device.is_changed or is_new or self._clock.monotonic() >= self._look_at[device.name]:
            self._start(device.name)

    def _start(self, name: str) -> None:
        if name not in self._tasks or self._tasks[name].done():
            self._tasks[name] = asyncio.create_task(self._discover(self._settings[name]))

    async def _speak(self) -> None:
        """Bad readings for every poll that cannot be made because nobody knows yet what there is to ask for."""
        while self.undiscovered:
            now = self._clock.monotonic()
            for one in self.undiscovered.values():
                if one.reason and one.due <= now:
                    self._on_readings(one.name, one.not_asked(one.reason, now, self._clock.utc_ms()))
            await asyncio.sleep(_SPEAK_S)

    async def _discover(self, settings: DeviceSettings) -> None:
        """Ask a device that describes itself what it has, until it says so; then it is polled like any other.

        Where it is polled already: whether it has something else, or more, than it had.
        """

        async def read(address: int, count: int) -> bytes:
            body = modbus.read_request(settings.unit, modbus.READ_HOLDING, address, count)
            return await self._ask(body, settings.timeout_ms / 1000)

        backoff = Backoff(*_BACKOFF_S, None)  # who else asks on this line waits for his turn anyway
        is_told = False
        while True:
            try:
                profile = await sunspec.discover(read, settings.profile.part)
                if before := self._devices.get(settings.name):
                    profile = sunspec.joined(before.settings.profile, profile)
                    settings = replace(settings, known=before.known())
                device = PolledDevice(replace(settings, profile=profile), self._cost, self._clock.monotonic())
                break
            except (NotSunSpec, ProfileError, modbus.ModbusError) as error:
                known = self._devices.get(settings.name)
                if known and not known.is_changed:
                    self._look_at[settings.name] = self._clock.monotonic() + _LOOK_AT_MODELS_S
                    return
                text = f"not discovered: {error}"
                if not known:
                    self.undiscovered[settings.name].reason = text
                if not is_told:
                    now_ms = self._clock.utc_ms()
                    self._on_event(DeviceEvent(EventKind.UNREACHABLE, settings.name, "", text, now_ms, None))
                    is_told = True
                await asyncio.sleep(backoff.next_s())
        self._look_at[device.name] = self._clock.monotonic() + _LOOK_AT_MODELS_S
        self.undiscovered.pop(device.name, None)
        if before and not before.is_changed and profile is before.settings.profile:
            return
        if before and profile.heads != before.settings.profile.heads:
            text = f"{_models(before)} before, {_models(device)} now"
            self._on_event(DeviceEvent(EventKind.CHANGED, device.name, "", text, self._clock.utc_ms(), None))
        self._devices[device.name] = device
        self._found(device)


def _undiscovered(settings: DeviceSettings, now: float) -> Undiscovered:
    """Of its channels those that the site file names, or that it had before, or the one that all have."""
    known = settings.known.counts if settings.known else ()
    names = settings.channels or [name for name in known if name in UNIT_OF] or ("power_active",)
    return Undiscovered(settings.name, {name: UNIT_OF.get(name, "") for name in names}, settings.poll_ms / 1000, now)


def _models(device: PolledDevice) -> str:
    return ", ".join(f"{one.field.channel} at {one.field.address}" for one in device.settings.profile.heads)
