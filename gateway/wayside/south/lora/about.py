"""A LoRa board with those who hear its nodes, and what they say about themselves."""

from collections.abc import Iterator, Sequence
from typing import Any

from wayside.parts.about import BAD, WARNING, About, Family, Problem, counted, events
from wayside.runtime.pulse import Pulse
from wayside.runtime.supervise import Work
from wayside.south.lora.node import AirNode
from wayside.south.lora.port import RadioLink
from wayside.south.lora.receiver import LoraReceiver
from wayside.south.lora.store import LoraStore

_NO_AIRTIME = "airtime used up"  # as the board counts what it could not send


class Lora(About):
    """A LoRa board on a serial port, and who hears its nodes."""

    def __init__(self, name: str, link: RadioLink, receiver: LoraReceiver, nodes: Sequence[AirNode], store: LoraStore):
        super().__init__("radios", name)
        self.link = link
        self.receiver = receiver
        self.nodes = nodes
        self.store = store

    def works(self) -> dict[str, Work]:
        return {f"radio {self.name}": self.link.run, f"radio {self.name} unsigned": self.receiver.watch}

    def pulses(self) -> tuple[Pulse, Pulse]:
        return self.link.pulse(), self.receiver.pulse(f"radio {self.name} unsigned")

    def status(self) -> dict[str, Any]:
        """Why its port is not open, board, airtime of the last hour, and counters of what came and went wrong."""
        radio = self.link.radio
        return {
            "last_error": self.link.port.error,
            "board": radio.board if radio else "",
            "firmware": radio.firmware if radio else "",
            "airtime_us": radio.used_us if radio else None,
            "airtime_limit_us": radio.limit_us if radio else None,
            "short": bool(radio and radio.counts.get(_NO_AIRTIME)),
            "on_board": dict(radio.counts) if radio else {},
            "link": dict(self.link.counters),
            "frames": dict(self.receiver.counters),
            "nodes": {node.name: node.status() for node in self.nodes},
        }

    def problems(self) -> Iterator[Problem]:
        told = self.status()
        if why := told["last_error"]:
            yield Problem(BAD, f"the port of radio {self.name} is closed: {why}")
        short = [f"radio {self.name}"] if told["short"] else []
        for who in [*short, *(node for node, about in told["nodes"].items() if about["short"])]:
            text = f"{who} ran out of airtime since its start: send less, or at a lower spreading factor"
            yield Problem(WARNING, text)

    def lines(self) -> Iterator[str]:
        told = self.status()
        limit = told["airtime_limit_us"]
        used = f"{100 * told['airtime_us'] / limit:.1f} % of its airtime used" if limit else "airtime not told"
        used += f", PORT CLOSED: {told['last_error']}" if told["last_error"] else ""
        used += ", SHORT OF AIRTIME" if told["short"] else ""
        yield f"radio  {self.name}: {told['board'] or 'board not told'}, {used}: {counted(told['frames'])}"
        yield f"  on the board: {counted(told['on_board'])}; link: {counted(told['link'])}"
        for node, about in told["nodes"].items():
            state = f"configuration: {about['configuration']}; {about['waiting']} reports wait for its signature"
            state += "; SHORT OF AIRTIME" if about["short"] else ""
            yield f"  {node:<20} {state}; since its start: {counted(about['counts'])}"

    def metrics(self) -> Iterator[Family]:
        told, radio = self.status(), {"radio": self.name}
        limit = told["airtime_limit_us"]
        used = [(radio, told["airtime_us"] / limit)] if limit else []
        yield Family("wayside_radio_airtime_used_ratio", "gauge", "Of the board's airtime in the last hour.", used)
        for part in ("on_board", "link", "frames"):
            text = "What a radio board and its link count."
            yield events("wayside_radio_events_total", text, {**radio, "part": part}, told[part])
        for node, about in told["nodes"].items():
            text = "What a node on the air says that it counts."
            yield events("wayside_air_node_events_total", text, {"node": node}, about["counts"])
            text, waiting = "Reports that wait for its signature.", [({"node": node}, about["waiting"])]
            yield Family("wayside_air_node_unsigned_reports", "gauge", text, waiting)
