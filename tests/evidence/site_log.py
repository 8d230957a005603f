"""A site's log as a list in memory: what the tests of batches, bundles and claims write their evidence from."""

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from wayside.evidence import merkle
from wayside.evidence.bundle import Bundle, BundleClaim, ranges_of
from wayside.evidence.entry import commitment, encode_unplaced, place
from wayside.evidence.heads import Heads, ProvenHead
from wayside.evidence.kinds import DEVICE_ATTESTED, Body, EpochBody, GapBody, KeyBody, PackBody
from wayside.evidence.note import ED25519, Checkpoint, NoteKey, sign_note
from wayside.evidence.origin import Origin, parse_origin
from wayside.evidence.stream import KEYS, device_stream
from wayside.trust.keys import SoftwareKey
from wayside_wire import pack as wire
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Reading, pack_hash, sign_pack

ORIGIN = "site.example/log/0"
LOG = SoftwareKey(bytes(range(32)))
KEY = NoteKey(ORIGIN, ED25519, LOG.public)
NODE = SoftwareKey(b"n" * 32)
THIEF = SoftwareKey(b"t" * 32)
START_MS = 1_790_000_000_000
DEVICE = "meter-1"
STREAM = device_stream(DEVICE)
_OF_DEVICE = BundleClaim(STREAM)


class Record(NamedTuple):
    index: int
    salt: bytes
    entry: bytes
    damaged: bool = False


class SiteLog:
    """Entries in order. Meets the protocol `Source` of wayside.evidence.bundle, and signs whatever a test wants."""

    def __init__(self, origin: str = ORIGIN, key: SoftwareKey = LOG) -> None:
        self.origin = origin
        self.key = key
        self.items: list[Record] = []
        self.places: list[tuple[str, int]] = []  # of each entry: stream and number
        self.counts: Counter[str] = Counter()  # of entries, by stream
        self.previous: dict[tuple[str, bytes], bytes] = {}

    # --- writing ---

    def add(self, stream: str, body: Body) -> int:
        """An entry as an honest log writes it."""
        return self.add_raw(stream, encode_unplaced(self.now(), 2, body))

    def add_raw(self, stream: str, unplaced: bytes, number: int | None = None) -> int:
        """Any bytes as an entry; `number`: another one than is right."""
        number = self.counts[stream] if number is None else number
        return self.add_bytes(place(unplaced, stream, number), stream, number)

    def add_bytes(self, entry: bytes, stream: str, number: int) -> int:
        index = len(self.items)
        self.items.append(Record(index, sha256(b"salt %d" % index).digest()[:16], entry))
        self.places.append((stream, number))
        self.counts[stream] += 1
        return index

    def begin(self) -> "SiteLog":
        """The first entry of an epoch after 0, of which nothing is known of the one before."""
        own = parse_origin(self.origin)
        before = str(Origin(own.site, own.epoch - 1))
        self.add(KEYS, EpochBody(before, 0, merkle.EMPTY_ROOT, "the disk was lost", None))
        return self

    def add_key(
        self,
        event: str = "registered",
        key: SoftwareKey = NODE,
        devices: Sequence[str] = (DEVICE,),
        role: str = "node",
        **more: object,
    ) -> int:
        return self.add(KEYS, KeyBody(key.public, role, tuple(devices), event, **more))

    def make_pack(
        self, sequence: int, boot: int = 1, key: SoftwareKey = NODE, device: str = DEVICE, value: int = 0
    ) -> bytes:
        reading = Reading("energy_active_import", "J", 36_000 * (100 + sequence) + value, 3, 0, "", self.now())
        previous = self.previous.get((device, key.kid), NO_PREVIOUS)
        raw: bytes = sign_pack(wire.Pack(device, boot, sequence, SYNCED, previous, (reading,)), key.kid, key.sign)
        self.previous[device, key.kid] = pack_hash(raw)
        return raw

    def add_pack(self, raw: bytes, device: str = DEVICE, attested: str = DEVICE_ATTESTED) -> int:
        return self.add(device_stream(device), PackBody(attested, raw))

    def add_packs(
        self, first: int, end: int, device: str = DEVICE, boot: int = 1, key: SoftwareKey = NODE
    ) -> None:
        for sequence in range(first, end):
            self.add_pack(self.make_pack(sequence, boot, key, device), device)

    def add_gap(self, boot: int, first: int, last: int | None, key: SoftwareKey = NODE) -> None:
        self.add(STREAM, GapBody(key.kid, boot, first, last, "lost"))

    def now(self) -> int:
        return START_MS + 60_000 * len(self.items)

    # --- reading ---

    @property
    def size(self) -> int:
        return len(self.items)

    @property
    def checkpoint(self) -> bytes:
        return self.checkpoint_at(self.size)

    def checkpoint_at(self, size: int, heads: Heads | None = None) -> bytes:
        root = merkle.root_hash(size, self.perfect)
        line = (heads or self.heads(size)).commitment().line()
        text = Checkpoint(self.origin, size, root, (line,)).text()
        return sign_note(text, NoteKey(self.origin, ED25519, self.key.public), self.key.sign).encode()

    def heads(self, size: int | None = None) -> Heads:
        heads = Heads()
        for index, (stream, _) in enumerate(self.places[:size]):
            heads.count_entry(stream, index)
        return heads

    def head(self, stream: str) -> ProvenHead:
        heads = self.heads()
        at, hashes = heads.proof(stream)
        return ProvenHead(heads.get(stream), at, tuple(hashes))

    def records(self, first: int, limit: int) -> list[Record]:
        return self.items[first : first + limit]

    def indexes_of(self, stream: str, first: int, end: int) -> list[int]:
        return [index for index, (name, number) in enumerate(self.places) if name == stream and first <= number < end]

    def subset_proof(self, ranges: Sequence[merkle.Range]) -> list[bytes]:
        return merkle.subset_proof(self.size, ranges, self.perfect)

    def perfect(self, level: int, index: int) -> bytes:
        if level == 0:
            return merkle.leaf_hash(commitment(self.items[index].salt, self.items[index].entry))
        return merkle.node_hash(self.perfect(level - 1, 2 * index), self.perfect(level - 1, 2 * index + 1))

    def bundle(self, keep: Callable[[int], bool] = lambda index: True, claim: BundleClaim = _OF_DEVICE) -> Bundle:
        """What a writer, honest or not, puts into a file."""
        indexes = [index for index in range(self.size) if keep(index)]
        ranges = ranges_of(indexes)
        pairs = tuple((self.items[index].salt, self.items[index].entry) for index in indexes)
        known = {stream for stream, _ in self.places}
        streams = [stream for stream in dict.fromkeys([KEYS, claim.stream]) if stream in known]
        heads = tuple(self.head(stream) for stream in streams) if claim.stream else ()
        proof = tuple(self.subset_proof(ranges))
        return Bundle(self.checkpoint, tuple(ranges), pairs, proof, claim, heads=heads)
