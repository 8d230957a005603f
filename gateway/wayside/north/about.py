"""What a sink says about itself, and what it is owed from epochs that have ended."""

from collections.abc import Callable, Iterator
from typing import Any

from wayside.parts.about import BAD, GOOD, WARNING, About, Family, Marked, Problem, Sheet

from .forward import Forwarder

_FAR_BEHIND = 1000  # entries

_METRICS = {
    "connected": ("gauge", "1 while its far side is reached."),
    "delivered": ("counter", "Entries delivered since the start."),
    "lag": ("gauge", "Entries not delivered yet."),
    "failures": ("counter", "Connections that failed or broke."),
    "dead_letters": ("counter", "Entries that the far side will never take."),
    "unproven": ("counter", "Entries delivered of which nobody knows whether anybody could hear them."),
}


class SinkAbout(About):
    """Of `forwarder`, for a log of size() entries; owed(): entries of ended epochs that are to be sent yet."""

    def __init__(self, forwarder: Forwarder, size: Callable[[], int], owed: Callable[[], int]):
        super().__init__("sinks", forwarder.name)
        self._forwarder = forwarder
        self._size = size
        self._owed = owed

    def connected(self) -> bool:
        return self._forwarder.status.connected

    def _why(self) -> str:
        """It is not connected."""
        return self._forwarder.status.last_error or "it is connecting"

    def _lag(self) -> int:
        return self._forwarder.lag(self._size())

    def status(self) -> dict[str, Any]:
        status = self._forwarder.status
        return {
            "connected": status.connected,
            "delivered": status.delivered,
            "lag": self._lag(),
            "failures": status.failures,
            "dead_letters": status.dead_letters,
            "held": status.held,
            "refused": dict(status.refused),
            "unproven": status.unproven,
            "doubt": status.doubt,
            "not_announced": self._forwarder.not_announced,
            "last_error": status.last_error,
        }

    def problems(self) -> Iterator[Problem]:
        status, lag = self._forwarder.status, self._lag()
        if not status.connected:
            yield Problem(BAD, f"sink {self.name} is not connected, {lag} entries behind: {self._why()}")
        elif lag > _FAR_BEHIND:
            yield Problem(WARNING, f"sink {self.name} is {lag} entries behind")
        if status.held:
            yield Problem(BAD, f"sink {self.name} does not take {status.held}")
        for why, count in status.refused.items():
            yield Problem(BAD, f"sink {self.name} will never take {count} entries: {why}")
        if status.doubt:
            yield Problem(WARNING, f"sink {self.name}: {status.doubt}")
        if missing := self._forwarder.not_announced:
            yield Problem(WARNING, f"sink {self.name} has not announced {missing}")

    def lines(self) -> Iterator[str]:
        status, who = self._forwarder.status, f"sink   {self.name}"
        state = "connected" if status.connected else f"NOT CONNECTED: {self._why()}"
        yield f"{who}: {state}, {status.delivered} delivered, {self._lag()} behind"
        if status.held:
            yield f"{who}: NOT TAKEN, asked again and again: {status.held}"
        if missing := self._forwarder.not_announced:
            yield f"{who}: NOT ANNOUNCED, tried again: {missing}"
        for why, count in status.refused.items():
            yield f"{who}: {count} REFUSED for good, see wayside log: {why}"
        if status.unproven:
            doubt = status.doubt or "what comes now is heard"
            yield f"{who}: of those delivered {status.unproven} are NOT KNOWN TO HAVE BEEN HEARD: {doubt}"

    def sheets(self) -> Iterator[Sheet]:
        status = self._forwarder.status
        state = Marked("connected", GOOD) if status.connected else Marked("not connected", BAD)
        lag = self._lag() + self._owed()
        row = (self.name, state, status.delivered, lag, status.dead_letters, status.last_error)
        yield Sheet("Sinks", ("sink", "state", "delivered", "behind", "dead letters", "last error"), [row])

    def metrics(self) -> Iterator[Family]:
        told = self.status()
        for name, (kind, text) in _METRICS.items():
            suffix = "_total" if kind == "counter" else ""
            yield Family(f"wayside_sink_{name}{suffix}", kind, text, [({"sink": self.name}, int(told[name]))])
