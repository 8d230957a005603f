"""The polling of one device: what is asked next, and what its answers and silences mean. No I/O here.

Only what failed is bad: each block is asked for itself. One that fails three polls in a row while others answer is cut
in two where it can be, and else asked seldom. A device is left alone only while nothing of it answers.

Whose counts they are is modbus_counts' to say.

All times are milliseconds that never wrap; `at_ms` is the time that readings carry.
"""

from collections import namedtuple

from .modbus import ACKNOWLEDGE, BUSY, DOUBTFUL, EXCEPTION, IN_ITS_STEAD, LINK, NEVER_SILENT, REFUSALS
from .modbus_block import (
    FAILURES,
    FIRST_PAUSE_MS,
    FIRST_REFUSED_MS,
    LAST_PAUSE_MS,
    LAST_REFUSED_MS,
    BlockState,
)
from .modbus_counts import Counts
from .modbus_field import decode, signed
from .modbus_plan import cut, plan
from .possible import is_possible
from .senml import BAD, GOOD, Reading

# What happened to a device, beside what modbus_counts and counter say.
UNREACHABLE = "unreachable"
BACK = "back"
REFUSED = "refused"

Event = namedtuple("Event", ("kind", "channel", "text", "before", "after"))
"""channel: "" for the whole device; before, after: mantissas of a counter's values, None where there are none."""

PollLimits = namedtuple("PollLimits", ("max_registers", "cost", "step", "retries", "interval_ms"))
"""max_registers, cost, step: of modbus_plan.plan; interval_ms: from poll to poll."""

_SILENT_POLLS = 2  # without an answer before the device is unreachable, and asked seldom
_SILENT_BLOCKS = 3  # of a poll in which nothing answers: the rest would only cost the line its time
_CUTS = 8  # in one poll
_REFUSALS = 16  # requests of a poll in which nothing has answered but exceptions: the others' turn is in the next one
_SILENCED = 2  # times behind one block before it is to blame: a device that is starting does so by chance
_COSTLY_MS = 600000  # from one question that may silence the whole device to the next, at most
_BUSY_PAUSE_MS = 100
_BUSY_RETRIES = 5
_IMPOSSIBLE = "no such value is possible"


