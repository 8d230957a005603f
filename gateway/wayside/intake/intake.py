"""Takes packs from nodes and reports from polled meters, and makes entries of them."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf

from wayside_wire import WireError, link
from wayside_wire.pack import NO_PREVIOUS, PackHeader, open_pack, pack_hash, sign_payload

from wayside.evidence import EvidenceError, kinds
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.kinds import DEVICE_ATTESTED, GATEWAY_ATTESTED, Body, OverloadBody
from wayside.evidence.stream import GATEWAY, KEYS, check_stream, device_of, device_stream
from wayside.intake.chains import Chains
from wayside.intake.commit import Committer
from wayside.intake.late import find_beside
from wayside.intake.order import Extends, Gap, Leaps, OutOfOrder, given_up, judge, judge_late
from wayside.intake.queue import IntakeQueue, Own, QueuedReport
from wayside.intake.writable import payloads
from wayside.log import Append, ChainName, LogError
from wayside.runtime.clock import Clock
from wayside.runtime.memory import MemoryWatch
from wayside.runtime.pulse import Pulse
from wayside.runtime.rate import Rate
from wayside.trust.keys import SoftwareKey
from wayside.trust.registry import Doorkeeper
from wayside.values.image import ProcessImage
from wayside.values.reading import Pack, PackRefused, Reading

_logger = logging.getLogger(__name__)

_WAITING = 10_000  # reports of polled meters that wait while the disk refuses, or is slow
_HANDED_OVER = 2000  # of which so many wait with the committer
_RETRY_S = 1.0
_MOST_UNKNOWN = 16  # devices that the site never knew and a node gives up
_MOST_TOLD = 256  # kinds of readings that could not be written and have an entry each


@dataclass(slots=True)
class NodeSource:
    """A node as the site file knows it: the devices that it may speak for, and how many packs in how much time.

    Its key is the registry's to know.
    """

    name: str
    devices: frozenset[str]
    counters: Counter[str] = field(default_factory=Counter)
    rate: Rate | None = None
    unknown: set[str] = field(default_factory=set)  # devices that the site never knew and that it has given up


class Intake:
    """The one door to the log."""

    def __init__(
        self,
        committer: Committer,
        door: Doorkeeper,
        identity: SoftwareKey,
        image: ProcessImage,
        clock: Clock,
        boot: int,
        memory: MemoryWatch | None = None,
    ):
        """`identity` signs what the gateway polled itself, as packs of boot number `boot`."""
        self.memory = memory or MemoryWatch(inf)
        self._committer = committer
        self._door = door
        self._identity = identity
        self._image = image
        self._clock = clock
        self._boot = boot
        self._reports = IntakeQueue()
        self._unsettled: deque[QueuedReport | Own] = deque()  # handed to the committer, in order
        self._told: dict[tuple[str, str], float] = {}
        self._wake = asyncio.Event()
        self._late = asyncio.Lock()
        self.counters: Counter[str] = Counter()
        self._chains = Chains(committer, self._encode, self.counters, self._put_back)

    # --- packs that a node signed ---

    async def accept(self, raw: bytes, oldest: tuple[int, int], source: NodeSource) -> link.Ack:
        """The acknowledgement of a pack, once its checkpoint is on disk; PackRefused when it is not taken."""
        if self._committer.waiting and self.memory.is_short():
            # The node keeps it; here it would wait for the disk with all the others.
            source.counters["memory is short"] += 1
            raise PackRefused(link.BUSY, "the gateway is short of memory, and the disk is behind")
        pack, kid = self._open(raw, source)
        chain = ChainName(pack.device, kid)
        digest = pack_hash(raw)
        try:
            await self._chains.catch_up()
            verdict = judge(self._chains.head(chain), pack, oldest)
            if isinstance(verdict, OutOfOrder):
                source.counters["out of order"] += 1
                text = f"{pack.device}: packs before {pack.boot}/{pack.sequence} come first"
                raise PackRefused(link.OUT_OF_ORDER, text)
            if isinstance(verdict, Leaps):
                source.counters["boot leaps"] += 1
                raise PackRefused(
                    link.REFUSED, f"{pack.device}: {verdict.text}; if the board is right, give it a new key"
                )
            if source.rate and not source.rate.take(self._clock.monotonic()):
                # Behind all other tests: what is not taken anyway costs the honest packs nothing.
                source.counters["too many packs"] += 1
                raise _too_many(source, source.rate)
            if isinstance(verdict, Extends):
                self._image.update(pack.device, pack.readings)
                await asyncio.shield(self._chains.log(pack, chain, raw, digest, DEVICE_ATTESTED, verdict.gaps))
            else:
                await self._earlier(pack, chain, raw, digest, source)
        except LogError as error:
            raise PackRefused(link.BUSY, f"the log cannot take entries: {error}") from None
        return link.Ack(pack.device, pack.boot, pack.sequence, digest)

    async def give_up(self, said: link.GivenUp, source: NodeSource) -> link.Ack:
        """The acknowledgement that no more will come of a device that is not the node's any more, once what is missing
        of it is logged as a gap; PackRefused while its packs would be taken.

        Of a device that is somebody else's, and never was this node's, nothing is missing: no pack of it would have
        counted, and an entry in its stream would make the evidence of the one whose it is incomplete.
        """
        kid = self._door.key_id_of(source.name)
        if kid is None or kid in self._door.ending:
            raise PackRefused(link.REFUSED, f"node {source.name} holds no key that counts")
        if said.held and said.device in source.devices:
            raise PackRefused(link.REFUSED, f"{said.device} is a device of node {source.name}: its packs are taken")
        stream = device_stream(said.device)
        try:
            check_stream(stream)
            await self._chains.catch_up()
            chain = ChainName(said.device, kid)
            known = await self._committer.call(lambda log: log.find_pack(chain, said.boot, said.sequence))
            if known != said.hash and self._may_name(said.device, kid, source):
                await self._name_given_up(chain, given_up(self._chains.head(chain), said.boot), source)
        except EvidenceError as error:
            raise PackRefused(link.REFUSED, str(error)) from None
        except LogError as error:
            raise PackRefused(link.BUSY, f"the log cannot take entries: {error}") from None
        return link.Ack(said.device, said.boot, said.sequence, said.hash)

    def _may_name(self, device: str, kid: bytes, source: NodeSource) -> bool:
        """Whether a loss that the node tells is an entry: a stream of a device lasts for ever, and is in every head."""
        whose = self._door.keyring.ever_for(device)
        if kid in whose:
            return True
        if whose:
            source.counters["given up, of another node"] += 1
            return False
        if device not in source.unknown and len(source.unknown) >= _MOST_UNKNOWN:
            source.counters["given up, too many unknown devices"] += 1
            return False
        source.unknown.add(device)
        return True

    async def _name_given_up(self, chain: ChainName, gaps: Sequence[Gap], source: NodeSource) -> None:
        """An entry for each that has none yet: a node may say so again after a power cut."""
        group = []
        places = [(each.boot, each.first) for each in gaps]
        named = await self._committer.call(lambda log: [log.is_named_lost(chain, *place) for place in places])
        for gap, is_named in zip(gaps, named, strict=True):
            if is_named:
                continue
            group.append(self._chains.gap(chain, gap))
        if not group:
            return
        if source.rate and not source.rate.take(self._clock.monotonic()):
            raise _too_many(source, source.rate)
        self.counters["gaps"] += len(group)
        source.counters["given up"] += 1
        await asyncio.shield(self._committer.commit(group))

    def _open(self, raw: bytes, source: NodeSource) -> tuple[Pack, bytes]:
        pack: Pack
        kid: bytes
        try:
            pack, kid = open_pack(raw, self._door.verify)
        except WireError as error:
            source.counters["not a valid pack"] += 1
            raise PackRefused(link.REFUSED, str(error)) from None
        if pack.device not in source.devices:
            source.counters["unknown device"] += 1
            raise PackRefused(
                link.UNKNOWN_DEVICE, f"{pack.device} is not a device of node {source.name} in the site file"
            )
        try:
            self._door.admit(kid, source.name, pack.device)
        except EvidenceError as error:
            source.counters["key does not count"] += 1
            raise PackRefused(link.REFUSED, str(error)) from None
        return pack, kid

    async def _earlier(self, pack: Pack, chain: ChainName, raw: bytes, digest: bytes, source: NodeSource) -> None:
        """A repetition is acknowledged again; what an entry gave up for lost is logged late; all else is refused."""
        place = (chain, pack.boot, pack.sequence)
        known, durable = self._chains.recent(*place)
        if known is None:
            async with self._late:  # one after the other: each is judged beside those before it
                known, durable = self._chains.recent(*place)
                if known is None:
                    known = await self._committer.call(lambda log: log.find_pack(*place))
                if known is None:
                    durable = await self._fill_gap(pack, chain, raw, digest, source)
        if known not in (None, digest):
            source.counters["number used twice"] += 1
            raise PackRefused(
                link.REFUSED, f"{pack.device} {pack.boot}/{pack.sequence} is in the log with other content"
            )
        source.counters["late" if known is None else "repeated"] += 1
        if durable:
            await asyncio.shield(durable)

    async def _fill_gap(
        self, pack: Pack, chain: ChainName, raw: bytes, digest: bytes, source: NodeSource
    ) -> "asyncio.Future[None]":
        """Log a pack late; PackRefused when no entry gave it up, or when the packs beside it say that it is another."""
        if self._committer.waiting:
            await asyncio.shield(self._committer.commit([]))
        place = (chain, pack.boot, pack.sequence)
        lost, beside = await self._committer.call(lambda log: (log.is_named_lost(*place), find_beside(log, *place)))
        verdict = judge_late(pack, digest, beside) if lost else None
        if verdict is None:
            source.counters["in no gap"] += 1
            what = "is not what is missing there: the packs beside it say so" if lost else "fills no named gap"
            text = f"{pack.device} {pack.boot}/{pack.sequence} is before what the log has, and {what}"
            raise PackRefused(link.REFUSED, text)
        return self._chains.log(pack, chain, raw, digest, DEVICE_ATTESTED, verdict.gaps, head=False)

    # --- readings that the gateway polled itself ---

    def report(self, device: str, readings: Sequence[Reading], notes: dict[str, bytes] | None = None) -> None:
        """IntakeQueue a report of a polled meter, and notes that are remembered with it (see Append).

        While the disk refuses or is slow reports wait; of too many, or when memory is short, some give way, by the
        policy of their device and counted by name. What cannot be written down becomes a bad reading.
        """
        readings, parts, refused = payloads(device, readings)
        self._tell_refused(device, refused)
        if not readings:
            return
        self._image.update(device, readings)
        most = 0 if self._reports and self.memory.is_short() else _WAITING
        self.counters["reports dropped"] += self._reports.add_report(
            QueuedReport(device, readings, parts, notes or {}), most
        )
        self._wake.set()

    def show(self, device: str, readings: Sequence[Reading]) -> None:
        """What a device says now, for whoever looks at the process image; it is reported later.

        What could not be written down is bad here too: nobody acts on what the log will never hold.
        """
        self._image.update(device, payloads(device, readings).readings)

    def _tell_refused(self, device: str, refused: Sequence[str]) -> None:
        """An entry for readings whose name or unit cannot be written, once for each kind of them."""
        self.counters["readings refused"] += len(refused)
        for text in refused:
            if (device, text) not in self._told and len(self._told) < _MOST_TOLD:
                _logger.warning("%s: a reading is refused: %s", device, text)
                self.keep(device_stream(device), kinds.DeviceBody("reading refused", text, None))
                self._told[device, text] = 0.0
            if (device, text) in self._told:
                self._told[device, text] = self._clock.monotonic()

    def refused(self) -> list[tuple[str, str]]:
        """Of readings that are refused now: the device; which reading, and why."""
        now_s, expected = self._clock.monotonic(), self._image.expected
        return [
            (device, text)
            for (device, text), last_s in self._told.items()
            if device in expected and now_s - last_s <= expected[device].stale_s
        ]

    @property
    def policies(self) -> Mapping[str, str]:
        """By device, how its reports give way when too many wait (kinds.OverloadBody); else the oldest do."""
        return self._reports.policies

    @policies.setter
    def policies(self, by_device: Mapping[str, str]) -> None:
        self._reports.policies = by_device

    @property
    def waiting(self) -> bool:
        """Whether reports of polled meters, or entries of the gateway's own, wait to be handed to the log."""
        return bool(self._reports)

    def pulse(self) -> Pulse:
        """It moves with the log, whose thread excuses it, or with what is taken."""
        log = self._committer

        def moved() -> tuple[int, ...]:
            return log.calls, log.groups, log.failures, self.counters["packs"]

        return Pulse("intake", moved, lambda: self.waiting).unless(lambda: log.in_call)

    @property
    def unstored(self) -> int:
        """Reports of polled meters and entries of the gateway's own that are not in the log: all that gave way, wait or
        have failed."""
        failed = (report.durable for report in self._unsettled)
        count = sum(each.done() and (each.cancelled() or each.exception() is not None) for each in failed)
        return len(self._reports) + count + sum(self._reports.dropped.values())

    async def flush(self) -> None:
        """Hand what waits to the committer: what is appended after this comes after it in the log."""
        with suppress(LogError):  # then it goes on waiting
            await self._log_reports(inf)

    async def run(self) -> None:
        """Turn queued reports into gateway-attested packs, and own entries into those of the log, until cancelled; then
        see that what waits is durable."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                if self._chains.is_behind:
                    await asyncio.sleep(_RETRY_S)
                try:
                    await self._log_reports()
                except LogError:  # it cannot be read either; see Committer.problem
                    self._wake.set()
        finally:
            await self.flush()
            await asyncio.gather(*(each.durable for each in self._unsettled), return_exceptions=True)

    async def _log_reports(self, most: float = _HANDED_OVER) -> None:
        """Hand over what waits, as long as less than `most` is under way."""
        await self._chains.catch_up()
        dropped = self._reports.dropped
        while dropped and len(self._unsettled) < most:
            (stream, policy), gone = dropped.popitem()
            self._name_dropped(stream, policy, gone)
        while self._reports and len(self._unsettled) < most:
            item = self._reports.take()
            if isinstance(item, QueuedReport):
                self._hand_over(item)
            else:
                item.durable = self._committer.commit([item.entry])
                item.durable.add_done_callback(partial(_tell, item))
            item.durable.add_done_callback(self._settle)
            self._unsettled.append(item)

    def _hand_over(self, report: QueuedReport) -> None:
        first = 0
        for payload, count in report.parts:
            # The parts are committed together, so the last one speaks for all.
            part = tuple(report.readings[first : first + count])
            first += count
            notes = report.notes if first == len(report.readings) else {}
            report.durable = self._log_own(report.device, payload, part, notes)

    def _name_dropped(self, stream: str, policy: str, count: int) -> None:
        def keep(durable: "asyncio.Future[None]") -> None:
            if durable.cancelled() or durable.exception():
                self._reports.dropped[stream, policy] += count

        body: Body = OverloadBody(count, policy)
        if device_of(stream) is None:  # where no overload may stand
            body = kinds.CommandBody("gateway", "gateway", "log", f"{count} entries gave way, the log took nothing")
        self.log(stream, body).add_done_callback(keep)

    def _settle(self, durable: "asyncio.Future[None]") -> None:
        if durable.cancelled() or durable.exception():
            self._wake.set()  # run() puts it back into the queue, with all that failed with it
            return
        while self._unsettled and self._unsettled[0].durable.done() and not self._unsettled[0].durable.exception():
            self._unsettled.popleft()
        if self._reports:
            self._wake.set()  # some waited for their turn

    def _log_own(
        self, device: str, payload: bytes, readings: tuple[Reading, ...], notes: dict[str, bytes]
    ) -> "asyncio.Future[None]":
        chain = ChainName(device, self._identity.kid)
        head = self._chains.head(chain)
        sequence = head.sequence + 1 if head and head.boot == self._boot else 0
        place = PackHeader(self._boot, sequence, self._clock.time_quality(), head.hash if head else NO_PREVIOUS)
        pack = Pack(device, self._boot, sequence, place.time_quality, place.previous, readings)
        raw = sign_payload(place, payload, self._identity.kid, self._identity.sign)
        return self._chains.log(pack, chain, raw, pack_hash(raw), GATEWAY_ATTESTED, (), notes=notes)

    # --- entries ---

    def keep(self, stream: str, body: Body, notes: dict[str, bytes] | None = None) -> "asyncio.Future[None]":
        """An entry of the gateway's own, of what has happened: it waits for a disk that refuses, as reports do.

        The future is done when it is durable. It carries a LogError when the log refused it at first; it waits then.
        """
        return self.keep_entry(Append(stream, self._encode(body), notes=notes or {}))

    def keep_entry(self, entry: Append) -> "asyncio.Future[None]":
        """As `keep`, of an entry that is made already."""
        own = Own(entry, asyncio.get_running_loop().create_future())
        self._reports.add_own(own)
        self._wake.set()
        return own.told

    def log(self, stream: str, body: Body) -> "asyncio.Future[None]":
        """Append an entry, once: the future is done when it is durable, or carries a LogError, and nothing has changed.

        For who asks again himself.
        """
        return self._committer.commit([Append(stream, self._encode(body))])

    def log_all(self, bodies: Sequence[Body]) -> "asyncio.Future[None]":
        """As `log`, of several entries of the gateway's own that become durable together or not at all."""
        streams = [KEYS if isinstance(body, kinds.KeyBody) else GATEWAY for body in bodies]
        pairs = zip(streams, bodies, strict=True)
        return self._committer.commit([Append(stream, self._encode(body)) for stream, body in pairs])

    def _encode(self, body: Body) -> bytes:
        return encode_unplaced(self._clock.utc_ms(), self._clock.time_quality(), body)

    def _put_back(self) -> None:
        """After a failed commit: what was under way waits again."""
        self._reports.put_back(self._unsettled)
        self._unsettled.clear()


def _too_many(source: NodeSource, rate: Rate) -> PackRefused:
    text = f"node {source.name} sends more than {rate.per_hour} packs an hour; see [[node]] packs_per_hour"
    return PackRefused(link.BUSY, text)


def _tell(own: Own, durable: "asyncio.Future[None]") -> None:
    if durable.cancelled():
        own.told.cancel()
    else:
        own.tell(durable.exception())
