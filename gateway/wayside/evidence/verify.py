"""The judgement on an evidence file, field by field. A stranger needs this package and a key that he trusts.

Nothing in a file is believed before the step that proves it: the checkpoint by the log's key, the entries by the tree,
the devices' keys by entries that are proven, the packs by those keys, their completeness by their chain.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from wayside_wire import pack

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.bundle import Bundle, Claim
from wayside.evidence.certificate import Trust
from wayside.evidence.chain import Chain
from wayside.evidence.entry import GATEWAY_ATTESTED, Entry, Kind, commitment, decode_entry
from wayside.evidence.keyring import LOG, Keyring, Registration
from wayside.evidence.look import Look, PackFacts, key_bodies, look_at, publics_of
from wayside.evidence.note import ED25519, Checkpoint, Note, NoteKey, cosigned_at, parse_checkpoint, parse_note
from wayside.evidence.policy import Policy, parse_policy
from wayside.evidence.proof import Proof

_SHOWN = 20  # gaps and problems that a line names; all of them are in `facts`


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the judgement. check: what was judged; device: of whom, "" for the whole; facts: for programs."""

    check: str
    holds: bool
    text: str
    device: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"{self.device} {self.check}".lstrip()


@dataclass(frozen=True, slots=True)
class Demands:
    """What the reader asks for beyond truth: witnesses, and a lowest assurance class of the keys that signed packs."""

    policy: Policy | None = None
    min_class: int = 0


@dataclass(slots=True)
class _Device:
    """What came of one device."""

    chain: Chain = field(default_factory=Chain)
    packs: int = 0
    readings: int = 0
    bad: int = 0
    unattested: int = 0  # reports that were heard and never signed
    attested: Counter[str] = field(default_factory=Counter)
    keys: dict[bytes, Registration] = field(default_factory=dict)
    uncertified: set[bytes] = field(default_factory=set)
    quality: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    first_logged_ms: int = sys.maxsize
    last_logged_ms: int = -1

    def saw(self, logged_at_ms: int) -> None:
        self.first_logged_ms = min(self.first_logged_ms, logged_at_ms)
        self.last_logged_ms = max(self.last_logged_ms, logged_at_ms)


