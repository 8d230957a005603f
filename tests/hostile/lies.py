"""What the holder of the log's key signs: numbers, heads and words that cannot be."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from evidence.site_log import DEVICE, KEY, LOG, NODE, ORIGIN, START_MS, STREAM, SiteLog
from hostile.case import (
    FAILS,
    FRAUD,
    Case,
    good,
    many,
    of,
)
from wayside.evidence.bundle import Bundle, BundleClaim
from wayside.evidence.entry import encode_unplaced
from wayside.evidence.heads import Commitment, Heads, ProvenHead, StreamHead
from wayside.evidence.kinds import (
    ConfigurationBody,
    DeviceBody,
    EntryKind,
)
from wayside.evidence.merkle import node_hash
from wayside.evidence.note import Checkpoint, parse_checkpoint, parse_note, sign_note
from wayside.evidence.stream import GATEWAY, KEYS
from wayside_wire import cbor


def _lie(numbers: dict[int, int], keep: Callable[[int], bool] = lambda index: True) -> Case:
    """Entries with other numbers than are right; under heads as the entries say."""
    log = SiteLog()
    log.add_key()
    for sequence in range(6):
        body = encode_unplaced(log.now(), 2, DeviceBody("back", f"{sequence}", None))
        log.add_raw(STREAM, body, numbers.get(sequence))
    return of(log.bundle(keep), FRAUD, "heads", "FRAUD: the log's key signed what cannot be")


def _numbers() -> Iterator[tuple[str, Callable[[], Case]]]:
    lies = {
        "one is skipped": {3: 4, 4: 5, 5: 6},
        "one is there twice": {3: 2, 4: 3, 5: 4},
        "one goes back": {5: 0},
        "the first is not 0": {0: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: 6},
        "more than there are entries": {5: 999},
    }
    for name, numbers in lies.items():
        yield name, lambda numbers=numbers: _lie(numbers)
    yield "one is skipped, seen by two far entries", lambda: _lie({5: 999}, lambda index: index in (0, 1, 6))


many("numbers that cannot be", _numbers())


def under(log: SiteLog, heads: Heads, bundle: Bundle) -> Bundle:
    """The bundle under a checkpoint that the log's key signed over other heads than those of its entries."""
    proven = []
    for each in bundle.heads:
        at, hashes = heads.proof(each.head.stream)
        proven.append(ProvenHead(heads.get(each.head.stream), at, tuple(hashes)))
    return replace(bundle, checkpoint=log.checkpoint_at(log.size, heads), heads=tuple(proven))


def _heads() -> Iterator[tuple[str, Callable[[], Case]]]:
    lies = {
        "fewer entries than are here": StreamHead(STREAM, 5, 5),
        "the last one elsewhere": StreamHead(STREAM, 10, 9),
        "the last one behind the end": StreamHead(STREAM, 11, 99),
        "no entry at all": StreamHead(STREAM, 0, 0),
    }
    for name, head in lies.items():

        def make(head: StreamHead = head) -> Case:
            log = good()
            lying = under(log, Heads([log.heads().get(KEYS), head]), log.bundle())
            return of(lying, FRAUD, "heads", "FRAUD: the log's key signed what cannot be")

        yield name, make

    def partly(head: StreamHead, claim: BundleClaim, end: int) -> Case:
        """A file of the first entries, which is all that it claims."""
        log = good(3)
        log.add(GATEWAY, ConfigurationBody(bytes(32)))
        log.add_packs(3, 5)
        known = {each.stream: each for each in log.heads()} | {head.stream: head}
        bundle = replace(log.bundle(lambda index: index < end, claim), heads=(log.head(KEYS), log.head(STREAM)))
        lying = under(log, Heads(known.values()), bundle)
        return of(lying, FRAUD, "heads", "FRAUD: the log's key signed what cannot be")

    three = BundleClaim(STREAM, 0, 3)
    yield "the last one is an entry of another stream", lambda: partly(StreamHead(STREAM, 4, 4), three, 5)
    all_keys = BundleClaim(KEYS)
    yield "the last one of another stream is the last here", lambda: partly(StreamHead(STREAM, 4, 0), all_keys, 1)
    yield "more entries behind those here than there are indexes", lambda: partly(StreamHead(STREAM, 6, 5), three, 4)
    yield "more entries than the log has, in two streams", lambda: partly(StreamHead(STREAM, 7, 6), three, 4)

    def all_here(heads: Heads) -> Case:
        """A file of the first entries, whole by its heads; no other stream could hold the rest of the log."""
        log = good()
        bundle = replace(log.bundle(lambda index: index < 6), heads=())
        here = [each for each in (KEYS, STREAM) if any(head.stream == each for head in heads)]
        proven = [ProvenHead(heads.get(each), at, tuple(hashes)) for each in here for at, hashes in [heads.proof(each)]]
        lying = replace(bundle, checkpoint=log.checkpoint_at(log.size, heads), heads=tuple(proven))
        return of(lying, FRAUD, "heads", "the heads of all streams count")

    keys = good().heads().get(KEYS)
    yield "all heads, and fewer entries than the log", lambda: all_here(Heads([keys, StreamHead(STREAM, 5, 5)]))
    yield "all heads, and none ends where the log does", lambda: all_here(Heads([keys, StreamHead(STREAM, 10, 9)]))
    yield "no stream, under a log that has entries", lambda: all_here(Heads())

    def unsorted() -> Case:
        log = good(3)
        bundle, heads = log.bundle(), log.heads()
        hashes = [heads.get(stream).leaf() for stream in (KEYS, STREAM)]  # "device/..." belongs before "keys"
        line = Commitment(2, node_hash(*hashes)).line()
        note = sign_note(Checkpoint(ORIGIN, log.size, _root(log), (line,)).text(), KEY, LOG.sign).encode()
        proven = [ProvenHead(heads.get(each), at, (hashes[1 - at],)) for at, each in enumerate((KEYS, STREAM))]
        lying = replace(bundle, checkpoint=note, heads=tuple(proven))
        return of(lying, FRAUD, "heads", "not in the order of their names")

    yield "not in the order of their names", unsorted

    def whole() -> Case:
        log = good()
        lying = under(log, Heads([log.heads().get(KEYS), StreamHead(STREAM, 5, 5)]), log.bundle(claim=BundleClaim()))
        return of(lying, FRAUD, "heads", "the heads under the checkpoint are not those of its entries")

    yield "fewer entries than are there, in a file of the whole log", whole


