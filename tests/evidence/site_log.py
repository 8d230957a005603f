"""A site's log as a list in memory: what the tests of batches, bundles and claims write their evidence from."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from wayside.evidence import merkle
from wayside.evidence.bundle import GATEWAY_STREAM, Bundle, Claim, ranges_of
from wayside.evidence.entry import DEVICE_ATTESTED, Kind, commitment, encode_entry, gap_body, key_body, pack_body
from wayside.evidence.note import ED25519, Checkpoint, NoteKey, sign_note
from wayside.trust.keys import SoftwareKey
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, Reading, pack_hash, sign_pack

ORIGIN = "site.example/log/0"
LOG = SoftwareKey(bytes(range(32)))
KEY = NoteKey(ORIGIN, ED25519, LOG.public)
NODE = SoftwareKey(b"n" * 32)
THIEF = SoftwareKey(b"t" * 32)
START_MS = 1_790_000_000_000
DEVICE = "meter-1"
_OF_DEVICE = Claim(DEVICE)


class Record(NamedTuple):
    index: int
    salt: bytes
    entry: bytes


class SiteLog:
    """Entries in order; `at` is the stream of each. Meets the protocol `Source` of wayside.evidence.bundle."""

    def __init__(self, origin: str = ORIGIN, key: SoftwareKey = LOG) -> None:
        self.origin = origin
        self.key = key
        self.items: list[Record] = []
        self.streams: list[str] = []
        self.previous: dict[str, bytes] = {}

    # --- writing ---

    def add(self, stream: str, entry: bytes) -> int:
        index = len(self.items)
        self.items.append(Record(index, sha256(b"salt %d" % index).digest()[:16], entry))
        self.streams.append(stream)
        return index

    def add_key(self, event: str = "registered", key: SoftwareKey = NODE, devices: Sequence[str] = (DEVICE,)) -> int:
        body = key_body(key.public, "node", list(devices), event)
        return self.add(GATEWAY_STREAM, encode_entry(Kind.KEY, self.now(), 2, body))

    def make_pack(
        self, sequence: int, boot: int = 1, key: SoftwareKey = NODE, device: str = DEVICE, value: int = 0
    ) -> bytes:
        reading = Reading("energy_active_import", "J", 36_000 * (100 + sequence) + value, 3, 0, "", self.now())
        previous = self.previous.get(device, NO_PREVIOUS)
        raw: bytes = sign_pack(Pack(device, boot, sequence, SYNCED, previous, (reading,)), key.kid, key.sign)
        self.previous[device] = pack_hash(raw)
        return raw

    def add_pack(self, raw: bytes, device: str = DEVICE) -> int:
        return self.add(device, encode_entry(Kind.PACK, self.now(), 2, pack_body(device, DEVICE_ATTESTED, raw)))

    def add_packs(self, first: int, end: int, device: str = DEVICE, boot: int = 1) -> None:
        for sequence in range(first, end):
            self.add_pack(self.make_pack(sequence, boot, device=device), device)

    def add_gap(self, boot: int, first: int, last: int | None) -> None:
        self.add(DEVICE, encode_entry(Kind.GAP, self.now(), 2, gap_body(DEVICE, boot, first, last, "lost")))

    def now(self) -> int:
        return START_MS + 60_000 * len(self.items)

    # --- reading ---

    @property
    def size(self) -> int:
        return len(self.items)

    @property
    def checkpoint(self) -> bytes:
        return self.checkpoint_at(self.size)

    def checkpoint_at(self, size: int) -> bytes:
        text = Checkpoint(self.origin, size, merkle.root_hash(size, self.perfect)).text()
        return sign_note(text, NoteKey(self.origin, ED25519, self.key.public), self.key.sign).encode()

    def records(self, first: int, limit: int) -> list[Record]:
        return self.items[first : first + limit]

    def indexes_of(self, streams: Sequence[str]) -> list[int]:
        return [index for index, stream in enumerate(self.streams) if stream in streams]

    def subset_proof(self, ranges: Sequence[merkle.Range]) -> list[bytes]:
        return merkle.subset_proof(self.size, ranges, self.perfect)

    def perfect(self, level: int, index: int) -> bytes:
        if level == 0:
            return merkle.leaf_hash(commitment(*self.items[index][1:]))
        return merkle.node_hash(self.perfect(level - 1, 2 * index), self.perfect(level - 1, 2 * index + 1))

    def bundle(self, keep: Callable[[int], bool] = lambda index: True, claim: Claim = _OF_DEVICE) -> Bundle:
        """What a writer, honest or not, puts into a file."""
        indexes = [index for index in range(self.size) if keep(index)]
        ranges = ranges_of(indexes)
        pairs = tuple((self.items[index].salt, self.items[index].entry) for index in indexes)
        return Bundle(self.checkpoint, tuple(ranges), pairs, tuple(self.subset_proof(ranges)), claim)
