"""Entries of one log, judged one by one in the order of the log: by the verifier's judge, with the verifier's rules.

What a receiver cannot know it does not say: where entries are not here, what they told of keys and how many entries
they were of which stream is not known behind them.
"""

from collections import Counter, deque
from copy import deepcopy
from typing import NamedTuple

from wayside_wire import WireError, pack

from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import PublicKeys
from wayside.evidence.entry import Entry, decode_entry
from wayside.evidence.heads import Commitment, Heads, StreamHead
from wayside.evidence.judge import Numbering
from wayside.evidence.kinds import EpochBody, KeyBody
from wayside.evidence.kinds import PackBody as PackEntry
from wayside.evidence.look import PackFacts, facts_of
from wayside.evidence.stream import KEYS, device_of, device_stream
from wayside.values.reading import Pack

from .keys import DeviceKeys, PinnedJudge

MAX_PROBLEMS = 100
_LOOK_BACK = 1 << 15  # entries back from the newest where the heads can still be told


class ArrivedEntry(NamedTuple):
    """An entry, or why it is out of form; facts of a pack, or why it fails.

    raw, kid: of a pack that names a key which was not known here when it came.
    """

    entry: Entry | str
    facts: PackFacts | str | None = None
    raw: bytes = b""
    kid: bytes = b""


def look(raw: bytes, keys: PublicKeys) -> tuple[ArrivedEntry, Pack | None]:
    """What can be said of an encoded entry by itself, and the readings of a pack that is one."""
    try:
        entry = decode_entry(raw)
    except EvidenceError as error:
        return ArrivedEntry(str(error)), None
    body = entry.body
    if not isinstance(body, PackEntry):
        return ArrivedEntry(entry), None
    bare = PackEntry(body.attested, b"")  # many wait for others
    without = Entry(entry.kind, entry.logged_at_ms, entry.time_quality, bare, entry.stream, entry.number)
    unknown = b""

    def verify(kid: bytes, message: bytes, signature: bytes) -> bool:
        nonlocal unknown
        try:
            return keys.verify(kid, message, signature)
        except WireError:  # there is no key of this id
            unknown = kid
            return True

    try:
        opened, kid = pack.open_pack(body.raw, verify)
        if unknown:
            return ArrivedEntry(without, None, body.raw, unknown), opened
        return ArrivedEntry(without, facts_of(body.raw, opened, kid)), opened
    except (ValueError, LookupError, TypeError) as error:  # a WireError is a ValueError
        return ArrivedEntry(without, str(error) or type(error).__name__), None


def knows(keys: PublicKeys, kid: bytes) -> bool:
    """Whether there is a key of this id."""
    try:
        keys.verify(kid, b"", b"")  # no signature: nothing is computed
    except WireError:
        return False
    return True


def open_late(raw: bytes, keys: PublicKeys) -> PackFacts | str:
    """What `look` says of a pack once its key is known."""
    try:
        return facts_of(raw, *pack.open_pack(raw, keys.verify))
    except (ValueError, LookupError, TypeError) as error:
        return str(error) or type(error).__name__


