"""Whom a reader trusts: the log's key, the owner's roots, a bridge from an old log key; and the classes he asks for."""

import json
from pathlib import Path

import pytest
from evidence.site_log import DEVICE, KEY, LOG, NODE, START_MS, THIEF, SiteLog
from wayside import cli
from wayside.evidence import EvidenceError
from wayside.evidence import look as look_module
from wayside.evidence.bundle import Bundle, Claim, encode_bundle
from wayside.evidence.certificate import Certificate, Trust, open_certificate, sign_certificate
from wayside.evidence.entry import GATEWAY_ATTESTED, Kind, encode_entry, key_body, pack_body
from wayside.evidence.keyring import Keyring
from wayside.evidence.verify import Demands, Finding, verify_bundle
from wayside.trust.keys import SoftwareKey

SITE = "site.example"
ROOT, SECOND_ROOT, NEW_LOG, GATEWAY = (SoftwareKey(bytes([number]) * 32) for number in range(1, 5))


def certify(role: str, key: SoftwareKey, signer: SoftwareKey, site: str = SITE) -> bytes:
    return sign_certificate(Certificate(site, role, key.public, START_MS), signer.public, signer.sign)


def add_key(log: SiteLog, key: SoftwareKey, role: str, *certificates: bytes, **more: object) -> None:
    devices = [] if role == "log" else [DEVICE]
    body = key_body(key.public, role, devices, "registered", certificates=certificates, **more)
    log.add("gateway", encode_entry(Kind.KEY, log.now(), 2, body))


ANYTHING = Demands()


def judge(bundle: Bundle, trust: Trust, demands: Demands = ANYTHING) -> tuple[bool, dict[str, Finding]]:
    holds, findings = verify_bundle(bundle, trust, demands)
    return holds, {each.subject: each for each in findings}


def polled(*certificates: bytes) -> SiteLog:
    """A log whose key the root certifies, with packs of a meter that the gateway polled."""
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT))
    add_key(log, GATEWAY, "gateway", *certificates)
    for sequence in range(3):
        body = pack_body(DEVICE, GATEWAY_ATTESTED, log.make_pack(sequence, key=GATEWAY))
        log.add(DEVICE, encode_entry(Kind.PACK, log.now(), 2, body))
    return log


def test_the_owners_root_is_enough_to_judge_by():
    bundle = polled(certify("gateway", GATEWAY, ROOT)).bundle()
    holds, findings = judge(bundle, Trust(roots=frozenset([ROOT.public])))
    assert holds and "certified by the owner's root" in findings["checkpoint"].text
    holds, findings = judge(bundle, Trust(roots=frozenset([THIEF.public])))
    assert not holds and "no signature by a log key that a root certifies" in findings["checkpoint"].text


def test_a_gateway_key_without_the_roots_word_does_not_count_for_who_asks_for_it():
    for certificates in ((), (certify("gateway", GATEWAY, THIEF),), (certify("log", GATEWAY, ROOT),)):
        bundle = polled(*certificates).bundle()
        holds, findings = judge(bundle, Trust(roots=frozenset([ROOT.public])))
        assert not holds and "is not certified by the owner's root" in findings[f"{DEVICE} origin"].text
        assert judge(bundle, Trust.in_key(KEY))[0], "who trusts the log's key asks for no root"


def test_a_certificate_counts_for_its_site_role_and_key_only():
    elsewhere = certify("log", LOG, ROOT, "other.example")
    for wrong in (elsewhere, certify("gateway", LOG, ROOT), certify("log", NODE, ROOT)):
        log = SiteLog()
        add_key(log, LOG, "log", wrong)
        assert not judge(log.bundle(claim=Claim()), Trust(roots=frozenset([ROOT.public])))[0]


def test_k_of_n_roots():
    roots = frozenset([ROOT.public, SECOND_ROOT.public])
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT), certify("log", LOG, ROOT))
    assert judge(log.bundle(claim=Claim()), Trust(roots=roots))[0]
    assert not judge(log.bundle(claim=Claim()), Trust(roots=roots, threshold=2))[0], "one root twice is one root"
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT), certify("log", LOG, SECOND_ROOT))
    assert judge(log.bundle(claim=Claim()), Trust(roots=roots, threshold=2))[0]


def rotated(*certificates: bytes) -> SiteLog:
    log = SiteLog("site.example/log/1", NEW_LOG)
    add_key(log, NEW_LOG, "log", *certificates)
    return log


def test_a_bridge_by_both_keys_leads_from_the_old_log_key_to_the_new_one():
    old, new = certify("log", NEW_LOG, LOG), certify("log", NEW_LOG, NEW_LOG)
    holds, findings = judge(rotated(old, new).bundle(claim=Claim()), Trust.in_key(KEY))
    assert holds and f"bridged from log key {LOG.kid.hex()}" in findings["checkpoint"].text
    for certificates in ((old,), (new,), (new, certify("log", NEW_LOG, THIEF))):
        holds, findings = judge(rotated(*certificates).bundle(claim=Claim()), Trust.in_key(KEY))
        assert not holds and "no signature by" in findings["checkpoint"].text


