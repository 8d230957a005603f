"""What arrived, what is missing, what came twice, what did not verify: the receiver's judgement, kept as it goes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from wayside_wire import WireError, pack

from wayside.evidence import EvidenceError
from wayside.evidence.batch import BatchVerifier
from wayside.evidence.entry import Kind, decode_entry
from wayside.evidence.note import NoteKey
from wayside.reading import Pack

from .chain import Chain
from .intervals import IntervalSet
from .keys import DeviceKeys


@dataclass(frozen=True)
class Report:
    """One pack out of a verified batch. `signed`: by a key of its device that is known here, else only by the log."""

    pack: Pack
    attested: str
    index: int
    signed: bool


@dataclass
class LogAccount:
    """What is known of one log: which entries came, and the newest checkpoint."""

    indices: IntervalSet = field(default_factory=IntervalSet)
    size: int = 0
    root: bytes = b""


class Account:
    """Feed it every message; ask it at any time."""

    def __init__(self, key: NoteKey, keys: DeviceKeys, on_report: Callable[[Report], None] | None = None):
        """`key`: the site's log key, under the name of any of its epochs; `keys`: those of its devices."""
        self.logs: dict[str, LogAccount] = {}
        self.devices: dict[str, Chain] = {}
        self.batches = 0
        self.entries = 0
        self.redelivered = 0
        self.packs = 0
        self.unsigned = 0  # packs from devices whose key is not known here
        self.not_verified: Counter[str] = Counter()
        self._key = key
        self._verifiers: dict[str, BatchVerifier] = {}
        self._keys = keys
        self._on_report = on_report

    def take(self, origin: str, message: bytes) -> None:
        """Judge one batch of the log `origin` as it came from the broker. Never raises for what is in it."""
        # One key signs all epochs; each is a log of its own.
        verifier = self._verifiers.get(origin) or BatchVerifier(replace(self._key, name=origin))
        try:
            batch = verifier.verify(message)
        except EvidenceError as error:
            self.not_verified[str(error)] += 1
            return
        self._verifiers[origin] = verifier
        self.batches += 1
        log = self.logs.setdefault(batch.origin, LogAccount())
        if batch.size > log.size:
            log.size, log.root = batch.size, batch.root
        for index, (_, entry) in enumerate(batch.records, batch.first):
            if log.indices.add(index, index + 1):
                self.entries += 1
                self._take_entry(index, entry)
            else:
                self.redelivered += 1

    def _take_entry(self, index: int, raw: bytes) -> None:
        try:
            entry = decode_entry(raw)
            if entry.kind == Kind.PACK:
                self._take_pack(index, entry.body)
            elif entry.kind == Kind.GAP:
                device, boot, first, last = (entry.body[key] for key in range(4))
                self._chain(device).name_loss(boot, first, last)
            elif entry.kind == Kind.KEY and entry.body[3] == "registered":
                self._keys.register(entry.body[0], entry.body[2])
        except (EvidenceError, WireError, LookupError, TypeError, ValueError) as error:
            self.not_verified[f"entry {index}: {error}"] += 1

    def _take_pack(self, index: int, body: dict[Any, Any]) -> None:
        device, attested, raw = body[0], body[1], body[2]
        signed = None

        def check(kid: bytes, message: bytes, signature: bytes) -> bool:
            nonlocal signed
            signed = self._keys.check(device, kid, message, signature)
            return signed is not False

        opened, _ = pack.open_pack(raw, check)
        if opened.device != device:
            raise WireError(f"pack of {opened.device} is logged as {device}'s")
        self.packs += 1
        self.unsigned += signed is None
        self._chain(device).add((opened.boot, opened.sequence), pack.pack_hash(raw), opened.previous)
        if self._on_report:
            self._on_report(Report(opened, attested, index, signed is True))

    def _chain(self, device: str) -> Chain:
        return self.devices.setdefault(device, Chain())

    @property
    def duplicates(self) -> int:
        """Packs that the log holds twice; a batch delivered twice is no duplicate, see `redelivered`."""
        return sum(chain.duplicates for chain in self.devices.values())

    def gaps(self) -> list[str]:
        """What is missing and not named by the log, one line each."""
        entries = [f"{origin}: entries {first} to {end - 1}" for origin, first, end in self.outstanding()]
        return entries + [f"{name}: {gap}" for name, chain in self.devices.items() for gap in chain.gaps()]

    def outstanding(self) -> list[tuple[str, int, int]]:
        """(origin, first, end) of entries that a checkpoint covers and that have not come, after the first that did."""
        return [
            (origin, first, end)
            for origin, log in self.logs.items()
            for first, end in [*log.indices.holes(), (log.indices.end, log.size)]
            if first < end
        ]

    def named_losses(self) -> list[str]:
        """What is missing and named by the log, one line each."""
        return [f"{name}: {gap}" for name, chain in self.devices.items() for gap in chain.named()]

    def problems(self) -> list[str]:
        """Why the verdict is not good, one line each; empty when everything holds."""
        found = [f"{count} not verified: {reason}" for reason, count in self.not_verified.items()]
        found += [f"missing: {gap}" for gap in self.gaps()]
        found += [f"{name}: {chain.duplicates} packs twice" for name, chain in self.devices.items() if chain.duplicates]
        return found
