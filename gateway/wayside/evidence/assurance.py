"""Whose word stands behind the keys that signed: the owner's, by certificates, or only the gateway's.

The class of a pack is that of its key when the pack was logged. It is proven where a certificate of the owner, or of a
registrar whom the owner certifies, stood in the log by then and had not ended; else it is what the gateway claims.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

from wayside.evidence import EvidenceError
from wayside.evidence.certificate import Certified, Trust, read_claim
from wayside.evidence.finding import Demands, Findings, utc, with_problems
from wayside.evidence.judge import DeviceAccount
from wayside.evidence.keyring import Keyring, Registration
from wayside.evidence.kinds import LOG, NODE
from wayside.evidence.note import Checkpoint
from wayside.evidence.origin import parse_origin


class Times:
    """How late it was at each entry: the latest time that a synchronised clock gave to an entry up to there."""

    def __init__(self, times: Iterable[tuple[int, int]]):
        """times: (index, ms since 1970) of the entries that a synchronised clock stamped, in the log's order."""
        self._indexes, self._latest = array("Q"), array("Q")
        for index, time_ms in times:
            if not self._latest or time_ms > self._latest[-1]:
                self._indexes.append(index)
                self._latest.append(time_ms)

    @property
    def last_ms(self) -> int:
        """-1 where no entry has such a time."""
        return self._latest[-1] if self._latest else -1

    def at(self, index: int) -> int | None:
        """None where none is known up to this entry."""
        place = bisect_right(self._indexes, index)
        return self._latest[place - 1] if place else None

    def first_after(self, time_ms: int) -> int | None:
        """The index of the first entry that is certainly later."""
        place = bisect_right(self._latest, time_ms)
        return self._indexes[place] if place < len(self._indexes) else None


class _Stretch(NamedTuple):
    """Packs by one key between two places where something changed: what the log tells of it, or that a term ended."""

    packs: int
    claimed: int
    certified: Certified | None


def judge_origin(
    device: DeviceAccount, keyring: Keyring, site: str, trust: Trust, demands: Demands, times: Times, findings: Findings
) -> None:
    """The finding `origin` of a device."""
    problems: list[str] = []
    words, facts = [], []
    for kid, key in device.keys.items():
        stretches = _stretches(device, keyring, kid, site, trust, times)
        text, fact = _key(kid.hex(), key.role, stretches, bool(trust.roots))
        words.append(text)
        facts.append(fact)
        if trust.roots and key.role != NODE:
            if not any(each.certified for each in stretches):
                problems.append(f"{key.role} key {kid.hex()} is not certified by the owner's root")
            elif not _still_certified(kid, key, keyring, site, trust, times.at(device.last_by[kid])):
                problems.append(f"{key.role} key {kid.hex()} signed packs after its certificate had ended")
        if demands.min_class is not None:
            problems += _below(kid.hex(), stretches, demands.min_class, bool(trust.roots))
    text = ", ".join(words) or "no pack by a key that counts"
    findings.say(
        "origin", not problems, with_problems(text, problems), device.name, keys=facts, attested=dict(device.attested)
    )


def _still_certified(
    kid: bytes, key: Registration, keyring: Keyring, site: str, trust: Trust, when_ms: int | None
) -> bool:
    """Whether a certificate covers this time, whenever the log was given it: one that was renewed late is renewed."""
    raws = [raw for _, raw in keyring.certificates(kid)]
    return trust.certified((site, key.role, key.public), raws, when_ms) is not None


def _stretches(
    device: DeviceAccount, keyring: Keyring, kid: bytes, site: str, trust: Trust, times: Times
) -> list[_Stretch]:
    """The packs by a key, divided where the log told something of it and where a certificate ended."""
    counted = device.counted.get(kid)
    if not counted:
        return []
    indexes = sorted(counted)
    certificates = keyring.certificates(kid)
    told, end_of_all = keyring.told_at(kid), indexes[-1] + 1
    ended = sorted(each for each in _ends((raw for _, raw in certificates), times) if told[0] < each < end_of_all)
    since = [index for index, _ in certificates]  # ascending
    known: dict[tuple[int, int], Certified | None] = {}
    edges = sorted({*told, *ended, end_of_all})
    found = []
    for begin, end in pairwise(edges):
        packs = bisect_left(indexes, end) - bisect_left(indexes, begin)
        key = keyring.get(kid, begin + 1)
        if not packs or key is None:
            continue
        # Between two edges at which a certificate is new or ends, the answer is the same.
        now = bisect_right(since, begin), bisect_right(ended, begin)
        if now not in known:
            by_then = [raw for _, raw in certificates[: now[0]]]
            known[now] = trust.certified((site, key.role, key.public), by_then, times.at(begin)) if by_then else None
        certified = known[now]
        found.append(_Stretch(packs, key.assurance, certified))
    return found


