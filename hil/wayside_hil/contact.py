"""A button, a relay, a reed contact or a vehicle loop on a pin: what closes bounces, and what opens too."""

from random import Random

from .board import Board
from .registry import plant

_LEAST_NS, _MOST_NS = 20_000, 800_000  # between two bounces


class Contact:
    """Ties a pin, which the board pulls up, to ground.

    bounce_ns: how long it bounces at most; random: of its bounces. edges: (ns, whether it was closed from then on).
    Open, its pin is high, as the resistor makes it.
    """

    def __init__(self, board: Board, pin: int, random: Random, bounce_ns: int = 5_000_000):
        self.edges: list[tuple[int, bool]] = []
        self._board = board
        self._pin = pin
        self._random = random
        self._bounce_ns = bounce_ns
        self._closed = False
        board.set_pin(pin, 1)

    def close(self, at_ns: int | None = None) -> int:
        """From now on, or then; returns when it bounces no more."""
        return self._set(True, at_ns)

    def open(self, at_ns: int | None = None) -> int:
        """As close()."""
        return self._set(False, at_ns)

    def set(self, closed: bool) -> int:
        """As close() or open(), from now on."""
        return self.close() if closed else self.open()

    def close_for(self, span_ns: int) -> int:
        """A vehicle on the loop, a pulse of a meter, from now on; returns when it is over."""
        return self.open(self.close() + span_ns)

    def _set(self, closed: bool, at_ns: int | None) -> int:
        at = max(self._board.now, at_ns or 0)
        if closed == self._closed:
            return at
        end = at + self._random.randrange(self._bounce_ns + 1)
        level = closed
        while at < end:
            self._edge(level, at)
            at += self._random.randrange(_LEAST_NS, _MOST_NS)
            level = not level
        self._edge(closed, at)
        self._closed = closed
        return at

    def _edge(self, closed: bool, at: int) -> None:
        self.edges.append((at, closed))
        self._board.set_pin(self._pin, 0 if closed else 1, at)


@plant("contact", needs={"pins"})
def contact(board: Board, pin: int, bounce_ms: float = 5, seed: int = 1) -> Contact:
    return Contact(board, pin, Random(seed), round(bounce_ms * 1e6))
