"""Whose checkpoint it is: the log's key among those that the reader trusts, and the witnesses that he asks for."""

from collections.abc import Iterable
from typing import Any

from wayside.evidence import EvidenceError
from wayside.evidence.certificate import Trust
from wayside.evidence.finding import Demands, Findings, utc
from wayside.evidence.kinds import LOG
from wayside.evidence.look import key_entries
from wayside.evidence.note import ED25519, Checkpoint, Note, NoteKey, cosigned_at, parse_checkpoint, parse_note
from wayside.evidence.origin import parse_origin
from wayside.evidence.policy import WitnessPolicy, parse_policy

# Before the log's key is found nothing of a file is proven, so little is done for it.
_ENTRIES_ASKED = 4096
_KEYS_ASKED = 64
_OF_LOG, _OF_LOG_WITHIN = b"\x01\x63log", 64  # field 1 of a key's body, as it is encoded; bytes up to its end, or more
_CERTIFICATES_ASKED = 16  # of each key, the newest


def judge_checkpoint(
    raw: bytes, raws: Iterable[bytes], own_policy: bytes, trust: Trust, demands: Demands, findings: Findings
) -> tuple[Checkpoint, bytes] | None:
    """The checkpoint in `raw` and the public key that signed it; None when the reader trusts no key that did.

    raws: the file's entries, among which a log's key may have certificates; own_policy: what the file recommends.
    """
    try:
        note = parse_note(raw)
        checkpoint = parse_checkpoint(note)
        key, why = _log_key(checkpoint.origin, note, trust, raws)
    except EvidenceError as error:
        findings.say("checkpoint", False, str(error))
        return None
    others = len(note.signatures) - 1
    signed = f"signed by {key.name} ({why})" + (f", {others} other signatures not judged" if others else "")
    facts: dict[str, Any] = {"size": checkpoint.size, "root": checkpoint.root.hex(), "key": key.public.hex()}
    text = f"{checkpoint.size} entries, {signed}"
    findings.say("checkpoint", True, text, origin=checkpoint.origin, **facts)
    if demands.policy:
        _witnesses(demands.policy, demands, note, findings)
    elif demands.fresh_s is not None:
        findings.say("witnesses", False, "how fresh it is only witnesses can tell; bring a policy that names them")
    elif own_policy:
        _writers_policy(own_policy, note, findings)
    return checkpoint, key.public


def _log_key(origin: str, note: Note, trust: Trust, raws: Iterable[bytes]) -> tuple[NoteKey, str]:
    """The trusted key that signed the note, and why it is trusted; EvidenceError when there is none."""
    site = parse_origin(origin).site
    trusted = trust.log_keys_of(site, {})
    signer = _signer(origin, note, trusted)
    if signer is None:
        # Not one that he knows: perhaps one that the file has certificates for, each judged by who signed it.
        trusted = trust.log_keys_of(site, _offered(raws))
        signer = _signer(origin, note, trusted)
    if signer is not None:
        note.verified_by(signer)
        return signer, trusted[signer.public]
    named = ", ".join(sorted(f"{name}" for name, _ in trust.logs))
    if trusted:
        keys = [NoteKey(origin, ED25519, public) for public in trusted]
        raise EvidenceError("no signature by " + ", ".join(f"{key.name}+{key.key_id.hex()}" for key in keys))
    if trust.logs:
        raise EvidenceError(f"no signature by a key that is trusted: this is a log of {site}, the keys are for {named}")
    certified = "a root certifies" if trust.threshold == 1 else f"{trust.threshold} of the roots certify"
    raise EvidenceError(f"no signature by a log key that {certified}: is that its owner's key, and did he certify it?")


def _signer(origin: str, note: Note, trusted: Iterable[bytes]) -> NoteKey | None:
    for public in trusted:
        key = NoteKey(origin, ED25519, public)
        if any(each.name == key.name and each.key_id == key.key_id for each in note.signatures):
            return key
    return None


def _offered(raws: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Log keys and certificates that stand in the file."""
    offered: dict[bytes, list[bytes]] = {}
    # Only those of log keys count against the limit: a site may have told of its nodes' keys ever so often.
    for key in key_entries((raw for raw in raws if _OF_LOG in raw[:_OF_LOG_WITHIN]), _ENTRIES_ASKED):
        if key.role == LOG and (key.public in offered or len(offered) < _KEYS_ASKED):
            known = offered.get(key.public, [])
            new = [each for each in key.certificates if each not in known]
            offered[key.public] = [*known, *new][-_CERTIFICATES_ASKED:]
    return offered


def _writers_policy(own_policy: bytes, note: Note, findings: Findings) -> None:
    """The policy in the file is the writer's word: who relies on witnesses brings a policy of his own."""
    try:
        policy = parse_policy(own_policy)
        met = policy.met_by(policy.cosigned(note))
    except EvidenceError as error:
        findings.say("policy", False, f"the file's own: {error}")
        return
    text = "the file's own is met" if met else f"the file's own is not met: its quorum is {policy.quorum}"
    findings.say("policy", met, f"{text}; witnesses count for you by --policy only")


def _witnesses(policy: WitnessPolicy, demands: Demands, note: Note, findings: Findings) -> None:
    try:
        names = policy.cosigned(note)
        times = {name: cosigned_at(note.verified_by(policy.witnesses[name])) for name in sorted(names)}
    except EvidenceError as error:
        findings.say("witnesses", False, str(error))
        return
    wrong = {name: _wrong_time(time_s, demands) for name, time_s in times.items()}
    each = [f"{name} witnessed at {utc(1000 * time_s)}{wrong[name]}" for name, time_s in times.items()]
    counting = {name for name in names if not wrong[name]}
    text = f"co-signed by {len(each)}" + (f": {', '.join(each)}" if each else "")
    met = policy.met_by(counting)
    text += "" if met else f": not enough for the quorum {policy.quorum}"
    if met and demands.fresh_s is not None and not counting:  # a quorum of none tells no time
        met, text = False, f"{text}: how fresh it is nobody tells"
    findings.say("witnesses", met, text, times_s=times)


def _wrong_time(time_s: int, demands: Demands) -> str:
    """Why a cosignature's time does not count, in words behind it; empty when it does."""
    if time_s == 0:
        return " (which is no time)"
    if demands.now_s is None:
        return ""
    if time_s > demands.now_s + _AHEAD_S:
        return " (which is still to come)"
    if demands.fresh_s is not None and time_s < demands.now_s - demands.fresh_s:
        return f" (older than the {demands.fresh_s} s that are asked for)"
    return ""


_AHEAD_S = 3600  # clocks of readers and witnesses differ
