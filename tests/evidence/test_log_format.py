"""docs/log-format.md and the code say the same: its CDDL takes every entry, batch and bundle that the code makes, and
both take and refuse the same bytes, on either side of every border.
"""

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pycddl
import pytest
from evidence.site_log import DEVICE, NODE, START_MS, STREAM, SiteLog
from hypothesis import given, settings
from hypothesis import strategies as st
from wayside.evidence import EvidenceError, kinds
from wayside.evidence.batch import encode_batch
from wayside.evidence.bundle import BundleClaim, BundleError, Writer, decode_bundle, encode_bundle
from wayside.evidence.entry import (
    STREAMS,
    Entry,
    beginning,
    decode_entry,
    decode_unplaced,
    encode_entry,
    encode_unplaced,
    place,
)
from wayside.evidence.fraud import Fraud, FraudError, decode_fraud, encode_fraud
from wayside.evidence.fraud_batches import BatchFraud, encode_batch_fraud
from wayside.evidence.heads import StreamHead
from wayside.evidence.kinds import BODIES, Body, EntryKind
from wayside_wire import cbor

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "log-format.md").read_text()
# RFC 8610 ties a regular expression to both ends of the text; pycddl 0.6 does not.
RULES = "\n".join(re.findall(r"```cddl\n(.*?)```", TEXT, re.DOTALL))
RULES = re.sub(r'\.regexp "([^"]*)"', r'.regexp "^(?:\1)$"', RULES)
# It also lets other types pass a limit or a size, fields of a group be missing, and a map's keys be anything when they
# are no plain type. So these rules are told to it in a longer way that it reads as RFC 8610 does.
ENTRIES = re.sub(r"(\w+) (\.size \([^)]*\)|\.size \d+|\.le \d+)", r"(\1 .and (\1 \2))", RULES.split("batch =")[0])
ENTRIES = re.sub(r"(?<!size \()\b(\d+\.\.\d+)", r"(uint .and (\1))", ENTRIES)
ENTRIES = ENTRIES.replace(" written,", " 1: logged-at, 2: quality,").replace("+ name => words", "+ tstr => words")

FILES = ("batch", "bundle", "fraud", "batch-fraud")


@cache
def schema(rule: str) -> pycddl.Schema:
    return pycddl.Schema(f"start = {rule}\n{RULES if rule in FILES else ENTRIES}")


def entry_rule(fields: Mapping[Any, Any]) -> str:
    """Which of the entry's choices it can be, if any: pycddl gives up all of them when it cannot judge one."""
    kind = fields.get(0)
    return f"{EntryKind(kind).name.lower() if type(kind) is int and kind in FIELDS else 'unknown'}-entry"


def described(rule: str, data: bytes) -> bool:
    """Whether the document calls these bytes by this rule's name."""
    try:
        schema(rule).validate_cbor(data)
    except pycddl.ValidationError:
        return False
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust: it compares a word with bytes that are no text
            raise
        return False
    return True


def taken(data: bytes) -> bool:
    """Whether the code takes these bytes for an entry."""
    try:
        decode_entry(data)
    except EvidenceError:
        return False
    return True


# --- what each field may hold, told a third time: [kind][label] = (what is in, what is just outside) ---

MOST = 2**63 - 1
ANY = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3), st.binary(max_size=3), st.just([]), st.just({})
)
Border = tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]


def other_than(*types: type) -> st.SearchStrategy[Any]:
    return ANY.filter(lambda value: type(value) not in types)


def text(least: int = 0) -> Border:
    border = st.sampled_from(["x" * least, "x" * 16_384])
    outside = st.sampled_from(["x" * 16_385, *[""] * least])
    return border | st.text(min_size=least, max_size=20), outside | other_than(str)


def data(least: int = 0) -> Border:
    return st.binary(min_size=least, max_size=40), st.sampled_from([b""] * least or ["raw"]) | other_than(bytes)


def size(count: int) -> Border:
    sizes = st.sampled_from([0, count - 1, count + 1])
    return st.binary(min_size=count, max_size=count), sizes.map(bytes) | other_than(bytes)