class Poll:
    """begin(), then ask what next() says until it is None, and take the readings() and the `events`."""

    def __init__(self, fields, limits, serial=None, counters=()):
        """fields: modbus_field.RegisterField of every channel; limits: PollLimits; serial: the serial number's Field or
        Block, or None; counters: (channel, Counter) of the counters."""
        self._fields = fields
        self._limits = limits
        self._cuts = []
        self._whole_again = 0  # when the cuts are forgotten
        self._whole_pause_ms = FIRST_REFUSED_MS
        self._states = []
        self._order = []
        self._tries = self._busy = self._silent = self._cut_now = 0
        self._heard = self._link_lost = False
        self._now = 0
        self._probe = 0
        self._refused = 0  # requests of this poll that were answered by exceptions, before anything else
        self._silent_first = None  # what was not answered first, since something was, in a poll that was answered
        self._is_blamed = False  # it was, for what could not be asked behind it
        self._costly_from = 0  # no costly block is asked before this
        self._costly_pause_ms = FIRST_REFUSED_MS
        self._failed_since = 0  # of the polls without a value
        self._refuses = False  # it does nothing else and is asked seldom
        self._rests = 0  # how often in a row it was left alone
        self._told = set()  # channels that REFUSED was told of, and BACK not since
        self._failed_polls = 0
        self._resume_at = None  # not asked before this
        self.not_before = 0
        self.unreachable = False
        self.is_good = False  # the last poll had a value of all that the device does not refuse
        self.events = []
        self._counts = Counts(fields, serial, counters, limits.interval_ms, self._event)
        self._plan()

    def restore(self, serial, counts, at, doubted=()) -> None:
        """What was known before this start. serial: bytes or None; counts: {channel: mantissa}; at: as of a Counter;
        doubted: channels of these that were held back since."""
        self._counts.restore(serial, counts, at, doubted)

    def known(self):
        """(serial, counts, at, doubted) for the restore() of another Poll of the same device."""
        return self._counts.known()

    @property
    def serial(self):
        """The registers of the serial number that the device told last, None before."""
        return self._counts.serial

    # ---- one poll

    def begin(self, now: int) -> None:
        """A new poll."""
        self._now = now
        self._tries = self._busy = self._silent = self._cut_now = 0
        self._heard = self._link_lost = False
        self._counts.begin()
        is_due = now >= self._whole_again and not self._refuses
        if self._cuts and is_due and not [state for state in self._states if state.pause_ms]:
            self._forget_cuts()
            self._whole_pause_ms = min(2 * self._whole_pause_ms, LAST_REFUSED_MS)
        for state in self._states:
            state.data = None
            state.failed = state.is_barred = False
        refused, self._refused = self._refused, 0
        self._order = []
        if self._resume_at is not None and now < self._resume_at:
            return
        asked = [state for state in self._states if not state.pause_ms]
        spared = now < self._costly_from
        seldom = [
            state for state in self._states if state.pause_ms and now >= state.due and not (spared and state.is_costly)
        ]
        if self._failed_polls:
            self._probe += max(1, refused)  # others each time: one may be silent for ever
            at = self._probe % len(asked) if asked else 0
            asked = asked[at:] + asked[:at]
        # What has never answered or failed before comes behind what answers, and of what is asked seldom one at a time.
        well = [state for state in asked if state.proven and not state.failures]
        self._order = well + [state for state in asked if state not in well]
        self._order += seldom[:1]
        if seldom and seldom[0].is_costly:
            self._spare_costly(now)

    def next(self):
        """The block to read next, None when the poll is over."""
        if self._counts.is_asked:
            return self._counts.block
        return self._order[0].block if self._order else None

    def answered(self, data: bytes, now: int, at_ms: int) -> None:
        """The answer to what next() said."""
        self._now = now
        self._tries = self._busy = 0
        if self._counts.is_asked:
            self._counts.identified(data, now)
            return
        state = self._order.pop(0)
        state.data = data
        state.at_ms = at_ms
        state.proven = True
        if state.is_costly:
            # It was not to blame, nor need the others be.
            self._costly_from = now
            self._costly_pause_ms = FIRST_REFUSED_MS
        state.is_costly = False
        state.silenced = 0
        self._silent_first = None
        self._is_blamed = False
        self._counts.answered(now, not self._heard)
        self._heard = True
        self._resume_at = None
        self._refuses = False

    def failed(self, error, now: int) -> None:
        """What next() said has failed with a ModbusError."""
        self._now = now
        self.not_before = now
        refused = error.kind == EXCEPTION
        is_seldom = self._refuses or (not self._counts.is_asked and self._order[0].pause_ms)
        if refused and error.code in (BUSY, ACKNOWLEDGE) and self._busy < _BUSY_RETRIES and not is_seldom:
            self._busy += 1
            self.not_before = now + _BUSY_PAUSE_MS
            return
        if error.kind in (LINK, NEVER_SILENT):
            self._lost(error.text)
            return
        silent = not refused or error.code in IN_ITS_STEAD
        again = self._resume_at is None and (self._heard or not self._silent)
        if not refused and again and self._tries < self._limits.retries:
            self._tries += 1
            return
        self._tries = 0
        if self._counts.is_asked:
            self._counts.not_identified(now)
            return
        state = self._order[0]
        if silent and self._heard and self._silent_first is None:
            self._silent_first = state
        rests = state.pause_ms
        if error.kind == DOUBTFUL:
            state.is_barred = state is not self._silent_first
            self._blame(now)
        if not silent and not self._heard:
            self._refused += 1
        is_cut = error.code in REFUSALS and not state.proven and self._cut_now < _CUTS and not self._refuses
        if is_cut and self._refused < _REFUSALS and self._cut(state):
            self._cut_now += 1
            return
        self._order.pop(0)
        state.fail(error.text, error.code)
        if rests:
            state.rest(now)
        if not silent:
            if not self._refuses:
                self._resume_at = None
            if self._refused >= _REFUSALS and not self._heard:
                self._fail_the_rest(error.text)
        elif not self._heard:
            self._silent += 1
            if self._silent >= (1 if self._resume_at is not None else _SILENT_BLOCKS):
                self._fail_the_rest(error.text)

    def _blame(self, now: int) -> None:
        """Because one block was silent the others cannot be asked for a while: a device that says nothing to any other
        question (see modbus_guard). Where others had answered before it, and again, it is that block. What has never
        answered is asked seldom then at once.

        What is silent before anything has answered says nothing of a block: the device is off, or starts.
        """
        state = self._silent_first
        if state is None or self._is_blamed:
            return
        self._is_blamed = True
        state.silenced += 1
        if state.silenced < _SILENCED:
            return
        state.is_costly = True
        if not state.proven and not state.pause_ms:
            state.rest(now)
            self._spare_costly(now)
            self._tell_refused(state)

    def _spare_costly(self, now: int) -> None:
        """Ask no costly block for a while, and each time for longer."""
        self._costly_from = now + self._costly_pause_ms
        self._costly_pause_ms = min(2 * self._costly_pause_ms, _COSTLY_MS)

    def _lost(self, text: str) -> None:
        self._link_lost = True
        self._counts.put_off()
        self._fail_the_rest(text)

    def _fail_the_rest(self, text: str) -> None:
        for state in self._order:
            state.fail(text, 0)
        self._order = []

    # ---- its end

    def readings(self, now: int, at_ms: int) -> list:
        """The readings of the poll that is over, a bad one for what has failed; `events` has what happened."""
        was_asked = any([state.data is not None or state.failed for state in self._states])
        resting = "unreachable" if self._resume_at is not None and not was_asked else ""
        made = []
        for state in self._states:
            for field in state.block.fields:
                made.append(self._reading(field, state, resting, at_ms))
        self.is_good = self._heard and all([not state.failed or state.code in REFUSALS for state in self._states])
        if self._heard:
            self._went_well(now)
        elif was_asked:
            self._went_wrong(now)
        return self._counts.watched(made, now, self._heard)

    def _went_well(self, now: int) -> None:
        if self.unreachable:
            self._event(BACK, "", "answers again")
            # What it goes on to refuse is cut for good reason.
            still = [state for state in self._states if state.failed]
            self._whole_again = now + self._whole_pause_ms if still else now
        self.unreachable = False
        self._failed_polls = self._rests = 0
        counted = []
        for state in list(self._states):
            if state in counted:
                continue
            counted.append(state)
            if state.data is not None:
                state.failures = 0
                if state.pause_ms:
                    state.pause_ms = 0
                    # Where it was refused the plan was cut: perhaps for nothing.
                    self._whole_again = now
                self._tell_back(state)
            elif state.failed and not (self._link_lost or state.is_barred or state.pause_ms):
                state.failures += 1
                if state.failures >= FAILURES and (state.code in IN_ITS_STEAD or not self._cut(state)):
                    state.rest(now)
                    self._tell_refused(state)

    def _tell_refused(self, state) -> None:
        """Once for each channel, however often the plan asks for it in another block."""
        for field in state.block.fields:
            if field.channel not in self._told:
                self._told.add(field.channel)
                self._event(REFUSED, field.channel, state.reason or "timeout")

    def _tell_back(self, state) -> None:
        if self._told:
            for field in state.block.fields:
                if field.channel in self._told:
                    self._told.remove(field.channel)
                    self._event(BACK, field.channel, "answers again")

    def _went_wrong(self, now: int) -> None:
        """Nothing has given a value."""
        if not self._failed_polls:
            self._failed_since = now
        self._failed_polls += 1
        self._counts.want()
        failed = [state for state in self._states if state.failed]
        if self._failed_polls >= _SILENT_POLLS:
            is_silent = all([not state.code or state.code in IN_ITS_STEAD for state in failed])
            # Some refuse all while they start, and some give a single register.
            lasts = self._failed_polls > FAILURES and now - self._failed_since >= FIRST_REFUSED_MS
            self._refuses = self._refuses or (lasts and not is_silent and not self._cut_now)
            if not self._link_lost and (is_silent or self._refuses):
                # The line is for the others: 2 s, 4 s ... 5 min, then a probe each time.
                self._resume_at = now + min(FIRST_PAUSE_MS << min(self._rests, 10), LAST_PAUSE_MS)
                self._rests += 1
            if not self.unreachable:
                self.unreachable = True
                self._event(UNREACHABLE, "", failed[0].reason)
        if self._failed_polls <= FAILURES and self._cut_now:
            self._forget_cuts()  # it refuses all, as some do while they start: that says nothing of a block

    # ---- plan and decode

    def _plan(self) -> None:
        """Blocks for all fields; what is known of a block that stays is kept."""
        known = {}
        for state in self._states:
            known[state.place()] = state
        limits = self._limits
        self._states = []
        serial = self._counts.block
        beside = serial and (serial.function, serial.count)
        for block in plan(self._fields, limits.max_registers, limits.cost, self._cuts, limits.step, beside):
            state = BlockState(block)
            old = known.get(state.place())
            if old:
                old.block = block
                state = old
            known[state.place()] = state  # a plan may ask for a block twice: they share their state
            self._states.append(state)

    def _cut(self, state) -> bool:
        """Ask for this block in two from now on, in this poll too if it is not over."""
        place = cut(state.block)
        if place is None or place in self._cuts:
            return False
        if not self._cuts:
            self._whole_again = self._now + self._whole_pause_ms
        self._cuts.append(place)
        self._plan()
        for one in self._states:
            one.reason = one.reason or state.reason
        if self._order:
            self._order = [one for one in self._states if one.data is None and not one.failed and not one.pause_ms]
        return True

    def _forget_cuts(self) -> None:
        self._cuts = []
        self._plan()

    def _reading(self, field, state, resting: str, at_ms: int):
        if state.data is None:
            return Reading(field.channel, field.unit, None, 0, BAD, resting or state.reason or "not asked", at_ms)
        scale, reason = 0, ""
        if field.scale is not None:
            scale, reason = self._scale(field, state)
            if not reason:
                self._counts.scaled(field, scale)
        mantissa = None
        if not reason:
            start = 2 * (field.address - state.block.address)
            mantissa, reason = decode(field, state.data[start : start + 2 * field.count], scale)
        if mantissa is not None and not is_possible(field.unit, mantissa, field.exponent):
            mantissa, reason = None, _IMPOSSIBLE
        if mantissa is None:
            return Reading(field.channel, field.unit, None, 0, BAD, reason, state.at_ms)
        return Reading(field.channel, field.unit, mantissa, field.exponent, GOOD, "", state.at_ms)

    def _scale(self, field, own):
        """(content of the field's scale register, ""), or (0, reason). It may stand in another block than the field."""
        for state in [own] + self._states:
            block = state.block
            if block.function == field.function and block.address <= field.scale < block.address + block.count:
                if state.data is None:
                    return 0, state.reason or "no scale factor"
                at = 2 * (field.scale - block.address)
                return signed(state.data[at] << 8 | state.data[at + 1], 16), ""
        return 0, "no scale factor"

    def _event(self, kind: str, channel: str, text: str, before=None, after=None) -> None:
        self.events.append(Event(kind, channel, text, before, after))
