"""The judgement on an evidence file, field by field. A stranger needs this package and a key that he trusts.

Nothing in a file is believed before the step that proves it: the checkpoint by the log's key, the entries by the tree,
the heads of the streams by the checkpoint, the devices' keys by entries that are proven, the packs by those keys, that
nothing is missing by numbers, heads and chains. How each is judged stands in docs/verify.md.
"""

from collections import Counter
from itertools import pairwise

from wayside_wire import pack

from wayside.evidence import EvidenceError, merkle
from wayside.evidence.assurance import Times, judge_log_key, judge_origin
from wayside.evidence.beginning import judge_beginning
from wayside.evidence.bundle import Bundle, BundleClaim
from wayside.evidence.certificate import Trust
from wayside.evidence.checkpoint import judge_checkpoint
from wayside.evidence.entry import Entry, commitment, decode_entry, kind_name
from wayside.evidence.finding import NO_DEMANDS, Demands, Finding, Findings, utc, with_problems
from wayside.evidence.heads import Heads, StreamHead, committed, contradictions
from wayside.evidence.intervals import IntervalSet
from wayside.evidence.judge import DeviceAccount, EntryJudge, Numbering
from wayside.evidence.kinds import EpochBody, KeyBody
from wayside.evidence.look import Look, look_at, publics_of
from wayside.evidence.note import Checkpoint
from wayside.evidence.origin import Origin, parse_origin
from wayside.evidence.proof import TlogProof
from wayside.evidence.stream import KEYS, device_stream


