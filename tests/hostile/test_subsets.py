"""Any entries of a log removed, repeated, moved, altered: the verdict is that of an oracle that knows what was done.

The oracle knows the log as it was made, which packs were lost and which entry names it; it asks none of the code that
judges. A *writer* has the log, its tree and its heads, and may prove anew whatever can be proven, but signs nothing.
The holder of the *log's key* signs what he likes, numbered as it was or numbered anew.

WAYSIDE_HOSTILE_CASES: how many cases of each run, by default 150.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from evidence.site_log import KEY, NODE, Record, SiteLog
from hostile.left_out import head_at
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.evidence.bundle import BundleClaim, decode_bundle, encode_bundle, ranges_of
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import decode_entry, encode_entry
from wayside.evidence.finding import proves_fraud
from wayside.evidence.kinds import ConfigurationBody, DecisionBody, DeviceBody, GapBody, OverloadBody, RetentionBody
from wayside.evidence.stream import GATEWAY, KEYS, device_stream, journal_stream
from wayside.evidence.verify import verify_bundle
from wayside.trust.keys import SoftwareKey

CASES = int(os.environ.get("WAYSIDE_HOSTILE_CASES", "150"))
FIRST, SECOND, THIRD = "meter-1", "meter-2", "meter-3"
GATE, BOARD, OTHER = (SoftwareKey(name.encode() * 32) for name in "gbc")


@dataclass
class Made:
    """The log, and what the oracle knows of it. Places are indexes in it."""

    log: SiteLog = field(default_factory=SiteLog)
    chains: dict[tuple[str, bytes], list[tuple[int | None, int | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )  # of each pack that was ever made, in order: its entry, and where that is None the entry that names the loss
    registered: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    revoked: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))

    def key(self, key: SoftwareKey, devices: Sequence[str], role: str = "node") -> None:
        self.registered[key.kid].append(self.log.add_key(key=key, devices=devices, role=role))

    def revoke(self, key: SoftwareKey) -> None:
        self.revoked[key.kid].append(self.log.add_key("revoked", key))

    def packs(self, device: str, key: SoftwareKey, boot: int, first: int, end: int, attested: str = "device") -> None:
        for sequence in range(first, end):
            raw = self.log.make_pack(sequence, boot, key, device)
            self.chains[device, key.kid].append((self.log.add_pack(raw, device, attested), None))

    def lose(self, device: str, key: SoftwareKey, boot: int, first: int, last: int) -> None:
        for sequence in range(first, last + 1):
            self.log.make_pack(sequence, boot, key, device)
        index = self.log.add(device_stream(device), GapBody(key.kid, boot, first, last, "lost at source"))
        self.chains[device, key.kid] += [(None, index)] * (last + 1 - first)


@cache
def made() -> Made:
    site = Made()
    log = site.log
    site.key(NODE, [FIRST])
    site.key(GATE, [SECOND], "gateway")
    log.add(device_stream(FIRST), DeviceBody("back", "", None))
    site.packs(FIRST, NODE, 1, 0, 2)
    site.packs(SECOND, GATE, 1, 0, 3, "gateway")
    log.add(GATEWAY, ConfigurationBody(bytes(32)))
    site.lose(FIRST, NODE, 1, 2, 3)
    site.packs(FIRST, NODE, 1, 4, 6)
    site.key(NODE, [FIRST, "meter-4"])
    site.key(OTHER, [THIRD])
    site.packs(THIRD, OTHER, 1, 0, 3)
    site.packs(FIRST, NODE, 2, 0, 2)
    log.add(device_stream(SECOND), OverloadBody(5, "discard-newest"))
    site.packs(SECOND, GATE, 1, 3, 5, "gateway")
    site.revoke(NODE)
    site.key(BOARD, [FIRST])
    site.packs(FIRST, BOARD, 1, 0, 3)
    log.add(device_stream(SECOND), RetentionBody(0, 2, "age"))
    log.add(journal_stream("junction-7"), DecisionBody("junction-7", "plan 3", ""))
    site.packs(THIRD, OTHER, 3, 0, 2)
    return site


def is_missing(kept: Sequence[int]) -> bool:
    """Whether packs between those that are here, or before them, are neither here nor named by an entry that is."""
    site = made()
    here = set(kept)
    for (device, _), chain in site.chains.items():
        there = [at for at, (index, _) in enumerate(chain) if index in here]
        stream = device_stream(device)
        begins = any(index in here for index in site.log.indexes_of(stream, 0, 1))
        for before, after in zip([-1, *there], there, strict=False):
            if before < 0 and not begins:
                continue
            if any(gap not in here for _, gap in chain[before + 1 : after]):
                return True
    return False


STREAMS = sorted({stream for stream, _ in made().log.places})
INDEXES = range(made().log.size)
few = st.sets(st.sampled_from(INDEXES), max_size=4)
subsets = few.map(lambda dropped: [each for each in INDEXES if each not in dropped])
own = st.sampled_from(STREAMS).map(lambda stream: sorted({*_of(KEYS), *_of(stream)}))


def _of(stream: str) -> list[int]:
    return made().log.indexes_of(stream, 0, 99)


HOW = ("leave", "leave", "leave", "repeat", "move", "alter", "salt")


@st.composite
def claims(draw: st.DrawFn) -> BundleClaim:
    if draw(st.booleans()):
        return BundleClaim()
    first = draw(st.sampled_from([0, 0, 0, 1, 3, 9, 99]))
    return BundleClaim(draw(st.sampled_from(STREAMS)), first, draw(st.none() | st.integers(first + 1, first + 20)))


def test_the_log_itself_holds():
    site = made()
    holds, findings = verify_bundle(site.log.bundle(claim=BundleClaim()), Trust.in_key(KEY))
    states = {each.device: each.facts["state"] for each in findings if each.check == "sequence"}
    assert holds and states == {FIRST: "INCOMPLETE", SECOND: "INCOMPLETE", THIRD: "COMPLETE"}
    assert not is_missing(INDEXES) and is_missing([index for index in INDEXES if index != 4])


@settings(max_examples=CASES)
@given(st.data())
def test_whatever_a_writer_makes_of_a_log(data: st.DataObject):
    log = made().log
    claim = data.draw(claims())
    chosen = data.draw(subsets | own | st.sets(st.sampled_from(INDEXES)).map(sorted))
    wanted = _of(KEYS) + ([*INDEXES] if claim.stream is None else _of(claim.stream)[claim.first : claim.end])
    if data.draw(st.booleans()):
        chosen = sorted({*chosen, *wanted})
    records = [(log.items[index].salt, log.items[index].entry) for index in chosen]
    untouched = list(records)
    how = data.draw(st.sampled_from(HOW)) if records else "leave"
    at = data.draw(st.integers(0, max(0, len(records) - 1)))
    other = data.draw(st.integers(0, max(0, len(records) - 1)))
    if how == "repeat":
        records[at] = records[other]
    elif how == "move":
        records.insert(at, records.pop(other))
    elif how in ("alter", "salt"):
        salt, entry = records[at]
        where = data.draw(st.integers(0, len(entry) - 1))
        altered = entry[:where] + bytes([entry[where] ^ data.draw(st.integers(1, 255))]) + entry[where + 1 :]
        records[at] = (salt, altered) if how == "alter" else (bytes([salt[0] ^ 1]) + salt[1:], entry)
    proven = data.draw(st.sets(st.sampled_from(STREAMS), max_size=2)) | {KEYS} | ({claim.stream} - {None})
    proven -= data.draw(st.sets(st.sampled_from(STREAMS), max_size=1)) if data.draw(st.integers(0, 3)) == 0 else set()
    heads = [log.head(stream) for stream in sorted(proven)]
    if heads and data.draw(st.integers(0, 5)) == 0:
        size = data.draw(st.integers(20, log.size))
        swapped = data.draw(st.integers(0, len(heads) - 1))
        if log.indexes_of(heads[swapped].head.stream, 0, 1)[0] < size:
            heads[swapped] = head_at(log, heads[swapped].head.stream, size)
    true_heads = all(each == log.head(each.head.stream) for each in heads)
    ranges = tuple(ranges_of(chosen))
    proof = tuple(log.subset_proof(ranges))
    bundle = replace(
        log.bundle(lambda index: False, claim), ranges=ranges, records=tuple(records), proof=proof, heads=tuple(heads)
    )
    holds, findings = verify_bundle(decode_bundle(encode_bundle(bundle)), Trust.in_key(KEY))

    known = set(STREAMS) if chosen == [*INDEXES] else proven
    expected = (
        records == untouched
        and true_heads
        and KEYS in known
        and set(_of(KEYS)) <= set(chosen)
        and _claim_holds(claim, chosen, known)
        and not is_missing(chosen)
    )
    assert holds is expected, (how, claim, chosen, sorted(proven), [each.text for each in findings if not each.holds])
    assert not proves_fraud(findings), "a writer cannot make the log's key guilty"
    complete = {each.device for each in findings if each.facts.get("complete")}
    whole = {THIRD} if set(_of(device_stream(THIRD))) <= set(chosen) and device_stream(THIRD) in known else set()
    assert not holds or complete == whole & {each.device for each in findings}


def _claim_holds(claim: BundleClaim, chosen: Sequence[int], known: Iterable[str]) -> bool:
    if claim.stream is None:
        return list(chosen) == [*INDEXES]
    all_of = _of(claim.stream)
    end = len(all_of) if claim.end is None else claim.end
    return (
        claim.stream in known and claim.first < end <= len(all_of) and set(all_of[claim.first : end]) <= set(chosen)
    )


@settings(max_examples=CASES)
@given(st.data())
def test_whatever_the_holder_of_the_logs_key_makes_of_a_log(data: st.DataObject):
    site = made()
    order = data.draw(subsets)
    for _ in range(data.draw(st.integers(0, 2))):
        order.insert(data.draw(st.integers(0, len(order) - 1)), order.pop(data.draw(st.integers(0, len(order) - 1))))
    if repeated := data.draw(st.none() | st.sampled_from(order)):
        order.insert(data.draw(st.integers(0, len(order))), repeated)
    anew = data.draw(st.booleans())
    altered = data.draw(st.none() | st.sampled_from(order)) if data.draw(st.integers(0, 3)) == 0 else None
    log = SiteLog()
    numbers: dict[str, list[int]] = defaultdict(list)
    for index in order:
        stream, number = site.log.places[index]
        entry = site.log.items[index].entry
        if anew:
            body = decode_entry(entry)
            entry = encode_entry(body.logged_at_ms, body.time_quality, body.body, stream, len(numbers[stream]))
            number = len(numbers[stream])
        if index == altered:
            entry = entry.replace(b"\xff\xff", b"\xff\xfe") if b"\xff\xff" in entry else _flip_signature(entry)
        numbers[stream].append(number)
        log.items.append(Record(len(log.items), site.log.items[index].salt, entry))
        log.places.append((stream, number))
    bundle = decode_bundle(encode_bundle(log.bundle(claim=BundleClaim())))
    holds, findings = verify_bundle(bundle, Trust.in_key(KEY))

    contradiction = any(found != [*range(len(found))] for found in numbers.values())
    assert proves_fraud(findings) is contradiction, (order, numbers)
    expected = not contradiction and _allowed(order, altered) and not is_missing(order) and _begins(order)
    assert holds is expected, (order, anew, altered, [each.text for each in findings if not each.holds])


def _flip_signature(entry: bytes) -> bytes:
    """A pack's entry with another signature: the last byte of the pack, before stream and number."""
    body = decode_entry(entry)
    raw = getattr(body.body, "raw", b"")
    return entry.replace(raw, raw[:-1] + bytes([raw[-1] ^ 1])) if raw else entry


def _is_pack(index: int) -> bool:
    return any(index == each for chain in made().chains.values() for each, _ in chain)


def _allowed(order: Sequence[int], altered: int | None) -> bool:
    """Whether every pack stands behind a registration of its key and before its end, and no key comes back."""
    site = made()
    if altered is not None and _is_pack(altered):
        return False
    for (_, kid), chain in site.chains.items():
        registered = [at for at, index in enumerate(order) if index in site.registered[kid]]
        revoked = [at for at, index in enumerate(order) if index in site.revoked[kid]]
        if registered and revoked and max(registered) > min(revoked):
            return False
        packs = [at for at, index in enumerate(order) if any(index == each for each, _ in chain)]
        if packs and not (registered and min(registered) < min(packs)):
            return False
        if packs and revoked and min(revoked) < max(packs):
            return False
    return True


def _begins(order: Sequence[int]) -> bool:
    """Whether each chain begins with its first pack: a stream that was numbered anew always begins with number 0."""
    return all(
        not [index for index, _ in chain if index in order] or chain[0][0] in order for chain in made().chains.values()
    )
