"""What arrived, what is missing, what came twice, what did not verify: the receiver's judgement, kept as it goes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from wayside_wire import WireError, cbor, pack

from wayside.evidence import EvidenceError
from wayside.evidence.batch import BatchVerifier
from wayside.evidence.chain import Chain
from wayside.evidence.entry import Kind, decode_entry
from wayside.evidence.intervals import IntervalSet
from wayside.evidence.keyring import GATEWAY, NODE, REGISTERED, REVOKED
from wayside.evidence.note import NoteKey
from wayside.printable import printable
from wayside.reading import Pack

from .history import History
from .keys import DeviceKeys

_MAX_REASONS = 100


@dataclass(frozen=True)
class Report:
    """One pack out of a verified batch. `signed`: by a key of its device that is known here, else only by the log."""

    pack: Pack
    attested: str
    index: int
    signed: bool


@dataclass
class LogAccount:
    """What is known of one log: which entries came, that they are of one history, and the newest checkpoint."""

    verifier: BatchVerifier
    history: History = field(default_factory=History)
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
        self._keys = keys
        self._on_report = on_report

    def take(self, origin: str, message: bytes) -> None:
        """Judge one batch of the log `origin` as it came from the broker. Never raises for what is in it."""
        # One key signs all epochs; each is a log of its own.
        log = self.logs.get(origin) or LogAccount(BatchVerifier(replace(self._key, name=origin)))
        try:
            batch = log.verifier.verify(message)
            log.history.take(batch)
        except EvidenceError as error:
            self.refuse(str(error))
            return
        self.logs[origin] = log
        self.batches += 1
        if batch.size > log.size:
            log.size, log.root = batch.size, batch.root
        for index, (_, entry) in enumerate(batch.records, batch.first):
            if log.indices.add(index, index + 1):
                self.entries += 1
                self._take_entry(origin, index, entry)
            else:
                self.redelivered += 1

    def _take_entry(self, origin: str, index: int, raw: bytes) -> None:
        try:
            entry = decode_entry(raw)
            if entry.kind == Kind.PACK:
                self._take_pack(origin, index, entry.body)
            elif entry.kind == Kind.GAP:
                self._take_gap(entry.body)
            elif entry.kind == Kind.KEY:
                self._take_key(origin, index, entry.body)
        except (EvidenceError, WireError, LookupError, TypeError, ValueError) as error:
            self.refuse(f"entry {index}: {error}")

    def refuse(self, reason: str) -> None:
        """Count something that came and is no batch, or is none that counts."""
        # Whoever may publish could fill the memory with reasons of his own making.
        reason = printable(reason)
        known = reason in self.not_verified or len(self.not_verified) < _MAX_REASONS
        self.not_verified[reason if known else "other reasons"] += 1

    def _take_pack(self, origin: str, index: int, body: dict[Any, Any]) -> None:
        device, attested, raw = body[0], body[1], body[2]
        signed = None

        def check(kid: bytes, message: bytes, signature: bytes) -> bool:
            nonlocal signed
            signed = self._keys.check(device, (origin, index), kid, message, signature)
            return signed is not False

        opened, _ = pack.open_pack(raw, check)
        if opened.device != device:
            raise WireError(f"pack of {opened.device} is logged as {device}'s")
        self.packs += 1
        self.unsigned += signed is None
        self._chain(device).add((opened.boot, opened.sequence), pack.pack_hash(raw), opened.previous)
        if self._on_report:
            self._on_report(Report(opened, attested, index, signed is True))

    def _take_key(self, origin: str, index: int, body: dict[Any, Any]) -> None:
        public, role, devices, event = (body[label] for label in range(4))
        if event == REGISTERED and role in (NODE, GATEWAY):
            self._keys.register(public, devices)
        elif event == REVOKED:
            last = self._keys.revoke(public, origin, index)
            if last is not None:
                self.refuse(f"entry {last}: by key {pack.key_id(public).hex()}, which entry {index} had revoked")

    def _take_gap(self, body: dict[Any, Any]) -> None:
        device, boot, first, last = (body[key] for key in range(4))
        numbers = [boot, first] if last is None else [boot, first, last]
        if not (isinstance(device, str) and all(cbor.is_int(number) and number >= 0 for number in numbers)):
            raise WireError("gap body has other types than device, boot, first, last")
        if last is not None and last < first:
            raise WireError("gap ends before it begins")
        self._chain(device).name_loss(boot, first, last)

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