class Verifier:
    """Judges one bundle. After `run`: `findings`, and `judge`, which knows what came of every pack."""

    def __init__(self, bundle: Bundle, trust: Trust, demands: Demands = NO_DEMANDS, processes: int = 1):
        self.judge = EntryJudge()
        self._bundle = bundle
        self._trust = trust
        self._demands = demands
        self._processes = processes
        self._said = Findings()
        self._heads: dict[str, StreamHead] = {}
        self._numbers: dict[str, IntervalSet] = {}
        self._whole = False
        self._all_heads = False  # whether those of all streams are known
        self._epochs: list[tuple[int, EpochBody]] = []
        self._certain = Times(())

    @property
    def bundle(self) -> Bundle:
        return self._bundle

    @property
    def findings(self) -> list[Finding]:
        return self._said.all

    def run(self) -> bool:
        """Whether everything holds."""
        found = self._checkpoint()
        if found and self._inclusion(found[0]):
            checkpoint, public = found
            own = parse_origin(checkpoint.origin)
            self._whole = self._bundle.ranges == (((0, checkpoint.size),) if checkpoint.size else ())
            entries = self._entries(checkpoint)
            self._keys(checkpoint, public, self._certain.last_ms)
            begun = any(first == 0 for first, _ in self._bundle.ranges)
            judge_beginning(own, self._epochs, begun, self._trust, self.judge.keyring, self._said)
            self._times(entries)
            self._claim()
            if claimed := self._bundle.claim.device:
                self.judge.device(claimed)
            for _, device in sorted(self.judge.devices.items()):
                self._signatures(device)
                keyring, certain = self.judge.keyring, self._certain
                judge_origin(device, keyring, own.site, self._trust, self._demands, certain, self._said)
                self._revocation(device)
                self._sequence(device, own)
        return self._said.hold

    def run_proof(self, proof: TlogProof, record: tuple[bytes, bytes] | None) -> bool:
        """Whether the checkpoint holds and has this entry; without its neighbours nothing else is judged."""
        found = self._checkpoint()
        if found and record is None:
            self._said.say("inclusion", False, "the proof has no extra data with salt and entry")
        elif found and record:
            checkpoint, _ = found
            leaf = merkle.leaf_hash(commitment(*record))
            if self._demands.min_class is not None:
                self._said.say("origin", False, "of one entry alone no class is known; export the device's stream")
            try:
                committed(checkpoint)
                merkle.verify_inclusion(proof.index, checkpoint.size, leaf, proof.hashes, checkpoint.root)
                entry = decode_entry(record[1])
            except EvidenceError as error:
                self._said.say("inclusion", False, str(error))
                return False
            kind, logged_ms = kind_name(entry.kind), entry.logged_at_ms
            text = f"entry {proof.index} is a {kind} entry, number {entry.number} of {entry.stream}"
            text += f", logged at {utc(logged_ms)}"
            self._said.say("inclusion", True, text, index=proof.index, kind=kind, logged_at_ms=logged_ms)
            if entry.number > proof.index:
                text = "FRAUD: the log's key signed what cannot be: there are not so many entries before it"
                self._said.say("heads", False, text, heads={}, fraud=True)
        return self._said.hold

    # --- the log ---

    def _checkpoint(self) -> tuple[Checkpoint, bytes] | None:
        bundle = self._bundle
        raws = (raw for _, raw in bundle.records)
        return judge_checkpoint(bundle.checkpoint, raws, bundle.policy, self._trust, self._demands, self._said)

    def _inclusion(self, checkpoint: Checkpoint) -> bool:
        """Whether the entries are in the tree and the heads are the checkpoint's: else nothing is known of any."""
        bundle = self._bundle
        leaves = (merkle.leaf_hash(commitment(salt, entry)) for salt, entry in bundle.records)
        text = f"{len(bundle.records)} entries, {len(bundle.proof)} proof hashes"
        try:
            root = merkle.root_from_subset(checkpoint.size, bundle.ranges, leaves, bundle.proof)
            commitment_ = committed(checkpoint)
            for proven in bundle.heads:
                proven.check(commitment_)
        except EvidenceError as error:
            self._said.say("inclusion", False, str(error))
            return False
        holds = root == checkpoint.root
        self._heads = {proven.head.stream: proven.head for proven in bundle.heads}
        self._said.say("inclusion", holds, text if holds else f"{text}: they are not those in the log")
        return holds

    # --- entries ---

    def _entries(self, checkpoint: Checkpoint) -> list[Entry]:
        raws = [raw for _, raw in self._bundle.records]
        looks = list(look_at(raws, publics_of(raws), self._processes))
        placed = list(zip(self._bundle.indexes(), looks, strict=True))
        self._epochs = [
            (index, look.entry.body)
            for index, look in placed
            if isinstance(look.entry, Entry) and isinstance(look.entry.body, EpochBody)
        ]
        bad = self._refuse(placed)
        self._numbering(placed, checkpoint)
        # Keys first: what an entry says of a key counts for those behind it only, wherever it is asked.
        for is_key in (True, False):
            for index, look in placed:
                if isinstance(look.entry, Entry) and isinstance(look.entry.body, KeyBody) == is_key:
                    self._take(index, look.entry, look)
        entries = [look.entry for look in looks if isinstance(look.entry, Entry)]
        self._certain = Times(
            (index, look.entry.logged_at_ms)
            for index, look in placed
            if isinstance(look.entry, Entry) and look.entry.time_quality == pack.SYNCED
        )
        kinds = Counter(kind_name(each.kind) for each in entries)
        text = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
        self._said.say("entries", True, text, kinds=dict(kinds), refused=bad)
        return entries

    def _refuse(self, placed: list[tuple[int, Look]]) -> int:
        bad = [(index, look.entry) for index, look in placed if isinstance(look.entry, str)]
        for index, why in bad:
            self._said.say(f"entry {index}", False, str(why))
        return len(bad)

    def _take(self, index: int, entry: Entry, look: Look) -> None:
        if not isinstance(entry.body, KeyBody):
            self.judge.take(index, entry, look.pack)
            return
        try:
            self.judge.take_key(index, entry.body)
        except EvidenceError as error:
            self._said.say(f"entry {index}", False, str(error))

    def _numbering(self, placed: list[tuple[int, Look]], checkpoint: Checkpoint) -> None:
        """Numbers and heads against each other: both are signed, so where they differ the log's key signed a lie."""
        numbering = Numbering()
        numbering.expect(self._heads.values())
        for index, look in placed:
            if isinstance(look.entry, Entry):
                numbering.take(index, look.entry.stream, look.entry.number)
                numbers = self._numbers.setdefault(look.entry.stream, IntervalSet())
                numbers.add(look.entry.number, look.entry.number + 1)
            else:
                numbering.skip(index)
        for head in self._heads.values():
            numbering.check(head, checkpoint.size)
        streams = committed(checkpoint).streams
        problems = [*numbering.problems, *contradictions(self._bundle.heads, streams, checkpoint.size)]
        if self._whole and not numbering.skipped:
            self._all_heads = True
            heads = Heads(numbering.heads())
            if heads.commitment() != committed(checkpoint):
                problems = [*problems, "the heads under the checkpoint are not those of its entries"]
            self._heads |= {head.stream: head for head in heads}
        known = ", ".join(f"{head.count} of {head.stream}" for _, head in sorted(self._heads.items()))
        text = f"entries under the checkpoint: {known}" if known else "the file has no head of any stream"
        if problems:
            text = "FRAUD: the log's key signed what cannot be: " + with_problems(problems[0], problems[1:])
        facts = {stream: {"count": head.count, "last": head.last} for stream, head in self._heads.items()}
        self._said.say("heads", not problems, text, heads=facts, fraud=bool(problems))

    # --- judgement ---

    def _keys(self, checkpoint: Checkpoint, public: bytes, last_ms: int) -> None:
        """The stream of the keys is whole in every file, or nobody knows whose key was revoked when."""
        head, held = self._heads.get(KEYS), self._numbers.get(KEYS, IntervalSet())
        problems = judge_log_key(checkpoint, public, self.judge.keyring, self._trust, last_ms)
        if head is None and checkpoint.size and not self._all_heads:
            problems.append("how many entries the stream of the keys has is not proven here")
        elif head and not (held.covers(0, head.count)):
            left_out = head.count - held.count(0, head.count)
            problems.append(f"{left_out} of {head.count} entries of the stream of the keys are left out")
        count = sum(1 for _ in self.judge.keyring)
        text = f"{count} keys, by {head.count if head else 0} entries"
        self._said.say("keys", not problems, with_problems(text, problems), problems=problems)

    def _times(self, entries: list[Entry]) -> None:
        if not entries:
            return
        first, last = min(each.logged_at_ms for each in entries), max(each.logged_at_ms for each in entries)
        back = sum(after.logged_at_ms < before.logged_at_ms for before, after in pairwise(entries))
        quality = Counter(each.time_quality for each in entries)
        text = f"logged from {utc(first)} to {utc(last)} by the gateway's clock ({_qualities(quality)})"
        text += f", which went back {back} times" if back else ""
        self._said.say("time", True, text, first_ms=first, last_ms=last, went_back=back)

    def _claim(self) -> None:
        claim = self._bundle.claim
        if claim.stream is None:
            text = "the whole log" + ("" if self._whole else ", it says, but entries are left out")
            self._said.say("claim", self._whole, text, open=[])
            return
        head = self._heads.get(claim.stream)
        held = self._numbers.get(claim.stream, IntervalSet())
        problems, opened = _claimed(claim, head, held)
        end = claim.end if claim.end is not None else head.count if head else None
        text = f"entries {claim.first} to {end - 1 if end else '?'} of {claim.stream}"
        text += "; " + "; ".join(f"OPEN at its {each}" for each in opened) if opened else ""
        sides = [each.partition(":")[0] for each in opened]
        self._said.say("claim", not problems, with_problems(text, problems), open=sides, first=claim.first, end=end)

    def _signatures(self, device: DeviceAccount) -> None:
        signed = ", ".join(f"{count} {attested}-attested" for attested, count in device.attested.items())
        text = f"{device.packs} packs ({signed or 'none good'}), {device.readings} readings, {device.bad} bad"
        text += f"; time {_qualities(device.quality)}"
        text += f"; {device.unattested} reports that the device never signed" if device.unattested else ""
        text += f"; {device.repeated} packs stand here once more, unchanged" if device.repeated else ""
        facts = {"packs": device.packs, "readings": device.readings, "bad": device.bad, "problems": device.problems}
        facts["unattested"] = device.unattested
        good = not device.problems
        self._said.say("signatures", good, with_problems(text, device.problems), device.name, **facts)

    def _revocation(self, device: DeviceAccount) -> None:
        # Those of packs that do not count too, and those that never signed one.
        told = {kid: self.judge.keyring.get(kid) for kid in [*device.keys, *self.judge.keys_of.get(device.name, ())]}
        named = [
            f"key {key.kid.hex()} until entry {key.until}" + (f" ({key.reason})" if key.reason else "")
            for key in told.values()
            if key and key.until is not None
        ]
        text = with_problems(", ".join(named) or "none of its keys is revoked", device.revoked)
        self._said.say("revocation", not device.revoked, text, device.name, refused=device.revoked)

    def _sequence(self, device: DeviceAccount, own: Origin) -> None:
        # Each epoch numbers its streams anew: what came before it, or was lost with it, none of its heads tells.
        earlier = f"epochs before {own}" if own.epoch else ""
        found = device.completeness(self._heads.get(device_stream(device.name)), earlier)
        facts = {"complete": found.state == "COMPLETE", "state": found.state, "missing": list(found.missing)}
        more = {"named": list(found.named), "open": list(found.open), "not_recorded": list(found.unrecorded)}
        self._said.say("sequence", not found.missing, found.text, device.name, **facts, **more)


