"""Requests from outside: for a bounded time another level, plan or stage than the calendar's. They lapse when not
renewed.

Who asks is the gateway's desk (`program`), by a small file in the controller's folder: whoever may write there. It
chooses among what the junction file has, and is a wish to the core.
"""

import os
import secrets
import stat
from collections.abc import Callable
from datetime import time
from pathlib import Path

from pydantic import Field

from wayside.control.signals.chain import Level
from wayside.control.signals.plans import Switch
from wayside.control.signals.site import Site
from wayside.runtime.machine_user import user_name
from wayside.settings.table import Table
from wayside.text import json_text
from wayside.text.unknown import unknown

CALENDAR = "calendar"
"""What withdraws a request: the controller's own program."""

MOST_S = 600
_FILE = "request.json"
_MODE = 0o640  # it is no secret, and who asks has another user than the controller, and its group
_LOOK_EVERY_S = 0.5
_MOST_BYTES = 4096


class PlanRequest(Table):
    """What the file says. id: another one for each request; origin: for whom, as who asks says himself."""

    id: str = Field(min_length=1, max_length=64)
    what: str = Field(max_length=80)
    seconds: int = Field(ge=0, le=MOST_S)
    asked_at_ms: int = Field(ge=0, lt=1 << 48)
    origin: str = Field(max_length=200)


def choices(site: Site) -> dict[str, Switch]:
    """What may be asked for, by name: flash, a stage that stays, a plan, and the levels above with its times."""
    levels = [Level.PLAN]
    levels += [Level.ACTUATED] if site.rings else []
    levels += [Level.ADAPTIVE] if site.approaches else []
    found = {"flash": (Level.FLASH, "")}
    found |= {f"{level.name.lower()} {plan}": (level, plan) for level in levels for plan in site.plans}
    found |= {stage: (Level.PLAN, stage) for stage in site.stage_plans}
    return {name: Switch(frozenset(), time.min, level, plan) for name, (level, plan) in found.items()}


def ask(folder: Path, what: str, seconds: int, utc_ms: int, origin: str) -> None:
    """Write a request, or renew it; `CALENDAR` withdraws it. OSError when the folder does not take it."""
    request = PlanRequest(id=secrets.token_hex(8), what=what, seconds=seconds, asked_at_ms=utc_ms, origin=origin)
    fresh = folder / f"{_FILE}.new"
    fresh.unlink(missing_ok=True)
    # Another user may write in this folder: what he has put there, a link or a pipe, is not written to.
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
    with os.fdopen(handle, "w") as file:  # not synced: a request is not to outlive a power cut
        os.fchmod(handle, _MODE)  # whatever the umask is
        file.write(request.model_dump_json())
    fresh.replace(folder / _FILE)


class PlanRequestDesk:
    """Where requests are taken in. `note(what, outcome, origin)` is told of each one taken, refused, withdrawn and
    lapsed, and not of renewals."""

    def __init__(self, site: Site, folder: Path, note: Callable[[str, str, str], None]):
        self._choices = choices(site)
        self._path = folder / _FILE
        self._note = note
        self._look_at = float("-inf")
        self._seen: bytes | None = b"nothing yet"
        self._until = float("-inf")
        self._switch: Switch | None = None
        self._what = self._origin = ""

    @property
    def in_force(self) -> str:
        """The name of the request in force at the last look, "" where there is none."""
        return self._what if self._switch else ""

    def look(self, now: float, utc_ms: int) -> Switch | None:
        """The request in force at `now`, monotonic seconds; None: the calendar counts."""
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            self._read(now, utc_ms)
        if self._switch and now >= self._until:
            self._end("lapsed", self._origin)
        return self._switch

    def _read(self, now: float, utc_ms: int) -> None:
        data: bytes | None = None
        owner = ""
        try:
            # What is no file, a pipe or a device, would keep the tick waiting for who speaks, or who never ends.
            handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                found = os.fstat(handle)
                owner = user_name(found.st_uid)
                data = os.read(handle, _MOST_BYTES + 1) if stat.S_ISREG(found.st_mode) else None
            finally:
                os.close(handle)
        except FileNotFoundError:
            return
        except OSError:
            pass
        if data == self._seen:  # each is taken, or refused, once
            return
        self._seen = data
        try:
            request = PlanRequest.model_validate(json_text.read(data or b"", most=_MOST_BYTES))
        except ValueError:
            self._note("request", "refused: it cannot be read", owner)
            return
        # Who asks is who wrote the file; what he says of himself is only that.
        origin = owner if request.origin == owner else f'{owner}, for "{request.origin}"'
        self._take(request, origin, now, utc_ms)

    def _take(self, request: PlanRequest, origin: str, now: float, utc_ms: int) -> None:
        what = request.what
        # Both clocks bound it: one that was written before a restart is not taken for longer than it was asked for.
        age_s = (utc_ms - request.asked_at_ms) / 1000
        left_s = request.seconds - age_s
        if what == CALENDAR:
            self._end("withdrawn", origin)
        elif what not in self._choices:  # what is in force stays so
            self._note(what, f"refused: {unknown('request', what, self._choices)}", origin)
        elif age_s < 0 or left_s <= 0:
            self._end("lapsed", origin)
        else:
            is_renewal = (self.in_force, self._origin) == (what, origin)
            self._switch, self._until = self._choices[what], now + left_s
            self._what, self._origin = what, origin
            if not is_renewal:
                self._note(what, f"taken for {left_s:.0f} s", origin)

    def _end(self, how: str, origin: str) -> None:
        if self._switch:
            self._switch = None
            self._note(self._what, how, origin)