def test_bridges_follow_each_other():
    log = SiteLog("site.example/log/2", ROOT)
    add_key(log, ROOT, "log", certify("log", ROOT, NEW_LOG), certify("log", ROOT, ROOT))
    add_key(log, NEW_LOG, "log", certify("log", NEW_LOG, LOG), certify("log", NEW_LOG, NEW_LOG))
    assert judge(log.bundle(claim=Claim()), Trust.in_key(KEY))[0]


def test_the_lowest_class_that_is_asked_for():
    log = SiteLog()
    add_key(log, NODE, "node", assurance=2)
    log.add_packs(0, 3)
    for wanted in range(5):
        holds, findings = judge(log.bundle(), Trust.in_key(KEY), Demands(min_class=wanted))
        assert holds is (wanted <= 2)
        assert "of class C2" in findings[f"{DEVICE} origin"].text
    assert findings[f"{DEVICE} signatures"].holds, "each field is judged by itself"


def test_revocation_is_a_line_of_its_own_and_names_the_reason():
    log = SiteLog()
    add_key(log, NODE, "node")
    log.add_packs(0, 2)
    body = key_body(NODE.public, "node", [], "revoked", reason="lost")
    log.add("gateway", encode_entry(Kind.KEY, log.now(), 2, body))
    holds, findings = judge(log.bundle(), Trust.in_key(KEY))
    assert holds and "until entry 3 (lost)" in findings[f"{DEVICE} revocation"].text
    log.add_packs(2, 3)
    holds, findings = judge(log.bundle(), Trust.in_key(KEY))
    assert not holds and findings[f"{DEVICE} revocation"].facts["refused"]
    assert findings[f"{DEVICE} signatures"].holds and "2 device-attested" in findings[f"{DEVICE} signatures"].text


def test_a_key_that_was_revoked_before_it_was_known_stays_out():
    keyring = Keyring()
    keyring.take(0, key_body(NODE.public, "node", [], "revoked"))
    with pytest.raises(EvidenceError, match="registered again"):
        keyring.take(1, key_body(NODE.public, "node", [DEVICE], "registered"))
    with pytest.raises(EvidenceError, match="unknown event"):
        keyring.take(2, key_body(THIEF.public, "node", [DEVICE], "blessed"))


def test_the_key_that_a_node_holds_now():
    keyring = Keyring()
    keyring.take(0, key_body(NODE.public, "node", [DEVICE], "registered", holder="node-1"))
    assert keyring.held_by("node-1").public == NODE.public and keyring.held_by("node-2") is None
    keyring.take(1, key_body(NODE.public, "node", [DEVICE], "revoked"))
    keyring.take(2, key_body(THIEF.public, "node", [DEVICE], "registered", holder="node-1"))
    assert keyring.held_by("node-1").public == THIEF.public
    assert [(each.since, each.until) for each in keyring] == [(0, 1), (2, None)]


@pytest.mark.parametrize("at", [0, 3, 20, 60, -70, -1])
def test_a_certificate_with_a_changed_byte_is_nobodys(at: int):
    raw = bytearray(certify("log", LOG, ROOT))
    assert open_certificate(bytes(raw), ROOT.public).public == LOG.public
    raw[at] ^= 1
    with pytest.raises(EvidenceError):
        open_certificate(bytes(raw), ROOT.public)


def test_a_large_bundle_is_judged_the_same_by_several_processes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(look_module, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(look_module, "_CHUNK", 7)
    log = SiteLog()
    log.add_key()
    log.add_packs(0, 20)
    log.add_pack(log.make_pack(20, key=THIEF))
    bundle = log.bundle()
    alone = verify_bundle(bundle, Trust.in_key(KEY))
    assert verify_bundle(bundle, Trust.in_key(KEY), processes=2) == alone and not alone[0]


def test_the_command_by_root_by_policy_and_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "evidence.wayside"
    path.write_bytes(encode_bundle(polled(certify("gateway", GATEWAY, ROOT)).bundle(claim=Claim(DEVICE))))
    root = ["--root", ROOT.public.hex()]
    assert cli.main(["verify", str(path), *root]) == 0
    assert cli.main(["verify", str(path), *root, "--min-class", "C1"]) == 1
    assert cli.main(["verify", str(path)]) == 2 and "whom do you trust" in capsys.readouterr().err
    assert cli.main(["verify", str(path), *root, "--roots", "2"]) == 2
    policy = tmp_path / "policy"
    policy.write_text(f"log {KEY}\nquorum none\n")
    assert cli.main(["verify", str(path), "--policy", str(policy)]) == 0
    capsys.readouterr()
    assert cli.main(["verify", str(path), *root, "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["format"] == "wayside-verdict/1" and verdict["holds"]
    found = {(each["check"], each["device"]): each["facts"] for each in verdict["findings"]}
    assert found["origin", DEVICE]["keys"] == [{"kid": GATEWAY.kid.hex(), "role": "gateway", "class": 0}]
    assert found["sequence", DEVICE]["complete"] is True
    assert found["checkpoint", ""]["size"] == 5
