"""A controller, cycle by cycle: one snapshot of the process image, one pure step, and what follows at the desk.

What it asks for holds for a few cycles and is renewed with each: when it stops, hangs or fails, its requests end and
the fail-safe values are in force. Each decision that is another one than before is an entry, before the desk is asked.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import NamedTuple

from wayside.control import controllers
from wayside.control.controllers import Ask, Cycle, Options
from wayside.control.decided import Asks, Step, as_body
from wayside.control.inputs import Inputs, Read
from wayside.evidence.kinds import DecisionBody
from wayside.evidence.stream import journal_stream
from wayside.parts.part import Commanded
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import LOOP_S, Pulse
from wayside.runtime.rate import Rate
from wayside.values.image import Snapshot

_logger = logging.getLogger(__name__)

_CYCLES = 5  # so long a request holds,
_LEAST_S = 10.0  # and so long at least: a busy machine pauses
_REFUSED_S = 60.0  # what the desk refused is asked again after that
_REASON_S = 60.0  # so often another reason for the same is an entry
_CHANGES_PER_HOUR = 720  # each is an entry here and three of the desk


class MadeOf(NamedTuple):
    """What a controller is made of beside its kind. asks: by output, the actuator."""

    name: str
    kind: str
    options: Options
    reads: Mapping[str, Read]
    asks: Mapping[str, str]
    priority: int
    every_s: float

    @property
    def who(self) -> str:
        """As it is called at the desk: no person can have that name."""
        return f"controller {self.name}"


class Surroundings(NamedTuple):
    """What a controller has of the gateway: what there is to know, what may be commanded, and where decisions go."""

    snapshot: Callable[[], Snapshot]
    commanded: Callable[[], Sequence[Commanded]]
    keep: Callable[[str, DecisionBody], object]


class Cycles:
    """`last`: the newest step; `refused`: by output, why the desk did not take what it asks for; `turns`: cycles."""

    def __init__(self, made_of: MadeOf, around: Surroundings, clock: Clock):
        self.made_of = made_of
        self.last: Step | None = None
        self.refused: dict[str, str] = {}
        self.turns = 0
        self._around = around
        self._clock = clock
        self._logged: tuple[Asks, float] | None = None  # what was asked for in the last entry, and when that was
        self._changes = Rate(_CHANGES_PER_HOUR)
        self._not_before_s: dict[str, tuple[str, float]] = {}  # output -> a number that was refused, and until when
        self._holds_s = max(_LEAST_S, _CYCLES * made_of.every_s)

    def pulse(self, task: str) -> Pulse:
        """Of run(), as the task of this name."""
        return Pulse(task, lambda: self.turns, within_s=self.made_of.every_s + LOOP_S)

    async def run(self) -> None:
        """Until cancelled; then nothing is asked for any more."""
        kind, inputs = controllers.load(self.made_of.kind), Inputs(self.made_of.reads, self._clock)
        state, began_s = kind.begin(self.made_of.options), self._clock.monotonic()
        last_s = began_s
        try:
            while True:
                self.turns += 1
                now_s = self._clock.monotonic()
                now_ms, last_s, waited_s = round((now_s - began_s) * 1000), now_s, now_s - last_s
                known = inputs.of(self._around.snapshot())
                if waited_s > self._holds_s:  # its requests have ended, and nobody has looked
                    known = inputs.missed(f"no cycle for {waited_s:.0f} s")
                cycle = Cycle(known, now_ms, self._clock.utc_ms(), self._clock.time_quality())
                before, (state, asks) = state, kind.step(self.made_of.options, state, cycle)
                self._follow(Step(self.made_of.kind, self.made_of.options, before, cycle, asks))
                await asyncio.sleep(self.made_of.every_s)
        finally:
            self.last, self._logged = None, None
            for output in self.made_of.asks:
                self._withdraw(output)

    def _follow(self, step: Step) -> None:
        if step.asks.keys() != self.made_of.asks.keys():
            raise ValueError(f"{step.kind}.py: its step has to say something of each of {', '.join(self.made_of.asks)}")
        if not all(each.number is None or Decimal(each.number).is_finite() for each in step.asks.values()):
            raise ValueError(f"{step.kind}.py: its step asks for what is no number")
        self.last = step
        for output, ask in self._logged_asks(step).items():
            self._ask(output, ask)

    def _logged_asks(self, step: Step) -> Asks:
        """What it asks for, or, where that changes too often, what it asked for before. Either has an entry."""
        now_s = self._clock.monotonic()
        if self._logged is None:
            self._log(step, now_s)
            return step.asks
        before, at_s = self._logged
        if _numbers(before) == _numbers(step.asks):
            if before != step.asks and now_s >= at_s + _REASON_S:
                self._log(step, now_s)
            return step.asks
        # To take something back never waits: at most as often as something was asked for.
        if not _takes_back(before, step.asks) and not self._changes.take(now_s):
            return before
        self._log(step, now_s)
        return step.asks

    def _log(self, step: Step, now_s: float) -> None:
        self._logged = (step.asks, now_s)
        body = as_body(self.made_of.name, self.made_of.asks, step)
        _logger.info("controller %s: %s (%s)", self.made_of.name, body.what, body.cause)
        self._around.keep(journal_stream(self.made_of.name), body)

    def _ask(self, output: str, ask: Ask) -> None:
        if ask.number is None:
            self._withdraw(output)
            return
        number, now_s = f"{ask.number:f}", self._clock.monotonic()
        if self._not_before_s.get(output, ("", 0.0))[0] == number and now_s < self._not_before_s[output][1]:
            return
        try:
            target = self._find(output)
            target.renew(self.made_of.who, number, self._holds_s, self.made_of.priority)
        except LookupError as error:
            self._complain(output, str(error))
        except ValueError as error:
            self._not_before_s[output] = (number, now_s + _REFUSED_S)
            self._complain(output, str(error))
        else:
            self._not_before_s.pop(output, None)
            self._complain(output, "")

    def _withdraw(self, output: str) -> None:
        self._complain(output, "")
        self._not_before_s.pop(output, None)
        with suppress(LookupError, ValueError):  # nothing stands any more
            self._find(output).withdraw(self.made_of.who)

    def _find(self, output: str) -> Commanded:
        """LookupError while the actuator is not there, as when it is made anew."""
        for each in self._around.commanded():
            if each.name == self.made_of.asks[output]:
                return each
        raise LookupError("the actuator is not running")

    def _complain(self, output: str, text: str) -> None:
        if text and self.refused.get(output) != text:
            _logger.warning("controller %s: %s: %s", self.made_of.name, self.made_of.asks[output], text)
        self.refused[output] = text


def _numbers(asks: Asks) -> dict[str, Decimal | None]:
    return {output: ask.number for output, ask in asks.items()}


def _takes_back(before: Asks, asks: Asks) -> bool:
    return any(ask.number is None and before[output].number is not None for output, ask in asks.items())
