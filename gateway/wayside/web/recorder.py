"""What the pages show, taken from the daemon's parts once a second: values with their age, charts, rates, problems."""

import asyncio
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wayside_wire.modbus import NEVER_SILENT

from wayside.certificates import is_due, sentence
from wayside.clock import Clock
from wayside.config import Flow
from wayside.expected import Expected
from wayside.image import MAX_CHANNELS, NOTHING_YET, ProcessImage
from wayside.reading import Quality, Reading, TimeQuality, format_value
from wayside.web.chart import Chart
from wayside.web.flows import flows
from wayside.web.junctions import problems as junction_problems

_EVERY_S = 1.0
_RATE_OVER = 10  # samples
_CHARTED = ("power_active", "power_active_l1", "power", "energy_active_import")
_A_DATE_MS = 1_500_000_000_000  # an earlier time counts from the boot of a board whose clock is not set
_SILENT_S = 300.0  # a node asks for the time once a minute
_LOW_DISK = 0.05
_FAR_BEHIND = 1000  # entries

Tell = Callable[[], dict[str, Any]]


class Recorder:
    """Keeps what one moment does not show: when a value came, the last day of a channel, how fast a bus answers."""

    def __init__(
        self, site: str, tell: Tell, image: ProcessImage, clock: Clock, folder: Path, wanted: Sequence[Flow] = ()
    ):
        """`tell`: the daemon's snapshot, see `status`; `folder`: whose disk is looked at; `wanted`: flows to show."""
        self._wanted = wanted
        self._site = site
        self._tell = tell
        self._image = image
        self._clock = clock
        self._folder = folder
        self._came: dict[tuple[str, str], tuple[Reading, float]] = {}
        self._charts: dict[str, tuple[str, Chart]] = {}
        self._polls: dict[str, deque[tuple[float, int]]] = {}
        self._size = -1
        self._grown = clock.monotonic()

    async def run(self) -> None:
        """Look once a second until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_EVERY_S)

    def look(self) -> None:
        """Take note of this moment."""
        now, now_ms = self._clock.monotonic(), self._clock.utc_ms()
        snapshot = self._image.snapshot
        self._came = {key: came for key, came in self._came.items() if key[1] in snapshot.get(key[0], ())}
        for device, channels in snapshot.items():
            for channel, reading in channels.items():
                if self._came.get((device, channel), (None,))[0] is not reading:
                    self._came[device, channel] = (reading, now)
            if self._charts.get(device, ("",))[0] not in channels:
                self._charts[device] = (_charted(list(channels)), Chart())
            charted, chart = self._charts[device]
            chart.add(now_ms, _text(channels[charted]))
        self._charts = {device: chart for device, chart in self._charts.items() if device in snapshot}
        told = self._tell()
        for bus, about in told["buses"].items():
            requests = sum(each["requests"] for each in about["devices"].values())
            self._polls.setdefault(bus, deque(maxlen=_RATE_OVER)).append((now, requests))
        if told["log"]["size"] != self._size:
            self._size, self._grown = told["log"]["size"], now

    def state(self) -> dict[str, Any]:
        """Everything but the charts, for JSON. Ages are in seconds; values are the texts of exact decimals."""
        told = self._tell()
        disk = shutil.disk_usage(self._folder)
        quality = self._clock.time_quality()
        told["log"]["age_s"] = round(self._clock.monotonic() - self._grown, 1)
        for bus, about in told["buses"].items():
            about["requests_per_s"] = _rate(self._polls.get(bus, ()))
        state = {
            "site": self._site,
            "now_ms": self._clock.utc_ms(),
            "time_quality": quality.name.lower(),
            "disk": {"free": disk.free, "total": disk.total},
            "devices": {device: self._device(device) for device in sorted(self._image.snapshot)},
            "forgotten": dict(self._image.forgotten),
            **told,
        }
        state["flows"] = flows(self._wanted, state["devices"])
        state["problems"] = list(problems(state))
        return state

    def charts(self) -> dict[str, Any]:
        """device -> its charted channel and points [[ms, text or null], ...]."""
        return {
            device: {"channel": channel, "points": chart.points} for device, (channel, chart) in self._charts.items()
        }

    def _device(self, device: str) -> list[dict[str, Any]]:
        channels = self._image.snapshot[device]
        return [self._value(device, reading) for _, reading in sorted(channels.items())]

    def _value(self, device: str, reading: Reading) -> dict[str, Any]:
        now, now_ms = self._clock.monotonic(), self._clock.utc_ms()
        _, came = self._came.get((device, reading.channel), (reading, now))
        age_s = now - came
        if reading.time_ms > _A_DATE_MS and self._clock.time_quality() is not TimeQuality.UNSYNCED:
            age_s = max(age_s, (now_ms - reading.time_ms) / 1000)
        quality, reason = Quality(reading.quality).name.lower(), reading.reason or ""
        if age_s > self._image.expected.get(device, Expected()).stale_s:
            quality, reason = "stale", "; ".join(["no newer reading", *([reason] if reason else [])])
        return {
            "channel": reading.channel,
            "value": _text(reading),
            "unit": reading.unit,
            "quality": quality,
            "reason": reason,
            "age_s": round(age_s, 1),
        }


def bus_trouble(last_error: str) -> str:
    """What is wrong with a bus, as a sentence goes on."""
    if last_error == NEVER_SILENT:
        return "is never silent, so nothing can be asked on it: another master, a wrong baud rate, or noise"
    return f"has no connection: {last_error}"


def problems(state: dict[str, Any]) -> Iterator[dict[str, str]]:
    """What an operator should look at, worst first: {"level": "bad" or "warning", "text": ...}."""

    def say(level: str, text: str) -> dict[str, str]:
        return {"level": level, "text": text}

    if why := state["log"].get("problem"):
        yield say("bad", f"nothing is stored: {why}")
    if why := state.get("clock"):
        yield say("bad", why)
    for name, why in state.get("failing", {}).items():
        yield say("bad", f"{name} does not run: {why}")
    if state["log"]["failures"]:
        yield say("bad", f"the log could not be written {state['log']['failures']} times since the start")
    for bus, about in state["buses"].items():
        if about["last_error"]:
            yield say("bad", f"bus {bus} {bus_trouble(about['last_error'])}")
        for device, counts in about["devices"].items():
            if counts["unreachable"]:
                yield say("bad", f"{device} on {bus} does not answer")
            elif counts["polls"] and not counts["good_polls"]:
                yield say("bad", f"{device} on {bus} has not been read since the start")
    for node, about in state["nodes"].items():
        if not about["connected"]:
            yield say("bad", f"the port of node {node} is closed")
        elif about["silent_s"] is None or about["silent_s"] > _SILENT_S:
            heard = "since the start" if about["silent_s"] is None else f"for {about['silent_s']:.0f} s"
            yield say("bad", f"node {node} has not been heard {heard}")
    for journal, about in state["journals"].items():
        if about["problem"]:
            yield say("bad", f"journal {journal}: {about['problem']}")
    yield from junction_problems(state.get("junctions", {}))
    for sink, about in state["sinks"].items():
        if not about["connected"]:
            yield say("bad", f"sink {sink} is not connected, {about['lag']} entries behind: {about['last_error']}")
        elif about["lag"] > _FAR_BEHIND:
            yield say("warning", f"sink {sink} is {about['lag']} entries behind")
        if about["held"]:
            yield say("bad", f"sink {sink} does not take {about['held']}")
        for why, count in about["refused"].items():
            yield say("bad", f"sink {sink} will never take {count} entries: {why}")
    for sink, about in state["backlogs"].items():
        for epoch, why in about["lost"].items():
            yield say("bad", f"what epoch {epoch} owes to {sink} cannot be sent: {why}")
    for witness, about in state["witnesses"].items():
        if about["last_error"]:
            yield say("warning", f"witness {witness}: {about['last_error']}")
    for radio, about in state.get("radios", {}).items():
        nodes = [node for node, told in about["nodes"].items() if told["short"]]
        for who in [f"radio {radio}", *nodes] if about["short"] else nodes:
            yield say("warning", f"{who} ran out of airtime since its start: send less, or at a lower spreading factor")
    for adapter, about in state.get("bluetooth", {}).items():
        if about["last_error"]:
            yield say("bad", f"Bluetooth adapter {adapter} hears nothing: {about['last_error']}")
        for device, told in about["sensors"].items():
            if told["restarted"]:
                yield say("bad", f"{device} {told['restarted']}; when its battery was changed: wayside ble accept")
    polled = {device for about in state["buses"].values() for device in about["devices"]}
    for device, why in state.get("no_value", {}).items():
        if device not in polled:
            yield say("warning" if why == NOTHING_YET else "bad", f"{device} has no value: {why}")
    if (remote := state.get("remote")) and not remote["connected"]:
        yield say("warning", f"operators cannot reach this gateway: {remote['last_error']}")
    for device in state.get("forgotten", {}):
        yield say("warning", f"{device} has more than {MAX_CHANNELS} channels; the newest are shown: what sends them?")
    for node, about in state["nodes"].items():
        if count := about["counters"].get("messages too large"):
            yield say("warning", f"{count} messages on the topic of node {node} were too large: who publishes there?")
    if count := state.get("remote", {}).get("requests", {}).get("too large"):
        yield say("warning", f"{count} messages on the topic for site files were too large: who publishes there?")
    for row in state.get("certificates", []):
        if is_due(row):
            yield say("bad" if row["left_days"] < 7 else "warning", sentence(row))
    disk = state.get("disk")
    if disk and disk["free"] < _LOW_DISK * disk["total"]:
        yield say("bad", f"the disk is nearly full: {disk['free'] // 1_000_000} MB are free")
    for sink, about in state["sinks"].items():
        if about["doubt"]:
            yield say("warning", f"sink {sink}: {about['doubt']}")
        if about["not_announced"]:
            yield say("warning", f"sink {sink} has not announced {about['not_announced']}")
    if state.get("time_quality", "synced") != "synced":
        yield say("warning", "the clock is not synchronised")
    if state["restarts"]:
        tasks = ", ".join(f"{name} ({count})" for name, count in state["restarts"].items())
        yield say("warning", f"tasks were started again: {tasks}")


def _charted(channels: list[str]) -> str:
    return next((each for each in _CHARTED if each in channels), min(channels))


def _text(reading: Reading) -> str | None:
    return None if reading.mantissa is None else format_value(reading.mantissa, reading.exponent)


def _rate(samples: Any) -> float | None:
    if len(samples) < 2:
        return None
    (began, first), (ended, last) = samples[0], samples[-1]
    return round((last - first) / (ended - began), 1) if ended > began else None
