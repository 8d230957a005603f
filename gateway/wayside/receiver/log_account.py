"""The account of one log: batches in whatever order, its entries judged in the order of the log.

Entries that come before those that stand in front of them wait. How many, and how many bytes, is bounded: when it is
too much, the hole in front of them is given up, they are judged as what they are (entries without their past), and
what comes for the hole after all is named as not judged.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from wayside_wire.pack import key_id

from wayside.evidence import EvidenceError
from wayside.evidence.assurance import judge_log_key
from wayside.evidence.batch import BatchVerifier, ForkError, VerifiedBatch
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import Entry
from wayside.evidence.fraud_batches import MAX_BATCHES, BatchFraud, prove_batch_fraud
from wayside.evidence.heads import Commitment, StreamHead
from wayside.evidence.history import EntryHistory
from wayside.evidence.intervals import IntervalSet
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import REVOKED, EpochBody, KeyBody, PackBody
from wayside.evidence.look import PackFacts
from wayside.evidence.note import Checkpoint, NoteKey, parse_checkpoint, parse_note
from wayside.evidence.origin import parse_origin
from wayside.evidence.stream import KEYS, device_of
from wayside.values.reading import Pack as OpenedPack

from .keys import DeviceKeys, PinnedJudge
from .stretch import MAX_PROBLEMS, ArrivedEntry, LogStretch, look

MAX_WAITING = 1 << 15  # entries; while an hour of 100 a second is sent late, some 20,000 new ones come
MAX_WAITING_BYTES = 16 << 20  # of packs whose key is not known yet
_PROOFS_TRIED = 3


class SeenPack(NamedTuple):
    """A pack as it arrived, at `place` of the log.

    `kid`: of the key that signed it, if that may sign for its device as far as is known then.
    """

    place: int
    attested: str
    pack: OpenedPack
    kid: bytes | None


@dataclass(frozen=True)
class _Anchor:
    """The newest checkpoint whose heads were recomputed, and all of them: what a proof of fraud begins with."""

    size: int = 0
    note: bytes = b""
    heads: tuple[StreamHead, ...] = ()


class _Batches:
    """Messages as they came, the newest of them up to so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._all: deque[tuple[int, bytes]] = deque()  # index behind the last entry, message

    def __iter__(self) -> Iterator[bytes]:
        return (raw for _, raw in self._all)

    def add(self, end: int, raw: bytes) -> None:
        self._all.append((end, raw))
        self._bytes += len(raw)
        while self._bytes > self._most:
            self._bytes -= len(self._all.popleft()[1])

    def up_to(self, size: int) -> list[tuple[int, bytes]]:
        """Take out those that end within the first `size` entries."""
        found = [each for each in self._all if each[0] <= size]
        self._all = deque(each for each in self._all if each[0] > size)
        self._bytes -= sum(len(raw) for _, raw in found)
        return found


