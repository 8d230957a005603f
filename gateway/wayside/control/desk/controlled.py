"""One actuator under the desk: its requests, what follows from them, and the task that carries it out.

Each has a task of its own: a device that does not answer costs the others nothing. When the task begins, the device is
brought to its fail-safe value, for nobody knows what was written before and no request outlives a restart; when it
ends, too. What happens while the gateway is dead only the device's own timer decides.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from wayside.control.desk.hold import Act, Hold
from wayside.control.desk.requests import Decision, RequestError, Requests
from wayside.evidence.kinds import Body, CommandBody, DecisionBody
from wayside.evidence.stream import journal_stream
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.runtime.rate import Rate
from wayside.values.carrier import RELEASED, CarrierError, Controllable, NotKeptError

_logger = logging.getLogger(__name__)

NAME = "desk"
STREAM = journal_stream(NAME)
"""Where all requests, decisions and effects stand."""

_LAST_WRITES_S = 15.0  # for the fail-safe value at the end, for all actuators at the same time
_LAST_AGAIN_S = 1.0
_HOUR_S = 3600.0
_REQUESTS_PER_HOUR = 1800
_EFFECTS_PER_HOUR = 60  # for a value that was told of before
_READS, _NEAREST, _BLIND = "reads as written", "which is its nearest", "acknowledged; it cannot be read back"


class Actuator(Protocol):
    """What carries out: one control of one device, in counts."""

    @property
    def name(self) -> str: ...
    @property
    def what(self) -> Controllable:
        """Counts mean the same for ever; there may be more to ask for with time."""

    async def guard(self) -> None:
        """Begin the device's own timer, where it has one: before what it guards is in force. CarrierError."""

    async def write(self, value: int, *, is_guarded: bool) -> int | None:
        """What it reads after `value` was written, None where it cannot be read; CarrierError, NotKeptError.

        is_guarded: somebody asks for it, and the device's own timer is to end it, where it has one.
        """

    def check(self, value: int) -> None:
        """ValueError when the device is known not to take it."""

    async def read(self) -> int:
        """What it has; CarrierError."""


Keep = Callable[[str, Body], object]
"""Puts the body of an entry into a stream of the log."""


