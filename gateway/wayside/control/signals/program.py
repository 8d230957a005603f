"""What a junction's controller runs, as an actuator of the desk: its calendar, or one of `remote.choices`.

What is asked for is written into the controller's folder, and read back from the picture that it shows. It lapses there
within a minute when it is not renewed: that is the timer of the device's own, by which a gateway that is dead, or a
folder that is gone, ends in the calendar. What the core makes of it is the core's.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from wayside.control.signals import feed, remote
from wayside.control.signals.loader import JunctionFileError
from wayside.control.signals.remote import CALENDAR
from wayside.control.signals.site import Site
from wayside.runtime.clock import Clock
from wayside.values.carrier import CarrierError, Controllable, NotKeptError

LASTS_S = 60
RENEW_S = LASTS_S / 3
LOOK_S = 5.0
_ORIGIN = "the gateway's desk"
_TAKEN_WITHIN_S = 3.0  # the controller looks twice a second, and shows what it has as often
_AGAIN_S = 0.25


class Program:
    """Of the controller in one folder; the value 0 is its calendar, and all that it has while nobody knows its file."""

    def __init__(self, name: str, folder: Path, load: Callable[[], Site], clock: Clock):
        """name: of its journal; load: the site of the junction file that the controller runs, JunctionFileError."""
        self.name = f"{name} program"
        self.what = Controllable.named(CALENDAR)
        self._folder = folder
        self._load = load
        self._junction = ""
        self._clock = clock
        with suppress(CarrierError):  # said with the first write, and tried again with each
            self._know()

    async def guard(self) -> None:
        """A request lapses by itself."""

    def check(self, value: int) -> None:
        """What the junction file has, the controller takes."""

    async def write(self, value: int, *, is_guarded: bool) -> int:
        """Have the controller take it; CarrierError, NotKeptError."""
        await asyncio.to_thread(self._ask, self.what.text(value))
        until = self._clock.monotonic() + _TAKEN_WITHIN_S
        while (found := await self.read()) != value:
            if self._clock.monotonic() >= until:
                raise NotKeptError(found)
            await asyncio.sleep(_AGAIN_S)
        return found

    async def read(self) -> int:
        """What the controller shows that it has taken; CarrierError."""
        return await asyncio.to_thread(self._look)

    def _ask(self, what: str) -> None:
        try:
            remote.ask(self._folder, what, LASTS_S, self._clock.utc_ms(), _ORIGIN)
        except OSError as error:
            advice = "the gateway's user has to be allowed to write there: docs/desk.md"
            raise CarrierError(f"{self._folder}: cannot be written ({error.strerror}); {advice}") from None

    def _know(self) -> None:
        """What may be asked for, from when the junction file can be used; CarrierError."""
        if self._junction:
            return
        try:
            site = self._load()
        except JunctionFileError as error:
            raise CarrierError(f"its junction file cannot be used: {error.problems[0]}") from None
        self.what, self._junction = Controllable.named(CALENDAR, *remote.choices(site)), site.name

    def _look(self) -> int:
        self._know()
        picture = feed.read(self._folder)
        if picture is None:
            raise CarrierError("no controller shows anything in its folder")
        if abs(self._clock.utc_ms() - picture["utc_ms"]) > feed.STALE_MS:
            raise CarrierError("the controller is silent")
        found = picture["request"] or CALENDAR
        if picture["junction"] != self._junction or found not in self.what.names:
            raise CarrierError("the controller runs another junction file than the gateway has")
        return self.what.counts(found)
