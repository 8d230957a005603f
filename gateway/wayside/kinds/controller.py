"""A `[[controller]]`: the cycles of one file of `control.controllers`, between process image, desk and log."""

from collections.abc import Iterator, Mapping

from wayside.control.controller import ControllerTable
from wayside.control.cycles import Cycles, MadeOf, Surroundings
from wayside.control.cycles_about import CyclesAbout
from wayside.control.inputs import Read
from wayside.kinds.core import Core
from wayside.parts.part import Part
from wayside.site.config import SiteFile


def wanted(site: SiteFile) -> Iterator[tuple[str, tuple[ControllerTable, Mapping[str, Read]]]]:
    """Each depends on how often the devices that it reads report."""
    controllers = site.of(ControllerTable)
    expected = site.expected() if controllers else {}
    read_here = site.read_by_gateway() if controllers else []
    for settings in controllers:
        reads = {}
        for name, each in settings.reads.items():
            stale_s = settings.stale_s or expected[each.device].stale_s
            reads[name] = Read(each.device, each.name, stale_s, is_kept=each.device not in read_here)
        yield settings.title(), (settings, reads)


def make(settings: ControllerTable, reads: Mapping[str, Read], core: Core) -> Part:
    asks = {name: str(each) for name, each in settings.asks.items()}
    made_of = MadeOf(settings.name, settings.kind, settings.parsed, reads, asks, settings.priority, settings.every_s)
    cycles = Cycles(made_of, Surroundings(lambda: core.image.snapshot, core.commanded, core.intake.keep), core.clock)
    task = settings.title()
    return Part({task: cycles.run}, (CyclesAbout(cycles),), (cycles.pulse(task),))
