"""The transmitter within the law, and the role `radio`: a board that hands frames between the air and the gateway.

The modem is one of micropython-lib's asynchronous LoRa drivers, or what has their send(packet), recv(timeout_ms) and
recv_continuous(); a packet received has `valid_crc`, `rssi` (dBm) and `snr` (quarters of a dB).
"""

from micropython import const
from wayside_wire import WireError, frame, region
from wayside_wire import lora_link as messages
from wayside_wire.airtime import airtime_us

from .copies import Copies

_RESERVES = const(8)  # an hour's airtime is taken from flash in so many pieces
_PIECES = "<61I"
_LISTENS = const(5)
_BACKOFF_MS = const(200)
_TELL_MS = const(60000)
_STEP_MS = const(5)
_LOOK_MS = const(250)
_SENDS = const(4)
_LOOK = const(4)  # buffers that a step takes


class _Accounts(Copies):
    """Of two the one that says more, since the other is older."""

    def rank(self, record):
        return sum(record)


class Budget:
    """The account of a band's airtime, kept in `path`.0 and `path`.1 so that a reboot forgives nothing.

    What is about to be used is durable first, a piece at a time: a write to flash for an eighth of the hour.
    """

    def __init__(self, files, path: str, duty_permille: int, clock):
        self._copies = _Accounts(files, path, _PIECES)
        self._clock = clock
        self._account = region.AirtimeAccount(duty_permille)
        self._free = duty_permille >= 1000  # no limit: nothing to keep
        self._reserved = 0
        self.limit_us = self._account.limit_us
        if not self._free:
            self._account.restore(self._load(), self._now_us())

    def used_us(self) -> int:
        return self._account.used_us(self._now_us())

    def wait_us(self, wanted_us: int) -> int:
        """As region.AirtimeAccount.wait_us()."""
        return 0 if self._free else self._account.wait_us(wanted_us, self._now_us())

    def spend(self, wanted_us: int) -> None:
        """Durable on return, so call it before the transmission. OSError: it may not be made."""
        if not self._free and wanted_us > self._reserved:
            reserve = max(wanted_us, self.limit_us // _RESERVES)
            used = self._account.snapshot(self._now_us())
            used[0] += reserve
            self._copies.store_in_turn(*used)
            self._reserved = reserve
        self._reserved -= wanted_us
        self._account.spend(wanted_us, self._now_us())

    def _load(self):
        used = self._copies.load()
        if used is None and self._copies.is_lost():
            return [self.limit_us]  # nobody knows: as if all were used
        return used or []

    def _now_us(self) -> int:
        return 1000 * self._clock.now()


def driver_settings(radio) -> dict:
    """The `lora_cfg` of micropython-lib's drivers for a RadioSettings. CRC is said explicitly: chips start without."""
    return {
        "freq_khz": radio.freq_khz,
        "sf": radio.sf,
        "bw": str(radio.bw_hz // 1000),
        "coding_rate": 5,
        "preamble_len": 8,
        "implicit_header": False,
        "crc_en": True,
    }


def is_whole(packet) -> bool:
    """Whether the chip says so. The SX126x driver of before 2026-05 calls damaged packets good, and the SX127x driver
    says `crc_error` where the other says `valid_crc`; what slips through fails at its tag."""
    return bool(packet) and packet.valid_crc and not getattr(packet, "crc_error", False)


class Transmitter:
    """Sends when it may. counts: what could not be sent, by reason; sent: frames."""

    def __init__(self, modem, settings, budget, clock, jitter, is_free=None):
        """settings: RadioSettings; is_free(listen_us, dbm): awaitable, whether the channel is below dbm for so long."""
        self._modem = modem
        self._sf = settings.sf
        self._bw_hz = settings.bw_hz
        self._rules = region.REGIONS[settings.region]
        self._clock = clock
        self._jitter = jitter
        self._is_free = is_free
        self._quiet_until = 0
        self.budget = budget
        self.sent = 0
        self.counts = {}

    def airtime_us(self, size: int) -> int:
        return airtime_us(size, self._sf, self._bw_hz)

    def tune(self, sf: int) -> None:
        """Send, and hear, at this spreading factor from now on; nobody may be receiving."""
        if sf != self._sf:
            self._modem.configure({"sf": sf})
            self._sf = sf

    async def send(self, raw: bytes, before_ms=None) -> int:
        """The status of lora_link.Sent. Never waits for the budget, which may take most of an hour.

        before_ms: when it has to begin, where waiting for a free channel would make it useless.
        """
        status = await self._send(raw, before_ms)
        if status == messages.DONE:
            self.sent += 1
        else:
            self._count(("", "airtime used up", "channel busy", "frame too long", "modem failed")[status])
        return status

    async def _send(self, raw: bytes, before_ms) -> int:
        wanted_us = self.airtime_us(len(raw))
        if self._rules.longest_us and wanted_us > self._rules.longest_us:
            return messages.TOO_LONG
        wait_us = self.budget.wait_us(wanted_us)
        if wait_us:
            return messages.NO_BUDGET if wait_us > 0 else messages.TOO_LONG
        await self._clock.sleep_ms(max(0, self._quiet_until - self._clock.now()))
        if not await self._channel_free(before_ms):
            return messages.CHANNEL_BUSY
        try:
            self.budget.spend(wanted_us)
            await self._modem.send(raw)
        except (OSError, RuntimeError, ValueError):
            return messages.FAILED
        self._quiet_until = self._clock.now() + self._rules.pause_us // 1000
        return messages.DONE

    async def _channel_free(self, before_ms) -> bool:
        """Listen before talk, where the region wants it: exponential back-off, anywhere in it, so that two who wait for
        the same third do not meet."""
        if not self._rules.listen_us:
            return True
        for attempt in range(_LISTENS):
            if self._is_free and await self._is_free(self._rules.listen_us, self._rules.listen_dbm):
                return True
            self._count("backed off")
            pause_ms = self._jitter(_BACKOFF_MS << attempt)
            if attempt == _LISTENS - 1 or (before_ms is not None and self._clock.now() + pause_ms > before_ms):
                break
            await self._clock.sleep_ms(pause_ms)
        return False

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class Bridge:
    """The role `radio`. counts: what was dropped, by reason. Knows no key: what it hands on the gateway judges."""

    def __init__(self, modem, transmitter, clock, info):
        """info: (boot, board, firmware)."""
        self._modem = modem
        self._transmitter = transmitter
        self._clock = clock
        self._info = info
        self._port = None
        self._decoder = frame.FrameDecoder()
        self._buffer = bytearray(256)
        self._waiting = []  # (send before, Send)
        self._tell_at = 0
        self.counts = {"heard": 0}
        self.on_heard = lambda: None

    def attach(self, port) -> None:
        """The port to the gateway, which never blocks."""
        self._port = port

    async def listen(self, beat, wait_for_ms, timeout) -> None:
        """Hand on what is heard, for ever. wait_for_ms, timeout: asyncio's, and the error that it raises."""
        packets = self._modem.recv_continuous()
        errors = self._errors()
        while True:
            beat()
            if self._errors() != errors:
                # The SX127x driver leaves a damaged packet in the chip's buffer, and would hand it out as the next one.
                self._count("damaged")
                errors = self._errors()
                packets = self._modem.recv_continuous()
            try:
                packet = await wait_for_ms(packets.__anext__(), _LOOK_MS)
            except timeout:
                continue
            except StopAsyncIteration:
                packets = self._modem.recv_continuous()
                await self._clock.sleep_ms(_STEP_MS)
                continue
            self._hear(packet)

    def _errors(self) -> int:
        """Packets that the driver itself found damaged."""
        return getattr(self._modem, "crc_errors", 0)

    def _hear(self, packet) -> None:
        if not is_whole(packet):
            self._count("damaged")
            return
        self._count("heard")
        self.on_heard()
        self._say(messages.HeardFrame(0, _within(packet.rssi), _within(packet.snr), bytes(packet)))

    async def serve(self, beat) -> None:
        """Read the gateway's orders and send, for ever."""
        while True:
            beat()
            self._read()
            now = self._clock.now()
            if now >= self._tell_at:
                self._tell_at = now + _TELL_MS
                self._tell()
            if not self._waiting:
                await self._clock.sleep_ms(_STEP_MS)
                continue
            before, order = self._waiting.pop(0)
            if now > before:
                self._count("sent too late")
                status = messages.FAILED
            else:
                status = await self._transmitter.send(order.raw, before)
            used_us = self._transmitter.airtime_us(len(order.raw)) if status == messages.DONE else 0
            self._say(messages.Sent(order.number, status, used_us))

    def _read(self) -> None:
        for _ in range(_LOOK):  # a line may speak without end
            size = self._port.readinto(self._buffer)
            if not size:
                return
            for data in self._decoder.feed(bytes(self._buffer[:size])):
                try:
                    message = messages.decode(data)
                except WireError:
                    message = None
                if not isinstance(message, messages.Send):
                    self._count("bad messages")
                elif len(self._waiting) >= _SENDS:
                    self._count("orders dropped")
                else:
                    self._waiting.append((self._clock.now() + message.within_ms, message))

    def _tell(self) -> None:
        counts = dict(self.counts)
        counts.update(self._transmitter.counts)
        budget = self._transmitter.budget
        used, limit = [min(value, 0xFFFFFFFF) for value in (budget.used_us(), budget.limit_us)]
        boot, name, firmware = self._info
        self._say(messages.RadioStatus(boot, name, firmware, used, limit, counts))

    def _say(self, message) -> None:
        data = frame.encode(messages.encode(message))
        if self._port.write(data) != len(data):
            self._count("line full")

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def _within(value) -> int:
    return max(-32768, min(32767, int(value)))
