"""Adapters of one file each, for what is no bus, node or radio. One more is one more file here, and nothing else.

The name of the file is the `kind` of an `[[adapter]]` in the site file. It has `Settings`, a wayside.table.Table of
what `options` may say (`every_s`: how often it reports), and `open_adapter(settings, clock, report)`, which returns an
Adapter. What it reports the gateway signs.
May import reading, about, pulse, clock, table, threads and wayside_wire; config asks for the settings, and only the
daemon opens one: `south.adapter` has its table and makes its part.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from wayside_wire.pack import BAD

from wayside.about import CountersAbout
from wayside.clock import Clock
from wayside.kind_files import KindFiles
from wayside.pulse import OUTSIDE_S, Pulse
from wayside.reading import Reading
from wayside.table import Table

Report = Callable[[Sequence[Reading]], None]
"""Takes the readings of the adapter's one device. A failed one is `bad` and has a reason."""


class Adapter(Protocol):
    """`counters`: what happened and what went wrong, for the status."""

    counters: Counter[str]

    async def run(self) -> None:
        """Until cancelled. What it raises is told, and it is started again."""


class ReadBy(CountersAbout):
    """A device and what reads it."""

    def __init__(self, device: str, adapter: Adapter):
        line, metric = f"read   {device}:", "wayside_adapter_events_total"
        super().__init__("adapters", device, adapter.counters, line, metric, "What an adapter counts.", "device")


class Spokesman:
    """Passes on what an adapter reports. When it fails, its channels are bad, with the reason, until it runs again."""

    def __init__(self, clock: Clock, report: Report):
        self._clock = clock
        self._report = report
        self._last: Sequence[Reading] = ()
        self._reports = 0

    def report(self, readings: Sequence[Reading]) -> None:
        self._last = readings
        self._reports += 1
        self._report(readings)

    def pulse(self, name: str, every_s: float) -> Pulse:
        """Of run(), as the task `name`, of an adapter that reports every so many seconds."""
        return Pulse(name, lambda: self._reports, within_s=every_s + OUTSIDE_S)

    async def run(self, adapter: Adapter) -> None:
        """The adapter's run()."""
        try:
            await adapter.run()
        except Exception as error:
            reason, now_ms = f"adapter down: {type(error).__name__}: {error}", self._clock.utc_ms()
            if self._last:
                self._report([Reading(one.channel, one.unit, None, 0, BAD, reason, now_ms) for one in self._last])
            raise


class Kind(Protocol):
    """What a file of this folder has."""

    Settings: type[Table]

    def open_adapter(self, settings: Table, clock: Clock, report: Report) -> Adapter:
        """Nothing is opened or asked before run()."""


FILES = KindFiles(__name__)


def load(kind: str) -> Kind:
    """The file of this name; ValueError when its Settings are on another base."""
    module: Kind = FILES.module(kind)
    if not issubclass(module.Settings, Table):
        raise ValueError(f"{kind}.py: make its Settings a wayside.table.Table")
    return module
