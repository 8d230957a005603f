"""Whose counts a device's counters show: its serial number, and what is counted behind a doubt. No I/O here.

Whether two counts are one meter's is never taken from the counts alone. The serial number says it: it is read at the
start, after every failure of a whole poll, after every minute without an answer, and as soon as a count is doubted.
Where there is none, only an unbroken watch says it: no meter is exchanged within a minute, or within three polls. What
is counted behind anything else is a new count: a bad reading "<channel>.diff" says so in front of it (see aggregate).

All times are milliseconds that never wrap.
"""

from hashlib import sha256

from .aggregate import DIFFERENCE, JUMPED, NEW_COUNT, WENT_BACK
from .counter import RESET, Counter
from .modbus import ILLEGAL_ADDRESS
from .modbus_block import FAILURES, BlockState
from .modbus_field import FLOAT, MOST_SCALE
from .modbus_plan import Block
from .senml import BAD, Reading

# What happened to a device.
REPLACED = "replaced"
IDENTIFIED = "identified"
UNWATCHED = "unwatched"

_EXCHANGE_MS = 60000  # no meter is exchanged faster
_EXCHANGE_POLLS = 3
WITHOUT_COUNT = "its last count is not known"
_WITHOUT_NUMBER = "not watched for a while, and no serial number"


def is_counter(channel: str) -> bool:
    """Whether what is reported under this name only grows."""
    return channel.startswith("energy_") and "." not in channel


def belonging(unit: int, part: int, profile: str, fields) -> bytes:
    """8 bytes for what is counted in `fields`: others for another unit or part of the device, for other registers, or
    for the same registers with another ratio. Where they differ, one count does not continue the other."""
    counts = [(field.channel, _meaning(field)) for field in fields if is_counter(field.channel)]
    return sha256(repr((unit, part, profile, counts)).encode()).digest()[:8]


def _meaning(field):
    """All of a Field that makes a number of registers."""
    more = field.more and (
        field.more.divisor, field.more.offset, field.more.words, [_meaning(term) for term in field.more.terms]
    )  # fmt: skip
    return (
        field.unit, field.exponent, field.function, field.address, field.count, field.kind, field.words_low_first,
        field.bytes_low_first, field.shift, field.factor, field.scale, field.mask, more,
    )  # fmt: skip