class LogStretch:
    """`next`: the index behind the newest entry that was judged."""

    def __init__(self, given: DeviceKeys) -> None:
        self.judge = PinnedJudge(given)
        self.next = 0
        self.problems: list[str] = []
        self.more_problems = 0
        self.by_unknown: Counter[str] = Counter()
        """By device, packs that were judged, or could not be, by keys of which not all entries are here."""
        self.epochs: list[tuple[int, EpochBody]] = []
        self.last_ms = -1
        self.growth: Growth | None = Growth()
        self._given = given
        self._numbering = Numbering()
        self._key_entries: list[tuple[int, KeyBody]] = []
        self._keys_next = 0  # number of the next entry of the keys' stream
        self._keys_left_out = False

    def fork(self) -> "LogStretch":
        """One that goes on from here by itself: it knows the keys, and has no devices yet."""
        other = LogStretch(self._given)
        for index, key in self._key_entries:
            other._take_key(index, key)
        other.problems.clear()
        other.judge.keys_whole, other.next = self.judge.keys_whole, self.next
        other._numbering = deepcopy(self._numbering)
        other._numbering.problems.clear()
        other._keys_next, other._keys_left_out = self._keys_next, self._keys_left_out
        other.growth = None
        return other

    def take(self, index: int, arrived: ArrivedEntry, keys: PublicKeys) -> list[str]:
        """Judge the entry at `index`, which is `next` or further on; what of its number cannot be, which is fraud."""
        if index != self.next:
            self.judge.keys_whole = False
            self.growth = None
        self.next = index + 1
        entry = arrived.entry
        if isinstance(entry, str):
            self._note(f"entry {index}: {entry}")
            self._numbering.skip(index)
            self.growth = None
            self.judge.keys_whole = False
            return []
        before = len(self._numbering.problems)
        self._numbering.take(index, entry.stream, entry.number)
        if self.growth:
            self.growth.count_entry(entry.stream)
        if entry.time_quality == pack.SYNCED:
            self.last_ms = max(self.last_ms, entry.logged_at_ms)
        if entry.stream == KEYS:
            self._place_key(entry.number)
        if isinstance(entry.body, KeyBody):
            self._take_key(index, entry.body)
        elif isinstance(entry.body, EpochBody):
            self.epochs.append((index, entry.body))
        else:
            self._take(index, entry, arrived, keys)
        return self._numbering.problems[before:]

    def head(self, device: str) -> StreamHead | None:
        """The head of a device's stream behind the newest entry; None where it is not known."""
        return self.growth.heads.get(device_stream(device)) if self.growth else None

    def _place_key(self, number: int) -> None:
        """The keys are all here again where a number follows the one before, unless one is left out for good."""
        self._keys_left_out |= number != self._keys_next
        self._keys_next = number + 1
        self.judge.keys_whole = not self._keys_left_out

    def _take_key(self, index: int, key: KeyBody) -> None:
        self._key_entries.append((index, key))
        try:
            self.judge.take_key(index, key)
        except EvidenceError as error:
            self._note(f"entry {index}: {error}")

    def _take(self, index: int, entry: Entry, arrived: ArrivedEntry, keys: PublicKeys) -> None:
        device, facts = device_of(entry.stream) or "", arrived.facts
        known = not arrived.raw or knows(keys, arrived.kid)
        if arrived.raw and (known or self.judge.keys_whole):
            facts = open_late(arrived.raw, keys)
        unsaid = isinstance(facts, PackFacts) and self.judge.cannot_say(index, device, facts.kid)
        if unsaid or not (known or self.judge.keys_whole):
            # Who may be right by an entry that is not here is not called wrong.
            self.by_unknown[device] += 1
            return
        counts = self.judge.take(index, entry, facts)
        if counts and isinstance(facts, PackFacts) and self.judge.may_have_ended(device, facts.kid):
            self.by_unknown[device] += 1

    def _note(self, problem: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self.more_problems += 1


class Growth:
    """The heads of a log from its first entry on, and those of a while ago."""

    def __init__(self) -> None:
        self.heads = Heads()
        self.size = 0
        self._base = Heads()
        self._base_size = 0
        self._streams: deque[str] = deque()  # of each entry from the base on
        self._names: dict[str, str] = {}

    def count_entry(self, stream: str) -> None:
        stream = self._names.setdefault(stream, stream)
        self.heads.count_entry(stream, self.size)
        self.size += 1
        self._streams.append(stream)
        if len(self._streams) > _LOOK_BACK:
            self._base.count_entry(self._streams.popleft(), self._base_size)
            self._base_size += 1

    def at(self, size: int) -> Commitment | None:
        """What a checkpoint of `size` entries has to say; None when that is too long ago, or still to come."""
        if size == self.size:
            return self.heads.commitment()
        if not self._base_size <= size < self.size:
            return None
        heads = self._base.copy()
        for index, stream in zip(range(self._base_size, size), self._streams, strict=False):
            heads.count_entry(stream, index)
        return heads.commitment()