def number(most: int = MOST, least: int = 0) -> Border:
    inside = st.sampled_from([least, most]) | st.integers(least, most)
    return inside, st.sampled_from([least - 1, most + 1, True, False, cbor.Decimal(1, 1)]) | other_than(int)


def word(*words: str) -> Border:
    near = st.sampled_from([each + " " for each in words] + [each.upper() for each in words] + [words[0][:-1], ""])
    return st.sampled_from(words), near | st.text(max_size=9).filter(lambda each: each not in words) | other_than(str)


def or_null(border: Border) -> Border:
    return st.none() | border[0], border[1].filter(lambda value: value is not None)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,47}", fullmatch=True) | st.just("n" * 48)
NO_NAMES = st.sampled_from(["", "n" * 49, "-a", "a/b", "a b", "a\n", "ä", "a\0"])
DEVICES = st.lists(NAMES, max_size=3), NO_NAMES.map(lambda name: [DEVICE, name]) | st.just([1]) | other_than(list)
EPOCHS = st.integers(0, 2**31 - 1)
ORIGINS = (
    st.builds("{}/log/{}".format, st.sampled_from(["a", "7.b-c", "a/b", "logs/x", "a" * 64]), EPOCHS),
    st.sampled_from(["", "log/0", "a/log", "a/log/", "a/log/00", "A/log/0", "a/log/-1", "a/log/0\n", "-a/log/0"])
    | text()[0]
    | other_than(str),
)
NOTES = CERTIFICATES = (
    st.lists(st.binary(max_size=9), min_size=1, max_size=3),
    st.sampled_from([[], [""], [b"", 1]]) | other_than(list),
)
PROFILES = (
    st.dictionaries(NAMES, st.text(max_size=9), min_size=1, max_size=3),
    st.sampled_from([{}, {"a": 1}, {1: "a"}, {"a": "x" * 16_385}]) | other_than(dict),
)
INPUTS = st.dictionaries(st.integers(0, 9) | st.text(max_size=3), ANY, min_size=1, max_size=3), other_than(dict)
STEP = (
    st.sampled_from([-MOST, MOST]) | st.integers(-MOST, MOST),
    st.sampled_from([-MOST - 1, MOST + 1, True]) | other_than(int),
)

FIELDS: dict[int, dict[int, Border]] = {
    EntryKind.PACK: {0: word("device", "gateway"), 1: data()},
    EntryKind.GAP: {0: size(8), 1: number(2**32 - 1), 2: number(2**32 - 1), 3: or_null(number(2**32 - 1)), 4: text()},
    EntryKind.COMMAND: {0: text(), 1: text(), 2: text(), 3: text(), 4: data(1)},
    EntryKind.DECISION: {0: text(), 1: text(), 2: text(), 3: INPUTS},
    EntryKind.KEY: {
        0: size(32), 1: word("gateway", "node", "log", "operator"), 2: DEVICES, 3: word("registered", "revoked"),
        4: number(4, 1), 5: text(1), 6: text(1), 7: data(1), 8: CERTIFICATES, 9: PROFILES,
    },
    EntryKind.CONFIGURATION: {0: size(32)},
    EntryKind.EPOCH: {0: ORIGINS, 1: number(), 2: size(32), 3: text(), 4: or_null(data()), 5: NOTES},
    EntryKind.CLOCK: {0: STEP},
    EntryKind.OVERLOAD: {0: number(), 1: word("discard-oldest", "reduce-fidelity", "discard-newest")},
    EntryKind.RETENTION: {0: number(), 1: number(), 2: word("age", "size", "size, undelivered"), 3: ORIGINS},
    EntryKind.DEVICE: {0: text(), 1: text(), 2: or_null(number()), 3: number(MOST, 1)},
}  # fmt: skip
OPTIONAL = {
    EntryKind.COMMAND: {4},
    EntryKind.DECISION: {3},
    EntryKind.KEY: {4, 5, 6, 7, 8, 9},
    EntryKind.RETENTION: {3},
    EntryKind.DEVICE: {3},
}
OPTIONAL[EntryKind.EPOCH] = {5}
PLACES = {"keys": "keys", "gateway": "gateway", "device": STREAM, "journal": "journal/junction-7"}


