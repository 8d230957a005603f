"""The judgement on an evidence file, field by field. A stranger needs this package and the log's public key.

Nothing in a file is believed before the step that proves it: the checkpoint by the log's key, the entries by the tree,
the devices' keys by entries that are proven, the packs by those keys, their completeness by their chain.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from wayside_wire import WireError, pack

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.bundle import Bundle, Claim
from wayside.evidence.chain import Chain
from wayside.evidence.entry import DEVICE_ATTESTED, Entry, Kind, commitment, decode_entry
from wayside.evidence.note import Checkpoint, Note, NoteKey, cosigned_at, open_checkpoint
from wayside.evidence.policy import Policy

_ROLES = {DEVICE_ATTESTED: "node"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the judgement."""

    subject: str
    holds: bool
    text: str


@dataclass(slots=True)
class _Key:
    """A device key as the log's entries tell: valid from one index on, until another."""

    role: str
    devices: frozenset[str]
    since: int
    until: int | None = None


@dataclass(slots=True)
class _Device:
    """What came of one device."""

    chain: Chain = field(default_factory=Chain)
    packs: int = 0
    readings: int = 0
    bad: int = 0
    attested: Counter[str] = field(default_factory=Counter)
    kids: Counter[str] = field(default_factory=Counter)
    quality: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    first_logged_ms: int = sys.maxsize
    last_logged_ms: int = -1

    def saw(self, logged_at_ms: int) -> None:
        self.first_logged_ms = min(self.first_logged_ms, logged_at_ms)
        self.last_logged_ms = max(self.last_logged_ms, logged_at_ms)


