"""All of a junction file, checked: what the layers above the core are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from wayside.control.signals.demand import Approach
from wayside.control.signals.detectors import Detector
from wayside.control.signals.junction import Junction
from wayside.control.signals.plans import Calendar, Plan
from wayside.control.signals.priority import Special
from wayside.control.signals.rings import Layout, Rings, layout


@dataclass(frozen=True)
class Site:
    """A junction and how it is controlled; specials: the most important first.

    file_hash: SHA-256 of the junction file, in hexadecimal digits. approaches, exits: the loops that adaptive control
    counts by, and those behind the junction, by group.
    """

    name: str
    junction: Junction
    plans: Mapping[str, Plan]
    calendar: Calendar
    detectors: tuple[Detector, ...] = ()
    rings: Rings | None = None
    specials: tuple[Special, ...] = ()
    approaches: tuple[Approach, ...] = ()
    exits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: int = 1
    file_hash: str = ""

    @cached_property
    def layout(self) -> Layout | None:
        """The rings by numbers of groups."""
        return layout(self.rings, self.junction) if self.rings else None

    @cached_property
    def stage_plans(self) -> Mapping[str, Plan]:
        """For each stage of the core a plan that wishes nobody else green, whatever the time: "stage 1" ..."""
        return {
            f"stage {number}": Plan(f"stage {number}", 1, 0, dict.fromkeys(stage, ((0, 1),)))
            for number, stage in enumerate(self.junction.stages, 1)
        }

    @cached_property
    def railway(self) -> Special | None:
        return next((each for each in self.specials if each.is_railway), None)
