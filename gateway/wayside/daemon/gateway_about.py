"""What every gateway says about itself, whatever its site file names: log, clock, disk, tasks, values."""

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wayside.intake.belief import Belief
from wayside.intake.commit import Committer
from wayside.parts.about import (
    BAD,
    GOOD,
    WARNING,
    About,
    CountersAbout,
    Family,
    Problem,
    Sheet,
    Tile,
    counted,
    duration,
)
from wayside.runtime.clock import Clock
from wayside.runtime.supervise import Supervisor
from wayside.values.image import MAX_CHANNELS, NOTHING_YET, ProcessImage
from wayside.values.reading import TimeQuality

_LOW_DISK = 0.05


class LogAbout(About):
    """Of the log `origin`; `intake`: what the intake counts."""

    def __init__(self, origin: str, committer: Committer, intake: Mapping[str, int], clock: Clock):
        super().__init__("log")
        self._origin = origin
        self._committer = committer
        self._intake = intake
        self._clock = clock
        self._size = -1
        self._grown_s = 0.0

    def status(self) -> dict[str, Any]:
        """`age_s`: since somebody saw it grow."""
        log = self._committer
        return {
            "origin": self._origin,
            "size": log.size,
            "commits": log.groups,
            "failures": log.failures,
            "problem": log.problem,
            "age_s": self._age_s(),
        }

    def _age_s(self) -> float:
        now_s = self._clock.monotonic()
        if self._committer.size != self._size:
            self._size, self._grown_s = self._committer.size, now_s
        return round(now_s - self._grown_s, 1)

    def problems(self) -> Iterator[Problem]:
        log = self._committer
        if log.problem:
            yield Problem(BAD, f"nothing is stored: {log.problem}")
        if log.failures:
            yield Problem(BAD, f"the log could not be written {log.failures} times since the start")

    def lines(self) -> Iterator[str]:
        log = self._committer
        yield f"log    {self._origin}: {log.size} entries, {log.groups} commits, {log.failures} failed"
        if log.problem:
            yield f"log    NOTHING IS STORED: {log.problem}"

    def sheets(self) -> Iterator[Sheet]:
        log = self._committer
        lost = {"gaps": self._intake.get("gaps", 0), "reports dropped": self._intake.get("reports dropped", 0)}
        rows = [
            ("last checkpoint", f"{log.size} entries, {duration(self._age_s())} ago"),
            ("commits", f"{log.groups}, {log.failures} failed"),
            ("losses named since the start", counted(lost, "none")),
        ]
        yield Sheet("Log", ("log", self._origin), rows)

    def tiles(self) -> Iterator[Tile]:
        yield Tile(str(self._committer.size), f"entries, last {duration(self._age_s())} ago")

    def metrics(self) -> Iterator[Family]:
        log = self._committer
        yield Family("wayside_log_entries_total", "counter", "Entries under the last checkpoint.", [({}, log.size)])
        yield Family("wayside_log_commits_total", "counter", "Commits that are on disk.", [({}, log.groups)])
        yield Family("wayside_log_commit_failures_total", "counter", "Commits that failed.", [({}, log.failures)])
        age_s = self._age_s()
        yield Family("wayside_log_checkpoint_age_seconds", "gauge", "Since the log grew.", [({}, age_s)])


class IntakeAbout(CountersAbout):
    """Of the counters of the intake; refused(): of readings that it refuses now, the device, and which and why."""

    def __init__(self, counters: Mapping[str, int], refused: Callable[[], Iterable[tuple[str, str]]]):
        text = "What the intake took and refused."
        super().__init__("intake", "", counters, "intake", "wayside_intake_total", text)
        self._refused = refused

    def problems(self) -> Iterator[Problem]:
        for device, text in self._refused():
            yield Problem(BAD, f"{device}: a reading is refused: {text}")


class ClockAbout(About):
    """Of the clock, and whether it is believed."""

    def __init__(self, clock: Clock, belief: Belief):
        super().__init__("clock")
        self._clock = clock
        self._belief = belief

    def status(self) -> str:
        """Why it is not believed, "" while it is."""
        return self._belief.problem

    def problems(self) -> Iterator[Problem]:
        if self._belief.problem:
            yield Problem(BAD, self._belief.problem)
        if self._clock.time_quality() != TimeQuality.SYNCED:
            yield Problem(WARNING, "the clock is not synchronised")

    def lines(self) -> Iterator[str]:
        quality = self._clock.time_quality()
        if self._belief.problem:
            yield f"clock  NOT BELIEVED: {self._belief.problem}"
        else:
            yield f"clock  {'' if quality == TimeQuality.SYNCED else 'NOT SYNCHRONISED: '}{quality.name.lower()}"

    def sheets(self) -> tuple[Sheet, ...]:
        return ()

    def tiles(self) -> Iterator[Tile]:
        quality = self._clock.time_quality()
        yield Tile(quality.name.lower(), "clock", GOOD if quality == TimeQuality.SYNCED else WARNING)

    def metrics(self) -> Iterator[Family]:
        synchronized = int(self._clock.time_quality() == TimeQuality.SYNCED)
        text = "1 while NTP, PTP or GNSS holds the clock."
        yield Family("wayside_clock_synchronized", "gauge", text, [({}, synchronized)])


