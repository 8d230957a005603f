"""The controller of a junction: ten times a second it lets the layers ask and steps the core; each picture of the node
is answered by an order of what the core shows, and so is each change.

It only ever orders what the core says. Whatever disturbs it leads to flash and, when it is over, through flash and all
red back to service: a late tick, a jump of the wall clock, a journal that cannot be written, a node that is not heard
or does not run. Its end, by whatever cause, is silence, which is flash at the node.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wayside_wire.signal_frames import FAULT, RUNNING, Order

from wayside.control.head_line import HeadLine
from wayside.control.journal import Appender, Journal
from wayside.control.signals import core, pilot
from wayside.control.signals.channels import lamp_bytes
from wayside.control.signals.core import Mode, Requests, State
from wayside.control.signals.events import Events
from wayside.control.signals.inputs import JunctionInputs
from wayside.control.signals.pilot import Adviser, Decision, timed
from wayside.control.signals.remote import PlanRequestDesk
from wayside.control.signals.site import Site
from wayside.evidence import kinds
from wayside.runtime.clock import Clock

LATE_S = 0.25
SILENCE_S = 0.3
_MANY = 30  # ticks
_MANY_S = 4.0  # within which so many have to come: each a little late makes a yellow of 3 s one of 4 s
JUMP_MS = 500
NOTE_EVERY = 600  # ticks: an older entry than that says nothing of a controller that may have ended


class TickPicture(NamedTuple):
    """What a tick came to, for who watches. disturbance: why it is flash, "" when it need not be; request: the one from
    outside that is in force, "" where none is."""

    utc_ms: int
    state: State
    decision: Decision
    disturbance: str
    node: str
    request: str


class Lateness:
    """Whether ticks come so late that what they count is no time any more."""

    def __init__(self) -> None:
        self._ticks: deque[float] = deque(maxlen=_MANY + 1)

    def see(self, now: float) -> str:
        """A tick at `now`, monotonic seconds; what is wrong with it, "" when nothing is."""
        if self._ticks and now - self._ticks[-1] > LATE_S:
            self._ticks.clear()
            self._ticks.append(now)
            return "a tick came late"
        self._ticks.append(now)
        if len(self._ticks) > _MANY and now - self._ticks[0] > _MANY_S:
            return "ticks come late, one after the other"
        return ""


class Controller:
    """tick() is to be called every 100 ms."""

    def __init__(
        self,
        site: Site,
        line: HeadLine,
        clock: Clock,
        appender: Appender,
        journal: Journal,
        events: Events,
        report: Callable[[str], None],
        adviser: Adviser | None = None,
        desk: PlanRequestDesk | None = None,
        zones: Callable[[], Mapping[str, bool | None]] = dict,
    ):
        """report(text): where a line for people goes; desk: requests from outside; zones: detectors by MQTT."""
        self._site = site
        self._line = line
        self._clock = clock
        self._appender = appender
        self._journal = journal
        self._events = events
        self._report = report
        self._adviser = timed(adviser, clock.monotonic) if adviser else None
        self._desk = desk
        self._zones = zones
        self._inputs = JunctionInputs()
        self._state = core.begin(site.junction)
        self._lamps = lamp_bytes(core.outputs(site.junction, self._state))
        self._memory = pilot.begin(site)
        self._lateness = Lateness()
        self._offset_ms: int | None = None
        self._noted: tuple[Any, ...] = ()
        self._ticks_noted = 0
        self._disturbance = ""

    def hear(self, now: float) -> None:
        """The line has something: each picture is answered at once. now: monotonic seconds."""
        self._take(now)
        if self._line.waiting:
            self._line.send(now, Order, self._lamps)

    def tick(self, now: float) -> TickPicture:
        """now: monotonic seconds."""
        self._take(now)
        utc_ms = self._clock.utc_ms()
        disturbance = self._disturbed(now, utc_ms)
        shown = self._line.shown
        inputs = self._inputs.tick() if shown and not self._silent(now) else None
        before = self._state
        remote = self._desk.look(now, utc_ms) if self._desk else None
        self._memory, decision = pilot.decide(
            self._site, self._memory, before, utc_ms, inputs, self._adviser, remote, self._zones()
        )
        requests = decision.requests._replace(flash=core.FLASH_AT_ONCE) if disturbance else decision.requests
        self._state = core.step(self._site.junction, before, requests)
        lamps = lamp_bytes(core.outputs(self._site.junction, self._state))
        if lamps != self._lamps or self._line.waiting:
            self._lamps = lamps
            self._line.send(now, Order, lamps)
        self._note(before, requests, decision, disturbance)
        self._events.tick(utc_ms, self._state, decision)
        node = (
            f"{('flashing', 'running', 'FAULT')[shown.mode]} {shown.reason}".strip()
            if shown and not self._silent(now)
            else "not heard"
        )
        request = self._desk.in_force if self._desk else ""
        return TickPicture(utc_ms, self._state, decision, disturbance, node, request)

    def _take(self, now: float) -> None:
        for shown in self._line.receive(now):
            self._inputs.take(shown)

    def _silent(self, now: float) -> bool:
        return now - self._line.heard_at > SILENCE_S

    def _disturbed(self, now: float, utc_ms: int) -> str:
        late = self._lateness.see(now)
        offset_ms = utc_ms - int(now * 1000)
        step_ms = 0 if self._offset_ms is None else offset_ms - self._offset_ms
        self._offset_ms = offset_ms
        shown = self._line.shown
        if late:
            return late
        if abs(step_ms) > JUMP_MS:
            return f"the clock was set by {step_ms} ms"
        if self._appender.failure:
            return self._appender.failure
        if shown is None or self._silent(now):
            other = "the node is of another junction or version; give all three the matrix of this file"
            return other if self._line.stranger else "the node is not heard"
        if shown.mode == FAULT:
            return f"the node is in fault: {shown.reason}"
        if shown.mode != RUNNING and shown.reason != "ordered":
            return f"the node flashes: {shown.reason}"
        return ""

    def _note(self, before: State, requests: Requests, decision: Decision, disturbance: str) -> None:
        """An entry whenever something else is asked, and now and then one that says that nothing was: from each, every
        tick until the next one can be computed again."""
        if disturbance != self._disturbance:
            self._report(f"flash: {disturbance}" if disturbance else "the disturbance is over")
            self._disturbance = disturbance
        mode = Mode.FLASH if requests.flash else Mode.RUN
        now = (requests, decision.level, decision.by, decision.cause, disturbance, mode, tuple(decision.faults.items()))
        self._ticks_noted += 1
        if now == self._noted and self._ticks_noted < NOTE_EVERY:
            return
        self._noted, self._ticks_noted = now, 0
        names = [group.name for group in self._site.junction.groups]
        green = sorted(requests.green & set(range(len(names))))
        inputs = {
            "file": self._site.file_hash,
            "state": state_to_list(before),
            "green": green,
            "closed": sorted(requests.closed),
            "flash": requests.flash,
            "level": decision.level.name.lower(),
            "calls": sorted(decision.demand.calls),
            "faults": dict(decision.faults),
        }
        asked = "flash" if requests.flash else f"green for {', '.join(names[n] for n in green) or 'nobody'}"
        cause = disturbance or f"{decision.by}: {decision.cause}"
        self._journal.add(kinds.DecisionBody("signals", asked, cause, inputs))


def state_to_list(state: State) -> list[Any]:
    """A core's state as plain lists, for the journal."""
    return [
        int(state.mode),
        state.age,
        [[int(s), age] for s, age in state.groups],
        list(state.unserved),
        state.serving + 1,
    ]


def state_from_list(data: list[Any]) -> State:
    """The inverse of state_to_list; ValueError, TypeError or IndexError for what it did not write."""
    mode, age, groups, unserved, serving = data
    shown = tuple(core.Shown(core.Indication(indication), ticks) for indication, ticks in groups)
    return State(Mode(mode), age, shown, tuple(unserved), serving - 1)