def is_tied(kind: int, body: Mapping[int, Any]) -> bool:
    """What ties fields to each other, in words of the document, which no CDDL can say."""
    if kind == EntryKind.GAP:
        return body[3] is None or body[2] <= body[3]
    origin = body.get({EntryKind.EPOCH: 0, EntryKind.RETENTION: 3}.get(EntryKind(kind), -1))
    return _is_origin(origin) and (kind != EntryKind.RETENTION or body[0] < body[1])


def _is_origin(text: str | None) -> bool:
    """Lengths and numbers, and no part `log`: the CDDL shows the rest."""
    if text is None:
        return True
    site, _, epoch = text.rpartition("/log/")
    return len(site) <= 64 and "log" not in site.split("/") and int(epoch) < 2**31


@st.composite
def bodies(draw: st.DrawFn, kind: int) -> dict[int, Any]:
    left_out = draw(st.sets(st.sampled_from(sorted(OPTIONAL[kind])))) if kind in OPTIONAL else set()
    body = {label: draw(inside) for label, (inside, _) in FIELDS[kind].items() if label not in left_out}
    if len(cbor.encode(body)) > 60_000:  # of an entry's 65,536 bytes, four longest texts take more
        body[3 if kind == EntryKind.EPOCH else 0] = "x"
    if kind == EntryKind.RETENTION and body[0] >= body[1]:
        body[0], body[1] = 0, max(1, body[1])
    if not is_tied(kind, body):
        body[2], body[3] = body[3], body[2]
    return body


def fields_of(kind: int, body: object, stream: str) -> dict[Any, Any]:
    return {0: int(kind), 1: START_MS, 2: 2, 3: body, 4: stream, 5: 7}


@given(st.data())
def test_what_is_in_is_taken_by_both_and_comes_back(data: st.DataObject):
    kind = data.draw(st.sampled_from(sorted(FIELDS)))
    body = data.draw(bodies(kind))
    stream = PLACES[data.draw(st.sampled_from(STREAMS[kind]))]
    fields = fields_of(kind, body, stream)
    raw = cbor.encode(fields)
    assert described(entry_rule(fields), raw) and described(f"{EntryKind(kind).name.lower()}-body", cbor.encode(body))
    entry = decode_entry(raw)
    assert (entry.kind, entry.stream, entry.number) == (kind, stream, 7)
    assert encode_entry(START_MS, 2, entry.body, stream, 7) == raw
    unplaced = encode_unplaced(START_MS, 2, entry.body)
    assert place(unplaced, stream, 7) == raw and decode_unplaced(unplaced).body == entry.body


IN_BODY = ("outside", "missing", "extra", "text key", "negative key")
IN_HEAD = ("stream", "number", "quality", "time", "kind", "head")
NO_STREAMS = ["", "device/", "device/-a", "device/a\n", "device/" + "a" * 49, "journal/a/b", "Keys", "gateway "]


