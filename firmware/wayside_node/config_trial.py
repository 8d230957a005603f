"""A configuration on trial: it stays when the gateway is reached with it, else the one before it comes back."""

from micropython import const

_AGAIN_MS = const(60000)  # after a verdict that the flash did not take


class ConfigTrial:
    """Of the configuration that the node runs with."""

    def __init__(self, store, trial_ms: int, reached, clock, report):
        """store: the ConfigStore; trial_ms: how long the gateway is waited for; reached(): whether it has answered."""
        self._store = store
        self._reached = reached
        self._clock = clock
        self._report = report
        self._on = store.on_trial()
        self._due = clock.now() + trial_ms
        self._not_before = 0

    def is_due(self) -> bool:
        """Whether judge() has something to do."""
        if not self._on or self._clock.now() < self._not_before:
            return False
        return self._reached() or self._clock.now() >= self._due

    def judge(self) -> bool:
        """Keep the configuration, or go back to the one before; True: the board has to start again. Writes flash."""
        try:
            if self._reached():
                self._store.keep()
                self._on = False
                self._report("the gateway answers: the new configuration is kept")
                return False
            self._report("the gateway is not reached: going back to the configuration before")
            self._store.go_back()
            return True
        except OSError as error:
            self._report("the verdict on the new configuration cannot be noted: %s" % error)
            self._not_before = self._clock.now() + _AGAIN_MS
            return False