class Verifier:
    """Judges one bundle against the log's key. `findings` after `run`."""

    def __init__(self, bundle: Bundle, key: NoteKey, policy: Policy | None = None):
        self._bundle = bundle
        self._key = key
        self._policy = policy
        self._keys: dict[bytes, _Key] = {}
        self._publics: dict[bytes, Ed25519PublicKey] = {}
        self._devices: dict[str, _Device] = {}
        self.findings: list[Finding] = []

    def run(self) -> bool:
        """Whether everything holds."""
        checkpoint = self._checkpoint()
        if checkpoint and self._inclusion(checkpoint):
            entries = self._entries()
            self._times(entries)
            self._claim(checkpoint)
            self._judge_devices()
        return all(finding.holds for finding in self.findings)

    def _say(self, subject: str, holds: bool, text: str) -> None:
        self.findings.append(Finding(subject, holds, text))

    # --- the log ---

    def _checkpoint(self) -> Checkpoint | None:
        try:
            checkpoint, note = open_checkpoint(self._bundle.checkpoint, self._key)
        except EvidenceError as error:
            self._say("checkpoint", False, str(error))
            return None
        others = len(note.signatures) - 1
        signed = f"signed by {self._key.name}" + (f", {others} other signatures not judged" if others else "")
        self._say("checkpoint", True, f"{checkpoint.size} entries, {signed}")
        if self._policy:
            self._witnesses(self._policy, note)
        return checkpoint

    def _witnesses(self, policy: Policy, note: Note) -> None:
        try:
            names = policy.cosigned(note)
        except EvidenceError as error:
            self._say("witnesses", False, str(error))
            return
        times = {name: cosigned_at(note.verified_by(policy.witnesses[name])) for name in sorted(names)}
        each = [f"{name} witnessed at {_utc(1000 * time_s)}" for name, time_s in times.items()]
        text = f"co-signed by {len(each)}" + (f": {', '.join(each)}" if each else "")
        met = policy.met_by(names)
        self._say("witnesses", met, text + ("" if met else f": not enough for the quorum {policy.quorum}"))

    def _inclusion(self, checkpoint: Checkpoint) -> bool:
        bundle = self._bundle
        leaves = (merkle.leaf_hash(commitment(salt, entry)) for salt, entry in bundle.records)
        try:
            root = merkle.root_from_subset(checkpoint.size, bundle.ranges, leaves, bundle.proof)
        except EvidenceError as error:
            self._say("inclusion", False, str(error))
            return False
        holds = root == checkpoint.root
        text = f"{len(bundle.records)} entries, {len(bundle.proof)} proof hashes"
        self._say("inclusion", holds, text if holds else f"{text}: they are not those in the log")
        return holds

    # --- entries ---

    def _entries(self) -> list[Entry]:
        entries = []
        for index, (_, raw) in zip(self._bundle.indexes(), self._bundle.records, strict=True):
            try:
                entry = decode_entry(raw)
                self._take(index, entry)
            except (EvidenceError, WireError, LookupError, TypeError, ValueError) as error:
                self._say(f"entry {index}", False, str(error) or type(error).__name__)
                continue
            entries.append(entry)
        kinds = Counter(Kind(each.kind).name.lower() if each.kind in set(Kind) else "unknown" for each in entries)
        self._say("entries", True, ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none")
        return entries

    def _take(self, index: int, entry: Entry) -> None:
        body = entry.body
        if entry.kind == Kind.KEY:
            self._take_key(index, body[0], body[1], body[2], body[3])
        elif entry.kind == Kind.PACK:
            self._take_pack(index, body[0], body[1], body[2])
            self._device(body[0]).saw(entry.logged_at_ms)
        elif entry.kind == Kind.GAP:
            self._device(body[0]).chain.name_loss(body[1], body[2], body[3])

    def _take_key(self, index: int, public: bytes, role: str, devices: list[str], event: str) -> None:
        kid = pack.key_id(public)
        if event == "revoked":
            if kid in self._keys:
                self._keys[kid].until = index
            return
        if kid in self._keys and self._keys[kid].until is not None:
            raise EvidenceError(f"key {kid.hex()} is registered again after it was revoked")
        self._keys[kid] = _Key(role, frozenset(devices), index)
        self._publics[kid] = Ed25519PublicKey.from_public_bytes(public)

    def _take_pack(self, index: int, name: str, attested: str, raw: bytes) -> None:
        device = self._device(name)
        device.packs += 1
        try:
            opened, kid = pack.open_pack(raw, self._signed)
            self._check_key(index, kid, name, attested)
            if opened.device != name:
                raise EvidenceError(f"is a pack of {opened.device}")
        except (WireError, EvidenceError) as error:
            device.problems.append(f"entry {index}: {error}")
            return
        if not device.chain.add((opened.boot, opened.sequence), pack.pack_hash(raw), opened.previous):
            device.problems.append(f"entry {index}: pack {opened.boot}/{opened.sequence} is there twice")
        device.attested[attested] += 1
        device.kids[kid.hex()] += 1
        device.quality[opened.time_quality] += 1
        device.readings += len(opened.readings)
        device.bad += sum(reading.quality == pack.BAD for reading in opened.readings)

    def _signed(self, kid: bytes, message: bytes, signature: bytes) -> bool:
        public = self._publics.get(kid)
        if public is None:
            raise WireError(f"key {kid.hex()} is not registered in the entries before it")
        try:
            public.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def _check_key(self, index: int, kid: bytes, device: str, attested: str) -> None:
        key = self._keys[kid]
        if key.until is not None and index > key.until:
            raise EvidenceError(f"key {kid.hex()} was revoked by entry {key.until}")
        if device not in key.devices:
            raise EvidenceError(f"key {kid.hex()} is not registered for {device}")
        if key.role != _ROLES.get(attested, "gateway"):
            raise EvidenceError(f"called {attested}-attested, but signed by the key of a {key.role}")

    def _device(self, name: str) -> _Device:
        return self._devices.setdefault(name, _Device())

    # --- judgement ---

    def _times(self, entries: list[Entry]) -> None:
        if not entries:
            return
        first, last = min(each.logged_at_ms for each in entries), max(each.logged_at_ms for each in entries)
        back = sum(after.logged_at_ms < before.logged_at_ms for before, after in pairwise(entries))
        quality = Counter(each.time_quality for each in entries)
        text = f"logged from {_utc(first)} to {_utc(last)} by the gateway's clock ({_qualities(quality)})"
        self._say("time", True, text + (f", which went back {back} times" if back else ""))

    def _claim(self, checkpoint: Checkpoint) -> None:
        claim = self._bundle.claim
        if claim.device is None:
            whole = self._bundle.ranges == (((0, checkpoint.size),) if checkpoint.size else ())
            self._say("claim", whole, "the whole log" + ("" if whole else ", it says, but entries are left out"))
        else:
            device = self._devices.get(claim.device)
            text = f"{claim.device} logged from {_when(claim.from_ms)} to {_when(claim.to_ms)}"
            self._say("claim", device is not None, text + (_edges(claim, device) if device else ": nothing of it"))

    def _judge_devices(self) -> None:
        for name, device in sorted(self._devices.items()):
            signed = ", ".join(f"{count} {attested}-attested" for attested, count in device.attested.items())
            keys = ", ".join(f"key {kid}" for kid in device.kids)
            text = f"{device.packs} packs ({signed or 'none good'}; {keys or 'no key'})"
            text += f", {device.readings} readings, {device.bad} bad; time {_qualities(device.quality)}"
            self._say(f"{name} signatures", not device.problems, "; ".join([text, *device.problems[:5]]))
            missing = [str(gap) for gap in device.chain.gaps()]
            named = [str(gap) for gap in device.chain.named()]
            if missing:
                self._say(f"{name} sequence", False, "INCOMPLETE: missing " + ", ".join(missing[:20]))
            elif named:
                self._say(f"{name} sequence", True, "INCOMPLETE, each loss named by the log: " + ", ".join(named[:20]))
            else:
                self._say(f"{name} sequence", True, f"COMPLETE: {device.chain.span()}")


def verify_bundle(bundle: Bundle, key: NoteKey, policy: Policy | None = None) -> tuple[bool, list[Finding]]:
    """(whether everything holds, the findings). `key`: the site's log key under the name of any of its epochs.

    `policy`: which witnesses must have co-signed; without one cosignatures are not judged.
    """
    site = key.name.rpartition("/log/")[0]
    verifier = Verifier(bundle, replace(key, name=_origin(bundle, site) or key.name), policy)
    return verifier.run(), verifier.findings


def _origin(bundle: Bundle, site: str) -> str | None:
    """The epoch that the checkpoint names, when it is one of the site's; one key signs them all."""
    origin = bundle.checkpoint.split(b"\n", 1)[0].decode(errors="replace")
    return origin if not site or origin.rpartition("/log/")[0] == site else None


def _edges(claim: Claim, device: _Device) -> str:
    """What the packs outside of the interval prove: only with one on each side does the chain cover all of it."""
    opened = []
    from_first = claim.from_ms is None or device.first_logged_ms < claim.from_ms or device.chain.begins()
    if not from_first:
        opened.append("beginning")
    if claim.to_ms is not None and device.last_logged_ms < claim.to_ms:
        opened.append("end")
    return f"; OPEN at its {' and '.join(opened)}: more may lie there" if opened else "; closed on both sides"


def _qualities(counts: Counter[int]) -> str:
    names = {pack.UNSYNCED: "unsynced", pack.HOLDOVER: "holdover", pack.SYNCED: "synced"}
    return ", ".join(f"{count} {names.get(quality, '?')}" for quality, count in sorted(counts.items())) or "none"


def _utc(time_ms: int) -> str:
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"


def _when(time_ms: int | None) -> str:
    return "any time" if time_ms is None else _utc(time_ms)


def lines(findings: list[Finding]) -> Iterator[str]:
    """The judgement for people, one line each: names and reasons come from strangers, so only what prints is shown."""
    for finding in findings:
        line = f"{'holds' if finding.holds else 'FAILS'}  {finding.subject:<22} {finding.text}"
        yield "".join(each if each.isprintable() else "?" for each in line)