@settings(max_examples=int(os.environ.get("WAYSIDE_FORMAT_CASES", "200")))
@given(st.data())
def test_what_is_just_outside_is_refused_by_both(data: st.DataObject):
    kind = data.draw(st.sampled_from(sorted(FIELDS)))
    body: dict[Any, Any] = data.draw(bodies(kind))
    fields = fields_of(kind, body, PLACES[STREAMS[kind][0]])
    how = data.draw(st.sampled_from(IN_BODY + IN_HEAD))
    if how == "outside":
        label = data.draw(st.sampled_from(sorted(body)))
        body[label] = data.draw(FIELDS[kind][label][1])
    elif how == "missing":
        del body[data.draw(st.sampled_from(sorted(set(body) - OPTIONAL.get(kind, set()))))]
    elif how == "extra":
        body[data.draw(st.integers(0, 30).filter(lambda label: label not in FIELDS[kind]))] = data.draw(ANY)
    elif how == "text key":
        label = data.draw(st.sampled_from(sorted(body)))
        body[str(label)] = body.pop(label)
    elif how == "negative key":
        label = data.draw(st.sampled_from(sorted(body)))
        body[-1 - label] = body.pop(label)
    elif how == "stream":
        names = [PLACES[each] for each in PLACES if each not in STREAMS[kind]]
        fields[4] = data.draw(st.sampled_from(names + NO_STREAMS) | other_than(str))
    elif how == "number":
        fields[5] = data.draw(number()[1])
    elif how == "quality":
        fields[2] = data.draw(number(2)[1])
    elif how == "time":
        fields[1] = data.draw(number(253_402_300_799_999)[1])
    elif how == "kind":
        fields[0] = data.draw(st.sampled_from([-1, True, "5", None, 2**64 - 1]) | other_than(int))
        fields[4] = "keys"
    else:
        label = data.draw(st.sampled_from([0, 1, 2, 3, 4, 5]))
        if data.draw(st.booleans()):
            del fields[label]
        else:
            fields[data.draw(st.sampled_from([6, -1, "0"]))] = 0
    raw = cbor.encode(fields)
    assert (described(entry_rule(fields), raw), taken(raw)) == (False, False), (how, fields)


@given(st.data())
def test_on_whatever_bodies_both_agree(data: st.DataObject):
    """A body of one kind under the number of another, fields exchanged, anything at all."""
    kind = data.draw(st.sampled_from(sorted(FIELDS)))
    body: dict[int, Any] = data.draw(bodies(data.draw(st.sampled_from(sorted(FIELDS)))))
    for label in data.draw(st.sets(st.sampled_from(sorted(body)))):
        body[label] = data.draw(ANY)
    fields = fields_of(kind, body, PLACES[STREAMS[kind][0]])
    raw = cbor.encode(fields)
    in_words = described(entry_rule(fields), raw)
    # pycddl calls an empty map `{ + any => any }`.
    empty = kind == EntryKind.DECISION and body.get(3) == {}
    assert taken(raw) is (in_words and not empty and is_tied(kind, body))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (EntryKind.GAP, {0: NODE.kid, 1: 1, 2: 5, 3: 4, 4: ""}),
        (EntryKind.RETENTION, {0: 5, 1: 5, 2: "age"}),
        (EntryKind.RETENTION, {0: 5, 1: 4, 2: "age"}),
        (EntryKind.RETENTION, {0: 5, 1: 6, 2: "age", 3: "a" * 65 + "/log/0"}),
        (EntryKind.EPOCH, {0: "a/log/b/log/0", 1: 0, 2: bytes(32), 3: "", 4: None}),
        (EntryKind.EPOCH, {0: "log/log/0", 1: 0, 2: bytes(32), 3: "", 4: None}),
        (EntryKind.EPOCH, {0: "a/log/2147483648", 1: 0, 2: bytes(32), 3: "", 4: None}),
        (EntryKind.DECISION, {0: "", 1: "", 2: "", 3: {}}),
        (EntryKind.KEY, {0: bytes(32), 1: "node", 2: [], 3: "registered", 9: {"a b": ""}}),
        (EntryKind.KEY, {0: bytes(32), 1: "node", 2: [], 3: "registered", 9: {"": ""}}),
        (99, {-1: 0}),
    ],
)
def test_what_pycddl_cannot_judge(kind: int, body: dict[Any, Any]):
    """What ties two fields, and what pycddl 0.6 takes against RFC 8610: maps with other keys, or with none."""
    stream = "gateway" if kind == 99 else PLACES[STREAMS[kind][0]]
    fields = fields_of(kind, body, stream)
    raw = cbor.encode(fields)
    assert described(entry_rule(fields), raw) and not taken(raw)


LATER = st.dictionaries(st.integers(0, 2**64 - 1), ANY, max_size=3)