class Verifier:
    """Judges one bundle. `findings` after `run`."""

    def __init__(self, bundle: Bundle, trust: Trust, demands: Demands = Demands(), processes: int = 1):
        self._bundle = bundle
        self._trust = trust
        self._demands = demands
        self._processes = processes
        self._site = ""
        self._keyring = Keyring()
        self._devices: dict[str, _Device] = {}
        self.findings: list[Finding] = []

    def run(self) -> bool:
        """Whether everything holds."""
        checkpoint = self._checkpoint()
        if checkpoint and self._inclusion(checkpoint):
            entries = self._entries()
            self._times(entries)
            self._claim(checkpoint)
            for name, device in sorted(self._devices.items()):
                self._judge_signatures(name, device)
                self._judge_origin(name, device)
                self._judge_revocation(name, device)
                self._judge_sequence(name, device)
        return all(finding.holds for finding in self.findings)

    def run_proof(self, proof: Proof, record: tuple[bytes, bytes] | None) -> bool:
        """Whether the checkpoint holds and has this entry; without its neighbours nothing else is judged."""
        checkpoint = self._checkpoint()
        if checkpoint and record is None:
            self._say("inclusion", False, "the proof has no extra data with salt and entry")
        elif checkpoint and record:
            leaf = merkle.leaf_hash(commitment(*record))
            try:
                merkle.verify_inclusion(proof.index, checkpoint.size, leaf, proof.hashes, checkpoint.root)
                entry = decode_entry(record[1])
                kind = Kind(entry.kind).name.lower() if entry.kind in set(Kind) else "unknown"
                text = f"entry {proof.index} is a {kind} entry, logged at {_utc(entry.logged_at_ms)}"
                self._say("inclusion", True, text, index=proof.index, kind=kind, logged_at_ms=entry.logged_at_ms)
            except EvidenceError as error:
                self._say("inclusion", False, str(error))
        return all(finding.holds for finding in self.findings)

    def _say(self, check: str, holds: bool, text: str, device: str = "", **facts: Any) -> None:
        self.findings.append(Finding(check, holds, text, device, facts))

    # --- the log ---

    def _checkpoint(self) -> Checkpoint | None:
        try:
            note = parse_note(self._bundle.checkpoint)
            checkpoint = parse_checkpoint(note)
            key, why = self._log_key(checkpoint.origin, note)
        except EvidenceError as error:
            self._say("checkpoint", False, str(error))
            return None
        self._site = _site(checkpoint.origin)
        others = len(note.signatures) - 1
        signed = f"signed by {key.name} ({why})" + (f", {others} other signatures not judged" if others else "")
        root = checkpoint.root.hex()
        text = f"{checkpoint.size} entries, {signed}"
        origin, size = checkpoint.origin, checkpoint.size
        self._say("checkpoint", True, text, origin=origin, size=size, root=root, key=key.public.hex())
        if self._demands.policy:
            self._witnesses(self._demands.policy, note)
        elif self._bundle.policy:
            self._writers_policy(note)
        return checkpoint

    def _writers_policy(self, note: Note) -> None:
        """The policy in the file is the writer's word: who relies on witnesses brings a policy of his own."""
        try:
            policy = parse_policy(self._bundle.policy)
            met = policy.met_by(policy.cosigned(note))
        except EvidenceError as error:
            self._say("policy", False, f"the file's own: {error}")
            return
        text = "the file's own is met" if met else f"the file's own is not met: its quorum is {policy.quorum}"
        self._say("policy", met, f"{text}; witnesses count for you by --policy only")

    def _log_key(self, origin: str, note: Note) -> tuple[NoteKey, str]:
        """The trusted key that signed the note, and why it is trusted; EvidenceError when there is none."""
        site = _site(origin)
        if self._trust.site and site != self._trust.site:
            raise EvidenceError(f"no signature by {self._trust.site}: this is a log of {site}")
        trusted = self._trust.log_keys_of(site, self._offered())
        keys = [NoteKey(origin, ED25519, public) for public in trusted]
        for key in keys:
            if any(each.name == key.name and each.key_id == key.key_id for each in note.signatures):
                note.verified_by(key)
                return key, trusted[key.public]
        named = ", ".join(f"{key.name}+{key.key_id.hex()}" for key in keys)
        raise EvidenceError(f"no signature by {named}" if named else "no signature by a log key that a root certifies")

    def _offered(self) -> dict[bytes, list[bytes]]:
        """Log keys and certificates that stand in the file. Each certificate is judged by who signed it."""
        offered: dict[bytes, list[bytes]] = {}
        for body in key_bodies(raw for _, raw in self._bundle.records):
            if body[1] == LOG:
                offered.setdefault(body[0], []).extend(body.get(8, ()))
        return offered

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
        text += "" if met else f": not enough for the quorum {policy.quorum}"
        self._say("witnesses", met, text, times_s=times)

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
        raws = [raw for _, raw in self._bundle.records]
        looks = look_at(raws, publics_of(raws), self._processes)
        for index, look in zip(self._bundle.indexes(), looks, strict=True):
            try:
                entry = self._take(index, look)
            except EvidenceError as error:
                self._say(f"entry {index}", False, str(error))
                continue
            entries.append(entry)
        kinds = Counter(Kind(each.kind).name.lower() if each.kind in set(Kind) else "unknown" for each in entries)
        text = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
        self._say("entries", True, text, kinds=dict(kinds))
        return entries

    def _take(self, index: int, look: Look) -> Entry:
        entry = look.entry
        if isinstance(entry, str):
            raise EvidenceError(entry)
        body = entry.body
        if entry.kind == Kind.KEY:
            self._keyring.take(index, body)
        elif entry.kind == Kind.PACK:
            self._take_pack(index, body[0], body[1], look.pack)
            self._device(body[0]).saw(entry.logged_at_ms)
        elif entry.kind == Kind.GAP:
            self._device(body[0]).chain.name_loss(body[1], body[2], body[3])
        elif entry.kind == Kind.DEVICE and 4 in body:
            self._device(body[0]).unattested += body[4]
        return entry

    def _take_pack(self, index: int, name: str, attested: str, facts: PackFacts | str | None) -> None:
        device = self._device(name)
        device.packs += 1
        if not isinstance(facts, PackFacts):
            device.problems.append(f"entry {index}: {facts}")
            return
        known = self._keyring.get(facts.kid)
        try:
            key = self._keyring.check(facts.kid, name, attested)
            if facts.device != name:
                raise EvidenceError(f"is a pack of {facts.device}")
        except EvidenceError as error:
            late = known is not None and known.until is not None
            (device.revoked if late else device.problems).append(f"entry {index}: {error}")
            return
        if not device.chain.add((facts.boot, facts.sequence), facts.hash, facts.previous):
            device.problems.append(f"entry {index}: pack {facts.boot}/{facts.sequence} is there twice")
        if attested == GATEWAY_ATTESTED and facts.kid not in device.keys and not self._is_certified(key):
            device.uncertified.add(facts.kid)
        device.keys[facts.kid] = key
        device.attested[attested] += 1
        device.quality[facts.time_quality] += 1
        device.readings += facts.readings
        device.bad += facts.bad

    def _is_certified(self, key: Registration) -> bool:
        """Whether the owner's roots, where the reader brings them, say that this key is the site's gateway."""
        trust = self._trust
        return not trust.roots or trust.certified(self._site, key.role, key.public, key.certificates)

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
        text += f", which went back {back} times" if back else ""
        self._say("time", True, text, first_ms=first, last_ms=last, went_back=back)

    def _claim(self, checkpoint: Checkpoint) -> None:
        claim = self._bundle.claim
        if claim.device is None:
            whole = self._bundle.ranges == (((0, checkpoint.size),) if checkpoint.size else ())
            self._say("claim", whole, "the whole log" + ("" if whole else ", it says, but entries are left out"))
            return
        device = self._devices.get(claim.device)
        opened = _opened(claim, device) if device else []
        text = f"{claim.device} logged from {_when(claim.from_ms)} to {_when(claim.to_ms)}"
        self._say("claim", device is not None, text + _edges(device, opened), open=opened)

    def _judge_signatures(self, name: str, device: _Device) -> None:
        signed = ", ".join(f"{count} {attested}-attested" for attested, count in device.attested.items())
        text = f"{device.packs} packs ({signed or 'none good'}), {device.readings} readings, {device.bad} bad"
        text += f"; time {_qualities(device.quality)}"
        text += f"; {device.unattested} reports that the device never signed" if device.unattested else ""
        facts = {"packs": device.packs, "readings": device.readings, "bad": device.bad, "problems": device.problems}
        facts["unattested"] = device.unattested
        self._say("signatures", not device.problems, _with(text, device.problems), name, **facts)

    def _judge_origin(self, name: str, device: _Device) -> None:
        wanted = self._demands.min_class
        problems = []
        for key in device.keys.values():
            if key.assurance < wanted:
                problems.append(f"key {key.kid.hex()} is of class C{key.assurance}, C{wanted} is asked for")
        for kid in sorted(device.uncertified):
            problems.append(f"gateway key {kid.hex()} is not certified by the owner's root")
        keys = [{"kid": key.kid.hex(), "role": key.role, "class": key.assurance} for key in device.keys.values()]
        each = [f"{key['role']} key {key['kid']} of class C{key['class']}" for key in keys]
        text = ", ".join(each) or "no pack by a key that counts"
        self._say("origin", not problems, _with(text, problems), name, keys=keys, attested=dict(device.attested))

    def _judge_revocation(self, name: str, device: _Device) -> None:
        ended = [self._keyring.get(kid) for kid in device.keys]
        named = [
            f"key {key.kid.hex()} until entry {key.until}" + (f" ({key.reason})" if key.reason else "")
            for key in ended
            if key and key.until is not None
        ]
        text = ", ".join(named) or "none of its keys is revoked"
        self._say("revocation", not device.revoked, _with(text, device.revoked), name, refused=device.revoked)

    def _judge_sequence(self, name: str, device: _Device) -> None:
        missing = [str(gap) for gap in device.chain.gaps()]
        named = [str(gap) for gap in device.chain.named()]
        if missing:
            text = "INCOMPLETE: missing " + ", ".join(missing[:_SHOWN])
        elif named:
            text = "INCOMPLETE, each loss named by the log: " + ", ".join(named[:_SHOWN])
        else:
            text = f"COMPLETE: {device.chain.span()}"
        complete = not missing and not named
        self._say("sequence", not missing, text, name, complete=complete, missing=missing, named=named)


