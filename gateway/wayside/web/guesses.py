"""How often an address may try a password, and whose password is looked at next. Imports `http.connections`.

Checking one takes some 50 ms of a core, so one is checked at a time, and others guess in order to keep the right one
out. Whoever has shown a user's password from an address before comes first, then who has been wrong least often there.
Why so: docs/decisions/0092-logging-in-beside-others-who-guess.md.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from wayside.net.http.connections import network_of

FREE = 5  # wrong ones; each further one costs a pause
PAUSE_S = 60.0
_FORGOTTEN_S = 3600.0  # after so long without a wrong one
_PLACES = 4096  # whose wrong ones are remembered
_GOOD = 256  # users at addresses from which they were right
_WAITING = 48  # to be checked, of all addresses; fewer than the site has connections
_WAITING_EACH = 2

_Place = tuple[str, str]
"""(address or network, user who was right there before or "" for all others together)"""


class TooManyError(Exception):
    """This address must wait `pause_s` before it tries again."""

    def __init__(self, pause_s: float):
        super().__init__(pause_s)
        self.pause_s = pause_s


@dataclass(slots=True)
class _Waiting:
    rank: tuple[bool, int, int]  # nothing speaks for it; wrong ones before and others now; number. The least is first
    turn: asyncio.Future[None]


class Guesses:
    """Wrong passwords by address; the address longest without one is forgotten when there are too many."""

    def __init__(self, monotonic: Callable[[], float]):
        self._monotonic = monotonic
        self._wrong: OrderedDict[_Place, tuple[int, float]] = OrderedDict()  # how many, when the last was
        self._good: OrderedDict[_Place, None] = OrderedDict()
        self._trying: Counter[_Place] = Counter()
        self._line: list[_Waiting] = []
        self._is_checking = False
        self._number = 0

    @asynccontextmanager
    async def trying(self, address: str, user: str, after_wrong_s: float) -> AsyncIterator[Callable[[bool], None]]:
        """Its turn has come: check one password and call what is given with whether it was right.

        TooManyError when it may not. Leaving after a wrong one takes `after_wrong_s`, which nobody else waits for.
        """
        place = self._place(address, user)
        count, last_s = self._count(place)
        pause_s = last_s + PAUSE_S - self._monotonic()
        if count >= FREE and pause_s > 0:
            raise TooManyError(pause_s)
        if self._trying[place] >= _WAITING_EACH:
            raise TooManyError(1.0)
        self._trying[place] += 1
        told: list[bool] = []
        try:
            await self._turn((not place[1], count + self._trying[place], self._number))
            try:
                yield told.append
            finally:
                self._next()
            if told == [True]:
                self._right(address, user)
            else:
                self._remember(place, count=self._count(place)[0] + 1)
                await asyncio.sleep(after_wrong_s)
        finally:
            self._trying[place] -= 1
            self._trying += Counter()  # drops the zeros

    async def _turn(self, rank: tuple[bool, int, int]) -> None:
        self._number += 1
        if not self._is_checking:
            self._is_checking = True
            return
        mine = _Waiting(rank, asyncio.get_running_loop().create_future())
        self._line.append(mine)
        if len(self._line) > _WAITING:
            last = max(self._line, key=lambda each: each.rank)
            self._line.remove(last)
            last.turn.set_exception(TooManyError(1.0))
        try:
            await mine.turn
        except asyncio.CancelledError:
            if mine in self._line:
                self._line.remove(mine)
            elif mine.turn.done() and not mine.turn.cancelled() and mine.turn.exception() is None:
                self._next()
            raise

    def _next(self) -> None:
        waiting = [each for each in self._line if not each.turn.done()]
        self._is_checking = bool(waiting)
        if waiting:
            first = min(waiting, key=lambda each: each.rank)
            self._line.remove(first)
            first.turn.set_result(None)

    def _place(self, address: str, user: str) -> _Place:
        where = network_of(address)
        return (where, user if (where, user) in self._good else "")

    def _count(self, place: _Place) -> tuple[int, float]:
        count, last_s = self._wrong.get(place, (0, 0.0))
        return (count, last_s) if self._monotonic() - last_s < _FORGOTTEN_S else (0, 0.0)

    def _remember(self, place: _Place, count: int) -> None:
        self._wrong.pop(place, None)
        self._wrong[place] = (count, self._monotonic())
        while len(self._wrong) > _PLACES:
            self._wrong.popitem(last=False)

    def _right(self, address: str, user: str) -> None:
        """What others got wrong at this address stays: a viewer's password must not buy guesses at an operator's."""
        place = (network_of(address), user)
        self._wrong.pop(place, None)
        self._good.pop(place, None)
        self._good[place] = None
        while len(self._good) > _GOOD:
            self._good.popitem(last=False)
