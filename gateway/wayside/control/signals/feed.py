"""What a running junction shows, for who watches: one small JSON file, replaced whole twice a second."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from wayside_wire.signal_frames import lamps_text

from wayside.control.signals.channels import lamp_bytes
from wayside.control.signals.controller import TickPicture
from wayside.control.signals.core import outputs
from wayside.control.signals.site import Site
from wayside.settings import toml_file
from wayside.settings.table import Table
from wayside.text import json_text

STALE_MS = 2000
"""A picture that is older than this is not of a running controller."""
_EVERY_TICKS = 5
_FILE = "feed.json"


class Feed:
    """Best effort: a feed that cannot be written disturbs nothing."""

    def __init__(self, site: Site, folder: Path):
        self._site = site
        self._path = folder / _FILE
        self._ticks = 0

    def show(self, picture: TickPicture) -> None:
        """One tick's picture; one in five is written."""
        self._ticks += 1
        if self._ticks % _EVERY_TICKS == 1:
            with suppress(OSError):
                fresh = self._path.with_suffix(".new")
                fresh.write_text(json.dumps(describe(self._site, picture)))
                fresh.replace(self._path)


def read(folder: Path) -> dict[str, Any] | None:
    """The last picture, as `describe` made it; None when there is none that can be read."""
    try:
        return _Picture.model_validate(json_text.read(toml_file.read(folder / _FILE))).model_dump()
    except (OSError, ValueError):
        return None


class _Group(Table):
    name: str
    shows: str
    age: int
    unserved: int
    called: bool
    wanted: bool


class _Picture(Table):
    junction: str
    utc_ms: int
    mode: str
    level: str
    by: str
    cause: str
    node: str
    request: str
    forced_stage: int
    lamps: str
    faults: dict[str, str]
    groups: list[_Group]


def describe(site: Site, picture: TickPicture) -> dict[str, Any]:
    """The picture as plain values; times in ticks."""
    state, decision = picture.state, picture.decision
    wanted = decision.requests.green
    return {
        "junction": site.name,
        "utc_ms": picture.utc_ms,
        "mode": state.mode.name.lower(),
        "level": decision.level.name.lower(),
        "by": decision.by,
        "cause": picture.disturbance or decision.cause,
        "node": picture.node,
        "request": picture.request,
        "forced_stage": state.serving + 1,
        "lamps": lamps_text(lamp_bytes(outputs(site.junction, state))),
        "faults": dict(decision.faults),
        "groups": [
            {
                "name": group.name,
                "shows": shown.indication.name.lower(),
                "age": shown.age,
                "unserved": state.unserved[number],
                "called": number in decision.demand.calls,
                "wanted": number in wanted,
            }
            for number, (group, shown) in enumerate(zip(site.junction.groups, state.groups, strict=True))
        ],
    }
