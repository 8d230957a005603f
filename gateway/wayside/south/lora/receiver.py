"""From frames on the air to packs.

Reports wait in the store until their head comes; then the pack that the node signed is made again of them, to the byte,
and goes through the door that all packs pass. What cannot be tied to a node of this site changes a counter and nothing
else. One task calls hear(), frame after frame.
"""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from wayside_wire import WireError, link, lora, lora_config
from wayside_wire import lora_report as wire
from wayside_wire.pack import UNSYNCED, sign_pack

from wayside.log import LogError
from wayside.runtime.clock import Clock
from wayside.runtime.pulse import OUTSIDE_S, Pulse
from wayside.south.lora.orders import Orders
from wayside.south.lora.store import LoraStore, Run
from wayside.south.lora.unsigned import Unsigned
from wayside.text.complaints import Complaints
from wayside.values.reading import PackRefused, Reading

_logger = logging.getLogger(__name__)

Accept = Callable[[bytes, tuple[int, int]], Awaitable[link.Ack]]
"""(raw pack, oldest held) -> acknowledgement when it is durable; raises PackRefused."""

_LOOK_S = 3600.0
_STATUS = {link.OUT_OF_ORDER: wire.OUT_OF_ORDER, link.BUSY: wire.BUSY}


@dataclass(frozen=True, slots=True)
class Sensor:
    """A node on the air. name: as `wayside keys` knows it; key: 16 bytes, its own; kids: the key ids that it may sign
    with now, the likeliest first."""

    name: str
    device: str
    key: bytes
    profile: wire.AirProfile
    accept: Accept
    kids: Callable[[], Sequence[bytes]]


