"""Contacts: levels that have lasted, and counts that survive the power.

A level counts when it has lasted; what is shorter is bounce.
"""

from ..copies import Copies


class Debounce:
    """Edges in, settled levels out. count: changes to active that lasted; bounces: levels that did not."""

    def __init__(self, least_ms: int, active: bool = False):
        self._least_ms = least_ms
        self.active = active  # settled
        self._level = active
        self._since = 0
        self.count = 0
        self.bounces = 0

    def edge(self, level: bool, at_ms: int) -> None:
        """The contact changed; from an interrupt or from a look at the pin."""
        self.settle(at_ms)
        if level != self._level:
            if self._level != self.active:
                self.bounces += 1
            self._level = level
            self._since = at_ms

    def settle(self, now_ms: int) -> bool:
        """Whether the contact is active, now that so much time has passed."""
        if self._level != self.active and now_ms - self._since >= self._least_ms:
            self.active = self._level
            self.count += 1 if self.active else 0
        return self.active


class DurableCount:
    """A count in `path`.0 and `path`.1 that never goes back: what is told is durable before."""

    def __init__(self, files, path: str):
        self._copies = Copies(files, path, "<Q")
        found = self._copies.load()
        self.value = found[0] if found else 0
        # Both torn is not "new": the count is lost, and that has to be said.
        self.lost = found is None and self._copies.is_lost()

    def add(self, pulses: int) -> int:
        """The new count. OSError: nothing was added."""
        if pulses:
            self._copies.store_in_turn(self.value + pulses)
            self.value += pulses
        return self.value