class Counts:
    """The counters of one device, and the serial number that says whose they are."""

    def __init__(self, fields, serial, counters, interval_ms: int, tell):
        """fields, serial, counters: as of a Poll; interval_ms: from poll to poll; tell(kind, channel, text, before,
        after) is given what happens, as of an Event."""
        self._fields = fields
        self._counters = dict(counters)
        self._interval_ms = interval_ms
        self._tell = tell
        self._marks = []  # (channel, why it is a new count)
        self._state = BlockState(Block(serial.function, serial.address, serial.count, ())) if serial else None
        self._wanted = self._state is not None  # the serial number, with the next poll that is answered
        self._proof_due = False  # nothing says yet that it is the same meter
        self._answered_at = None  # the last time
        self.is_asked = False  # the serial number is asked next
        self.serial = None  # the last one that the device told

    def restore(self, serial, counts, at, doubted=()) -> None:
        """What was known before this start: as of Poll.restore."""
        self.serial = serial
        self._answered_at = at
        self._proof_due = at is None and any([channel in counts for channel in self._counters])
        for channel in self._counters:
            if channel in counts:
                self._counters[channel].restore(counts[channel], at, channel in doubted)
            else:
                self._marks.append((channel, WITHOUT_COUNT))  # the device has counted before

    def known(self):
        """(serial, counts, at, doubted) for the restore() of another."""
        counts = {}
        doubted = []
        for channel in self._counters:
            if self._counters[channel].last is not None:
                counts[channel] = self._counters[channel].last
                if self._counters[channel].is_doubted:
                    doubted.append(channel)
        return self.serial, counts, None if self._proof_due else self._answered_at, doubted

    # ---- the serial number

    @property
    def block(self):
        """Where the serial number stands, None where there is none."""
        return self._state and self._state.block

    def begin(self) -> None:
        """A new poll."""
        self.is_asked = False

    def want(self) -> None:
        """Read the serial number with the next poll that is answered, where there is one."""
        self._wanted = self._state is not None

    def put_off(self) -> None:
        """The line was lost: what is asked now is asked again in another poll."""
        if self.is_asked:
            self.is_asked = False
            self._wanted = True

    def answered(self, now: int, is_first: bool) -> None:
        """A block of the device was answered; is_first: of this poll."""
        if is_first or self._answered_at is None:
            self._first_answer(now)
        self._answered_at = now

    def _first_answer(self, now: int) -> None:
        """Of a poll: perhaps it is another meter that answers now."""
        gap = None if self._answered_at is None else now - self._answered_at
        if self._state and self._state.pause_ms and now >= self._state.due:
            self._wanted = True
        if gap is None or gap > _EXCHANGE_MS:
            self.want()
        if gap is not None and gap > max(_EXCHANGE_MS, _EXCHANGE_POLLS * self._interval_ms):
            self._proof_due = True
        if self._state and self._state.pause_ms and now < self._state.due:
            self._wanted = False
        self.is_asked, self._wanted = self._wanted, False

    def identified(self, serial: bytes, now: int) -> None:
        """What the registers of the serial number hold."""
        self.is_asked = False
        if not serial.strip(b"\x00") or not serial.strip(b"\xff") or not serial.strip(b" "):
            self.not_identified(now)  # what a register says that says nothing
            return
        self._state.failures = self._state.pause_ms = 0
        before, self.serial = self.serial, serial
        if before == serial:
            self._proof_due = False
        elif before is None:
            self._tell(IDENTIFIED, "", "serial number %s" % _hex(serial))
        else:
            self._tell(REPLACED, "", "serial number %s before, %s now" % (_hex(before), _hex(serial)))
            self._proof_due = False
            for channel in self._counters:
                last = self._counters[channel].restart()
                if last is not None:
                    self._tell(REPLACED, channel, "the old meter's last count", last)
                self._marks.append((channel, "meter replaced, another serial number"))

    def not_identified(self, now: int) -> None:
        """Not every device of a kind tells its number, and some not at once: it is asked again, then seldom."""
        self.is_asked = False
        state = self._state
        state.failures += 1
        if state.failures < FAILURES:
            self._wanted = True
            return
        state.code = ILLEGAL_ADDRESS
        state.rest(now)

    # ---- the counts

    def scaled(self, field, scale: int) -> None:
        """The content of a field's scale register: it says what one count is now."""
        counter = self._counters.get(field.channel)
        if counter:
            counter.count = _count(field, scale)

    def watched(self, readings: list, now: int, heard: bool) -> list:
        """The readings of a poll, with a bad one for each count that is doubted, behind what says where counts are new.

        heard: whether the device has answered in this poll.
        """
        if not self._counters:
            return readings
        held = self._prove() if heard else ""
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
                    self.want()
            if change:
                text = "counter rolled over"
                if change.kind == RESET:
                    text = WENT_BACK if change.after < change.before else JUMPED
                self._tell(change.kind, reading.channel, text, change.before, change.after)
                self._marks.append((reading.channel, text))
            if reason:
                made.append(Reading(reading.channel, reading.unit, None, 0, BAD, reason, reading.time_ms))
            else:
                made.append(reading)
        if not self._marks:
            return made
        # In front of the counts: what comes behind a mark does not continue what came before it.
        marks = []
        for channel, why in self._marks:
            for field in self._fields:
                if field.channel == channel:
                    text = "%s: %s" % (NEW_COUNT, why)
                    marks.append(Reading(channel + DIFFERENCE, field.unit, None, 0, BAD, text, made[0].time_ms))
        self._marks = []
        return marks + made

    def _prove(self) -> str:
        """Why counters are held back in this poll, "" where they are not."""
        if not self._proof_due:
            return ""
        if self._wanted and self.serial is not None:
            return "serial number not read, perhaps another meter"
        self._proof_due = False
        for channel in self._counters:
            self._marks.append((channel, _WITHOUT_NUMBER))
        self._tell(UNWATCHED, "", "%s: perhaps another meter" % _WITHOUT_NUMBER)
        return ""


def counters(fields, rollover: dict, resets, max_power_w: int) -> list:
    """(channel, Counter) of every energy register among `fields`.

    rollover: {channel: mantissa at which it begins again}; resets: channels that begin again by design.
    """
    made = []
    for field in fields:
        if is_counter(field.channel):
            counter = Counter(
                field.exponent,
                _count(field, 0),
                field.kind == FLOAT and field.count == 2,
                rollover.get(field.channel),
                field.channel in resets,
                max_power_w,
            )
            made.append((field.channel, counter))
    return made


def _count(field, scale: int) -> int:
    """Mantissas of one count of the register, the finest of a sum; 1 of a float: what its bits resolve is finer."""
    if field.kind == FLOAT:
        return 1
    divisor = field.more.divisor if field.more else 1
    shift = field.shift + max(-MOST_SCALE, min(scale, MOST_SCALE))
    # Rounded up: a reading moves by a whole mantissa.
    count = -(-abs(field.factor) * 10 ** max(0, shift) // (divisor * 10 ** max(0, -shift)))
    for term in field.more.terms if field.more else ():
        count = min(count, _count(term, 0))
    return count


def _hex(data: bytes) -> str:
    return "".join(["%02x" % byte for byte in data])
