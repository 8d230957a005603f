"""Requests from outside: for a bounded time another level or plan than the calendar's. They lapse when not renewed.

Whoever may write to the controller's folder asks, by a small file (`wayside signals ask`); commands over a network end
there too, once somebody has checked them. It chooses among what the junction file has, and is a wish to the core.
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
from wayside.settings.toml_file import unknown
from wayside.text import json_text

MOST_S = 600
_FILE = "request.json"
_LOOK_EVERY_S = 0.5
_MOST_BYTES = 4096


class RequestError(Exception):
    """A request that cannot be made; the text says what to write."""


class Request(Table):
    """What the file says. id: another one for each request; origin: for whom, as who asks says himself."""

    id: str = Field(min_length=1, max_length=64)
    control: str = Field(max_length=48)
    plan: str = Field(max_length=48)
    seconds: int = Field(ge=0, le=MOST_S)
    asked_at_ms: int = Field(ge=0, lt=1 << 48)
    origin: str = Field(max_length=200)


def ask(folder: Path, control: str, plan: str, seconds: int, utc_ms: int, origin: str) -> None:
    """Write a request, or renew it; seconds 0 withdraws it. OSError when the folder does not take it."""
    if not 0 <= seconds <= MOST_S:
        raise RequestError(f"a request lasts {MOST_S} s at most; renew it before it lapses")
    try:
        request = Request(
            id=secrets.token_hex(8), control=control, plan=plan, seconds=seconds, asked_at_ms=utc_ms, origin=origin
        )
    except ValueError:
        raise RequestError("control and plan have at most 48 characters, who asks at most 200") from None
    fresh = folder / f"{_FILE}.new"
    fresh.write_text(request.model_dump_json())
    fresh.replace(folder / _FILE)


class Desk:
    """Where requests are taken in. `note(what, outcome, origin)` is told of each one taken, refused and lapsed."""

    def __init__(self, site: Site, folder: Path, note: Callable[[str, str, str], None]):
        self._site = site
        self._path = folder / _FILE
        self._note = note
        self._look_at = float("-inf")
        self._seen: bytes | None = b"nothing yet"
        self._until = float("-inf")
        self._switch: Switch | None = None
        self._what = self._origin = ""

    def look(self, now: float, utc_ms: int) -> Switch | None:
        """The request in force at `now`, monotonic seconds; None: the calendar counts."""
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            self._read(now, utc_ms)
        if self._switch and now >= self._until:
            self._switch = None
            self._note(self._what, "lapsed", self._origin)
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
            request = Request.model_validate(json_text.read(data or b"", most=_MOST_BYTES))
        except ValueError:
            self._note("request", "refused: it cannot be read", owner)
            return
        # Who asks is who wrote the file; what he says of himself is only that.
        origin = owner if request.origin == owner else f'{owner}, for "{request.origin}"'
        self._take(request, origin, now, utc_ms)

    def _take(self, request: Request, origin: str, now: float, utc_ms: int) -> None:
        control, plan = request.control, request.plan
        # Both clocks bound it: one that was written before a restart is not taken for longer than it was asked for.
        age_s = (utc_ms - request.asked_at_ms) / 1000
        left_s = request.seconds - age_s
        what = f"{control} {plan}".strip()
        refused = ""
        if control not in (level.name.lower() for level in Level):
            refused = unknown("control", control, [level.name.lower() for level in Level])
        elif control != "flash" and plan not in self._site.plans:
            refused = unknown("plan", plan, self._site.plans)
        if refused:  # what is in force stays so
            self._note(what, f"refused: {refused}", origin)
        elif age_s < 0 or left_s <= 0:
            self._note(self._what if self._switch else what, "lapsed", origin)
            self._switch = None
        else:
            self._switch = Switch(frozenset(), time.min, Level[control.upper()], plan if control != "flash" else "")
            self._until = now + left_s
            self._what, self._origin = what, origin
            self._note(what, f"taken for {left_s:.0f} s", origin)
