"""What is left out of a file by its writer, and what the log itself says is lost."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from evidence.site_log import DEVICE, KEY, START_MS, STREAM, THIEF, SiteLog
from hostile.case import (
    FAILS,
    HOLDS,
    REVOCATION,
    SEQUENCE,
    UNREADABLE,
    Case,
    case,
    good,
    many,
    of,
)
from wayside.evidence.bundle import BundleClaim, encode_bundle
from wayside.evidence.heads import ProvenHead
from wayside.evidence.kinds import (
    Body,
    ConfigurationBody,
    DecisionBody,
    DeviceBody,
    OverloadBody,
    RetentionBody,
)
from wayside.evidence.note import COSIGNATURE, NoteKey, cosign, parse_note
from wayside.evidence.stream import GATEWAY, KEYS, device_stream, journal_stream
from wayside.trust.keys import SoftwareKey
from wayside_wire import cbor

WITNESS = SoftwareKey(b"w" * 32)
WITNESS_KEY = NoteKey("w.example/1", COSIGNATURE, WITNESS.public)


def head_at(log: SiteLog, stream: str, size: int) -> ProvenHead:
    """A head as it was when the log had `size` entries."""
    heads = log.heads(size)
    at, hashes = heads.proof(stream)
    return ProvenHead(heads.get(stream), at, tuple(hashes))


_NAMED = "INCOMPLETE: packs from 1/0 to 1/9; named by the log: "
_OPEN_END = "OPEN: packs from 1/0 to 1/4; OPEN at its end: entries 5 to 9 of its stream are not in this file"


@case("the newest five of ten packs are left out")
def _() -> Case:
    return of(good().bundle(lambda index: index < 6), FAILS, "claim", "entries are left out: numbers 5 to 9")


@case("the newest are left out, and the file says so")
def _() -> Case:
    return of(good().bundle(lambda index: index < 6, BundleClaim(STREAM, 0, 5)), HOLDS, SEQUENCE, _OPEN_END)


@case("the newest are left out, and so is the head")
def _() -> Case:
    bundle = good().bundle(lambda index: index < 6)
    return of(replace(bundle, heads=bundle.heads[:1]), FAILS, "claim", "is not proven here")


@case("the newest are left out, with the head as it was before them")
def _() -> Case:
    log = good()
    bundle = log.bundle(lambda index: index < 6)
    heads = (bundle.heads[0], head_at(log, STREAM, 6))
    return of(replace(bundle, heads=heads), FAILS, "inclusion", "is not the checkpoint's")


@case("the newest are left out of a whole log")
def _() -> Case:
    return of(good().bundle(lambda index: index < 6, BundleClaim()), FAILS, "claim", "entries are left out")


@case("the newest are left out of a whole log under the checkpoint before them, which is old")
def _() -> Case:
    log = good()
    old = SiteLog()
    good(5, old)
    note = parse_note(old.checkpoint)
    signed = note.with_signatures([cosign(note, WITNESS_KEY, WITNESS.sign, START_MS // 1000)])
    assert log.checkpoint != old.checkpoint
    policy = f"log {KEY}\nwitness w {WITNESS_KEY}\nquorum w\n"
    bundle = replace(old.bundle(claim=BundleClaim()), checkpoint=signed.encode())
    return of(bundle, FAILS, "witnesses", "older than", "--policy", "POLICY", "--fresh", "2h", policy=policy)


@case("how fresh it is nobody has to say, by a policy without witnesses")
def _() -> Case:
    words = ("--policy", "POLICY", "--fresh", "2h")
    return of(good().bundle(), FAILS, "witnesses", "nobody tells", *words, policy=f"log {KEY}\nquorum none\n")


@case("a pack in the middle is left out")
def _() -> Case:
    return of(good().bundle(lambda index: index != 4), FAILS, SEQUENCE, "missing boot 1: sequence 3 to 3")


@case("the first packs are left out")
def _() -> Case:
    return of(good().bundle(lambda index: index not in (1, 2)), FAILS, "claim", "entries are left out: numbers 0 to 1")


@case("no pack at all, only a gap entry between two others")
def _() -> Case:
    log = good(2)
    log.add_gap(1, 2, 2)
    log.make_pack(2)
    log.add_packs(3, 5)
    return of(
        log.bundle(lambda index: index in (0, 3), BundleClaim(STREAM, 2, 3)), HOLDS, SEQUENCE, "INCOMPLETE: no packs"
    )


@case("no pack at all, and nothing else")
def _() -> Case:
    log = SiteLog()
    log.add_key()
    log.add(STREAM, DeviceBody("unreachable", "", None))
    return of(log.bundle(), HOLDS, SEQUENCE, "INCOMPLETE: no packs")


@case("entries that retention erased are claimed")
def _() -> Case:
    log = good()
    log.add(STREAM, RetentionBody(0, 4, "age"))
    bundle = log.bundle(lambda index: index not in range(1, 5))
    return of(bundle, FAILS, "claim", "entries are left out: numbers 0 to 3")


@case("entries that retention erased are not claimed")
def _() -> Case:
    log = good()
    index = log.add(STREAM, RetentionBody(0, 4, "age"))
    bundle = log.bundle(lambda index: index not in range(1, 5), BundleClaim(STREAM, 4))
    return of(bundle, HOLDS, SEQUENCE, f"{_NAMED.replace('1/0', '1/4')}numbers up to 3 erased (age, entry {index})")


@case("retention erased less than is not here")
def _() -> Case:
    log = good(12)
    log.add(STREAM, RetentionBody(5, 10, "age"))
    bundle = log.bundle(lambda index: index not in range(1, 11), BundleClaim(STREAM, 10))
    return of(bundle, HOLDS, SEQUENCE, "OPEN at its beginning: entries 0 to 9 of its stream are not in this file")


@case("retention erased what stood in an earlier epoch")
def _() -> Case:
    log = good()
    index = log.add(STREAM, RetentionBody(0, 4, "age", "site.example/log/0"))
    said = f"{_NAMED}entry {index}: numbers 0 to 3 of site.example/log/0 erased (age)"
    return of(log.bundle(), HOLDS, SEQUENCE, said)


@case("a chain that begins with the number 7 and says that it is the first")
def _() -> Case:
    log = SiteLog()
    log.add_key()
    log.add_packs(7, 10)
    return of(log.bundle(), FAILS, SEQUENCE, "missing before boot 1 sequence 7, and no entry names it")


@case("the revocation is left out, behind which packs were taken")
def _() -> Case:
    log = good(3)
    revoked = log.add_key("revoked")
    log.add_packs(3, 6)
    return of(log.bundle(lambda index: index != revoked), FAILS, "keys", "1 of 2 entries of the stream of the keys")


@case("the revocation is left out, and so is the head of the keys")
def _() -> Case:
    log = good(3)
    revoked = log.add_key("revoked")
    log.add_packs(3, 6)
    bundle = log.bundle(lambda index: index != revoked)
    return of(replace(bundle, heads=bundle.heads[1:]), FAILS, "keys", "is not proven here")


@case("the revocation is left out, with the head of the keys as it was before")
def _() -> Case:
    log = good(3)
    revoked = log.add_key("revoked")
    log.add_packs(3, 6)
    bundle = log.bundle(lambda index: index != revoked)
    heads = (head_at(log, KEYS, revoked), bundle.heads[1])
    return of(replace(bundle, heads=heads), FAILS, "inclusion", "is not the checkpoint's")


@case("the revocation is there, behind which packs were taken")
def _() -> Case:
    log = good(3)
    log.add_key("revoked")
    log.add_packs(3, 6)
    return of(log.bundle(), FAILS, REVOCATION, "was revoked by entry 4")


@case("an overload that names 500 reports")
def _() -> Case:
    log = good()
    log.add(STREAM, OverloadBody(500, "discard-oldest"))
    return of(log.bundle(), HOLDS, SEQUENCE, _NAMED + "entry 11: 500 reports gave way")


@case("a claim that begins behind the newest entry")
def _() -> Case:
    return of(good().bundle(claim=BundleClaim(STREAM, 10)), FAILS, "claim", "the stream has 10 entries only")


@case("a claim that ends behind the newest entry")
def _() -> Case:
    return of(good().bundle(claim=BundleClaim(STREAM, 0, 11)), FAILS, "claim", "the stream has 10 entries only")


@case("a loss is named behind the last pack")
def _() -> Case:
    log = good()
    log.add_gap(1, 10, 12)
    return of(log.bundle(), HOLDS, SEQUENCE, _NAMED + "boot 1: sequence 10 to 12")


@case("all packs of another key of the device are lost")
def _() -> Case:
    log = good()
    log.add_key(key=THIEF)
    log.add_gap(1, 0, None, THIEF)
    return of(log.bundle(), HOLDS, SEQUENCE, "named by the log: boot 1: sequence 0 and on")


@case("reports that a device never signed")
def _() -> Case:
    log = good()
    log.add(STREAM, DeviceBody("unattested", "x", None, 3))
    return of(log.bundle(), HOLDS, SEQUENCE, _NAMED + "entry 11: 3 reports")


@case("reports that a device never signed, in an event that names no loss")
def _() -> Case:
    log = good()
    log.add(STREAM, DeviceBody("not recorded", "", START_MS, 500))
    return of(log.bundle(), HOLDS, SEQUENCE, _NAMED + "entry 11: 500 reports")


@case("an entry of a kind that is not known")
def _() -> Case:
    log = good()
    log.add_raw(STREAM, cbor.encode({0: 13, 1: START_MS, 2: 2, 3: {0: 1}}))
    return of(log.bundle(), HOLDS, SEQUENCE, "OPEN: packs from 1/0 to 1/9; OPEN at its middle: 1 entries are of kinds")


@case("packs of a device in a file that claims the keys")
def _() -> Case:
    return of(
        good().bundle(lambda index: index < 6, BundleClaim(KEYS)), HOLDS, SEQUENCE, "OPEN at its end: how many entries"
    )


@case("packs of a device in a file that claims another device")
def _() -> Case:
    log = good()
    log.add_key(devices=[DEVICE, "meter-2"])
    log.add_packs(0, 2, "meter-2")
    bundle = log.bundle(lambda index: index < 6 or index > 10, BundleClaim(device_stream("meter-2")))
    heads = (*bundle.heads, log.head(STREAM))
    return of(replace(bundle, heads=heads), HOLDS, SEQUENCE, _OPEN_END)


@case("a device of which there is nothing")
def _() -> Case:
    return of(good().bundle(claim=BundleClaim(device_stream("meter-9"))), FAILS, "claim", "is not proven here")


def _streams() -> Iterator[tuple[str, Callable[[], Case]]]:
    others: list[tuple[str, Body]] = [
        (GATEWAY, ConfigurationBody(bytes(32))),
        (journal_stream("junction-7"), DecisionBody("junction-7", "plan 3", "")),
    ]
    for stream, body in others:

        def make(stream: str = stream, body: Body = body) -> Case:
            log = good()
            for _ in range(3):
                log.add(stream, body)
            return of(
                log.bundle(lambda index: index != 13, BundleClaim(stream)), FAILS, "claim", "left out: numbers 2 to 2"
            )

        yield stream, make


many("the newest entry is left out of a stream that is no device's", _streams())


@case("a file of the format before")
def _() -> Case:
    data = encode_bundle(good().bundle()).replace(b"wayside-bundle/3", b"wayside-bundle/2")
    return Case(data, UNREADABLE, "", "wayside-bundle/3")
