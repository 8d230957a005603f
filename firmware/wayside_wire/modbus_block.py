"""One block that is asked for: its answer in this poll, how it did before, and how seldom it is asked. No I/O here.

All times are milliseconds that never wrap.
"""

from .modbus import REFUSALS

FAILURES = 3  # in a row before it is asked seldom
FIRST_PAUSE_MS = 2000
LAST_PAUSE_MS = 300000
FIRST_REFUSED_MS = 60000
LAST_REFUSED_MS = 3600000


class BlockState:
    """A block, its answer in this poll, and how it did before."""

    def __init__(self, block):
        self.block = block
        self.data = None
        self.at_ms = 0
        self.reason = ""
        self.code = 0  # of the exception that it answered
        self.failed = False  # in this poll
        self.is_barred = False  # in this poll: because of another one
        self.failures = 0  # polls in a row, while others answered
        self.proven = False  # it has answered before
        self.pause_ms = 0  # it is asked seldom
        self.due = 0
        self.silenced = 0  # how often nothing else of the device could be asked after it was silent
        self.is_costly = False  # while its answer is missing nothing else of the device can be asked

    def place(self):
        return self.block.function, self.block.address, self.block.count

    def fail(self, reason: str, code: int) -> None:
        self.reason = reason
        self.code = code
        self.failed = True

    def rest(self, now: int) -> None:
        """Ask it seldom, and each time more so."""
        is_refused = self.code in REFUSALS or self.is_costly
        if not self.pause_ms:
            self.pause_ms = FIRST_REFUSED_MS if is_refused else FIRST_PAUSE_MS
        else:
            self.pause_ms = min(2 * self.pause_ms, LAST_REFUSED_MS if is_refused else LAST_PAUSE_MS)
        self.due = now + self.pause_ms
