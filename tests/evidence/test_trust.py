"""Whom a reader trusts: the log's key, the owner's roots, a bridge from an old log key; and the classes he asks for."""

import json
from pathlib import Path

import pytest
from evidence.site_log import DEVICE, KEY, LOG, NODE, START_MS, STREAM, THIEF, SiteLog
from wayside import cli
from wayside.evidence import EvidenceError, checkpoint
from wayside.evidence import look as look_module
from wayside.evidence.assurance import Times
from wayside.evidence.bundle import Bundle, BundleClaim, encode_bundle
from wayside.evidence.certificate import Certificate, Trust, open_certificate, read_claim, sign_certificate
from wayside.evidence.finding import Demands, Finding
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import GATEWAY_ATTESTED, KeyBody
from wayside.evidence.stream import KEYS
from wayside.evidence.verify import verify_bundle
from wayside.trust.keys import SoftwareKey

SITE = "site.example"
ROOT, SECOND_ROOT, NEW_LOG, GATEWAY, REGISTRAR = (SoftwareKey(bytes([number]) * 32) for number in range(1, 6))
IN_ROOT = Trust(roots=frozenset([ROOT.public]))
KEYS_ONLY = BundleClaim(KEYS)


def certify(
    role: str, key: SoftwareKey, signer: SoftwareKey, site: str = SITE, until_ms: int | None = None,
    assurance: int | None = None,
) -> bytes:
    if role == "node" and assurance is None:
        assurance = 0
    content = Certificate(site, role, key.public, START_MS, until_ms, assurance)
    return sign_certificate(content, signer.public, signer.sign)


def add_key(log: SiteLog, key: SoftwareKey, role: str, *certificates: bytes, **more: object) -> None:
    devices = [] if role == "log" else [DEVICE]
    log.add_key("registered", key, devices, role, certificates=certificates, **more)


ANYTHING = Demands()


def judge(bundle: Bundle, trust: Trust, demands: Demands = ANYTHING) -> tuple[bool, dict[str, Finding]]:
    holds, findings = verify_bundle(bundle, trust, demands)
    return holds, {each.subject: each for each in findings}


def polled(*certificates: bytes) -> SiteLog:
    """A log whose key the root certifies, with packs of a meter that the gateway polled."""
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT))
    add_key(log, GATEWAY, "gateway", *certificates)
    poll(log, 0, 3)
    return log


def poll(log: SiteLog, first: int, end: int) -> None:
    for sequence in range(first, end):
        log.add_pack(log.make_pack(sequence, key=GATEWAY), attested=GATEWAY_ATTESTED)


def test_the_owners_root_is_enough_to_judge_by():
    bundle = polled(certify("gateway", GATEWAY, ROOT)).bundle()
    holds, findings = judge(bundle, IN_ROOT)
    assert holds and "certified by the owner's root" in findings["checkpoint"].text
    holds, findings = judge(bundle, Trust(roots=frozenset([THIEF.public])))
    assert not holds and "no signature by a log key that a root certifies" in findings["checkpoint"].text


def test_a_gateway_key_without_the_roots_word_does_not_count_for_who_asks_for_it():
    for certificates in ((), (certify("gateway", GATEWAY, THIEF),), (certify("log", GATEWAY, ROOT),)):
        bundle = polled(*certificates).bundle()
        holds, findings = judge(bundle, IN_ROOT)
        assert not holds and "is not certified by the owner's root" in findings[f"{DEVICE} origin"].text
        assert judge(bundle, Trust.in_key(KEY))[0], "who trusts the log's key asks for no root"


def test_a_certificate_counts_for_its_site_role_and_key_only():
    elsewhere = certify("log", LOG, ROOT, "other.example")
    others = [certify(role, LOG, ROOT) for role in ("gateway", "node", "registrar")]
    for wrong in (elsewhere, *others, certify("log", NODE, ROOT), certify("log", LOG, LOG)):
        log = SiteLog()
        add_key(log, LOG, "log", wrong)
        assert not judge(log.bundle(claim=KEYS_ONLY), IN_ROOT)[0]