def verify_bundle(
    bundle: Bundle, trust: Trust, demands: Demands = NO_DEMANDS, processes: int = 1
) -> tuple[bool, list[Finding]]:
    """(whether everything holds, the findings).

    trust: what the reader knows already; demands: what he asks for; processes: how many look at a large bundle.
    """
    verifier = Verifier(bundle, trust, demands, processes)
    return verifier.run(), verifier.findings


def verify_proof(proof: TlogProof, trust: Trust, demands: Demands = NO_DEMANDS) -> tuple[bool, list[Finding]]:
    """As verify_bundle, for the proof of one entry (C2SP tlog-proof) with salt and entry as its extra data."""
    record = proof.record()
    verifier = Verifier(Bundle(proof.checkpoint, (), (), (), BundleClaim()), trust, demands)
    return verifier.run_proof(proof, record), verifier.findings


def _claimed(claim: BundleClaim, head: StreamHead | None, held: IntervalSet) -> tuple[list[str], list[str]]:
    """(what of the claim is not here, which of its sides are open)."""
    problems, opened = [], []
    if head is None:
        return [f"how many entries {claim.stream} has is not proven here"], ["end: it is not proven here"]
    end = head.count if claim.end is None else claim.end
    if max(end, claim.first + 1) > head.count:
        problems.append(f"the stream has {head.count} entries only")
    missing = held.missing(claim.first, min(end, head.count))
    if missing:
        shown = ", ".join(f"{first} to {after - 1}" for first, after in missing[:5])
        problems.append(f"entries are left out: numbers {shown}" + (" ..." if len(missing) > 5 else ""))
    if claim.first:
        opened.append(f"beginning: {claim.first} earlier entries are not part of this")
    if end < head.count:
        opened.append(f"end: {head.count - end} later entries are not part of this")
    return problems, opened


def _qualities(counts: Counter[int]) -> str:
    names = {pack.UNSYNCED: "unsynced", pack.HOLDOVER: "holdover", pack.SYNCED: "synced"}
    return ", ".join(f"{count} {names.get(quality, '?')}" for quality, count in sorted(counts.items())) or "none"