class LoraReceiver:
    """The nodes of one network. `counters` says what came and what was wrong with it."""

    def __init__(
        self,
        network: int,
        sensors: Mapping[int, Sensor],
        store: LoraStore,
        clock: Clock,
        observe: Callable[[str, Sequence[Reading]], None],
        orders: Orders,
        unsigned: Unsigned,
    ):
        """observe: is told each report at once, before its pack is signed."""
        self.counters: Counter[str] = Counter()
        self._looks = 0
        self._complaints = Complaints(_logger)
        self._network = network
        self._sensors = sensors
        self._sessions = {node: lora.LoraSession(each.key, each.profile.digest) for node, each in sensors.items()}
        self._store = store
        self._last = store.last()
        self._clock = clock
        self._observe = observe
        self._orders = orders
        self._unsigned = unsigned
        self._offered: set[int] = set()  # nodes whose last answer had a configuration
        self.heard_s: dict[int, float] = {}  # monotonic time of each node's last authentic frame

    async def hear(self, raw: bytes, age_ms: int = 0) -> bytes | None:
        """Take a packet that ended `age_ms` ago; returns the frame to answer with, if there is anything to say."""
        utc_ms = self._clock.utc_ms() - age_ms
        opened = self._open(raw)
        if opened is None:
            return None
        header, payload = opened
        self.heard_s[header.node] = self._clock.monotonic()
        work = {lora.REPORT: self._report, lora.HEAD: self._head, lora.STATUS: self._status}[header.kind]
        try:
            answer = await work(header, payload, utc_ms)
        except (sqlite3.Error, LogError) as error:
            # As if it had not been heard: nobody is answered, and the node sends it again.
            self.counters["disk refuses"] += 1
            self._complaints.say("LoRa", error)
            return None
        if answer is None or not header.asks:
            return None
        answer = answer._replace(config=self._config_for(header.node))
        back = lora.Header(lora.ANSWER, False, self._network, header.node, header.counter)
        return bytes(self._sessions[header.node].seal(back, wire.encode_answer(answer)))

    def _config_for(self, node: int) -> bytes:
        """In every second answer only: one that is too long to be sent must not keep a node from all of them."""
        if node in self._offered:
            self._offered.remove(node)
            return b""
        config = self._orders.due(node)
        if config:
            self._offered.add(node)
        return config

    def _open(self, raw: bytes) -> tuple[lora.Header, bytes] | None:
        try:
            header = lora.read_header(raw)
        except WireError:
            self.counters["not a frame"] += 1
            return None
        if header.network != self._network:
            self.counters["another network"] += 1
        elif header.node not in self._sensors or header.kind == lora.ANSWER:
            self.counters["unknown node"] += 1
        elif header.counter <= self._last.get(header.node, -1):
            self.counters["repeated"] += 1
        else:
            try:
                return header, self._sessions[header.node].open(raw)
            except WireError:
                self.counters["not authentic"] += 1
        return None

    async def _take(self, header: lora.Header, *report: object) -> None:
        self._last[header.node] = header.counter
        await asyncio.to_thread(
            partial(self._store.take, header.node, header.counter, *report)  # type: ignore[arg-type]
        )

    async def _report(self, header: lora.Header, payload: bytes, utc_ms: int) -> wire.AirAnswer | None:
        sensor = self._sensors[header.node]
        try:
            report = wire.decode_report(sensor.profile, payload)
        except WireError:
            self.counters["malformed"] += 1
            await self._take(header)
            return None
        run: Run = (header.node, report.boot, report.time_quality)
        await self._take(header, run, report.time_s, payload, utc_ms)
        self.counters["reports"] += 1
        self._never_signed(await self._unsigned.heard(header.node, sensor.device, sensor.profile))
        if report.time_quality != UNSYNCED:
            self._observe(sensor.device, report.readings)
            return None
        return self._time(utc_ms)

    async def _status(self, header: lora.Header, payload: bytes, utc_ms: int) -> wire.AirAnswer | None:
        await self._take(header)
        try:
            status = lora_config.decode_status(payload)
        except WireError:
            self.counters["malformed"] += 1
            return None
        self.counters["statuses"] += 1
        await self._orders.heard(header.node, self._sensors[header.node].name, status, payload)
        return self._time(utc_ms)

    def _never_signed(self, reports: int) -> None:
        if reports:
            self.counters["reports never signed"] += reports

    def pulse(self, name: str) -> Pulse:
        """Of watch(), as the task `name`."""
        return Pulse(name, lambda: self._looks, within_s=_LOOK_S + OUTSIDE_S)

    async def watch(self) -> None:
        """Look after what waits for its signature for long, until cancelled."""
        while True:
            self._looks += 1
            await self.look_for_overdue()
            await asyncio.sleep(_LOOK_S)

    async def look_for_overdue(self) -> None:
        """Enter it into the log."""
        for node, sensor in self._sensors.items():
            await self._unsigned.overdue(node, sensor.device, sensor.profile, self._clock.utc_ms())

    def _time(self, utc_ms: int) -> wire.AirAnswer:
        return wire.AirAnswer(wire.TIME, self._clock.time_quality(), utc_ms, 0, 0, 0, b"")

    async def _head(self, header: lora.Header, payload: bytes, utc_ms: int) -> wire.AirAnswer | None:
        await self._take(header)
        sensor = self._sensors[header.node]
        try:
            head = wire.decode_head(payload)
        except WireError:
            self.counters["malformed"] += 1
            return None
        self.counters["heads"] += 1
        run: Run = (header.node, head.boot & 63, head.time_quality)
        known = await asyncio.to_thread(self._store.taken, header.node, head.signature)
        if known:  # our answer did not arrive, or the node began anew and offers its whole journal
            return self._answer(wire.TAKEN, utc_ms, head, known)
        heard = await asyncio.to_thread(self._store.reports, run)
        wanted = sum(1 << place for place, time_s in enumerate(head.times_s) if time_s not in heard)
        if wanted:
            self.counters["reports missing"] += wanted.bit_count()
            return self._answer(wire.MISSING, utc_ms, head, wanted)
        reports = {time_s: wire.decode_report(sensor.profile, heard[time_s]) for time_s in head.times_s}
        taken = await self._accept(sensor, head, reports)
        if isinstance(taken, int):
            return self._answer(taken, utc_ms, head, 0)
        await asyncio.to_thread(self._store.drop, run, head.times_s, head.signature, taken)
        self._never_signed(await self._unsigned.signed(header.node, sensor.device, sensor.profile, head))
        return self._answer(wire.TAKEN, utc_ms, head, taken)

    def _answer(self, status: int, utc_ms: int, head: wire.AirHead, detail: bytes | int) -> wire.AirAnswer:
        return wire.AirAnswer(status, self._clock.time_quality(), utc_ms, head.boot, head.sequence, detail, b"")

    async def _accept(self, sensor: Sensor, head: wire.AirHead, reports: dict[int, wire.AirReport]) -> bytes | int:
        """The first bytes of the hash of the pack, when it is in the log; the status that says why not."""
        place = (head.boot, head.sequence)
        oldest = (0, 0) if head.older_held else place
        pack = wire.pack_of(sensor.device, head, reports)
        for kid in sensor.kids():
            raw = sign_pack(pack, kid, lambda message: head.signature)
            try:
                ack = await sensor.accept(raw, oldest)
            except PackRefused as refused:
                status = _STATUS.get(refused.code, wire.REFUSED)
                if status != wire.REFUSED:
                    return status
                continue
            self.counters["packs"] += 1
            return bytes(ack.hash[:8])
        self.counters["packs refused"] += 1
        return wire.REFUSED