def test_k_of_n_roots():
    roots = frozenset([ROOT.public, SECOND_ROOT.public])
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT), certify("log", LOG, ROOT))
    assert judge(log.bundle(claim=KEYS_ONLY), Trust(roots=roots))[0]
    assert not judge(log.bundle(claim=KEYS_ONLY), Trust(roots=roots, threshold=2))[0], "one root twice is one root"
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT), certify("log", LOG, SECOND_ROOT))
    assert judge(log.bundle(claim=KEYS_ONLY), Trust(roots=roots, threshold=2))[0]


def rotated(*certificates: bytes) -> SiteLog:
    log = SiteLog("site.example/log/1", NEW_LOG).begin()
    add_key(log, NEW_LOG, "log", *certificates)
    return log


def test_a_bridge_by_both_keys_leads_from_the_old_log_key_to_the_new_one():
    old, new = certify("log", NEW_LOG, LOG), certify("log", NEW_LOG, NEW_LOG)
    holds, findings = judge(rotated(old, new).bundle(claim=KEYS_ONLY), Trust.in_key(KEY))
    assert holds and f"bridged from log key {LOG.kid.hex()}" in findings["checkpoint"].text
    for certificates in ((old,), (new,), (new, certify("log", NEW_LOG, THIEF))):
        holds, findings = judge(rotated(*certificates).bundle(claim=KEYS_ONLY), Trust.in_key(KEY))
        assert not holds and "no signature by" in findings["checkpoint"].text


def test_however_often_other_keys_are_told_of_those_of_the_log_are_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint, "_ENTRIES_ASKED", 2)
    log = SiteLog()
    for _ in range(3):
        add_key(log, NODE, "node")
    add_key(log, LOG, "log", certify("log", LOG, ROOT))
    log.add_packs(0, 1)
    assert judge(log.bundle(), IN_ROOT)[0]


def test_bridges_follow_each_other():
    log = SiteLog("site.example/log/2", ROOT).begin()
    add_key(log, ROOT, "log", certify("log", ROOT, NEW_LOG), certify("log", ROOT, ROOT))
    add_key(log, NEW_LOG, "log", certify("log", NEW_LOG, LOG), certify("log", NEW_LOG, NEW_LOG))
    assert judge(log.bundle(claim=KEYS_ONLY), Trust.in_key(KEY))[0]


# --- until when ---


def minute(index: int) -> int:
    """When the entry at this index was logged, ms since 1970."""
    return START_MS + 60_000 * index


def test_a_log_key_counts_until_its_certificate_ends():
    for until_ms, counts in ((None, True), (minute(5), True), (minute(4), True), (minute(4) - 1, False)):
        log = SiteLog()
        add_key(log, LOG, "log", certify("log", LOG, ROOT, until_ms=until_ms))
        add_key(log, GATEWAY, "gateway", certify("gateway", GATEWAY, ROOT))
        poll(log, 0, 3)
        holds, findings = judge(log.bundle(), IN_ROOT)
        assert holds is counts, until_ms
        assert ("the log key's certificate ended before the last entry" in findings["keys"].text) is not counts
        assert judge(log.bundle(), Trust.in_key(KEY))[0], "who knows the key needs no certificate"


def test_a_bridge_from_a_log_key_counts_no_longer_than_that_keys_certificate():
    """Else a thief of an old log key bridges to one of his own, and no certificate ever ends."""
    bridge = certify("log", NEW_LOG, LOG), certify("log", NEW_LOG, NEW_LOG)
    for until_ms, renewed, counts in ((None, (), True), (minute(4) - 1, (), False), (minute(4), (), True),
                                      (minute(2), (certify("log", NEW_LOG, ROOT),), True)):
        log = SiteLog("site.example/log/1", NEW_LOG).begin()
        add_key(log, LOG, "log", certify("log", LOG, ROOT, until_ms=until_ms))
        add_key(log, NEW_LOG, "log", *bridge, *renewed)
        add_key(log, NODE, "node")
        log.add_packs(0, 1)
        holds, findings = judge(log.bundle(), IN_ROOT)
        assert holds is counts, until_ms
        assert ("certificate ended" in findings["keys"].text) is not counts
        assert judge(log.bundle(), Trust.in_key(KEY))[0]


