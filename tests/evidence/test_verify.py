"""The verifier against every kind of evidence that does not hold: each fails in its own line, for its own reason."""

from dataclasses import replace
from pathlib import Path

import pytest
from evidence.site_log import DEVICE, KEY, NODE, ORIGIN, START_MS, STREAM, THIEF, SiteLog
from hypothesis import given
from hypothesis import strategies as st
from wayside import cli
from wayside.evidence import EvidenceError
from wayside.evidence import bundle as bundle_module
from wayside.evidence.bundle import (
    Bundle,
    BundleClaim,
    BundleError,
    decode_bundle,
    encode_bundle,
    read_bundle,
    write_bundle,
)
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import decode_entry, place
from wayside.evidence.finding import Finding, lines
from wayside.evidence.kinds import GATEWAY_ATTESTED, EntryKind, KeyBody, PackBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.stream import KEYS, device_stream
from wayside.evidence.verify import verify_bundle
from wayside_wire import cbor


def judge(bundle: Bundle, key: NoteKey = KEY) -> tuple[bool, dict[str, Finding]]:
    """After a trip through a file's bytes."""
    holds, findings = verify_bundle(decode_bundle(encode_bundle(bundle)), Trust.in_key(key))
    assert all("\n" not in line for line in lines(findings))
    return holds, {each.subject: each for each in findings}


def fails(bundle: Bundle, subject: str, reason: str) -> None:
    holds, findings = judge(bundle)
    assert not holds and not findings[subject].holds and reason in findings[subject].text, findings


def good(count: int = 6) -> SiteLog:
    log = SiteLog()
    log.add_key()
    log.add_packs(0, count)
    return log


def test_good_evidence_holds_and_every_line_says_why():
    holds, findings = judge(good().bundle())
    assert holds and all(each.holds for each in findings.values())
    assert findings[f"{DEVICE} sequence"].text == "COMPLETE: packs from 1/0 to 1/5"
    assert "6 device-attested" in findings[f"{DEVICE} signatures"].text
    assert "7 entries, signed by" in findings["checkpoint"].text


def test_a_part_of_a_log_holds_when_it_says_which_and_never_as_complete(tmp_path: Path):
    holds, findings = judge(write_bundle(tmp_path / "x", good(), BundleClaim(STREAM, 2)))
    assert holds and "OPEN at its beginning: 2 earlier entries are not part of this" in findings["claim"].text
    assert findings[f"{DEVICE} sequence"].text.startswith("OPEN: packs from 1/2 to 1/5; OPEN at its beginning")
    fails(good().bundle(lambda index: index in (0, 3, 4, 5)), "claim", "entries are left out: numbers 0 to 1, 5 to 5")


# --- the log ---


def test_a_forged_checkpoint():
    forged = SiteLog(key=THIEF)
    forged.add_key()
    forged.add_packs(0, 3)
    fails(forged.bundle(), "checkpoint", "no signature by")


def test_a_checkpoint_of_another_site():
    other = SiteLog(origin="other.example/log/0")
    other.add_key()
    fails(
        other.bundle(claim=BundleClaim()), "checkpoint", "this is a log of other.example, the keys are for site.example"
    )


def test_the_key_of_one_epoch_judges_every_epoch_of_its_site():
    later = SiteLog(origin="site.example/log/3").begin()
    later.add_key()
    later.add_packs(0, 2)
    assert judge(later.bundle())[0]


def test_a_changed_entry():
    bundle = good().bundle()
    salt, entry = bundle.records[3]
    changed = entry[:-1] + bytes([entry[-1] ^ 1])
    records = (*bundle.records[:3], (salt, changed), *bundle.records[4:])
    fails(replace(bundle, records=records), "inclusion", "not those")


def test_a_changed_salt():
    bundle = good().bundle()
    records = ((bytes(16), bundle.records[0][1]), *bundle.records[1:])
    fails(replace(bundle, records=records), "inclusion", "not those")


def test_entries_in_another_order():
    bundle = good().bundle()
    records = (bundle.records[0], bundle.records[2], bundle.records[1], *bundle.records[3:])
    fails(replace(bundle, records=records), "inclusion", "not those")