class LogAccount:
    """What is known of one log. `size`, `root`: of its newest checkpoint; `indices`: the entries that came."""

    def __init__(self, key: NoteKey, given: DeviceKeys) -> None:
        self.origin = key.name
        self.epoch = parse_origin(key.name).epoch
        self.indices = IntervalSet()
        self.size = 0
        self.root = b""
        self.batches = 0
        self.redelivered = 0
        self.judged = LogStretch(given)
        self.frauds: dict[str, None] = {}  # contradictions that the log's key signed, in words
        self.proof: BatchFraud | None = None  # of one of them
        self.late = 0  # entries that came after their place had been given up
        self.unchecked = 0  # checkpoints whose heads could not be recomputed any more
        self.revoked: dict[bytes, int] = {}  # key id -> lowest index of an entry that came and revokes it
        self._key = key
        self._verifier = BatchVerifier(key)
        self._history = EntryHistory()
        self._publics = given.publics()
        self._preview = PinnedJudge(given)  # for what is shown at once
        self._waiting: dict[int, ArrivedEntry] = {}
        self._waiting_bytes = 0
        self._ahead: dict[int, tuple[Commitment, bytes]] = {}  # checkpoints by size that wait for their entries
        self._compared: OrderedDict[int, Commitment] = OrderedDict()  # by size, heads that were compared, or will be
        self._tail: LogStretch | None = None  # of those that wait, as far as they were judged for now
        self._tail_first = 0
        self._anchor = _Anchor()
        self._kept = _Batches(MAX_BATCHES)  # behind the anchor
        self._older = _Batches(MAX_BATCHES // 4)  # before it: another history may touch them
        self._tried = 0

    def take(self, message: bytes) -> list[SeenPack]:
        """Take in a batch; its packs that are new. EvidenceError when nothing of it counts."""
        try:
            batch = self._verifier.verify(message)
            self._history.take(batch)
        except ForkError as error:
            self._contradicted([str(error)], error.notes, message)
            raise
        self.batches += 1
        end = batch.first + len(batch.records)
        if batch.size > self.size:
            self.size, self.root = batch.size, batch.root
        self._keep(batch, message)
        self._expect(batch)
        seen: list[SeenPack] = []
        for index, (_, raw) in enumerate(batch.records, batch.first):
            if self.indices.add(index, index + 1):
                seen += self._arrive(index, raw)
            else:
                self.redelivered += 1
        self._judge_waiting()
        if self._tail and any(index in self._waiting for index in range(batch.first, min(end, self._tail.next))):
            self._tail = None
        return seen

    def stretches(self) -> list[LogStretch]:
        """What is judged for good, and behind it, as far as can be said, what waits for entries that have not come."""
        if not self._waiting:
            return [self.judged]
        if self._tail is None:
            self._tail, self._tail_first = self.judged.fork(), min(self._waiting)
        begin = self._tail.next
        for index in sorted(each for each in self._waiting if each >= begin):
            self._note(self._tail.take(index, self._waiting[index], self._publics))
        return [self.judged, self._tail]

    def problems(self) -> Iterator[str]:
        """What is wrong with it but for its devices, one line each."""
        for stretch in self.stretches():
            yield from stretch.problems
            if stretch.more_problems:
                yield f"{stretch.more_problems} more entries are out of form or say what must not be said"
        latest = self.stretches()[-1]
        checkpoint = Checkpoint(self.origin, self.size, self.root)
        trust = Trust.in_key(self._key)
        yield from judge_log_key(checkpoint, self._key.public, latest.judge.keyring, trust, latest.last_ms)
        if self.late:
            yield f"not judged: {self.late} entries that came after {MAX_WAITING} later ones"
        if self.unchecked:
            yield f"not judged: the heads of {self.unchecked} checkpoints that came too late or too far ahead"

    @property
    def keyring(self) -> Keyring:
        """The log's keys as far as its entries came."""
        return self.stretches()[-1].judge.keyring

    def epochs(self) -> list[tuple[int, EpochBody]]:
        """What its entries say of the log before it, with their indexes."""
        return [each for stretch in self.stretches() for each in stretch.epochs]

    def is_known_by(self, size: int, root: bytes, note: bytes | None) -> bool:
        """Whether nothing that came speaks against this being the root of the log's first `size` entries."""
        own = self._verifier.note_of(size)
        known = parse_checkpoint(parse_note(own)).root if own else self._history.root_at(size)
        if known in (None, root):
            return True
        self._contradicted([], tuple(each for each in (own, note) if each))
        return False

    # --- as it comes ---

    def _arrive(self, index: int, raw: bytes) -> Iterator[SeenPack]:
        arrived, opened = look(raw, self._publics)
        entry = arrived.entry
        if isinstance(entry, Entry) and isinstance(entry.body, KeyBody):
            self._learn(index, entry.body)
        if index < self.judged.next:
            self.late += 1
        else:
            self._waiting[index] = arrived
            self._waiting_bytes += len(arrived.raw)
        if opened and isinstance(entry, Entry) and isinstance(entry.body, PackBody):
            yield SeenPack(index, entry.body.attested, opened, self._signer(index, entry, arrived.facts))

    def _learn(self, index: int, key: KeyBody) -> None:
        with suppress(ValueError):  # an entry may name what is no key; nothing is signed by it
            self._publics.add(key.public)
        with suppress(EvidenceError):
            self._preview.take_key(index, key)
        if key.event == REVOKED:
            kid = key_id(key.public)
            self.revoked[kid] = min(index, self.revoked.get(kid, index))

    def _signer(self, index: int, entry: Entry, facts: object) -> bytes | None:
        self._preview.keys_whole = self.indices.first == 0
        if isinstance(facts, PackFacts) and isinstance(entry.body, PackBody):
            with suppress(EvidenceError):
                return self._preview.allowed(index, device_of(entry.stream) or "", entry.body.attested, facts).kid
        return None

    # --- in the order of the log ---

    def _judge_waiting(self) -> None:
        self._advance()
        if len(self._waiting) <= MAX_WAITING and self._waiting_bytes <= MAX_WAITING_BYTES:
            return
        for index in sorted(self._waiting):
            if len(self._waiting) <= MAX_WAITING // 2 and self._waiting_bytes <= MAX_WAITING_BYTES // 2:
                break
            if index in self._waiting:
                self._judge(index)
                self._advance()

    def _advance(self) -> None:
        while self.judged.next in self._waiting:
            self._judge(self.judged.next)

    def _judge(self, index: int) -> None:
        arrived = self._waiting.pop(index)
        self._waiting_bytes -= len(arrived.raw)
        self._contradicted(self.judged.take(index, arrived, self._publics))
        entry = arrived.entry
        if index >= self._tail_first or (isinstance(entry, Entry) and entry.stream == KEYS):
            self._tail = None
        if self._ahead:
            self._compare_ahead()

    def _expect(self, batch: VerifiedBatch) -> None:
        """Compare the heads of a checkpoint, or remember them until the entries are here."""
        size, growth = batch.size, self.judged.growth
        if self._compared.get(size) == batch.heads:
            return
        self._compared.setdefault(size, batch.heads)
        if len(self._compared) > MAX_WAITING:
            self._compared.popitem(last=False)
        if size > self.judged.next:
            heads, note = self._ahead.setdefault(size, (batch.heads, batch.note))
            if heads != batch.heads:
                self._contradicted([f"two lines of heads were signed for size {size}"], (note, batch.note))
            if len(self._ahead) > MAX_WAITING:
                del self._ahead[max(self._ahead)]
                self.unchecked += 1
        elif growth:
            right = growth.at(size)
            if right is None:
                self.unchecked += 1
            elif right != batch.heads:
                self._contradicted([_wrong_heads(size)], (batch.note,))

    def _compare_ahead(self) -> None:
        size, growth = self.judged.next, self.judged.growth
        if not growth:
            self._ahead.clear()
            return
        found = self._ahead.pop(size, None)
        if found:
            heads, note = found
            if growth.heads.commitment() != heads:
                self._contradicted([_wrong_heads(size)], (note,))
            else:
                self._anchor = _Anchor(size, note, tuple(growth.heads))
                for batch in self._kept.up_to(size):
                    self._older.add(*batch)

    # --- what proves that the log's key signed what cannot be ---

    def _keep(self, batch: VerifiedBatch, message: bytes) -> None:
        end = batch.first + len(batch.records)
        (self._kept if end > self._anchor.size else self._older).add(end, message)

    def _contradicted(self, problems: list[str], notes: tuple[bytes, ...] = (), message: bytes = b"") -> None:
        self._note(problems)
        if self.proof or self._tried >= _PROOFS_TRIED or not (problems or notes):
            return
        self._tried += 1
        anchor = (self._anchor.note,) if self._anchor.size else ()
        behind = (*self._kept, message) if message else tuple(self._kept)
        tries = [BatchFraud((), notes), BatchFraud(self._anchor.heads, (*anchor, *notes), behind)]
        if message:
            tries.append(BatchFraud((), notes, (*self._older, *behind)))
        for fraud in tries:
            with suppress(EvidenceError):
                prove_batch_fraud(fraud, self._key)
                self.proof = fraud
                return

    def _note(self, problems: list[str]) -> None:
        for problem in problems:
            if len(self.frauds) < MAX_PROBLEMS:
                self.frauds.setdefault(problem)


def _wrong_heads(size: int) -> str:
    return f"the heads under the checkpoint of size {size} are not those of its entries"
