"""What the page shows of junctions: of each journal folder of a signal controller its last two minutes, and in words
what is not as it should be."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wayside.clock import Clock
from wayside.control.signals import feed
from wayside.control.signals.live import Live
from wayside.control.signals.loader import JunctionFileError, load
from wayside.evidence import EvidenceError

_EVERY_S = 1.0


class Folder(NamedTuple):
    """A controller's folder as the site file names it, and its junction file where it names one."""

    name: str
    path: Path
    junction_file: Path | None


class Junctions:
    """Looks into the folders once a second. `told`: name -> see `_about`; folders without a controller are left out."""

    def __init__(self, folders: Iterable[Folder], clock: Clock):
        self.told: dict[str, dict[str, Any]] = {}
        self._folders = list(folders)
        self._clock = clock
        self._live: dict[str, Live] = {}

    async def run(self) -> None:
        """Until cancelled; on a thread, for a slow disk holds up nothing else."""
        while True:
            self.told = await asyncio.to_thread(self.look)
            await asyncio.sleep(_EVERY_S)

    def look(self) -> dict[str, dict[str, Any]]:
        """What is to be told now."""
        looked = {folder.name: self._look(folder) for folder in self._folders}
        return {name: about for name, about in looked.items() if about}

    def _look(self, folder: Folder) -> dict[str, Any] | None:
        picture = feed.read(folder.path)
        if folder.junction_file is None:
            why = "" if picture is None else "name its junction_file in the site file for the diagram"
            return self._about(picture, why) if picture else None
        try:
            if folder.name not in self._live:
                junction = load(folder.junction_file).junction
                self._live[folder.name] = Live(junction, folder.path, self._clock.utc_ms())
            picture = self._live[folder.name].follow()
        except (EvidenceError, JunctionFileError) as error:
            return self._about(None, str(error))
        except OSError as error:
            return self._about(None, f"{folder.path}: cannot be read ({error.strerror})")
        return self._about(picture, "" if picture else "no controller shows anything here")

    def _about(self, picture: dict[str, Any] | None, problem: str) -> dict[str, Any]:
        """picture: see Live.follow; None when there is none. Ages in seconds; `words`: what to look at, worst first."""
        about: dict[str, Any] = {"picture": picture, "problem": problem, "is_old": False, "words": []}
        if picture is None:
            about["words"] = [_say("bad", problem)]
            return about
        now_ms = self._clock.utc_ms()
        age_ms = now_ms - picture["utc_ms"]
        entry_ms = picture.get("last_entry_ms")
        about["age_s"] = round(age_ms / 1000, 1)
        about["entry_age_s"] = None if entry_ms is None else round((now_ms - entry_ms) / 1000, 1)
        about["is_old"] = abs(age_ms) > feed.STALE_MS
        about["words"] = list(_words(picture, age_ms, about["is_old"]))
        return about


def _words(picture: dict[str, Any], age_ms: int, is_old: bool) -> Iterator[dict[str, str]]:
    if is_old:
        if age_ms < 0:
            yield _say("bad", f"this picture is {-age_ms // 1000} s ahead of the gateway's clock: one clock was set")
        else:
            yield _say("bad", f"the controller is silent for {_duration(age_ms)}: this is an old picture")
        return  # what it complained of then need not be so now
    if picture["mode"] == "flash":
        # A calendar or an operator may want flash; then nothing is broken.
        yield _say("warning" if picture["level"] == "flash" else "bad", f"flashes: {picture['cause']}")
    elif picture["mode"] == "all_red":
        yield _say("warning", "all red before service")
    if picture["forced_stage"]:
        yield _say("warning", f"the core serves stage {picture['forced_stage']}: it had waited too long")
    for fault in dict.fromkeys(picture["faults"].values()):
        names = [name for name, its in picture["faults"].items() if its == fault]
        yield _say("warning", f"detector{'s' * (len(names) > 1)} {', '.join(names)}: {fault}")


def _duration(ms: int) -> str:
    seconds = ms // 1000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def problems(told: dict[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
    """The words of all junctions, for the list of what an operator should look at."""
    for name, about in told.items():
        for each in about["words"]:
            yield _say(each["level"], f"junction {name}: {each['text']}")


def _say(level: str, text: str) -> dict[str, str]:
    return {"level": level, "text": text}