def test_a_renewed_certificate_is_found_behind_any_number_of_others():
    log = SiteLog()
    for issued in range(40):
        add_key(log, LOG, "log", certify("log", LOG, THIEF, until_ms=START_MS + issued))
    add_key(log, LOG, "log", certify("log", LOG, ROOT))
    holds, findings = judge(log.bundle(claim=KEYS_ONLY), IN_ROOT)
    assert holds and "certified by the owner's root" in findings["checkpoint"].text


def test_what_was_signed_while_a_certificate_counted_stays_certified():
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT))
    add_key(log, GATEWAY, "gateway", certify("gateway", GATEWAY, ROOT, until_ms=minute(3)))
    poll(log, 0, 2)  # entries 2 and 3
    holds, findings = judge(log.bundle(), IN_ROOT)
    assert holds and findings[f"{DEVICE} origin"].facts["keys"][0]["after_its_end"] == 0
    poll(log, 2, 5)  # entries 4 to 6
    holds, findings = judge(log.bundle(), IN_ROOT)
    assert not holds and "signed packs after its certificate had ended" in findings[f"{DEVICE} origin"].text
    add_key(log, GATEWAY, "gateway", certify("gateway", GATEWAY, ROOT))
    poll(log, 5, 6)
    holds, findings = judge(log.bundle(), IN_ROOT)
    assert holds and "3 packs after the certificate's end" in findings[f"{DEVICE} origin"].text
    (fact,) = findings[f"{DEVICE} origin"].facts["keys"]
    assert (fact["packs"], fact["before_certification"], fact["after_its_end"]) == (6, 0, 3)


def test_a_renewal_in_time_leaves_nothing_uncertified():
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT))
    for first in range(0, 200, 5):  # forty years of certificates
        add_key(log, NODE, "node", certify("node", NODE, ROOT, until_ms=minute(log.size + 6), assurance=2))
        log.add_packs(first, first + 5)
    holds, findings = judge(log.bundle(), IN_ROOT, Demands(min_class=2))
    assert holds, findings[f"{DEVICE} origin"].text


def test_packs_from_before_the_certificate_are_called_so_and_do_not_count_against_the_rest():
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT))
    add_key(log, GATEWAY, "gateway")
    poll(log, 0, 2)
    add_key(log, GATEWAY, "gateway", certify("gateway", GATEWAY, ROOT))
    poll(log, 2, 5)
    holds, findings = judge(log.bundle(), IN_ROOT)
    assert holds and "2 packs before certification" in findings[f"{DEVICE} origin"].text


def test_how_late_it_was_at_an_entry():
    times = Times([(2, 100), (4, 90), (5, 300), (9, 300), (11, 400)])
    assert [times.at(index) for index in (0, 2, 4, 5, 10, 11, 99)] == [None, 100, 100, 300, 300, 400, 400]
    assert [times.first_after(ms) for ms in (99, 100, 299, 300, 400)] == [2, 5, 5, 11, None]
    assert times.last_ms == 400 and Times(()).last_ms == -1 and Times(()).at(3) is None


# --- classes ---


def with_node(*certificates: bytes, claimed: int = 4) -> SiteLog:
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT))
    add_key(log, NODE, "node", *certificates, assurance=claimed)
    log.add_packs(0, 3)
    return log


def test_the_lowest_class_that_is_asked_for():
    log = with_node(certify("node", NODE, ROOT, assurance=2))
    for wanted in range(5):
        holds, findings = judge(log.bundle(), IN_ROOT, Demands(min_class=wanted))
        assert holds is (wanted <= 2)
        assert "of class C2, certified by the owner's root" in findings[f"{DEVICE} origin"].text
    assert findings[f"{DEVICE} signatures"].holds, "each field is judged by itself"


def test_what_the_gateway_claims_of_a_node_is_no_class():
    elsewhere = certify("node", NODE, ROOT, "other.example", assurance=4)
    for certificates in ((), (certify("node", NODE, THIEF, assurance=4),), (certify("node", NODE, LOG, assurance=4),),
                         (elsewhere,), (certify("gateway", NODE, ROOT),)):
        log = with_node(*certificates)
        holds, findings = judge(log.bundle(), IN_ROOT)
        assert holds and "class C4 as claimed by the gateway, not certified" in findings[f"{DEVICE} origin"].text
        assert not judge(log.bundle(), IN_ROOT, Demands(min_class=0))[0]
        assert not judge(log.bundle(), Trust.in_key(KEY), Demands(min_class=0))[0]


