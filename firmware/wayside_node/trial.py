"""A new application is kept once it has run for a while and found the board well. Before, a restart takes it back."""

from micropython import const

_AFTER_MS = const(60000)
_STEP_MS = const(1000)


class FirmwareTrial:
    """keep: of board.trial(), None when there is nothing to keep; inspect(): the Checks of the self-test."""

    def __init__(self, keep, inspect, clock, report):
        self._keep = keep
        self._inspect = inspect
        self._clock = clock
        self._report = report
        self._due = clock.now() + _AFTER_MS

    def is_pending(self) -> bool:
        """Whether a restart would take this application back."""
        return self._keep is not None

    def is_due(self) -> bool:
        """Whether judge() has something to do."""
        return self._keep is not None and self._clock.now() >= self._due

    def judge(self) -> None:
        """Keep this application, or say why not, and look again later. Writes flash; takes half a second."""
        if self._keep is None:
            return
        bad = ["%s: %s" % (check.name, check.text) for check in self._inspect() if check.good is False]
        if not bad:
            try:
                self._keep()
                self._keep = None
                return
            except OSError as error:
                bad.append(str(error))
        self._report("not kept, a restart takes this application back: %s" % "; ".join(bad))
        self._due = self._clock.now() + _AFTER_MS

    async def run(self, beat):
        """judge() when it is due, as a task of the supervisor; for whom flash may be written at any time."""
        while True:
            beat()
            if self.is_due():
                self.judge()
            await self._clock.sleep_ms(_STEP_MS)
