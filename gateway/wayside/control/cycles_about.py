"""What a controller says about itself."""

from collections.abc import Iterable
from typing import Any

from wayside.control.controllers import Ask, Input
from wayside.control.cycles import Cycles
from wayside.control.decided import as_text
from wayside.parts.about import BAD, WARNING, About, Family, Problem, Sheet


class CyclesAbout(About):
    def __init__(self, cycles: Cycles):
        super().__init__("controllers", cycles.made_of.name)
        self._cycles = cycles

    def status(self) -> dict[str, Any]:
        """Values are the texts of exact decimals, None where there is none."""
        return {
            "kind": self._cycles.made_of.kind,
            "cycles": self._cycles.turns,
            "reads": {
                self._read(key): {"value": as_text(each.value), "unit": each.unit, "why": each.why}
                for key, each in self._inputs()
            },
            "asks": {
                self._cycles.made_of.asks[key]: {
                    "value": as_text(each.number),
                    "why": each.why,
                    "problem": self._cycles.refused.get(key, ""),
                }
                for key, each in self._asks()
            },
        }

    def problems(self) -> Iterable[Problem]:
        for key, seen in self._inputs():
            if seen.value is None:
                yield Problem(WARNING, f"controller {self.name} does not know {self._read(key)}: {seen.why}")
        for key, text in self._cycles.refused.items():
            if text:
                yield Problem(BAD, f"controller {self.name} cannot command {self._cycles.made_of.asks[key]}: {text}")

    def lines(self) -> Iterable[str]:
        for target, asked, why in self._told():
            yield f"control {self.name}: it asks {target} for {asked}: {why}"

    def sheets(self) -> Iterable[Sheet]:
        rows = [(self.name, target, asked, why) for target, asked, why in self._told()]
        return [Sheet("Controllers", ("controller", "actuator", "it asks for", "because"), rows)]

    def metrics(self) -> Iterable[Family]:
        labels = {"controller": self.name}
        yield Family(
            "wayside_controller_cycles_total", "counter", "Steps of a controller.", [(labels, self._cycles.turns)]
        )
        unknown = sum(each.value is None for _, each in self._inputs())
        help_ = "Channels that a controller reads and does not know."
        yield Family("wayside_controller_unknown_inputs", "gauge", help_, [(labels, unknown)])
        asked = [
            (labels | {"actuator": self._cycles.made_of.asks[key]}, None if each.number is None else float(each.number))
            for key, each in self._asks()
        ]
        help_ = "What a controller asks for, in the unit of the control."
        yield Family("wayside_controller_asks", "gauge", help_, asked)

    def _told(self) -> Iterable[tuple[str, str, str]]:
        for key, each in self._asks():
            yield (
                self._cycles.made_of.asks[key],
                as_text(each.number) or "nothing",
                self._cycles.refused.get(key) or each.why,
            )

    def _inputs(self) -> Iterable[tuple[str, Input]]:
        return self._cycles.last.cycle.inputs.items() if self._cycles.last else ()

    def _asks(self) -> Iterable[tuple[str, Ask]]:
        return self._cycles.last.asks.items() if self._cycles.last else ()

    def _read(self, key: str) -> str:
        read = self._cycles.made_of.reads[key]
        return f"{read.device} {read.channel}"