def test_entries_under_other_indexes():
    bundle = good().bundle(lambda index: index in (0, 3, 4))
    fails(replace(bundle, ranges=((0, 1), (2, 4))), "inclusion", "")


@pytest.mark.parametrize("change", [lambda p: p[:-1], lambda p: (*p, bytes(32)), lambda p: (p[0][:31], *p[1:])])
def test_a_proof_of_the_wrong_length(change):
    bundle = good().bundle(lambda index: index in (0, 3, 4))
    fails(replace(bundle, proof=change(bundle.proof)), "inclusion", "")


@pytest.mark.parametrize("ranges", [((0, 9),), ((3, 3), (0, 7)), ((-1, 6),), ((0, 4), (3, 6))])
def test_indexes_that_make_no_sense(ranges):
    bundle = replace(good().bundle(), ranges=ranges)
    try:
        holds, _ = judge(bundle)
    except BundleError:
        return
    assert not holds


# --- packs ---


def test_a_forged_device():
    log = good(2)
    log.add_pack(log.make_pack(2, key=THIEF))
    fails(log.bundle(), f"{DEVICE} signatures", "is not registered")


def test_another_devices_name_under_a_valid_signature():
    log = good(1)
    log.add_key(key=THIEF, devices=["meter-2"])
    log.add_pack(log.make_pack(1, key=THIEF))
    fails(log.bundle(), f"{DEVICE} signatures", "is not registered for meter-1")
    log = good(1)
    log.add_key(key=THIEF, devices=["meter-2", DEVICE])
    log.add_pack(log.make_pack(0, key=THIEF, device="meter-2"))
    fails(log.bundle(), f"{DEVICE} signatures", "is a pack of meter-2")


def test_a_stolen_key_after_its_revocation():
    log = good(3)
    revoked = log.add_key("revoked")
    log.add_pack(log.make_pack(3))
    fails(log.bundle(), f"{DEVICE} revocation", f"was revoked by entry {revoked}")
    _, findings = judge(log.bundle())
    assert "3 device-attested" in findings[f"{DEVICE} signatures"].text, "what was logged before stays valid"


def test_a_revocation_that_the_writer_left_out_is_missed():
    log = good(3)
    revoked = log.add_key("revoked")
    log.add_pack(log.make_pack(3))
    fails(log.bundle(lambda index: index != revoked), "keys", "1 of 2 entries of the stream of the keys are left out")
    before = log.bundle(lambda index: index < revoked)
    fails(before, "keys", "1 of 2 entries of the stream of the keys are left out")
    fails(before, "claim", "entries are left out: numbers 3 to 3")


def test_a_pack_before_its_key_was_registered():
    log = SiteLog()
    log.add_pack(log.make_pack(0))
    log.add_key()
    fails(log.bundle(), f"{DEVICE} signatures", "is not registered in the entries before it")


def test_a_gateways_pack_that_is_called_device_attested_and_the_other_way():
    log = SiteLog()
    log.add_key(role="gateway")
    log.add_packs(0, 1)
    fails(log.bundle(), f"{DEVICE} signatures", "signed by the key of a gateway")
    log = SiteLog()
    log.add_key()
    log.add_pack(log.make_pack(0), attested=GATEWAY_ATTESTED)
    fails(log.bundle(), f"{DEVICE} signatures", "signed by the key of a node")


def test_a_pack_in_the_stream_of_another_device():
    log = good(1)
    log.add_key(devices=[DEVICE, "meter-2"])
    log.add_pack(log.make_pack(1), "meter-2")
    fails(log.bundle(claim=BundleClaim()), "meter-2 signatures", f"is a pack of {DEVICE}")


def test_a_pack_that_stands_there_again_is_counted_once():
    log = good(2)
    log.add_pack(decode_entry(log.items[1].entry).body.raw)
    holds, findings = judge(log.bundle())
    assert holds and "1 packs stand here once more, unchanged" in findings[f"{DEVICE} signatures"].text
    assert "2 device-attested" in findings[f"{DEVICE} signatures"].text


