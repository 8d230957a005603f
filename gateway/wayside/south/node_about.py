"""What the link to a node says about itself."""

from collections.abc import Iterator
from typing import Any

from wayside.parts.about import BAD, WARNING, About, Family, Problem, Sheet, counted, events
from wayside.runtime.clock import Clock
from wayside.south.mqtt_line import TOO_LARGE
from wayside.south.nodes import NodeLink

_SILENT_S = 300.0  # a node asks for the time once a minute


class NodeAbout(About):
    """Of `link`."""

    def __init__(self, link: NodeLink, clock: Clock):
        super().__init__("nodes", link.name)
        self._link = link
        self._clock = clock

    def _silent_s(self) -> float | None:
        heard_s = self._link.heard_s
        return None if heard_s is None else round(self._clock.monotonic() - heard_s, 1)

    def status(self) -> dict[str, Any]:
        """`silent_s`: since its last word, None before the first; `last_error`: why its port is not open."""
        link = self._link
        return {
            "board": link.board,
            "firmware": link.firmware,
            "connected": link.connected,
            "last_error": link.port.error,
            "silent_s": self._silent_s(),
            "counters": dict(link.counters),
        }

    def problems(self) -> Iterator[Problem]:
        silent_s = self._silent_s()
        if not self._link.connected:
            yield Problem(BAD, f"the port of node {self.name} is closed: {self._link.port.error}")
        elif silent_s is None or silent_s > _SILENT_S:
            heard = "since the start" if silent_s is None else f"for {silent_s:.0f} s"
            yield Problem(BAD, f"node {self.name} has not been heard {heard}")
        if count := self._link.counters[TOO_LARGE]:
            text = f"{count} messages on the topic of node {self.name} were too large: who publishes there?"
            yield Problem(WARNING, text)

    def lines(self) -> Iterator[str]:
        link = self._link
        closed = f"; PORT CLOSED: {link.port.error}" if link.port.error else ""
        yield f"node   {self.name}: {link.board or 'board not told'} {link.firmware}: {counted(link.counters)}{closed}"

    def sheets(self) -> Iterator[Sheet]:
        link = self._link
        row = (self.name, link.board or "not told", link.firmware, counted(link.counters))
        yield Sheet("Nodes", ("node", "board", "firmware", "counters"), [row])

    def metrics(self) -> Iterator[Family]:
        text = "What happened on the link to a node."
        yield events("wayside_node_events_total", text, {"node": self.name}, self._link.counters)
