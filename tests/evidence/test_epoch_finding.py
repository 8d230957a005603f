"""The finding `epoch`: how a log began, who signed that, and what of the history before is lost."""

import json
from pathlib import Path

import pytest
from evidence.site_log import DEVICE, KEY, LOG, ORIGIN, THIEF, SiteLog
from wayside.cli import main
from wayside.evidence import merkle
from wayside.evidence.batch import encode_batch
from wayside.evidence.bundle import BundleClaim, encode_bundle
from wayside.evidence.certificate import Certificate, Trust, sign_certificate
from wayside.evidence.finding import Finding
from wayside.evidence.fraud_batches import BatchFraud, encode_batch_fraud
from wayside.evidence.kinds import ClockBody, EpochBody
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.stream import GATEWAY, KEYS
from wayside.evidence.verify import verify_bundle
from wayside.trust.keys import SoftwareKey
from witness.setting import GrowingLog

NEW = SoftwareKey(bytes(range(1, 33)))
OLD = GrowingLog().grow(5)
EMPTY = (ORIGIN, 0, merkle.EMPTY_ROOT, "the disk was lost", None)


def finding(log: SiteLog, key: NoteKey = KEY) -> Finding | None:
    holds, findings = verify_bundle(log.bundle(claim=BundleClaim(KEYS)), Trust.in_key(key))
    found = next((each for each in findings if each.check == "epoch"), None)
    assert all(each.holds for each in findings if each.check != "epoch")
    assert holds is (found is None or found.holds)
    return found


def begun(*body: object, origin: str = "site.example/log/1") -> SiteLog:
    log = SiteLog(origin)
    log.add(KEYS, EpochBody(*body))
    log.add_key()
    return log


def test_the_first_epoch_says_nothing_of_one_before():
    log = SiteLog()
    log.add_key()
    assert finding(log) is None


def test_an_epoch_that_goes_on_from_a_signed_checkpoint():
    found = finding(OLD.next())
    assert found and found.text == f"goes on from {ORIGIN} with 5 entries: another begins"
    assert found.facts["signed"] is True and found.facts["shown"] == []


def test_where_nothing_is_signed_it_says_so():
    found = finding(begun(*EMPTY))
    assert found and found.holds and "nobody signed that size and root" in found.text
    assert found.facts["signed"] is False


def test_what_witnesses_showed_besides_says_that_entries_are_lost():
    shown = GrowingLog().grow(9, b"other")
    found = finding(OLD.next(shown=[shown.checkpoint]))
    assert found and found.holds and "entries are lost, or two had the key" in found.text
    assert found.facts["shown"] == [[ORIGIN, 9]]


def test_what_does_not_verify_fails():
    thiefs = GrowingLog(key=THIEF).grow(5)
    for log, why in (
        (OLD.next(thiefs.checkpoint), "is not signed by a key of this log"),
        (OLD.next(shown=[thiefs.checkpoint]), "is not signed by a key of this log"),
        (begun("other.example/log/0", *EMPTY[1:]), "cannot follow"),
        (begun("site.example/log/1", *EMPTY[1:]), "cannot follow"),
        (begun(ORIGIN, 4, merkle.EMPTY_ROOT, "x", OLD.checkpoint), "names another end"),
        (begun(*EMPTY, origin=ORIGIN), "the first epoch follows on no log"),
    ):
        found = finding(log)
        assert found and not found.holds and why in found.text, (why, found)


def test_it_stands_first_and_nowhere_else():
    late = SiteLog("site.example/log/1")
    late.add_key()
    assert (found := finding(late)) and "entry 0 does not say" in found.text
    late.add(KEYS, EpochBody(*EMPTY))
    assert (found := finding(late)) and not found.holds and "entry 1 says how the log began" in found.text
    twice = begun(*EMPTY)
    twice.add(KEYS, EpochBody(*EMPTY))
    assert (found := finding(twice)) and not found.holds and "entry 2 says how the log began" in found.text


def test_over_a_change_of_the_key_either_key_leads_to_the_other():
    """The new epoch is signed by the new key and names a checkpoint by the old one."""
    content = Certificate("site.example", "log", NEW.public, 1)
    bridge = tuple(sign_certificate(content, each.public, each.sign) for each in (LOG, NEW))
    for certificates, holds in ((bridge, True), (bridge[1:], False)):
        log = OLD.next(key=NEW)
        log.add_key(key=LOG, role="log", devices=())
        log.add_key(key=NEW, role="log", devices=(), certificates=certificates)
        log.add_key(event="revoked", key=LOG, role="log", devices=(), reason="rotated")
        found = finding(log, NoteKey(ORIGIN, ED25519, NEW.public))
        assert found and found.holds is holds
    assert (found := finding(OLD.next())) and found.holds


def test_a_log_without_any_key_has_none_and_that_is_proven():
    log = SiteLog()
    log.add(GATEWAY, ClockBody(1))
    _, findings = verify_bundle(log.bundle(claim=BundleClaim()), Trust.in_key(KEY))
    keys = next(each for each in findings if each.check == "keys")
    assert keys.holds and keys.text == "0 keys, by 0 entries"


@pytest.mark.parametrize("how", ["signature", "revocation"])
def test_what_holds_packs_that_do_not_count_is_not_complete(how: str):
    log = SiteLog()
    log.add_key()
    log.add_packs(0, 3)
    if how == "signature":
        raw = bytearray(log.make_pack(3))
        raw[-1] ^= 1
    else:
        log.add_key("revoked")
        raw = bytearray(log.make_pack(3))
    log.add_pack(bytes(raw))
    _, findings = verify_bundle(log.bundle(), Trust.in_key(KEY))
    sequence = next(each for each in findings if each.subject == f"{DEVICE} sequence")
    assert sequence.facts["state"] == "INCOMPLETE" and not sequence.facts["complete"]
    assert "1 packs do not count" in sequence.text


# --- the command, and a receiver's proof of fraud ---


def batch(log: SiteLog) -> bytes:
    return encode_batch(log.checkpoint, 0, log.items, log.subset_proof([(0, log.size)]))


def test_the_command_judges_a_receivers_proof_of_fraud(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "fraud"
    other = GrowingLog().grow(4).grow(1, b"other")
    other.items[4] = other.items[4]._replace(salt=bytes(16))
    words = ["verify", str(path), "--key"]
    path.write_bytes(encode_batch_fraud(BatchFraud((), (OLD.checkpoint, other.checkpoint), ())))
    assert main([*words, str(KEY)]) == 3
    assert f"FRAUD PROVEN: {ORIGIN} signed what cannot be: two roots" in capsys.readouterr().out
    assert main([*words, str(KEY), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["fraud"] is True
    assert main([*words, str(NoteKey(ORIGIN, ED25519, THIEF.public))]) == 1
    assert "proves nothing" in capsys.readouterr().out
    path.write_bytes(encode_batch_fraud(BatchFraud((), (OLD.checkpoint,), (batch(OLD),))))
    assert main([*words, str(KEY)]) == 1
    assert "do not contradict each other" in capsys.readouterr().out
    path.write_bytes(encode_batch_fraud(BatchFraud((), (OLD.checkpoint,), ()))[:-1])
    assert main([*words, str(KEY)]) == 2
    assert "not a fraud proof" in capsys.readouterr().err
    path.write_bytes(encode_bundle(OLD.bundle(claim=BundleClaim())))
    assert main([*words, str(KEY)]) == 0
