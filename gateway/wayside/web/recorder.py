"""What the pages show beside what the parts say (`picture`): values with their age, charts, energy flows."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wayside.parts.about import Family, Marked, Sheet, Tile
from wayside.parts.picture import Picture
from wayside.runtime.clock import Clock
from wayside.values.expected import Expected
from wayside.values.image import ProcessImage, age_s
from wayside.values.reading import Quality, Reading, TimeQuality, format_value
from wayside.web.chart import Chart
from wayside.web.flows import flows
from wayside.web.table import FlowTable

_EVERY_S = 1.0
_CHARTED = ("power_active", "power_active_l1", "power", "energy_active_import")
_WORST = {"bad": "Trouble", "warning": "Look", "good": "All well"}

Draw = Callable[[], Picture]


class Recorder:
    """Keeps what one moment does not show: when a value came, and the last day of a channel."""

    def __init__(self, site: str, draw: Draw, image: ProcessImage, clock: Clock, wanted: Sequence[FlowTable] = ()):
        """`draw`: what the parts say now; `wanted`: flows to show."""
        self._wanted = wanted
        self._site = site
        self._draw = draw
        self._image = image
        self._clock = clock
        self._came: dict[tuple[str, str], tuple[Reading, float]] = {}
        self._charts: dict[str, tuple[str, Chart]] = {}

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

    def state(self) -> dict[str, Any]:
        """Everything but the charts, for JSON. Ages are in seconds; values are the texts of exact decimals."""
        picture = self._draw()
        devices = self._devices()
        problems = [each._asdict() for each in picture.problems]
        worst = problems[0]["level"] if problems else "good"
        return {
            **picture.status,
            "site": self._site,
            "now_ms": self._clock.utc_ms(),
            "time_quality": self._clock.time_quality().name.lower(),
            "devices": devices,
            "flows": flows(self._wanted, devices),
            "problems": problems,
            "tiles": [each._asdict() for each in (Tile(_WORST[worst], "state", worst), *picture.tiles)],
            "sheets": [_plain(sheet) for sheet in picture.sheets],
        }

    def families(self) -> Iterator[Family]:
        """Every metric."""
        picture = self._draw()
        origin = picture.status["log"]["origin"]
        yield Family("wayside_info", "gauge", "The site.", [({"site": self._site, "log": origin}, 1)])
        levels = [each.level for each in picture.problems]
        problems = [({"level": level}, levels.count(level)) for level in ("bad", "warning")]
        yield Family("wayside_problems", "gauge", "What an operator should look at.", problems)
        yield from picture.families()
        devices = self._devices()
        ages = [({"device": device}, min(each["age_s"] for each in values)) for device, values in devices.items()]
        yield Family("wayside_device_reading_age_seconds", "gauge", "Age of its youngest reading.", ages)
        bad = [({"device": device}, _count(values, "bad")) for device, values in devices.items()]
        yield Family("wayside_device_bad_channels", "gauge", "Channels whose last reading is bad.", bad)
        stale = [({"device": device}, _count(values, "stale")) for device, values in devices.items()]
        text = "Channels without a reading for three reports."
        yield Family("wayside_device_stale_channels", "gauge", text, stale)

    def charts(self) -> dict[str, Any]:
        """device -> its charted channel and points [[ms, text or null], ...]."""
        return {
            device: {"channel": channel, "points": chart.points} for device, (channel, chart) in self._charts.items()
        }

    def _devices(self) -> dict[str, list[dict[str, Any]]]:
        return {device: self._device(device) for device in sorted(self._image.snapshot)}

    def _device(self, device: str) -> list[dict[str, Any]]:
        channels = self._image.snapshot[device]
        return [self._value(device, reading) for _, reading in sorted(channels.items())]

    def _value(self, device: str, reading: Reading) -> dict[str, Any]:
        now, now_ms = self._clock.monotonic(), self._clock.utc_ms()
        _, came = self._came.get((device, reading.channel), (reading, now))
        is_known = self._clock.time_quality() is not TimeQuality.UNSYNCED
        old_s = age_s(reading, now - came, now_ms if is_known else None)
        quality, reason = Quality(reading.quality).name.lower(), reading.reason or ""
        if old_s > self._image.expected.get(device, Expected()).stale_s:
            quality, reason = "stale", "; ".join(["no newer reading", *([reason] if reason else [])])
        return {
            "channel": reading.channel,
            "value": _text(reading),
            "unit": reading.unit,
            "quality": quality,
            "reason": reason,
            "age_s": round(old_s, 1),
        }


def _charted(channels: list[str]) -> str:
    return next((each for each in _CHARTED if each in channels), min(channels))


def _text(reading: Reading) -> str | None:
    return None if reading.mantissa is None else format_value(reading.mantissa, reading.exponent)


def _plain(sheet: Sheet) -> dict[str, Any]:
    rows = [[each._asdict() if isinstance(each, Marked) else each for each in row] for row in sheet.rows]
    return {"title": sheet.title, "heads": sheet.heads, "rows": rows}


def _count(values: Sequence[dict[str, Any]], quality: str) -> int:
    return sum(each["quality"] == quality for each in values)
