"""The polling of one device: what is asked next, and what its answers and silences mean. No I/O here.

Only what failed is bad: each block is asked for itself. One that fails three polls in a row while others answer is cut
in two where it can be, and else asked seldom. A device is left alone only while nothing of it answers.

Whether two counts are one meter's is never taken from the counts alone. The serial number says it: it is read at the
start, after every failure of a whole poll, after every minute without an answer, and as soon as a count is doubted.
Where there is none, only an unbroken watch says it: no meter is exchanged within a minute, or within three polls. What
is counted behind anything else is a new count: a bad reading "<channel>.diff" says so in front of it (see aggregate).

All times are milliseconds that never wrap; `at_ms` is the time that readings carry.
"""

from collections import namedtuple

from .aggregate import NEW_COUNT
from .counter import RESET, Counter
from .modbus import (
    ACKNOWLEDGE,
    BUSY,
    EXCEPTION,
    GATEWAY_PATH,
    GATEWAY_TARGET,
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    LINK,
)
from .modbus_field import FLOAT, decode, signed
from .modbus_plan import Block, cut, plan
from .senml import BAD, GOOD, Reading

# What happened to a device.
UNREACHABLE = "unreachable"
BACK = "back"
REFUSED = "refused"
REPLACED = "replaced"
IDENTIFIED = "identified"
UNWATCHED = "unwatched"

Event = namedtuple("Event", ("kind", "channel", "text", "before", "after"))
"""channel: "" for the whole device; before, after: mantissas of a counter's values, None where there are none."""

Limits = namedtuple("Limits", ("max_registers", "cost", "step", "retries", "interval_ms"))
"""max_registers, cost, step: of modbus_plan.plan; interval_ms: from poll to poll."""

_FAILURES = 3  # in a row before a block, or the serial number, is asked seldom
_SILENT_POLLS = 2  # without an answer before the device is unreachable, and asked seldom
_SILENT_BLOCKS = 3  # of a poll in which nothing answers: the rest would only cost the line its time
_CUTS = 8  # in one poll
_FIRST_PAUSE_MS = 2000
_LAST_PAUSE_MS = 300000
_FIRST_REFUSED_MS = 60000
_LAST_REFUSED_MS = 3600000
_BUSY_PAUSE_MS = 100
_BUSY_RETRIES = 5
_EXCHANGE_MS = 60000  # no meter is exchanged faster
_EXCHANGE_POLLS = 3
_REFUSALS = (ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE)
_IN_ITS_STEAD = (GATEWAY_PATH, GATEWAY_TARGET)  # not the device has answered
_WITHOUT_NUMBER = "not watched for a while, and no serial number"


class _Part:
    """A block, its answer in this poll, and how it did before."""

    def __init__(self, block):
        self.block = block
        self.data = None
        self.at_ms = 0
        self.reason = ""
        self.code = 0  # of the exception that it answered
        self.failed = False  # in this poll
        self.failures = 0  # polls in a row, while others answered
        self.proven = False  # it has answered before
        self.pause_ms = 0  # it is asked seldom
        self.due = 0

    def place(self):
        return self.block.function, self.block.address, self.block.count

    def fail(self, reason: str, code: int) -> None:
        self.reason = reason
        self.code = code
        self.failed = True

    def rest(self, now: int) -> None:
        """Ask it seldom, and each time more so."""
        is_refused = self.code in _REFUSALS
        if not self.pause_ms:
            self.pause_ms = _FIRST_REFUSED_MS if is_refused else _FIRST_PAUSE_MS
        else:
            self.pause_ms = min(2 * self.pause_ms, _LAST_REFUSED_MS if is_refused else _LAST_PAUSE_MS)
        self.due = now + self.pause_ms


