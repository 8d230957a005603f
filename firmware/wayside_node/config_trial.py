"""A configuration on trial: it stays when a command of the gateway is done under it, else the one before comes back.

That the gateway is heard is not enough: with a configuration under which it cannot command, nobody could mend it from
afar. The gateway sees in the node's counters that it is asked for a command.

Nothing is gone back to here. A node that its configuration has brought to the end of its memory can do little, but it
can start again; with a heap of its own again, ConfigStore.begin() decides.
"""

from micropython import const

_AGAIN_MS = const(60000)  # after a verdict that the flash did not take


class ConfigTrial:
    """Of the configuration that the node runs with."""

    def __init__(self, store, trial_ms: int, obeyed, clock, report, reset):
        """store: the ConfigStore; trial_ms: how long a command is waited for; obeyed(): whether one has been done;
        reset(): starts the board again."""
        self._store = store
        self._obeyed = obeyed
        self._clock = clock
        self._report = report
        self._reset = reset
        self.on = store.trying
        self._due = clock.now() + trial_ms
        self._not_before = 0

    @property
    def asks(self) -> bool:
        """Whether a command is wanted, for what runs to become what is gone back to. A technician's is no trial."""
        return not self._store.proved

    def is_won(self) -> bool:
        """Whether keep() has something to do."""
        return self.asks and self._obeyed() and self._clock.now() >= self._not_before

    def keep(self) -> None:
        """It has proved itself. Writes flash."""
        try:
            self._store.keep()
        except OSError as error:
            self._report("the verdict on the new configuration cannot be noted: %s" % error)
            self._not_before = self._clock.now() + _AGAIN_MS
            self.on = self._store.trying
            return
        self.on = False
        self._report("the new configuration is kept")

    def look(self) -> None:
        """The board starts again when the time is over, whoever else still lives. Nothing in it can raise."""
        if self.on and self._clock.now() >= self._due and not self._obeyed():
            self._end(lambda: self._store.lose("the gateway commanded nothing"))

    def failed(self, why: str) -> None:
        """Something has gone wrong: the board starts again, a few times until begin() goes back. Cannot raise."""
        if self.on:
            self._end(lambda: self._store.note(why))

    def _end(self, note) -> None:
        try:
            self._report("the new configuration is on trial: starting again")
            note()
        except Exception:  # the start was counted before it began: that is enough
            pass
        self._reset()
