"""Requests and what follows from them: pure, without a clock and without I/O.

Every request has an end. The strongest that stands is in force; when none stands the actuator has its fail-safe value.
Priorities are BACnet's (ANSI/ASHRAE 135, clause 19.2: 1 is the strongest, 16 the weakest, 8 an operator's by hand), and
the fail-safe value stands where BACnet has its relinquish default.

All times are seconds of a clock that never jumps: the wall clock may be set, and a request must not live longer by it.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from wayside.values.carrier import Controllable

STRONGEST, WEAKEST = 1, 16
LONGEST_S = 7 * 86_400.0
_MOST_STANDING = 16  # each who may ask has one
_LONGEST_NAME = 80


class Request(NamedTuple):
    """`who` asked for `value` until `until_s`. number: counts up over all requests since the start."""

    number: int
    who: str
    value: int
    until_s: float
    priority: int


class Decision(NamedTuple):
    """value: what the actuator is to have; None: it is left to the device.

    request: the one in force, None: nobody asks.
    """

    value: int | None
    request: Request | None

    def is_as(self, other: "Decision | None") -> bool:
        """Whether it is the same value for the same request, which may end at another time."""
        return other is not None and (self.value, self.number) == (other.value, other.number)

    @property
    def number(self) -> int | None:
        """Of the request."""
        return self.request.number if self.request else None


class RequestError(ValueError):
    """A request that is not taken; the text says why and what may be asked."""


class Requests:
    """The requests for one actuator that stand: a new one of the same person takes the old one's place."""

    def __init__(self, what: Callable[[], Controllable], fail_safe: int | None):
        """what: may be asked for at the moment. fail_safe: the value while nobody asks, in counts; None: nothing is
        written then, the device decides.
        """
        self._what = what
        self._fail_safe = fail_safe
        self._standing: dict[str, Request] = {}
        self._number = 0

    def ask(self, who: str, value: int, seconds: float, priority: int, now_s: float) -> Request:
        """Take a request that is to hold for `seconds` from now on; RequestError."""
        if not 0 < len(who) <= _LONGEST_NAME:
            raise RequestError(f"who asks has a name of 1 to {_LONGEST_NAME} letters")
        try:
            self._what().check(value)
        except ValueError as error:
            raise RequestError(str(error)) from None
        if not (math.isfinite(seconds) and 0 < seconds <= LONGEST_S):
            raise RequestError(f"{seconds:g} s: a request holds for more than 0 s and for seven days at most")
        if not STRONGEST <= priority <= WEAKEST:
            raise RequestError(f"priority {priority}: write {STRONGEST} (strongest) to {WEAKEST} (weakest)")
        rivals = [each for each in self._standing.values() if now_s < each.until_s and each.priority <= priority]
        if who not in self._standing and len(rivals) >= _MOST_STANDING:
            raise RequestError(f"{_MOST_STANDING} others ask already, as strongly; one has to withdraw first")
        self._number += 1
        request = Request(self._number, who, value, now_s + seconds, priority)
        self._standing[who] = request
        return request

    def renew(self, who: str, value: int, seconds: float, priority: int, now_s: float) -> bool:
        """Let what `who` asked for hold for `seconds` from now on; False: it is something else, or nothing stands."""
        before = self._standing.get(who)
        if before is None or (before.value, before.priority) != (value, priority) or before.until_s <= now_s:
            return False
        if not 0 < seconds <= LONGEST_S:
            return False
        self._standing[who] = before._replace(until_s=now_s + seconds)
        return True

    def withdraw(self, who: str) -> Request | None:
        """Take back what `who` asked for; None when nothing stood."""
        return self._standing.pop(who, None)

    def lapse(self, now_s: float) -> list[Request]:
        """Forget the requests that have ended, and return them."""
        ended = [request for request in self._standing.values() if request.until_s <= now_s]
        for request in ended:
            del self._standing[request.who]
        return ended

    def decide(self, now_s: float) -> Decision:
        """What the actuator is to have now: what the strongest asks for, and of equally strong ones the newest."""
        alive = [request for request in self.standing() if now_s < request.until_s]
        return Decision(alive[0].value, alive[0]) if alive else Decision(self._fail_safe, None)

    def standing(self) -> list[Request]:
        """Those that stand, the strongest first."""
        return sorted(self._standing.values(), key=lambda request: (request.priority, -request.number))

    def next_end_s(self) -> float | None:
        """When the first of them ends, None while none stands."""
        return min((request.until_s for request in self._standing.values()), default=None)