def test_a_class_that_is_certified_later_lifts_nothing_that_was_signed_before():
    log = with_node(claimed=0)
    add_key(log, NODE, "node", certify("node", NODE, ROOT, assurance=4), assurance=4)
    log.add_packs(3, 5)
    holds, findings = judge(log.bundle(), IN_ROOT, Demands(min_class=4))
    text = findings[f"{DEVICE} origin"].text
    assert not holds and "3 packs by key" in text and "of class C0 as claimed by the gateway" in text


# --- registrars ---


def chain(until_ms: int | None = None, signer: SoftwareKey = ROOT, site: str = SITE, role: str = "registrar") -> bytes:
    return certify(role, REGISTRAR, signer, site, until_ms)


OF_NODE = certify("node", NODE, REGISTRAR, assurance=3)


def test_a_registrar_whom_the_owner_certifies_vouches_for_nodes():
    for certificates in ((chain(), OF_NODE), (OF_NODE, chain())):
        holds, findings = judge(with_node(*certificates).bundle(), IN_ROOT, Demands(min_class=3))
        said = f"of class C3, certified by registrar {REGISTRAR.kid.hex()}"
        assert holds and said in findings[f"{DEVICE} origin"].text


@pytest.mark.parametrize(
    "certificates",
    [
        (OF_NODE,),  # nobody certifies the registrar
        (chain(signer=THIEF), OF_NODE),
        (chain(signer=REGISTRAR), OF_NODE),
        (chain(site="other.example"), OF_NODE),
        (chain(role="gateway"), OF_NODE),
        (chain(role="log"), OF_NODE),
        (chain(), certify("node", NODE, THIEF, assurance=3)),
        (chain(), certify("node", NODE, REGISTRAR, "other.example", assurance=3)),
        (chain(until_ms=START_MS), OF_NODE),  # his own certificate has ended
        (chain(), certify("registrar", THIEF, REGISTRAR), certify("node", NODE, THIEF, assurance=3)),  # no chain of two
    ],
)
def test_a_registrar_who_is_none_vouches_for_nothing(certificates: tuple[bytes, ...]):
    assert not judge(with_node(*certificates).bundle(), IN_ROOT, Demands(min_class=0))[0]


def test_a_registrar_certifies_no_key_of_the_gateway():
    log = SiteLog()
    add_key(log, LOG, "log", chain(), certify("log", LOG, REGISTRAR))
    assert not judge(log.bundle(claim=KEYS_ONLY), IN_ROOT)[0]
    bundle = polled(chain(), certify("gateway", GATEWAY, REGISTRAR)).bundle()
    holds, findings = judge(bundle, IN_ROOT)
    assert not holds and "is not certified by the owner's root" in findings[f"{DEVICE} origin"].text


# --- revocations ---


def test_revocation_is_a_line_of_its_own_and_names_the_reason():
    log = SiteLog()
    add_key(log, NODE, "node")
    log.add_packs(0, 2)
    log.add(KEYS, KeyBody(NODE.public, "node", (), "revoked", reason="lost"))
    holds, findings = judge(log.bundle(), Trust.in_key(KEY))
    assert holds and "until entry 3 (lost)" in findings[f"{DEVICE} revocation"].text
    log.add_packs(2, 3)
    holds, findings = judge(log.bundle(), Trust.in_key(KEY))
    assert not holds and findings[f"{DEVICE} revocation"].facts["refused"]
    assert findings[f"{DEVICE} signatures"].holds and "2 device-attested" in findings[f"{DEVICE} signatures"].text


