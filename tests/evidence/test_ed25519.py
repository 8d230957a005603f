"""What the gateway takes for a public key, and for a signature by it: one rule, wherever a key comes in."""

from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from native import strict_reference
from native.edge_cases import BASE, LOW, SECRETS, L, P, add, cases, encode, encodings, equal, sign, small, spots, times
from wayside.cli import main
from wayside.evidence import EvidenceError
from wayside.evidence.certificate import Certificate, open_certificate, sign_certificate
from wayside.evidence.ed25519 import PublicKeys, check_public, verifies
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import REGISTERED, REVOKED, KeyBody
from wayside.evidence.note import COSIGNATURE, ED25519, Note, NoteError, NoteKey, Signature, cosign, parse_key
from wayside.evidence.policy import PolicyError, parse_policy
from wayside.receiver.keys import ANY, DeviceKeys
from wayside.site import config
from wayside.trust.changes import bodies_for
from wayside.trust.keys import SoftwareKey
from wayside.trust.registry import RegistryError
from wayside.witness.settings import WitnessFileError, from_flags

KEY = SoftwareKey(bytes(range(32)))
GOOD = KEY.public
WEAK = [each for low in LOW for each in encodings(low)]
SECOND_FORMS = [small(y | sign << 255) for y in range(P, 2**255) for sign in (0, 1)]
NOT_ON_CURVE = [small(y) for y in range(60) if strict_reference.decode(small(y)) is None]
NO_KEYS = list(dict.fromkeys(WEAK + SECOND_FORMS + NOT_ON_CURVE))
ONE_OF_EACH = [LOW_BYTES := bytes(32), SECOND_FORMS[-1], NOT_ON_CURVE[0]]

LENGTHS = [b"", GOOD[:31], GOOD + b"\0"]


# --- the rule ---


def test_edge_cases_are_answered_as_the_rule_says():
    """As the cases were made, as a second implementation of the rule says, and as the gateway says."""
    made = cases()
    for each in made:
        assert verifies(each.public, each.message, each.signature) is each.holds, each
        assert strict_reference.accepts(each.public, each.message, each.signature) is each.holds, each


def test_the_edge_cases_are_many_and_openssl_alone_would_take_some():
    made = cases()
    assert len(made) > 2000
    assert len({each.kind for each in made}) > 20
    held = Counter(each.kind for each in made if each.holds)
    assert held["honest"] == 5
    assert held["mixed A, mixed R"] > 30
    assert held["mixed A, low R"] > 30
    assert len(WEAK) == 14
    taken = 0
    for each in (case for case in made if not case.holds and len(case.public) == 32):
        try:
            Ed25519PublicKey.from_public_bytes(each.public).verify(each.signature, each.message)
            taken += 1
        except Exception:
            continue
    assert taken > 100


SCALARS, EIGHT = st.integers(0, L - 1), st.integers(0, 7)


