"""What a bus says about itself and its devices."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from wayside_wire.modbus import NEVER_SILENT

from wayside.parts.about import BAD, GOOD, WARNING, About, Cell, Family, Marked, Problem, Sheet, counted, seconds, since
from wayside.runtime.clock import Clock

from .bus import ModbusBus
from .device import PolledDevice

_RATE_OVER_S = 15.0

_COUNTS = {
    "polls": "Polls that were due.",
    "good_polls": "Polls that had an answer.",
    "skipped_polls": "Polls for which the bus had no time.",
    "requests": "Requests that were sent.",
}


class BusAbout(About):
    """Of `bus`."""

    def __init__(self, bus: ModbusBus, clock: Clock):
        super().__init__("buses", bus.name)
        self._bus = bus
        self._clock = clock
        self._rate = _Rate()

    def judges(self) -> Collection[str]:
        return self._bus.devices.keys()

    def status(self) -> dict[str, Any]:
        """With `requests_per_s` over the last seconds, None unless somebody has asked in them."""
        bus = self._bus
        requests = sum(device.statistics.requests for device in bus.devices.values())
        return {
            "connects": bus.connects,
            "last_error": bus.last_error,
            "requests_per_s": self._rate.at(self._clock.monotonic(), requests),
            "devices": {device.name: _device(device) for device in bus.devices.values()},
        }

    def problems(self) -> Iterator[Problem]:
        bus = self._bus
        if bus.last_error:
            yield Problem(BAD, f"bus {self.name} {trouble(bus.last_error)}")
        for device in bus.devices.values():
            if device.unreachable:
                yield Problem(BAD, f"{device.name} on {self.name} does not answer")
            elif device.statistics.polls and not device.statistics.good_polls:
                yield Problem(BAD, f"{device.name} on {self.name} has not been read since the start")

    def lines(self) -> Iterator[str]:
        bus, now_ms = self._bus, self._clock.utc_ms()
        why = f"; CANNOT BE USED: it {trouble(bus.last_error)}" if bus.last_error else ""
        yield f"bus    {self.name}: connected {bus.connects} times{why}"
        yield f"  {'device':<20} {'state':<12} {'polls':>8} {'good':>8} {'p99 ms':>8}  last good  failures"
        for device in bus.devices.values():
            told = _device(device)
            state = "UNREACHABLE" if device.unreachable else "good" if told["good_polls"] else "waiting"
            p99 = "-" if told["answer_p99_ms"] is None else f"{told['answer_p99_ms']:.1f}"
            polls = f"{told['polls']:>8} {told['good_polls']:>8} {p99:>8}  {since(told['last_good_ms'], now_ms):<9}"
            yield f"  {device.name:<20} {state:<12} {polls}  {counted(told['failures'])}"

    def sheets(self) -> Iterator[Sheet]:
        heads = ("bus", "device", "state", "polls", "bus requests/s", "p99 ms", "last good", "failures")
        told, now_ms = self.status(), self._clock.utc_ms()
        yield Sheet("Buses", heads, [self._row(told, name, now_ms) for name in told["devices"]])

    def _row(self, told: Mapping[str, Any], name: str, now_ms: int) -> list[Cell]:
        device = told["devices"][name]
        if told["last_error"]:
            state = Marked(told["last_error"], BAD)
        elif device["unreachable"]:
            state = Marked("silent", BAD)
        else:
            state = Marked("good", GOOD) if device["good_polls"] else Marked("waiting", WARNING)
        speed = (told["requests_per_s"], device["answer_p99_ms"])
        last_good = since(device["last_good_ms"], now_ms)
        return [self.name, name, state, device["polls"], *speed, last_good, counted(device["failures"], "none")]

    def metrics(self) -> Iterator[Family]:
        told, bus = self.status(), {"bus": self.name}
        devices = [({**bus, "device": device}, counts) for device, counts in told["devices"].items()]
        made = "Connections that were made."
        yield Family("wayside_bus_connects_total", "counter", made, [(bus, told["connects"])])
        for name, text in _COUNTS.items():
            counted_so_far = [(labels, counts[name]) for labels, counts in devices]
            yield Family(f"wayside_device_{name}_total", "counter", text, counted_so_far)
        failures = [
            ({**labels, "kind": kind}, count)
            for labels, counts in devices
            for kind, count in counts["failures"].items()
        ]
        yield Family("wayside_device_failures_total", "counter", "Requests that failed, by kind.", failures)
        dead = [(labels, int(counts["unreachable"])) for labels, counts in devices]
        yield Family("wayside_device_unreachable", "gauge", "1 while it does not answer.", dead)
        p99 = [(labels, seconds(counts["answer_p99_ms"])) for labels, counts in devices]
        yield Family("wayside_device_answer_p99_seconds", "gauge", "99 % of the last answers were faster.", p99)
        good = [(labels, seconds(counts["last_good_ms"])) for labels, counts in devices]
        yield Family("wayside_device_last_good_timestamp_seconds", "gauge", "Time of the last good poll.", good)


def trouble(last_error: str) -> str:
    """What is wrong with a bus, as a sentence goes on."""
    if last_error == NEVER_SILENT:
        return "is never silent, so nothing can be asked on it: another master, a wrong baud rate, or noise"
    return f"has no connection: {last_error}"


def _device(device: PolledDevice) -> dict[str, Any]:
    counts = device.statistics
    p99_s = counts.answer_p99_s()
    return {
        "unreachable": device.unreachable,
        "polls": counts.polls,
        "good_polls": counts.good_polls,
        "skipped_polls": counts.skipped_polls,
        "requests": counts.requests,
        "failures": dict(counts.failures),
        "answer_p99_ms": None if p99_s is None else round(1000 * p99_s, 1),
        "last_good_ms": counts.last_good_ms,
    }


class _Rate:
    """How fast a count grows, seen by those who ask."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def at(self, now_s: float, count: int) -> float | None:
        """A second's growth since some 15 s ago at most."""
        samples = self._samples
        while samples and now_s - samples[0][0] > _RATE_OVER_S:
            samples.popleft()
        if not samples or now_s - samples[-1][0] >= 1:
            samples.append((now_s, count))
        began_s, before = samples[0]
        return round((count - before) / (now_s - began_s), 1) if now_s - began_s >= 1 else None
