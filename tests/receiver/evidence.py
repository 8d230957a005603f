"""Logs in memory that sign what a test wants, also what no honest gateway would."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from wayside.evidence.batch import encode_batch
from wayside.evidence.entry import DEVICE_ATTESTED, Kind, commitment, encode_entry, pack_body
from wayside.evidence.merkle import leaf_hash, node_hash, root_hash, subset_proof
from wayside.evidence.note import ED25519, Checkpoint, NoteKey, sign_note
from wayside.trust.keys import SoftwareKey
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, Reading, pack_hash, sign_pack

ORIGIN = "test.example/log/0"
LOG_KEY = SoftwareKey(bytes(32))
KEY = NoteKey(ORIGIN, ED25519, LOG_KEY.public)
NOW_MS = 1_790_000_000_000


class Item(NamedTuple):
    salt: bytes
    entry: bytes


class History:
    """A list of entries of which any range can be had as a batch, under the tree of any size."""

    def __init__(self, entries: Sequence[bytes], origin: str = ORIGIN) -> None:
        self.items = [Item(sha256(entry).digest()[:16], entry) for entry in entries]
        self.key = NoteKey(origin, ED25519, LOG_KEY.public)

    def perfect(self, level: int, index: int) -> bytes:
        if level == 0:
            return leaf_hash(commitment(*self.items[index]))
        return node_hash(self.perfect(level - 1, 2 * index), self.perfect(level - 1, 2 * index + 1))

    def checkpoint(self, size: int, key: SoftwareKey = LOG_KEY) -> bytes:
        text = Checkpoint(self.key.name, size, root_hash(size, self.perfect)).text()
        return sign_note(text, NoteKey(self.key.name, ED25519, key.public), key.sign).encode()

    def batch(self, first: int, end: int, size: int | None = None, checkpoint: bytes | None = None) -> bytes:
        size = size or len(self.items)
        proof = subset_proof(size, [(first, end)], self.perfect)
        return encode_batch(checkpoint or self.checkpoint(size), first, self.items[first:end], proof)


def entry_of(raw: bytes, device: str = "m") -> bytes:
    return encode_entry(Kind.PACK, NOW_MS, SYNCED, pack_body(device, DEVICE_ATTESTED, raw))


def packs(count: int, key: SoftwareKey, device: str = "m", value: int = 0) -> list[bytes]:
    """`count` chained packs of a device, signed by `key`."""
    made = []
    previous = NO_PREVIOUS
    for sequence in range(count):
        reading = Reading("voltage_l1", "V", 23000 + value + sequence, -2, 0, "", NOW_MS + sequence)
        made.append(sign_pack(Pack(device, 0, sequence, SYNCED, previous, (reading,)), key.kid, key.sign))
        previous = pack_hash(made[-1])
    return made
