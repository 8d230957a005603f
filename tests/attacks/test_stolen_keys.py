"""Keys in a thief's hands: of a device, of the gateway, of the log. What each is still good for, and what not."""

from dataclasses import replace
from pathlib import Path

import pytest
from evidence.site_log import DEVICE, KEY, LOG, NODE, THIEF
from wayside.evidence.bundle import Bundle
from wayside.evidence.certificate import Certificate, Trust, sign_certificate
from wayside.evidence.finding import Demands
from wayside.evidence.fraud import prove_fraud, read_fraud
from wayside.evidence.kinds import GATEWAY_ATTESTED
from wayside.evidence.note import parse_note, sign_note
from wayside.evidence.policy import WitnessPolicy, parse_policy
from wayside.evidence.verify import verify_bundle
from wayside.trust.keys import SoftwareKey
from witness.setting import WITNESS_KEY, GrowingLog, ask, new_witness

GATEWAY, ROOT = SoftwareKey(b"g" * 32), SoftwareKey(b"r" * 32)
POLICY: WitnessPolicy = parse_policy(f"witness w1 {WITNESS_KEY}\nquorum w1\n".encode())
WITNESSED = Demands(POLICY)


def site() -> GrowingLog:
    log = GrowingLog()
    log.add_key()
    log.add_packs(0, 5)
    return log


def failing(bundle: Bundle, trust: Trust, demands: Demands | None = None) -> set[str]:
    holds, findings = verify_bundle(bundle, trust, demands or Demands())
    failed = {each.subject for each in findings if not each.holds}
    assert holds is not bool(failed)
    return failed


def test_a_devices_key_signs_nothing_more_after_its_revocation_and_what_it_signed_stays():
    log = site()
    log.add_key("revoked")
    assert failing(log.bundle(), Trust.in_key(KEY)) == set()
    log.add_packs(5, 7)  # by whoever has the key now
    assert failing(log.bundle(), Trust.in_key(KEY)) == {f"{DEVICE} revocation"}


def polled_by(key: SoftwareKey, log: GrowingLog, sequence: int) -> None:
    log.add_pack(log.make_pack(sequence, key=key), attested=GATEWAY_ATTESTED)


def test_a_gateways_identity_key_is_worth_nothing_without_its_log():
    """The thief makes packs with the identity key; a log of his own is not the site's."""
    log = GrowingLog(key=THIEF)
    log.add_key(key=GATEWAY, role="gateway")
    polled_by(GATEWAY, log, 0)
    assert failing(log.bundle(), Trust.in_key(KEY)) == {"checkpoint"}


def test_a_gateways_identity_key_cannot_be_put_under_the_owners_root_by_a_thief():
    log = GrowingLog()
    right = sign_certificate(Certificate("site.example", "log", LOG.public, 1), ROOT.public, ROOT.sign)
    wrong = sign_certificate(Certificate("site.example", "gateway", THIEF.public, 1), THIEF.public, THIEF.sign)
    for key, role, devices, certificate in ((LOG, "log", [], right), (THIEF, "gateway", [DEVICE], wrong)):
        log.add_key(key=key, role=role, devices=devices, certificates=(certificate,))
    polled_by(THIEF, log, 0)
    assert failing(log.bundle(), Trust(roots=frozenset([ROOT.public]))) == {f"{DEVICE} origin"}


def cosigned(bundle: Bundle, lines: str) -> Bundle:
    note = parse_note(bundle.checkpoint + lines.encode())
    return replace(bundle, checkpoint=note.encode())


def test_a_logs_key_makes_another_history_that_no_witness_co_signs(tmp_path: Path):
    witness = new_witness(tmp_path)
    honest = site()
    status, signature, _ = ask(witness, honest, 0)
    assert status == 200
    assert failing(cosigned(honest.bundle(), signature), Trust.in_key(KEY), WITNESSED) == set()
    thiefs = GrowingLog()  # he has the log's key: the same name, the same signature, other entries
    thiefs.add_key(key=THIEF)
    for sequence in range(7):
        thiefs.add_pack(thiefs.make_pack(sequence, key=THIEF))
    assert failing(thiefs.bundle(), Trust.in_key(KEY)) == set(), "without witnesses nobody can tell"
    status, _, _ = ask(witness, thiefs, honest.size)
    assert status == 422
    assert failing(thiefs.bundle(), Trust.in_key(KEY), WITNESSED) == {"witnesses"}


def test_two_histories_of_one_size_are_kept_as_proof_of_fraud(tmp_path: Path):
    witness = new_witness(tmp_path)
    honest, thiefs = site(), GrowingLog()
    thiefs.add_key(key=THIEF)
    thiefs.grow(honest.size - 1)
    assert ask(witness, honest, 0)[0] == 200
    assert ask(witness, thiefs, honest.size)[0] in (409, 422)
    (path,) = tmp_path.glob("fraud-*.wayside")
    fraud = read_fraud(path)
    assert fraud is not None
    first, second = prove_fraud(fraud, KEY)
    assert first.size == second.size == honest.size and first.root != second.root


def test_a_cosignature_of_another_checkpoint_does_not_fit(tmp_path: Path):
    witness = new_witness(tmp_path)
    honest = site()
    _, signature, _ = ask(witness, honest, 0)
    honest.add_packs(5, 6)
    assert failing(cosigned(honest.bundle(), signature), Trust.in_key(KEY), WITNESSED) == {"witnesses"}


@pytest.mark.parametrize("role", ["gateway", "node"])
def test_a_key_that_signs_packs_signs_no_checkpoint(role: str):
    """Algorithm and key are the same; the role is not."""
    log = site()
    log.add_key(role=role)
    text = parse_note(log.checkpoint).text
    forged = sign_note(text, type(KEY)(KEY.name, KEY.kind, NODE.public), NODE.sign).encode()
    bundle = replace(log.bundle(), checkpoint=forged)
    assert failing(bundle, Trust.in_key(KEY)) == {"checkpoint"}