def test_a_second_pack_with_the_same_number():
    log = good(2)
    log.add_pack(log.make_pack(1, value=7))
    fails(log.bundle(), f"{DEVICE} signatures", "1/1 is there twice, with different content")


def test_a_new_board_begins_its_numbers_anew():
    """(device, boot, sequence) is not enough: the key belongs to a pack's place."""
    log = good(4)
    log.add_key("revoked")
    log.add_key(key=THIEF)
    log.add_packs(0, 3, key=THIEF)
    holds, findings = judge(log.bundle())
    assert holds
    assert findings[f"{DEVICE} sequence"].text == "COMPLETE: packs from 1/0 to 1/3; from 1/0 to 1/2, by 2 keys"


def test_a_re_encoded_pack():
    log = good(1)
    log.add_pack(b"\xd8\x12" + log.make_pack(1)[1:])  # tag 18 in two bytes
    fails(log.bundle(), f"{DEVICE} signatures", "shortest")


# --- completeness ---


def test_a_pack_that_the_writer_left_out_is_missed():
    for left_out, missing in ((3, "boot 1: sequence 2 to 2"), (1, "beginning"), (6, "end: entries 5 to 5")):
        bundle = good().bundle(lambda index, left_out=left_out: index != left_out)
        fails(bundle, "claim", f"entries are left out: numbers {left_out - 1} to {left_out - 1}")
        text = judge(bundle)[1][f"{DEVICE} sequence"].text
        assert not text.startswith("COMPLETE") and "OPEN" in text and missing in text


def test_a_pack_that_never_came_and_that_nobody_named_is_missed():
    log = good(2)
    log.make_pack(2)
    log.make_pack(3)
    log.add_packs(4, 6)
    fails(log.bundle(), f"{DEVICE} sequence", "sequence 2 to 3")


def test_a_named_loss_is_incomplete_and_holds():
    log = good(2)
    log.make_pack(2)
    log.add_gap(1, 2, 2)
    log.add_packs(3, 5)
    holds, findings = judge(log.bundle())
    text = findings[f"{DEVICE} sequence"].text
    assert holds and text.startswith("INCOMPLETE: packs from 1/0 to 1/4; named by the log: boot 1: sequence 2 to 2")
    assert "(entry 3: lost)" in text, "which entry names the cause"


def test_a_broken_chain_is_missed_where_the_numbers_follow():
    log = good(2)
    log.previous[DEVICE, NODE.kid] = b"another history."
    log.add_packs(2, 4)
    fails(log.bundle(), f"{DEVICE} sequence", "sequence 2 does not follow from 1")


def test_a_claim_of_the_whole_log_with_entries_left_out():
    fails(good().bundle(lambda index: index != 6, BundleClaim()), "claim", "left out")


def test_an_interval_is_told_by_numbers_and_every_side_of_it_is_proven_or_open(tmp_path: Path):
    log = good(8)  # the key, then packs 0 to 7
    claim = BundleClaim(STREAM, 2, 5)
    bundle = write_bundle(tmp_path / "x", log, claim)
    assert list(bundle.indexes()) == [0, 3, 4, 5]
    holds, findings = judge(bundle)
    assert holds and findings["claim"].facts == {"open": ["beginning", "end"], "first": 2, "end": 5}
    assert "OPEN at its beginning: 2 earlier" in findings["claim"].text and "end: 3 later" in findings["claim"].text
    for left_out in (3, 4, 5):
        kept = set(bundle.indexes()) - {left_out}
        fails(log.bundle(kept.__contains__, claim), "claim", "entries are left out")
    _, findings = judge(write_bundle(tmp_path / "x", log, BundleClaim(STREAM, 0, 2)))
    assert findings["claim"].facts["open"] == ["end"]
    _, findings = judge(write_bundle(tmp_path / "x", log, BundleClaim(STREAM, 6)))
    assert findings["claim"].facts["open"] == ["beginning"]
    fails(log.bundle(claim=BundleClaim(STREAM, 0, 99)), "claim", "the stream has 8 entries only")


