"""One meter on a bus: asks it what wayside_wire.modbus_poll wants to know, the same as on a gateway."""

from micropython import const
from wayside_wire.counter import MAX_POWER_W
from wayside_wire.modbus import ModbusError
from wayside_wire.modbus_counts import belonging, counters
from wayside_wire.modbus_plan import NO_GAPS, request_cost
from wayside_wire.modbus_poll import Poll, PollLimits
from wayside_wire.pack import BAD, Reading

_TURNAROUND_US = const(20000)  # what a meter takes before it answers; decides which gaps are worth reading
_RETRIES = const(1)


class Meter:
    """poll() asks the bus once. A meter that is silent is asked ever more rarely, so that others keep their time."""

    def __init__(self, settings, bus, baud: int, clock, report=None):
        """settings: config.MeterSettings; report(text) is told what happens to the meter."""
        self.device = settings.device
        self._settings = settings
        self._bus = bus
        self._clock = clock
        self._report = report
        profile = settings.profile
        # Registers in a gap are read when that costs less than a request; never where the device has none there.
        cost = request_cost(11000000 // baud, _TURNAROUND_US) if profile.read_gaps else NO_GAPS
        limits = PollLimits(profile.max_registers, cost, profile.step, _RETRIES, settings.poll_ms)
        watched = counters(profile.fields, profile.rollover, profile.resets, profile.max_power_w or MAX_POWER_W)
        self._poll = Poll(profile.fields, limits, profile.serial, watched)

    @property
    def serial(self):
        """The registers of the serial number that the meter told last, None before."""
        return self._poll.serial

    def place(self, port: str) -> bytes:
        """What its counts are counts of, see MeterMemory.settle."""
        profile = self._settings.profile
        return belonging(self._settings.unit, 1, port + " " + profile.name, profile.fields)

    def restore(self, serial, counts: dict, doubted) -> None:
        """What was known before this start: `serial` as above, the others as of MeterMemory.counts."""
        self._poll.restore(serial, counts, None, doubted)

    async def poll(self) -> list[Reading]:
        """A reading of every channel. time_ms is the clock's now() at the answer."""
        poll, settings, clock = self._poll, self._settings, self._clock
        poll.begin(clock.now())
        while True:
            block = poll.next()
            if block is None:
                break
            wait_ms = max(settings.profile.min_gap_ms, poll.not_before - clock.now())
            if wait_ms > 0:
                await clock.sleep_ms(wait_ms)
            try:
                data = await self._bus.read(
                    settings.unit,
                    block.function,
                    block.address,
                    block.count,
                    settings.timeout_ms,
                    settings.quiet_ms,
                    settings.profile.min_gap_ms,
                )
            except ModbusError as error:
                poll.failed(error, clock.now())
            else:
                now = clock.now()
                poll.answered(data, now, now)
        now = clock.now()
        readings = poll.readings(now, now)
        for event in poll.events:
            if self._report:
                self._report("%s: %s" % (self.device, _text(event)))
        poll.events = []
        return readings

    def not_asked(self, reason: str) -> list[Reading]:
        """Bad readings in the place of a poll: the bus cannot be used."""
        now = self._clock.now()
        return [
            Reading(field.channel, field.unit, None, 0, BAD, reason, now) for field in self._settings.profile.fields
        ]


def _text(event) -> str:
    text = "%s %s: %s" % (event.kind, event.channel, event.text) if event.channel else event.kind + ": " + event.text
    if event.before is not None:
        text += ", mantissa %d before" % event.before
    return text