class Poll:
    """begin(), then ask what next() says until it is None, and take the readings() and the `events`."""

    def __init__(self, fields, limits, serial=None, counters=()):
        """fields: modbus_field.Field of every channel; limits: Limits; serial: the serial number's Field, or None;
        counters: (channel, Counter) of the counters."""
        self._fields = fields
        self._limits = limits
        self._counters = dict(counters)
        self._cuts = []
        self._whole_again = 0  # when the cuts are forgotten
        self._whole_pause_ms = _FIRST_REFUSED_MS
        self._parts = []
        self._order = []
        self._tries = self._busy = self._silent = self._cut_now = 0
        self._heard = self._link_lost = False
        self._now = 0
        self._probe = 0
        self._failed_polls = 0
        self._resume_at = None  # not asked before this
        self.not_before = 0
        self.unreachable = False
        self.is_good = False  # the last poll had a value of all that the device does not refuse
        self.events = []
        self._marks = []  # (channel, why it is a new count)
        self._serial = _Part(Block(serial.function, serial.address, serial.count, ())) if serial else None
        self._serial_now = False  # it is asked next
        self._serial_wanted = self._serial is not None
        self._proof_due = False  # nothing says yet that it is the same meter
        self._answered_at = None  # the last time
        self.serial = None  # the last one that it told
        self._plan()

    def restore(self, serial, counts, at) -> None:
        """What was known before this start. serial: bytes or None; counts: {channel: mantissa}; at: as of a Counter."""
        self.serial = serial
        self._answered_at = at
        self._proof_due = at is None
        for channel in counts:
            if channel in self._counters:
                self._counters[channel].restore(counts[channel], at)

    def known(self):
        """(serial, counts, at) for the restore() of another Poll of the same device."""
        counts = {}
        for channel in self._counters:
            if self._counters[channel].last is not None:
                counts[channel] = self._counters[channel].last
        return self.serial, counts, self._answered_at

    # ---- one poll

    def begin(self, now: int) -> None:
        """A new poll."""
        self._now = now
        self._tries = self._busy = self._silent = self._cut_now = 0
        self._heard = self._link_lost = self._serial_now = False
        if self._cuts and now >= self._whole_again and not [part for part in self._parts if part.pause_ms]:
            self._forget_cuts()
            self._whole_pause_ms = min(2 * self._whole_pause_ms, _LAST_REFUSED_MS)
        for part in self._parts:
            part.data = None
            part.failed = False
        self._order = []
        if self._resume_at is not None and now < self._resume_at:
            return
        asked = [part for part in self._parts if not part.pause_ms]
        seldom = [part for part in self._parts if part.pause_ms and now >= part.due]
        if self._failed_polls:
            self._probe += 1  # another block each time: one may be silent for ever
            at = self._probe % len(asked) if asked else 0
            asked = asked[at:] + asked[:at]
        # What failed before comes behind what did not, and of what is asked seldom one at a time.
        self._order = [part for part in asked if not part.failures] + [part for part in asked if part.failures]
        self._order += seldom[:1]

    def next(self):
        """The block to read next, None when the poll is over."""
        if self._serial_now:
            return self._serial.block
        return self._order[0].block if self._order else None

    def answered(self, data: bytes, now: int, at_ms: int) -> None:
        """The answer to what next() said."""
        self._now = now
        self._tries = self._busy = 0
        if self._serial_now:
            self._identified(data)
            return
        part = self._order.pop(0)
        part.data = data
        part.at_ms = at_ms
        part.proven = True
        if not self._heard or self._answered_at is None:
            self._first_answer(now)
        self._heard = True
        self._answered_at = now
        self._resume_at = None

    def failed(self, error, now: int) -> None:
        """What next() said has failed with a ModbusError."""
        self._now = now
        self.not_before = now
        refused = error.kind == EXCEPTION
        is_seldom = not self._serial_now and self._order[0].pause_ms
        if refused and error.code in (BUSY, ACKNOWLEDGE) and self._busy < _BUSY_RETRIES and not is_seldom:
            self._busy += 1
            self.not_before = now + _BUSY_PAUSE_MS
            return
        if error.kind == LINK:
            self._lost(error.text)
            return
        silent = not refused or error.code in _IN_ITS_STEAD
        again = self._resume_at is None and (self._heard or not self._silent)
        if not refused and again and self._tries < self._limits.retries:
            self._tries += 1
            return
        self._tries = 0
        if self._serial_now:
            self._not_identified()
            return
        part = self._order[0]
        if error.code in _REFUSALS and not part.proven and self._cut_now < _CUTS and self._cut(part):
            self._cut_now += 1
            return
        self._order.pop(0)
        part.fail(error.text, error.code)
        if part.pause_ms:
            part.rest(now)
        if not silent:
            self._resume_at = None
        elif not self._heard:
            self._silent += 1
            if self._silent >= (1 if self._resume_at is not None else _SILENT_BLOCKS):
                self._fail_the_rest(error.text)

    def _lost(self, text: str) -> None:
        self._link_lost = True
        if self._serial_now:
            self._serial_now = False
            self._serial_wanted = True
        self._fail_the_rest(text)

    def _fail_the_rest(self, text: str) -> None:
        for part in self._order:
            part.fail(text, 0)
        self._order = []

    # ---- its end

    def readings(self, now: int, at_ms: int) -> list:
        """The readings of the poll that is over, a bad one for what has failed; `events` has what happened."""
        was_asked = any([part.data is not None or part.failed for part in self._parts])
        resting = "unreachable" if self._resume_at is not None and not was_asked else ""
        made = []
        for part in self._parts:
            for field in part.block.fields:
                made.append(self._reading(field, part, resting, at_ms))
        self.is_good = self._heard and all([not part.failed or part.code in _REFUSALS for part in self._parts])
        if self._heard:
            self._went_well(now)
        elif was_asked:
            self._went_wrong(now)
        return self._watched(made, now) if self._counters else made

    def _went_well(self, now: int) -> None:
        if self.unreachable:
            self._event(BACK, "", "answers again")
            self._whole_again = now
        self.unreachable = False
        self._failed_polls = 0
        counted = []
        for part in list(self._parts):
            if part in counted:
                continue
            counted.append(part)
            if part.data is not None:
                part.failures = 0
                if part.pause_ms:
                    part.pause_ms = 0
                    for field in part.block.fields:
                        self._event(BACK, field.channel, "answers again")
                    # Where it was refused the plan was cut: perhaps for nothing.
                    self._whole_again = now
            elif part.failed and not self._link_lost and not part.pause_ms:
                part.failures += 1
                if part.failures >= _FAILURES and (part.code in _IN_ITS_STEAD or not self._cut(part)):
                    part.rest(now)
                    for field in part.block.fields:
                        self._event(REFUSED, field.channel, part.reason)

    def _went_wrong(self, now: int) -> None:
        """Nothing has given a value."""
        self._failed_polls += 1
        self._serial_wanted = self._serial is not None
        failed = [part for part in self._parts if part.failed]
        if self._failed_polls >= _SILENT_POLLS:
            if not self._link_lost and all([not part.code or part.code in _IN_ITS_STEAD for part in failed]):
                # The line is for the others: 2 s, 4 s ... 5 min, then one probe each time.
                pause = min(_FIRST_PAUSE_MS << min(self._failed_polls - _SILENT_POLLS, 10), _LAST_PAUSE_MS)
                self._resume_at = now + pause
            if not self.unreachable:
                self.unreachable = True
                self._event(UNREACHABLE, "", failed[0].reason)
        if self._failed_polls <= _FAILURES and self._cut_now:
            self._forget_cuts()  # it refuses all, as some do while they start: that says nothing of a block

    # ---- whose counts they are

    def _first_answer(self, now: int) -> None:
        """Of a poll: perhaps it is another meter that answers now."""
        gap = None if self._answered_at is None else now - self._answered_at
        if self._serial and self._serial.pause_ms and now >= self._serial.due:
            self._serial_wanted = True
        if gap is None or gap > _EXCHANGE_MS:
            self._serial_wanted = self._serial is not None
        if gap is not None and gap > max(_EXCHANGE_MS, _EXCHANGE_POLLS * self._limits.interval_ms):
            self._proof_due = True
        if self._serial and self._serial.pause_ms and now < self._serial.due:
            self._serial_wanted = False
        self._serial_now, self._serial_wanted = self._serial_wanted, False

    def _identified(self, serial: bytes) -> None:
        self._serial_now = False
        if not serial.strip(b"\x00") or not serial.strip(b"\xff") or not serial.strip(b" "):
            self._not_identified()  # what a register says that says nothing
            return
        self._serial.failures = self._serial.pause_ms = 0
        before, self.serial = self.serial, serial
        if before == serial:
            self._proof_due = False
        elif before is None:
            self._event(IDENTIFIED, "", "serial number %s" % _hex(serial))
        else:
            self._event(REPLACED, "", "serial number %s before, %s now" % (_hex(before), _hex(serial)))
            self._proof_due = False
            for channel in self._counters:
                last = self._counters[channel].restart()
                if last is not None:
                    self._events_of(REPLACED, channel, "the old meter's last count", last, None)
                self._marks.append((channel, "meter replaced, another serial number"))

    def _not_identified(self) -> None:
        """Not every device of a kind tells its number, and some not at once: it is asked again, then seldom."""
        self._serial_now = False
        serial = self._serial
        serial.failures += 1
        if serial.failures < _FAILURES:
            self._serial_wanted = True
            return
        serial.code = ILLEGAL_ADDRESS
        serial.rest(self._now)

    def _prove(self) -> str:
        """Why counters are held back in this poll, "" where they are not."""
        if not self._proof_due:
            return ""
        if self._serial_wanted and self.serial is not None:
            return "serial number not read, perhaps another meter"
        self._proof_due = False
        for channel in self._counters:
            self._marks.append((channel, _WITHOUT_NUMBER))
        self._event(UNWATCHED, "", "%s: perhaps another meter" % _WITHOUT_NUMBER)
        return ""

    def _watched(self, readings: list, now: int) -> list:
        held = self._prove() if self._heard else ""
        made = []
        for reading in readings:
            counter = self._counters.get(reading.channel)
            if counter is None or reading.mantissa is None:
                made.append(reading)
                continue
            reason, change = held, None
            if not held:
                doubted = counter.is_doubted
                reason, change = counter.check(reading.mantissa, now)
                if reason and not doubted:
                    self._serial_wanted = self._serial is not None
            if change:
                text = "counter rolled over"
                if change.kind == RESET:
                    text = "counter went back" if change.after < change.before else "counter jumped"
                self._events_of(change.kind, reading.channel, text, change.before, change.after)
                self._marks.append((reading.channel, text))
            made.append(_bad(reading, reason, reading.time_ms) if reason else reading)
        if not self._marks:
            return made
        # In front of the counts: what comes behind a mark does not continue what came before it.
        marks = []
        for channel, why in self._marks:
            for field in self._fields:
                if field.channel == channel:
                    text = "%s: %s" % (NEW_COUNT, why)
                    marks.append(Reading(channel + ".diff", field.unit, None, 0, BAD, text, made[0].time_ms))
        self._marks = []
        return marks + made

    # ---- plan and decode

    def _plan(self) -> None:
        """Blocks for all fields; what is known of a block that stays is kept."""
        known = {}
        for part in self._parts:
            known[part.place()] = part
        limits = self._limits
        self._parts = []
        beside = self._serial and (self._serial.block.function, self._serial.block.count)
        for block in plan(self._fields, limits.max_registers, limits.cost, self._cuts, limits.step, beside):
            part = _Part(block)
            old = known.get(part.place())
            if old:
                old.block = block
                part = old
            known[part.place()] = part  # a plan may ask for a block twice: they share their state
            self._parts.append(part)

    def _cut(self, part) -> bool:
        """Ask for this block in two from now on, in this poll too if it is not over."""
        place = cut(part.block)
        if place is None or place in self._cuts:
            return False
        if not self._cuts:
            self._whole_again = self._now + self._whole_pause_ms
        self._cuts.append(place)
        self._plan()
        for one in self._parts:
            one.reason = one.reason or part.reason
        if self._order:
            self._order = [one for one in self._parts if one.data is None and not one.failed and not one.pause_ms]
        return True

    def _forget_cuts(self) -> None:
        self._cuts = []
        self._plan()

    def _reading(self, field, part, resting: str, at_ms: int):
        if part.data is None:
            return Reading(field.channel, field.unit, None, 0, BAD, resting or part.reason or "not asked", at_ms)
        scale, reason = 0, ""
        if field.scale is not None:
            scale, reason = self._scale(field)
        mantissa = None
        if not reason:
            start = 2 * (field.address - part.block.address)
            mantissa, reason = decode(field, part.data[start : start + 2 * field.count], scale)
        if mantissa is None:
            return Reading(field.channel, field.unit, None, 0, BAD, reason, part.at_ms)
        return Reading(field.channel, field.unit, mantissa, field.exponent, GOOD, "", part.at_ms)

    def _scale(self, field):
        """(content of the field's scale register, ""), or (0, reason). It may stand in another block than the field."""
        for part in self._parts:
            block = part.block
            if block.function == field.function and block.address <= field.scale < block.address + block.count:
                if part.data is None:
                    return 0, part.reason or "no scale factor"
                at = 2 * (field.scale - block.address)
                return signed(part.data[at] << 8 | part.data[at + 1], 16), ""
        return 0, "no scale factor"

    def _event(self, kind: str, channel: str, text: str) -> None:
        self.events.append(Event(kind, channel, text, None, None))

    def _events_of(self, kind: str, channel: str, text: str, before, after) -> None:
        self.events.append(Event(kind, channel, text, before, after))


def counters(fields, rollover: dict, resets, max_power_w: int) -> list:
    """(channel, Counter) of every energy register among `fields`.

    rollover: {channel: mantissa at which it begins again}; resets: channels that begin again by design.
    """
    made = []
    for field in fields:
        if field.channel.startswith("energy_"):
            count = abs(field.factor) * 10 ** max(0, field.shift)
            counter = Counter(
                field.exponent,
                count,
                field.kind == FLOAT,
                rollover.get(field.channel),
                field.channel in resets,
                max_power_w,
            )
            made.append((field.channel, counter))
    return made


def _bad(reading, reason: str, at_ms: int):
    return Reading(reading.channel, reading.unit, None, 0, BAD, reason, at_ms)


def _hex(data: bytes) -> str:
    return "".join(["%02x" % byte for byte in data])