@given(st.integers(0, 2**64 - 1), st.sampled_from(sorted(PLACES)), LATER)
def test_later_kinds_are_let_through_but_not_among_the_keys(kind: int, where: str, body: dict[int, Any]):
    if kind in FIELDS:
        kind = 7
    fields = fields_of(kind, body, PLACES[where])
    raw = cbor.encode(fields)
    assert described(entry_rule(fields), raw) is taken(raw) is (where != "keys")
    if where != "keys":
        assert decode_entry(raw).body.encode() == body


def test_the_table_is_whole():
    assert set(FIELDS) == set(BODIES) == set(STREAMS)
    for kind, fields in FIELDS.items():
        told = {field.label: field.optional for field in BODIES[kind].fields}
        assert told == {label: label in OPTIONAL.get(EntryKind(kind), set()) for label in fields}
        assert f"| {kind} | {EntryKind(kind).name.lower()} |" in TEXT


WRONG: list[Body] = [
    kinds.PackBody("meter", b""),
    kinds.GapBody(b"short", 1, 2, 3, ""),
    kinds.GapBody(NODE.kid, 1, 3, 2, ""),
    kinds.KeyBody(bytes(31), "node", (), "registered"),
    kinds.KeyBody(bytes(32), "auditor", (), "registered"),
    kinds.KeyBody(bytes(32), "node", ("a b",), "registered"),
    kinds.KeyBody(bytes(32), "node", (), "registered", assurance=5),
    kinds.ConfigurationBody(bytes(33)),
    kinds.RetentionBody(5, 5, "age"),
    kinds.OverloadBody(-1, "discard-oldest"),
    kinds.DeviceBody("x" * 16_385, "", None),
]


@pytest.mark.parametrize("body", WRONG)
def test_what_nobody_would_take_is_not_written(body: Body):
    with pytest.raises(EvidenceError):
        encode_unplaced(START_MS, 2, body)


# --- the head of an entry ---


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.dictionaries(st.integers(0, 9), st.binary(max_size=9)))
def test_beginning_is_that_of_the_whole_entry(kind: int, time_ms: int, body: dict[int, bytes]):
    for placed in (True, False):
        fields = {0: kind, 1: time_ms, 2: time_ms % 3, 3: body} | ({4: STREAM, 5: 0} if placed else {})
        data = cbor.encode(fields)
        try:
            whole: Entry = decode_entry(data) if placed else decode_unplaced(data)
        except EvidenceError:
            continue
        assert beginning(data) == (whole.kind, whole.logged_at_ms, whole.time_quality) == (kind, time_ms, time_ms % 3)


@given(st.binary(max_size=20), st.sampled_from([b"", b"\xa4", b"\xa6", b"\xa6\x00\x01\x01", b"\xa6\x00\x01\x01\x1b"]))
def test_beginning_of_no_entry(junk: bytes, head: bytes):
    with contextlib.suppress(EvidenceError):
        kind, time_ms, quality = beginning(head + junk)
        assert kind >= 0 and time_ms >= 0 and 0 <= quality <= 2


# --- files ---


def site_log() -> SiteLog:
    log = SiteLog()
    log.add_key()
    log.add_packs(0, 5)
    return log


CLAIMS = (
    BundleClaim(),
    BundleClaim(STREAM),
    BundleClaim(STREAM, 1),
    BundleClaim(STREAM, 0, 2),
    BundleClaim(STREAM, 1, 2),
    BundleClaim("keys"),
)


def test_batches_and_bundles_are_as_described():
    log = site_log()
    schema("batch").validate_cbor(encode_batch(log.checkpoint, 2, log.items[2:4], log.subset_proof([(2, 4)])))
    for claim in CLAIMS:
        schema("bundle").validate_cbor(encode_bundle(log.bundle(lambda index: index != 3, claim)))
    schema("fraud").validate_cbor(encode_fraud(Fraud(b"one", b"two")))
    for heads in ((), (StreamHead("keys", 1, 0), StreamHead(STREAM, 5, 5))):
        schema("batch-fraud").validate_cbor(encode_batch_fraud(BatchFraud(heads, (b"one",), (b"two", b"three"))))