def test_a_key_that_was_revoked_cannot_be_registered_again():
    log = good(3)
    log.add_key("revoked")
    log.add_key()
    log.add_packs(3, 5)
    holds, findings = judge(log.bundle())
    assert not holds and "registered again after it was revoked" in findings["entry 5"].text


def test_a_claim_of_a_device_of_which_there_is_nothing():
    fails(good().bundle(claim=BundleClaim(device_stream("meter-9"))), "claim", "is not proven here")


# --- form ---


@pytest.mark.parametrize(
    ("stream", "kind", "body"),
    [
        (STREAM, EntryKind.GAP, {0: NODE.kid, 1: 1, 2: cbor.Decimal(1, 1), 3: 5, 4: "x"}),
        (STREAM, EntryKind.GAP, {0: NODE.kid, 1: b"boot", 2: 0, 3: None, 4: "x"}),
        (STREAM, EntryKind.GAP, {0: [], 1: 1, 2: 0, 3: None, 4: "x"}),
        (STREAM, EntryKind.GAP, {0: NODE.kid, 1: 1, 2: 5, 3: 4, 4: "x"}),
        (KEYS, EntryKind.KEY, {0: b"short", 1: "node", 2: [DEVICE], 3: "registered"}),
        (KEYS, EntryKind.KEY, {0: bytes(32), 1: "node", 2: 5, 3: "registered"}),
        (KEYS, EntryKind.KEY, {0: bytes(32), 1: "auditor", 2: [DEVICE], 3: "registered"}),
        (KEYS, EntryKind.KEY, {0: bytes(32), 1: "node", 2: [DEVICE], 3: "registered", 8: []}),
        (KEYS, EntryKind.EPOCH, {0: ORIGIN, 1: 1, 2: bytes(31), 3: "x", 4: None}),
        (STREAM, EntryKind.PACK, {0: "device"}),
        (STREAM, EntryKind.PACK, {0: "device", 1: "text"}),
        (STREAM, EntryKind.PACK, {0: "meter", 1: b""}),
        (STREAM, EntryKind.RETENTION, {0: 0, 1: 1, 2: "whim"}),
        ("gateway", EntryKind.PACK, {0: "device", 1: b""}),
        ("gateway", EntryKind.KEY, {0: bytes(32), 1: "node", 2: [DEVICE], 3: "registered"}),
        (STREAM, 99, {"text": 1}),
        (KEYS, 99, {0: 1}),
    ],
)
def test_an_entry_whose_body_is_out_of_form_costs_itself_only(stream: str, kind: int, body: dict):
    log = good()
    index = log.add_raw(stream, cbor.encode({0: kind, 1: START_MS, 2: 2, 3: body}))
    holds, findings = judge(log.bundle(claim=BundleClaim()))
    assert not holds and not findings[f"entry {index}"].holds
    assert findings["inclusion"].holds and findings[f"{DEVICE} signatures"].holds
    assert "packs from 1/0 to 1/5" in findings[f"{DEVICE} sequence"].text


def test_a_quality_that_is_none():
    log = good()
    index = log.add_raw(STREAM, cbor.encode({0: EntryKind.DEVICE, 1: START_MS, 2: 200, 3: {0: "back", 1: "", 2: None}}))
    fails(log.bundle(), f"entry {index}", "time quality")


def test_names_from_strangers_cannot_write_on_the_terminal():
    log = good()
    name = "\x1b[2Jok\nholds  everything"
    stream = device_stream(name)
    unplaced = cbor.encode({0: EntryKind.PACK, 1: START_MS, 2: 2, 3: {0: "device", 1: b"\x00"}})
    log.add_bytes(place(unplaced, stream, 0), stream, 0)
    log.add(STREAM, PackBody("device", b"\x00"))
    log.add(KEYS, KeyBody(THIEF.public, "node", (DEVICE,), "revoked", reason=name))
    log.add_pack(log.make_pack(6, key=THIEF))
    _, findings = verify_bundle(log.bundle(claim=BundleClaim()), Trust.in_key(KEY))
    assert all(line.isprintable() for line in lines(findings))


