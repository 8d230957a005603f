"""Packs of devices that the configuration does not name any more, because they were renamed or taken away.

They are signed, and go to the gateway like all others. Then, or when the gateway does not take them, it is told that no
more of them will come; it logs what is missing as a gap, and says so; only then they are removed. One device at a time,
for the memory; whatever is not done at a power cut is done again after the next start.
"""

from micropython import const
from wayside_wire.link import GivenUp

from .journal import PackJournal

_LOOK_MS = const(1000)
_ASK_MS = const(10000)
_PATIENCE_MS = const(3600000)  # in a session in which the gateway takes none of them
_REMOVE_MS = const(50)


class Orphans:
    """`counts`: what became of them. The flash is used in step() and make_room() only."""

    def __init__(self, files, state: str, devices, limit: int, clock, report):
        """state: the directory with journal/ in it; devices: those that are configured; limit: of a PackJournal."""
        self._files = files
        self._state = state
        self._limit = limit
        self._link = None
        self._clock = clock
        self._report = report
        try:
            names = files.names(state + "/journal")
        except OSError as error:  # the next start looks again
            names = []
            report("%s/journal: %s" % (state, error))
        self._waiting = [name for name in names if name not in devices]
        self._device = ""  # whose turn it is
        self._journal = None  # its journal, None once it is to be removed
        self._taken = None  # how far the gateway had taken them ...
        self._since = 0  # ... and since when it is no further
        self._look_at = 0
        self._ask_at = 0
        self.counts = {}

    def attach(self, link) -> None:
        """The Link that they are sent over, before step(): a node's has its boot number, which may want their room."""
        self._link = link

    def due(self) -> bool:
        """Whether step() has something to do."""
        return bool(self._device or self._waiting) and self._clock.now() >= self._look_at

    def step(self) -> None:
        """A small piece of work, which writes flash."""
        now = self._clock.now()
        self._look_at = now + _LOOK_MS
        try:
            if not self._device:
                self._begin(self._waiting.pop(0), now)
            elif self._journal is None:
                self._remove(now)
            else:
                self._settle(now)
        except OSError as error:  # at the next start it is tried again
            self._report("packs of %s, which is not configured: %s" % (self._device, error))
            self._end()

    def make_room(self) -> bool:
        """Give up some of them, for what is configured; False: there is nothing more to give up."""
        if self._journal is not None and self._shrink(self._journal, self._device):
            return True
        for device in self._waiting:
            try:
                journal = PackJournal(self._files, self._folder(device), self._limit)
            except OSError:
                continue
            if self._shrink(journal, device):
                journal.close()
                return True
        return False

    def _begin(self, device: str, now: int) -> None:
        self._device = device
        journal = PackJournal(self._files, self._folder(device), self._limit)
        if journal.is_empty():
            return
        self._journal = journal
        self._taken = journal.first
        self._since = now
        self._ask_at = now
        self._link.add(device, journal)
        self._report("%s is not configured any more; its packs are sent, then removed" % device)

    def _settle(self, now: int) -> None:
        journal, link = self._journal, self._link
        if link.is_given_up(self._device):
            self._count("orphans settled")
            self._report("%s is not configured any more; its packs are settled, and removed" % self._device)
            link.remove(self._device)
            journal.close()
            self._journal = None
            return
        if journal.first != self._taken or not link.has_session:
            self._taken = journal.first
            self._since = now
        if not link.has_session or now < self._ask_at:
            return
        held = 0 if journal.read(journal.first) is None else journal.held()
        if held and now - self._since < _PATIENCE_MS:
            return
        self._ask_at = now + _ASK_MS
        head = journal.head
        link.give_up(GivenUp(self._device, head.boot, head.sequence, head.hash, held))

    def _remove(self, now: int) -> None:
        """The oldest first: the last one knows the head, if the power fails meanwhile."""
        folder = self._folder(self._device)
        names = self._files.names(folder)
        if names:
            self._files.remove("%s/%s" % (folder, names[0]))
            self._look_at = now + _REMOVE_MS
            return
        self._files.remove_directory(folder)
        for kept in ("serial", "place"):  # see MeterMemory
            path = "%s/%s-%s" % (self._state, kept, self._device)
            if self._files.exists(path):
                self._files.remove(path)
        self._end()

    def _end(self) -> None:
        if self._journal is not None:
            self._link.remove(self._device)
            self._journal.close()
        self._device = ""
        self._journal = None

    def _shrink(self, journal, device: str) -> bool:
        before = journal.dropped
        if not journal.shrink():
            return False
        self._count("orphan packs dropped", journal.dropped - before)
        self._report("packs of %s, which is not configured any more, gave way: flash is full" % device)
        return True

    def _folder(self, device: str) -> str:
        return "%s/journal/%s" % (self._state, device)

    def _count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number