class DiskAbout(About):
    """Of the disk that holds `folder`: asked for the status, which a picture begins with; the rest says the same."""

    def __init__(self, folder: Path):
        super().__init__("disk")
        self._folder = folder
        self._told = {"free": 0, "total": 0}

    def status(self) -> dict[str, int]:
        """Bytes."""
        disk = shutil.disk_usage(self._folder)
        self._told = {"free": disk.free, "total": disk.total}
        return self._told

    def problems(self) -> Iterator[Problem]:
        disk = self._told
        if disk["free"] < _LOW_DISK * disk["total"]:
            yield Problem(BAD, f"the disk is nearly full: {disk['free'] // 1_000_000} MB are free")

    def lines(self) -> Iterator[str]:
        disk = self._told
        yield f"disk   {_bytes(disk['free'])} of {_bytes(disk['total'])} free"

    def tiles(self) -> Iterator[Tile]:
        yield Tile(_bytes(self._told["free"]), "free on the disk")

    def metrics(self) -> Iterator[Family]:
        disk = self._told
        yield Family("wayside_disk_free_bytes", "gauge", "Free on the log's disk.", [({}, disk["free"])])
        yield Family("wayside_disk_size_bytes", "gauge", "Size of the log's disk.", [({}, disk["total"])])


class FailingAbout(About):
    """Of the tasks that do not run."""

    def __init__(self, supervisor: Supervisor):
        super().__init__("failing")
        self._supervisor = supervisor

    def status(self) -> dict[str, str]:
        """Why, by task."""
        return dict(self._supervisor.problems)

    def problems(self) -> Iterator[Problem]:
        for name, why in self._supervisor.problems.items():
            yield Problem(BAD, f"{name} does not run: {why}")

    def lines(self) -> Iterator[str]:
        for name, why in self._supervisor.problems.items():
            yield f"{name}: DOES NOT RUN: {why}"


class RestartsAbout(About):
    """Of the tasks that had to be started again."""

    def __init__(self, supervisor: Supervisor):
        super().__init__("restarts")
        self._supervisor = supervisor

    def status(self) -> dict[str, int]:
        return dict(self._supervisor.restarts)

    def problems(self) -> Iterator[Problem]:
        if restarts := self._supervisor.restarts:
            tasks = ", ".join(f"{name} ({count})" for name, count in restarts.items())
            yield Problem(WARNING, f"tasks were started again: {tasks}")

    def lines(self) -> Iterator[str]:
        if restarts := self._supervisor.restarts:
            yield f"tasks started again: {counted(restarts)}"

    def metrics(self) -> Iterator[Family]:
        restarts = [({"task": task}, count) for task, count in self._supervisor.restarts.items()]
        yield Family("wayside_task_restarts_total", "counter", "Tasks that were started again.", restarts)


class StuckAbout(About):
    """Of the tasks that the watchdog finds stuck."""

    def __init__(self, stuck: Callable[[], Collection[str]]):
        super().__init__("stuck")
        self._stuck = stuck

    def status(self) -> list[str]:
        return sorted(self._stuck())

    def problems(self) -> Iterator[Problem]:
        for name in self.status():
            then = "the service manager starts the gateway again"
            yield Problem(BAD, f"{name} is stuck: it has work and has not moved; {then}")

    def lines(self) -> Iterator[str]:
        for name in self.status():
            yield f"{name}: STUCK: it has work and has not moved"

    def metrics(self) -> Iterator[Family]:
        stuck = [({"task": name}, 1) for name in self.status()]
        yield Family("wayside_task_stuck", "gauge", "1 for a task that has work and does not move.", stuck)


class ValuesAbout(About):
    """Of the devices without a value; judged(): those whose part says itself, and better, that they are silent."""

    def __init__(self, image: ProcessImage, judged: Callable[[], Collection[str]]):
        super().__init__("no_value")
        self._image = image
        self._judged = judged

    def status(self) -> dict[str, str]:
        """Why, by device."""
        return self._image.without_value()

    def problems(self) -> Iterator[Problem]:
        judged = self._judged()
        for device, why in self.status().items():
            if device not in judged:
                yield Problem(WARNING if why == NOTHING_YET else BAD, f"{device} has no value: {why}")

    def lines(self) -> Iterable[str]:
        return ()

    def tiles(self) -> Iterator[Tile]:
        without = self.status().values()
        words = f"devices, {len(without)} without a value" if without else "devices"
        level = BAD if set(without) - {NOTHING_YET} else WARNING if without else ""
        yield Tile(str(len(self._image.expected)), words, level)


class ForgottenAbout(About):
    """Of the channels that made room for others."""

    def __init__(self, image: ProcessImage):
        super().__init__("forgotten")
        self._image = image

    def status(self) -> dict[str, int]:
        """How many, by device."""
        return dict(self._image.forgotten)

    def problems(self) -> Iterator[Problem]:
        for device in self._image.forgotten:
            text = f"{device} has more than {MAX_CHANNELS} channels; the newest are shown: what sends them?"
            yield Problem(WARNING, text)

    def lines(self) -> Iterable[str]:
        return ()


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count > 1e9 else f"{count / 1e6:.0f} MB"