@given(SCALARS, SCALARS, EIGHT, EIGHT, st.binary(max_size=80), st.integers(0, 511))
def test_any_key_and_any_r_are_answered_as_the_rule_says(a: int, r: int, i: int, j: int, message: bytes, bit: int):
    key, nonce = spots(a, [i])[-1], spots(r, [j])[-1]
    signature = sign(key, nonce, message)
    good = equal(key, nonce, message) and not key.low and nonce.canonical
    assert verifies(key.encoded, message, signature) is good
    changed = (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")
    assert verifies(key.encoded, message, changed) is strict_reference.accepts(key.encoded, message, changed) is False


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_a_point_in_its_one_form_and_not_of_low_order(data: bytes):
    decoded = strict_reference.decode(data)
    try:
        check_public(data)
        taken = True
    except EvidenceError:
        taken = False
    assert taken is (decoded is not None and data not in WEAK)


def test_what_is_no_key_is_said():
    for data, why in (
        *((each, "low order|below") for each in WEAK),
        *((each, "below 2\\^255 - 19") for each in SECOND_FORMS),
        *((each, "no point of the curve") for each in NOT_ON_CURVE),
        *((each, "32 bytes") for each in LENGTHS),
    ):
        with pytest.raises(EvidenceError, match=why):
            check_public(data)
        assert not verifies(data, b"m", bytes(64))
    for torsion in LOW:  # a key with something of low order in it is one, if not a usual one
        check_public(encode(add(times(SECRETS[0], BASE), torsion)))


# --- everywhere ---


@pytest.mark.parametrize("public", ONE_OF_EACH, ids=["low order", "second form", "off the curve"])
def test_no_place_takes_what_is_no_key(public: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    why = "the public key is"
    with pytest.raises(EvidenceError, match=why):
        PublicKeys().add(public)
    with pytest.raises(EvidenceError, match=why):
        Keyring().take(0, KeyBody(public, "node", ("meter-1",), REGISTERED))
    with pytest.raises(EvidenceError, match=why):
        DeviceKeys({ANY: [public]})
    for kind in (ED25519, COSIGNATURE):
        with pytest.raises(NoteError, match=why):
            parse_key(str(NoteKey("site.example/log/0", kind, public)))
    with pytest.raises(PolicyError, match="line 1: .*" + why):
        parse_policy(f"log {NoteKey('site.example/log/0', ED25519, public)}\nquorum none\n".encode())
    with pytest.raises(WitnessFileError, match=why):
        from_flags({"state": "s", "name": "w", "logs": [str(NoteKey("site.example/log/0", ED25519, public))]})
    raw = sign_certificate(Certificate("site.example", "log", public, 0), GOOD, KEY.sign)
    with pytest.raises(EvidenceError, match=why):
        open_certificate(raw, GOOD)
    for request in (
        {"do": "enrol", "node": "node-1", "public": public.hex()},
        {"do": "replace", "node": "node-1", "public": public.hex()},
        {"do": "operator", "name": "ada", "public": public.hex()},
        {"do": "certify", "certificates": [], "signer": public.hex()},
    ):
        with pytest.raises(RegistryError, match=why):
            bodies_for(request, Keyring(), "site.example", {"node-1": ["meter-1"]})
    site = tmp_path / "site.toml"
    for table in (
        f'[[node]]\nname = "node-1"\nport = "/dev/null"\ndevices = ["meter-1"]\npublic_key = "{public.hex()}"\n',
        f'[[witness]]\nname = "w"\nurl = "https://w.example"\nvkey = "{NoteKey("w.example/1", COSIGNATURE, public)}"\n',
    ):
        site.write_text('[site]\nname = "site.example"\n' + table)
        with pytest.raises(config.SiteFileError, match=why):
            config.load(site)
    site.write_text('[site]\nname = "site.example"\n')
    vkey = str(NoteKey("site.example/log/0", ED25519, GOOD))
    for words in (
        ["verify", str(site), "--key", str(NoteKey("site.example/log/0", ED25519, public))],
        ["verify", str(site), "--root", public.hex()],
        ["receive", "--broker", "mqtt://127.0.0.1:1", "--key", vkey, "--device-key", f"meter-1={public.hex()}"],
    ):
        assert main(words) == 2
        assert why in capsys.readouterr().err


def test_a_key_that_is_none_may_be_revoked_so_that_nobody_registers_it():
    Keyring().take(0, KeyBody(LOW_BYTES, "node", (), REVOKED))


def test_nothing_is_proven_by_a_key_of_low_order():
    """R = [S]B fits every message for the neutral point: OpenSSL says that each of these is signed."""
    neutral = encode(LOW[0])
    forged = encode(times(5, BASE)) + small(5)

    def forge(_: bytes) -> bytes:
        return forged

    Ed25519PublicKey.from_public_bytes(neutral).verify(forged, b"anything")
    for kind in (ED25519, COSIGNATURE):
        key = NoteKey("site.example/log/0", kind, neutral)
        note = Note("text\n", ())
        signature = cosign(note, key, forge, 1) if kind == COSIGNATURE else Signature(key.name, key.key_id, forged)
        with pytest.raises(NoteError, match="does not verify"):
            note.with_signatures([signature]).verified_by(key)
    raw = sign_certificate(Certificate("site.example", "log", GOOD, 0), neutral, forge)
    with pytest.raises(EvidenceError, match="certificate"):
        open_certificate(raw, neutral)
