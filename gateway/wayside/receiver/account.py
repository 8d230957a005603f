"""What arrived, what is missing, what came twice, what did not verify: the receiver's judgement, kept as it goes."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from wayside_wire import WireError, cbor, pack

from wayside.evidence.batch import BatchVerifier
from wayside.evidence.errors import EvidenceError
from wayside.reading import Pack

from .chain import Chain
from .intervals import IntervalSet

_PACK, _GAP = 1, 2  # kinds of entries


@dataclass(frozen=True)
class Report:
    """One pack out of a verified batch. `signed` is None when no key of its device is known here."""

    pack: Pack
    assurance: str
    index: int
    signed: bool | None


@dataclass
class LogAccount:
    """What is known of one log: which entries came, and the newest checkpoint."""

    indices: IntervalSet = field(default_factory=IntervalSet)
    size: int = 0
    root: bytes = b""


class DeviceKeys:
    """Which public keys may sign for which device; a key under the name "*" may sign for all."""

    def __init__(self, keys: Mapping[str, Collection[bytes]]) -> None:
        """Device name to Ed25519 public keys of 32 bytes."""
        self._keys = {
            device: {pack.key_id(public): Ed25519PublicKey.from_public_bytes(public) for public in publics}
            for device, publics in keys.items()
        }

    def know(self, device: str) -> bool:
        return device in self._keys or "*" in self._keys

    def check(self, device: str, kid: bytes, message: bytes, signature: bytes) -> bool:
        key = self._keys.get(device, {}).get(kid) or self._keys.get("*", {}).get(kid)
        if key is None:
            return False
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Account:
    """Feed it every message; ask it at any time."""

    def __init__(self, verifier: BatchVerifier, keys: DeviceKeys, on_report: Callable[[Report], None] | None = None):
        self.logs: dict[str, LogAccount] = {}
        self.devices: dict[str, Chain] = {}
        self.batches = 0
        self.entries = 0
        self.redelivered = 0
        self.packs = 0
        self.unsigned = 0  # packs from devices whose key is not known here
        self.not_verified: Counter[str] = Counter()
        self._verifier = verifier
        self._keys = keys
        self._on_report = on_report

    def take(self, message: bytes) -> None:
        """Judge one batch as it came from the broker. Never raises for what is in it."""
        try:
            batch = self._verifier.verify(message)
        except EvidenceError as error:
            self.not_verified[str(error)] += 1
            return
        self.batches += 1
        log = self.logs.setdefault(batch.origin, LogAccount())
        if batch.size > log.size:
            log.size, log.root = batch.size, batch.root
        for index, entry in enumerate(batch.entries, batch.first):
            if log.indices.add(index, index + 1):
                self.entries += 1
                self._take_entry(index, entry)
            else:
                self.redelivered += 1

    def _take_entry(self, index: int, raw: bytes) -> None:
        try:
            entry = cbor.decode(raw)
            if entry[0] == _PACK:
                self._take_pack(index, entry[3])
            elif entry[0] == _GAP:
                device, boot, first, last = (entry[3][key] for key in range(4))
                self.devices.setdefault(device, Chain()).name_loss(boot, first, last)
        except (WireError, LookupError, TypeError, ValueError) as error:
            self.not_verified[f"entry {index}: {error}"] += 1

    def _take_pack(self, index: int, body: dict[int, object]) -> None:
        device, assurance, raw = body[0], body[1], body[2]
        if not (isinstance(device, str) and isinstance(assurance, str) and isinstance(raw, bytes)):
            raise WireError("pack body has other types than device, class, bytes")
        known = self._keys.know(device)

        def check(kid: bytes, message: bytes, signature: bytes) -> bool:
            return not known or self._keys.check(device, kid, message, signature)

        opened, _ = pack.open_pack(raw, check)
        if opened.device != device:
            raise WireError(f"pack of {opened.device} is logged as {device}'s")
        self.packs += 1
        self.unsigned += not known
        chain = self.devices.setdefault(device, Chain())
        chain.add((opened.boot, opened.sequence), pack.pack_hash(raw), opened.previous)
        if self._on_report:
            self._on_report(Report(opened, assurance, index, known or None))

    @property
    def duplicates(self) -> int:
        """Packs that the log holds twice; a batch delivered twice is no duplicate, see `redelivered`."""
        return sum(chain.duplicates for chain in self.devices.values())

    def gaps(self) -> list[str]:
        """What is missing and not named by the log, one line each."""
        entries = [
            f"{origin}: entries {first} to {end - 1}"
            for origin, log in self.logs.items()
            for first, end in log.indices.holes()
        ]
        return entries + [f"{name}: {gap}" for name, chain in self.devices.items() for gap in chain.gaps()]

    def named_losses(self) -> list[str]:
        """What is missing and named by the log, one line each."""
        return [f"{name}: {gap}" for name, chain in self.devices.items() for gap in chain.named()]

    def problems(self) -> list[str]:
        """Why the verdict is not good, one line each; empty when everything holds."""
        found = [f"{count} not verified: {reason}" for reason, count in self.not_verified.items()]
        found += [f"missing: {gap}" for gap in self.gaps()]
        found += [f"{name}: {chain.duplicates} packs twice" for name, chain in self.devices.items() if chain.duplicates]
        return found