BUNDLE = cbor.decode(encode_bundle(site_log().bundle(lambda index: index != 3, BundleClaim(STREAM, 1, 2))))
HEAD = BUNDLE[7][0]


@pytest.mark.parametrize(
    ("label", "value"),
    [
        (0, "wayside-bundle/2"),
        (1, "text"),
        (2, [[0, 1, 2]]),
        (2, [[0, "1"], [1, 6]]),
        (3, [[bytes(15), b""]] * 5),
        (3, [[bytes(17), b""]] * 5),
        (3, [[bytes(16), "x"]] * 5),
        (3, [[bytes(16)]] * 5),
        (4, [1]),
        (5, [STREAM, 1, 2, "w"]),
        (5, [STREAM, 1, 2, b"w", 0]),
        (5, [STREAM, None, 2, "w", 0]),
        (5, [STREAM, 1, 2**63, "w", 0]),
        (5, [STREAM, 1, True, "w", 0]),
        (5, [None, 1, None, "w", 0]),
        (5, [None, 0, 1, "w", 0]),
        (5, [b"keys", 0, 1, "w", 0]),
        (6, b""),
        (7, [HEAD[:4]]),
        (7, [[*HEAD, 0]]),
        (7, [[b"keys", *HEAD[1:]]]),
        (7, [["keys", 1, 2**63, *HEAD[3:]]]),
        (7, [["keys", 1, 1, None, HEAD[4]]]),
        (7, [["keys", 1, 1, 0, ["hash"]]]),
        (8, 0),
    ],
)
def test_a_bundle_out_of_form_is_refused_by_both(label: int, value: object):
    assert described("bundle", cbor.encode(BUNDLE)) and decode_bundle(cbor.encode(BUNDLE))
    raw = cbor.encode(BUNDLE | {label: value})
    with pytest.raises(BundleError):
        decode_bundle(raw)
    assert not described("bundle", raw)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        (5, [STREAM, 2, 2, "w", 0]),
        (5, [STREAM, 2, 1, "w", 0]),
        (5, ["device/", 0, 1, "w", 0]),
        (5, ["meter-1", 0, 1, "w", 0]),
        (7, [HEAD, HEAD]),
        (2, [[0, 3], [4, 7]]),
        (7, [["keys", -1, *HEAD[2:]]]),
        (6, "text"),
        (5, [STREAM, -1, 2, "w", 0]),
        (5, [STREAM, 1, 2, "w", -1]),
    ],
)
def test_a_bundle_that_the_words_refuse(label: int, value: object):
    """What no CDDL says, and types that pycddl lets pass a limit."""
    raw = cbor.encode(BUNDLE | {label: value})
    assert described("bundle", raw)
    with pytest.raises(BundleError):
        decode_bundle(raw)


def test_a_bundle_without_a_field_is_refused_by_both():
    for label in BUNDLE:
        raw = cbor.encode({each: value for each, value in BUNDLE.items() if each != label})
        assert not described("bundle", raw)
        with pytest.raises(BundleError):
            decode_bundle(raw)


@given(st.sampled_from(CLAIMS), st.text(max_size=9), st.integers(0, MOST), st.binary(max_size=9))
def test_a_manifest_comes_back(claim: BundleClaim, name: str, time_ms: int, policy: bytes):
    bundle = site_log().bundle(claim=claim)
    bundle = replace(bundle, writer=Writer(name, time_ms), policy=policy)
    raw = encode_bundle(bundle)
    assert described("bundle", raw) and decode_bundle(raw) == bundle


FRAUD = {0: "wayside-fraud/1", 1: b"", 2: b""}


@pytest.mark.parametrize("value", [{0: "wayside-fraud/1", 1: b""}, FRAUD | {0: "x"}, FRAUD | {1: ""}, FRAUD | {3: b""}])
def test_a_fraud_proof_out_of_form_is_refused_by_both(value: dict[int, Any]):
    assert not described("fraud", cbor.encode(value))
    with pytest.raises(FraudError):
        decode_fraud(cbor.encode(value))
