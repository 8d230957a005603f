"""A second master on an RS-485 line that should have one: it asks the same meter, whenever it likes."""

from random import Random

from .events import Event
from .rs485 import Rs485Line

_LEAST_NS, _MOST_NS = 60_000_000, 900_000_000  # between two of its requests


class SecondMaster:
    """`present`: whether it is there; `asked`: how often it has. Its times are `random`'s, its frame is `request`."""

    def __init__(self, line: Rs485Line, random: Random, request: bytes):
        self.present = False
        self.asked = 0
        self._line = line
        self._random = random
        self._request = request
        self._due = 0

    def see(self, event: Event) -> None:
        """It is deaf, which is what is wrong with it."""

    def settle(self, now_ns: int) -> None:
        if self.present and now_ns >= self._due:
            self.asked += 1
            end = self._line.talk(self._request)
            self._due = end + self._random.randrange(_LEAST_NS, _MOST_NS)
