"""A `[[journal]]`: what a controller writes comes into the log, its junction onto the status site, and what
it runs under the desk."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from wayside.control.desk.about import ControlledAbout
from wayside.control.desk.controlled import Controlled
from wayside.control.signals.loader import load
from wayside.control.signals.program import LOOK_S, RENEW_S, Program
from wayside.control.table import JournalFolder
from wayside.kinds.core import Core
from wayside.kinds.journal_feed import JournalFeed, note_of
from wayside.kinds.junction_view import JunctionView
from wayside.parts.part import Part
from wayside.site.log import latest_note


def make(settings: JournalFolder, core: Core) -> Part:
    begin = partial(latest_note, core.state / "log", key=note_of(settings.name))
    folder = core.path.parent / settings.folder
    journal = JournalFeed(settings.name, folder, core.committer, core.clock, begin)
    junction_file = core.path.parent / settings.junction_file.path if settings.junction_file else None
    view = JunctionView(settings.name, folder, junction_file, core.clock)
    work = f"junction {settings.name}"
    part = Part({settings.title(): journal.run, work: view.run}, (journal, view), (journal.pulse(), view.pulse(work)))
    return _commanded(part, settings.name, folder, junction_file, core) if settings.desk and junction_file else part


def _commanded(part: Part, name: str, folder: Path, junction_file: Path, core: Core) -> Part:
    """The part, with what the controller runs under the desk."""
    program = Program(name, folder, partial(load, junction_file), core.clock)
    controlled = Controlled(program, 0, core.clock, core.intake.keep, LOOK_S, RENEW_S)
    task = f"desk {name}"
    return replace(
        part,
        works={**part.works, task: controlled.run},
        abouts=(*part.abouts, ControlledAbout(controlled, core.clock.monotonic)),
        pulses=(*part.pulses, controlled.pulse(task)),
        commanded=(controlled,),
    )