many("heads that cannot be", _heads())


def _lines() -> Iterator[tuple[str, Callable[[], Case]]]:
    line = good().heads().commitment().line()
    for name, extensions in {
        "none": (),
        "two": (line, line),
        "another one beside it": (line, "more"),
        "another word": (line.replace("wayside-heads/1", "wayside-heads/2"),),
        "a number with zeros": (line.replace("/1 2 ", "/1 02 "),),
        "more streams than entries": (line.replace("/1 2 ", "/1 99 "),),
        "half a root": (line[:-24],),
    }.items():

        def make(extensions: tuple[str, ...] = extensions) -> Case:
            log = good()
            text = Checkpoint(ORIGIN, log.size, _root(log), extensions).text()
            note = sign_note(text, KEY, LOG.sign).encode()
            return of(replace(log.bundle(), checkpoint=note), FAILS, "inclusion", "")

        yield name, make


def _root(log: SiteLog) -> bytes:
    return parse_checkpoint(parse_note(log.checkpoint)).root


many("a checkpoint's line of heads", _lines())

def _words() -> Iterator[tuple[str, Callable[[], Case]]]:
    key = {0: bytes(32), 1: "node", 2: [DEVICE], 3: "registered"}
    bodies: list[tuple[str, str, int, dict[Any, Any]]] = [
        ("attested by the meter", STREAM, EntryKind.PACK, {0: "meter", 1: b""}),
        ("a root of 31 bytes", KEYS, EntryKind.EPOCH, {0: ORIGIN, 1: 1, 2: bytes(31), 3: "", 4: None}),
        ("erased on a whim", STREAM, EntryKind.RETENTION, {0: 0, 1: 1, 2: "whim"}),
        ("an auditor", KEYS, EntryKind.KEY, key | {1: "auditor"}),
        ("blessed", KEYS, EntryKind.KEY, key | {3: "blessed"}),
        ("an empty list of certificates", KEYS, EntryKind.KEY, key | {8: []}),
        ("class 5", KEYS, EntryKind.KEY, key | {4: 5}),
        ("a field more", KEYS, EntryKind.KEY, key | {10: 0}),
        ("text keys", STREAM, EntryKind.DEVICE, {"0": "back", "1": "", "2": None}),
        ("text keys of an unknown kind", STREAM, 13, {"0": 1}),
        ("a list for a map", STREAM, EntryKind.DEVICE, {}),
        ("a policy of its own", STREAM, EntryKind.OVERLOAD, {0: 1, 1: "discard-all"}),
        ("a gap that ends before it begins", STREAM, EntryKind.GAP, {0: NODE.kid, 1: 1, 2: 2, 3: 1, 4: ""}),
        ("a key outside the keys", GATEWAY, EntryKind.KEY, key),
        ("an unknown kind among the keys", KEYS, 13, {0: 1}),
        ("a pack among the gateway's", GATEWAY, EntryKind.PACK, {0: "device", 1: b""}),
    ]
    for name, stream, kind, body in bodies:

        def make(stream: str = stream, kind: int = kind, body: object = body) -> Case:
            log = good()
            index = log.add_raw(stream, cbor.encode({0: int(kind), 1: START_MS, 2: 2, 3: body or []}))
            return of(log.bundle(claim=BundleClaim()), FAILS, f"entry {index}", "entry:")

        yield name, make
    heads = (("quality 200", 2, 200), ("a time after the year 9999", 1, 2**63), ("a text for a time", 1, ""))
    for name, field, value in heads:

        def head(field: int = field, value: object = value) -> Case:
            log = good()
            fields = {0: int(EntryKind.DEVICE), 1: START_MS, 2: 2, 3: {0: "back", 1: "", 2: None}} | {field: value}
            index = log.add_raw(STREAM, cbor.encode(fields))
            return of(log.bundle(claim=BundleClaim()), FAILS, f"entry {index}", "entry:")

        yield name, head


many("an entry says what it cannot", _words())
