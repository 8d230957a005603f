"""A log on disk with devices that write to it, as sinks see it: the real log, without the daemon around it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wayside.evidence.entry import encode_unplaced
from wayside.evidence.kinds import DEVICE_ATTESTED, NODE, REGISTERED, Body, GapBody, KeyBody, PackBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.stream import KEYS, device_stream
from wayside.log import Append, Log, StoredEntry
from wayside.north.sink import BatchProof
from wayside.trust.keys import SoftwareKey
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, Reading, pack_hash, sign_pack

SITE = "test.example/site"
NOW_MS = 1_790_000_000_000
FIRST_PACK = 1  # entry 0 registers the device's key


@dataclass
class Device:
    """A device with its own key, making one pack after the other."""

    name: str
    key: SoftwareKey
    boot: int = 0
    sequence: int = 0
    previous: bytes = NO_PREVIOUS
    quality: int = SYNCED
    readings: list[Reading] = field(default_factory=list)

    def pack(self) -> bytes:
        time_ms = NOW_MS + 1000 * self.sequence
        readings = self.readings or [Reading("voltage_l1", "V", 23000 + self.sequence, -2, 0, "", time_ms)]
        pack = Pack(self.name, self.boot, self.sequence, self.quality, self.previous, tuple(readings))
        raw = sign_pack(pack, self.key.kid, self.key.sign)
        self.previous = pack_hash(raw)
        self.sequence += 1
        return raw

    def restart(self) -> None:
        self.boot += 1
        self.sequence = 0


class Site:
    """LogReader over a real log; the log runs in the event loop's thread, which is good enough for a test."""

    def __init__(self, folder: Path, seed: bytes = bytes(32)) -> None:
        self._key = SoftwareKey(seed)
        self.log = Log(folder, SITE, self._key.public, self._key.sign, lambda: (NOW_MS, SYNCED))
        self.key = NoteKey(self.log.origin, ED25519, self._key.public)
        self.device = Device("meter-1", SoftwareKey(b"\1" * 32))
        self._grown = asyncio.Event()
        self.ages: dict[int, float] = {}
        self.append(self.key_entry(self.device.key.public))

    # What a gateway would write

    def append(self, *entries: Append) -> None:
        self.log.append_entries(list(entries))
        self._grown.set()
        self._grown = asyncio.Event()

    def packs(self, count: int) -> None:
        """`count` packs of the device, committed together."""
        self.append(*(self.pack_entry(self.device.pack()) for _ in range(count)))

    def pack_entry(self, raw: bytes, device: str = "meter-1") -> Append:
        return _entry(device_stream(device), PackBody(DEVICE_ATTESTED, raw))

    def gap_entry(self, boot: int, first: int, last: int | None) -> Append:
        return _entry(device_stream("meter-1"), GapBody(self.device.key.kid, boot, first, last, "lost at source"))

    def key_entry(self, public: bytes) -> Append:
        return _entry(KEYS, KeyBody(public, NODE, ("meter-1",), REGISTERED))

    # What a sink sees

    @property
    def origin(self) -> str:
        return self.log.origin

    async def wait(self, size: int) -> int:
        while self.log.size <= size:
            await self._grown.wait()
        return self.log.size

    async def read(self, first: int, limit: int) -> Sequence[StoredEntry]:
        return self.log.records(first, limit)

    def age_s(self, index: int) -> float:
        return self.ages.get(index, 0.0)

    async def prove(self, first: int, end: int) -> BatchProof:
        return BatchProof(self.log.checkpoint, self.log.subset_proof([(first, end)]))

    async def cursor(self, name: str) -> int:
        return self.log.cursor(name)

    async def set_cursor(self, name: str, index: int) -> None:
        self.log.set_cursor(name, index)

    async def bury(self, name: str, index: int, reason: str) -> None:
        self.log.bury(name, index, reason)

    async def buried(self, name: str) -> Sequence[str]:
        return [reason for sink, _, reason in self.log.dead_letters() if sink == name]


def _entry(stream: str, body: Body) -> Append:
    return Append(stream, encode_unplaced(NOW_MS, SYNCED, body))
