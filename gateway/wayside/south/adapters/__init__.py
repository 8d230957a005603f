"""Sources of one file each, for what is no bus, node or radio. One more is one more file here, and nothing else.

The name of the file is the `kind` of an `[[adapter]]` in the site file. It has `Settings`, the Options that it wants,
and `open_source(settings, services)`, which returns a Source. What it reports the gateway signs.
`docs/examples/udp_lines.py` is one, of several devices, `mqtt_values.py` there one that listens to a broker;
`tests/south` has the suite that every source has to pass.
May import `net`, `parts`, `runtime`, `settings`, `text`, `values` and `wayside_wire`. Only `south` imports this
package: `south.adapter` has the table `[[adapter]]`, asks for the settings and makes the part that opens a source.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from wayside_wire.pack import BAD

from wayside.parts.about import CountersAbout
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.settings.kind_files import KindFiles, a_class, have_functions
from wayside.settings.table import Table
from wayside.values.reading import Reading

Deliver = Callable[[str, Sequence[Reading]], None]
"""(device, readings): takes what was read of one device. A failed reading is `bad` and has a reason.

A reading whose channel is no name or whose unit is none of `values.senml_units` is refused, and told.
"""

_MOST_CHANNELS = 1000  # of a device, that are remembered


class Options(Table):
    """The base of every file's Settings. `every_s`, where a file has it: so often it delivers, whoever is away.

    needs_broker: it listens to an MQTT broker; then the table has `url`, and how the gateway shows itself there.
    """

    needs_broker: ClassVar[bool] = False

    def devices(self) -> Collection[str]:
        """Those that the options name; none: it reads the one device of its table."""
        return ()

    def channels(self, device: str) -> Collection[str] | None:
        """Those of a device, where the options say them; None: nobody knows them beforehand."""
        return None

    def aggregated_s(self) -> float | None:
        """Every so many seconds the gateway makes a report of what was polled; None: the source only reports."""
        return None


class BrokerSession(Protocol):
    """A connection to an MQTT broker; wayside.net.mqtt.session.MqttSession is one."""

    async def subscribe(self, topic_filter: str) -> None: ...

    async def message(self) -> Any:
        """The next one: has `topic`, and `payload`, bytes. The next comes when this one was acknowledged."""

    def acknowledge(self, message: Any) -> None: ...

    async def publish(self, topic: str, payload: bytes) -> None: ...


Connect = Callable[[], AbstractAsyncContextManager[BrokerSession]]
"""A connection as long as its block runs; OSError, there too, when there is none or none any more."""


@dataclass(frozen=True, slots=True)
class Services:
    """What a source has of the gateway. `devices`: whom it may speak for.

    report: one report, a pack, at once; for who aggregates himself. poll: what a device says now; the gateway makes
    reports of it every `aggregated_s`, as it does of a meter: energy by its register, power and voltage with least,
    greatest and mean, else the last value. connect: to the broker of the table; OSError where it has none.
    """

    clock: Clock
    devices: Collection[str]
    report: Deliver
    poll: Deliver
    connect: Connect


class Source(Protocol):
    """`counters`: what happened and what went wrong, for the status."""

    counters: Counter[str]

    async def run(self) -> None:
        """Read until cancelled, and deliver nothing after that. What it raises is told, and it is started again.

        What it waits for has a timeout; what it keeps is bounded. A device that is away reads bad.
        """


class ReadBy(CountersAbout):
    """A device, or several under the name of their table, and what reads them."""

    def __init__(self, name: str, source: Source):
        line, metric = f"read   {name}:", "wayside_adapter_events_total"
        super().__init__("adapters", name, source.counters, line, metric, "What an adapter counts.", "device")


class Spokesman:
    """Passes on what a source delivers. When it fails, its channels are bad, with the reason, until it runs again."""

    def __init__(self, clock: Clock, devices: Collection[str], report: Deliver, finish: Callable[[], None]):
        """finish: reports what was polled and is not reported yet."""
        self._clock = clock
        self._devices = devices
        self._report = report
        self._finish = finish
        self._units: dict[str, dict[str, str]] = {}  # by device and channel
        self.delivered = 0

    def through(self, deliver: Deliver) -> Deliver:
        """`deliver`, with its readings remembered."""

        def pass_on(device: str, readings: Sequence[Reading]) -> None:
            if device not in self._devices:
                raise ValueError(f"{device} is no device of this adapter")
            self.delivered += 1
            known = self._units.setdefault(device, {})
            for one in readings:  # which may be anything: what cannot be written down is refused by name later
                if isinstance(one.channel, str) and (one.channel in known or len(known) < _MOST_CHANNELS):
                    known[one.channel] = one.unit
            deliver(device, readings)

        return pass_on

    def pulse(self, name: str, every_s: float) -> Pulse:
        """Of run(), as the task `name`, of a source that delivers every so many seconds."""
        return Pulse(name, lambda: self.delivered, within_s=every_s + OUTSIDE_S)

    async def run(self, source: Source) -> None:
        """The source's run()."""
        try:
            await source.run()
        except Exception as error:
            self._finish()
            self._say(f"adapter down: {type(error).__name__}: {error}")
            raise

    def _say(self, reason: str) -> None:
        now_ms = self._clock.utc_ms()
        for device, units in self._units.items():
            self._report(device, [Reading(name, unit, None, 0, BAD, reason, now_ms) for name, unit in units.items()])


class AdapterFile(Protocol):
    """What a file of this folder has."""

    Settings: type[Options]

    def open_source(self, settings: Options, services: Services) -> Source:
        """Nothing is opened or asked before run()."""


def _file(module: Any) -> AdapterFile:
    """ValueError says what the file lacks."""
    a_class(module, "Settings", Options)
    have_functions(module, "", "open_source")
    found: AdapterFile = module
    return found


FILES = KindFiles(__name__, _file)


def load(kind: str) -> AdapterFile:
    """The file of this name; KindFileError says what is wrong with it."""
    return FILES.load(kind)
