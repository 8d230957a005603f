"""One meter: its registers become readings, good ones or bad ones with a reason."""

from micropython import const
from wayside_wire.modbus import EXCEPTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusError
from wayside_wire.modbus_field import decode
from wayside_wire.modbus_plan import cut, plan, request_cost
from wayside_wire.pack import BAD, GOOD, Reading

_TURNAROUND_US = const(20000)  # what a meter takes before it answers; decides which gaps are worth reading
_FAILURES = const(3)  # polls without any answer before the meter is left alone for a while
_FIRST_PAUSE_MS = const(2000)
_LAST_PAUSE_MS = const(300000)


class Meter:
    """poll() asks the bus once. A meter that is silent is asked ever more rarely, so that others keep their time."""

    def __init__(self, settings, bus, baud: int, clock):
        """settings: config.Meter."""
        self.device = settings.device
        self._settings = settings
        self._bus = bus
        self._clock = clock
        # Registers in a gap are read when that costs less than a request; never where the device has none there.
        self._cost = request_cost(11000000 // baud, _TURNAROUND_US) if settings.profile.read_gaps else 1
        self._cuts = []
        self._blocks = []
        self._plan()
        self._failures = 0
        self._pause_ms = _FIRST_PAUSE_MS
        self._asleep_until = 0

    async def poll(self) -> list[Reading]:
        """A reading of every channel. time_ms is the clock's now() at the answer."""
        if self._clock.now() < self._asleep_until:
            return self._all_bad("unreachable")
        answers = []
        readings = []
        answered = False
        for block in self._blocks:
            data, reason = await self._ask(block)
            answered = answered or data is not None or reason.startswith(EXCEPTION)
            answers.append((block, data, reason, self._clock.now()))
            if not answered:
                break  # the rest would only cost the line its time
        self._note(answered)
        if not answered:
            return self._all_bad(answers[0][2])
        for block, data, reason, at_ms in answers:
            for field in block.fields:
                readings.append(_reading(field, block, data, reason, at_ms, answers))
        return readings

    async def _ask(self, block):
        """(data, "") or (None, reason)."""
        settings = self._settings
        if settings.profile.min_gap_ms:
            await self._clock.sleep_ms(settings.profile.min_gap_ms)
        try:
            data = await self._bus.read(
                settings.unit, block.function, block.address, block.count, settings.timeout_ms, settings.quiet_ms
            )
            return data, ""
        except ModbusError as error:
            if error.kind == EXCEPTION and error.code in (ILLEGAL_ADDRESS, ILLEGAL_VALUE):
                self._split(block)
            return None, error.text

    def _split(self, block) -> None:
        """The device refuses this block: from the next poll on it is asked in two."""
        place = cut(block)
        if place and place not in self._cuts:
            self._cuts.append(place)
            self._plan()

    def _plan(self) -> None:
        profile = self._settings.profile
        self._blocks = plan(profile.fields, profile.max_registers, self._cost, self._cuts, profile.step)

    def _note(self, answered: bool) -> None:
        if answered:
            self._failures = 0
            self._pause_ms = _FIRST_PAUSE_MS
            return
        self._failures += 1
        if self._failures >= _FAILURES:
            self._asleep_until = self._clock.now() + self._pause_ms
            self._pause_ms = min(2 * self._pause_ms, _LAST_PAUSE_MS)

    def _all_bad(self, reason: str) -> list[Reading]:
        now = self._clock.now()
        return [
            Reading(field.channel, field.unit, None, 0, BAD, reason, now)
            for block in self._blocks
            for field in block.fields
        ]


def _reading(field, block, data, reason: str, at_ms: int, answers):
    mantissa = None
    if data is not None:
        start = 2 * (field.address - block.address)
        scale = 0
        if field.scale is not None:
            scale, reason = _scale(field, answers)
        if not reason:
            mantissa, reason = decode(field, data[start : start + 2 * field.count], scale)
    if mantissa is None:
        return Reading(field.channel, field.unit, None, 0, BAD, reason, at_ms)
    return Reading(field.channel, field.unit, mantissa, field.exponent, GOOD, "", at_ms)


def _scale(field, answers):
    """(content of the field's scale register, ""), or (0, reason). It may stand in another block than the field."""
    for block, data, reason, _ in answers:
        if block.function == field.function and block.address <= field.scale < block.address + block.count:
            if data is None:
                return 0, reason
            at = 2 * (field.scale - block.address)
            value = data[at] << 8 | data[at + 1]
            return (value - 0x10000 if value & 0x8000 else value), ""
    return 0, "no scale factor"
