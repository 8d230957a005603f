"""A lamp on an output pin, or any pin that is looked at."""

from itertools import pairwise

from .board import Board
from .events import Event, PinEdge, Reset
from .registry import plant


class Led:
    """`lit`: whether it is lit now; `edges`: (ns, whether it was lit from then on).

    active_low: it is lit while the pin is low.
    """

    def __init__(self, pin: int, active_low: bool = False):
        self.edges: list[tuple[int, bool]] = []
        self._pin = pin
        self._lit_at = 0 if active_low else 1

    @property
    def lit(self) -> bool:
        return bool(self.edges) and self.edges[-1][1]

    def periods_ns(self) -> list[int]:
        """From each time that it was lit to the next."""
        rises = [at for at, lit in self.edges if lit]
        return [later - earlier for earlier, later in pairwise(rises)]

    def see(self, event: Event) -> None:
        if isinstance(event, PinEdge) and event.pin == self._pin:
            self._set(event.level == self._lit_at, event.at)
        elif isinstance(event, Reset) and event.cause == "off":
            self._set(False, event.at)

    def settle(self, now_ns: int) -> None:
        """It does nothing by itself."""

    def _set(self, lit: bool, at: int) -> None:
        if lit != self.lit:
            self.edges.append((at, lit))


@plant("led", needs={"pins"})
def led(board: Board, pin: int, active_low: bool = False) -> Led:
    return Led(pin, active_low)
