"""The role `sensor` over LoRa: reports out, packs signed and kept until the gateway has them, time and answers in.

Reports of one pack are sent as they are made; then the pack is signed, kept in the journal, and its head sent. What the
gateway did not hear it asks for, and it is sent again from the journal. A frame for which there is no airtime is simply
not sent: the gateway will miss it and ask. What the node has to say of itself follows a report: its configuration
whenever that changed, and what it could not send.
"""

from collections import namedtuple

from micropython import const
from wayside_wire import WireError, lora, lora_config, pack
from wayside_wire import lora_link as messages
from wayside_wire import lora_report as wire

from .radio import is_whole

_TRIES = const(3)  # times that one head is sent in a row
_CATCH_UP = const(4)  # older packs that are settled in a row
_COUNTS_MS = const(3600000)  # counters that have grown are told at most so often

UplinkSettings = namedtuple("UplinkSettings", ("network", "node", "device", "listen_ms"))
"""listen_ms: after a frame that may be answered, 0: nobody answers."""


class RadioUplink:
    """One device on the air. counts: what happened, by name."""

    def __init__(self, settings, profile, key: bytes, identity, boot: int, journal, transmitter, modem, clock, remote):
        """remote: radio_remote.Remote, whose `working` says what is reported and how."""
        self._settings = settings
        self._profile = profile
        self._session = lora.LoraSession(key, profile.digest)
        self._identity = identity
        self._boot = boot
        self._journal = journal
        self._transmitter = transmitter
        self._modem = modem
        self._clock = clock
        self._remote = remote
        self._ordered = b""  # a configuration that came and is not taken up yet
        self._told = None  # the last status that was heard
        self._told_at = 0
        self._group = []  # Reports of the pack that is not signed yet
        self._raw = b""  # a pack that is signed and not kept yet
        self._sequence = 0
        self._last = (0, -1)  # time quality and second of the last report
        self._counter = -1  # of the last frame
        self._ended_ms = 0
        self._taking = False
        self.counts = {}
        self.on_served = lambda: None  # called when it was answered; where nobody answers, when it was sent

    async def take(self, readings) -> None:
        """A report of now; with it perhaps a pack. The readings' own times are those of the report."""
        self._taking = True
        try:
            await self._take(readings)
        finally:
            self._taking = False

    def silence_ms(self) -> int:
        """How long nobody may hear of it although all is well: two packs may be lost."""
        working = self._remote.working
        return 3 * working.report_ms * (working.sign_every if self._settings.listen_ms else 1)

    def close(self) -> None:
        """For a restart: what is in memory alone goes into flash, when it is not on its way there."""
        if not self._taking and (self._group or self._raw):
            self._keep()

    def is_closed(self) -> bool:
        """Whether nothing is in memory alone."""
        return not (self._taking or self._group or self._raw)

    async def _take(self, readings) -> None:
        channels = self._remote.working.channels
        await self._report([reading for reading in readings if reading.channel in channels])
        if self._ordered:  # between two packs, for it may change how they are sent
            self._remote.take(self._ordered)
            self._ordered = b""
        await self._tell()

    async def _report(self, readings) -> None:
        quality = self._clock.quality()
        now_s = self._clock.stamp(self._clock.now()) // 1000
        if quality == self._last[0] and now_s <= self._last[1] and not await self._may_go_back(now_s):
            self._count("reports at a time that was")  # a report is known by its time
            return
        if self._raw:
            await self._close()
        if self._raw:
            self._count("reports not kept")  # the flash refuses
            return
        payload = wire.encode_report(self._profile, self._boot, quality, now_s, readings)
        report = wire.decode_report(self._profile, payload)  # what the gateway will have is what is signed
        if self._group and (quality != self._group[0].time_quality or not self._fits(report)):
            await self._close()
        self._last = (quality, now_s)
        self._group.append(report)
        lost = quality == pack.UNSYNCED  # without the time, and somebody may tell it
        if await self._send(lora.REPORT, payload, lost) and lost:
            await self._listen()
        if len(self._group) >= self._remote.working.sign_every or not self._fits(report):
            await self._close()
        elif self._journal.read(self._journal.first) is not None:
            await self._catch_up(1)

    async def _may_go_back(self, now_s: int) -> bool:
        """After the clock was set back: when all before is settled, nobody can take one report for another."""
        if self._group:
            await self._close()
        return now_s != self._last[1] and not self._group and self._journal.read(self._journal.first) is None

    def _fits(self, report) -> bool:
        readings = [reading for each in self._group for reading in each.readings] + report.readings
        return len(self._group) < wire.MAX_REPORTS and len(pack.split(self._settings.device, readings)) == 1

    async def _close(self) -> None:
        """Sign what was reported, keep it, and have the gateway take it."""
        place = (self._boot, self._sequence)
        if self._keep() and await self._settle(self._newest(place)) == wire.OUT_OF_ORDER:
            await self._catch_up(_CATCH_UP)

    def _keep(self) -> bool:
        """Sign what was reported, and put it into the journal; whether flash has it."""
        try:
            self._journal.open()
            if not self._raw:
                self._raw = self._signed()
            self._journal.append_pack(self._boot, self._sequence, self._raw)
            self._journal.tidy()
        except OSError:
            self._count("storage errors")
            return False
        self._raw = b""
        self._group = []
        self._sequence += 1
        return True

    def _signed(self) -> bytes:
        times = [report.time_s for report in self._group]
        quality = self._group[0].time_quality
        head = wire.AirHead(self._boot, self._sequence, quality, False, self._journal.head.hash, times, b"")
        whole = wire.pack_of(self._settings.device, head, {report.time_s: report for report in self._group})
        return pack.sign_pack(whole, self._identity.kid, self._identity.sign)

    def _newest(self, place):
        position = self._journal.first
        while True:
            stored = self._journal.read(position)
            if stored is None or (stored.boot, stored.sequence) == place:
                return stored
            position = stored.end

    async def _catch_up(self, most: int) -> None:
        for _ in range(most):
            stored = self._journal.read(self._journal.first)
            if stored is None or await self._settle(stored) != wire.TAKEN:
                return

    async def _settle(self, stored):
        """Offer a pack of the journal; returns the status of the last answer, None without one."""
        if stored is None:
            return None
        opened, _ = pack.open_pack(stored.raw, lambda kid, message, signature: True)  # our own
        reports = _by_time(opened.readings)
        first = self._journal.read(self._journal.first)
        older_held = (first.boot, first.sequence) != (stored.boot, stored.sequence)
        times = sorted(reports)
        head = wire.AirHead(
            opened.boot, opened.sequence, opened.time_quality, older_held, opened.previous, times, stored.raw[-64:]
        )
        status = None
        for _ in range(_TRIES if self._settings.listen_ms else 1):
            if not await self._send(lora.HEAD, wire.encode_head(head), True):
                return status
            answer = await self._listen()
            if answer is None or (answer.boot, answer.sequence) != (stored.boot, stored.sequence):
                continue
            status = answer.status
            if status == wire.TAKEN:
                if answer.detail == pack.pack_hash(stored.raw)[:8]:
                    self._count("packs taken")
                    self._journal.release(stored.end)
                return status
            if status != wire.MISSING:
                self._count("packs refused" if status == wire.REFUSED else "packs put off")
                return status
            for place, time_s in enumerate(times):
                if answer.detail >> place & 1:
                    again = wire.encode_report(self._profile, opened.boot, opened.time_quality, time_s, reports[time_s])
                    self._count("reports sent again")
                    await self._send(lora.REPORT, again, False)
        if not self._settings.listen_ms:
            self._journal.release(stored.end)  # nobody will ever say that it arrived
        return status

    async def _send(self, kind: int, payload: bytes, asks: bool) -> bool:
        self._counter = self._identity.counters.next_frame()
        header = lora.Header(
            kind, asks and self._settings.listen_ms > 0, self._settings.network, self._settings.node, self._counter
        )
        try:
            self._transmitter.tune(self._remote.working.sf)
            status = await self._transmitter.send(self._session.seal(header, payload))
        except (OSError, RuntimeError, ValueError):
            status = messages.FAILED  # a modem that cannot be tuned
        self._ended_ms = self._clock.now()
        if status == messages.DONE and not self._settings.listen_ms:
            self.on_served()
        if asks and status not in (messages.DONE, messages.NO_BUDGET):
            self._remote.unanswered()  # what cannot be sent will not be answered
        return status == messages.DONE

    async def _tell(self) -> None:
        """Say how this node is, when that is news to the gateway. Until it answers, with every report."""
        status = self._status()
        told = self._told
        recent = self._clock.now() - self._told_at < _COUNTS_MS
        if told and status[:5] == told[:5] and (status == told or recent):
            return
        if not await self._send(lora.STATUS, lora_config.encode_status(status), True):
            return
        if not self._settings.listen_ms or await self._listen() is not None:
            self._told = status
            self._told_at = self._clock.now()

    def _status(self):
        remote = self._remote
        not_sent = self._transmitter.counts
        lost = self.counts.get("reports at a time that was", 0) + self.counts.get("reports not kept", 0)
        return lora_config.AirStatus(
            self._boot,
            remote.version,
            remote.digest,
            remote.tried,
            remote.outcome,
            not_sent.get("airtime used up", 0),
            not_sent.get("channel busy", 0),
            lost,
        )

    async def _listen(self):
        """The answer to the frame just sent, None when there was none. Takes the time from it."""
        until = self._ended_ms + self._settings.listen_ms
        while self._clock.now() < until:
            packet = await self._modem.recv(timeout_ms=max(1, until - self._clock.now()))
            if packet is None or packet is False:
                continue
            answer = self._answer(packet)
            if answer is not None:
                now = self._clock.now()
                self._clock.set_utc(answer.utc_ms + now - self._ended_ms, answer.time_quality)
                self._ordered = answer.config or self._ordered
                self._remote.answered()
                self.on_served()
                return answer
        self._count("no answer")
        self._remote.unanswered()
        return None

    def _answer(self, packet):
        if not is_whole(packet):
            self._count("damaged")
            return None
        raw = bytes(packet)
        try:
            wanted = lora.Header(lora.ANSWER, False, self._settings.network, self._settings.node, self._counter)
            if lora.read_header(raw) != wanted:
                return None  # somebody else's
            return wire.decode_answer(self._session.open(raw))
        except WireError:
            self._count("not authentic")
            return None

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def _by_time(readings) -> dict:
    """Readings of a pack by the second of their report."""
    reports = {}
    for reading in readings:
        reports.setdefault(reading.time_ms // 1000, []).append(reading)
    return reports