def _ends(raws: Iterable[bytes], times: Times) -> Iterable[int]:
    """Where certificates end, by the entries' times. Whose they are is not judged: to look once more is no harm."""
    for raw in raws:
        with suppress(EvidenceError):
            until_ms = read_claim(raw)[1].until_ms
            index = None if until_ms is None else times.first_after(until_ms)
            if index is not None:
                yield index


def _key(kid: str, role: str, stretches: list[_Stretch], has_roots: bool) -> tuple[str, dict[str, Any]]:
    """A key in words, and in facts."""
    packs = sum(each.packs for each in stretches)
    first = next((at for at, each in enumerate(stretches) if each.certified), len(stretches))
    before = sum(each.packs for each in stretches[:first])
    lapsed = sum(each.packs for each in stretches[first:] if not each.certified)
    by = next((each.certified.by for each in reversed(stretches) if each.certified), "")
    classes = [_class(role, each) for each in stretches]
    lowest, proven = min((value for value, _ in classes), default=0), all(proven for _, proven in classes)
    fact: dict[str, Any] = {"kid": kid, "role": role, "class": lowest, "proven": proven, "packs": packs}
    fact["before_certification"], fact["after_its_end"] = before if by else 0, lapsed
    text = f"{role} key {kid} of class C{lowest}" + ("" if proven else " as claimed by the gateway")
    if by:
        text += f", certified by {by}" + (f"; {before} packs before certification" if before else "")
        text += f"; {lapsed} packs after the certificate's end" if lapsed else ""
    elif has_roots and role == NODE:
        text += ", not certified by the owner"
    return text, fact


def _class(role: str, stretch: _Stretch) -> tuple[int, bool]:
    """(the class, whether it is proven) of the packs of a stretch."""
    if role == NODE:
        if stretch.certified and stretch.certified.assurance is not None:
            return stretch.certified.assurance, True
        return stretch.claimed, False
    # A gateway's key is in software wherever it lies: C0 needs no more than the owner's word that it is his gateway's.
    return 0, bool(stretch.certified)


def _below(kid: str, stretches: list[_Stretch], wanted: int, has_roots: bool) -> list[str]:
    problems = []
    for stretch in stretches:
        by_certificate = stretch.certified.assurance or 0 if stretch.certified else None
        if by_certificate is None:
            why = "no certificate of the owner proves it" if has_roots else "who vouches for it? Bring --root"
            problems.append(f"{stretch.packs} packs by key {kid}: class C{stretch.claimed} is claimed only; {why}")
        elif by_certificate < wanted:
            less = f"of class C{by_certificate}, C{wanted} is asked for"
            problems.append(f"{stretch.packs} packs by key {kid} are {less}")
    return problems


def judge_log_key(checkpoint: Checkpoint, public: bytes, keyring: Keyring, trust: Trust, last_ms: int) -> list[str]:
    """What the log itself says against the key that signed the checkpoint."""
    problems = []
    for key in keyring:
        if key.public != public:
            continue
        if key.role != LOG:
            problems.append(f"the checkpoint is signed by the key of a {key.role}")
        elif key.until is not None and key.until + 1 < checkpoint.size:
            problems.append(f"the checkpoint is signed by a log key that entry {key.until} revoked ({key.reason})")
    site = parse_origin(checkpoint.origin).site
    if (site, public) not in trust.logs and last_ms >= 0:
        logs = [key for key in keyring if key.role == LOG]
        offered = {key.public: [raw for _, raw in keyring.certificates(key.kid)] for key in logs}
        # Over bridges too: else a key whose certificate has ended would bridge to another one, and so live for ever. It
        # is not asked whether a certificate is found at all: one that was pushed out by many others has ended too.
        if public not in trust.log_keys_of(site, offered, last_ms):
            problems.append(f"the log key's certificate ended before the last entry, logged at {utc(last_ms)}")
    return problems