def test_a_log_key_signs_its_own_end_and_nothing_behind_it():
    log = SiteLog()
    add_key(log, LOG, "log", certify("log", LOG, ROOT))
    add_key(log, NODE, "node")
    log.add_packs(0, 2)
    add_key(log, NEW_LOG, "log", certify("log", NEW_LOG, LOG), certify("log", NEW_LOG, NEW_LOG))
    log.add(KEYS, KeyBody(LOG.public, "log", (), "revoked", reason="rotated"))
    for trust in (Trust.in_key(KEY), IN_ROOT):
        assert judge(log.bundle(), trust)[0], "its last word"
    log.add_packs(2, 3)
    for trust in (Trust.in_key(KEY), IN_ROOT):
        holds, findings = judge(log.bundle(), trust)
        assert not holds and "a log key that entry 5 revoked (rotated)" in findings["keys"].text


@pytest.mark.parametrize("role", ["gateway", "node", "operator"])
def test_a_log_key_that_the_log_calls_something_else_signs_no_log(role: str):
    log = SiteLog()
    log.add_key("registered", LOG, [DEVICE], role)
    holds, findings = judge(log.bundle(claim=KEYS_ONLY), Trust.in_key(KEY))
    assert not holds and f"signed by the key of a {role}" in findings["keys"].text


def test_a_key_that_was_revoked_before_it_was_known_stays_out():
    keyring = Keyring()
    keyring.take(0, KeyBody(NODE.public, "node", (), "revoked"))
    with pytest.raises(EvidenceError, match="registered again"):
        keyring.take(1, KeyBody(NODE.public, "node", (DEVICE,), "registered"))


def test_the_key_that_a_node_holds_now():
    keyring = Keyring()
    keyring.take(0, KeyBody(NODE.public, "node", (DEVICE,), "registered", holder="node-1"))
    assert keyring.held_by("node-1").public == NODE.public and keyring.held_by("node-2") is None
    keyring.take(1, KeyBody(NODE.public, "node", (DEVICE,), "revoked"))
    keyring.take(2, KeyBody(THIEF.public, "node", (DEVICE,), "registered", holder="node-1"))
    assert keyring.held_by("node-1").public == THIEF.public
    assert [(each.since, each.until) for each in keyring] == [(0, 1), (2, None)]


@pytest.mark.parametrize("at", [0, 3, 20, 60, -70, -1])
def test_a_certificate_with_a_changed_byte_is_nobodys(at: int):
    raw = bytearray(certify("log", LOG, ROOT))
    assert open_certificate(bytes(raw), ROOT.public).public == LOG.public
    raw[at] ^= 1
    with pytest.raises(EvidenceError):
        open_certificate(bytes(raw), ROOT.public)


@pytest.mark.parametrize(
    "content",
    [
        Certificate(SITE, "auditor", LOG.public, 1),
        Certificate(SITE, "log", LOG.public[:31], 1),
        Certificate(SITE, "log", LOG.public, -1),
        Certificate(SITE, "log", LOG.public, 2, 1),
        Certificate(SITE, "log", LOG.public, 1, 2**63),
        Certificate(SITE, "log", LOG.public, 1, None, 0),
        Certificate(SITE, "registrar", LOG.public, 1, None, 4),
        Certificate(SITE, "node", LOG.public, 1),
        Certificate(SITE, "node", LOG.public, 1, None, 5),
        Certificate(SITE, "node", LOG.public, 1, None, True),
    ],
)
def test_a_certificate_that_is_out_of_form_is_nobodys_even_when_it_is_signed(content: Certificate):
    raw = sign_certificate(content, ROOT.public, ROOT.sign)
    for read in (lambda: open_certificate(raw, ROOT.public), lambda: read_claim(raw)):
        with pytest.raises(EvidenceError, match="certificate"):
            read()


def test_what_a_certificate_claims_can_be_read_without_belief():
    raw = certify("node", NODE, THIEF, assurance=3)
    assert read_claim(raw) == (THIEF.kid, open_certificate(raw, THIEF.public))


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
    path.write_bytes(encode_bundle(polled(certify("gateway", GATEWAY, ROOT)).bundle(claim=BundleClaim(STREAM))))
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
    assert found["origin", DEVICE]["keys"] == [
        {"kid": GATEWAY.kid.hex(), "role": "gateway", "class": 0, "proven": True, "packs": 3,
         "before_certification": 0, "after_its_end": 0}
    ]
    assert found["sequence", DEVICE]["complete"] is True
    assert found["checkpoint", ""]["size"] == 5
