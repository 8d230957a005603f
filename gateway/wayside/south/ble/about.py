"""A Bluetooth adapter with those who hear its beacons and read its devices, and what they say about themselves."""

from collections.abc import Iterator, Mapping
from typing import Any

from wayside.parts.about import BAD, About, CountersAbout, Family, Problem, counted, events
from wayside.runtime.pulse import Pulse
from wayside.runtime.supervise import Work
from wayside.south.ble.environment import Poller
from wayside.south.ble.receiver import BleReceiver
from wayside.south.ble.watch import BleWatch
from wayside.south.lora.store import LoraStore


class Bluetooth(About):
    """A Bluetooth adapter: the scan, who hears the beacons, and the peripherals that are read, by device."""

    def __init__(
        self, name: str, watch: BleWatch, receiver: BleReceiver, polled: Mapping[str, Poller], store: LoraStore
    ):
        super().__init__("bluetooth", name)
        self.watch = watch
        self.receiver = receiver
        self.polled = polled
        self.store = store

    def works(self) -> dict[str, Work]:
        works: dict[str, Work] = {f"bluetooth {name}": poller.run for name, poller in self.polled.items()}
        return works | {f"bluetooth {self.name}": self.watch.run}

    def pulses(self) -> list[Pulse]:
        polled = [poller.pulse(f"bluetooth {name}") for name, poller in self.polled.items()]
        return [*polled, self.watch.pulse(f"bluetooth {self.name}")]

    def status(self) -> dict[str, Any]:
        """Counters of what came and went wrong."""
        return {
            "scan": dict(self.watch.counters),
            "last_error": self.watch.last_error,
            "strangers": self.receiver.strangers,
            "sensors": self.receiver.status(),
        }

    def problems(self) -> Iterator[Problem]:
        if why := self.watch.last_error:
            yield Problem(BAD, f"Bluetooth adapter {self.name} hears nothing: {why}")
        for device, about in self.receiver.status().items():
            if why := about["restarted"]:
                yield Problem(BAD, f"{device} {why}; when its battery was changed: wayside ble accept")

    def lines(self) -> Iterator[str]:
        trouble = f"; last error: {self.watch.last_error}" if self.watch.last_error else ""
        strangers = f"; {self.receiver.strangers} advertisements of strangers"
        yield f"ble    {self.name}: {counted(self.watch.counters)}{strangers}{trouble}"
        for device, about in self.receiver.status().items():
            anew = f"; COUNTER STARTED ANEW: {about['restarted']}" if about["restarted"] else ""
            yield f"  {device:<20} {counted(about['counts'])}{anew}"

    def metrics(self) -> Iterator[Family]:
        adapter = {"adapter": self.name}
        yield events("wayside_bluetooth_events_total", "What the scan counts.", adapter, self.watch.counters)
        text, strangers = "Advertisements of others.", [(adapter, self.receiver.strangers)]
        yield Family("wayside_bluetooth_strangers_total", "counter", text, strangers)
        for device, about in self.receiver.status().items():
            text = "What came of a beacon, and what was wrong with it."
            yield events("wayside_beacon_events_total", text, {"device": device}, about["counts"])


class PolledAbout(CountersAbout):
    """Of a device that is connected to now and then."""

    def __init__(self, device: str, poller: Poller):
        line, metric = f"read   {device}:", "wayside_environment_events_total"
        text = "Connections to a Bluetooth device that is read."
        super().__init__("environment", device, poller.counters, line, metric, text, "device")
