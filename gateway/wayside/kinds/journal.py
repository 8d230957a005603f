"""A `[[journal]]`: what a controller writes comes into the log, and its junction onto the status site."""

from functools import partial

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
    works = {settings.title(): journal.run, work: view.run}
    return Part(works, (journal, view), (journal.pulse(), view.pulse(work)))