def verify_bundle(
    bundle: Bundle, trust: Trust, demands: Demands = Demands(), processes: int = 1
) -> tuple[bool, list[Finding]]:
    """(whether everything holds, the findings).

    trust: what the reader knows already; demands: what he asks for; processes: how many look at a large bundle.
    """
    verifier = Verifier(bundle, trust, demands, processes)
    return verifier.run(), verifier.findings


def verify_proof(proof: Proof, trust: Trust, demands: Demands = Demands()) -> tuple[bool, list[Finding]]:
    """As verify_bundle, for the proof of one entry (C2SP tlog-proof) with salt and entry as its extra data."""
    record = proof.record()
    verifier = Verifier(Bundle(proof.checkpoint, (), (), (), Claim()), trust, demands)
    return verifier.run_proof(proof, record), verifier.findings


def _site(origin: str) -> str:
    """The site of a log's origin "<site>/log/<epoch>"."""
    return origin.rpartition("/log/")[0]


def _opened(claim: Claim, device: _Device) -> list[str]:
    """What the packs outside of the interval leave open: only with one on each side does the chain cover all of it."""
    opened = []
    from_first = claim.from_ms is None or device.first_logged_ms < claim.from_ms or device.chain.begins()
    if not from_first:
        opened.append("beginning")
    if claim.to_ms is not None and device.last_logged_ms < claim.to_ms:
        opened.append("end")
    return opened


def _edges(device: _Device | None, opened: list[str]) -> str:
    if device is None:
        return ": nothing of it"
    return f"; OPEN at its {' and '.join(opened)}: more may lie there" if opened else "; closed on both sides"


def _with(text: str, problems: Sequence[str]) -> str:
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return "; ".join([text, *problems[:_SHOWN]]) + more


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
