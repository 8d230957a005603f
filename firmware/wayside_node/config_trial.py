"""A configuration on trial: it stays when a command of the gateway is done under it, else the one before comes back.

That the gateway is heard is not enough: with a configuration under which it cannot command, nobody could mend it from
afar. The gateway sees in the node's counters that it is asked for a command.
"""

from micropython import const

_AGAIN_MS = const(60000)  # after a verdict that the flash did not take


class ConfigTrial:
    """Of the configuration that the node runs with."""

    def __init__(self, store, trial_ms: int, obeyed, clock, report):
        """store: the ConfigStore; trial_ms: how long a command is waited for; obeyed(): whether one has been done."""
        self._store = store
        self._obeyed = obeyed
        self._clock = clock
        self._report = report
        self.on = store.on_trial()
        self._due = clock.now() + trial_ms
        self._not_before = 0

    def is_due(self) -> bool:
        """Whether judge() has something to do."""
        if not self.on or self._clock.now() < self._not_before:
            return False
        return self._obeyed() or self._clock.now() >= self._due

    def judge(self) -> bool:
        """Keep the configuration, or go back to the one before; True: the board has to start again. Writes flash."""
        try:
            if self._obeyed():
                self._store.keep()
                self.on = False
                self._report("the gateway commands: the new configuration is kept")
                return False
            self._report("the gateway commands nothing: going back to the configuration before")
            self._store.go_back()
            return True
        except OSError as error:
            self._report("the verdict on the new configuration cannot be noted: %s" % error)
            self._not_before = self._clock.now() + _AGAIN_MS
            return False
