"""What the gateway shows of a junction: of the journal folder of a signal controller its last two minutes, and in words
what is not as it should be. Between `control` and the status; only `kinds` uses it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wayside.control.signals import feed
from wayside.control.signals.live import Live
from wayside.control.signals.loader import JunctionFileError, load
from wayside.evidence import EvidenceError
from wayside.parts.about import BAD, WARNING, About, Problem, Sheet
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse

_EVERY_S = 1.0


class JunctionView(About):
    """Looks once a second into a controller's folder; one without a controller, and without a junction file, is none.

    `status()`: see `_about`; None where there is none.
    """

    def __init__(self, name: str, folder: Path, junction_file: Path | None, clock: Clock):
        super().__init__("junctions", name)
        self._folder = folder
        self._junction_file = junction_file
        self._clock = clock
        self._live: Live | None = None
        self._told: dict[str, Any] | None = None
        self._looks = 0

    def pulse(self, name: str) -> Pulse:
        """Of run(), as the task `name`."""
        return Pulse(name, lambda: self._looks, within_s=OUTSIDE_S)

    async def run(self) -> None:
        """Until cancelled; on a thread, for a slow disk holds up nothing else."""
        while True:
            await asyncio.to_thread(self.look)
            self._looks += 1
            await asyncio.sleep(_EVERY_S)

    def look(self) -> None:
        """Take note of what is to be told now."""
        self._told = self._look()

    def status(self) -> dict[str, Any] | None:
        return self._told

    def problems(self) -> Iterator[Problem]:
        for each in self._told["words"] if self._told else ():
            yield Problem(each["level"], f"junction {self.name}: {each['text']}")

    def lines(self) -> Iterator[str]:
        if self._told:
            words = "; ".join(each["text"] for each in self._told["words"])
            yield f"junction {self.name}: {words or 'in service'}"

    def sheets(self) -> tuple[Sheet, ...]:
        return ()  # the status site draws it

    def _look(self) -> dict[str, Any] | None:
        if self._junction_file is None:
            picture = feed.read(self._folder)
            why = "" if picture is None else "name its junction_file in the site file for the diagram"
            return self._about(picture, why) if picture else None
        try:
            if self._live is None:
                self._live = Live(load(self._junction_file).junction, self._folder, self._clock.utc_ms())
            picture = self._live.follow()
        except (EvidenceError, JunctionFileError) as error:
            return self._about(None, str(error))
        except OSError as error:
            return self._about(None, f"{self._folder}: cannot be read ({error.strerror})")
        return self._about(picture, "" if picture else "no controller shows anything here")

    def _about(self, picture: dict[str, Any] | None, problem: str) -> dict[str, Any]:
        """picture: see Live.follow; None when there is none. Ages in seconds; `words`: what to look at, worst first."""
        about: dict[str, Any] = {"picture": picture, "problem": problem, "is_old": False, "words": []}
        if picture is None:
            about["words"] = [_say(BAD, problem)]
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
            yield _say(BAD, f"this picture is {-age_ms // 1000} s ahead of the gateway's clock: one clock was set")
        else:
            yield _say(BAD, f"the controller is silent for {_duration(age_ms)}: this is an old picture")
        return  # what it complained of then need not be so now
    if picture["mode"] == "flash":
        # A calendar or an operator may want flash; then nothing is broken.
        yield _say(WARNING if picture["level"] == "flash" else BAD, f"flashes: {picture['cause']}")
    elif picture["mode"] == "all_red":
        yield _say(WARNING, "all red before service")
    if (asked := picture["request"]) and _level(asked) != picture["level"]:
        yield _say(WARNING, f"{asked} was asked for, and it runs {picture['level']}: {picture['cause']}")
    if picture["forced_stage"]:
        yield _say(WARNING, f"the core serves stage {picture['forced_stage']}: it had waited too long")
    for fault in dict.fromkeys(picture["faults"].values()):
        names = [name for name, its in picture["faults"].items() if its == fault]
        yield _say(WARNING, f"detector{'s' * (len(names) > 1)} {', '.join(names)}: {fault}")


def _level(request: str) -> str:
    """The level of control that a request of `remote.choices` asks for."""
    word = request.partition(" ")[0]
    return "plan" if word == "stage" else word


def _duration(ms: int) -> str:
    seconds = ms // 1000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _say(level: str, text: str) -> dict[str, str]:
    return {"level": level, "text": text}