@given(st.data())
def test_a_changed_byte_never_holds_and_never_ends_in_a_traceback(data: st.DataObject):
    claim = BundleClaim(STREAM, 1, 2**41)
    raw = bytearray(encode_bundle(good(3).bundle(lambda index: index != 2, claim)))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        bundle = decode_bundle(bytes(raw))
    except BundleError:
        return
    # The claim is the writer's word and is judged as such; everything else is tied to the signature.
    if bundle.claim == claim:
        assert not verify_bundle(bundle, Trust.in_key(KEY))[0]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_bundle(data: bytes):
    with pytest.raises(EvidenceError):
        decode_bundle(data)


BOMBS = {
    "depth": b"\x81" * 100_000,
    "length of an array": b"\x9b" + b"\xff" * 8,
    "length of a string": b"\x5b\x7f" + b"\xff" * 7,
    "duplicate keys": bytes.fromhex("a200010002"),
    "indefinite length": bytes.fromhex("9f00ff"),
    "shared reference": bytes.fromhex("d81c81d81d00"),
    "regular expression": bytes.fromhex("d82363282929"),
    "bignum": bytes.fromhex("c249010000000000000000"),
    "tag 256": bytes.fromhex("d9010080"),
    "trailing bytes": bytes.fromhex("a000"),
    "NaN": bytes.fromhex("f97e00"),
    "a long head": bytes.fromhex("1800"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str):
    for data in (BOMBS[name], b"\xa8\x00\x70wayside-bundle/3\x01" + BOMBS[name]):
        with pytest.raises(BundleError):
            decode_bundle(data)
    with pytest.raises(EvidenceError):
        decode_entry(BOMBS[name])


# --- the command ---


def test_the_commands_exit_status_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "evidence.wayside"
    log = good()
    write_bundle(path, log, BundleClaim(STREAM))
    assert read_bundle(path) == log.bundle()
    assert cli.main(["verify", str(path), "--key", str(KEY)]) == 0
    assert "Verdict: everything holds." in capsys.readouterr().out
    assert cli.main(["verify", str(path), "--key", str(NoteKey(ORIGIN, ED25519, THIEF.public))]) == 1
    assert cli.main(["verify", str(path), "--key", "nonsense"]) == 2
    assert cli.main(["verify", str(tmp_path / "nothing"), "--key", str(KEY)]) == 2
    path.write_bytes(path.read_bytes()[:-1])
    assert cli.main(["verify", str(path), "--key", str(KEY)]) == 2
    assert cli.main(["verify", str(tmp_path), "--key", str(KEY)]) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"bundle/3\x01\x58", b"bundle/3\x01\x98"),  # the checkpoint as a list
        (b"\x04\x80\x05\x85", b"\x04\x81\x80\x05\x85"),  # a list among the hashes
        (b"\x04\x80\x05\x85", b"\x04\x80\x05\x86"),
        (b"\x00\x06\xf6\x07", b"\x00\x06\x80\x07"),  # the policy as a list
        (b"\x06\xf6\x07\x80", b"\x06\xf6\x07\x80\x00"),
        (b"\x06\xf6\x07\x80", b"\x06\xf6\x07\x81\x80"),  # a head of nothing
        (b"\xa8\x00\x70", b"\xa7\x00\x70"),
    ],
)
def test_lists_stand_only_where_they_belong(old: bytes, new: bytes):
    """A list that nobody counts could take many times a file's size in memory."""
    before, found, after = encode_bundle(good().bundle(claim=BundleClaim())).rpartition(old)
    assert found
    with pytest.raises(BundleError):
        decode_bundle(before + new + after)


def test_each_list_has_a_limit(monkeypatch: pytest.MonkeyPatch):
    raw = encode_bundle(good().bundle(lambda index: index not in (1, 3, 5)))
    for limit in ("MAX_RECORDS", "MAX_RANGES", "MAX_HASHES", "MAX_HEADS"):
        with monkeypatch.context() as patched:
            patched.setattr(bundle_module, limit, 1)
            with pytest.raises(BundleError, match=r"at most 1|more than 1"):
                decode_bundle(raw)