class Controlled:
    """`requests`: those that stand; `hold`: what the device is to have and has."""

    def __init__(
        self,
        actuator: Actuator,
        fail_safe: int | None,
        clock: Clock,
        keep: Keep,
        look_s: float,
        renew_s: float | None = None,
    ):
        """fail_safe: see Requests; look_s, renew_s: see Hold."""
        self.actuator = actuator
        self.fail_safe = fail_safe
        self.requests = Requests(lambda: actuator.what, fail_safe)
        self.hold = Hold(look_s, renew_s)
        self.decision: Decision | None = None
        self._clock = clock
        self._keep = keep
        self._wake = asyncio.Event()
        self._rates: defaultdict[str, Rate] = defaultdict(lambda: Rate(_REQUESTS_PER_HOUR))  # by who asks
        self._effect: tuple[int, str] | None = None  # that was told last, and of which value
        self._effects = Rate(_EFFECTS_PER_HOUR)
        self._untold = 0
        # Where a value stays when the gateway is killed, for the next one; "": it ends there by itself.
        self._stays_at = actuator.what.place if renew_s is None else ""
        self._turns = 0
        self._is_ours = False  # a value that somebody asked for may be in force

    @property
    def name(self) -> str:
        return self.actuator.name

    @property
    def what(self) -> Controllable:
        return self.actuator.what

    # --- who asks ---

    def ask(self, who: str, number: str, seconds: float, priority: int) -> str:
        """Take a request for a number of the unit, for `seconds` from now on; what came of it. RequestError.

        Either is an entry, but for those of a flood.
        """
        now = self._clock.monotonic()
        if not self._rates[who].take(now):
            one_in_s = _HOUR_S / _REQUESTS_PER_HOUR
            raise RequestError(f"too many requests of {who} for {self.name}; one in {one_in_s:g} s is taken")
        self._lapse(now)
        return self._take(who, number, seconds, priority, now)

    def _take(self, who: str, number: str, seconds: float, priority: int, now: float, how: str = "") -> str:
        what = f"{number} {self.what.unit}".strip() + f" for {seconds:g} s{how}, priority {priority}"
        try:
            value = self.what.counts(number)
            self.actuator.check(value)
            request = self.requests.ask(who, value, seconds, priority, now)
        except ValueError as error:
            self._log(who, what, f"refused: {error}")
            raise RequestError(str(error)) from None
        self._log(who, what, f"request {request.number}")
        self._wake.set()
        told = f"request {request.number}: {self.what.shown(request.value)} for {seconds:g} s"
        first = self.requests.standing()[0]
        return told if first == request else f"{told}; it waits: {first.who} has priority {first.priority}"

    def renew(self, who: str, number: str, seconds: float, priority: int) -> None:
        """As `ask`, by a program that asks again and again: what it asked for already goes on, and is no entry.

        How often it may ask for something else is its own to bound.
        """
        now = self._clock.monotonic()
        self._lapse(now)
        with suppress(ValueError):  # told when it is taken
            if self.requests.renew(who, self.what.counts(number), seconds, priority, now):
                self._wake.set()
                return
        self._take(who, number, seconds, priority, now, " and as long as it is renewed")

    def withdraw(self, who: str) -> str:
        """Take back what `who` asked for; RequestError: nothing stood."""
        request = self.requests.withdraw(who)
        if request is None:
            raise RequestError(f"{who} asks nothing of {self.name}")
        self._log(who, f"request {request.number}", "withdrawn")
        self._wake.set()
        return f"request {request.number} is withdrawn"

    def cause(self) -> str:
        """Why it is to have what it is to have."""
        if self.decision is None:
            return "nothing is decided yet"
        if self.decision.request:
            return f"request {self.decision.request.number} of {self.decision.request.who}"
        return "nobody asks" if self.decision.value is None else "nobody asks: the fail-safe value"

    # --- what follows ---

    def pulse(self, task: str) -> Pulse:
        """Of its task, which goes by this name."""

        def owes() -> bool:
            return self.hold.due_s is not None and self.hold.due_s <= self._clock.monotonic()

        return Pulse(task, lambda: self._turns, owes, OUTSIDE_S)

    async def run(self) -> None:
        """Hold the actuator until cancelled; then leave it with its fail-safe value."""
        try:
            while True:
                await self._step()
        finally:
            self.decision = None  # a supervisor may run it again
            await self._leave()

    async def _step(self) -> None:
        """Decide, do what is due, or wait until something may be."""
        self._turns += 1
        self._wake.clear()
        self._decide()
        act = self.hold.due(self._clock.monotonic())
        if act:
            await self._do(act)
            return
        ends = [each for each in (self.hold.due_s, self.requests.next_end_s()) if each is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(ends) - self._clock.monotonic()) if ends else None):
                await self._wake.wait()

    def _lapse(self, now_s: float) -> None:
        for request in self.requests.lapse(now_s):
            self._log(request.who, f"request {request.number}", "its time is over")

    def _decide(self) -> None:
        now = self._clock.monotonic()
        self._lapse(now)
        before, decision = self.decision, self.requests.decide(now)
        self.decision = decision
        if decision.is_as(before):
            return
        # The fail-safe value may stay, so the device's timer is not needed for it, nor may it be in its way.
        self.hold.want(self._or_released(decision.value), now, is_guarded=decision.request is not None)
        standing = [[each.number, each.who, each.value, each.priority] for each in self.requests.standing()]
        self._keep_decision(self.cause(), {"standing": standing})

    def _or_released(self, value: int | None) -> int | None:
        """What is left to the device is given back to it, where we had taken it: no mode register stays behind."""
        return RELEASED if value is None and self._is_ours and self.what.releases else value

    def _keep_decision(self, cause: str, inputs: dict[str, object] | None = None) -> None:
        value = self.hold.wanted
        what = "left to the device" if value is None else self.what.shown(value)
        known = {"place": self._stays_at, **(inputs or {})}
        self._keep(STREAM, DecisionBody(NAME, f"{self.name}: {what}", cause, known))

    async def _do(self, act: Act) -> None:
        wanted = self.hold.wanted
        if wanted is None:
            return
        try:
            if act is Act.LOOK:
                self._found(wanted, await self.actuator.read(), self.hold.seen)
            else:
                await self._write(wanted)
        except NotKeptError as error:
            self._found(wanted, error.found, self.hold.not_kept)
        except CarrierError as error:
            failed = self.hold.not_seen if act is Act.LOOK else self.hold.not_written
            failed(str(error), self._clock.monotonic())
            self._tell(wanted, str(error))

    async def _write(self, wanted: int) -> None:
        decision = self.decision
        if decision and decision.request:
            await self.actuator.guard()
            if not self.requests.decide(self._clock.monotonic()).is_as(decision):
                return  # it took long, and does not stand any more: the next step writes what does
        is_asked_for = decision is not None and decision.request is not None
        self._is_ours |= is_asked_for
        found = await self.actuator.write(wanted, is_guarded=is_asked_for)
        self.hold.took(found, self._clock.monotonic())
        self._tell(wanted, _how(wanted, found, self.what))
        self._let_go(wanted)

    def _found(self, wanted: int, found: int, note: Callable[[int, float], bool]) -> None:
        """note: of the hold, whether it is something else than what is wanted."""
        is_other = note(found, self._clock.monotonic())
        how = f"reads {self.what.shown(found)}: {self.hold.problem}" if is_other else _how(wanted, found, self.what)
        self._tell(wanted, how)
        if not is_other:
            self._let_go(wanted)

    def _let_go(self, wanted: int) -> None:
        """The device has what is wanted: what it was given back is none of ours any more."""
        if wanted == RELEASED:
            self._is_ours = False
            self.hold.want(None, self._clock.monotonic())

    async def _leave(self) -> None:
        """The fail-safe value, again and again within the time that there is: nobody holds the actuator after this."""
        value = self._or_released(self.fail_safe)
        if value is None:
            return
        self.hold.want(value, self._clock.monotonic())
        self._keep_decision("the desk stops")
        self._effect, self._effects = None, Rate(_EFFECTS_PER_HOUR)  # it is told, whatever was told before
        try:
            async with asyncio.timeout(_LAST_WRITES_S):
                await self._do(Act.WRITE)
                while not self.hold.is_done:
                    await asyncio.sleep(_LAST_AGAIN_S)
                    await self._do(Act.WRITE)
        except TimeoutError:
            shown, why = self.hold.shown, self.hold.problem or "no answer"
            has = "nobody knows what it has" if shown is None else f"it has {self.what.shown(shown)}"
            text = f"given up after {_LAST_WRITES_S:.0f} s, {has}: {why}"
            self.hold.not_written(text, self._clock.monotonic())
            self._tell(value, text)

    def _tell(self, value: int, how: str) -> None:
        """What came of it: an entry each time that it is something else than before, and none for each of many."""
        is_as_told = self._effect == (value, how)
        if is_as_told and not self._untold:
            return
        is_new = self._effect is None or self._effect[0] != value
        if not is_new and not self._effects.take(self._clock.monotonic()):
            self._untold += not is_as_told  # a later look tells of it
            return
        self._effect = (value, how)
        shown = self.what.shown(value)
        text = (
            f"{how}; {self._untold} times something else before, too often for an entry each" if self._untold else how
        )
        self._untold = 0
        _logger.log(logging.WARNING if self.hold.problem else logging.INFO, "%s %s: %s", self.name, shown, text)
        self._log(NAME, shown, text)

    def _log(self, who: str, what: str, outcome: str) -> None:
        self._keep(STREAM, CommandBody(self.name, who, what, outcome))


def _how(wanted: int, found: int | None, what: Controllable) -> str:
    """What came of a write that took."""
    if found is None:
        return _BLIND
    return _READS if found == wanted else f"reads {what.shown(found)}, {_NEAREST}"


def has_taken(outcome: str) -> bool:
    """Whether this, of an effect in the log, says that the device took the value."""
    return outcome.startswith((_READS, _BLIND)) or _NEAREST in outcome
