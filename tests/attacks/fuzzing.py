"""What is fuzzed: readers of strangers' bytes, each with what must hold of any input, and how inputs are made.

An input that ever broke one of them is kept in `corpus/`, a small text file of hexadecimal digits; so are those by
which `tools/fuzz.py` first reached a line. Every test run replays them all.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from textwrap import wrap
from typing import Any

from evidence.site_log import KEY, NODE, STREAM, SiteLog
from sensors.decoders import DECODERS, corpus_of, refuses
from wayside.evidence import EvidenceError
from wayside.evidence.batch import BatchVerifier, encode_batch
from wayside.evidence.bundle import BundleClaim, BundleError, decode_bundle, encode_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import decode_entry
from wayside.evidence.epoch import Continuation, EpochLink
from wayside.evidence.finding import lines
from wayside.evidence.fraud import Fraud, decode_fraud, encode_fraud
from wayside.evidence.fraud_batches import BatchFraud, decode_batch_fraud, encode_batch_fraud, prove_batch_fraud
from wayside.evidence.note import NoteError, parse_checkpoint, parse_note
from wayside.evidence.verify import verify_bundle
from wayside.witness.continuation import encode_continuation, parse_continuation
from wayside.witness.witness import encode_request, parse_request
from wayside_wire import WireError, cbor, link
from wayside_wire.pack import open_pack, sign_pack

CORPUS = Path(__file__).parent / "corpus"
MAX_INPUT = 4096  # bytes that a mutation makes at most
TRUST = Trust.in_key(KEY)


def _log() -> SiteLog:
    log = SiteLog()
    log.add_key()
    log.add_packs(0, 4)
    log.add_gap(1, 4, 6)
    return log


LOG = _log()
BUNDLE = encode_bundle(LOG.bundle(lambda index: index != 3, BundleClaim(STREAM, 0, 4)))
GOOD = decode_bundle(BUNDLE)
BATCH = encode_batch(LOG.checkpoint, 1, LOG.items[1:4], LOG.subset_proof([(1, 4)]))
PARTS = [
    encode_batch(LOG.checkpoint, first, LOG.items[first:end], LOG.subset_proof([(first, end)]))
    for first, end in ((0, 3), (3, LOG.size))
]

# --- what must hold; anything else than these errors is a finding ---


def fuzz_cbor(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except WireError:
        return
    assert cbor.encode(value) == data, "a value has one encoding"


def fuzz_note(data: bytes) -> None:
    try:
        note = parse_note(data)
    except NoteError:
        return
    assert note.encode() == data, "a note has one form"
    try:
        checkpoint = parse_checkpoint(note)
    except NoteError:
        return
    assert checkpoint.text() == note.text, "a checkpoint has one form"


def fuzz_bundle(data: bytes) -> None:
    try:
        bundle = decode_bundle(data)
    except BundleError:
        return
    assert encode_bundle(bundle) == data, "a bundle has one form"
    holds, findings = verify_bundle(bundle, TRUST)
    assert all(line.isprintable() for line in lines(findings))
    if holds:
        # What the log signed cannot be changed; the writer's word about the file can.
        proven = replace(bundle, claim=GOOD.claim, writer=GOOD.writer, policy=GOOD.policy, checkpoint=GOOD.checkpoint)
        assert proven == GOOD, "something else than what was logged holds"


def fuzz_judge(data: bytes) -> None:
    """Any entry in an honest log: the verifier gives a verdict, and the packs around it keep theirs."""
    log = SiteLog()
    log.add_key()
    log.add_packs(0, 2)
    log.add_bytes(data, STREAM, 2)
    log.add_packs(2, 3)
    _, findings = verify_bundle(log.bundle(), TRUST)
    assert all(line.isprintable() for line in lines(findings))
    checkpoint = next(each for each in findings if each.subject == "checkpoint")
    assert checkpoint.holds


def fuzz_entry(data: bytes) -> None:
    try:
        entry = decode_entry(data)
    except EvidenceError:
        return
    fields = (entry.kind, entry.logged_at_ms, entry.time_quality, entry.body.encode(), entry.stream, entry.number)
    assert cbor.encode(dict(enumerate(fields))) == data, "an entry has one form"


def fuzz_batch(data: bytes) -> None:
    try:
        batch = BatchVerifier(KEY).verify(data)
    except EvidenceError:
        return
    expected = [(item.salt, item.entry) for item in LOG.items[batch.first : batch.first + len(batch.records)]]
    assert list(batch.records) == expected, "something else than what was logged verifies"


def fuzz_pack(data: bytes) -> None:
    try:
        pack, kid = open_pack(data, lambda *_: True)
    except WireError:
        return
    header, _, payload, _ = cbor.decode(data).value
    again = cbor.decode(sign_pack(pack, kid, lambda message: bytes(64))).value
    assert (header, payload) == (again[0], again[2]), "a pack has one form"


def fuzz_link(data: bytes) -> None:
    try:
        message = link.decode(data)
    except WireError:
        return
    assert link.encode(message) == data


def fuzz_continuation(data: bytes) -> None:
    try:
        continuation, request = parse_continuation(data)
    except NoteError:
        return
    assert encode_continuation(continuation, request) == data, "a request has one form"


def fuzz_request(data: bytes) -> None:
    try:
        request = parse_request(data)
    except NoteError:
        return
    assert encode_request(*request) == data


def fuzz_fraud(data: bytes) -> None:
    try:
        fraud = decode_fraud(data)
    except EvidenceError:
        return
    assert encode_fraud(fraud) == data


def fuzz_receivers_fraud(data: bytes) -> None:
    try:
        fraud = decode_batch_fraud(data)
    except EvidenceError:
        return
    assert encode_batch_fraud(fraud) == data
    with suppress(EvidenceError):
        prove_batch_fraud(fraud, KEY)
        raise AssertionError("an honest log is proven to lie")


def _no_harm(decode: Callable[[bytes], object]) -> Callable[[bytes], None]:
    return lambda data: refuses(decode, data) and None


TARGETS: dict[str, Callable[[bytes], None]] = {
    name.removeprefix("fuzz_"): value for name, value in globals().items() if name.startswith("fuzz_")
}
TARGETS |= {name.replace("-", "_"): _no_harm(decode) for name, decode in DECODERS.items()}

SEEDS: dict[str, list[bytes]] = {
    "cbor": [b"\x00", cbor.encode({0: [1, -1, "text", b"bytes", True, None, cbor.Decimal(-3, 7), cbor.Tag(18, [])]})],
    "note": [LOG.checkpoint, LOG.checkpoint + LOG.checkpoint.split(b"\n")[-2] + b"\n"],
    "bundle": [BUNDLE],
    "judge": [item.entry for item in LOG.items],
    "entry": [item.entry for item in LOG.items],
    "batch": [BATCH],
    "pack": [LOG.make_pack(9)],
    "link": [
        link.encode(link.Hello(link.VERSION, NODE.kid, bytes(32))),
        link.encode(link.Sealed(bytes(8), 1, link.encode(link.AskTime()), bytes(8))),
        link.encode(link.TimeMessage(1, 2, 3)),
        link.encode(link.PackMessage(1, 2, b"raw")),
        link.encode(link.Ack("m", 1, 2, bytes(16))),
        link.encode(link.Error(1, "no")),
        link.encode(link.CountersMessage({"a": 1})),
    ],
    "continuation": [
        encode_continuation(Continuation([EpochLink(bytes(16), b"entry", [bytes(32)])] * 2, [bytes(32)]), b"x")
    ],
    "request": [encode_request(3, [bytes(32)] * 2, LOG.checkpoint)],
    "fraud": [encode_fraud(Fraud(b"one", b"two"))],
    "receivers_fraud": [
        encode_batch_fraud(BatchFraud(notes=(LOG.checkpoint,), batches=(BATCH, PARTS[0]))),
        encode_batch_fraud(BatchFraud(tuple(LOG.heads(3)), (LOG.checkpoint_at(3), LOG.checkpoint), (PARTS[1],))),
    ],
}

SEEDS |= {name.replace("-", "_"): [data for data, _ in corpus_of(name)] for name in DECODERS}

# --- how inputs are made ---

_TOKENS = [
    b"\x00", b"\x17", b"\x18\x18", b"\x1b" + b"\xff" * 8, b"\x20", b"\x3b" + b"\xff" * 8, b"\x40", b"\x60", b"\x80",
    b"\x5a\xff\xff\xff\xff", b"\x9b" + b"\x7f" * 8, b"\x9f", b"\xa0", b"\xbf", b"\xc2\x41\x00", b"\xc4\x82\x00\x00",
    b"\xd2", b"\xd8\x1c", b"\xd9\x01\x00", b"\xf4", b"\xf6", b"\xf7", b"\xf9\x7e\x00", b"\xff", b"\n", b"\n\n",
    b"\r\n", b"+", b"=", "— a ".encode(), b"AAAAAAAA", b"9" * 20, b"-1", "\u2028".encode(), b"\xc3\x28",
]  # fmt: skip
_VALUES: list[Any] = [
    0, 1, -1, 23, 24, 2**32, 2**53, 2**63, 2**64 - 1, -(2**64), True, None, "", "\x1b[2J", "\u202e", "x" * 300, b"",
    bytes(16), bytes(32), bytes(64), [], [[]], {}, {0: 0}, {"a": 1}, cbor.Decimal(-3, 5), cbor.Decimal(2**62, 1),
    cbor.Tag(18, []),
]  # fmt: skip


def mutate(seeds: list[bytes], random: Random) -> bytes:
    """One of `seeds`, changed in its bytes or, where it is CBOR, in its values; often in both."""
    data = random.choice(seeds)
    if random.random() < 0.5:
        data = _mutate_value(data, random)
    for _ in range(random.choice((0, 1, 1, 1, 2, 4))):
        data = _mutate_bytes(data, seeds, random)
    return data[:MAX_INPUT]


def _mutate_bytes(data: bytes, seeds: list[bytes], random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    end = min(len(data), at + random.choice((1, 1, 2, 4, 16, 64)))
    other = random.choice(seeds)
    start = random.randrange(len(other) + 1)
    piece = random.choice((
        bytes([random.randrange(256)]),
        random.choice(_TOKENS),
        data[at:end] * 2,
        other[start : start + random.choice((1, 8, 64, 512))],
        b"",
    ))  # fmt: skip
    keep = random.random() < 0.4
    return data[:at] + piece + data[at if keep else end :]


def _mutate_value(data: bytes, random: Random) -> bytes:
    try:
        value = cbor.decode(data)
    except WireError:
        return data
    for _ in range(random.choice((1, 1, 2, 3))):
        value = _changed(value, random, random.randrange(1, 12))
    try:
        return bytes(cbor.encode(value))
    except (TypeError, ValueError):
        return data


def _changed(value: Any, random: Random, depth: int) -> Any:
    """`value` with one place in it changed; byte strings that are CBOR themselves are gone into."""
    if isinstance(value, cbor.Tag) and depth:
        return cbor.Tag(value.number, _changed(value.value, random, depth - 1))
    if isinstance(value, list) and value and depth:
        at = random.randrange(len(value))
        what = random.random()
        if what < 0.1:
            return value[:at] + value[at + 1 :]
        if what < 0.2:
            return [*value[:at], value[at], *value[at:]]
        return [*value[:at], _changed(value[at], random, depth - 1), *value[at + 1 :]]
    if isinstance(value, dict) and value and depth:
        key = random.choice(list(value))
        if random.random() < 0.1:
            return {each: value[each] for each in value if each != key}
        if random.random() < 0.1:
            return value | {random.choice((7, 99, -1, "x")): random.choice(_VALUES)}
        return value | {key: _changed(value[key], random, depth - 1)}
    if isinstance(value, bytes) and depth and random.random() < 0.7:
        inner = _mutate_value(value, random)
        if inner != value:
            return inner
    if cbor.is_int(value) and random.random() < 0.5:
        return value + random.choice((-1, 1, 256))
    return random.choice(_VALUES)


# --- the corpus ---


def kept() -> list[tuple[str, Path]]:
    """(target, file) of every kept input."""
    return [(path.name.partition("-")[0], path) for path in sorted(CORPUS.glob("*.hex"))]


def read(path: Path) -> bytes:
    return bytes.fromhex(path.read_text())


def keep(target: str, data: bytes, why: str) -> Path:
    """`why`: "broke" or "reached"."""
    path = CORPUS / f"{target}-{why}-{sha256(data).hexdigest()[:12]}.hex"
    CORPUS.mkdir(exist_ok=True)
    path.write_text("\n".join(wrap(data.hex(), 120)) + "\n")
    return path
