"""The parts of a running gateway, each started, stopped and replaced without the others.

A part is what one table of the site file asks for: a bus, a node's link, a radio, a sink ... A plan says what it would
be made of; a part whose plan has not changed is left alone. Imports `part` and what
a part is made of.
"""

import asyncio
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from wayside.net.node_line import NodeLine
from wayside.parts.about import About
from wayside.parts.part import Commanded, CounterBeginnings, Part, PartPlan, Plans, Uplink
from wayside.runtime.pulse import Pulse
from wayside.runtime.supervise import Supervisor
from wayside.values.carrier import Carrier

Thing = TypeVar("Thing")


class Running:
    """The parts of one gateway by name, as the last plans had them."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._parts: dict[str, tuple[PartPlan, Part]] = {}
        self._started: set[str] = set()
        self.without_store: dict[str, str] = {}
        """Parts that are not made because their store cannot be used, and why; also after they were stopped."""

    def of(self, kind: type[Thing]) -> list[Thing]:
        """What is of this kind in all parts, in the order of the plans."""
        found = (thing for _, part in self._parts.values() for thing in (*part.abouts, *part.things))
        return [thing for thing in found if isinstance(thing, kind)]

    def lines(self) -> list[NodeLine]:
        """The ways to nodes that take commands."""
        return [line for _, part in self._parts.values() for line in part.lines]

    def uplinks(self) -> list[Uplink]:
        return [uplink for _, part in self._parts.values() for uplink in part.uplinks]

    def counts(self) -> list[CounterBeginnings]:
        return [counts for _, part in self._parts.values() for counts in part.counts]

    def commanded(self) -> list[Commanded]:
        """What people and programs may command."""
        return [each for _, part in self._parts.values() for each in part.commanded]

    def carriers(self) -> list[Carrier]:
        """Those that run, by which parts command devices."""
        return [each for name, (_, part) in self._parts.items() if name in self._started for each in part.carriers]

    def pulses(self) -> list[Pulse]:
        """Those of the parts that were started."""
        return [pulse for name, (_, part) in self._parts.items() if name in self._started for pulse in part.pulses]

    def abouts(self) -> list[About]:
        """What the parts say about themselves, in the order of the plans; also those that are not started yet."""
        return [about for _, part in self._parts.values() for about in part.abouts]

    def works(self, name: str) -> list[str]:
        """The names of a part's tasks; none when there is no such part."""
        return list(self._parts[name][1].works) if name in self._parts else []

    def differing(self, plans: Plans) -> list[str]:
        """The parts that are not as `plans` have them: to be stopped, and made anew where they are planned."""
        return [name for name, (plan, _) in self._parts.items() if not _same(plan, plans.get(name))]

    def make(self, plans: Plans, or_later: tuple[type[Exception], ...] = (sqlite3.Error,)) -> list[str]:
        """Make, and do not start, what is missing; whatever a plan's `make` raises. Returns the names.

        or_later: of a part that raises one of these, as when its store cannot be used, nothing is raised: it is made
        later, as soon as it can, and the others do without it.
        """
        missing = [name for name in plans if name not in self._parts]
        for name in missing:
            plan = plans[name]
            self.without_store.pop(name, None)
            try:
                part = plan.make()
            except or_later as error:  # the reason is told when it is tried again, at once
                if isinstance(error, sqlite3.Error):
                    self.without_store[name] = str(error)
                part = Part({f"making of {name}": partial(self._make_later, name, plan)})
            self._parts[name] = (plan, part)
        self._parts = {name: self._parts[name] for name in plans}
        self.without_store = {name: why for name, why in self.without_store.items() if name in plans}
        return missing

    async def _make_later(self, name: str, plan: PartPlan) -> None:
        """The work of a part that could not be made; what its `make` raises while it cannot."""
        part = plan.make()
        self.without_store.pop(name, None)
        waiting = self._parts[name][1].works
        self._parts[name] = (plan, replace(part, works={**waiting, **part.works}))
        for work_name, work in part.works.items():
            self._supervisor.start(work_name, work)
        await asyncio.Event().wait()

    def start(self) -> None:
        """Start every part that was made and does not run."""
        for name, (_, part) in self._parts.items():
            if name not in self._started:
                self._started.add(name)
                for work_name, work in part.works.items():
                    self._supervisor.start(work_name, work)

    async def stop(self, names: Iterable[str]) -> None:
        """Stop these parts and forget them; first those that leave devices as they are to be, by the others."""
        names = list(names)
        await self._stop([name for name in names if self._parts[name][0].is_over_devices])
        await self._stop([name for name in names if name in self._parts])

    async def _stop(self, names: Iterable[str]) -> None:
        stopped = {name: self._parts.pop(name)[1] for name in names}
        works = [work for name, part in stopped.items() if name in self._started for work in part.works]
        self._started -= stopped.keys()
        await self._supervisor.stop(works)
        for part in stopped.values():
            part.close()

    async def stop_all(self, *, is_north: bool) -> None:
        """Stop the parts of one side."""
        await self.stop([name for name, (plan, _) in self._parts.items() if plan.is_north == is_north])


def _same(plan: PartPlan, other: PartPlan | None) -> bool:
    return other is not None and plan.settings == other.settings
